"""`ringfence audit --org`: an organisation on a loopback GitHub, listed, mirrored and judged."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fleet_world import same
from tests.github_fake import GitHubFake, faults
from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, npm_lock, ringfence

POLICY = """schema = 1

[open]
packages     = ["@acme/*"]
repositories = ["127.0.0.1/acme/*"]

[private]
repositories = ["127.0.0.1/acme/platform-*"]

[naming]
github = ["127.0.0.1/acme/{x}"]
npm    = ["@acme/{x}"]
[naming.downstream]
github = ["127.0.0.1/acme/platform-{x}"]

[registry.npm]
url = "URL"
"""


@pytest.fixture
def policy(registry: LoopbackRegistry, tmp_path: Path) -> Path:
    file = tmp_path / "acme.toml"
    file.write_text(POLICY.replace("URL", registry.url))
    return file


@pytest.fixture
def acme(github_fake: GitHubFake, registry: LoopbackRegistry, monkeypatch: pytest.MonkeyPatch) -> GitHubFake:
    """Two halves of notes, as they should be; a product with a range; an archived and an empty repository."""
    world = github_fake.world
    world.organization("acme", owners=["ada"])
    url = "git+https://127.0.0.1/acme/notes.git"
    document = {"repository": {"type": "git", "url": url}, "exports": {".": "./index.js"}}
    integrity = registry.publish("@acme/notes", "1.0.0", document, {"index.js": b"export const made = 1\n"})
    core = {"name": "@acme/notes", "version": "1.0.0", "repository": {"type": "git", "url": url}}
    world.repository("acme/notes", {"package.json": core, "index.js": "export {}\n"})
    for name, spec in (("platform-notes", "1.0.0"), ("platform-shop", "^1.0.0")):
        manifest = {"name": name, "version": "1.0.0", "private": True, "dependencies": {"@acme/notes": spec}}
        lock = npm_lock(manifest, {"@acme/notes": {"version": "1.0.0", "integrity": integrity}})
        files = {"package.json": manifest, "package-lock.json": lock, "a.js": 'import "@acme/notes"\n'}
        world.repository(f"acme/{name}", files, private=True)
    world.repository("acme/old", {"package.json": {"name": "old", "private": True}}).archived = True
    world.repository("acme/void", None)
    for name, value in github_fake.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_TOKEN", world.user_token("ada"))
    return github_fake


def audit(policy: Path, *arguments: str | Path) -> dict[str, Any]:
    done = ringfence("audit", "--policy", policy, "--json", *arguments)
    assert done.out, done.err
    report: dict[str, Any] = json.loads(done.out)
    return report | {"code": done.code}


def found(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(r["label"], f["rule"]) for r in report["repositories"] for f in (r["report"] or {}).get("findings", ())]


def test_an_organisation_is_audited(acme: GitHubFake, policy: Path) -> None:
    report = audit(policy, "--org", "acme")
    names = ["notes", "old", "platform-notes", "platform-shop", "void"]
    assert [r["label"] for r in report["repositories"]] == [f"127.0.0.1/acme/{name}" for name in names]
    assert found(report) == [("127.0.0.1/acme/platform-shop", "floating-pin")]
    assert (report["code"], report["not_audited"]) == (1, [])
    assert len(acme.calls()) <= 2
    assert acme.writes() == []


def test_what_did_not_move_costs_no_call_and_no_clone(acme: GitHubFake, policy: Path) -> None:
    first = audit(policy, "--org", "acme")
    before = len(acme.calls())
    again = audit(policy, "--org", "acme")
    assert len(acme.calls()) - before == 1
    assert again["summary"]["unchanged"] == 4
    assert same(again) == same(first)


@pytest.mark.parametrize("named", [False, True])
def test_no_source_lies_in_the_cache(
    acme: GitHubFake, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Workflows give the cache's folder to a cache that every pull request can read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_CACHE", "kept/")
    if named:
        monkeypatch.setenv("RINGFENCE_MIRRORS", str(tmp_path / "far/away"))
    audit(policy, "--org", "acme")
    mirrors = tmp_path / ("far/away" if named else "kept-mirrors")
    assert (mirrors / "127.0.0.1/acme/platform-shop.git/HEAD").is_file()
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.suffix in (".git", ".pack", ".idx")]
    shutil.rmtree(mirrors)  # the next run has the cache alone
    before = len(acme.calls("git"))
    audit(policy, "--org", "acme")
    assert len(acme.calls("git")) == before


def test_the_organisations_of_the_policy(acme: GitHubFake, policy: Path) -> None:
    assert found(audit(policy, "--org")) == found(audit(policy, "--org", "127.0.0.1/acme"))


def test_names_in_a_list(acme: GitHubFake, policy: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("127.0.0.1/acme/platform-shop\n127.0.0.1/acme/nowhere  # gone\n")
    report = audit(policy, "--repos-from", tmp_path / "list.txt")
    assert found(report) == [("127.0.0.1/acme/platform-shop", "floating-pin")]
    assert [item["label"] for item in report["not_audited"]] == ["127.0.0.1/acme/nowhere"]


def test_a_path_that_reads_like_a_name_is_another_repository(
    acme: GitHubFake, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    same_name = "127.0.0.1/acme/platform-shop"
    Repository(tmp_path / same_name, {"package.json": {"name": "near", "private": True}})
    (tmp_path / "127.0.0.1/acme/notes").mkdir()
    lines = [same_name, f"{acme.url}/acme/platform-shop.git", "127.0.0.1/acme/notes", f"{acme.url}/acme/notes"]
    for order in (lines, lines[::-1]):
        (tmp_path / "list.txt").write_text("\n".join(order))
        report = audit(policy, "--repos-from", tmp_path / "list.txt")
        labels = ["./" + same_name, "127.0.0.1/acme/notes", same_name]
        assert [r["label"] for r in report["repositories"]] == labels
        assert found(report) == [(same_name, "floating-pin")]
        assert [item["label"] for item in report["not_audited"]] == ["./127.0.0.1/acme/notes"]


def test_shards_say_what_one_run_says(acme: GitHubFake, policy: Path, tmp_path: Path) -> None:
    plan = json.loads(ringfence("audit", "plan", "--org", "acme", "--shards", "2").out)
    for part in plan["shard"]:
        file = tmp_path / f"shard-{part[0]}.json"
        assert ringfence("audit", "--org", "acme", "--policy", policy, "--shard", part, "-o", file).code == 0
    files = sorted(tmp_path.glob("shard-*.json"))
    merged = json.loads(ringfence("audit", "merge", *files, "--policy", policy, "--json").out)
    whole = audit(policy, "--org", "acme")
    del whole["code"]
    assert same(merged) == same(whole)


def test_a_repository_that_cannot_be_fetched_is_not_audited(acme: GitHubFake, policy: Path) -> None:
    acme.fail("GIT /acme/platform-shop.git/*", faults.server_error(), times=None)
    report = audit(policy, "--org", "acme")
    assert [item["label"] for item in report["not_audited"]] == ["127.0.0.1/acme/platform-shop"]
    assert report["code"] == 2


def test_a_list_that_is_cut_short_is_no_audit_and_goes_on_the_next_time(
    acme: GitHubFake, policy: Path, tmp_path: Path
) -> None:
    for number in range(120):
        acme.world.repository(f"acme/void-{number:03}", None)
    report = tmp_path / "audit.json"
    arguments = ("audit", "--org", "acme", "--policy", policy, "--json", "-o", report)
    acme.fail("POST /graphql", faults.rate_limited(time.time() + 3000, resource="graphql"), after=1, times=None)
    for _ in range(2):  # a second try before the hour is over is told the same
        done = ringfence(*arguments)
        assert (done.code, done.out, report.exists()) == (2, "", False), "half a list is no audit"
        assert re.search(r"127\.0\.0\.1 wants no more calls before \d\d:\d\d UTC on \d{4}-", done.err)
        assert "Run the same again after that: what is done is kept." in done.err
        assert "Traceback" not in done.err
        assert not re.search("pass|clean", done.err, re.IGNORECASE)
    shard = tmp_path / "shard.json"
    assert ringfence("audit", "--org", "acme", "--policy", policy, "--shard", "1/1", "-o", shard).code == 2
    assert not shard.exists()

    acme.mend()
    with acme.counted() as asked:
        assert ringfence(*arguments).code == 1
    pages = [call.body["variables"] for call in asked if call.path == "/graphql"]
    assert len(pages) == 1, "the first page is not asked for again"
    assert pages[0]["after"] is not None
    told = json.loads(report.read_text())
    assert len({r["label"] for r in told["repositories"]}) == told["summary"]["audited"] == 125
    assert found(told) == [("127.0.0.1/acme/platform-shop", "floating-pin")]


def test_a_limit_on_fetches_leaves_the_rest_not_audited_and_is_made_up_for(acme: GitHubFake, policy: Path) -> None:
    acme.fail("GIT /acme/platform-shop.git/*", faults.rate_limited(0, status=429), times=None)
    report = audit(policy, "--org", "acme")
    ((label, detail),) = [(item["label"], item["detail"]) for item in report["not_audited"]]
    assert label == "127.0.0.1/acme/platform-shop"
    assert "wants no more fetches for now" in detail
    assert (report["code"], report["verdict"]) == (2, "incomplete")
    assert label not in [r["label"] for r in report["repositories"]]

    acme.mend()
    before = len(acme.calls("git"))
    report = audit(policy, "--org", "acme")
    assert report["not_audited"] == []
    assert found(report) == [(label, "floating-pin")]
    assert {call.path.split(".git")[0] for call in acme.calls("git")[before:]} == {"/acme/platform-shop"}


@pytest.fixture
def unread(acme: GitHubFake, policy: Path, tmp_path: Path) -> list[Path]:
    """Private repositories that cannot be judged, and that policy calls open by their names; and the shards of their audit."""
    world = acme.world
    world.repository("acme/zeus-merger", {"ringfence.toml": "schema = 99 oops\n"}, private=True)
    world.repository("acme/zeus-bid", {"package.json": {"name": "zeus-bid"}}, private=True)
    world.repository("acme/broken", {"ringfence.toml": "schema = 98 oops\n"})
    acme.fail("GIT /acme/zeus-bid.git/*", faults.server_error(), times=None)
    shards = [tmp_path / f"shard-{part}.json" for part in (1, 2)]
    for part, file in enumerate(shards, 1):
        assert ringfence("audit", "--org", "acme", "--policy", policy, "--shard", f"{part}/2", "-o", file).code == 0
    return shards


@pytest.mark.parametrize("format_", ["json", "markdown", "terminal", "html"])
def test_a_public_audit_keeps_back_what_it_could_not_judge(unread: list[Path], policy: Path, format_: str) -> None:
    arguments = ("--policy", policy, "--format", format_)
    for which in (("--org", "acme"), ("merge", *unread), ("merge", unread[0]), ("merge", unread[1])):
        done = ringfence("audit", *which, *arguments, "--public")
        assert done.code in (1, 2)
        assert not re.search("zeus|99 oops", done.out + done.err), which
    assert "zeus-merger" in ringfence("audit", "--org", "acme", *arguments, "--private").out


def test_what_a_public_audit_keeps_back_is_counted(unread: list[Path], policy: Path) -> None:
    report = audit(policy, "--public", "--org", "acme")
    labels = ["127.0.0.1/acme/broken", "private repository not audited 1", "private repository not audited 2"]
    assert [item["label"] for item in report["not_audited"]] == labels
    assert [item["visibility"] for item in report["not_audited"]] == ["public", "", ""]
    assert report["summary"]["not_audited"] == 3
    assert report["summary"]["hidden"] == 2 + sum(r["hidden"] for r in report["repositories"]) == 4


def test_a_public_audit_does_not_name_what_its_forge_does_not_show(
    acme: GitHubFake, policy: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("127.0.0.1/acme/notes\n127.0.0.1/acme/zeus-gone\n")
    report = audit(policy, "--public", "--repos-from", tmp_path / "list.txt")
    assert [item["label"] for item in report["not_audited"]] == ["private repository not audited 1"]
    assert "zeus" not in json.dumps(report)


def test_a_public_trend_does_not_name_what_was_private_on_its_forge(acme: GitHubFake, policy: Path) -> None:
    policy.write_text(policy.read_text() + '[gate]\nrepository_may = ["baseline"]\n')
    held = {"schema": 1, "entries": [{"rule": "deep-import", "path": "a.js", "mark": "0" * 16, "count": 3}]}
    files = {"package.json": {"name": "z", "private": True}, "ringfence-baseline.json": held}
    gone = acme.world.repository("acme/zeus-bid", files, private=True)
    unread = acme.world.repository("acme/zeus-merger", files, private=True)
    first = audit(policy, "--org", "acme")
    assert [row["label"].rpartition("/")[2] for row in first["baseline"]["repositories"]] == ["zeus-bid", "zeus-merger"]
    acme.world.delete(gone)
    unread.commit({"a.js": "1\n"})
    acme.fail("GIT /acme/zeus-merger.git/*", faults.server_error(), times=None)
    report = audit(policy, "--public", "--org", "acme")
    assert {(row["label"], row["before"]) for row in report["baseline"]["repositories"]} == {
        ("a private repository", 3)
    }
    assert "zeus" not in json.dumps(report)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--org", "nobody"), "knows no organisation or user nobody"),
        (("--org", "a/b/c"), "is no organisation"),
        ((), "Name a folder of checkouts, a list with --repos-from, or an organisation with --org."),
        (("--org", "acme", "."), "Name a folder of checkouts"),
    ],
)
def test_bad_usage(acme: GitHubFake, policy: Path, arguments: tuple[str, ...], said: str) -> None:
    done = ringfence("audit", *arguments, "--policy", policy)
    assert done.code == 2
    assert said in done.err


def test_without_a_token_it_says_how_to_give_one(
    acme: GitHubFake, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    done = ringfence("audit", "--org", "acme", "--policy", policy)
    assert done.code == 2
    assert "TOKEN" in done.err
