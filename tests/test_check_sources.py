"""`ringfence check`: which bytes are judged, and under which policy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.names import RepoName
from bot.sources.git import settings_of
from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, check, git, policy, product, ringfence, rules_of, stock

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'


@pytest.fixture
def shop(registry: LoopbackRegistry, tmp_path: Path) -> Repository:
    """A clean private product."""
    return Repository(tmp_path / "shop", product(registry, stock(registry)))


def test_a_clean_product_passes(shop: Repository) -> None:
    done = check(shop)
    assert (done.code, done.err) == (0, "")
    report = done.report
    assert report["verdict"] == "pass"
    assert report["findings"] == report["not_checked"] == []
    judged = {count["rule"]: count["judged"] for count in report["counts"]}
    assert judged["lock-source"]["verified"] == 1
    assert judged["floating-pin"]["declarations"] == 1
    assert judged["deep-import"]["candidate imports"] == 1


def test_the_installed_program_says_the_same(shop: Repository) -> None:
    program = Path(sys.executable).with_name("ringfence")
    done = subprocess.run([program, "check"], cwd=shop.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shop.commit({"src/main.js": DEEP})
    done = subprocess.run([program, "check"], cwd=shop.path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "src/main.js:1:24" in done.stdout
    assert "deep-import" in done.stdout
    assert done.stderr == ""


def test_only_what_git_tracks_is_judged(shop: Repository) -> None:
    shop.commit({".gitignore": "dist/\n"})
    shop.write({"dist/bundle.js": DEEP, "scratch.js": DEEP, "node_modules/@acme/core/deep.js": DEEP})
    assert check(shop).report["findings"] == []
    shop.git("add", "scratch.js")
    assert rules_of(check(shop).report) == [("deep-import", "scratch.js")]


def test_a_tracked_file_is_judged_as_it_stands_on_disk(shop: Repository) -> None:
    assert check(shop).code == 0
    shop.write({"src/main.js": DEEP})
    assert rules_of(check(shop).report) == [("deep-import", "src/main.js")]
    (shop.path / "src/main.js").unlink()
    assert check(shop).report["findings"] == []


def test_a_file_that_git_is_only_told_of_is_judged(shop: Repository) -> None:
    shop.write({"src/new.js": DEEP})
    shop.git("add", "--intent-to-add", "src/new.js")
    assert rules_of(check(shop).report) == [("deep-import", "src/new.js")]


def test_a_conflicted_file_is_judged_once(shop: Repository) -> None:
    shop.git("checkout", "-q", "-b", "other")
    shop.commit({"src/main.js": DEEP + "other()\n"})
    shop.git("checkout", "-q", "main")
    shop.commit({"src/main.js": DEEP + "mine()\n"})
    merge = subprocess.run(["git", "merge", "-q", "other"], cwd=shop.path, capture_output=True, check=False)
    assert merge.returncode != 0
    findings = check(shop).report["findings"]
    # Both halves stand between the markers, in one file.
    assert {(f["rule"], f["location"]["path"]) for f in findings} == {("deep-import", "src/main.js")}


def test_a_commit_is_judged_without_a_checkout(shop: Repository) -> None:
    bad = shop.commit({"src/main.js": DEEP})
    good = shop.commit({"src/main.js": "export {}\n"})
    shop.write({"src/main.js": DEEP + "// on disk\n"})
    head = shop.git("rev-parse", "HEAD")
    assert rules_of(check(shop, "--rev", bad).report) == [("deep-import", "src/main.js")]
    judged = check(shop, "--rev", good).report
    assert judged["findings"] == []
    assert judged["revision"] == good
    assert shop.git("rev-parse", "HEAD") == head
    assert shop.read("src/main.js").endswith(b"// on disk\n")


def test_a_bare_repository_is_judged_by_revision(shop: Repository, tmp_path: Path) -> None:
    shop.commit({"src/main.js": DEEP})
    bare = tmp_path / "shop.git"
    git(tmp_path, "clone", "-q", "--bare", str(shop.path), str(bare))
    assert rules_of(check(bare, "--rev", "main").report) == [("deep-import", "src/main.js")]
    assert rules_of(check(bare, "--rev", "main", "--base", "main~1").report, introduced=True) == [
        ("deep-import", "src/main.js")
    ]
    done = check(bare)
    assert done.code == 2
    assert "--rev" in done.err


@pytest.mark.parametrize("revision", ["no-such", "-x", "--help", "HEAD:src", "HEAD~99", ""])
def test_a_revision_that_is_none_is_said(shop: Repository, revision: str) -> None:
    done = check(shop, f"--rev={revision}")
    if revision == "":
        return  # the same as without it
    assert done.code == 2
    assert "no commit is called" in done.err


def test_a_revision_that_is_called_like_a_file(shop: Repository) -> None:
    shop.git("branch", "src")
    shop.commit({"src/main.js": DEEP})
    assert check(shop, "--rev", "src", "--base", "main").code == 0
    assert check(shop, "--rev", "main", "--base", "src").code == 1


def test_a_folder_of_a_work_tree_means_the_work_tree(shop: Repository) -> None:
    shop.commit({"src/deep/er/x.js": DEEP})
    assert rules_of(check(shop.path / "src/deep").report) == [("deep-import", "src/deep/er/x.js")]


def test_a_folder_with_its_own_policy_is_judged_by_itself(shop: Repository, registry: LoopbackRegistry) -> None:
    inner = {f"examples/a/{path}": content for path, content in product(registry, stock(registry)).items()}
    shop.commit({"src/main.js": DEEP, **inner, "examples/a/src/up.js": 'import "../../../src/main.js"\n'})
    for extra in ([], ["--rev", "HEAD"]):
        report = check(shop.path / "examples/a", *extra).report
        # What lies above the example is outside of it.
        assert rules_of(report) == [("path-escape", "src/up.js")]
        assert report["summary"]["files"] == 2
    assert ("deep-import", "src/main.js") in rules_of(check(shop).report)


def test_a_plain_folder_without_git(tmp_path: Path, registry: LoopbackRegistry) -> None:
    folder = tmp_path / "plain"
    files = product(registry, stock(registry)) | {
        "src/bad.js": DEEP,
        "node_modules/@acme/core/deep.js": DEEP,
        ".venv/x.js": DEEP,
    }
    Repository(folder, files)
    subprocess.run(["rm", "-rf", ".git"], cwd=folder, check=True)
    done = check(folder)
    assert (done.code, rules_of(done.report)) == (1, [("deep-import", "src/bad.js")])
    for option in ("--rev", "--base"):
        refused = check(folder, option, "HEAD")
        assert refused.code == 2
        assert "not under git" in refused.err


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    tmp_path: Path, registry: LoopbackRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plain"
    Repository(folder, product(registry, stock(registry)) | {"locked/bad.js": DEEP})
    subprocess.run(["rm", "-rf", ".git"], cwd=folder, check=True)
    import os

    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("bot.sources.folder.os.scandir", scandir)
    done = check(folder)
    assert done.code == 2
    assert [(p["reason"], p["path"]) for p in done.report["not_checked"]] == [("missing-object", "locked")]


def test_what_a_sparse_checkout_leaves_out_is_judged_all_the_same(shop: Repository) -> None:
    shop.commit({"far/away.js": DEEP})
    shop.git("sparse-checkout", "set", "src")
    assert not (shop.path / "far/away.js").exists()
    assert rules_of(check(shop).report) == [("deep-import", "far/away.js")]


def test_a_linked_work_tree(shop: Repository, tmp_path: Path) -> None:
    shop.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side/src/main.js").write_text(DEEP)
    assert rules_of(check(tmp_path / "side").report) == [("deep-import", "src/main.js")]
    assert check(shop).code == 0


def test_a_repository_without_commits(tmp_path: Path, registry: LoopbackRegistry) -> None:
    empty = Repository(tmp_path / "empty")
    done = check(empty, "--open", "@acme/*")
    assert (done.code, done.report["verdict"]) == (2, "incomplete")
    assert [problem["reason"] for problem in done.report["not_checked"]] == ["nothing-to-judge"]
    empty.write(product(registry, stock(registry), spec="^1.2.0"))
    empty.git("add", "--all")
    report = check(empty).report
    assert ("floating-pin", "package.json") in rules_of(report)
    assert report["not_checked"] == []


# -- policy ----------------------------------------------------------------------------------------


def test_without_a_policy_it_says_what_it_assumed(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.git("rm", "-q", "ringfence.toml")
    shop.commit()
    done = check(shop)
    assert done.code == 2
    assert "ringfence init" in done.err
    assert "--open" in done.err
    # No registry of our own without a policy: the cache alone answers, with nothing.
    done = ringfence("check", shop.path, "--open", "@acme/*", "--offline")
    assert done.code == 2
    for words in ("@acme/* is open, everything else is private", "one exact version", "exports map", "naming scheme"):
        assert words in " ".join(done.out.split())
    report = check(shop, "--open", "@acme/*", "--offline").report
    assert len(report["assumed"]) == 5
    assert registry.requests == 0


def test_open_beside_a_policy_is_refused(shop: Repository) -> None:
    done = check(shop, "--open", "@acme/*")
    assert done.code == 2
    assert "Leave --open out" in done.err


def test_an_organisations_policy_judges_a_repository_without_its_own(
    shop: Repository, registry: LoopbackRegistry, tmp_path: Path
) -> None:
    shop.git("rm", "-q", "ringfence.toml")
    shop.commit({"src/main.js": DEEP})
    file = tmp_path / "organisation.toml"
    file.write_text(policy(registry, '[rules]\ndeep-import = "warning"\n'))
    done = check(shop, "--policy", file)
    assert (done.code, done.report["assumed"]) == (0, [])
    assert [f["severity"] for f in done.report["findings"]] == ["warning"]
    # The repository's own file may raise, never lower.
    shop.commit({"ringfence.toml": '[rules]\ndeep-import = "error"\n'})
    assert check(shop, "--policy", file).code == 1
    file.write_text(policy(registry))
    shop.commit({"ringfence.toml": '[rules]\ndeep-import = "off"\n'})
    lowered = check(shop, "--policy", file)
    assert lowered.code == 2
    assert "ringfence.toml:2" in lowered.err


def test_a_policy_that_is_wrong_is_said_with_its_lines(shop: Repository) -> None:
    shop.commit({"ringfence.toml": 'schema = 1\n[open]\npackges = ["@acme/*"]\n[rules]\nno-such = "error"\n'})
    done = check(shop)
    assert done.code == 2
    assert "ringfence.toml:3:1" in done.err
    assert "ringfence.toml:5:1" in done.err
    assert done.out == ""


@pytest.mark.parametrize("option", ["--policy", "--overlay"])
def test_a_policy_file_that_is_not_there(shop: Repository, tmp_path: Path, option: str) -> None:
    done = check(shop, option, tmp_path / "secret-place.toml")
    assert done.code == 2
    assert "cannot read the " + option.strip("-") in done.err
    assert ("secret-place" in done.err) == (option == "--policy")


def test_what_policy_ignores_is_not_judged(shop: Repository, registry: LoopbackRegistry) -> None:
    more = '[ignore]\npaths = ["fixtures/**"]\n'
    shop.commit(
        {
            "ringfence.toml": policy(registry, more),
            "fixtures/x.js": DEEP,
            "fixtures/package.json": '{"dependencies": {"@acme/core": "*"}}',
            "fixtures/package-lock.json": "{ broken",
        }
    )
    done = check(shop)
    assert (done.code, done.report["findings"], done.report["not_checked"]) == (0, [], [])


def test_what_is_ignored_need_not_be_readable(registry: LoopbackRegistry, tmp_path: Path) -> None:
    files = product(registry, stock(registry), more='[ignore]\npaths = ["skipped/**"]\n')
    shop = Repository(tmp_path / "shop", files | {"skipped/big.js": b"x" * (21 << 20), "skipped/a.js": "x\n"})
    (shop.path / "skipped/a.js").unlink()
    (shop.path / "skipped/a.js").symlink_to("big.js")
    assert check(shop, "--no-cache").code == 0


@pytest.mark.parametrize(
    ("redirect", "code"), [(">/dev/full", 2), (">&-", 0), ("2>&-", 0), ("--base nowhere 2>/dev/full", 2)]
)
def test_output_that_goes_nowhere_is_no_bug(shop: Repository, redirect: str, code: int) -> None:
    program = Path(sys.executable).with_name("ringfence")
    done = subprocess.run(
        ["bash", "-c", f'"$0" check "$1" {redirect}', program, shop.path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "bug" in done.stderr) == (code, False)


def test_a_pipe_gets_utf_8(shop: Repository) -> None:
    shop.commit({"src/ü.js": DEEP})
    program = Path(sys.executable).with_name("ringfence")
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([program, "check", shop.path, "--json"], capture_output=True, env=environment, check=False)
    assert [f["location"]["path"] for f in json.loads(done.stdout)["findings"]] == ["src/ü.js"]


@pytest.mark.parametrize(
    ("origin", "base", "short", "identity"),
    [
        ("git@github.com:acme/tool.git", "", "", "acme/tool"),
        ("github.com:acme/tool.git", "", "", "acme/tool"),
        ("git.acme.test:acme/tool", "", "", "git.acme.test/acme/tool"),
        ("ssh://git@github.com/acme/tool", "", "", "acme/tool"),
        ("gh:acme/tool", "git@github.com:", "gh:", "acme/tool"),
        ("work/tool", "https://github.com/acme/", "work/", "acme/tool"),
        ("gh:acme/tool", "", "", None),
        ("../acme/tool", "", "", None),
        ("acme/tool", "", "", None),
        ("C:/acme/tool", "", "", None),
    ],
)
def test_the_identity_is_where_git_would_fetch_from(
    tmp_path: Path, origin: str, base: str, short: str, identity: str | None
) -> None:
    repository = Repository(tmp_path / "tool", {"package.json": {"name": "tool"}})
    repository.git("remote", "add", "origin", origin)
    if short:
        repository.git("config", f"url.{base}.insteadOf", short)
        repository.git("config", "url.https://example.test/.insteadOf", short[:1])  # the longer one counts
    found = settings_of(repository.path).identity
    assert (str(found) if found else None) == identity
    if identity and short:
        assert RepoName.parse(repository.git("remote", "get-url", "origin").strip()) == found
