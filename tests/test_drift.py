"""Drift between manifests and locks, held to what the real package managers' frozen installs said."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import pytest

from bot.facts.lock import Lock
from bot.facts.manifest import Override
from bot.link.drift import Drift, drift, drift_of_root, stale_members
from bot.link.locks import govern
from bot.link.members import link_members
from bot.link.overrides import applies
from bot.readers.npm import lock_reader
from bot.readers.npm.package_json import read_package_json
from bot.readers.npm.pnpm_workspace import read_pnpm_workspace
from bot.readers.npm.yarnrc import read_yarnrc

HERE = Path(__file__).parent / "locks"
sys.path.insert(0, str(HERE))

from projects import Files, changes, project  # noqa: E402

LOCKS = {"npm": "package-lock.json", "pnpm": "pnpm-lock.yaml", "yarn": "yarn.lock", "bun": "bun.lock"}
TOOLS = ("npm6", "npm8", "npm11", "pnpm7", "pnpm8", "pnpm9", "pnpm10", "pnpm12", "yarn1", "yarn4", "bun1")

# What the tool refused for another reason than the lock, or for one that no lock records.
NOT_OURS = {
    # What a folder outside the workspace asks for is its own manifest's business; yarn and pnpm 12 copy it into the lock.
    ("yarn4", "path-dependency-changed"),
    ("yarn4", "path-version-changed"),
    ("pnpm12", "path-dependency-changed"),
    # One format, several tools: the newer (npm 9 and later, pnpm 10) refuses, and so do we.
    ("npm8", "member-version-breaks"),
    ("pnpm9", "catalog-changed"),
    ("pnpm9", "catalog-wider"),
    # pnpm 12 takes an optional dependency that the lock lacks for one that was skipped; pnpm 7 to 10 refuse it.
    ("pnpm12", "optional-added"),
}
# Changes that leave no trace in that format: nothing is said of them, and nothing could be.
UNRECORDED = {
    "npm": {"override-added", "override-changed", "override-removed"},
    "pnpm": {
        "root-version",
        "root-name",
        "root-no-version",
        "path-dependency-changed",
        "path-version-changed",
        "member-version",
    }
    | {"member-version-breaks", "member-name", "catalog-unused-added"},
    "bun": {
        "root-version",
        "root-no-version",
        "path-dependency-changed",
        "path-version-changed",
        "catalog-unused-added",
    },
    "yarn": {"root-version", "root-no-version", "catalog-unused-added", "dependency-moved", "path-dependency-changed"}
    | {"path-version-changed", "member-version", "member-version-breaks"},
}
UNRECORDED_BY_TOOL = {
    "npm6": {"dependency-removed", "dependency-moved", "dev-removed", "optional-removed", "peer-added", "range-wider"}
    | {"pin-to-range", "pin-spelled-otherwise", "path-dependency-changed", "path-version-changed", "to-tag"}
    | {"dependency-added-there-already", "alias-dropped", "root-name"},
    "yarn1": {"root-name", "dependency-removed", "dev-removed", "optional-removed", "peer-added", "member-name"}
    | {"dependency-added-there-already", "member-added-hoisted-dependency", "member-removed-dependency"}
    | {"member-peer-changed", "member-peer-removed", "member-dropped", "member-dropped-alone", "member-added"}
    | {"resolution-removed"},
    "pnpm7": {"peer-added", "member-peer-changed", "member-peer-removed"},
}


@cache
def locked(tool: str) -> Lock:
    name = LOCKS[tool.rstrip("0123456789")]
    reader = lock_reader(name)
    assert reader is not None
    return reader(name, (HERE / "fixtures" / tool / name).read_bytes())


def judged(tool: str, files: Files) -> list[Drift]:
    """All drift of a project, put together as the rule does it."""
    lock = locked(tool)
    manifests = [
        read_package_json(path, text.encode()) for path, text in files.items() if path.endswith("package.json")
    ]
    others = []
    if "pnpm-workspace.yaml" in files:
        others.append(read_pnpm_workspace("pnpm-workspace.yaml", files["pnpm-workspace.yaml"].encode()))
    if ".yarnrc.yml" in files:
        others.append(read_yarnrc(".yarnrc.yml", files[".yarnrc.yml"].encode()))
    linked = link_members(manifests, others, {*files, lock.path})
    governed = govern([manifest.directory for manifest in linked.manifests], [lock], linked.roots)
    versions = {
        root.manifest.name: root.manifest.version for root in linked.roots if root.manifest and root.manifest.name
    }
    root = next(manifest for manifest in linked.manifests if manifest.directory == "")
    overrides: list[Override] = [*root.overrides, *(item for other in others for item in other.overrides)]
    catalogs = dict(root.catalogs)
    for other in others:
        catalogs |= other.catalogs
    found: list[Drift] = []
    for manifest in linked.manifests:
        if manifest.directory in governed:
            found += drift(lock, manifest, manifest.declarations, versions, overrides)
    return [
        *found,
        *drift_of_root(lock, root, overrides, catalogs),
        *stale_members(lock, {manifest.directory for manifest in linked.manifests}),
    ]


def _cases() -> list[tuple[str, str]]:
    return [(tool, name) for tool in TOOLS for name in changes(tool)]


@pytest.mark.parametrize(("tool", "name"), _cases())
def test_refused_is_what_the_frozen_install_said(tool: str, name: str) -> None:
    verdicts = json.loads((HERE / "fixtures" / tool / "verdicts.json").read_text())
    assert set(verdicts) == set(changes(tool)), "make the fixtures again"
    files = project(tool)
    changes(tool)[name](files)
    found = judged(tool, files)
    if name in ("nothing", "foreign-override"):
        assert found == []
        assert not verdicts[name]["refused"]
        return
    if (tool, name) not in NOT_OURS:
        assert any(item.refused for item in found) == verdicts[name]["refused"], (verdicts[name]["said"], found)
    silent = UNRECORDED[tool.rstrip("0123456789")] | UNRECORDED_BY_TOOL.get(tool, set())
    if name not in silent:
        assert found, "a change that nobody sees"
    for item in found:
        assert item.manifest.path in files or item.what == "member-stale"
        assert item.lock.path == locked(tool).path


@pytest.mark.parametrize("tool", TOOLS)
def test_every_refusal_kind_is_met(tool: str) -> None:
    verdicts = json.loads((HERE / "fixtures" / tool / "verdicts.json").read_text())
    assert {item["refused"] for item in verdicts.values()} == {True, False}


@pytest.mark.parametrize("tool", ["npm11", "pnpm10", "yarn4", "bun1"])
def test_a_manifest_that_asks_for_nothing_and_is_no_member_is_none_of_the_locks_business(tool: str) -> None:
    for text in ('{"type": "module"}', '{"name": "example", "version": "1.0.0"}'):
        marker = read_package_json("examples/x/package.json", text.encode())
        assert drift(locked(tool), marker, marker.declarations, {"b": "0.1.0"}) == []
    member = read_package_json("packages/c/package.json", b'{"name": "c"}')
    assert [item.what for item in drift(locked(tool), member, (), {"c": None})] == ["member-missing"]


# -- which overrides count -----------------------------------------------------------------------

_PNPM_LOCK = "lockfileVersion: '{version}'\n{overrides}importers:\n  .: {{}}\n"


def _pnpm(version: str, overrides: dict[str, str], manifest: dict[str, object], yaml: str, manager: str | None) -> int:
    recorded = "overrides:\n" + "".join(f"  {name}: {spec}\n" for name, spec in overrides.items()) if overrides else ""
    reader = lock_reader("pnpm-lock.yaml")
    assert reader is not None
    lock = reader("pnpm-lock.yaml", _PNPM_LOCK.format(version=version, overrides=recorded).encode())
    root = read_package_json("package.json", json.dumps({"name": "r", **manifest}).encode())
    workspace = read_pnpm_workspace("pnpm-workspace.yaml", yaml.encode())
    return len(drift_of_root(lock, root, [*root.overrides, *workspace.overrides], {}, manager=manager))


@pytest.mark.parametrize(
    ("version", "manager", "in_manifest", "in_yaml", "in_both"),
    [
        # How many overrides differ from a lock that records the manifest's, the file's, or none: tried with pnpm 7 to 12.
        ("6.0", None, (0, 2, 1), (1, 1, 0), (0, 2, 1)),
        ("9.0", "pnpm@9.1.0", (0, 2, 1), (1, 1, 0), (0, 2, 1)),
        ("9.0", "pnpm@10.2.0+sha512.abc", (0, 2, 1), (2, 0, 1), (0, 2, 1)),
        ("9.0", "pnpm@11.0.0", (1, 1, 0), (2, 0, 1), (2, 0, 1)),
        ("9.0", "pnpm@12.1.0", (1, 1, 0), (2, 0, 1), (2, 0, 1)),
        # Nobody says which one it is: what one of them would have written is fine.
        ("9.0", None, (0, 2, 0), (2, 0, 0), (0, 0, 1)),
        ("9.0", "npm@10.0.0", (0, 2, 0), (2, 0, 0), (0, 0, 1)),
    ],
)
def test_pnpm_reads_overrides_where_its_version_does(
    version: str,
    manager: str | None,
    in_manifest: tuple[int, int, int],
    in_yaml: tuple[int, int, int],
    in_both: tuple[int, int, int],
) -> None:
    locks = [{"ms": "2.0.0"}, {"debug": "2.6.8"}, {}]
    manifest: dict[str, object] = {"pnpm": {"overrides": {"ms": "2.0.0"}}, "overrides": {"semver": "7.0.0"}}
    yaml = "overrides:\n  debug: 2.6.8\n"
    for expected, said, file in ((in_manifest, manifest, ""), (in_yaml, {}, yaml), (in_both, manifest, yaml)):
        assert tuple(_pnpm(version, lock, dict(said), file, manager) for lock in locks) == expected, (said, file)


@pytest.mark.parametrize(
    ("manifest", "recorded"),
    [
        # What bun 1.4 wrote for them.
        ({"resolutions": {"**/ms": "2.1.1"}}, '"ms": "2.1.1"'),
        ({"overrides": {"ms": "2.0.0"}, "resolutions": {"debug": "2.6.8"}}, '"ms": "2.0.0"'),
        ({"resolutions": {"debug": "2.6.8", "debug/ms": "2.0.0"}}, '"debug": {".": "2.6.8", "ms": "2.0.0"}'),
        ({"overrides": {"debug": {".": "2.6.8", "ms": "2.1.1"}}}, '"debug": {".": "2.6.8", "ms": "2.1.1"}'),
        ({"overrides": {"debug>ms": "2.1.1"}}, '"debug": {"ms": "2.1.1"}'),
        ({"resolutions": {"debug/**/ms": "2.1.1"}}, '"debug": {"ms": "2.1.1"}'),
        ({"resolutions": {"@acme/a/@acme/b": "1.0.0"}}, '"@acme/a": {"@acme/b": "1.0.0"}'),
        (
            {"resolutions": {"debug@2.6.9/ms": "2.1.1", "ms@2.1.0": "2.1.2"}},
            '"debug@2.6.9": {"ms": "2.1.1"}, "ms@2.1.0": {".": "2.1.2"}',
        ),
        ({"pnpm": {"overrides": {"ms": "2.0.0"}}}, ""),
    ],
)
def test_bun_spells_selectors_in_its_own_way(manifest: dict[str, object], recorded: str) -> None:
    reader = lock_reader("bun.lock")
    assert reader is not None
    text = f'{{"lockfileVersion": 3, "workspaces": {{"": {{"name": "r"}}}}, "overrides": {{{recorded}}}, "packages": {{}}}}'
    root = read_package_json("package.json", json.dumps({"name": "r", **manifest}).encode())
    assert drift_of_root(reader("bun.lock", text.encode()), root, root.overrides, {}) == []
    empty = reader("bun.lock", b'{"lockfileVersion": 3, "workspaces": {"": {"name": "r"}}, "packages": {}}')
    assert bool(drift_of_root(empty, root, root.overrides, {})) is bool(recorded)


# -- overrides with a range ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "spec", "applied"),
    [
        # Whether npm 11 (that refuses to lock where it applies to a direct dependency), pnpm 10, yarn 4 and bun 1.4 then lock 1.0.0.
        ("<1", "^1.0.0", ()),
        ("<1", "1.2.3", ()),
        ("<2", "^1.0.0", ("npm", "pnpm", "bun")),
        ("^1.0.0", "^1.0.0", ("npm", "pnpm", "yarn", "bun")),
        ("1.2.3", "1.2.3", ("npm", "pnpm", "yarn", "bun")),
        ("1.2.3", "^1.0.0", ("npm", "pnpm", "bun")),
        (">=1.2", "1.2.3", ("npm", "pnpm", "bun")),
        ("npm:^1.0.0", "^1.0.0", ("yarn", "bun")),
        ("npm:^1.1.0", "^1.0.0", ("bun",)),
    ],
)
def test_an_override_with_a_range_applies_where_the_package_manager_says(
    selector: str, spec: str, applied: tuple[str, ...]
) -> None:
    manifest = read_package_json("package.json", json.dumps({"name": "r", "dependencies": {"a": spec}}).encode())
    (declaration,) = manifest.declarations
    for tool in ("npm11", "pnpm10", "yarn4", "bun1", "yarn1"):
        for way in (f"a@{selector}", f"r>a@{selector}"):
            found = applies(locked(tool), way, "a", manifest, declaration)
            assert found is (tool.rstrip("0123456789") in applied and tool != "yarn1"), (tool, way)


# -- members without a name ------------------------------------------------------------------------


def test_a_member_without_a_name_is_called_as_its_folder() -> None:
    member = read_package_json("apps/web/package.json", b'{"private": true}')
    for name, text, drifts in (
        ("package-lock.json", '{"lockfileVersion": 3, "packages": {"": {}, "apps/web": {}}}', 0),
        ("package-lock.json", '{"lockfileVersion": 3, "packages": {"": {}, "apps/web": {"name": "x"}}}', 1),
        # What yarn 4 made of this folder.
        ("yarn.lock", _BERRY.format("web-5e973e"), 0),
        ("yarn.lock", _BERRY.format("web-5e973f"), 1),
        # bun takes a folder without a name for no member.
        ("bun.lock", '{"lockfileVersion": 1, "workspaces": {"": {}}, "packages": {}}', 0),
    ):
        reader = lock_reader(name)
        assert reader is not None
        found = drift(reader(name, text.encode()), member, (), {})
        assert [item.what for item in found] == ["member-name"] * drifts, (name, text)


_BERRY = """__metadata:
  version: 8

"{0}@workspace:apps/web":
  version: 0.0.0-use.local
  resolution: "{0}@workspace:apps/web"
  languageName: unknown
  linkType: soft
"""


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["a"], "a"),
        (["a*"], "a ab abc"),
        (["*b*"], "b ab abc"),
        (["*", "!b"], "a c ab abc"),
        (["!b"], "a c ab abc"),
        (["a*", "!ab", "ab"], "a ab abc"),
        (["a*c"], "abc"),
    ],
)
def test_optional_dependencies_are_left_out_by_pattern(patterns: list[str], names: str) -> None:
    optional = dict.fromkeys(["a", "b", "c", "ab", "abc"], "1.0.0")
    member = read_package_json("package.json", json.dumps({"name": "r", "optionalDependencies": optional}).encode())
    text = "lockfileVersion: '9.0'\nignoredOptionalDependencies:\n"
    text += "".join(f"- '{pattern}'\n" for pattern in patterns) + "importers:\n  .: {}\n"
    reader = lock_reader("pnpm-lock.yaml")
    assert reader is not None
    found = drift(reader("pnpm-lock.yaml", text.encode()), member, member.declarations, {})
    assert {item.package for item in found} == set(optional) - set(names.split())


# -- resolutions that nothing asks for ---------------------------------------------------------------

_RESOLVED = """__metadata:
  version: 8

"@acme/core@npm:^1.0.0":
  version: 1.2.3
  resolution: "@acme/core@npm:1.2.3"

"left@npm:1.0.0":
  version: 1.0.0
  resolution: "left@npm:1.0.0"
  dependencies:
    "@acme/core": "npm:^1.0.0"

"r@workspace:.":
  version: 0.0.0-use.local
  resolution: "r@workspace:."
  dependencies:
    "@acme/core": "npm:^1.0.0"
    left: "npm:1.0.0"
"""


@pytest.mark.parametrize(
    ("selector", "drifts"),
    [
        # Whether yarn 4 locks 1.0.0 with such a resolution to it (the last one was not tried).
        ("@acme/core", True),
        ("**/@acme/core", False),
        ("@acme/core@npm:^1.0.0", True),
        ("@acme/core@^1.0.0", True),
        ("@acme/core@npm:<1", False),
        ("@acme/core@^1.0", False),
        ("left/@acme/core", True),
        ("left@npm:1.0.0/@acme/core", True),
        ("right/@acme/core", False),
        ("@x/left/@acme/core", False),
    ],
)
def test_a_resolution_for_what_nothing_asks_for_is_no_drift(selector: str, drifts: bool) -> None:
    reader = lock_reader("yarn.lock")
    assert reader is not None
    lock = reader("yarn.lock", _RESOLVED.encode())
    root = read_package_json("package.json", json.dumps({"name": "r", "resolutions": {selector: "1.0.0"}}).encode())
    assert bool(drift_of_root(lock, root, root.overrides, {})) is drifts
