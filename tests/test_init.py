"""`ringfence init`: what it guesses, what it writes, and that it draws no line anew."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import RingfenceError
from bot.factcache import FactCache
from bot.init import First, first_policy
from bot.load import load
from bot.names import PackageName, RepoName
from bot.policy import Ignore, Open, Policy, PolicyTables, PrivateSide, Side
from bot.policy_file import load_policy
from bot.repo import Repo
from bot.rules import ALL
from bot.sources.folder import Memory
from tests.world import Content, Repository, check

NOTHING = Policy(tables=PolicyTables(open=Open(packages=())))


def repo_of(files: Mapping[str, object], identity: str | None = None) -> Repo:
    data = {
        path: value.encode() if isinstance(value, str) else json.dumps(value).encode() for path, value in files.items()
    }
    source = Memory(data, identity=RepoName.parse(identity) if identity else None, folder=None)
    return load(source, NOTHING, FactCache(None)).repo


def written(first: First, identity: RepoName | None = None) -> Policy:
    return load_policy(
        repository_file=("ringfence.toml", first.text.encode()),
        organisation_file=None,
        overlay_file=None,
        rule_ids=(),
        identity=identity,
    )


def flagged(patterns: tuple[str, ...]) -> Policy:
    return load_policy(
        repository_file=None,
        organisation_file=None,
        overlay_file=None,
        open_patterns=patterns,
        rule_ids=(),
        identity=None,
    )


def assert_same(repo: Repo, first: First) -> None:
    """Every root and every dependency is on the same side with the file as with the flag, and no harder so; nothing else
    is set."""
    file, flag = written(first, repo.identity), flagged(first.patterns)
    by_file, by_flag = (msgspec.structs.replace(repo, _cache={}) for _ in range(2))
    # Where nothing can be published and nothing is open, that it is private by policy changes no verdict.
    mute = all(root.manifest is None or root.manifest.private for root in repo.roots)
    for root in repo.roots:
        said, assumed = by_file.stated_side(file, root), by_flag.stated_side(flag, root)
        assert said is assumed or (mute and {said, assumed} == {Side.PRIVATE, Side.UNMATCHED}), root.directory
    for _, declaration in repo.declarations():
        package = PackageName(declaration.ecosystem, declaration.name)
        assert file.side_of_package(package) is flag.side_of_package(package)
        assert by_file.is_open(file, package) is by_flag.is_open(flag, package)
    rest = msgspec.structs.replace(
        file.tables, open=Open(packages=file.tables.open.packages), private=PrivateSide(), ignore=Ignore()
    )
    assert rest == flag.tables


def active(first: First) -> list[str]:
    return [line.split("  #")[0] for line in first.text.splitlines() if line and not line.startswith("#")]


def suggested(first: First) -> list[str]:
    """What the comments would say if they were none."""
    lines = [line.removeprefix("# ").split("  #")[0] for line in first.text.splitlines() if line.startswith("# ")]
    return [line for line in lines if line.startswith("[") or " = " in line][1:]


PRODUCT = {
    "package.json": {"name": "shop", "private": True, "dependencies": {"@acme/core": "1.0.0", "react": "18.0.0"}}
}
MONOREPO = {
    "package.json": {"name": "acme", "private": True, "workspaces": ["packages/*", "apps/*", "docs"]},
    "packages/core/package.json": {"name": "@acme/core"},
    "packages/ui/package.json": {"name": "@acme/ui"},
    "apps/shop/package.json": {"name": "@acme-internal/shop", "private": True, "dependencies": {"@acme/core": "1.0.0"}},
    "apps/mail/package.json": {"name": "mail", "private": True},
    "docs/package.json": {"name": "@acme/docs"},
}


def test_a_small_product_needs_one_list_and_its_own_name() -> None:
    repo = repo_of(PRODUCT, "acme/platform-shop")
    first = first_policy(repo)
    assert first.patterns == ("@acme/*",)
    assert first.guessed == "guessed from 1 dependency"
    assert active(first) == [
        "schema = 1",
        "[open]",
        'packages = ["@acme/*"]',
        "[private]",
        'repositories = ["acme/platform-shop"]',
    ]
    assert_same(repo, first)


def test_without_a_name_on_a_forge_the_tables_are_exactly_those_of_the_flag() -> None:
    repo = repo_of(PRODUCT)
    first = first_policy(repo, ("@acme/*", "pypi:acme-*"))
    assert written(first).tables == flagged(("@acme/*", "pypi:acme-*")).tables
    assert first.guessed == ""


def test_the_comments_are_a_policy_too_once_uncommented() -> None:
    text = first_policy(repo_of(PRODUCT, "acme/platform-shop")).text
    at = text.index("# What else can be said")
    lines = text[at:].splitlines()[1:]
    kept = [line.removeprefix("# ") for line in lines if not line.startswith("# [[waiver]]")]
    more = load_policy(
        repository_file=("ringfence.toml", (text[:at] + "\n".join(kept)).encode()),
        organisation_file=None,
        overlay_file=None,
        rule_ids=[rule.id for rule in ALL],
        identity=None,
    )
    assert more.tables.naming is not None
    assert more.tables.pins == PolicyTables(open=more.tables.open).pins
    assert more.tables.reach == PolicyTables(open=more.tables.open).reach
    assert more.tables.rules == {"ghost-member": "warning"}
    assert more.tables.gate.waiver_days_max == 90
    # Nothing is suggested that this version does not do.
    assert {rule.id: rule.severity.value for rule in ALL}["ghost-member"] == "warning"
    assert not more.tables.gate.approvers


def test_an_open_repository_says_so() -> None:
    repo = repo_of({"package.json": {"name": "@acme/core"}}, "acme/core")
    first = first_policy(repo)
    assert active(first) == ["schema = 1", "[open]", 'packages = ["@acme/*"]', 'repositories = ["acme/core"]']
    assert_same(repo, first)


def test_a_monorepo_with_both_sides_suggests_its_members() -> None:
    repo = repo_of(MONOREPO, "acme/apps")
    first = first_policy(repo)
    assert active(first) == [
        "schema = 1",
        "[open]",
        'packages = ["@acme/*"]',
    ]
    assert suggested(first)[:3] == [
        'repositories = ["acme/apps"]',
        'members = ["docs", "packages/*"]',
        'published = ["docs", "packages/*"]',
    ]
    assert suggested(first)[3:6] == ["[private]", 'packages = ["@acme-internal/*"]', 'members = ["apps/*"]']
    assert_same(repo, first)


def test_a_folder_with_both_sides_is_listed_member_by_member() -> None:
    files = {
        "package.json": {"private": True, "workspaces": ["packages/*"]},
        "packages/core/package.json": {"name": "@acme/core"},
        "packages/ui/package.json": {"name": "@acme/ui"},
        "packages/shop/package.json": {"name": "shop"},
    }
    first = first_policy(repo_of(files))
    assert 'members = ["packages/core", "packages/ui"]' in suggested(first)
    assert 'members = ["packages/shop"]' in suggested(first)
    assert_same(repo_of(files), first)


def test_a_private_name_in_an_open_scope_is_named_alone() -> None:
    files = {
        "package.json": {"private": True, "workspaces": ["p/*"]},
        "p/a/package.json": {"name": "@acme/core"},
        "p/b/package.json": {"name": "@acme/shop"},
    }
    first = first_policy(repo_of(files), ("@acme/core",))
    assert 'packages = ["@acme/shop"]' in suggested(first)
    assert_same(repo_of(files), first)


def test_a_private_package_with_an_open_name_is_only_a_suggestion() -> None:
    # A product, since nothing here is released: a run with the flag says the same.
    repo = repo_of({"package.json": {"name": "@acme/shop", "private": True}}, "acme/platform-shop")
    first = first_policy(repo, ("@acme/*",))
    assert active(first)[:3] == ["schema = 1", "[open]", 'packages = ["@acme/*"]']
    assert active(first)[3:] == ["[private]", 'repositories = ["acme/platform-shop"]']
    assert suggested(first)[0] == 'packages = ["@acme/shop"]'
    assert_same(repo, first)
    # Beside a released package it is that one's tooling.
    files: dict[str, object] = {"package.json": {"name": "@acme/root", "private": True, "workspaces": ["p/*"]}}
    repo = repo_of({**files, "p/core/package.json": {"name": "@acme/core"}}, "acme/core")
    first = first_policy(repo, ("@acme/*",))
    assert active(first) == ["schema = 1", "[open]", 'packages = ["@acme/*"]']
    assert '# packages = ["@acme/root"]' in first.text
    assert_same(repo, first)


def test_fixtures_and_templates_with_manifests_are_left_out() -> None:
    files = {
        **PRODUCT,
        "test/fixtures/a/package.json": {"name": "@acme/fixture"},
        "templates/app/package.json": {"name": "@acme/__name__"},
        "src/testdata/yarn.lock": "# yarn lockfile v1\n",
        "src/__fixtures__/data.json": "{}",
    }
    first = first_policy(repo_of(files), ("@acme/*",))
    assert 'paths = ["**/fixtures/**", "**/templates/**", "**/testdata/**"]' in active(first)
    assert_same(repo_of(files), first)


def test_a_workspace_among_the_fixtures_is_a_fixture() -> None:
    inner = "packages/tree/test/fixtures/mono"
    files = {
        "package.json": {"name": "mono", "private": True, "workspaces": ["packages/*"]},
        "packages/tree/package.json": {"name": "@acme/tree", "version": "1.0.0", "devDependencies": {"tap": "^16.0.0"}},
        "packages/lib/package.json": {"name": "lib", "version": "1.0.0"},
        f"{inner}/package.json": {"name": "fixture", "workspaces": ["parts/*"]},
        f"{inner}/package-lock.json": {"lockfileVersion": 3, "packages": {"": {"name": "fixture"}}},
        f"{inner}/parts/tap/package.json": {"name": "tap", "version": "16.0.0"},
    }
    first = first_policy(repo_of(files), ("@acme/*",))
    assert 'paths = ["**/fixtures/**"]' in active(first)
    assert "fixtures" not in "".join(suggested(first))
    assert_same(repo_of(files), first)


def test_templates_that_are_members_are_not() -> None:
    files = {
        "package.json": {"private": True, "workspaces": ["templates/*"]},
        "templates/app/package.json": {"name": "@acme/app"},
    }
    assert "[ignore]" not in active(first_policy(repo_of(files), ("@acme/*",)))


# -- guessing ----------------------------------------------------------------------------------


def test_a_scope_is_guessed_from_names_or_from_the_owner() -> None:
    assert first_policy(repo_of({"package.json": {"name": "@acme/core"}})).patterns == ("@acme/*",)
    assert first_policy(repo_of(PRODUCT, "acme-internal/platform")).patterns == ("@acme/*",)
    assert first_policy(repo_of(PRODUCT, "Acme/x")).patterns == ("@acme/*",)


@pytest.mark.parametrize(
    ("files", "identity", "said"),
    [
        (PRODUCT, "other/x", "@acme (1 dependency)"),
        (PRODUCT, None, "@acme (1 dependency)"),
        ({"package.json": {"name": "shop"}}, "acme/shop", "No scope is used here."),
        ({"package.json": {"name": "x", "devDependencies": {"@types/node": "1"}}}, None, "No scope is used here."),
        (
            {"package.json": {"name": "@acme/x", "publishConfig": {"access": "restricted"}}},
            None,
            "@acme (1 private package)",
        ),
        (
            {"package.json": {"name": "@b/x", "dependencies": {"@acme/x": "1", "@acme/y": "1"}}},
            "acme/x",
            "@b (1 own package), @acme (2 dependencies)",
        ),
        ({"package.json": {"name": "@acme-internal/x"}}, "acme-internal/x", "@acme-internal (1 private package)"),
        ({}, None, "There is no package.json here"),
    ],
)
def test_what_it_cannot_tell_it_asks(files: dict[str, object], identity: str | None, said: str) -> None:
    with pytest.raises(RingfenceError) as caught:
        first_policy(repo_of(files, identity))
    assert "cannot tell which packages are open" in caught.value.what
    assert caught.value.remedy is not None
    assert "ay it: ringfence init --open '@" in caught.value.remedy
    assert said in caught.value.remedy


def test_what_the_repository_publishes_itself_is_named_first() -> None:
    files = {
        "package.json": {"private": True, "workspaces": ["p/*"]},
        "p/a/package.json": {"name": "nitro", "version": "1.0.0", "dependencies": {"@rollup/x": "1", "@rollup/y": "1"}},
        "p/b/package.json": {"name": "kit", "version": "1.0.0", "private": True},
        "p/c/package.json": {"name": "unversioned"},
    }
    with pytest.raises(RingfenceError) as caught:
        first_policy(repo_of(files))
    said = "Say it: ringfence init --open 'nitro'. Names here: nitro (own package), @rollup (2 dependencies)."
    assert caught.value.remedy == said


def test_a_bad_pattern_is_refused() -> None:
    with pytest.raises(RingfenceError, match="matches every package"):
        first_policy(repo_of(PRODUCT), ("*",))


# -- whatever the repository holds ---------------------------------------------------------------

_names = st.sampled_from(
    [
        "@acme/core",
        "@acme/x",
        "@acme-internal/y",
        "shop",
        "@b/c",
        '@acme/"\n]',
        "@acme/<name>",
        "\u202e@acme/x",
        "",
        "@acme",
    ]
)
_folders = st.sampled_from(
    [
        "packages/a",
        "packages/b",
        "apps/a",
        "apps/[id]",
        "apps/{x}",
        'a"b',
        "x\ny",
        "fixtures/a",
        "packages/deep/er",
        "t*",
    ]
)
_manifests = st.fixed_dictionaries(
    {"name": _names},
    optional={"private": st.booleans(), "dependencies": st.dictionaries(_names, st.just("1.0.0"), max_size=3)},
)


@given(
    st.dictionaries(_folders, _manifests, max_size=6),
    _manifests,
    st.sampled_from([None, "acme/x", "git.acme.example/acme/x", "acme/{x}", "a b/c"]),
    st.sampled_from([("@acme/*",), ("@acme/core", "shop"), ("@acme/*", "pypi:x-*"), ("@{x}/core",)]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_file_is_a_policy_and_draws_the_same_lines(
    members: dict[str, dict[str, object]],
    root: dict[str, object],
    identity: str | None,
    patterns: tuple[str, ...],
) -> None:
    files: dict[str, object] = {f"{folder}/package.json": manifest for folder, manifest in members.items()}
    files["package.json"] = {**root, "workspaces": ["packages/**", "apps/*", 'a"b', "x\ny", "t*"]}
    repo = repo_of(files, identity)
    assert_same(repo, first_policy(repo, patterns))


def test_the_round_trip_check_can_fail() -> None:
    repo = repo_of(MONOREPO, "acme/apps")
    first = first_policy(repo)
    said = '# members = ["docs", "packages/*"]'
    assert said in first.text
    stated = First(text=first.text.replace(said, said.removeprefix("# ")), patterns=first.patterns)
    assert_same(repo, stated)  # what is open by name is open: still the same line
    moved = First(text=first.text.replace(said, 'members = ["apps/mail"]'), patterns=first.patterns)
    with pytest.raises(AssertionError, match="apps/mail"):
        assert_same(repo, moved)
    # That a member is private by policy is harder than that no pattern speaks of it.
    harder = First(
        text=first.text.replace('# members = ["apps/*"]', '[private]\nmembers = ["apps/*"]'), patterns=first.patterns
    )
    with pytest.raises(AssertionError, match="apps/mail"):
        assert_same(repo, harder)


# -- the command -------------------------------------------------------------------------------


def ringfence(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "from bot.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "package.json").write_text(json.dumps(PRODUCT["package.json"]), encoding="utf-8")
    for arguments in (
        ["init", "-q"],
        ["remote", "add", "origin", "git@github.com:acme/platform-shop.git"],
        ["add", "-A"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def test_it_writes_the_file_at_the_repository_s_root(checkout: Path) -> None:
    run = ringfence("init", cwd=checkout / "src")
    assert run.returncode == 0, run.stderr
    assert "open is @acme/* (guessed from 1 dependency)" in run.stdout
    text = (checkout / "ringfence.toml").read_text(encoding="utf-8")
    assert 'repositories = ["acme/platform-shop"]' in text
    assert not (checkout / "src" / "ringfence.toml").exists()


def test_it_says_when_git_ignores_the_file(checkout: Path) -> None:
    assert "git ignores" not in ringfence("init", cwd=checkout).stdout
    (checkout / ".gitignore").write_text("*.toml\n", encoding="utf-8")
    said = ringfence("init", "--force", cwd=checkout).stdout
    assert "git ignores it (.gitignore:1): `git add -f ringfence.toml`" in said


def test_writing_the_file_changes_no_verdict(tmp_path: Path) -> None:
    """Both sides, a private member that the open side names, fixtures with a workspace of their own: nothing new fails."""
    core = {"name": "@acme/core", "version": "1.0.0", "devDependencies": {"config": "workspace:*", "tap": "^16.0.0"}}
    inner = "packages/core/test/fixtures/mono"
    files: dict[str, Content] = {
        "package.json": {"name": "mono", "private": True, "workspaces": ["packages/*"]},
        "packages/core/package.json": core,
        "packages/core/a.js": 'import "config/x"\nimport "tap"\nimport "../shop/secret.js"\n',
        "packages/config/package.json": {"name": "config", "private": True},
        "packages/shop/package.json": {"name": "shop", "version": "1.0.0", "dependencies": {"@acme/core": "^1.0.0"}},
        f"{inner}/package.json": {"name": "fixture", "workspaces": ["parts/*"]},
        f"{inner}/package-lock.json": {"lockfileVersion": 3, "packages": {"": {"name": "fixture"}}},
        f"{inner}/parts/tap/package.json": {"name": "tap", "version": "16.0.0"},
    }
    repository = Repository(tmp_path / "mono", files)

    def found(*arguments: str) -> list[tuple[str, str, str]]:
        report = check(repository, "--offline", *arguments).report
        return [
            (finding["rule"], finding["severity"], finding["location"]["path"])
            for finding in report["findings"]
            if "/fixtures/" not in finding["location"]["path"]
        ]

    without = found("--open", "@acme/*")
    assert ("floating-pin", "error", "packages/shop/package.json") in without
    assert ringfence("init", "--open", "@acme/*", cwd=repository.path).returncode == 0
    assert found() == without


def test_it_never_overwrites_unless_told(checkout: Path) -> None:
    (checkout / "ringfence.toml").write_text("# mine\n", encoding="utf-8")
    run = ringfence("init", cwd=checkout)
    assert run.returncode == 2
    assert "--force" in run.stderr
    assert (checkout / "ringfence.toml").read_text(encoding="utf-8") == "# mine\n"
    shown = ringfence("init", "--stdout", cwd=checkout)
    assert shown.returncode == 0
    assert (checkout / "ringfence.toml").read_text(encoding="utf-8") == "# mine\n"
    assert ringfence("init", "--force", cwd=checkout).returncode == 0
    assert (checkout / "ringfence.toml").read_text(encoding="utf-8") == shown.stdout


def test_it_writes_through_no_link(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "target"
    (checkout / "ringfence.toml").symlink_to(elsewhere)
    assert ringfence("init", cwd=checkout).returncode == 2
    assert ringfence("init", "--force", cwd=checkout).returncode == 0
    assert not elsewhere.exists()
    assert not (checkout / "ringfence.toml").is_symlink()


def test_what_it_cannot_tell_ends_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "shop"}', encoding="utf-8")
    run = ringfence("init", cwd=tmp_path)
    assert run.returncode == 2
    assert "ringfence init --open" in run.stderr
    assert not (tmp_path / "ringfence.toml").exists()
    assert ringfence("init", "--open", "@acme/*", "--stdout", cwd=tmp_path).stdout.count("[open]") >= 1
