"""What the shipped cases cannot say of the rules about pins: edits, and fingerprints that hold still or move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.registry.loopback import LoopbackRegistry
from tests.world import Content, Repository, check, npm_lock, policy, stock

SHOP: dict[str, Any] = {"name": "shop", "version": "1.0.0", "private": True, "dependencies": {"@acme/core": "^1.2.0"}}


@pytest.fixture
def registry() -> Iterator[LoopbackRegistry]:
    with LoopbackRegistry() as found:
        yield found


def findings(where: Repository, rule: str, *arguments: str) -> list[dict[str, Any]]:
    report = check(where, *arguments).report
    return [finding for finding in report["findings"] if finding["rule"] == rule]


def floating(
    registry: LoopbackRegistry, tmp_path: Path, entry: Mapping[str, Any], more: Mapping[str, Content] | None = None
) -> dict[str, Any]:
    """The one floating pin of a product whose lock holds this entry."""
    files: dict[str, Content] = {
        "ringfence.toml": policy(registry),
        "package.json": SHOP,
        "package-lock.json": npm_lock(SHOP, {"@acme/core": entry}),
        **(more or {}),
    }
    (found,) = findings(Repository(tmp_path / "shop", files), "floating-pin")
    return found


def test_the_locked_version_is_offered_where_it_is_one_to_pin(registry: LoopbackRegistry, tmp_path: Path) -> None:
    integrity = stock(registry)
    found = floating(registry, tmp_path, {"version": "1.2.3", "integrity": integrity})
    assert [edit["new"] for edit in found["edits"]] == ["1.2.3", "1.2.3"]
    assert all(edit["safe"] for edit in found["edits"])
    assert found["remedy"].startswith("Pin 1.2.3")


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"version": "2.0.0"}, id="out of the range"),
        pytest.param({"version": "1.9.9"}, id="not released"),
        pytest.param({"version": "1.2.3", "resolved": "git+ssh://git@github.com/a/b.git#0123"}, id="from git"),
        pytest.param({"version": "1.2.3", "resolved": "s3://bucket/core.tgz"}, id="from nobody knows where"),
        pytest.param({"name": "@else/core", "version": "1.2.3"}, id="another package"),
    ],
)
def test_no_other_version_is_offered(registry: LoopbackRegistry, tmp_path: Path, entry: dict[str, Any]) -> None:
    stock(registry)
    found = floating(registry, tmp_path, entry)
    assert found["edits"] == []
    assert found["remedy"] == "Pin a released version."


def test_beside_a_second_lock_the_edit_is_not_safe(registry: LoopbackRegistry, tmp_path: Path) -> None:
    integrity = stock(registry)
    beside = {"npm-shrinkwrap.json": npm_lock(SHOP, {"@acme/core": {"version": "1.2.3", "integrity": integrity}})}
    found = floating(registry, tmp_path, {"version": "1.2.3", "integrity": integrity}, beside)
    assert found["edits"]
    assert not any(edit["safe"] for edit in found["edits"])


def branch(tmp_path: Path, before: Mapping[str, Content], after: Mapping[str, Content]) -> Repository:
    repository = Repository(tmp_path / "shop", before)
    repository.git("checkout", "--quiet", "-b", "change")
    repository.commit(after)
    return repository


def test_another_side_door_in_the_place_of_a_known_one_is_new(registry: LoopbackRegistry, tmp_path: Path) -> None:
    door = SHOP | {"dependencies": {"@acme/core": "file:../core"}}
    other = SHOP | {"dependencies": {"@acme/core": "github:someone/core#main"}}
    changed = branch(tmp_path, {"ringfence.toml": policy(registry), "package.json": door}, {"package.json": other})
    assert [f["introduced"] for f in findings(changed, "side-door-source", "--base", "main")] == [True]
    same = branch(
        tmp_path / "same", {"ringfence.toml": policy(registry), "package.json": door}, {"package.json": door | {"x": 1}}
    )
    assert [f["introduced"] for f in findings(same, "side-door-source", "--base", "main")] == [False]


def test_another_locked_content_is_new(registry: LoopbackRegistry, tmp_path: Path) -> None:
    stock(registry)
    pinned = SHOP | {"dependencies": {"@acme/core": "1.2.3"}}
    locks = [
        npm_lock(pinned, {"@acme/core": {"version": "1.2.3", "integrity": f"sha512-{char * 86}=="}}) for char in "AB"
    ]
    before: dict[str, Content] = {
        "ringfence.toml": policy(registry),
        "package.json": pinned,
        "package-lock.json": locks[0],
    }
    changed = branch(tmp_path, before, {"package-lock.json": locks[1]})
    assert [f["introduced"] for f in findings(changed, "lock-source", "--base", "main")] == [True]


def test_a_missing_lock_is_the_same_finding_whoever_installs_what(registry: LoopbackRegistry, tmp_path: Path) -> None:
    stock(registry)
    registry.publish("@acme/alpha", "1.0.0")
    catalog = "packages:\n  - 'p/*'\ncatalog:\n  '@acme/core': ^1.2.0\n"
    before: dict[str, Content] = {
        "ringfence.toml": policy(registry),
        "package.json": {"name": "mono", "private": True},
        "pnpm-workspace.yaml": catalog,
        "p/b/package.json": {"name": "b", "private": True, "dependencies": {"@acme/core": "catalog:"}},
    }
    fields = {"dependencies": {"@acme/alpha": "1.0.0"}, "devDependencies": {"@acme/core": "catalog:"}}
    changed = branch(tmp_path, before, {"p/a/package.json": {"name": "a", "private": True, **fields}})
    (missing,) = findings(changed, "missing-lock", "--base", "main")
    assert not missing["introduced"]
    assert missing["location"]["path"] == "package.json"
    assert "package.json has no lockfile" in missing["message"]
    # And one line of a catalog is one finding, whichever member comes first.
    assert [f["introduced"] for f in findings(changed, "floating-pin", "--base", "main")] == [False]


def test_a_link_names_the_member_that_answers_and_the_lock(registry: LoopbackRegistry, tmp_path: Path) -> None:
    stock(registry)
    shop = {"name": "shop", "private": True, "dependencies": {"@acme/core": "1.2.3"}}
    files: dict[str, Content] = {
        "ringfence.toml": policy(registry, '[private]\nmembers = ["platform/*"]\n'),
        "package.json": {"name": "mono", "private": True, "workspaces": ["apps/*", "platform/*"]},
        "apps/core/package.json": {"name": "@acme/core", "version": "1.2.3"},
        "platform/shop/package.json": shop,
        "yarn.lock": "# yarn lockfile v1\n",
    }
    (found,) = findings(Repository(tmp_path / "mono", files), "side-door-source")
    said = {link["location"]["path"]: link["text"] for link in found["evidence"]}
    assert list(said) == ["platform/shop/package.json", "apps/core/package.json", "yarn.lock"]
    assert "1.2.3 in apps/core/package.json" in said["apps/core/package.json"]
    assert "yarn 1" in said["yarn.lock"]
