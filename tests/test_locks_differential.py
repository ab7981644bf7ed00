"""Locks that the real package managers wrote, against their own parsers and against what they installed."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bot.facts.lock import Lock, LockEntry, Source
from bot.facts.manifest import Declaration
from bot.link.locks import dependency, index, resolve
from bot.link.members import link_members
from bot.model import Place
from bot.readers.npm import lock_reader
from bot.readers.npm.package_json import read_package_json
from bot.readers.npm.pnpm_workspace import read_pnpm_workspace
from bot.readers.npm.yarnrc import read_yarnrc
from bot.readers.positions import Located

HERE = Path(__file__).parent / "locks"
LOCKS = {"npm": "package-lock.json", "pnpm": "pnpm-lock.yaml", "yarn": "yarn.lock", "bun": "bun.lock"}
TOOLS = ("npm6", "npm8", "npm11", "pnpm7", "pnpm8", "pnpm9", "pnpm10", "pnpm12", "yarn1", "yarn4", "bun1")


def read(folder: Path, tool: str, at: str = "") -> Lock:
    name = LOCKS[tool.rstrip("0123456789")]
    reader = lock_reader(name)
    assert reader is not None
    return reader(f"{at}/{name}" if at else name, (folder / name).read_bytes())


@cache
def fixture(tool: str) -> Lock:
    return read(HERE / "fixtures" / tool, tool)


@cache
def truths() -> dict[str, Any]:
    """What the managers' own parsers say of each fixture."""
    asked = [
        {"kind": "npm" if tool.startswith("npm") else tool.rstrip("0123456789") if tool.startswith("pnpm") else tool}
        | {"folder": str(HERE / "fixtures" / tool)}
        for tool in TOOLS
        if tool != "bun1"
    ]
    done = subprocess.run(
        ["node", str(HERE / "oracle.mjs")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip([tool for tool in TOOLS if tool != "bun1"], json.loads(done.stdout), strict=True))


def declarations(folder: Path) -> dict[str, dict[str, Declaration]]:
    """Directory -> local name -> declaration, catalogs resolved as the program does it."""
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("package.json"))
    manifests = [read_package_json(path, (folder / path).read_bytes()) for path in paths]
    others = []
    for name, reader in (("pnpm-workspace.yaml", read_pnpm_workspace), (".yarnrc.yml", read_yarnrc)):
        if (folder / name).is_file():
            others.append(reader(name, (folder / name).read_bytes()))
    linked = link_members(manifests, others, set(paths))
    return {
        manifest.directory: {item.local: item for item in reversed(manifest.declarations)}
        for manifest in linked.manifests
    }


# -- npm -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["npm6", "npm8", "npm11"])
def test_npm_entries_are_arborists(tool: str) -> None:
    nodes = truths()[tool]["nodes"]
    installed = {
        location: node for location, node in nodes.items() if "node_modules/" in location and not node.get("missing")
    }
    entries = {entry.key: entry for entry in fixture(tool).entries}
    assert set(entries) == set(installed)
    for location, node in installed.items():
        entry = entries[location]
        assert (entry.name, entry.integrity) == (node["name"], node["integrity"]), location
        if not node["link"]:
            assert entry.version == node["version"], location
            assert (entry.resolved or "").removeprefix("file:") == (node["resolved"] or "").removeprefix("file:")
        else:
            assert entry.source is (Source.WORKSPACE if nodes[node["target"]]["workspace"] else Source.PATH)


@pytest.mark.parametrize("tool", ["npm6", "npm8", "npm11"])
def test_npm_resolution_is_arborists(tool: str) -> None:
    lock = fixture(tool)
    entries = index(lock).entries
    compared = 0
    for location, node in truths()[tool]["nodes"].items():
        for name, edge in node["edges"].items():
            if "node_modules/" in location:
                found = dependency(lock, entries[location], name)
            else:
                found = resolve(lock, location, node["name"], name, None)
            assert (found.key if found else None) == edge["to"], (location, name)
            compared += 1
    assert compared > 10


@pytest.mark.parametrize("tool", ["npm8", "npm11"])
def test_npm_importers_are_the_folders(tool: str) -> None:
    lock = fixture(tool)
    nodes = truths()[tool]["nodes"]
    folders = {location for location in nodes if "node_modules/" not in location}
    assert {importer.directory for importer in lock.importers} == folders
    for importer in lock.importers:
        node = nodes[importer.directory]
        assert (importer.name, importer.version) == (node["name"], node["version"])
        for item in importer.dependencies:
            edge = node["edges"][item.name]
            assert item.entry == edge["to"]


# -- yarn ------------------------------------------------------------------------------------


def test_yarn_v1_equals_yarns_parser() -> None:
    lock = fixture("yarn1")
    assert_yarn_v1(lock, truths()["yarn1"])


def assert_yarn_v1(lock: Lock, truth: dict[str, Any]) -> None:
    found = index(lock).descriptors
    assert set(found) == set(truth)
    for pattern, facts in truth.items():
        entry = found[pattern]
        version = None if "@link:" in pattern else facts.get("version")  # there, yarn's own 0.0.0 is no version
        assert (entry.version, entry.resolved) == (version, facts.get("resolved")), pattern
        if "integrity" in facts:
            assert entry.integrity == facts["integrity"]
        assert entry.dependencies == {**facts.get("dependencies", {}), **facts.get("optionalDependencies", {})}
        for name, spec in entry.dependencies.items():
            target = dependency(lock, entry, name)
            assert target is not None
            assert target.version == truth[f"{name}@{spec}"]["version"]


def test_yarn_berry_equals_yarns_parser() -> None:
    assert_yarn_berry(fixture("yarn4"), truths()["yarn4"])


def assert_yarn_berry(lock: Lock, truth: dict[str, Any]) -> None:
    metadata = truth.pop("__metadata")
    assert lock.version == metadata["version"]
    assert {entry.key for entry in lock.entries} == set(truth)
    for entry in lock.entries:
        facts = truth[entry.key]
        assert facts["resolution"].startswith(f"{entry.name}@")
        if facts["version"] != "0.0.0-use.local":
            assert entry.version == facts["version"]
        assert (entry.checksum, entry.peers) == (facts.get("checksum"), facts.get("peerDependencies", {}))
        assert entry.dependencies == facts.get("dependencies", {})
        assert entry.integrity is None


# -- pnpm ------------------------------------------------------------------------------------


def _as_pnpm_8(tool: str, key: str) -> str:
    """pnpm 8 reads ``/a@1.0.0`` of its lock as ``/a/1.0.0``."""
    return re.sub(r"^(/(?:@[^/]+/)?[^@/]+)@", r"\1/", key) if tool == "pnpm8" else key


@pytest.mark.parametrize("tool", ["pnpm7", "pnpm8", "pnpm9", "pnpm10", "pnpm12"])
def test_pnpm_equals_pnpms_parser(tool: str) -> None:
    lock = fixture(tool)
    truth = truths()[tool]
    recorded = {_as_pnpm_8(tool, entry.key): entry for entry in lock.entries if ">" not in entry.key}
    configuration = (
        {"is-even@1.0.0"} if tool == "pnpm12" else set()
    )  # the first document's, which that parser leaves out
    assert set(recorded) - configuration == set(truth["packages"])
    for path, facts in truth["packages"].items():
        entry = recorded[path]
        assert (entry.name, entry.integrity, entry.optional) == (facts["name"], facts["integrity"], facts["optional"])
        if entry.source is Source.REGISTRY:
            assert entry.version == facts["version"], path
        for local, target in facts["reached"].items():
            found = dependency(lock, entry, local)
            assert (_as_pnpm_8(tool, found.key) if found else None) == target, (path, local)
    for name, importer in truth["importers"].items():
        directory = "" if name == "." else name
        for local, target in importer["reached"].items():
            found = resolve(lock, directory, None, local, None)
            assert found is not None
            assert (None if ">" in found.key else _as_pnpm_8(tool, found.key)) == target, (directory, local)
        own = next(item for item in lock.importers if item.directory == directory)
        specs = {item.name: item.spec for item in own.dependencies if item.field != "configDependencies"}
        assert specs == importer["specifiers"]
    assert lock.overrides == truth["overrides"]
    assert {
        catalog: {name: list(pair) for name, pair in items.items()} for catalog, items in lock.catalogs.items()
    } == {
        catalog: {name: [item["specifier"], item["version"]] for name, item in items.items()}
        for catalog, items in truth["catalogs"].items()
    }


# -- what was installed ----------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS)
def test_resolution_is_what_node_finds_after_an_install(tool: str) -> None:
    folder = HERE / "fixtures" / tool
    lock = fixture(tool)
    declared = declarations(folder)
    installed = json.loads((folder / "installed.json").read_text())
    members = {
        facts["name"]: facts["version"]
        for path in folder.rglob("package.json")
        if (facts := json.loads(path.read_text()))
    }
    compared = 0
    for directory, reached in installed.items():
        name = json.loads((folder / directory / "package.json").read_text())["name"]
        for local, (real, version) in reached.items():
            declaration = declared[directory].get(local)
            found = resolve(lock, directory, name, local, declaration)
            if found is None:
                # yarn 1 records no members. Where modules are hoisted, an undeclared name can be ambiguous in a flat lock.
                assert (tool == "yarn1" and local in members) or declaration is None, (directory, local)
                continue
            # No lock records what a `link:` folder calls itself.
            assert found.name == real or (local == "lnk" and found.source is Source.PATH), (directory, local)
            if found.version is None:
                assert found.source in (Source.WORKSPACE, Source.PATH)
                assert members[real] == version
            elif not (declaration is None and tool.startswith("yarn")):
                assert found.version == version, (directory, local)
            compared += 1
    assert compared >= (8 if tool == "npm6" else 12)


def test_a_lock_in_a_folder_answers_for_that_folder() -> None:
    for tool in TOOLS:
        lock = read(HERE / "fixtures" / tool, tool, "products/web")
        assert lock.directory == "products/web"
        for local, version in (("debug", "2.6.9"), ("ms", "2.1.3")):
            declaration = declarations(HERE / "fixtures" / tool)[""][local]
            found = resolve(lock, "products/web", "root", local, declaration)
            assert found is not None
            assert (found.name, found.version) == (local, version)
        if lock.records_importers:
            wanted = {"products/web", "products/web/packages/a", "products/web/packages/b"}
            assert wanted <= {importer.directory for importer in lock.importers}


# -- pointers --------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS)
def test_pointers_lead_to_the_entry(tool: str) -> None:
    folder = HERE / "fixtures" / tool
    lock = fixture(tool)
    data = (folder / lock.path).read_bytes()
    located = Located(data, lock.path)
    documents = [] if tool == "yarn1" else _documents(tool, data.decode())
    for entry in lock.entries:
        assert located.span(lock.place(entry, key=True)) is not None, entry
        if tool == "yarn1":
            assert f"{entry.pointer[0]}:" in data.decode().split("\n")
        else:
            assert _follow(documents, entry.pointer) is not None, entry
    for importer in lock.importers:
        for item in importer.dependencies:
            assert _follow(documents, item.pointer) == item.spec, item
            span = located.span(Place(lock.path, item.pointer))
            assert span is not None, item
            assert data[slice(*span)].decode() == item.spec


def _documents(tool: str, text: str) -> list[Any]:
    if tool.startswith("npm"):
        return [json.loads(text)]
    if tool.startswith("bun"):
        import pyjson5

        return [pyjson5.decode(text)]
    from ryaml import loads_all  # type: ignore[attr-defined]

    return list(loads_all(text))


def _follow(documents: list[Any], pointer: tuple[str | int, ...]) -> Any:
    for document in reversed(documents):
        value = document
        try:
            for step in pointer:
                value = value[step]
        except (KeyError, TypeError):
            continue
        return value
    return None


# -- larger and stranger ---------------------------------------------------------------------


def _ask(kind: str, folder: Path) -> Any:
    done = subprocess.run(
        ["node", str(HERE / "oracle.mjs")],
        input=json.dumps([{"kind": kind, "folder": str(folder)}]),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[0]


def _strange() -> list[tuple[str, str]]:
    """(name, range) pairs with what quoting and splitting might stumble over."""
    return [
        ("plain", "1.0.0"),
        ("@scope/name", "^1.0.0"),
        ("spaces", ">= 1.0.0 < 2.0.0"),
        ("either", "1.x || >=2.5.0 || 5.0.0 - 7.2.3"),
        ("any", "*"),
        ("empty", ""),
        ("tag", "next"),
        ("true-ish", "true"),
        ("1digit", "1"),
        ("alias", "npm:other@^1.0.0"),
        ("scoped-alias", "npm:@scope/other@1"),
        ("back\\slash", "1.0.0"),
        ("quote", 'a"b'),
        ("colon", "git+ssh://git@host.example:22/x/y.git#abc"),
        ("hash", "github:x/y#semver:^1.0"),
        ("url", "https://host.example/x.tgz"),
        ("ünïcode", "1.0.0"),
    ]


def test_yarn_v1_strange_names_and_ranges(tmp_path: Path) -> None:
    facts = {
        f"{name}@{spec}": {
            "version": f"1.0.{number}",
            "resolved": f"https://registry.example.test/{number}.tgz#{'ab' * 20}",
            "dependencies": dict(_strange()[:number]),
            "optionalDependencies": dict(_strange()[number:][:2]),
        }
        for number, (name, spec) in enumerate(_strange())
    }
    script = (
        "const { createRequire } = require('node:module'); const r = createRequire(process.argv[1]);"
        "process.stdout.write(r('@yarnpkg/lockfile').stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))"
    )
    oracle = str(HERE.parent / "oracle" / "package.json")
    done = subprocess.run(
        ["node", "-e", script, oracle], input=json.dumps(facts), capture_output=True, text=True, check=True
    )
    for text in (done.stdout, done.stdout.replace("\n", "\r\n"), "\ufeff" + done.stdout):
        (tmp_path / "yarn.lock").write_bytes(text.encode())
        assert_yarn_v1(read(tmp_path, "yarn1"), _ask("yarn1", tmp_path))


def test_yarn_berry_strange_names_and_ranges(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"__metadata": {"version": "6", "cacheKey": "8"}}
    long = ", ".join(f"long@npm:^1.{number}.0" for number in range(200))
    for number, (name, spec) in enumerate(
        [*_strange(), ("float", "1.10"), ("octal", "010"), ("null", "null"), ("year", "2020-01-01")]
    ):
        key = long if name == "plain" else f"{name}@npm:{spec}"
        facts[key] = {
            "version": f"1.0.{number}",
            "resolution": f"{'long' if name == 'plain' else name}@npm:1.0.{number}",
            "dependencies": {
                other: range_ or "*" for other, range_ in (*_strange()[:number], ("float", "1.10"), ("hex", "0x10"))
            },
            "peerDependencies": {"react": "^16 || ^17", "vue": "2.10"},
            "peerDependenciesMeta": {"react": {"optional": True}},
            "checksum": f"{'ab' * 64}",
            "languageName": "node",
            "linkType": "hard",
        }
    script = (
        "const { createRequire } = require('node:module'); const r = createRequire(process.argv[1]);"
        "process.stdout.write(r('@yarnpkg/parsers').stringifySyml(JSON.parse(require('fs').readFileSync(0, 'utf8'))))"
    )
    oracle = str(HERE.parent / "oracle" / "package.json")
    done = subprocess.run(
        ["node", "-e", script, oracle], input=json.dumps(facts), capture_output=True, text=True, check=True
    )
    for text in (done.stdout, done.stdout.replace("\n", "\r\n")):
        (tmp_path / "yarn.lock").write_bytes(text.encode())
        assert_yarn_berry(read(tmp_path, "yarn4"), _ask("yarn4", tmp_path))


def test_npm_v1_and_v3_of_a_large_random_tree(tmp_path: Path) -> None:
    import random

    chance = random.Random(7)
    names = [f"p{number}" if number % 3 else f"@s/p{number}" for number in range(60)]
    packages: dict[str, Any] = {"": {"name": "root", "version": "1.0.0", "workspaces": ["m/*"], "dependencies": {}}}
    packages["m/one"] = {"version": "1.0.0", "dependencies": dict.fromkeys(names[:20], "*")}
    packages["node_modules/one"] = {"resolved": "m/one", "link": True}
    locations = [f"node_modules/{name}" for name in names] + [f"m/one/node_modules/{name}" for name in names[5:15]]
    for depth in range(3):
        locations += [
            f"{chance.choice(locations)}/node_modules/{chance.choice(names)}" for _ in range(60 * (depth + 1))
        ]
    for location in dict.fromkeys(locations):
        name = location.rpartition("node_modules/")[2]
        packages[location] = {
            "version": f"{chance.randrange(9)}.0.0",
            "resolved": f"https://registry.example.test/{name}/-/x.tgz",
            "integrity": "sha512-" + "A" * 86 + "==",
            "dependencies": {chance.choice(names): "*" for _ in range(4)},
        }
        if chance.random() < 0.2:
            packages[location]["optionalDependencies"] = {chance.choice(names): "*"}
    packages[""]["dependencies"] = dict.fromkeys(names, "*")
    document = {"name": "root", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages}
    (tmp_path / "package-lock.json").write_text(json.dumps(document))
    (tmp_path / "package.json").write_text(json.dumps(packages[""]))
    (tmp_path / "m/one").mkdir(parents=True)
    (tmp_path / "m/one/package.json").write_text(json.dumps({"name": "one"} | packages["m/one"]))
    lock = read(tmp_path, "npm11")
    nodes = _ask("npm", tmp_path)["nodes"]
    entries = index(lock).entries
    assert set(entries) == {location for location in nodes if "node_modules/" in location}
    for location, node in nodes.items():
        for name, edge in node["edges"].items():
            found: LockEntry | None
            if "node_modules/" in location:
                if node["link"]:
                    continue
                found = dependency(lock, entries[location], name)
            else:
                found = resolve(lock, location, node["name"], name, None)
            assert (found.key if found else None) == edge["to"], (location, name)
