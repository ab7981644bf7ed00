"""Rush: projects that rush.json names, and one lock for all of them that stands beside none.

The lock is the one that pnpm writes in ``common/temp`` (with subspaces, in a folder of it), where Rush generates a workspace.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.errors import ReadError
from bot.factcache import FactCache
from bot.facts.lock import Source
from bot.facts.manifest import Kind
from bot.load import load
from bot.names import PackageName
from bot.policy import Open, Policy, PolicyTables
from bot.readers.npm.pnpm_lock import read_pnpm_lock
from bot.readers.npm.rush import read_rush, read_rush_pnpm
from bot.repo import Repo
from bot.sources.folder import Memory
from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, check, policy, rules_of, stock

POLICY = Policy(tables=PolicyTables(open=Open(packages=("@acme/*",))))

RUSH = """\
/**
 * Rush's own comment style, and URLs: https://rushjs.io
 */
{
  "pnpmVersion": "10.27.0", // the newest
  "projects": [
    { "packageName": "shop", "projectFolder": "apps/shop" },
    { "packageName": "lib", "projectFolder": "libraries/lib", "subspaceName": "other" },
    { "packageName": "gone", "projectFolder": "apps/gone" },
  ]
}
"""


def rush_lock(up: str, integrity: str = "sha512-AAAA", *, spec: str = "1.2.3") -> str:
    return f"""\
lockfileVersion: '9.0'
settings:
  autoInstallPeers: false
importers:
  .: {{}}
  {up}/apps/shop:
    dependencies:
      '@acme/core':
        specifier: {spec}
        version: 1.2.3
      lib:
        specifier: workspace:*
        version: link:../../libraries/lib
  {up}/libraries/lib: {{}}
packages:
  '@acme/core@1.2.3':
    resolution: {{integrity: {integrity}}}
snapshots:
  '@acme/core@1.2.3': {{}}
"""


def files(spec: str = "1.2.3", integrity: str = "sha512-AAAA") -> dict[str, str]:
    shop = {
        "name": "shop",
        "version": "1.0.0",
        "private": True,
        "dependencies": {"@acme/core": spec, "lib": "workspace:*"},
    }
    return {
        "rush.json": RUSH,
        "apps/shop/package.json": json.dumps(shop),
        "apps/shop/src/x.js": "import '@acme/core/src/parser.js'\n",
        "apps/gone/README.md": "",
        "libraries/lib/package.json": json.dumps({"name": "lib", "version": "1.0.0", "private": True}),
        "common/config/rush/pnpm-lock.yaml": rush_lock("../..", integrity),
    }


def repo_of(tree: dict[str, str]) -> Repo:
    loaded = load(Memory({path: text.encode() for path, text in tree.items()}), POLICY, FactCache(None))
    assert loaded.not_checked == ()
    return loaded.repo


@pytest.mark.parametrize(
    ("path", "up"),
    [
        ("common/config/rush/pnpm-lock.yaml", "../.."),
        ("common/config/subspaces/default/pnpm-lock.yaml", "../../.."),
    ],
)
def test_importers_of_a_rush_lock_are_its_projects(path: str, up: str) -> None:
    lock = read_pnpm_lock(path, rush_lock(up).encode())
    assert [importer.directory for importer in lock.importers] == ["apps/shop", "libraries/lib"]
    [linked] = [entry for entry in lock.entries if entry.name == "lib"]
    assert linked.source is Source.WORKSPACE


def test_projects_of_another_subspace_are_members_all_the_same() -> None:
    text = rush_lock("../../..").replace("  ../../../libraries/lib: {}\n", "")
    text = text.replace("packages:\n", "packages:\n  b@file:../../../libraries/b:\n"
                        "    resolution: {directory: ../../../libraries/b, type: directory}\n")  # fmt: skip
    lock = read_pnpm_lock("common/config/subspaces/default/pnpm-lock.yaml", text.encode())
    assert {entry.name: entry.source for entry in lock.entries} == {
        "@acme/core": Source.REGISTRY,
        "lib": Source.WORKSPACE,
        "b": Source.WORKSPACE,
    }


def test_a_lock_elsewhere_stays_where_it_is() -> None:
    lock = read_pnpm_lock("common/other/pnpm-lock.yaml", rush_lock("../..").encode())
    assert [importer.directory for importer in lock.importers] == ["common/other", "apps/shop", "libraries/lib"]


def test_projects_are_package_roots_that_the_lock_governs() -> None:
    tree = files()
    repo = repo_of(tree)
    assert [root.directory for root in repo.roots] == ["", "apps/shop", "libraries/lib"]
    assert {d: lock.path for d, lock in repo.governs.items()} == {
        "apps/shop": "common/config/rush/pnpm-lock.yaml",
        "libraries/lib": "common/config/rush/pnpm-lock.yaml",
    }
    pin = repo.pin("apps/shop/src/x.js", "@acme/core")
    assert pin is not None
    assert (pin.version, pin.package) == ("1.2.3", PackageName.npm("@acme/core"))
    sibling = repo.pin("apps/shop/src/x.js", "lib")
    assert sibling is not None
    assert sibling.root is not None
    [(ghost, glob)] = repo.ghosts
    assert (ghost, glob.place.pointer) == ("apps/gone", ("projects", 2, "projectFolder"))


def test_each_subspace_has_its_lock() -> None:
    tree = files()
    text = tree.pop("common/config/rush/pnpm-lock.yaml").replace("  ../../libraries/lib: {}\n", "")
    tree["common/config/subspaces/default/pnpm-lock.yaml"] = text.replace("../../apps", "../../../apps")
    tree["common/config/subspaces/other/pnpm-lock.yaml"] = (
        "lockfileVersion: '9.0'\nimporters:\n  .: {}\n  ../../../libraries/lib: {}\n"
    )
    repo = repo_of(tree)
    assert {directory: lock.path.split("/")[3] for directory, lock in repo.governs.items()} == {
        "apps/shop": "default",
        "libraries/lib": "other",
    }


def test_catalogs_and_overrides_stand_in_rush_s_own_configuration() -> None:
    tree = files("catalog:")
    tree["common/config/rush/pnpm-config.json"] = json.dumps(
        {"globalCatalogs": {"default": {"@acme/core": "1.2.3"}}, "globalOverrides": {"@acme/core@^1": "file:../x"}}
    )
    repo = repo_of(tree)
    [declared] = [d for _, d in repo.declarations() if d.name == "@acme/core"]
    assert (declared.kind, declared.version) == (Kind.EXACT, "1.2.3")
    assert declared.catalog_place is not None
    assert declared.catalog_place.pointer == ("globalCatalogs", "default", "@acme/core")
    [document] = [w for w in repo.pnpm_workspaces if w.overrides]
    assert [(o.target, o.kind, o.place.pointer) for o in document.overrides] == [
        ("@acme/core", Kind.PATH, ("globalOverrides", "@acme/core@^1"))
    ]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"projects": {}}', '{"projects": [1, {"projectFolder": 2}, {}]}', "\ufeff{}"]
)
def test_an_odd_rush_json_is_a_clear_error_or_nothing(text: str) -> None:
    for reader in (read_rush, read_rush_pnpm):
        if not text.startswith(("{", "\ufeff")) or text == "{":
            with pytest.raises(ReadError, match=r"no (rush|pnpm-config)\.json"):
                reader("rush.json", text.encode())
        else:
            assert reader("rush.json", text.encode()).workspaces == ()


def test_a_project_that_the_lock_lacks_is_drift() -> None:
    tree = files()
    tree["common/config/rush/pnpm-lock.yaml"] = rush_lock("../..").replace("  ../../libraries/lib: {}\n", "")
    assert set(repo_of(tree).governs) == {"apps/shop", "libraries/lib"}


def test_a_rush_repository_is_judged_like_any_other(registry: LoopbackRegistry, tmp_path: Path) -> None:
    integrity = stock(registry)
    clean = files(integrity=integrity) | {
        "ringfence.toml": policy(registry),
        "apps/shop/src/x.js": "import '@acme/core'\n",
    }
    del clean["apps/gone/README.md"]
    shop = Repository(tmp_path / "shop", clean)
    done = check(shop)
    assert (done.code, done.report["findings"], done.report["not_checked"]) == (0, [], [])
    # A range, that its lock was not made for; a deep import of the locked version; a folder without its manifest.
    shop.commit(files("^1.2.0", integrity))
    assert sorted(rules_of(check(shop).report)) == [
        ("deep-import", "apps/shop/src/x.js"),
        ("floating-pin", "apps/shop/package.json"),
        ("ghost-member", "rush.json"),
        ("lock-drift", "apps/shop/package.json"),
    ]


def test_the_overrides_of_a_rush_lock_are_those_of_its_configuration(
    registry: LoopbackRegistry, tmp_path: Path
) -> None:
    integrity = stock(registry)
    tree = files(integrity=integrity) | {"ringfence.toml": policy(registry), "apps/shop/src/x.js": ""}
    del tree["apps/gone/README.md"]
    lock = tree["common/config/rush/pnpm-lock.yaml"]
    tree["common/config/rush/pnpm-lock.yaml"] = lock.replace("importers:", "overrides:\n  left-pad: 1.3.0\nimporters:")
    tree["common/config/rush/pnpm-config.json"] = '// ours\n{ "globalOverrides": { "left-pad": "1.3.0" } }'
    shop = Repository(tmp_path / "shop", tree)
    assert check(shop).report["findings"] == []
    shop.commit({"common/config/rush/pnpm-config.json": "{}"})
    [finding] = check(shop).report["findings"]
    assert (finding["rule"], finding["package"]) == ("lock-drift", "npm:left-pad")


def test_a_lock_of_rush_without_workspaces_is_not_checked(registry: LoopbackRegistry, tmp_path: Path) -> None:
    tree = files() | {"ringfence.toml": policy(registry), "apps/shop/src/x.js": ""}
    tree["common/config/rush/pnpm-lock.yaml"] = (
        "lockfileVersion: 5.4\nspecifiers:\n  '@rush-temp/shop': file:./projects/shop.tgz\n"
        "dependencies:\n  '@rush-temp/shop': file:projects/shop.tgz\n"
        "packages:\n  file:projects/shop.tgz:\n    resolution: {integrity: sha512-AAAA, tarball: file:projects/shop.tgz}\n"
        "    name: '@rush-temp/shop'\n    version: 0.0.0\n"
    )
    done = check(Repository(tmp_path / "shop", tree), "--rule", "missing-lock", "--rule", "lock-drift")
    assert done.code == 2
    [problem] = done.report["not_checked"]
    assert (problem["reason"], problem["path"]) == ("unsupported-format", "common/config/rush/pnpm-lock.yaml")
    assert "useWorkspaces" in problem["remedy"]
