"""The inventory and the mirrors against the fake: how many calls, what moved, what is kept, what never leaks."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bot.errors import RingfenceError
from bot.github.client import Client, connect
from bot.github.credentials import Token
from bot.github.errors import RateError
from bot.github.fleet import Copy, Mirrors, NoCopy, copies
from bot.github.hosts import host_of
from bot.github.inventory import repositories_named, repositories_of
from bot.github.listing import Listing
from bot.github.transport import Patience
from bot.names import RepoName
from bot.sources.commit import Commit
from bot.sources.mirror import MirrorError, mirror
from tests.github_fake import GitHubFake, Repo, faults

_HOST = "127.0.0.1"
_QUICK = Patience(timeout=60, attempts=2, pause=0.0, wait=10.0)


def _client(github: GitHubFake, login: str = "ada", **how: Any) -> Client:
    how.setdefault("patience", _QUICK)
    return Client(
        host_of(_HOST, github.environment()),
        Token(github.world.user_token(login), "GITHUB_TOKEN"),
        sleep=lambda _: None,
        **how,
    )


@pytest.fixture
def acme(github_fake: GitHubFake) -> GitHubFake:
    github_fake.world.organization("acme", owners=["ada"], members=["bob"])
    return github_fake


def _names(github: GitHubFake, count: int) -> list[Repo]:
    return [github.world.repository(f"acme/r{n:04}", {"README.md": f"{n}\n"}, private=n % 3 == 0) for n in range(count)]


# The inventory


def test_a_thousand_repositories_in_few_calls(acme: GitHubFake) -> None:
    made = _names(acme, 1000)
    client = _client(acme)
    found = list(repositories_of(client, "acme"))
    assert [info.name.name for info in found] == [repo.name for repo in made]
    assert [info.head for info in found] == [repo.head() for repo in made]
    assert {info.visibility for info in found} == {"public", "private"}
    assert client.requests == len(acme.calls()) == 10
    assert not acme.writes()


def test_what_it_says_of_each(acme: GitHubFake) -> None:
    world = acme.world
    world.repository("acme/old", {"a": "1"}, archived=True, topics=["core", "web"], default_branch="trunk")
    world.repository("acme/nothing")
    old, nothing = sorted(repositories_of(_client(acme), "acme"), key=lambda info: info.name.name, reverse=True)
    assert (old.archived, old.branch, old.topics, old.state) == (True, "trunk", ("core", "web"), "ready")
    assert (nothing.state, nothing.head) == ("empty", "")


def test_a_user_is_an_owner_too(acme: GitHubFake) -> None:
    acme.world.repository("bob/tools", {"a": "1"})
    assert [str(info.name) for info in repositories_of(_client(acme), "bob")] == [f"{_HOST}/bob/tools"]


def test_an_owner_that_is_not_there(acme: GitHubFake) -> None:
    with pytest.raises(RingfenceError) as caught:
        list(repositories_of(_client(acme), "nobody"))
    assert str(caught.value) == (
        "127.0.0.1 knows no organisation or user nobody\n  Check its name, and that the token may see it."
    )


def test_names_are_looked_up_a_hundred_a_query(acme: GitHubFake) -> None:
    _names(acme, 230)
    moved = acme.world.repository("acme/before", {"a": "1"})
    acme.world.rename(moved, "acme/after")
    asked = [RepoName(_HOST, "acme", f"r{n:04}") for n in range(230)]
    asked += [RepoName(_HOST, "acme", "before"), RepoName(_HOST, "acme", "gone")]
    client = _client(acme)
    found = list(repositories_named(client, asked))
    assert client.requests == 3
    assert len(found) == len(asked)
    assert (found[-2].name.name, found[-2].asked) == ("after", asked[-2])
    assert (found[-1].name, found[-1].state) == (asked[-1], "missing")


def test_all_of_them_missing_is_no_error(acme: GitHubFake) -> None:
    (found,) = repositories_named(_client(acme), [RepoName(_HOST, "acme", "gone")])
    assert found.state == "missing"


def test_a_query_that_is_too_much_is_asked_in_smaller_pages(acme: GitHubFake) -> None:
    _names(acme, 120)
    acme.fail("POST /graphql", faults.server_error(502), times=2)
    client = _client(acme)
    assert len(list(repositories_of(client, "acme"))) == 120
    assert [each.body["variables"]["first"] for each in acme.calls()] == [100, 100, 50, 50, 50]


def test_a_hole_in_a_list_is_said(acme: GitHubFake, monkeypatch: pytest.MonkeyPatch) -> None:
    _names(acme, 2)
    client = _client(acme)
    real = client.graphql

    def with_a_hole(*arguments: Any, **how: Any) -> Any:
        data, _ = real(*arguments, **how)
        data["repositoryOwner"]["repositories"]["nodes"][0] = None
        return data, [{"type": "FORBIDDEN", "message": "blocked"}]

    monkeypatch.setattr(client, "graphql", with_a_hole)
    assert [info.state for info in repositories_of(client, "acme")] == ["unreadable", "ready"]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.github.inventory._SIZES", (2, 1))


@pytest.mark.usefixtures("small_pages")
def test_a_rename_hides_no_repository(acme: GitHubFake) -> None:
    made = _names(acme, 5)
    found = repositories_of(_client(acme), "acme")
    first = next(found)
    acme.world.rename(made[4], "acme/a-first")
    acme.world.rename(made[0], "acme/z-last")
    assert [first.name.name, *(info.name.name for info in found)] == ["r0000", "r0001", "r0002", "r0003", "a-first"]
    assert len(acme.calls()) == 3


@pytest.mark.usefixtures("small_pages")
def test_a_list_that_lost_one_while_it_was_read_is_read_again(acme: GitHubFake, tmp_path: Path) -> None:
    """One that goes may move those behind it onto pages that were read."""
    made = _names(acme, 5)
    found = repositories_of(_client(acme), "acme", listing=Listing(tmp_path))
    first = next(found)
    acme.world.delete(made[0])
    listed = [first.name.name, *(info.name.name for info in found)]
    assert sorted(listed) == ["r0000", "r0001", "r0002", "r0003", "r0004"]
    assert not list(tmp_path.glob("*/*.jsonl"))


@pytest.mark.usefixtures("small_pages")
def test_one_that_came_while_the_list_was_read_is_in_it(acme: GitHubFake) -> None:
    _names(acme, 3)
    found = repositories_of(_client(acme), "acme")
    first = next(found)
    acme.world.repository("acme/a-new")
    assert [first.name.name, *(info.name.name for info in found)] == ["r0000", "r0001", "r0002", "a-new"]
    assert len(acme.calls()) == 2


def test_a_list_that_stays_shorter_than_its_number_is_not_whole(
    acme: GitHubFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    _names(acme, 3)
    client = _client(acme)
    real = client.graphql

    def without_one(*arguments: Any, **how: Any) -> Any:
        data, errors = real(*arguments, **how)
        del data["repositoryOwner"]["repositories"]["nodes"][1]
        return data, errors

    monkeypatch.setattr(client, "graphql", without_one)
    found = [(info.name.name, info.state) for info in repositories_of(client, "acme")]
    assert found == [("r0000", "ready"), ("r0002", "ready"), ("?", "unlisted")]
    assert client.requests == 2


def test_what_github_refuses_to_show_is_not_missing(acme: GitHubFake) -> None:
    """Without single sign-on's consent GitHub answers so: the repository is there for all that is known."""
    names = [RepoName(_HOST, "acme", "a"), RepoName(_HOST, "acme", "b")]
    acme.world.repository("acme/a", {"a": "1"})
    shown = {
        "id": "R_1",
        "nameWithOwner": "acme/a",
        "visibility": "PUBLIC",
        "isArchived": False,
        "isEmpty": False,
        "defaultBranchRef": {"name": "main", "target": None},
        "repositoryTopics": {"nodes": []},
    }
    errors = [{"type": "FORBIDDEN", "path": ["r1"], "message": "Resource protected by organization SAML enforcement."}]
    acme.fail("POST /graphql", faults.Fault(status=200, body={"data": {"r0": shown, "r1": None}, "errors": errors}))
    assert [info.state for info in repositories_named(_client(acme), names)] == ["unreadable", "unreadable"]


def test_a_stopped_list_is_kept_for_who_asked(acme: GitHubFake, tmp_path: Path) -> None:
    _names(acme, 250)
    listing = Listing(tmp_path / "state")
    client = _client(acme)
    acme.fail("POST /graphql", faults.rate_limited(time.time() + 3000, resource="graphql"), after=2)
    begun = repositories_of(client, "acme", listing=listing)
    assert len([next(begun) for _ in range(200)]) == 200
    with pytest.raises(RingfenceError, match="wants no more calls before"):
        next(begun)
    (file,) = (tmp_path / "state").rglob("*.jsonl")
    secret = client.token("acme")
    assert secret is not None
    assert secret.reveal() not in file.read_text()
    # Another token may see other repositories.
    acme.mend()
    with acme.counted() as asked:
        some = repositories_of(_client(acme, "bob"), "acme", listing=Listing(tmp_path / "state"))
        assert len([next(some) for _ in range(10)]) == 10
    assert asked[0].body["variables"]["after"] is None


def test_the_same_token_goes_on_in_another_run_and_lists_anew_after_that(acme: GitHubFake, tmp_path: Path) -> None:
    made = _names(acme, 250)
    client = _client(acme)
    acme.fail("POST /graphql", faults.rate_limited(time.time() + 3000, resource="graphql"), after=2)
    with pytest.raises(RateError):
        list(repositories_of(client, "acme", listing=Listing(tmp_path)))
    for calls in (1, 3):
        again = Client(client.host, client.token("acme"), patience=_QUICK)
        with acme.counted() as asked:
            found = list(repositories_of(again, "acme", listing=Listing(tmp_path)))
        assert [info.name.name for info in found] == [repo.name for repo in made]
        assert len(asked) == calls
    assert not list(tmp_path.glob("*/*.jsonl"))


def test_a_stopped_list_does_not_stay_good(acme: GitHubFake, tmp_path: Path) -> None:
    _names(acme, 120)
    client = _client(acme)
    some = repositories_of(client, "acme", listing=Listing(tmp_path))
    next(some)
    some.close()
    assert client.requests == 1
    later = time.time() + 4 * 3600
    assert len(list(repositories_of(client, "acme", listing=Listing(tmp_path, now=lambda: later)))) == 120
    assert client.requests == 3


# The mirrors


def _copies(client: Client, folder: Path) -> list[Copy | NoCopy]:
    return list(copies(repositories_of(client, "acme"), Mirrors(lambda _: client, folder)))


def test_every_repository_becomes_a_mirror_at_its_head(acme: GitHubFake, tmp_path: Path) -> None:
    made = _names(acme, 12)
    acme.world.repository("acme/empty")
    client = _client(acme)
    found = _copies(client, tmp_path / "mirrors")
    assert [(each.info.name.name, each.reason) for each in found if isinstance(each, NoCopy)] == [("empty", "empty")]
    had = [each for each in found if isinstance(each, Copy)]
    assert [each.revision for each in had] == [repo.head() for repo in made]
    source = Commit(had[3].git, had[3].revision, named=False)
    assert source.read("README.md") == b"3\n"
    source.close()


def test_an_unchanged_repository_costs_nothing(
    acme: GitHubFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _names(acme, 5)
    client = _client(acme)
    _copies(client, tmp_path / "mirrors")
    made[2].commit({"new.txt": "new\n"})
    began: list[object] = []
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: began.append(a) or real(*a, **k))
    with acme.counted() as asked:
        found = _copies(client, tmp_path / "mirrors")
    assert [each.kind for each in asked] == ["graphql", "git", "git", "git"][: len(asked)]
    assert {each.path for each in asked if each.kind == "git"} <= {
        "/acme/r0002.git/info/refs",
        "/acme/r0002.git/git-upload-pack",
    }
    assert len(began) == 1 + sum(1 for each in asked if each.kind == "git")  # the fetch; the rest is the fake's own
    assert all(isinstance(each, Copy) for each in found)


def test_only_one_commit_is_fetched(acme: GitHubFake, tmp_path: Path) -> None:
    repo = acme.world.repository("acme/deep", {"a": "0\n"})
    for n in range(5):
        repo.commit({"a": f"{n}\n"})
    (copy,) = _copies(_client(acme), tmp_path)
    assert isinstance(copy, Copy)
    count = subprocess.run(
        ["git", "rev-list", "--count", copy.revision], cwd=copy.git, capture_output=True, text=True, check=True
    )
    assert count.stdout.strip() == "1"


def test_a_head_that_moves_during_the_run_is_looked_up_again(acme: GitHubFake, tmp_path: Path) -> None:
    repo = acme.world.repository("acme/moving", {"a": "1\n"})
    before = repo.head()
    assert before is not None

    def move() -> None:
        repo.git.commit({"a": "2\n"}, branch="main", parents=[])
        repo.git.forget(before)

    acme.before("GIT /acme/moving.git/info/refs", move)
    (copy,) = _copies(_client(acme), tmp_path)
    assert isinstance(copy, Copy)
    assert copy.revision == repo.head() != before
    assert copy.info.head == copy.revision


def test_a_repository_renamed_during_the_run_is_found(acme: GitHubFake, tmp_path: Path) -> None:
    repo = acme.world.repository("acme/one", {"a": "1\n"}, private=True)
    acme.before("GIT /acme/one.git/info/refs", lambda: acme.world.rename(repo, "acme/two"))
    (copy,) = _copies(_client(acme), tmp_path)
    assert isinstance(copy, Copy)
    assert copy.info.name.name == "two"
    assert copy.info.asked == RepoName(_HOST, "acme", "one")


def test_a_branch_gone_during_the_run_is_not_a_clean_repository(acme: GitHubFake, tmp_path: Path) -> None:
    repo = acme.world.repository("acme/emptied", {"a": "1\n"})
    head = repo.head()
    assert head is not None

    def vanish() -> None:
        repo.git.set_ref("refs/heads/main", None)
        repo.git.forget(head)

    acme.before("GIT /acme/emptied.git/info/refs", vanish)
    (copy,) = _copies(_client(acme), tmp_path)
    assert isinstance(copy, NoCopy)
    assert copy.reason == "empty"


def test_a_repository_deleted_during_the_run(acme: GitHubFake, tmp_path: Path) -> None:
    repo = acme.world.repository("acme/going", {"a": "1\n"})
    acme.before("GIT /acme/going.git/info/refs", lambda: acme.world.delete(repo))
    (copy,) = _copies(_client(acme), tmp_path)
    assert isinstance(copy, NoCopy)
    assert copy.reason == "missing"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (faults.bad_credentials(), "credentials", "git may not fetch 127.0.0.1/acme/notes with the token"),
        (faults.no_rights(), "rights", "the token may not fetch 127.0.0.1/acme/notes"),
        (faults.not_found(), "not-found", "127.0.0.1/acme/notes is not there, or the token may not see it"),
        (faults.rate_limited(0, status=429), "rate", "127.0.0.1 wants no more fetches for now"),
        (faults.server_error(502), "server", "127.0.0.1 answered 502 when git fetched 127.0.0.1/acme/notes"),
        (faults.cut(), "unreachable", "git cannot reach 127.0.0.1 for 127.0.0.1/acme/notes"),
        (faults.hang(6), "timeout", "fetching 127.0.0.1/acme/notes made no progress for 1 s"),
    ],
)
def test_every_failure_of_a_fetch_has_its_sentence(
    acme: GitHubFake, tmp_path: Path, fault: faults.Fault, kind: str, words: str
) -> None:
    repo = acme.world.repository("acme/notes", {"a": "1\n"})
    acme.fail("GIT *", fault, times=None)
    client = _client(acme)
    head = repo.head()
    assert head is not None
    with pytest.raises(MirrorError) as caught:
        _mirror(client, tmp_path, "notes", head, stall=1)
    assert caught.value.kind == kind
    assert caught.value.what == words
    assert caught.value.remedy


def _mirror(client: Client, folder: Path, name: str, commit: str, *, stall: int = 20) -> Path:
    token = client.token("acme")
    return mirror(
        folder,
        RepoName(_HOST, "acme", name),
        client.host.clone_url("acme", name),
        commit,
        header=lambda: token.git_header() if token else None,
        stall=stall,
    )


def test_two_runs_fetch_once(acme: GitHubFake, tmp_path: Path) -> None:
    repo = acme.world.repository("acme/notes", {"a": "1\n"})
    client = _client(acme)
    head = repo.head()
    assert head is not None
    runs = [threading.Thread(target=_mirror, args=(client, tmp_path, "notes", head)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len([each for each in acme.calls("git") if each.path.endswith("/info/refs")]) == 1


def test_a_redirect_to_another_host_takes_no_token_along(acme: GitHubFake, tmp_path: Path) -> None:
    repo = acme.world.repository("acme/notes", {"a": "1\n"})
    head = repo.head()
    assert head is not None
    with GitHubFake(tmp_path / "other") as other:
        there = f"{other.url}/acme/notes.git/info/refs?service=git-upload-pack"
        acme.fail("GIT *", faults.Fault(status=301, headers={"Location": there}), times=None)
        with pytest.raises(MirrorError, match="another name now"):
            _mirror(_client(acme), tmp_path / "m", "notes", head)
        assert other.asked == []


# Nothing leaks


def _recording_git(folder: Path) -> tuple[Path, Path]:
    """A git that writes down its arguments and the names in its environment, before the real one runs."""
    real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
    folder.mkdir()
    log = folder / "log"
    wrapper = folder / "git"
    wrapper.write_text(f'#!/bin/sh\n{{ printf "%s\\n" "$@"; env | cut -d= -f1; }} >> "{log}"\nexec "{real}" "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper, log


def test_the_token_is_in_no_argument_and_on_no_disk(
    acme: GitHubFake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger="github")
    acme.world.repository("acme/notes", {"a": "1\n"}, private=True)
    secret = acme.world.user_token("ada")
    environment = acme.environment() | {"GITHUB_TOKEN": secret}
    wrapper, log = _recording_git(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    client = connect(_HOST, environment=environment)
    (copy,) = _copies(client, tmp_path / "mirrors")
    assert isinstance(copy, Copy)
    header = Token(secret, "x").git_header().split(" ")[-1]
    wrote = log.read_text()
    assert "GIT_CONFIG_VALUE_2" in wrote  # the wrapper was used, and this is how the token came
    acme.fail("GIT *", faults.bad_credentials(), times=None)
    acme.fail("POST /graphql", faults.bad_credentials(), times=None)
    with pytest.raises(MirrorError) as git_error:
        mirror(
            tmp_path / "n", copy.info.name, client.host.clone_url("acme", "notes"), copy.revision, header=lambda: header
        )
    with pytest.raises(RingfenceError) as api_error:
        list(repositories_of(client, "acme"))
    shown = [
        wrote,
        str(git_error.value),
        str(api_error.value),
        repr(client.token("acme")),
        caplog.text,
        *capfd.readouterr(),
    ]
    kept = [path.read_bytes() for path in (tmp_path / "mirrors").rglob("*") if path.is_file()]
    for word in (secret, header):
        assert not [text for text in shown if word in text]
        assert not [data for data in kept if word.encode() in data]
    token = client.token("acme")
    for show in (str, format):
        with pytest.raises(TypeError, match="no text"):
            show(token)


def test_nothing_of_the_users_own_git_takes_part(
    acme: GitHubFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credential helpers, rewriting of addresses, headers and templates of a person's git are not ours."""
    repo = acme.world.repository("acme/notes", {"a": "1\n"}, private=True)
    ran = tmp_path / "ran"
    home = tmp_path / "home"
    hooks = home / "hooks"
    hooks.mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction", "post-merge"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (hooks / hook).chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[credential]\n\thelper = "!touch {ran}; true"\n[core]\n\taskPass = {hooks}/post-merge\n\thooksPath = {hooks}\n'
        f'[url "ssh://elsewhere.example/"]\n\tinsteadOf = {acme.url}/\n'
        f'[http]\n\textraHeader = "X-Mine: 1"\n[init]\n\ttemplateDir = {home}\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSH_ASKPASS", str(hooks / "post-merge"))
    head = repo.head()
    assert head is not None
    path = _mirror(_client(acme), tmp_path / "m", "notes", head)
    assert (path / "refs/ringfence/head").read_text().strip() == head
    assert not any("X-Mine" in each.headers for each in acme.asked)
    stranger = Client(host_of(_HOST, acme.environment()), None)
    with pytest.raises(MirrorError) as caught:
        _mirror(stranger, tmp_path / "n", "notes", head)
    assert caught.value.what == f"git needs a token to fetch {_HOST}/acme/notes"
    assert not ran.exists()


# Two hosts


def test_a_product_on_one_host_and_its_core_on_another(tmp_path: Path) -> None:
    with GitHubFake(tmp_path / "dotcom") as dotcom, GitHubFake(tmp_path / "own") as own:
        dotcom.world.organization("acme", owners=["ada"])
        dotcom.world.repository("acme/core", {"a": "open\n"})
        own.world.organization("web", owners=["ada"])
        own.world.repository("web/platform-core", {"a": "private\n"}, private=True)
        environment = {
            "RINGFENCE_URL__GITHUB_COM": dotcom.url,
            "RINGFENCE_URL__GIT_ACME_EXAMPLE": own.url,
            "GITHUB_TOKEN": dotcom.world.user_token("ada"),
            "RINGFENCE_TOKEN__GIT_ACME_EXAMPLE": own.world.user_token("ada"),
        }
        clients = {host: connect(host, environment=environment) for host in ("github.com", "git.acme.example")}
        infos = [*repositories_of(clients["github.com"], "acme"), *repositories_of(clients["git.acme.example"], "web")]
        found = list(copies(infos, Mirrors(clients.__getitem__, tmp_path / "mirrors")))
        assert [str(each.info.name) for each in found] == ["acme/core", "git.acme.example/web/platform-core"]
        assert [each.git.relative_to(tmp_path / "mirrors").as_posix() for each in found if isinstance(each, Copy)] == [
            "github.com/acme/core.git",
            "git.acme.example/web/platform-core.git",
        ]
        for github, secret in ((dotcom, "RINGFENCE_TOKEN__GIT_ACME_EXAMPLE"), (own, "GITHUB_TOKEN")):
            assert not [each for each in github.asked if environment[secret] in str(each.headers)]
