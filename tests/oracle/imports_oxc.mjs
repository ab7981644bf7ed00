// What oxc's parser says of the imports of many files: reads paths, one a line, from standard input; writes one JSON
// object a line: {path, errors, imports: [[kind, specifier, start, end, names, types]]}. Offsets are in bytes of UTF-8.
import {readFileSync} from 'node:fs';
import {parseSync} from 'oxc-parser';

const JSX = /\.(?:js|jsx|mjs|cjs)$/;
const MOCKS = new Set(['mock', 'doMock', 'unmock', 'doUnmock', 'dontMock', 'deepUnmock', 'setMock', 'requireActual',
  'requireMock', 'importActual', 'importMock', 'createMockFromModule', 'genMockFromModule']);

function literal(node) {
  while (node && /^(?:TSAsExpression|TSSatisfiesExpression|TSNonNullExpression|ParenthesizedExpression)$/.test(node.type)) node = node.expression;
  if (!node) return null;
  if (node.type === 'TSLiteralType') return literal(node.literal);
  if (node.type === 'Literal' && typeof node.value === 'string') return [node.value, node.start + 1, node.end - 1];
  if (node.type === 'TemplateLiteral' && node.expressions.length === 0) return [node.quasis[0].value.cooked, node.start + 1, node.end - 1];
  return null;
}

const bare = (node) => {
  while (node && /^(?:ParenthesizedExpression|TSNonNullExpression|ChainExpression)$/.test(node.type)) node = node.expression;
  return node;
};
const isMeta = (node) => node?.type === 'MetaProperty' && node.meta.name === 'import';
const nameOf = (node) => node.type === 'Literal' ? node.value : node.name;
const unique = (names) => [...new Set(names)];

function leftmost(node) {
  for (;;) {
    node = bare(node);
    if (node.type === 'CallExpression') node = node.callee;
    else if (node.type === 'MemberExpression') node = node.object;
    else return node;
  }
}

function call(node) {
  const callee = bare(node.callee);
  const first = literal(node.arguments[0]);
  if (callee.type === 'Identifier') return callee.name === 'require' && first ? [['require', first]] : [];
  if (callee.type !== 'MemberExpression' || callee.computed) return [];
  const name = callee.property.name;
  const object = bare(callee.object);
  if ((name === 'glob' || name === 'globEager') && isMeta(object)) {
    const argument = node.arguments[0];
    const all = argument?.type === 'ArrayExpression' ? argument.elements.map(literal) : [first];
    return all.filter((item) => item && !item[0].startsWith('!')).map((item) => ['glob', item]);
  }
  if (!first) return [];
  if (name === 'resolve' && (isMeta(object) || object.name === 'require')) return [['resolve', first]];
  if (name === 'require' && object.name === 'module') return [['require', first]];
  if (MOCKS.has(name) && ['jest', 'vi', 'vitest'].includes(leftmost(object).name)) return [['mock', first]];
  return [];
}

function uses(node, parent) {
  switch (node.type) {
    case 'ImportDeclaration': {
      const typed = node.importKind === 'type';
      const names = node.specifiers.map((item) => item.type === 'ImportDefaultSpecifier' ? 'default'
        : item.type === 'ImportNamespaceSpecifier' ? '*' : nameOf(item.imported));
      const all = node.specifiers.length > 0 && node.specifiers.every((item) => item.importKind === 'type');
      return [[typed ? 'type' : 'import', literal(node.source), unique(names), typed || all]];
    }
    case 'ExportNamedDeclaration': {
      if (!node.source) return [];
      const typed = node.exportKind === 'type';
      const all = node.specifiers.length > 0 && node.specifiers.every((item) => item.exportKind === 'type');
      return [[typed ? 'type' : 'export', literal(node.source), unique(node.specifiers.map((item) => nameOf(item.local))), typed || all]];
    }
    case 'ExportAllDeclaration':
      return [[node.exportKind === 'type' ? 'type' : 'export', literal(node.source), ['*'], node.exportKind === 'type']];
    case 'ImportExpression': {
      const source = literal(node.source);
      return source ? [['dynamic', source]] : [];
    }
    case 'TSImportType': {
      const source = literal(node.argument ?? node.source);
      return source ? [['type', source, null, true]] : [];
    }
    case 'TSExternalModuleReference':
      return [['require', literal(node.expression), null, parent.importKind === 'type']];
    case 'CallExpression':
      return call(node);
    case 'NewExpression': {
      const source = literal(node.arguments[0]);
      const base = node.arguments[1];
      const isUrl = node.callee.name === 'URL' && base?.type === 'MemberExpression' && isMeta(base.object) && base.property.name === 'url';
      return isUrl && source ? [['url', source]] : [];
    }
  }
  return [];
}

const SKIPPED = new Set(['parent', 'loc', 'range']);

function walk(program) {
  const found = [];
  const stack = [[program, null]];
  while (stack.length) {
    const [node, parent] = stack.pop();
    for (const use of uses(node, parent)) found.push(use);
    for (const key in node) {
      const value = node[key];
      if (value === null || typeof value !== 'object' || SKIPPED.has(key)) continue;
      for (const item of Array.isArray(value) ? value : [value]) if (item && typeof item.type === 'string') stack.push([item, node]);
    }
  }
  return found;
}

for (const path of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const bytes = readFileSync(path);
  const source = bytes.toString('utf8');
  const lang = /\.d\.[cm]?ts$/.test(path) ? 'dts' : JSX.test(path) ? 'jsx' : path.endsWith('.tsx') ? 'tsx' : 'ts';
  let errors = [], imports = [];
  for (const sourceType of ['module', 'script', 'commonjs']) {
    const parsed = parseSync(path, source, {lang, sourceType, preserveParens: true});
    errors = parsed.errors.map((error) => error.message);
    imports = walk(parsed.program);
    if (!errors.length) break;
  }
  const ascii = bytes.length === source.length;
  const offset = (index) => ascii ? index : Buffer.byteLength(source.slice(0, index));
  imports = imports.map(([kind, [specifier, start, end], names = null, types = null]) => [kind, specifier, offset(start), offset(end), names, types]);
  process.stdout.write(JSON.stringify({path, errors, valid: bytes.equals(Buffer.from(source)), imports}) + '\n');
}
