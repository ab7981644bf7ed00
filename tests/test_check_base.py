"""`ringfence check --base`: what a change introduces, over real histories."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, check, git, npm_lock, policy, product, ringfence, rules_of, stock

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'
OTHER = 'import { x } from "@acme/core/src/other.js"\n'
LONG = "".join(f"export const line{n} = {n}\n" for n in range(40))


@pytest.fixture
def shop(registry: LoopbackRegistry, tmp_path: Path) -> Repository:
    """A clean product on main, with a branch checked out."""
    repository = Repository(tmp_path / "shop", product(registry, stock(registry)))
    repository.git("checkout", "-q", "-b", "change")
    return repository


def on_main(shop: Repository, files: dict[str, str]) -> None:
    """Commit to main, and come back to the branch."""
    shop.git("checkout", "-q", "main")
    shop.commit(files)
    shop.git("checkout", "-q", "change")


def before_both(shop: Repository, files: dict[str, str]) -> None:
    """Commit something that main and the branch share."""
    shop.commit(files)
    shop.git("branch", "--force", "main", "change")


def test_a_finding_that_the_branch_adds_decides(shop: Repository) -> None:
    shop.commit({"src/main.js": DEEP})
    done = check(shop, "--base", "main")
    assert (done.code, done.report["base"]) == (1, "main")
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/main.js")]
    assert done.report["summary"]["before"] == 0


def test_a_finding_that_was_there_is_shown_and_does_not_decide(shop: Repository) -> None:
    before_both(shop, {"src/old.js": DEEP})
    assert check(shop).code == 1
    shop.commit({"src/new.js": "export {}\n"})
    done = check(shop, "--base", "main")
    assert (done.code, done.report["verdict"]) == (0, "pass")
    assert rules_of(done.report, introduced=False) == [("deep-import", "src/old.js")]
    assert done.report["summary"]["before"] == 1
    assert "src/old.js" not in ringfence("check", shop.path, "--base", "main").out
    assert "src/old.js" in ringfence("check", shop.path, "--base", "main", "--all").out


def test_lines_that_move_are_no_news(shop: Repository) -> None:
    before_both(shop, {"src/old.js": DEEP})
    shop.commit({"src/old.js": LONG + DEEP})
    done = check(shop, "--base", "main")
    assert done.code == 0
    assert [f["location"]["line"] for f in done.report["findings"]] == [41]


def test_a_second_one_in_the_same_file_is_news(shop: Repository) -> None:
    before_both(shop, {"src/old.js": DEEP})
    shop.commit({"src/old.js": DEEP + LONG + DEEP})
    done = check(shop, "--base", "main")
    assert done.code == 1
    assert [f["introduced"] for f in done.report["findings"]].count(True) == 1
    shop.commit({"src/old.js": DEEP + OTHER})
    assert [f["subject"] for f in check(shop, "--base", "main").report["findings"] if f["introduced"]] == [
        "@acme/core/src/other.js"
    ]


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "in the index"])
def test_a_file_that_moves_takes_its_findings_along(shop: Repository, committed: bool) -> None:
    before_both(shop, {"src/old.js": DEEP + LONG})
    (shop.path / "lib").mkdir()
    shop.git("mv", "src/old.js", "lib/new name.js")
    if committed:
        shop.commit()
    done = check(shop, "--base", "main")
    assert done.code == 0
    assert rules_of(done.report, introduced=False) == [("deep-import", "lib/new name.js")]


def test_a_copy_is_news(shop: Repository) -> None:
    before_both(shop, {"src/old.js": DEEP + LONG})
    shop.commit({"src/copy.js": DEEP + LONG})
    assert rules_of(check(shop, "--base", "main").report, introduced=True) == [("deep-import", "src/copy.js")]


def test_a_member_that_moves_takes_its_findings_along(registry: LoopbackRegistry, tmp_path: Path) -> None:
    stock(registry)
    files = {
        "ringfence.toml": policy(registry),
        "package.json": {"name": "root", "private": True, "workspaces": ["packages/*"]},
        "packages/a/package.json": {
            "name": "a-member",
            "private": True,
            "description": "long enough for a rename to be seen " * 5,
            "dependencies": {"@acme/core": "^1.2.0"},
        },
        "packages/a/src/x.js": LONG + DEEP,
    }
    shop = Repository(tmp_path / "shop", files)
    before = check(shop).report
    assert {rule for rule, _ in rules_of(before)} == {"floating-pin", "missing-lock"}
    shop.git("checkout", "-q", "-b", "change")
    shop.git("mv", "packages/a", "packages/b")
    shop.commit()
    done = check(shop, "--base", "main", "--rev", "HEAD").report
    assert rules_of(done, introduced=True) == []
    assert len(done["findings"]) == len(before["findings"])


def test_what_main_gained_meanwhile_is_not_the_branchs_doing(shop: Repository) -> None:
    shop.commit({"src/mine.js": "export {}\n"})
    on_main(shop, {"src/theirs.js": DEEP})
    assert check(shop, "--base", "main").code == 0
    # Nor is a finding excused that main alone has had since.
    shop.commit({"src/theirs.js": DEEP})
    done = check(shop, "--base", "main")
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/theirs.js")]


def test_what_main_mended_meanwhile_was_still_there_before(shop: Repository) -> None:
    before_both(shop, {"src/old.js": DEEP})
    on_main(shop, {"src/old.js": "export {}\n"})
    shop.commit({"src/mine.js": "export {}\n"})
    assert check(shop, "--base", "main").code == 0


def test_a_commit_against_a_base_without_a_checkout(shop: Repository) -> None:
    before_both(shop, {"src/old.js": DEEP + LONG})
    shop.git("mv", "src/old.js", "src/moved.js")
    bad = shop.commit({"src/new.js": OTHER})
    shop.git("checkout", "-q", "main")
    done = check(shop, "--base", "main", "--rev", "change")
    assert done.report["revision"] == bad
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/new.js")]
    assert rules_of(done.report, introduced=False) == [("deep-import", "src/moved.js")]


def test_the_working_tree_is_what_is_held_against_the_base(shop: Repository) -> None:
    shop.write({"src/main.js": DEEP})
    assert check(shop, "--base", "main").code == 1
    assert check(shop, "--base", "HEAD").code == 1
    assert check(shop, "--base", "main", "--rev", "HEAD").code == 0


# -- the gate cannot be moved by what it judges ----------------------------------------------------


def waiver() -> str:
    expires = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=30)
    return f'[[waiver]]\nrule = "deep-import"\nreason = "because"\nowner = "@acme/web"\nexpires = {expires}\n'


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(waiver(), id="waiver"),
        pytest.param('[rules]\ndeep-import = "off"\n', id="severity"),
        pytest.param('[ignore]\npaths = ["src/**"]\n', id="ignore"),
        pytest.param('[private]\npackages = ["@acme/core"]\n', id="private"),
    ],
)
def test_a_policy_that_the_branch_changes_has_no_effect(
    shop: Repository, registry: LoopbackRegistry, more: str
) -> None:
    shop.commit({"src/main.js": DEEP, "ringfence.toml": policy(registry, more)})
    assert check(shop).code == 0 or "deep-import" not in dict(rules_of(check(shop).report))
    for extra in ([], ["--rev", "HEAD"]):
        done = check(shop, "--base", "main", *extra)
        assert done.code == 1
        assert ("deep-import", "src/main.js") in rules_of(done.report, introduced=True)
        assert done.report["summary"]["waived"] == 0


def test_observe_mode_that_the_branch_sets_has_no_effect(shop: Repository, registry: LoopbackRegistry) -> None:
    text = policy(registry).replace("schema = 1", 'schema = 1\nmode = "observe"')
    shop.commit({"src/main.js": DEEP, "ringfence.toml": text})
    assert check(shop).code == 0
    done = check(shop, "--base", "main")
    assert (done.code, done.report["mode"]) == (1, "enforce")


def test_a_policy_that_the_branch_deletes_still_judges_it(shop: Repository) -> None:
    shop.git("rm", "-q", "ringfence.toml")
    shop.commit({"src/main.js": DEEP})
    assert check(shop).code == 2
    assert check(shop, "--base", "main").code == 1


def test_the_policy_is_that_of_the_bases_tip(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.commit({"src/main.js": DEEP})
    on_main(shop, {"ringfence.toml": policy(registry, '[rules]\ndeep-import = "warning"\n')})
    done = check(shop, "--base", "main")
    assert done.code == 0
    assert [f["severity"] for f in done.report["findings"]] == ["warning"]
    assert done.report["assumed"] == ["ringfence.toml differs from the base's, which is in force until this is merged"]
    assert check(shop, "--base", "HEAD~1").report["assumed"] == []
    # A broken file in head does not matter to the gate either.
    shop.commit({"ringfence.toml": "broken"})
    assert check(shop, "--base", "main").code == 0


def test_the_change_that_brings_the_first_policy_is_judged_by_it(registry: LoopbackRegistry, tmp_path: Path) -> None:
    files = product(registry, stock(registry))
    first = files.pop("ringfence.toml")
    shop = Repository(tmp_path / "shop", files | {"src/old.js": DEEP})
    shop.git("checkout", "-q", "-b", "change")
    shop.commit({"ringfence.toml": first, "src/new.js": OTHER})
    done = check(shop, "--base", "main")
    assert done.code == 1
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/new.js")]
    assert rules_of(done.report, introduced=False) == [("deep-import", "src/old.js")]


# -- what could not be checked ---------------------------------------------------------------------


def test_what_could_not_be_checked_before_does_not_decide(shop: Repository) -> None:
    before_both(shop, {"old/package.json": "{"})
    assert check(shop).code == 2
    shop.commit({"src/x.js": "export {}\n"})
    done = check(shop, "--base", "main")
    assert (done.code, done.report["verdict"]) == (0, "pass")
    assert [p["path"] for p in done.report["allowed"]] == ["old/package.json"]
    shop.commit({"new/package.json": "{"})
    done = check(shop, "--base", "main")
    assert (done.code, done.report["verdict"]) == (2, "incomplete")
    assert [p["path"] for p in done.report["not_checked"]] == ["new/package.json"]


def test_an_import_without_a_version_beside_one_that_was_there_decides(shop: Repository) -> None:
    manifest = json.loads(shop.read("package.json"))
    del manifest["dependencies"]
    before_both(shop, {"package.json": manifest, "package-lock.json": npm_lock(manifest, {}), "src/main.js": DEEP})
    assert check(shop, "--rule", "deep-import", "--base", "main").code == 0
    shop.commit({"src/main.js": "// moved\n" + DEEP, "docs/a.txt": "a\n"})
    assert check(shop, "--rule", "deep-import", "--base", "main").code == 0
    shop.commit({"src/main.js": DEEP + OTHER})
    done = check(shop, "--rule", "deep-import", "--base", "main")
    assert done.code == 2
    told = [(p["reason"], p["subject"], p["path"]) for p in done.report["not_checked"]]
    assert told == [("no-version", "@acme/core/src/other.js", "src/main.js")]
    shop.commit({"src/main.js": DEEP, "src/second.js": DEEP})
    done = check(shop, "--rule", "deep-import", "--base", "main")
    assert [p["path"] for p in done.report["not_checked"]] == ["src/second.js"]
    shop.commit({"src/second.js": "// import '@acme/core/src/other.js'\n"})
    assert check(shop, "--rule", "deep-import", "--base", "main").code == 0


def test_a_lock_that_the_branch_breaks_decides(shop: Repository) -> None:
    shop.commit({"package-lock.json": "{"})
    done = check(shop, "--base", "main")
    assert done.code == 2
    assert ("malformed", "package-lock.json") in {(p["reason"], p["path"]) for p in done.report["not_checked"]}


def test_a_shallow_clone_without_the_merge_base(shop: Repository, tmp_path: Path) -> None:
    before_both(shop, {"src/old.js": DEEP})
    on_main(shop, {"docs/a.txt": "a\n"})
    shop.commit({"src/new.js": OTHER})
    clone = tmp_path / "clone"
    url = f"file://{shop.path}"
    git(tmp_path, "clone", "-q", "--depth=1", "--no-single-branch", "--branch=change", url, str(clone))
    done = check(clone, "--base", "origin/main")
    assert done.code == 1
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/new.js")]
    assert rules_of(done.report, introduced=False) == [("deep-import", "src/old.js")]
    gone = tmp_path / "gone"
    git(tmp_path, "clone", "-q", "--depth=1", "--branch=change", url, str(gone))
    done = check(gone, "--base", "origin/main")
    assert done.code == 2
    assert "no commit is called 'origin/main'" in done.err
    assert "fetch" in done.err


@pytest.mark.parametrize("base", ["no-such", "-x", "--output=x", "HEAD:src", "main..change"])
def test_a_base_that_is_none_is_said(shop: Repository, base: str) -> None:
    done = check(shop, f"--base={base}")
    assert done.code == 2
    assert "no commit is called" in done.err


def test_a_pin_that_changes_in_manifest_and_lock(shop: Repository, registry: LoopbackRegistry) -> None:
    """The everyday case: an update of the core is judged as what it is."""
    manifest = json.loads(shop.read("package.json"))
    manifest["dependencies"]["@acme/core"] = "9.9.9"
    lock = npm_lock(manifest, {"@acme/core": {"version": "9.9.9", "integrity": "sha512-" + "A" * 86 + "=="}})
    shop.commit({"package.json": manifest, "package-lock.json": lock})
    done = check(shop, "--base", "main")
    assert done.code == 1
    assert ("unreleased-pin", "package.json") in rules_of(done.report, introduced=True)


def test_the_base_costs_no_request_that_head_has_made(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.commit({"src/main.js": DEEP})
    check(shop, "--base", "main")
    paths = registry.paths()
    assert len(paths) == len(set(paths)) == 2


def test_a_project_that_the_base_does_not_have(registry: LoopbackRegistry, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "mono", {"README.md": "x\n"})
    repository.git("branch", "base")
    files = product(registry, stock(registry)) | {"src/deep.js": DEEP}
    repository.commit({f"examples/shop/{name}": content for name, content in files.items()})
    done = check(repository.path / "examples/shop", "--base", "base")
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/deep.js")]


def test_what_either_of_two_merge_bases_had_is_no_news(shop: Repository) -> None:
    before_both(shop, {"README.md": "x\n"})
    on_main(shop, {"src/old.js": DEEP})
    shop.commit({"src/other.js": "export {}\n"})
    main, change = shop.git("rev-parse", "main"), shop.git("rev-parse", "change")
    shop.git("merge", "-q", "--no-edit", main)
    shop.git("checkout", "-q", "main")
    shop.git("merge", "-q", "--no-edit", change)
    shop.git("checkout", "-q", "change")
    assert len(shop.git("merge-base", "--all", "main", "change").split()) == 2
    shop.commit({"src/new.js": OTHER})
    done = check(shop, "--base", "main")
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/new.js")]


@pytest.mark.parametrize("what", ["an unknown protocol", "a nested entry"])
def test_a_folder_that_moves_takes_its_findings_along(registry: LoopbackRegistry, tmp_path: Path, what: str) -> None:
    spec = "weird:1" if "protocol" in what else "1.2.3"
    member = {"name": "web", "version": "1.0.0", "private": True, "dependencies": {"@acme/core": spec}}
    root = {"name": "shop", "version": "1.0.0", "private": True, "workspaces": ["apps/*", "services/*"]}
    other = {"version": "1.2.3", "resolved": "https://elsewhere.example/x.tgz", "integrity": f"sha512-{'A' * 86}=="}

    def lock(directory: str) -> dict[str, object]:
        made = npm_lock(root, {}, {directory: member})
        if "entry" in what:
            made["packages"][f"{directory}/node_modules/@acme/core"] = other
        return made

    stock(registry)
    files = {"ringfence.toml": policy(registry), "package.json": root, "package-lock.json": lock("apps/web")}
    repository = Repository(tmp_path / "mono", {**files, "apps/web/package.json": member, "apps/web/a.js": LONG})
    assert check(repository).code != 0
    repository.git("checkout", "-q", "-b", "change")
    (repository.path / "services").mkdir()
    repository.git("mv", "apps/web", "services/web")
    repository.commit({"package-lock.json": lock("services/web")})
    done = check(repository, "--base", "main")
    assert (done.code, rules_of(done.report, introduced=True), done.report["not_checked"]) == (0, [], [])


def test_a_name_with_a_tab_is_no_policy(shop: Repository) -> None:
    shop.commit({"src/a\tringfence.toml": "x\n", "a b\tringfence.toml": "y\n"})
    assert check(shop).code == 0
