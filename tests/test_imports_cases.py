"""The traps of specifiers, one small source each; and hostile bytes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ReadError
from bot.facts.module import Import, ImportKind
from bot.readers.javascript import budget
from bot.readers.javascript.candidates import EVERYTHING, Needles, candidates, climb, decode
from bot.readers.javascript.imports import LIMIT, SUFFIXES, parse_imports

ACME = Needles(scopes=(b"@acme/",), escape=2)


def shown(path: str, source: str | bytes) -> list[str]:
    """``kind specifier names``, with ``!`` for type-only."""
    data = source.encode() if isinstance(source, str) else source
    found = parse_imports(path, data)
    assert not found.broken
    return [" ".join([i.kind.value + "!" * i.types, i.specifier, ",".join(i.names)]).rstrip() for i in found.imports]


CASES = [
    ("a.ts", 'import a, {b as c, type D} from "x"', ["import x default,b,D"]),
    ("a.ts", 'import a, * as ns from "x"', ["import x default,*"]),
    ("a.ts", 'import type {T} from "x"', ["type! x T"]),
    ("a.ts", 'import type T from "x"; import type * as N from "y"', ["type! x default", "type! y *"]),
    ("a.ts", 'import type from "x"', ["import x default"]),
    ("a.ts", 'import {type A, type B as C} from "x"', ["import! x A,B"]),
    ("a.ts", 'import "x"; import {} from "y"', ["import x", "import y"]),
    ("a.ts", 'import {"a b" as c, default as d} from "x"', ["import x a b,default"]),
    ("a.ts", 'import x from "y" with {type: "json"}', ["import y default"]),
    ("a.mjs", 'import x from "y" with {type: "json"}', ["import y default"]),
    ("a.mjs", 'import defer * as x from "y"; import source z from "w"', ["import y *", "import w default"]),
    ("a.mjs", 'import.defer("x"); import.source("y")', ["dynamic x", "dynamic y"]),
    ("a.mjs", 'import source from "x"; import defer from "y"', ["import x default", "import y default"]),
    ("a.ts", 'import x = require("y"); export import z = require("w")', ["require y", "require w"]),
    (
        "a.ts",
        'export {a as b, type C} from "x"; export * from "y"; export * as n from "z"',
        ["export x a,C", "export y *", "export z *"],
    ),
    (
        "a.ts",
        'export type {A} from "x"; export type * from "y"; export type * as N from "z"',
        ["type! x A", "type! y *", "type! z *"],
    ),
    ("a.js", 'const {a, b: c, d = 1, ...e} = require("x")', ["require x a,b,d,*"]),
    (
        "a.js",
        'const a = require("x").b; require("y"); ({c} = require("z"))',
        ["require x b", "require y", "require z c"],
    ),
    ("a.js", 'module.require("x"); require?.("y"); require(`z`)', ["require x", "require y", "require z"]),
    ("a.mjs", 'const {a, b: c} = await import("x"); (await import("y")).d', ["dynamic x a,b", "dynamic y d"]),
    ("a.mjs", 'import("x").then(({a}) => a)', ["dynamic x"]),
    (
        "a.ts",
        'let a: typeof import("x"); let b: import("y").B<string>; let c: (import("z").C)[]',
        ["type! x", "type! y B", "type! z C"],
    ),
    (
        "a.ts",
        'type A = typeof import("x").b; let c = {d: import("y"), e: 1 as import("z").Z}',
        ["type! x b", "dynamic y", "type! z Z"],
    ),
    (
        "a.ts",
        'f<import("x").A>(); a ? b : import("y"); type B = import("z")["k"][]',
        ["type! x A", "dynamic y", "type! z"],
    ),
    (
        "a.tsx",
        'let a: import("x").A<string>; export const B = () => <p>it{import("y")}</p>',
        ["type! x A", "dynamic y"],
    ),
    (
        "a.ts",
        'require("x" as string); require("y" satisfies string); require("z"!)',
        ["require x", "require y", "require z"],
    ),
    ("a.ts", 'jest.mock<typeof import("a")>("b", () => 1)', ["type! a", "mock b"]),
    ("a.ts", 'await vi.importActual<typeof import("a")>("b")', ["type! a", "mock b"]),
    (
        "a.ts",
        'jest.mock("a").mock("b"); vi.doMock("c"); jest.requireActual("d"); other.mock("no")',
        ["mock a", "mock b", "mock c", "mock d"],
    ),
    ("a.ts", 'vi.mock(import("a"))', ["dynamic a"]),
    ("a.js", 'require.resolve("a"); import.meta.resolve("b"); path.resolve("../no")', ["resolve a", "resolve b"]),
    (
        "a.js",
        'new URL("a", import.meta.url); new URL("no", base); new Worker(new URL("./b", import . meta.url))',
        ["url a", "url ./b"],
    ),
    (
        "a.ts",
        'import.meta.glob(["a", "!b", "c"]); import.meta.glob<M>("d", {query: "?x"}); import.meta.globEager("e")',
        ["glob a", "glob c", "glob d", "glob e"],
    ),
    (
        "a.js",
        'require("\\x40acme/x"); require("\\u0040acme/\\u{79}"); require("@ac\\\nme/z")',
        ["require @acme/x", "require @acme/y", "require @acme/z"],
    ),
    ("a.js", 'import(/* webpackChunkName: "c" */ "a"); require( // no("x")\n  "b")', ["dynamic a", "require b"]),
    ("a.js", 'import(/* a /* b */"a")', ["dynamic a"]),
    ("a.js", 'import(`a`); import(`b${c}`); import("d" + e)', ["dynamic a"]),
    ("a.js", '// require("no")\n/* import("no") */ const s = \'import("no")\'; `require("no")`', []),
    ("a.js", 'f("from", "no"); x.require("no"); const from = "no"', []),
    ("a.ts", 'declare module "no" { import a from "x" }', ["import x default"]),
    (
        "a.ts",
        '/// <reference path="a.d.ts" />\n/// <reference types="b" />\nlet x\n/// <reference types="no" />',
        ["reference! ./a.d.ts", "reference! b"],
    ),
    ("a.js", '/** @type {import("x").Y} */ let a; /** @param {{b: import("y")}} b */', ["type! x Y", "type! y"]),
    ("a.js", '/** @import {A, B as C} from "x" */\n/** @import * as N from "y" */', ["type! x A,B", "type! y *"]),
    ("a.js", '/** @example const a = await import("no") */ /* @type {import("no")} */ // import("no")', []),
    ("a.ts", '/** @type {import("no").Y} */ let a', []),
    ("a.js", "#!/usr/bin/env node\nrequire('a')", ["require a"]),
    ("a.js", "\ufeffrequire('a')", ["require a"]),
    ("a.ts", "import a from 'x'\r\nimport b\r\n  from\r\n  'y'\r\n", ["import x default", "import y default"]),
    ("a.ts", "@Component({a: require('x')}) export class A {}", ["require x"]),
    ("a.ts", "jest.mock // hi\n<T>('x'); jest.mock<T // foo<bar\n>('y')", ["mock x", "mock y"]),
    ("a.ts", "import.meta.glob // eager\n<M>('./x'); require // c\n <T>('y')", ["glob ./x", "require y"]),
    ("a.js", "export const A = <B c={require('x')}>from 'no'</B>", ["require x"]),
    ("a.cjs", "let é = require('ünï')", ["require ünï"]),
    ("a.js", "type A = {b: string}; import type {B} from 'x'; import('y')", ["type! x B", "dynamic y"]),
    (
        "a.d.ts",
        "export declare const a: import('x').A; interface B<in out T> {} export default function (): void",
        ["type! x A"],
    ),
    ("a.js", 'require(("x")); (require)("y")', ["require x", "require y"]),
    ("A.VUE", '<script setup lang="ts" generic="T extends A<B>">import type {A} from "x"</script>', ["type! x A"]),
    (
        "a.vue",
        '<!-- <script>import "no"</script> --><script src="./b.ts"></script><style>@import "no";</style>',
        ["import ./b.ts"],
    ),
    (
        "a.vue",
        '<script>import "x"</script>\n<script setup>import "é"; import "y"</script>\n<i18n>import "no"</i18n>',
        ["import x", "import é", "import y"],
    ),
    (
        "a.svelte",
        '<script module>export * from "x"</script><script lang="ts">let a: import("y").Y</script>{#await import("z")}',
        ["export x *", "type! y Y", "dynamic z"],
    ),
    ("a.svelte", '<svelte:head><script type="application/ld+json">import "no"</script></svelte:head>', []),
    (
        "a.astro",
        '---\nimport A from "x"\nconst b = 1 as number\n---\n<A b={await import("y")} />\n<script>import "z"</script>',
        ["import x default", "dynamic y", "import z"],
    ),
    ("a.astro", "<p>no frontmatter</p>", []),
]


@pytest.mark.parametrize(("path", "source", "expected"), CASES, ids=lambda value: str(value)[:60])
def test_case(path: str, source: str, expected: list[str]) -> None:
    assert shown(path, source) == expected


@pytest.mark.parametrize(("path", "source", "expected"), CASES, ids=lambda value: str(value)[:60])
def test_filter_finds_every_case(path: str, source: str, expected: list[str]) -> None:
    data = source.encode()
    seen = {(item.start, item.end) for item in candidates(data, EVERYTHING)}
    assert {(item.start, item.end) for item in parse_imports(path, data).imports} <= seen


def test_broken_files_are_joined_with_the_text() -> None:
    source = b'import typeof T from "a";\nimport b, {c} from "b";\n@@ {{ (\nrequire("d"); import("e"); export * from "f"; resolve("no")'
    found = parse_imports("a.js", source)
    assert found.broken
    assert [item.specifier for item in found.imports] == ["a", "b", "d", "e", "f"]
    assert [item.kind for item in found.imports][2:] == [ImportKind.REQUIRE, ImportKind.DYNAMIC, ImportKind.EXPORT]


@pytest.mark.parametrize(
    ("specifier", "up"),
    [
        ("./a", 0), (".", 0), ("a", 0), ("@acme/a", 0), ("#a", 0), ("node:fs", 0), ("https://example.test/a", 0),
        ("../a", 1), ("..", 1), ("../../..", 3), ("../..a", 1), ("../.../a", 1),
        ("./../a", None), ("a/../../b", None), ("..//../a", None), ("../a/../b", None), (".././../a", None),
        ("/a", None), ("\\\\host\\a", None), ("C:\\a", None), ("c:/a", None), ("file:///a", None), ("FILE:a", 0), ("file:..", 0), ("FILE:../a", None), ("file:a/../../b", None),
        (" file:///a", None), ("..\\..\\a", None), ("./%2e%2E/a", None), ("%2e./a", None), ("./.\t./a", None),
        (".\\..\\a", None), ("a/%2e%2e/b", None),
    ],
)  # fmt: skip
def test_climb(specifier: str, up: int | None) -> None:
    assert climb(specifier) == up


@pytest.mark.parametrize(
    "source",
    [
        'import "@acme/x"', 'require("\\x40acme/x")', "import('\\u0040acme/x')", 'import "\\u{40}acme/x"',
        'require("\\100acme/x")', 'require("\\@acme/x")', 'require("@\\\nacme/x")', "import(`@acme/x`)",
        'import "../../x"', 'import "../.."', 'import ".\\x2e/../x"', 'require("\\.\\./\\56./x")',
        'import "./../x"', 'import "a/../../x"', 'import "./%2e%2e/%2e%2e/x"', 'import "./.\t./.\t./x"',
        "import(`./\n../../x`)", 'import "/x"', 'import "C:/x"', 'require("C:\\\\x")', 'import "file:///x"',
        'import "File:/x"', 'import " file:///x"', 'import "./a/\\x2e\\x2e/../../x"', "require(\"./it's/\\x2e./../../x\")",
        'require("..\\\\..\\\\x")', "import '\\\\\\\\host\\\\x'", '/// <reference path="../../x"/>',
        'import(/* "@acme/no" */ // "\n "@acme/x")', 'import(// \\\n`\\x40acme/x`)', "jest.mock<A<B>>('@acme/x')",
        "import.meta.glob(['./a', '../../x'])", "require\t/**/ (\n/* a */'@acme/x')", "require('it\\'s/../../../x')",
        "export {a}\nfrom\n'@acme/x'", "import{a}from'@acme/x'", '<script src="../../x.ts">', "import\u00a0'@acme/x'",
        "import(<!-- a\n'@acme/x')", "import(\u2028'@acme/x')", "import('.\u2028/../../x')", "require(('@acme/x'))",
    ],
)  # fmt: skip
def test_filter_sees_through(source: str) -> None:
    """Written in whatever way, it is a candidate, and its text comes out decoded."""
    found = candidates(source.encode(), ACME)
    assert found, source
    assert all(item.kind is ImportKind.CANDIDATE for item in found)


@pytest.mark.parametrize(
    "source",
    [
        'import "@acmeno/x"', 'import "acme"', 'import "../x"', 'import "./x"', 'f("@acme/x")', 'const a = "../../x"',
        'import "x/..y"', 'import "node:fs"', 'import "a:b/c"', 'fetch("/x")', 'x = {a: "C:/x"}', "`../../${x}`",
        'import "./a\\x62"', "import 'https://example.test/a'",
    ],
)  # fmt: skip
def test_filter_leaves_alone(source: str) -> None:
    assert candidates(source.encode(), ACME) == ()


def test_unscoped_names() -> None:
    needles = Needles(scopes=(b"lodash",))
    source = b'import "lodash"; import "lodash/fp"; import "lodash-es"; import "a-lodash"; import "lodash?raw"; import "../lodash"'
    assert [item.specifier for item in candidates(source, needles)] == [
        "lodash",
        "lodash/fp",
        "lodash-es",
        "lodash?raw",
    ]


def test_candidate_offsets() -> None:
    source = "\ufeffconst é = 1; import '@acme/x'".encode()
    (found,) = candidates(source, ACME)
    assert found == Import("@acme/x", ImportKind.CANDIDATE, source.index(b"@"), len(source) - 1)


@pytest.mark.parametrize("up", range(5))
def test_every_depth(up: int) -> None:
    source = b";".join(b"import '%s'" % (b"../" * n + b"x" if n else b"./x") for n in range(5))
    assert len(candidates(source, Needles(escape=up))) == 5 - up
    assert [climb(item.specifier) for item in candidates(source, Needles(escape=up))] == list(range(up, 5))


def test_bytes_that_are_not_utf8() -> None:
    source = b"// \xff\nimport '@acme/\xfe'; import '../../\xc3\xa9'"
    expected = ["@acme/\udcfe", "../../é"]
    assert [item.specifier for item in candidates(source, ACME)] == expected
    found = parse_imports("a.js", source)
    assert [item.specifier for item in found.imports] == expected
    assert all(source[item.start - 1 : item.start] == b"'" == source[item.end : item.end + 1] for item in found.imports)


def test_errors() -> None:
    with pytest.raises(ReadError) as large:
        parse_imports("a.js", b" " * (LIMIT + 1))
    assert large.value.reason == "too-large"
    with pytest.raises(ReadError) as other:
        parse_imports("a.css", b"")
    assert other.value.reason == "unsupported-format"


COSTLY = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1_200_000_000, 1_200_000_000))
from bot.errors import ReadError
from bot.readers.javascript.imports import parse_imports
try:
    parse_imports({path!r}, {head!r} + {piece!r} * {times} + b"import('@acme/core')")
except ReadError as error:
    print(error.reason)
"""


@pytest.mark.parametrize(
    ("path", "head", "piece"),
    [("a.js", b"", b"("), ("a.ts", b"", b"a<"), ("a.tsx", b"", b"async("), ("a.vue", b"<script>", b"[(")],
)
def test_what_would_take_all_memory_is_refused_in_time(path: str, head: bytes, piece: bytes) -> None:
    """Without a bound, the system ends the process."""
    code = COSTLY.format(path=path, head=head, piece=piece, times=8_000_000 // len(piece))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["too-deep"]


def test_a_large_file_is_read_as_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [(path, source.encode()) for path, source, _ in CASES]
    sources += [(path, source + b"\n(((") for path, source in sources]
    expected = [parse_imports(path, source) for path, source in sources]
    assert {found.broken for found in expected} == {True, False}
    monkeypatch.setattr(budget, "SMALL", 0)
    monkeypatch.setattr(budget, "_CHUNK", 7)
    assert [parse_imports(path, source) for path, source in sources] == expected


def test_the_filter_does_not_load_the_parser() -> None:
    code = (
        "import sys, bot.readers.javascript.candidates as c; assert not [m for m in sys.modules if 'tree_sitter' in m]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    code = "import sys, bot.readers.javascript.imports as c; assert not [m for m in sys.modules if 'tree_sitter' in m]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


PIECES = st.sampled_from(
    [
        "import", " ", "from", '"', "'", "`", "(", ")", "require", "\\", "../", "./", "..", "/*", "*/", "//", "\n", "@acme/x",
        "export", "*", "{", "}", "type", "=", "<", ">", "[", "]", ",", ".", "meta", "resolve", "glob", "jest.mock", "\\x40", "\\u{2e}",
        "<script>", "</script>", "<!--", "-->", "---", "\r\n", "\u2028", "é", "${", "%2e", "\t", "C:/", "file:/", "\\", "as", "await",
    ]
)  # fmt: skip
SOURCES = st.one_of(
    st.binary(max_size=200),
    st.lists(PIECES, max_size=40).map(lambda parts: "".join(parts).encode()),
    st.tuples(st.sampled_from(CASES), st.integers(0, 200), st.integers(0, 5), st.lists(PIECES, max_size=3)).map(
        lambda cut: (cut[0][1][: cut[1]] + "".join(cut[3]) + cut[0][1][cut[1] + cut[2] :]).encode()
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(source=SOURCES, suffix=st.sampled_from(SUFFIXES), up=st.integers(-1, 3))
def test_any_bytes(source: bytes, suffix: str, up: int) -> None:
    """No exception; and the filter never misses what the parser reports."""
    found = parse_imports("a" + suffix, source)
    every = {item.start for item in candidates(source, EVERYTHING)}
    needles = Needles(scopes=(b"@acme/",), escape=up)
    few = {item.start for item in candidates(source, needles)}
    assert few <= every
    for item in found.imports:
        assert source[item.start : item.end].decode("utf-8", "surrogateescape") == item.specifier.removeprefix(
            "./"
        ) or (decode(source[item.start : item.end]).removeprefix("./") == item.specifier.removeprefix("./"))
        assert item.start in every
        up_here = climb(item.specifier)
        path = up >= 0 and (up_here is None or (item.specifier.startswith(".") and up_here >= up))
        if path or item.specifier.startswith("@acme/"):
            assert item.start in few


SPECIFIERS = st.lists(
    st.sampled_from(
        [
            "..", "../", "/..", "./", "/", ".", "a", "a..", "x/", "'", '"', "`", "\\\\", "\\x2e", "\\/", "\\\n", "%2e", "%2E", "!", ":",
            "C:", "file:", "FILE:", "\t", "@", "acme/", "@acme/", "\\x40acme/", "@a/", "todos", "é", " ", "glob", "https://",
        ]
    ),
    max_size=9,
).map("".join)  # fmt: skip
STATEMENTS = st.sampled_from(
    [
        "import 'S'", 'export * from "S"', "require('S')", "require ( 'S' )", "x = require<T>('S')", "vi.importActual<{ a: B[] }>('S')",
        "vi.importActual<typeof import('S')>('S')", "jest.mock<() => T>('S')", "import(/* why */ `S`)", "import( // why\n 'S')",
        "import.meta.glob(['x', 'S'])", "new URL('S', import.meta.url)", "/// <reference path='S'/>", "require(('S'))", "import\t'S'",
        "app.get<T>('S')", "x = ['S', 'S']",
    ]
)  # fmt: skip


@settings(max_examples=2000, deadline=None)
@given(statement=STATEMENTS, specifier=SPECIFIERS, up=st.integers(-1, 4))
def test_any_specifier(statement: str, specifier: str, up: int) -> None:
    """Whatever a specifier is made of, the filter sees it."""
    source = statement.replace("S", specifier).encode()
    needles = Needles(scopes=(b"@acme/", b"@*/todos"), escape=up)
    few = {item.start for item in candidates(source, needles)}
    for item in parse_imports("a.ts", source).imports:
        up_here = climb(item.specifier)
        path = up >= 0 and (up_here is None or (item.specifier.startswith(".") and up_here >= up))
        named = item.specifier.startswith("@") and item.specifier.partition("/")[2].startswith("todos")
        if path or named or item.specifier.startswith(("@acme/", "todos")):
            assert item.start in few


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "nesting": lambda n: b"(" * n + b"require('../../x')" + b")" * n,
    "wide": lambda n: b"import '../../x';" * (n // 10),
    "comments": lambda n: b"import(" + b"/*" * n + b"*/ '../../x')",
    "open comments": lambda n: b"import(/* '../../x' " * (n // 10),
    "jsdoc": lambda n: b"/** " + b"@type {import('../../x')}" * (n // 10) + b"*/",
    "braces": lambda n: b"/** @type {" + b"{import('../../x')" * (n // 10) + b"*/",
    "references": lambda n: b"/// <reference path='../../x'/>\n" * (n // 20),
    "backslashes": lambda n: b"import '" + b"\\x2e" * n + b"'",
    "escaped quotes": lambda n: b"require('\\" * (n // 5),
    "open templates": lambda n: b"import(`../../" * (n // 10),
    "dots": lambda n: b"'/../" * (n // 3),
    "one line": lambda n: b"a='x/../y';b=\"\\n\";" * (n // 20) + b"import '../../x'",
    "newlines": lambda n: b"//" * n + b"\n" * n + b"'\\x2e'",
    "line comments": lambda n: b"import(" + b"//\n" * n + b"'../../x')",
    "masks": lambda n: b"import(/*" * (n // 5) + b"<typeof import(" + b", in" * n,
    "scripts": lambda n: b"<script " * (n // 5),
    "script bodies": lambda n: b"<script>import '../../x'" * (n // 10),
    "html comments": lambda n: b"<!--" * n,
    "fences": lambda n: b"---\n" + b"<!--" * n,
    "members": lambda n: b"jest" + b".mock('../../x')" * (n // 10),
    "glob": lambda n: b"import.meta.glob([" + b"'../../x'," * (n // 5),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_bounded(name: str) -> None:
    """Eight times as much takes nowhere near 64 times as long."""
    make = HOSTILE[name]

    def spent(suffix: str, size: int) -> float:
        data = make(size)
        start = time.process_time()
        candidates(data, ACME)
        parse_imports("a" + suffix, data)
        return time.process_time() - start

    for suffix in (".ts", ".js", ".vue", ".astro"):
        # What else happens in this process now and then (a look for garbage) does so once.
        small, large = (min(spent(suffix, size) for _ in range(3)) for size in (2_000, 16_000))
        assert large < 0.3 + 20 * small, (suffix, small, large)


@pytest.mark.parametrize(
    ("call", "may_import"),
    [
        ("client.get<{ page: Page[] }>('/x')", False),
        ("client.get<Map<string, number>>\n  ('/x')", False),
        ("a<div>('/x')", False),
        ("if (a > b) ('/x')", False),
        ("require<T>('/x')", True),
        ("vi.importActual<{ a: B<C> }>('/x')", True),
        ("vi.importActual<typeof import('./y')>('/x')", True),
        ("jest.requireActual/* why */<T>('/x')", True),
        ("get<() => void>('/x')", True),  # not easily read: the parser says
        ("jest.mock // why\n<T>('/x')", True),
        ("jest.mock<T // some<thing\n>('/x')", True),
        ("require // why\r\n <T>('/x')", True),
        ("require /* get */<T>('/x')", True),
        ("require <!-- get\n<T>('/x')", True),
        ("import.meta.glob // why\n<T>('/x')", True),
    ],
)
def test_calls_with_type_arguments(call: str, may_import: bool) -> None:
    found = [item.specifier for item in candidates(call.encode(), Needles(escape=2))]
    assert found == (["/x"] if may_import else [])


def test_names_of_any_number_and_length() -> None:
    long = "@acme/" + "x" * 5000
    names = [f"@acme/platform-{number}" for number in range(3000)]
    needles = Needles(scopes=(*(name.encode() for name in names), long.encode(), b"q"), escape=2)
    source = (
        f"import '{names[7]}'; require('{long}'); import 'q/x'; import '@acme/{'x' * 4000}'; import 'other'; f('q')"
    )
    assert [item.specifier for item in candidates(source.encode(), needles)] == [names[7], long, "q/x"]


def test_a_name_in_any_scope() -> None:
    needles = Needles(scopes=(b"@*/todos", b"@acme/"))
    source = (
        b'import "todos"; import "@a/todos/x"; import "@a/todos-like"; import "a/todos"; import "@acme/x"; '
        b'import "@a/b/todos"; require("\\x40a/todos"); import "@a/other"; x("@a/todos"); import "@*/todos"'
    )
    assert [item.specifier for item in candidates(source, needles)] == [
        "todos",
        "@a/todos/x",
        "@a/todos-like",
        "@acme/x",
        "@a/todos",
        "@*/todos",
    ]
