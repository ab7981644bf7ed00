"""What a stranger may import: `legal_subpath` and `suggest` on manifests in the style of real packages.

TypeScript's own resolver says which subpaths types can be had from.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bot.facts.manifest import Manifest
from bot.readers.javascript.exports import (
    Legal,
    LegalKind,
    Outcome,
    Usage,
    legal_subpath,
    package_json,
    resolve_exports,
    resolve_imports,
    suggest,
)

ORACLE = Path(__file__).parent / "oracle"

# A package in both module systems, with declarations for each, as tsup and its like write it.
DUAL = {
    "main": "./dist/index.cjs",
    "types": "./dist/index.d.cts",
    "exports": {
        ".": {
            "import": {"types": "./dist/index.d.mts", "default": "./dist/index.mjs"},
            "require": {"types": "./dist/index.d.cts", "default": "./dist/index.cjs"},
        },
        "./types": {"types": "./dist/types.d.ts"},
        "./esm": {"import": "./dist/esm.mjs"},
        "./cjs": {"require": "./dist/cjs.cjs"},
        "./features/*": {"types": "./dist/features/*.d.ts", "default": "./dist/features/*.js"},
        "./features/private/*": None,
        "./plain/*": "./dist/plain/*",
        "./internal": {"@acme/source": "./src/internal.ts"},
        "./both": {"@acme/source": {"custom": "./src/both.ts"}},
        "./source": {"@acme/source": "./src/source.ts", "default": "./dist/source.js"},
        "./web": {"browser": "./dist/web.js"},
        "./edge": {"edge-light": "./dist/edge.js", "workerd": "./dist/edge.js"},
        "./bun": {"bun": "./src/bun.ts"},
        "./debug": {"development": "./dist/debug.js"},
        "./bundled": {"module": "./dist/bundled.mjs"},
        "./native": {"react-native": "./dist/native.js"},
        "./style.css": {"style": "./dist/style.css"},
        "./versioned": {"types@>=4.8": "./dist/versioned.d.ts"},
        "./bad": "../outside.js",
        "./legacy/": "./dist/legacy/",
        "./gone": "./dist/gone.js",
    },
}
DUAL_FILES = frozenset(
    {
        *(
            "package.json",
            "dist/index.mjs",
            "dist/index.cjs",
            "dist/index.d.mts",
            "dist/index.d.cts",
            "dist/types.d.ts",
        ),
        *(
            "dist/esm.mjs",
            "dist/esm.d.mts",
            "dist/cjs.cjs",
            "dist/features/a.js",
            "dist/features/a.d.ts",
            "dist/web.js",
        ),
        *(
            "dist/features/typed.d.ts",
            "dist/plain/p.js",
            "dist/plain/p.d.ts",
            "dist/plain/dir/index.js",
            "dist/edge.js",
        ),
        *("dist/source.js", "src/source.ts", "src/internal.ts", "src/both.ts", "src/bun.ts", "dist/debug.js"),
        *("dist/bundled.mjs", "dist/native.js", "dist/style.css", "dist/versioned.d.ts", "dist/legacy/l.js"),
        *("dist/features/private/secret.js", "dist/features/private/secret.d.ts", "dist/deep.js", "dist/deep.d.ts"),
    }
)
LEGACY: dict[str, object] = {
    "main": "lib",
    "module": "./es/index.js",
    "typesVersions": {">=4.0": {"*": ["ts4/*"], "ui": ["ts4/widgets.d.ts"]}},
}
LEGACY_FILES = frozenset(
    {
        *(
            "package.json",
            "lib/index.js",
            "es/index.js",
            "es/a.js",
            "lib/b.json",
            "lib/c/package.json",
            "lib/c/main.js",
        ),
        *("lib/d/index.js", "ts4/widgets.d.ts", "ts4/deep/x.d.ts", "lib/only.d.ts", "lib/typed.js", "lib/typed.d.ts"),
    }
)


def judged(subpath: str, usage: Usage = "import", manifest: dict[str, Any] = DUAL, files: Any = DUAL_FILES) -> Legal:
    return legal_subpath(manifest, subpath, files=files, usage=usage)


@pytest.mark.parametrize(
    ("subpath", "via", "file"),
    [
        (".", "node import", "dist/index.mjs"),
        ("./esm", "node import", "dist/esm.mjs"),
        ("./cjs", "node require", "dist/cjs.cjs"),
        ("./features/a", "node import", "dist/features/a.js"),
        ("./features/a?raw", "node import", "dist/features/a.js"),
        ("./features/a#part", "node import", "dist/features/a.js"),
        ("./plain/p.js", "node import", "dist/plain/p.js"),
        ("./source", "node import", "dist/source.js"),
        ("./web", "browser import", "dist/web.js"),
        ("./edge", "workerd import", "dist/edge.js"),
        ("./bun", "bun import", "src/bun.ts"),
        ("./debug", "node import development", "dist/debug.js"),
        ("./bundled", "bundler import", "dist/bundled.mjs"),
        ("./native", "react-native import", "dist/native.js"),
        ("./style.css", "style import", "dist/style.css"),
    ],
)
def test_whatever_a_strangers_tool_resolves_is_legal(subpath: str, via: str, file: str) -> None:
    usages: tuple[Usage, ...] = ("import", "require", "type", "any")
    for usage in usages:
        found = judged(subpath, usage)
        assert (found.kind, found.legal, found.types_only, found.missing_file) == (
            LegalKind.EXPORTED,
            True,
            False,
            False,
        )
        assert found.resolution is not None
        assert not found.only_under
    found = judged(subpath)
    assert found.resolution is not None
    assert (found.via, found.resolution.file) == (via, file)


def test_the_usage_says_which_way_is_shown() -> None:
    assert judged(".", "require").via == "node require"
    assert judged(".", "require").resolution == resolve_exports(DUAL["exports"], ".", {"require", "node"})


@pytest.mark.parametrize("subpath", ["./types", "./versioned"])
def test_types_only_is_legal_for_types_alone(subpath: str) -> None:
    for usage, legal in (("import", False), ("require", False), ("type", True), ("any", True)):
        found = judged(subpath, usage)  # type: ignore[arg-type]
        assert (found.kind, found.types_only, found.legal) == (LegalKind.EXPORTED, True, legal), usage
        assert found.resolution is not None
        assert found.resolution.file == f"dist/{subpath[2:]}.d.ts"


@pytest.mark.parametrize(
    ("subpath", "reason", "only_under"),
    [
        ("./dist/deep.js", "no-key", ()),
        ("./deep", "no-key", ()),
        ("./package.json", "no-key", ()),
        ("./features/private/secret", "null-target", ()),
        ("./features/", "no-key", ()),
        ("./internal", "no-condition", ("@acme/source",)),
        ("./both", "no-condition", ("@acme/source", "custom")),
        ("./legacy/l.js", "no-key", ()),
        ("./Types", "no-key", ()),
    ],
)
def test_not_exported(subpath: str, reason: str, only_under: tuple[str, ...]) -> None:
    usages: tuple[Usage, ...] = ("import", "require", "type", "any")
    for usage in usages:
        found = judged(subpath, usage)
        assert (found.kind, found.legal, found.only_under) == (LegalKind.NOT_EXPORTED, False, only_under)
        assert found.resolution is not None
        assert found.resolution.reason == reason
        assert found.manifest_file is (subpath == "./package.json")
        assert found.legacy_folder is (subpath == "./legacy/l.js")


def test_what_leads_to_the_value_that_decided() -> None:
    secret = judged("./features/private/secret").resolution
    assert secret is not None
    assert (secret.key, secret.pointer) == ("./features/private/*", ("./features/private/*",))
    nested = resolve_exports(DUAL["exports"], ".", {"require"})
    assert nested.pointer == (".", "require", "default")
    assert nested.conditions == ("require", "default")
    listed = resolve_exports([None, {"import": ["bare", "./x.js"]}], ".", {"import"})
    assert (listed.target, listed.key, listed.pointer, listed.conditions) == (
        "./x.js",
        ".",
        (1, "import", 1),
        ("import",),
    )


def test_invalid_is_not_the_same_as_not_exported() -> None:
    found = judged("./bad")
    assert (found.kind, found.legal) == (LegalKind.INVALID, False)
    assert found.resolution is not None
    assert found.resolution.reason == "invalid-target"
    mixed = judged("./a", manifest={"exports": {".": "./a.js", "import": "./b.js"}})
    assert (mixed.kind, mixed.resolution and mixed.resolution.reason) == (LegalKind.INVALID, "mixed-keys")
    climbing = judged("./plain/../../x")
    assert (climbing.kind, climbing.resolution and climbing.resolution.reason) == (LegalKind.INVALID, "invalid-subpath")


def test_a_pattern_that_names_no_file_is_exported() -> None:
    for subpath in ("./features/none", "./plain/p", "./plain/dir", "./gone"):
        found = judged(subpath)
        assert (found.kind, found.legal, found.missing_file) == (LegalKind.EXPORTED, True, True), subpath
        assert not judged(subpath, files=None).missing_file
    # A type needs no code beside it, a value does.
    assert not judged("./features/typed", "type").missing_file
    assert not judged("./features/typed", "any").missing_file
    assert judged("./features/typed", "import").missing_file
    assert not judged("./features/typed", "type").types_only


def test_package_json_follows_the_map_like_any_other() -> None:
    listed = judged("./package.json", manifest={"exports": {".": "./a.js", "./package.json": "./package.json"}})
    assert (listed.legal, listed.manifest_file) == (True, True)
    assert not judged(".").manifest_file


def test_a_map_without_subpaths_exports_the_main_entry_alone() -> None:
    for exports in ("./a.js", ["./a.js"], {"import": "./a.js"}, {"default": "./a.js"}):
        assert judged(".", manifest={"exports": exports}, files=None).legal
        assert judged("./a.js", manifest={"exports": exports}, files=None).kind is LegalKind.NOT_EXPORTED
    assert not judged(".", manifest={"exports": {}}, files=None).legal


@pytest.mark.parametrize(
    ("subpath", "usage", "exists"),
    [
        (".", "import", True),
        ("./es/a.js", "import", True),
        ("./es/a", "require", True),
        ("./lib/b", "require", True),
        ("./lib/c", "require", True),
        ("./lib/d", "require", True),
        ("./lib", "require", True),
        ("./lib/none", "require", False),
        ("./lib/only", "require", False),
        ("./lib/only", "type", True),
        ("./lib/only.js", "type", True),
        ("./deep/x", "type", True),
        ("./ui", "type", True),
        ("./ui", "import", False),
        ("./ui/x", "type", False),
        ("./lib/../es/a.js", "import", True),
        ("./es/%61.js", "import", True),
        ("./es/%", "import", False),
    ],
)
def test_without_a_map(subpath: str, usage: Usage, exists: bool) -> None:
    found = judged(subpath, usage, LEGACY, LEGACY_FILES)
    assert (found.kind, found.legal, found.exists) == (LegalKind.NO_MAP, True, exists)
    assert judged(subpath, usage, LEGACY, None).exists is None


def test_without_anything_index_js_is_the_entry() -> None:
    assert judged(".", manifest={}, files={"index.js"}).exists
    assert not judged(".", manifest={}, files={"main.js"}).exists
    assert judged(".", manifest={"main": "./main"}, files={"main.js"}).exists
    assert judged(".", manifest={"main": 5}, files={"index.js"}).exists


def test_the_repositorys_own_tree() -> None:
    manifest = Manifest(
        path="package.json", directory="", name="x", exports={"./a": "./src/a.ts"}, entry={"main": "m.js"}
    )
    assert package_json(manifest) == {"exports": {"./a": "./src/a.ts"}, "main": "m.js"}
    assert legal_subpath(package_json(manifest), "./a", files=None, usage="import").legal
    assert not legal_subpath(package_json(manifest), "./src/a.ts", files=None, usage="import").legal
    assert "exports" not in package_json(Manifest(path="package.json", directory="", name="x"))


# -- TypeScript ----------------------------------------------------------------------------

TYPESCRIPT = """
const ts = require('typescript')
const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const root = '/app/node_modules/p/'
process.stdout.write(JSON.stringify(asked.map(({ manifest, files, subpaths }) => {
  const text = JSON.stringify({ name: 'p', version: '1.0.0', ...manifest })
  const present = new Set(files.map(file => root + file).concat(root + 'package.json'))
  const folders = new Set(['/app', '/app/node_modules', '/'])
  for (const file of present) {
    for (let at = file; at.length > 1; at = at.slice(0, at.lastIndexOf('/'))) folders.add(at.slice(0, at.lastIndexOf('/')))
  }
  const host = {
    fileExists: file => present.has(file),
    readFile: file => file === root + 'package.json' ? text : present.has(file) ? '{}' : undefined,
    directoryExists: folder => folders.has(folder.replace(/[/]$/, '')),
    getCurrentDirectory: () => '/app',
  }
  const resolve = (name, kind, mode) => {
    const options = { moduleResolution: ts.ModuleResolutionKind[kind], module: ts.ModuleKind[
      kind === 'NodeNext' ? 'NodeNext' : kind === 'Bundler' ? 'ESNext' : 'CommonJS'], resolveJsonModule: true }
    const found = ts.resolveModuleName(name, '/app/from.ts', options, host, undefined, undefined, ts.ModuleKind[mode])
    return found.resolvedModule ? found.resolvedModule.resolvedFileName.slice(root.length) : null
  }
  return subpaths.map(subpath => {
    const name = 'p' + subpath.slice(1)
    const modern = [
      resolve(name, 'Bundler', 'ESNext'), resolve(name, 'NodeNext', 'ESNext'), resolve(name, 'NodeNext', 'CommonJS'),
    ]
    return [modern, resolve(name, 'Node10', 'CommonJS')]
  })
})))
"""

DUAL_SUBPATHS = [
    *(key for key in DUAL["exports"] if "*" not in key and not key.endswith("/")),
    *("./features/a", "./features/typed", "./features/none", "./features/private/secret", "./plain/p", "./plain/p.js"),
    *("./plain/dir", "./legacy/l.js", "./dist/deep.js", "./dist/deep", "./deep", "./package.json", "./dist/index.cjs"),
]
LEGACY_SUBPATHS = [
    ".",
    "./es/a",
    "./lib/typed",
    "./lib/typed.js",
    "./lib/only",
    "./lib/only.js",
    "./deep/x",
    "./ui",
    "./ui/x",
    "./no",
]


def test_what_typescript_resolves_is_legal_for_a_type() -> None:
    asked = [
        {"manifest": DUAL, "files": sorted(DUAL_FILES), "subpaths": DUAL_SUBPATHS},
        {"manifest": LEGACY, "files": sorted(LEGACY_FILES), "subpaths": LEGACY_SUBPATHS},
    ]
    run = subprocess.run(
        ["node", "-e", TYPESCRIPT], input=json.dumps(asked), capture_output=True, text=True, cwd=ORACLE, check=False
    )
    assert run.returncode == 0, run.stderr
    dual, legacy = json.loads(run.stdout)
    resolved = {subpath: modern for subpath, (modern, _) in zip(DUAL_SUBPATHS, dual, strict=True) if any(modern)}
    # The oracle must have something to say, on both sides.
    assert {".", "./types", "./features/a", "./features/typed", "./plain/p.js", "./versioned", "./esm"} <= set(resolved)
    assert not {"./dist/deep.js", "./features/private/secret", "./internal", "./package.json"} & set(resolved)
    for subpath, files in resolved.items():
        found = judged(subpath, "type")
        # TypeScript still reads folder mappings, which Node no longer does.
        assert found.legal or found.legacy_folder, (subpath, files, found)
        assert not found.missing_file, (subpath, files, found)
    for subpath in set(DUAL_SUBPATHS) - set(resolved):
        found = judged(subpath, "type")
        # What TypeScript finds nothing for is refused, or has no file, or is for tools other than TypeScript.
        assert not found.legal or found.missing_file or not found.types_only, (subpath, found)
    for subpath, (_, node10) in zip(LEGACY_SUBPATHS, legacy, strict=True):
        if node10 is not None:
            assert judged(subpath, "type", LEGACY, LEGACY_FILES).exists, (subpath, node10)
    by_name = dict(zip(LEGACY_SUBPATHS, legacy, strict=True))
    assert by_name["./ui"][1] == "ts4/widgets.d.ts"
    assert by_name["./no"][1] is None
    assert not judged("./no", "type", LEGACY, LEGACY_FILES).exists


# -- suggestions ---------------------------------------------------------------------------

OFFERED: dict[str, Any] = {
    "exports": {
        ".": {"types": "./dist/index.d.ts", "import": "./dist/index.js", "require": "./cjs/index.cjs"},
        "./foo": "./dist/foo.js",
        "./bar": {"types": "./dist/bar.d.ts", "node": ["./dist/bar.js"], "browser": "./dist/bar.web.js"},
        "./f/*": "./dist/f/*.js",
        "./f/hidden": None,
        "./twice/*": "./dist/*/*.js",
        "./alias": "./dist/foo.js",
        "./internal": {"@acme/source": "./src/internal.ts"},
        "./shadowed": {"default": "./dist/a.js", "import": "./dist/b.js"},
        "./x.css": "./dist/x.css",
        "./extra/*.js": "./dist/extra/*.js",
        "./d%41": "./dist/%64.js",
    }
}


@pytest.mark.parametrize(
    ("deep", "public"),
    [
        ("./dist/index.js", (".",)),
        ("./dist/index", (".",)),
        ("./cjs/index.cjs", (".",)),
        ("./dist/index.d.ts", (".",)),
        ("./dist/foo.js", ("./foo", "./alias")),
        ("./dist/foo", ("./foo", "./alias")),
        ("./dist/foo.js?raw", ("./foo", "./alias")),
        ("./dist/bar.js", ("./bar",)),
        ("./dist/bar.web.js", ("./bar",)),
        ("./dist/f/a.js", ("./f/a",)),
        ("./dist/f/a/b", ("./f/a/b",)),
        ("./dist/f/hidden.js", ()),
        ("./dist/q/q.js", ("./twice/q",)),
        ("./dist/q/r.js", ()),
        ("./dist/foo.mjs", ()),
        ("./dist/fo", ()),
        ("./src/index.ts", ()),
        ("./src/internal.ts", ()),
        ("./dist/a.js", ("./shadowed",)),
        ("./dist/b.js", ()),
        ("./dist/x.css", ("./x.css",)),
        ("./dist/extra/a.js", ("./extra/a.js",)),
        ("./dist//foo.js", ("./foo", "./alias")),
        ("./dist/dA.js", ()),
        ("./dist/d.js", ("./d%41",)),
        ("./dist", ()),
        (".", ()),
        ("./", ()),
        ("./dist/%zz", ()),
        ("./../x.js", ()),
    ],
)
def test_the_public_subpath_of_a_file(deep: str, public: tuple[str, ...]) -> None:
    assert suggest(OFFERED, deep, None) == public
    for subpath in public:
        assert legal_subpath(OFFERED, subpath, files=None, usage="any").legal


def test_files_say_which_one_is_named() -> None:
    assert suggest(OFFERED, "./dist", {"dist/index.js"}) == (".",)
    assert suggest(OFFERED, "./dist", {"dist/index.mjs"}) == ()
    assert suggest(OFFERED, "./dist/foo", {"dist/foo.js"}) == ("./foo", "./alias")
    # The first extension that there is a file for is what Node and the bundlers take.
    assert suggest(OFFERED, "./dist/foo", {"dist/foo.mjs"}) == ()
    assert suggest(OFFERED, "./dist/nothing", {"dist/foo.js"}) == ()


def test_a_suggestion_fits_the_usage() -> None:
    assert suggest(OFFERED, "./cjs/index.cjs", None, usage="require") == (".",)
    assert suggest(OFFERED, "./cjs/index.cjs", None, usage="import") == ()
    assert suggest(OFFERED, "./dist/index.d.ts", None, usage="type") == (".",)
    assert suggest(OFFERED, "./dist/index.d.ts", None, usage="import") == ()
    assert suggest(OFFERED, "./dist/foo.js", None, usage="require") == ("./foo", "./alias")


def test_suggestions_without_a_map_or_with_a_broken_one() -> None:
    assert suggest({"main": "./lib/main"}, "./lib/main.js", {"lib/main.js", "index.js"}) == (".",)
    assert suggest({"main": "lib"}, "./lib/index.js", {"lib/index.js"}) == (".",)
    assert suggest({}, "./index.js", None) == (".",)
    assert suggest({"main": "lib/main.js"}, "./index.js", None) == ()
    assert suggest({"exports": {".": "./a.js", "x": "./b.js"}}, "./a.js", None) == ()
    assert suggest({"exports": "./a.js"}, "./a.js", None) == (".",)
    assert suggest({"exports": 5}, "./a.js", None) == ()


# -- imports -------------------------------------------------------------------------------


def test_imports() -> None:
    table = {"#dep": {"node": "dep/x", "default": "./src/dep.js"}, "#/*": "./src/*", "#out": "../x.js", "#n": None}
    assert resolve_imports(table, "#dep", {"node"}).outcome is Outcome.BARE
    assert resolve_imports(table, "#dep", {"node"}).target == "dep/x"
    assert resolve_imports(table, "#dep", ()).file == "src/dep.js"
    assert resolve_imports(table, "#/a.js", ()).file == "src/a.js"
    assert resolve_imports(table, "#out", ()).outcome is Outcome.INVALID
    assert resolve_imports(table, "#n", ()).reason == "null-target"
    assert resolve_imports(table, "#none", ()).outcome is Outcome.NOT_EXPORTED
    for name in ("#", "dep", "", "#/"):
        assert resolve_imports(table, name, ()).outcome is Outcome.INVALID
    for broken in (None, 5, "x", ["./a.js"]):
        assert resolve_imports(broken, "#dep", ()).outcome is Outcome.NOT_EXPORTED


# -- hostile maps --------------------------------------------------------------------------


def nested(depth: int, array: bool) -> Any:
    value: Any = "./a.js"
    for _ in range(depth):
        value = [value] if array else {"default": value}
    return value


@pytest.mark.parametrize("array", [True, False])
def test_nesting_is_bounded(array: bool) -> None:
    assert resolve_exports(nested(90, array), ".", ()).file == "a.js"
    deep = nested(5000, array)
    assert resolve_exports(deep, ".", ()).reason == "too-deep"
    assert resolve_exports({".": ["./a.js"] * 5000}, ".", ()).reason == "too-large"
    assert resolve_exports({"./*": "./" + "*" * 100}, "./" + "a" * 100, ()).reason == "too-long"
    assert judged("./x", manifest={"exports": {"./x": deep}}).kind is LegalKind.INVALID
    assert suggest({"exports": {"./x": deep}}, "./a.js", None) == ()


@pytest.mark.parametrize(
    "exports",
    [
        {f"./{'a' * i}*": "./x.js" for i in range(5000)},
        {"./*": {f"c{i}": f"./{i}.js" for i in range(20_000)}},
        {"./*": {f"c{i}": {"import": {"browser": None}} for i in range(600)}},
        {"./*": [{"browser": "bare", "bun": "bare", "development": "bare"} for i in range(400)]},
        {"./*": [f"bare{i}" for i in range(50_000)]},
        {"./*": "./" + "*" * 50_000},
        {"./" + "*" * 50_000: "./x.js"},
        {"./*": {f"types@>={i}": None for i in range(20_000)}},
        {"./*": "./" + "%2e" * 50_000},
        {"./*": "./" + "/." * 50_000},
        {f"./{i}": "./a.js" for i in range(20_000)},
        {"./*": "./" + "node_module" * 5_000},
    ],
    ids=range(12),
)
def test_large_maps_are_answered_in_no_time(exports: Any) -> None:
    start = time.process_time()
    for subpath in ("./" + "a" * 4000, "./x", "./" + "*" * 100, "./a/" * 2000):
        usages: tuple[Usage, ...] = ("import", "type")
        for usage in usages:
            judged(subpath, usage, {"exports": exports}, frozenset({"a.js"}))
        suggest({"exports": exports}, subpath, None)
    suggest({"exports": exports}, "./a.js", frozenset({"a.js"}))
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "subpath", ["", "./", "/", "x", "./\ud800", "./\x00", "./%", "..", "./..", ".\\x", "./*", "./é"]
)
@pytest.mark.parametrize(
    "exports", [None, 5, "", [], {}, {"": ""}, {"./*": "./*"}, {"./\ud800": "./\ud800%41"}, {".": {".": "./a"}}]
)
def test_nothing_raises(exports: Any, subpath: str) -> None:
    manifest: dict[str, object] = {"exports": exports, "main": "\ud800", "typesVersions": [{"*": 5}]}
    for files in (None, frozenset({"a.js"})):
        usages: tuple[Usage, ...] = ("import", "require", "type", "any")
        for usage in usages:
            judged(subpath, usage, manifest, files)
        suggest(manifest, subpath, files)
    resolve_exports(exports, subpath, {"import"})
    resolve_imports(exports, subpath, {"import"})
