// Extracts every *.tgz in a folder with npm's own code, and prints what was written: {"x.tgz": {files, manifest} or null}.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const pacote = createRequire(new URL("../oracle/package.json", import.meta.url))("pacote");

const [folder] = process.argv.slice(2);
const text = (file) => fs.readFileSync(file, "utf8").replace(/^\uFEFF/, ""); // npm takes a byte order mark off
const answers = {};
for (const name of fs.readdirSync(folder).filter((each) => each.endsWith(".tgz")).sort()) {
  const out = path.join(folder, `${name}.out`);
  try {
    await pacote.extract(path.join(folder, name), out, { cache: path.join(folder, "cache") });
  } catch {
    answers[name] = null;
    continue;
  }
  const files = fs
    .readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(out, path.join(entry.parentPath, entry.name)))
    .sort();
  const manifest = files.includes("package.json") ? JSON.parse(text(path.join(out, "package.json"))) : null;
  answers[name] = { files, manifest };
}
process.stdout.write(JSON.stringify(answers));
