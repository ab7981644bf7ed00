"""Imports of some thousand real files, held to oxc's parser, TypeScript's, and the components' own compilers.

The corpus is packed from npm when the tests run, in pinned versions, and kept in pytest's cache.
"""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bot.facts.module import ImportKind
from bot.readers.javascript.candidates import EVERYTHING, Needles, candidates, climb
from bot.readers.javascript.imports import ParsedImports, parse_imports
from bot.readers.javascript.sfc import component

ORACLE = Path(__file__).parent / "oracle"
PACKAGES = (
    "@astrojs/starlight@0.42.4",
    "@nuxt/ui@4.11.2",
    "@reduxjs/toolkit@2.14.0",
    "@refinedev/core@5.0.12",
    "@tanstack/react-query@5.108.0",
    "@trpc/server@11.25.2",
    "bits-ui@2.21.0",
    "grommet@2.57.0",
    "msw@2.15.0",
    "react-native-paper@5.15.3",
    "rxjs@7.8.2",
    "svelte@5.57.3",
    "webpack@5.112.2",
    "zod@4.6.7",
)
SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx")


@pytest.fixture(scope="session")
def corpus(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    root = pytestconfig.cache.mkdir("ringfence-imports-corpus")
    with open(root / "lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # one worker packs, the others wait
        _pack(root)
    return root


def _pack(root: Path) -> None:
    done = root / "done.json"
    if not done.exists() or json.loads(done.read_text()) != list(PACKAGES):
        packed = subprocess.run(
            ["npm", "pack", "--json", "--ignore-scripts", "--pack-destination", str(root), *PACKAGES],
            cwd=root,
            check=True,
            capture_output=True,
            timeout=300,
        )
        for item in json.loads(packed.stdout):
            archive = root / item["filename"]
            with tarfile.open(archive) as tar:
                tar.extractall(root / item["name"].replace("/", "+"), filter="data")
            archive.unlink()
        done.write_text(json.dumps(PACKAGES))


@pytest.fixture(scope="session")
def scripts(corpus: Path) -> list[Path]:
    """Every third file, for time's sake."""
    found = sorted(path for path in corpus.rglob("*") if path.suffix in SCRIPTS and path.is_file())[::3]
    assert len(found) > 3_000
    return found


@pytest.fixture(scope="session")
def oxc(scripts: list[Path]) -> list[dict[str, Any]]:
    return oracle("imports_oxc.mjs", scripts)


@cache
def parsed(path: Path) -> tuple[bytes, ParsedImports]:
    data = path.read_bytes()
    return data, parse_imports(path.as_posix(), data)


def oracle(script: str, paths: Iterable[Path]) -> list[dict[str, Any]]:
    run = subprocess.run(
        ["node", script],
        cwd=ORACLE,
        input="\n".join(map(str, paths)).encode(),
        check=True,
        capture_output=True,
        timeout=120,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_same_imports_as_oxc(oxc: list[dict[str, Any]]) -> None:
    """Kind, specifier, place, names and type-only: none missing, none extra."""
    judged: Counter[str] = Counter()
    broken = 0
    wrong: list[tuple[object, ...]] = []
    for answer in oxc:
        assert not answer["errors"], answer["path"]
        assert answer["valid"]
        path = Path(answer["path"])
        _, ours = parsed(path)
        broken += ours.broken
        want = {(kind, specifier, start, end) for kind, specifier, start, end, *_ in answer["imports"]}
        got = {(i.kind.value, i.specifier, i.start, i.end) for i in ours.imports}
        known = {start: (names, types) for *_, start, _end, names, types in answer["imports"]}
        # What stands in comments is TypeScript's to say, below.
        comments = {
            (i.kind.value, i.specifier, i.start, i.end)
            for i in ours.imports
            if i.kind is ImportKind.REFERENCE or (i.kind is ImportKind.TYPE and not path.suffix.endswith("ts"))
        }
        judged.update(kind for kind, *_ in want)
        if want - got or got - want - comments:
            wrong.append((path.name, "missing", want - got, "extra", got - want - comments))
        for item in ours.imports:
            names, types = known.get(item.start, (None, None))
            if (names is not None and tuple(names) != item.names) or (types is not None and types != item.types):
                wrong.append((path.name, "names", names, types, item))
    assert not wrong
    assert sum(judged.values()) > 10_000
    assert {"import", "export", "type", "require", "dynamic"} <= set(judged)
    assert broken <= 10


def test_same_comments_as_typescript(scripts: list[Path], oxc: list[dict[str, Any]]) -> None:
    """JSDoc's import types and triple-slash references."""
    judged: Counter[str] = Counter()
    wrong: list[tuple[object, ...]] = []
    code = {(a["path"], start) for a in oxc for _, _, start, *_ in a["imports"]}
    for answer in oracle("jsdoc_types.mjs", scripts):
        data, ours = parsed(Path(answer["path"]))
        want = {(kind, text, start, end) for kind, text, start, end in answer["imports"]}
        got = {
            (i.kind.value, data[i.start : i.end].decode(), i.start, i.end)
            for i in ours.imports
            if (answer["path"], i.start) not in code
        }
        judged.update(kind for kind, *_ in want)
        if want != got:
            wrong.append((answer["path"], "missing", want - got, "extra", got - want))
    assert not wrong
    assert judged["type"] > 1_000
    assert judged["reference"] > 0


@pytest.mark.parametrize(
    "needles",
    [
        EVERYTHING,
        Needles(scopes=(b"@reduxjs/",)),
        Needles(scopes=(b"@trpc/", b"react", b"svelte"), escape=3),
        Needles(escape=0),
        Needles(escape=1),
        Needles(escape=2),
        Needles(escape=3),
        Needles(escape=5),
    ],
    ids=str,
)
def test_filter_misses_nothing(scripts: list[Path], needles: Needles) -> None:
    hits = 0
    for path in scripts:
        data, ours = parsed(path)
        seen = {(item.start, item.end) for item in candidates(data, needles)}
        wanted = {(item.start, item.end) for item in ours.imports if fits(item.specifier, needles)}
        assert wanted <= seen, path
        hits += len(wanted)
    assert hits or needles.escape == 5


def fits(specifier: str, needles: Needles) -> bool:
    """The needles' meaning, said once more and plainly."""
    if needles.escape >= 0:
        up = climb(specifier)
        if up is None or (specifier.startswith(".") and up >= needles.escape):
            return True
    for scope in (scope.decode() for scope in needles.scopes):
        whole = specifier == scope or specifier.startswith(scope + "/")
        if not scope or whole or (scope.endswith("/") and specifier.startswith(scope)):
            return True
    return False


def test_scripts_of_components(corpus: Path) -> None:
    """Vue's and Svelte's scripts stand where their compilers say."""
    paths = sorted([*corpus.rglob("*.vue"), *corpus.rglob("*.svelte")])
    count = 0
    for answer in oracle("component_scripts.mjs", paths):
        found = component(answer["path"], Path(answer["path"]).read_bytes())
        assert not found.broken, answer["path"]
        assert sorted([*script] for script in found.scripts) == sorted(answer["scripts"]), answer["path"]
        count += len(found.scripts)
    assert count > 500


def test_components_import(corpus: Path) -> None:
    """Every import of a component is one that a plain search for statements finds too, and the other way round."""
    statement = re.compile(rb"^\s*(?:import|export)\b(?:[^;'\"`()]*?\bfrom)?\s*['\"]([^'\"\n]+)['\"]", re.MULTILINE)
    count = 0
    for path in sorted([*corpus.rglob("*.vue"), *corpus.rglob("*.svelte"), *corpus.rglob("*.astro")]):
        data = path.read_bytes()
        ours = parse_imports(path.as_posix(), data)
        static = {
            item.start
            for item in ours.imports
            if item.kind in (ImportKind.IMPORT, ImportKind.EXPORT, ImportKind.TYPE)
            and not data.endswith((b"(", b"="), 0, item.start - 1)
        }
        assert static == {match.start(1) for match in statement.finditer(data)}, path
        count += len(static)
    assert count > 1_000
