"""Node's ``exports`` and ``imports``, held to Node itself (and, on tame maps, to npm's `resolve.exports`).

Packages with random maps are written to disk and resolved by the real ``import.meta.resolve`` and
``require.resolve``, one Node process for each set of conditions. RINGFENCE_FUZZ_SEED and RINGFENCE_FUZZ_CASES (maps
a process) make it another run, or a longer one.
"""

from __future__ import annotations

import json
import os
import posixpath
import random
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.names import split_specifier
from bot.readers.javascript.exports import (
    KNOWN_CONDITIONS,
    LegalKind,
    Outcome,
    Resolution,
    legal_subpath,
    resolve_exports,
    resolve_imports,
)

ORACLE = Path(__file__).parent / "oracle"
SEED = int(os.environ.get("RINGFENCE_FUZZ_SEED", "20240607"))
MAPS = int(os.environ.get("RINGFENCE_FUZZ_CASES", "90"))
SUBPATHS = 7

# What `node -C` sets in each process; together they are all that we know, and some that we do not.
GROUPS: tuple[tuple[str, ...], ...] = (
    (),
    ("types", "development", "custom"),
    ("browser", "module", "production"),
    ("react-native", "react-server", "electron", "webpack", "types@>=5"),
    ("@acme/source", "bun", "deno", "style", "script", "sass", "less", "stylus", "asset"),
    ("worker", "workerd", "edge-light", "worklet", "netlify", "svelte", "solid"),
    ("azion", "edge-routine", "fastly", "lagon", "moddable", "wasmer", "internal"),
)

# Run inside the consumer: what it prints is Node's word.
RUNNER = """
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import fs from 'node:fs'
import path from 'node:path'
const asked = JSON.parse(fs.readFileSync(0, 'utf8'))
const kind = error => {
  if (error instanceof URIError) return 'invalid'
  if (/^ERR_PACKAGE_(PATH_NOT_EXPORTED|IMPORT_NOT_DEFINED)$/.test(error.code)) return 'not-exported'
  if (/^ERR_INVALID_(PACKAGE_TARGET|PACKAGE_CONFIG|MODULE_SPECIFIER)$/.test(error.code)) return 'invalid'
  return String(error.code ?? error)
}
const viaImport = (specifier, parent) => {
  try {
    const url = import.meta.resolve(specifier, pathToFileURL(parent).href)
    return url.startsWith('file:') ? fileURLToPath(url) : url
  } catch (error) { return [kind(error), String(error)] }
}
const viaRequire = (specifier, parent, again = true) => {
  try {
    return createRequire(parent).resolve(specifier)
  } catch (error) {
    // A file that is not there must not decide: it is made, and Node asked again.
    const found = error.code === 'MODULE_NOT_FOUND' && /^Cannot find module '(\\/[^]*?)'(\\n|$)/.exec(error.message)
    if (!found) return [kind(error), String(error)]
    if (!again) return found[1]
    try {
      fs.mkdirSync(path.dirname(found[1]), { recursive: true })
      fs.writeFileSync(found[1], '')
    } catch { return found[1] }
    return viaRequire(specifier, parent, false)
  }
}
fs.writeSync(1, JSON.stringify(asked.map(([how, specifier, parent]) =>
  (how === 'import' ? viaImport : viaRequire)(specifier, path.join(process.cwd(), parent)))))
"""

TAME_KEYS = [
    "./a",
    "./b/c",
    "./*",
    "./b/*",
    "./b/*/d",
    "./b/*.js",
    "./*.js",
    "./*/x",
    "./a*",
    "./a*b",
    "./package.json",
]
KEYS = [
    *TAME_KEYS,
    ".",
    ".",
    "./**",
    "./*/*",
    "./f/",
    "./",
    "./b/c/",
    ".x",
    "./é",
    "./a%20b",
    "./b/*/",
    "./a\\b",
    "./*?x",
]
TAME_TARGETS = [
    "./a.js",
    "./dist/b.mjs",
    "./dist/*.js",
    "./dist/*/*.js",
    "./*",
    "./d*",
    "./dist/*",
    "./é.js",
    "./*/x.mjs",
]
TARGETS = [
    *TAME_TARGETS,
    *("../x.js", "./../x.js", "./node_modules/x.js", "./a/../b.js", "./a/./b.js", "./a//b.js", "./%2e%2e/x.js"),
    *(
        "./a%2fb.js",
        "./a%5Cb.js",
        "./a\\b.js",
        "./a\\..\\b.js",
        "./..%2fx",
        "x.js",
        "/abs.js",
        "dep",
        "",
        "./",
        ".",
        "..",
    ),
    *(
        "./a?b.js",
        "./a#b.js",
        "./a%20b.js",
        "./a b.js",
        "./%zz.js",
        "./%E9.js",
        "./%C3%A9.js",
        "./%.js",
        "./x/",
        "./x/*/",
    ),
    *(
        "./NODE_MODULES/x.js",
        "./n%6fde_modules/x.js",
        "./node_modules",
        "./node_modulesx/y.js",
        "./..*",
        "./.*/x",
        "./x/*/../y",
    ),
    *(
        "file:///x.js",
        "./*?raw",
        "./*#frag",
        "./\ty.js",
        "./.\t./y.js",
        "./z.js ",
        " ./z.js",
        "./%2E/x.js",
        "./.../x.js",
    ),
    *("./ſ/node_moduleſ/x.js", "./*\n", "./**", "./%25.js", "./%25*.js", "./*%2f", "./x%", "./x%*", "./.%2e"),
]
BARE = ["dep", "dep/sub", "dep/*", "@sc/dep", "@sc/dep/x", "fs", "fs/*", "node:fs", "https://x.test/y", "/abs", "@bad"]
# An empty package name is an error by Node's documentation, and goes to the file system in its code: not asked.
IMPORT_TARGETS = [*filter(None, TARGETS), *[*BARE, "missing", "a%b", "lib-*"] * 3]
TAME_STARS = ["x", "x/y", "c", "b.js", "é", "d", "x.js"]
STARS = [
    *TAME_STARS,
    *(
        "..",
        ".",
        "x/../y",
        "x/./y",
        "%2e%2e",
        "node_modules",
        "node_modules/x",
        "a%2fb",
        "a%5cb",
        "a\\b",
        "x//y",
        "",
        "/x",
    ),
    *(
        "x?y",
        "x#y",
        "*",
        "x/",
        "%zz",
        "$&",
        "$1",
        "a b",
        "%20",
        "%C3%A9",
        "%E9",
        "x%",
        "2e",
        "%2",
        "node%5fmodules",
        "\u212a",
    ),
]
ODD_CONDITIONS = ["", "0", "1", "1.5", "01", "-1", "4294967295", "*", "toString", "__proto__", "node "]
DEP: dict[str, Any] = {".": "./index.js", "./*": {"import": "./esm/*.js", "require": "./cjs/*.js"}}


def target(rng: random.Random, conditions: list[str], targets: list[str], wild: float, depth: int = 0) -> Any:
    kind = rng.random()
    if depth < 4 and kind < 0.42:
        names = rng.sample(conditions, k=rng.randint(0 if rng.random() < 0.1 else 1, 4))
        if rng.random() < 0.4:
            names.append("default")
        if rng.random() < wild / 4:
            names.insert(rng.randint(0, len(names)), rng.choice(ODD_CONDITIONS))
        return {name: target(rng, conditions, targets, wild, depth + 1) for name in names}
    if depth < 4 and kind < 0.52:
        return [target(rng, conditions, targets, wild, depth + 1) for _ in range(rng.randint(0, 3))]
    if kind < 0.6:
        return None
    if kind < 0.6 + wild / 10:
        return rng.choice([5, True, False, 0.5, {}])
    return rng.choice(targets if rng.random() < wild else TAME_TARGETS)


def exports_map(rng: random.Random, conditions: list[str]) -> Any:
    wild = rng.choice([0.0, 0.3, 0.8])
    if rng.random() < 0.15:
        return target(rng, conditions, TARGETS, wild)
    keys = rng.sample(KEYS if wild else [".", *TAME_KEYS], k=rng.randint(1, 7))
    if rng.random() < wild / 10:
        keys.insert(rng.randint(0, len(keys)), rng.choice(["x", "", "import", "0", "*"]))
    return {key: target(rng, conditions, TARGETS, wild) for key in keys}


def names_for(rng: random.Random, keys: list[str], others: list[str]) -> list[str]:
    names = []
    for _ in range(SUBPATHS):
        key = rng.choice(keys if keys and rng.random() < 0.85 else others)
        star = rng.choice(STARS if rng.random() < 0.5 else TAME_STARS)
        names.append(key.replace("*", star) if rng.random() < 0.95 else key)
    return names


def wanted_conditions(rng: random.Random, group: tuple[str, ...]) -> list[str]:
    usual = ["import", "require", "node", "module-sync", "node-addons"]
    other = [name for names in GROUPS if names != group for name in names]
    return [*usual, *group, *group, *rng.sample(other, 5), "import", "require"]


class Asked:
    """One question to Node and what is needed to answer and to print it."""

    def __init__(self, how: str, package: str, field: str, table: Any, name: str, group: tuple[str, ...]) -> None:
        self.how = how
        self.package = package
        self.field = field
        self.table = table
        self.name = name
        self.group = group

    def to_node(self) -> tuple[str, str, str]:
        if self.field == "imports":
            return self.how, self.name, f"node_modules/{self.package}/from.js"
        return self.how, self.package + self.name[1:], "from.js"

    def ours(self, defaults: dict[str, frozenset[str]]) -> Resolution:
        conditions = defaults[self.how].union(self.group)
        if self.field == "imports":
            return resolve_imports(self.table, self.name, conditions)
        return resolve_exports(self.table, self.name, conditions)

    def __str__(self) -> str:
        table = json.dumps(self.table, ensure_ascii=False)
        return f"{self.how} of {self.name!r} with -C {self.group} in {{{self.field!r}: {table}}}"


def write_package(root: Path, name: str, manifest: dict[str, Any]) -> None:
    folder = root / "node_modules" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"name": name, **manifest}), encoding="utf-8")


def ask(root: Path, group: tuple[str, ...], questions: list[tuple[str, str, str]]) -> list[Any]:
    run = subprocess.run(
        [
            *("node", "--no-warnings", "--no-deprecation", "--experimental-import-meta-resolve"),
            *(flag for name in group for flag in ("-C", name)),
            "runner.mjs",
        ],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=root,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    answers: list[Any] = json.loads(run.stdout)
    return answers


@pytest.fixture(scope="module")
def consumer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(os.path.realpath(tmp_path_factory.mktemp("consumer")))
    (root / "runner.mjs").write_text(RUNNER, encoding="utf-8")
    for name in ("dep", "@sc/dep"):
        write_package(root, name, {"exports": DEP})
    return root


@pytest.fixture(scope="module")
def defaults(consumer: Path) -> dict[str, frozenset[str]]:
    """The conditions that this Node sets by itself, as it shows them."""
    names = sorted(KNOWN_CONDITIONS - {"default"})
    write_package(
        consumer, "probe", {"exports": {f"./{name}": {name: "./yes.js", "default": "./no.js"} for name in names}}
    )
    found: dict[str, frozenset[str]] = {}
    for how in ("import", "require"):
        answers = ask(consumer, (), [(how, f"probe/{name}", "from.js") for name in names])
        found[how] = frozenset(name for name, at in zip(names, answers, strict=True) if at.endswith("/yes.js"))
    assert found["import"] >= {"import", "node"}
    assert found["require"] >= {"require", "node"}
    return found


@pytest.fixture(scope="module")
def slash_imports(consumer: Path) -> bool:
    """Whether this Node reads ``#/x`` as a name like any other (Node 25 does, 20 does not)."""
    write_package(consumer, "slash", {"imports": {"#/x": "./x.js"}})
    return isinstance(ask(consumer, (), [("import", "#/x", "node_modules/slash/from.js")])[0], str)


def expected(asked: Asked, ours: Resolution, consumer: Path, defaults: dict[str, frozenset[str]]) -> str:
    """What Node would print if we are right: a path, an error's class, or a builtin."""
    package = asked.package
    if ours.outcome is Outcome.BARE:
        assert ours.target is not None
        split = split_specifier(ours.target)
        assert split is not None
        package, subpath = split
        if package not in ("dep", "@sc/dep"):
            return "bare"
        ours = resolve_exports(DEP, subpath, defaults[asked.how].union(asked.group))
    if ours.outcome is not Outcome.TARGET:
        return ours.outcome.value
    assert ours.file is not None
    assert ours.target is not None
    if asked.how == "require" and re.search(r"[?#].*%(?:2f|5c)", ours.target, re.I | re.S):
        # Node's require looks for encoded separators in the query too; its import, and its documentation, do not.
        return Outcome.INVALID.value
    return posixpath.normpath(f"{consumer}/node_modules/{package}/{ours.file}")


def seen(answer: Any) -> str:
    """Node's answer in the same words; ``bare`` for a builtin and for a package that is not installed."""
    if isinstance(answer, str):
        return posixpath.normpath(answer) if answer.startswith("/") else "bare"
    code, message = answer
    if code in ("ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND") and " '/" not in message:
        return "bare"
    # What require says of a builtin as a target, which import resolves.
    return "bare" if code == "ERR_INVALID_URL_SCHEME" else str(code)


def questions_of(group: tuple[str, ...], number: int, consumer: Path) -> list[Asked]:
    rng = random.Random(f"{SEED} {number}")
    questions: list[Asked] = []
    for index in range(MAPS):
        conditions = wanted_conditions(rng, group)
        package = f"p{number}-{index}"
        exports = exports_map(rng, conditions)
        wild = rng.choice([0.2, 0.8])
        keys = rng.sample(
            ["#a", "#b/c", "#*", "#b/*", "#b/*/d", "#b/*.js", "#a*", "#a*b", "#**", "#é"], k=rng.randint(1, 5)
        )
        imports = {key: target(rng, conditions, IMPORT_TARGETS, wild) for key in keys}
        write_package(consumer, package, {"exports": exports, "imports": imports})
        own = [key for key in exports if key.startswith(".")] if isinstance(exports, dict) else ["."]
        for how in ("import", "require"):
            names = [name for name in names_for(rng, own or ["."], KEYS) if name == "." or name.startswith("./")]
            if exports is not None:
                questions += [Asked(how, package, "exports", exports, name, group) for name in names]
            names = names_for(rng, keys, ["#", "#x", "#b/", "#a/b"])[:3]
            questions += [Asked(how, package, "imports", imports, name, group) for name in names]
    return questions


def test_every_known_condition_is_set_by_a_process(defaults: dict[str, frozenset[str]]) -> None:
    assert {"default"}.union(*defaults.values(), *GROUPS) >= KNOWN_CONDITIONS


def test_as_node_resolves(consumer: Path, defaults: dict[str, frozenset[str]], slash_imports: bool) -> None:
    wrong: list[str] = []
    outcomes: Counter[tuple[str, str, str]] = Counter()
    matched: set[str] = set()
    for number, group in enumerate(GROUPS):
        questions = [
            question
            for question in questions_of(group, number, consumer)
            if slash_imports or not question.name.startswith("#/")
        ]
        for asked, answer in zip(questions, ask(consumer, group, [q.to_node() for q in questions]), strict=True):
            ours = asked.ours(defaults)
            outcomes[asked.field, asked.how, ours.outcome.value] += 1
            matched.update(ours.conditions if ours.file else ())
            if seen(answer) != expected(asked, ours, consumer, defaults):
                wrong.append(f"{asked}\n  Node: {answer}\n  ours: {ours}")
    if wrong:
        pytest.fail(f"{len(wrong)} disagreements\n" + "\n".join(sorted(wrong, key=len)[:10]), pytrace=False)
    assert sum(outcomes.values()) >= 5000 or "RINGFENCE_FUZZ_CASES" in os.environ
    # Agreement says little where one outcome is all there is.
    for field in ("exports", "imports"):
        for how in ("import", "require"):
            here = {outcome: outcomes[field, how, outcome.value] for outcome in Outcome}
            floor = sum(here.values()) / 20
            assert min(here[Outcome.TARGET], here[Outcome.NOT_EXPORTED], here[Outcome.INVALID]) > floor, here
    assert outcomes["imports", "import", "bare"] > 20
    assert matched >= KNOWN_CONDITIONS - {"default"} or "RINGFENCE_FUZZ_CASES" in os.environ


@pytest.mark.parametrize("exports", [None, 5, True, False, 0, ""])
def test_what_is_no_map_to_node(consumer: Path, exports: object) -> None:
    """``null`` is as if it were not there; anything else exports nothing."""
    name = f"nomap-{str(exports).lower()}"
    write_package(consumer, name, {"exports": exports})
    (consumer / f"node_modules/{name}/lib").mkdir()
    (consumer / f"node_modules/{name}/lib/x.js").write_text("", encoding="utf-8")
    path = str(consumer / f"node_modules/{name}/lib/x.js")
    answers = ask(consumer, (), [("import", f"{name}/lib/x.js", "from.js"), ("require", f"{name}/lib/x.js", "from.js")])
    found = legal_subpath({"exports": exports}, "./lib/x.js", files={"lib/x.js"}, usage="import")
    assert [seen(answer) for answer in answers] == ([path] * 2 if exports is None else ["not-exported"] * 2)
    assert found.kind is (LegalKind.NO_MAP if exports is None else LegalKind.NOT_EXPORTED)
    assert found.legal is (exports is None)


RESOLVE_EXPORTS = """
const { exports: resolve, imports } = require('resolve.exports')
const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'))
process.stdout.write(JSON.stringify(asked.map(([table, name, conditions]) => {
  try {
    const found = resolve({ name: 'p', exports: table }, name, { unsafe: true, conditions })
    return found ? found[0] : null
  } catch { return null }
})))
"""


def tame(rng: random.Random, conditions: list[str], depth: int = 0) -> Any:
    """A target where `resolve.exports` is right: no null, no array, nothing invalid, a ``default`` in every object
    (where no condition of a nested object applies it gives up, and Node goes on)."""
    if depth < 3 and rng.random() < 0.5:
        names = [*rng.sample(conditions, k=rng.randint(1, 4)), "default"]
        return {name: tame(rng, conditions, depth + 1) for name in names}
    return rng.choice(TAME_TARGETS)


def test_as_resolve_exports_resolves() -> None:
    rng = random.Random(SEED)
    names = sorted(KNOWN_CONDITIONS - {"default"})
    asked: list[tuple[Any, str, list[str]]] = []
    for _ in range(20 * MAPS):
        conditions = rng.sample(names, 8)
        # One pattern: between two that match, it does not take the most specific.
        keys = [".", "./a", "./b/c", rng.choice([key for key in TAME_KEYS if "*" in key]), "./package.json"]
        rng.shuffle(keys)
        table = {key: tame(rng, conditions) for key in keys}
        name = rng.choice([*keys, "./b/x", "./none"]).replace("*", rng.choice(TAME_STARS))
        asked.append((table, name, rng.sample(conditions, 3)))
    run = subprocess.run(
        ["node", "-e", RESOLVE_EXPORTS],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=ORACLE,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    theirs = json.loads(run.stdout)
    wrong = [
        f"{case}: resolve.exports says {their!r}, we say {our!r}"
        for case, their in zip(asked, theirs, strict=True)
        if (our := resolve_exports(*case).target) != their
    ]
    if wrong:
        pytest.fail(f"{len(wrong)} of {len(asked)}\n" + "\n".join(sorted(wrong, key=len)[:10]), pytrace=False)
    assert sum(found is not None for found in theirs) > len(theirs) / 2
