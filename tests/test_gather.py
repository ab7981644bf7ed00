"""Commits gathered from a forge, over real git and a loopback server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bot.errors import RingfenceError
from bot.github.credentials import Token
from bot.names import RepoName
from bot.sources.gather import Gathered, Remote, borrowable
from tests.github_fake import GitHubFake, Repo, faults
from tests.world import git

BIG = "".join(f"{n:x}" * 40 + "\n" for n in range(3000))


def remote(fake: GitHubFake, repo: Repo, token: str = "") -> Remote:
    name = RepoName.parse(f"{fake.url}/{repo.full_name}")
    assert name is not None
    header = Token(token, "X").git_header() if token else None
    return Remote(name=name, url=f"{fake.url}/{repo.full_name}.git", header=header)


def checkout(where: Path, fake: GitHubFake, repo: Repo, commit: str, *, depth: int | None = 1) -> Path:
    """What actions/checkout leaves: one commit fetched into a repository, and checked out."""
    where.mkdir()
    git(where, "init", "--quiet")
    git(where, "remote", "add", "origin", f"{fake.url}/{repo.full_name}")
    deep = [f"--depth={depth}"] if depth else []
    git(where, "fetch", "--quiet", "--no-tags", *deep, "origin", f"+{commit}:refs/remotes/pull/1/merge")
    git(where, "checkout", "--quiet", "--force", "refs/remotes/pull/1/merge")
    return where


@pytest.fixture
def repo(github_fake: GitHubFake) -> Repo:
    return github_fake.world.repository("acme/shop", {"big.txt": BIG, "a.txt": "a\n"})


def merged(fake: GitHubFake, repo: Repo) -> str:
    """A pull request's merge commit."""
    repo.commit({"a.txt": "b\n"}, branch="change", parents=[str(repo.head())])
    repo.commit({"c.txt": "c\n"})
    pull = fake.world.pull(repo, "change")
    return str(repo.git.ref(f"refs/pull/{pull.number}/merge"))


def state(folder: Path) -> dict[str, bytes]:
    """Everything in a repository's own folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted((folder / ".git").rglob("*"))
        if file.is_file()
    }


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in (folder / "objects").rglob("*") if file.is_file())


def test_a_shallow_merge_commit_gets_its_parents(github_fake: GitHubFake, repo: Repo, tmp_path: Path) -> None:
    merge = merged(github_fake, repo)
    work = checkout(tmp_path / "work", github_fake, repo, merge)
    before = state(work)
    gathered = Gathered(tmp_path / "own", remote(github_fake, repo), borrow=borrowable(work))
    assert gathered.has(merge)
    parents = gathered.parents(merge)
    assert parents == [repo.head(), repo.head("change")]
    assert not gathered.has(parents[0])
    gathered.need(*parents)
    assert gathered.has(parents[0])
    assert gathered.read(parents[0], "a.txt") == b"a\n"
    assert gathered.read(merge, "a.txt") == b"b\n"
    assert gathered.read(merge, "none.txt") is None
    # What the checkout has is borrowed, and nothing of it changes.
    assert size(tmp_path / "own") < 20_000 < len(BIG)
    assert state(work) == before
    with github_fake.counted() as asked:
        gathered.need(*parents, merge, "")
    assert asked == []


def test_without_a_checkout_everything_is_fetched(github_fake: GitHubFake, repo: Repo, tmp_path: Path) -> None:
    merge = merged(github_fake, repo)
    gathered = Gathered(tmp_path / "own", remote(github_fake, repo), borrow=borrowable(tmp_path))
    gathered.need(merge)
    assert gathered.read(merge, "big.txt") == BIG.encode()
    assert git(tmp_path / "own", "rev-list", "--count", merge) == "1"


def test_a_partial_clone_is_not_borrowed(github_fake: GitHubFake, repo: Repo, tmp_path: Path) -> None:
    merge = merged(github_fake, repo)
    work = checkout(tmp_path / "work", github_fake, repo, merge)
    assert borrowable(work / ".git" / "..") == work
    git(work, "config", "remote.origin.promisor", "true")
    assert borrowable(work) is None


def test_the_tip_is_that_of_now(github_fake: GitHubFake, repo: Repo, tmp_path: Path) -> None:
    gathered = Gathered(tmp_path / "own", remote(github_fake, repo))
    assert gathered.tip("refs/heads/main") == repo.head()
    later = repo.commit({"later.txt": "x"})
    assert gathered.tip("refs/heads/main") == later
    assert gathered.read(later, "later.txt") == b"x"
    with pytest.raises(RingfenceError, match="no longer has"):
        gathered.tip("refs/heads/gone")


def test_a_short_name_is_a_branch_or_a_tag_and_never_both(github_fake: GitHubFake, repo: Repo, tmp_path: Path) -> None:
    gathered = Gathered(tmp_path / "own", remote(github_fake, repo))
    first = str(repo.head())
    later = repo.commit({"later.txt": "x"})
    repo.git.git("tag", "-a", "-m", "x", "v1", first)
    assert (gathered.named("main"), gathered.named("v1")) == (later, first)
    with pytest.raises(RingfenceError, match="no branch and no tag"):
        gathered.named("gone")
    repo.git.git("update-ref", "refs/tags/main", first)
    with pytest.raises(RingfenceError, match="a branch and a tag") as raised:
        gathered.named("main")
    assert "refs/heads/main" in str(raised.value.remedy)
    assert gathered.tip("refs/heads/main") == later


@pytest.mark.parametrize("borrow", [False, True], ids=["alone", "borrowed"])
@pytest.mark.parametrize("behind", [0, 3, 60])
def test_the_merge_base_is_found_however_deep(
    github_fake: GitHubFake, repo: Repo, tmp_path: Path, borrow: bool, behind: int
) -> None:
    fork = repo.head()
    assert fork
    head = repo.commit({"x.txt": "x"}, branch="change", parents=[fork])
    for number in range(behind):
        repo.commit({"main.txt": str(number)})
    work = checkout(tmp_path / "work", github_fake, repo, head) if borrow else None
    gathered = Gathered(tmp_path / "own", remote(github_fake, repo), borrow=work)
    tip = gathered.tip("refs/heads/main")
    gathered.need(head)
    assert gathered.merge_base(tip, head) == fork


def test_two_histories_have_no_merge_base(github_fake: GitHubFake, repo: Repo, tmp_path: Path) -> None:
    other = (
        repo.git.git("commit-tree", "-m", "alone", repo.git.git("rev-parse", "main^{tree}").decode().strip())
        .decode()
        .strip()
    )
    repo.git.set_ref("refs/heads/alone", other)
    gathered = Gathered(tmp_path / "own", remote(github_fake, repo))
    assert gathered.merge_base(gathered.tip("refs/heads/main"), gathered.tip("refs/heads/alone")) is None


# -- who may, and what goes wrong ----------------------------------------------------------------


def test_a_private_repository_wants_a_token_that_nobody_sees(github_fake: GitHubFake, tmp_path: Path) -> None:
    world = github_fake.world
    repo = world.repository("acme/secret", {"a": "a"}, private=True)
    token = world.job_token(repo, {"contents": "read"})
    head = repo.head()
    assert head
    with pytest.raises(RingfenceError, match="needs a token to fetch") as raised:
        Gathered(tmp_path / "none", remote(github_fake, repo)).need(head)
    gathered = Gathered(tmp_path / "own", remote(github_fake, repo, token))
    gathered.need(head)
    everything = b"".join(file.read_bytes() for file in (tmp_path / "own").rglob("*") if file.is_file())
    assert token.encode() not in everything
    assert token not in repr(remote(github_fake, repo, token))
    other = world.repository("acme/other", {"a": "a"}, private=True)
    with pytest.raises(RingfenceError, match="is not there, or the token may not see it") as raised:
        Gathered(tmp_path / "two", remote(github_fake, other, token)).need(str(other.head()))
    assert token not in str(raised.value)


def test_git_inherits_no_secret(github_fake: GitHubFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = github_fake.world.repository("acme/secret", {"a": "a"}, private=True)
    token = github_fake.world.job_token(repo, {"contents": "read"})
    secrets = (
        "RINGFENCE_TOKEN",
        "RINGFENCE_TOKEN_GIT_ACME_EXAMPLE",
        "GH_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "RINGFENCE_APP_ID",
        "RINGFENCE_APP_KEY",
        "RINGFENCE_APP_KEY_FILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "npm_config_password",
    )
    for name in secrets:
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    found = shutil.which("git")
    wrapper = tmp_path / "bin/git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        # The server's own git is found here too; ours begins so.
        f'#!/bin/sh\n[ "$1" = --no-pager ] && env >> "{tmp_path}/seen"\nexec {found} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    Gathered(tmp_path / "own", remote(github_fake, repo, token)).need(str(repo.head()))
    seen = (tmp_path / "seen").read_text()
    assert "canary" not in seen
    assert "HTTPS_PROXY=" in seen


def test_servers_that_stumble_are_asked_again(
    github_fake: GitHubFake, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.gather.time.sleep", lambda seconds: None)
    github_fake.fail("* /acme/shop.git/*", faults.server_error(502), times=2)
    Gathered(tmp_path / "own", remote(github_fake, repo)).need(str(repo.head()))
    github_fake.fail("* /acme/shop.git/*", faults.server_error(502), times=None)
    with pytest.raises(RingfenceError, match="502"):
        Gathered(tmp_path / "two", remote(github_fake, repo)).need(str(repo.head()))


def test_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.sources.gather.time.sleep", lambda seconds: None)
    with pytest.raises(RingfenceError, match="cannot reach"):
        Gathered(tmp_path / "own", Remote(name=RepoName("127.0.0.1", "a", "b"), url="http://127.0.0.1:9/a/b.git")).need(
            "a" * 40
        )
