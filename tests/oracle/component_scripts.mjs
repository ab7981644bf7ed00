// The scripts of Vue and Svelte components, by their own compilers. Reads paths, one a line, from standard input; writes
// one JSON object a line: {path, scripts: [[start, end, lang]], sources: [text]}. Offsets are in bytes of UTF-8.
import {readFileSync} from 'node:fs';
import {parse as parseVue} from '@vue/compiler-sfc';
import {parse as parseSvelte} from 'svelte/compiler';

function vue(source) {
  const {descriptor} = parseVue(source, {ignoreEmpty: false});
  const blocks = [descriptor.script, descriptor.scriptSetup].filter(Boolean);
  return {
    scripts: blocks.filter((block) => !block.src).map((block) => [block.loc.start.offset, block.loc.end.offset, block.lang ?? 'js']),
    sources: blocks.filter((block) => block.src).map((block) => block.src),
  };
}

function svelte(source) {
  const root = parseSvelte(source, {modern: true});
  const blocks = [root.module, root.instance].filter(Boolean);
  return {
    scripts: blocks.map((block) => {
      const lang = block.attributes.find((item) => item.name === 'lang');
      return [block.content.start, block.content.end, lang ? lang.value[0].data : 'js'];
    }),
    sources: [],
  };
}

for (const path of readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const source = readFileSync(path, 'utf8');
  const {scripts, sources} = path.endsWith('.vue') ? vue(source) : svelte(source);
  const offset = (index) => Buffer.byteLength(source.slice(0, index));
  process.stdout.write(JSON.stringify({path, scripts: scripts.map(([start, end, lang]) => [offset(start), offset(end), lang]), sources}) + '\n');
}
