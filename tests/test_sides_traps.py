"""Traps about sides and reach that a case file cannot hold: symbolic links, mirrors, which directories are package roots."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from bot.factcache import FactCache
from bot.load import load
from bot.model import Verdict
from bot.names import PackageName, RepoName
from bot.policy import Policy, PolicyTables, Side
from bot.readers.javascript.imports import parse_imports
from bot.rule import AskParsed, AskPublished, Known, ParsedFile, Published
from bot.rules import ALL
from bot.sources.folder import Memory
from bot.sources.open import open_source
from tests.world import Repository

RULES = {rule.id: rule for rule in ALL}


def _policy(**tables: object) -> Policy:
    return Policy(tables=msgspec.convert({"open": {"packages": ["@acme/*"]}, **tables}, PolicyTables))


def test_a_path_through_a_link_is_found(tmp_path: Path) -> None:
    source = 'import "./core-src/x.js";\nimport "./real/x.js";\nimport "./notes/x.js";\n'
    files = {"package.json": '{"name": "shop", "private": true}', "real/x.js": "", "a.js": source}
    repository = Repository(tmp_path / "r", files)
    (repository.path / "core-src").symlink_to("../../open-core/src")
    (repository.path / "README").symlink_to("notes.md")
    repository.commit()
    repo = load(open_source(repository.path), _policy(), FactCache(None)).repo
    parsed = parse_imports("a.js", source.encode())
    known = Known({AskParsed("a.js"): ParsedFile(path="a.js", imports=parsed.imports)})
    hits = RULES["path-escape"].judge(repo, _policy(), known).hits
    assert [(hit.subject, "symbolic link" in hit.message) for hit in hits] == [("./core-src/x.js", True)]


@pytest.mark.parametrize("enough", [False, True])
def test_a_mirrors_exports_count_when_policy_says_enough(enough: bool) -> None:
    policy = _policy(registry={"npm": {"mirrors": [{"url": "https://mirror.example.test/", "enough": enough}]}})
    source = b'import "@acme/core/deep";\n'
    manifest = b'{"name": "shop", "private": true, "dependencies": {"@acme/core": "1.0.0"}}'
    repo = load(Memory({"package.json": manifest, "a.js": source}), policy, FactCache(None)).repo
    package = PackageName.npm("@acme/core")
    published = Published(
        package=package, version="1.0.0", manifest={"exports": "./index.js"}, files=frozenset(), mirrored=True
    )
    parsed = ParsedFile(path="a.js", imports=parse_imports("a.js", source).imports)
    known = Known({AskPublished(package, "1.0.0"): published, AskParsed("a.js"): parsed})
    verdict: Verdict = RULES["deep-import"].judge(repo, policy, known)
    assert len(verdict.hits) == enough
    assert [problem.reason for problem in verdict.not_checked] == ([] if enough else ["mirrored"])


def test_what_policy_ignores_is_no_path_of_the_repository_and_is_counted() -> None:
    policy = _policy(ignore={"paths": ["vendor/**"]})
    loaded = load(Memory({"package.json": b"{}", "vendor/x.tgz": b"", "vendor/a.js": b""}), policy, FactCache(None))
    assert loaded.repo.paths == {"package.json"}
    assert loaded.ignored == 2
    assert loaded.repo.files == 0


def _roots(policy: Policy, files: dict[str, object]) -> list[str]:
    data = {path: (text if isinstance(text, str) else json.dumps(text)).encode() for path, text in files.items()}
    return [root.directory for root in load(Memory(data), policy, FactCache(None)).repo.roots]


def test_what_policy_lists_is_a_package_root_without_any_workspace() -> None:
    tree: dict[str, object] = {
        "apps/a/package.json": {"name": "a"},
        "apps/a/esm/package.json": {"type": "module"},
        "apps/a/fixtures/x/package.json": {"name": "x"},
        "platform/b/package.json": {"name": "b"},
        "other/c/package.json": {"name": "c"},
    }
    flat = _policy(open={"packages": ["@acme/*"], "members": ["apps/*"]}, private={"members": ["platform/*"]})
    deep = _policy(open={"packages": ["@acme/*"], "published": ["apps/**"]})
    assert _roots(flat, tree) == ["", "apps/a", "platform/b"]
    assert _roots(deep, tree) == ["", "apps/a"]
    # A workspace that does not list them changes nothing, one that takes them away does where they are only published.
    root = {"name": "r", "private": True, "workspaces": ["other/*", "!apps/a"]}
    assert _roots(flat, tree | {"package.json": root}) == ["", "apps/a", "other/c", "platform/b"]
    assert "apps/a" not in _roots(deep, tree | {"package.json": root})


def test_lerna_names_package_roots_unless_the_package_manager_does() -> None:
    tree: dict[str, object] = {"libs/a/package.json": {"name": "a"}, "libs/b/package.json": {"name": "b"}}
    lerna = {"packages": ["libs/*", "!libs/b"]}
    assert _roots(_policy(), tree | {"lerna.json": lerna}) == ["", "libs/a"]
    assert _roots(_policy(), tree | {"lerna.json": lerna | {"useWorkspaces": True}}) == [""]
    assert _roots(_policy(), tree | {"deep/lerna.json": lerna}) == [""]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("pnpm-workspace.yaml", "a/package.yaml"), ["a/package.yaml"]),
        (("pnpm-workspace.yaml", "a/package.json5"), ["a/package.json5"]),
        (("pnpm-workspace.yaml", "a/package.yaml", "a/package.json"), []),
        (("a/package.yaml", "a/stack.yaml"), []),  # Haskell's
        (("pnpm-lock.main.yaml",), ["pnpm-lock.main.yaml"]),
        (("shrinkwrap.yaml",), ["shrinkwrap.yaml"]),
    ],
)
def test_manifests_and_locks_that_nobody_reads_are_said(files: tuple[str, ...], said: list[str]) -> None:
    loaded = load(Memory(dict.fromkeys(files, b"{}")), _policy(), FactCache(None))
    assert [p.path for p in loaded.not_checked if p.reason == "unsupported-format"] == said
    assert loaded.repo.unread_locks == {path for path in said if "package." not in path}


def test_a_private_name_is_private_under_the_open_scope_and_on_the_forge() -> None:
    policy = _policy(
        open={"packages": ["@acme/*"], "repositories": ["acme/*"]}, private={"names": ["platform-todos", "@acme/gold"]}
    )
    package = {name: policy.side_of_package(PackageName.npm(name)) for name in ("@acme/platform-todos", "@acme/gold")}
    assert set(package.values()) == {Side.PRIVATE}
    for name in ("@acme/platform-todos-like", "@acme/my-platform-todos", "@acme/golden"):
        assert policy.side_of_package(PackageName.npm(name)) is Side.OPEN
    assert policy.side_of_repository(RepoName.parse("acme/Platform-Todos")) is Side.PRIVATE
    assert policy.side_of_repository(RepoName.parse("acme/todos")) is Side.OPEN


def test_an_open_pattern_that_begins_with_a_wildcard_finds_imports() -> None:
    repo = load(
        Memory({"package.json": b"{}", "a.js": b'import "foo-plugin/x"; import "bar"'}),
        _policy(open={"packages": ["*-plugin"]}),
        FactCache(None),
    ).repo
    assert [found.specifier for found in repo.sources["a.js"].imports] == ["foo-plugin/x", "bar"]
