"""Lines, columns and byte ranges, held to parsers that give offsets: `jsonc-parser` and `yaml`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ryaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import ReadError
from bot.facts.lock import Lock
from bot.model import Location, Place
from bot.readers.npm import LOCK_NAMES, lock_reader
from bot.readers.positions import Located, locate, span

HERE = Path(__file__).parent
ORACLE = HERE / "oracle"
Pointer = tuple[str | int, ...]


def _text(path: str, data: bytes, *pointer: str | int, key: bool = False) -> str | None:
    found = span(Place(path, pointer, key=key), data)
    return None if found is None else data[found[0] : found[1]].decode()


def _at(path: str, data: bytes, *pointer: str | int, key: bool = False) -> tuple[int, int, int, int]:
    found = locate(Place(path, pointer, key=key), data)
    return found.line, found.column, found.end_line, found.end_column


def _pointers(value: object, prefix: Pointer = ()) -> Iterator[tuple[Pointer, object]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inner in items:
        yield (*prefix, part), inner
        yield from _pointers(inner, (*prefix, part))


def _ask(script: str, value: object) -> Any:
    done = subprocess.run(
        ["node", "-e", script], cwd=ORACLE, input=json.dumps(value), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


# -- JSON --------------------------------------------------------------------------------------

JSONC = """
const { parseTree, findNodeAtLocation, parse } = require('jsonc-parser')
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const options = { allowTrailingComma: true, disallowComments: false }
const walk = function* (value, at) {
  if (value === null || typeof value !== 'object') return
  for (const [key, inner] of Object.entries(value)) {
    const next = [...at, Array.isArray(value) ? Number(key) : key]
    yield next
    yield* walk(inner, next)
  }
}
process.stdout.write(JSON.stringify(texts.map(text => {
  const tree = parseTree(text, [], options)
  return [...walk(parse(text, [], options), [])].map(at => {
    const node = findNodeAtLocation(tree, at)
    const before = Buffer.byteLength(text.slice(0, node.offset))
    const key = node.parent.type === 'property' ? Buffer.byteLength(text.slice(0, node.parent.children[0].offset)) : null
    return [at, before, before + Buffer.byteLength(text.slice(node.offset, node.offset + node.length)), node.type, key]
  })
})))
"""

JSON_TEXTS = [
    '{"a": 1, /* "c": {, */ "b": [1,2,], // x " [\n "c": {"d": "e", "f": [{"g": null,},],},}',
    '// head {\n/* [ */\n{\r\n\t"a\\"b": "c\\\\", "é😀": ["x", {"y": true}], "\\u0041": -1.5e3\r\n}\r\n',
    '[[[]],{},[{"a":[]}]]',
    '{"packages": {"x": ["x@1.0.0", "", {"dependencies": {"y": "^1"}}, "sha512-A=="],}, "": {"": ""}}',
    '{"a":"}","b":"]","c":"//","d":"/*","e":"\\\\"}',
]


def test_json_is_where_jsonc_parser_finds_it() -> None:
    compared = 0
    for text, answers in zip(JSON_TEXTS, _ask(JSONC, JSON_TEXTS), strict=True):
        data = text.encode()
        located = Located(data, "bun.lock")
        for pointer, start, end, kind, key in answers:
            quote = 1 if kind == "string" else 0
            assert located.span(Place("bun.lock", tuple(pointer))) == (start + quote, end - quote), (text, pointer)
            if key is not None:
                found = located.span(Place("bun.lock", tuple(pointer), key=True))
                assert found is not None
                assert found[0] == key + 1, (text, pointer)
            compared += 1
    assert compared == 36


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.text(), JSON_VALUES, max_size=5) | st.lists(JSON_VALUES, max_size=5),
    st.sampled_from([None, 0, 2, "\t"]),
    st.booleans(),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.booleans(),
)
def test_every_json_pointer_leads_to_its_value(
    value: object, indent: int | str | None, ascii_only: bool, bom: bytes, crlf: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    data = bom + (text.replace("\n", "\r\n") if crlf and indent is not None else text).encode()
    located = Located(data, "x.json")
    for pointer, expected in _pointers(value):
        found = located.span(Place("x.json", pointer))
        assert found is not None
        raw = data[found[0] : found[1]].decode()
        assert json.loads(f'"{raw}"' if isinstance(expected, str) else raw) == expected
        if isinstance(pointer[-1], str):
            key = located.span(Place("x.json", pointer, key=True))
            assert key is not None
            assert json.loads(f'"{data[key[0] : key[1]].decode()}"') == pointer[-1]


def test_the_last_of_equal_keys_is_the_place() -> None:
    assert _at("p.json", b'{"a": 1,\n "a": 2}', "a") == (2, 7, 2, 8)


# -- lines and columns -------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_count_code_points(start: str, end: str) -> None:
    text = start + end.join(['{"a": "é😀x",', '\t"漢字": "b", "c": {', ' "d": 1}}', ""])
    data = text.encode()
    assert _at("p.json", data, "a") == (1, 8, 1, 11)
    assert _at("p.json", data, "漢字") == (2, 9, 2, 10)
    assert _at("p.json", data, "漢字", key=True) == (2, 3, 2, 5)
    assert _at("p.json", data, "c", "d") == (3, 7, 3, 8)
    assert [Located(data, "p.json").line(n) for n in (0, 1, 3, 4)] == ["", '{"a": "é😀x",', ' "d": 1}}', ""]


def test_bytes_that_are_no_text_do_not_crash() -> None:
    data = b'{"\xff\xfe": "\x80", "b": 1}'
    assert _at("p.json", data, "b")[:2] == (1, 18)
    assert Located(data, "p.json").line(1).endswith('"b": 1}')


def test_byte_ranges_are_taken_as_they_are() -> None:
    data = "a\né: x\n".encode()
    place = Place("src/x.ts", start=2, end=4)
    assert span(place, data) == (2, 4)
    assert locate(place, data) == Location(path="src/x.ts", line=2, column=1, end_line=2, end_column=2)
    assert span(Place("src/x.ts", start=2, end=99), data) is None
    assert locate(Place("src/x.ts", start=2, end=99), data).end_line == 2
    assert locate(Place("src/x.ts", start=50, end=99), data).line in (2, 3)
    assert locate(Place("src/x.ts", start=0, end=0), b"").line == 1


def test_a_container_is_shown_by_its_key_and_spans_its_brackets() -> None:
    data = b'{"a": {\n"b": [1]}}'
    assert _at("p.json", data, "a") == (1, 3, 1, 4)
    assert _text("p.json", data, "a") == '{\n"b": [1]}'
    assert _text("p.json", data, "a", "b") == "[1]"


@pytest.mark.parametrize(
    ("pointer", "line"), [(("a", "b", "x"), 2), (("a", "x"), 1), (("a", "b", "c", "d"), 3), (("a", 0), 1), (("x",), 1)]
)
def test_what_is_missing_is_shown_by_what_is_there(pointer: Pointer, line: int) -> None:
    data = b'{"a": {\n"b": {\n"c": 1}}}'
    assert locate(Place("p.json", pointer), data).line == line
    assert span(Place("p.json", pointer), data) is None


def test_a_file_is_shown_as_a_whole() -> None:
    assert locate(Place("p.json"), b"{}") == Location(path="p.json")
    assert locate(Place("p.json", ("a",)), b"") == Location(path="p.json")
    assert locate(Place("p.json", ("a",)), b"[]") == Location(path="p.json")
    assert span(Place("p.json"), b"{}") is None


# -- YAML --------------------------------------------------------------------------------------

YAML = """
const { parseAllDocuments, isMap, isSeq, isScalar } = require('yaml')
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const size = text => Buffer.byteLength(text)
const walk = function* (text, node, at) {
  const items = isMap(node) ? node.items.map(p => [String(p.key.value), p.key, p.value])
    : isSeq(node) ? node.items.map((v, i) => [i, null, v]) : []
  for (const [part, key, value] of items) {
    const next = [...at, part]
    if (isScalar(value) && value.type !== 'BLOCK_LITERAL' && value.type !== 'BLOCK_FOLDED' && value.range[0] !== value.range[1])
      yield [next, size(text.slice(0, value.range[0])), size(text.slice(0, value.range[1])), value.type, key && size(text.slice(0, key.range[0]))]
    yield* walk(text, value, next)
  }
}
process.stdout.write(JSON.stringify(texts.map(text => {
  const documents = parseAllDocuments(text)
  return [...walk(text, documents[documents.length - 1].contents, [])]
})))
"""

YAML_TEXTS = [
    "packages:\n- 'a/*' # x\n- \"!b\"\n- c d\n\ncatalog:\n  x: ^1\n  'y z': \"1\"\ncatalogs: {default: {y: 2, z: [a, b c, 'd']}, e: }\n",
    "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      '@a/b':\n        specifier: ^1.0.0 # c\n"
    "        version: 1.2.3(react@18)\npackages:\n\n  '@a/b@1.2.3':\n    resolution: {integrity: sha512-A==, tarball: file:x}\n"
    "    engines: {node: '>=18', npm: it's}\n",
    "? very-long\n: resolution: {integrity: q}\n  dev: true\n? 'quoted'\n:\n  a: b\nplain: x\n",
    "a:\n  - b: 1\n    c: 2\n  - - d\n    - e\n  -\n    f: g\nh:\n- i: j\n- k\nl: m:n\no: http://x#y\np: 'it''s'\n",
    "a: |\n  b: not a key\n  - nor an item\nc: >-\n  d\n\n  e\nf: 1\n",
    "a: &x 1\nb: *x\nc: !!str 2\nd: &y\n  e: 3\nf: &z [1, 2]\n",
    '# comment\n\n  # more\n\n"a\\"b": "c\\\\"\n"\\u0041": é😀\n漢: {字: x}\n',
    "a: 1\n---\nb:\n  c: 2\n",
    "---\na: b\n",
    "%YAML 1.2\n---\na: b\n...\n",
    "a: [\n  b,\n  {c: d},\n]\ne: {\n  f: g, # x ]\n  h: i\n}\nj: k\n",
    '"@a/b@npm:^1.0.0, @a/b@npm:^1.2.0":\n  version: 1.2.3\n  resolution: "@a/b@npm:1.2.3"\n  dependencies:\n    c: "npm:^2"\n  checksum: 10c0/ab\n',
    "  a: 1\n  b:\n      c: 2\n      d: 3\n",
    '{"a": {"b": [1, 2]}, "c":"d"}\n',
    'a: {"b":"}", \'c\':[x], d:e: f, "g":{h: "]"}}\ni: j\n',
]


@pytest.mark.parametrize("crlf", [False, True])
def test_yaml_is_where_the_yaml_parser_finds_it(crlf: bool) -> None:
    texts = [text.replace("\n", "\r\n") if crlf else text for text in YAML_TEXTS]
    compared = 0
    for text, answers in zip(texts, _ask(YAML, texts), strict=True):
        located = Located(text.encode(), "x.yaml")
        for pointer, start, end, kind, key in answers:
            quote = 1 if kind.startswith("QUOTE") else 0
            assert located.span(Place("x.yaml", tuple(pointer))) == (start + quote, end - quote), (text, pointer)
            if key is not None:
                found = located.span(Place("x.yaml", tuple(pointer), key=True))
                assert found is not None
                assert found[0] in (key, key + 1), (text, pointer)
            compared += 1
    assert compared > 55


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc", "Cs")), min_size=1),
        st.recursive(
            st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=("Cc", "Cs")))
            | st.booleans(),
            lambda inner: (
                st.lists(inner, min_size=1, max_size=3)
                | st.dictionaries(st.text("ab@/^ .:'#-", min_size=1, max_size=6), inner, min_size=1, max_size=3)
            ),
            max_leaves=10,
        ),
        max_size=4,
    )
)
def test_every_yaml_pointer_leads_to_its_value(value: dict[str, object]) -> None:
    text = ryaml.dumps(value)  # type: ignore[attr-defined]
    if ryaml.loads(text) != value:  # type: ignore[attr-defined] # a key that means something else when read back
        return
    data = text.encode()
    located = Located(data, "x.yaml")
    for pointer, expected in _pointers(value):
        found = located.span(Place("x.yaml", pointer))
        assert found is not None, (text, pointer)
        raw = data[found[0] : found[1]].decode()
        if isinstance(expected, str) and "\n" not in expected:
            quote = data[found[0] - 1 : found[0]].decode()
            quoted = (
                f"{quote}{raw}{quote}" if quote in "'\"" and data[found[1] : found[1] + 1].decode() == quote else raw
            )
            assert ryaml.loads(quoted) == expected, (text, pointer)  # type: ignore[attr-defined]


def test_of_two_documents_the_last_that_knows_a_pointer_counts() -> None:
    data = b"a: 1\nb: 2\n---\na: 3\nc: 4\n"
    assert [_at("x.yaml", data, key)[0] for key in "abc"] == [4, 2, 5]


def test_a_bom_before_yaml() -> None:
    assert _at("x.yaml", b"\xef\xbb\xbfa: b\nc: d\n", "a") == (1, 4, 1, 5)


# -- lockfiles of real tools -------------------------------------------------------------------

LOCKS = sorted(path for path in (HERE / "locks" / "fixtures").rglob("*") if path.name in LOCK_NAMES)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(HERE / "locks" / "fixtures")))
def test_every_fact_of_a_lock_has_its_line(path: Path) -> None:
    data = path.read_bytes()
    read = lock_reader(path.name)
    assert read is not None
    try:
        lock: Lock = read(path.name, data)
    except ReadError:
        return
    located = Located(data, path.name)
    pointers = [entry.pointer for entry in lock.entries]
    pointers += [dependency.pointer for importer in lock.importers for dependency in importer.dependencies]
    pointers += [importer.pointer for importer in lock.importers if importer.pointer]
    assert pointers
    missing = [pointer for pointer in pointers if located.span(Place(path.name, pointer)) is None]
    assert missing == []
    for entry in lock.entries:
        if entry.integrity and " " not in entry.integrity and lock.format != "bun":
            found = located.locate(lock.place(entry))
            # The entry's own lines hold what it says.
            lines = "".join(located.line(found.line + n) for n in range(14))
            assert entry.name in lines or (entry.alias or "") in lines


def test_there_are_locks_of_every_format() -> None:
    assert {path.name for path in LOCKS} >= {"package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock"}


def test_yarn_1() -> None:
    data = (
        b'# yarn lockfile v1\r\n\r\n\r\n"@a/b@^1.0.0", c@2:\r\n  version "1.2.3"\r\n  resolved "https://x.example.test/b.tgz#1"\r\n'
        b'  integrity sha512-A==\r\n  dependencies:\r\n    "@x/y" "^1"\r\n    z "2"\r\n\r\nd@1:\r\n  version "1.0.0"\r\n'
    )
    for key in ('"@a/b@^1.0.0", c@2', "@a/b@^1.0.0, c@2"):
        assert _text("yarn.lock", data, key, "version") == "1.2.3"
        assert _text("yarn.lock", data, key, "integrity") == "sha512-A=="
        assert _text("yarn.lock", data, key, "dependencies", "@x/y") == "^1"
        assert _text("yarn.lock", data, key, "dependencies", "z", key=True) == "z"
        assert _at("yarn.lock", data, key, key=True)[0] == 4
        assert _text("yarn.lock", data, key, "nothing") is None
    assert _at("yarn.lock", data, "d@1", "version") == (13, 12, 13, 17)
    assert _at("yarn.lock", data, "none@1") == (0, 0, 0, 0)


# -- TOML --------------------------------------------------------------------------------------


def test_toml() -> None:
    data = b"""\xef\xbb\xbfa = "x" # c\r
[t.u]\r
k = '''m'''\r
"q r" = 3 # y\r
list = ["p", 'q', # z
  {n = "v"}]\r
[[w]]\r
n = 1\r
[[w]]\r
n = true\r
"""
    path = "ringfence.toml"
    assert _text(path, data, "a") == "x"
    assert _text(path, data, "a", key=True) == "a"
    assert _at(path, data, "a") == (1, 6, 1, 7)
    assert _text(path, data, "t", "u", "k") == "m"
    assert _text(path, data, "t", "u", "q r") == "3"
    assert _text(path, data, "t", "u", "q r", key=True) == "q r"
    assert _text(path, data, "t", "u", "list", 1) == "q"
    assert _text(path, data, "t", "u", "list", 2, "n") == "v"
    assert _text(path, data, "w", 1, "n") == "true"
    assert _at(path, data, "w", 1, "n")[0] == 10
    assert _at(path, data, "w", 1, "none")[0] == 9
    assert _text(path, data, "none") is None


# -- bytes of any kind, and many of them -------------------------------------------------------

PATHS = ["x.json", "x.yaml", "yarn.lock", "x.toml"]
POINTERS: list[Pointer] = [("a",), ("a", "b"), ("a", 0), (0,), (0, "a"), ("", "")]


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=120)
    | st.lists(st.sampled_from([b"a", b"b", b":", b": ", b"\n", b"  ", b"- ", b"? ", b"{", b"}", b"[", b"]", b",", b'"', b"'", b"#",
                                b"|", b"&x ", b"=", b"---\n", b"\r\n", b"\\", b"/*", b"//", b"\xff"]), max_size=40).map(b"".join)
)  # fmt: skip
def test_any_bytes_have_places_within_them(data: bytes) -> None:
    for path in PATHS:
        located = Located(data, path)
        for pointer in POINTERS:
            for key in (False, True):
                place = Place(path, pointer, key=key)
                found = located.span(place)
                assert found is None or 0 <= found[0] <= found[1] <= len(data)
                location = located.locate(place)
                assert (location.line, location.column) <= (location.end_line, location.end_column)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": ' + b"[" * 1_000_000,
        b'{"a": "' + b'\\"' * 1_000_000,
        b'{"a": ' + b"/*" * 1_000_000,
        b'{"a": ' + b"'" * 1_000_000,
        b"a: {" * 300_000,
        b"a:\n" + b"".join(b" " * depth + b"a:\n" for depth in range(1, 1500)),
        b"? " * 500_000,
        b"- " * 500_000,
        b"a: 'x\n" * 300_000,
        b'"a: \n' * 300_000,
        b"a: " + b"&x " * 500_000,
        b"a" * 2_000_000,
        b"---\n" * 300_000,
        b"a: b #" * 300_000,
        b" " * 2_000_000 + b"a: b",
        b"\n" * 2_000_000,
    ],
    ids=lambda data: data[:8].decode(),
)
def test_no_bytes_are_slow(data: bytes) -> None:
    for path in PATHS[:3]:
        started = time.process_time()
        located = Located(data, path)
        for pointer in POINTERS:
            located.locate(Place(path, pointer))
        assert time.process_time() - started < 5, path


def test_a_large_lock_is_looked_through_once() -> None:
    packages = {
        f"node_modules/@s/p{i}": {
            "version": "1.2.3",
            "resolved": "https://x.example.test/p.tgz",
            "integrity": "sha512-" + "A" * 86,
        }
        for i in range(20_000)
    }
    data = json.dumps({"packages": packages}, indent=2).encode()
    lines = ["lockfileVersion: '9.0'", "packages:"]
    for name in packages:
        lines += [
            "",
            f"  '{name}@1.2.3':",
            "    resolution: {integrity: sha512-" + "A" * 86 + "}",
            "    engines: {node: '>=18'}",
        ]
    for path, content, pointer in (
        ("package-lock.json", data, ("packages", "node_modules/@s/p{}", "integrity")),
        (
            "pnpm-lock.yaml",
            "\n".join(lines).encode(),
            ("packages", "node_modules/@s/p{}@1.2.3", "resolution", "integrity"),
        ),
    ):
        located = Located(content, path)
        started = time.process_time()
        for index in range(0, 20_000, 50):
            found = located.span(Place(path, tuple(part.format(index) for part in pointer)))
            assert found is not None
            assert content[found[0] : found[1]].startswith(b"sha512-A")
        assert time.process_time() - started < 5


def test_places_start_without_a_parser() -> None:
    code = (
        "import sys, bot.readers.positions as p; from bot.model import Place;"
        "p.locate(Place('a.json', ('a',)), b'{}'); p.locate(Place('a.yaml', ('a',)), b'a: 1');"
        "assert not [m for m in sys.modules if 'tree_sitter' in m or m == 'ryaml']"
    )
    import sys

    subprocess.run([sys.executable, "-c", code], check=True)
