// What TypeScript says of the comments of many files: JSDoc's import types and @import tags (JavaScript only), and
// triple-slash references. Reads paths, one a line, from standard input; writes one JSON object a line:
// {path, imports: [[kind, specifier, start, end]]}. Offsets are in bytes of UTF-8.
import {readFileSync} from 'node:fs';
import ts from 'typescript';

for (const path of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const bytes = readFileSync(path);
  const source = bytes.toString('utf8');
  const script = /\.(?:js|jsx|mjs|cjs)$/.test(path);
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true, script ? ts.ScriptKind.JSX : undefined);
  const ascii = bytes.length === source.length;
  const offset = (index) => ascii ? index : Buffer.byteLength(source.slice(0, index));
  const seen = new Map();
  const add = (kind, text, start, end) => seen.set(start, [kind, text, offset(start), offset(end)]);
  for (const item of [...file.referencedFiles, ...file.typeReferenceDirectives]) add('reference', item.fileName, item.pos, item.end);
  const walk = (node, inside) => {
    if (inside && ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const literal = node.argument.literal;
      add('type', literal.text, literal.getStart() + 1, literal.end - 1);
    }
    if (node.kind === ts.SyntaxKind.JSDocImportTag) {
      const literal = node.moduleSpecifier;
      add('type', literal.text, literal.getStart() + 1, literal.end - 1);
    }
    for (const doc of node.jsDoc ?? []) walk(doc, true);
    ts.forEachChild(node, (child) => walk(child, inside));
  };
  if (script) walk(file, false);
  process.stdout.write(JSON.stringify({path, imports: [...seen.values()]}) + '\n');
}
