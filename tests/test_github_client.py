"""The client against the fake: tokens, limits, repetition, redirects, and a clear sentence for every error."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.errors import RingfenceError
from bot.github.client import Client, connect
from bot.github.credentials import Token, find_credential
from bot.github.hosts import host_of
from bot.github.transport import Patience
from bot.names import RepoName
from tests.github_fake import GitHubFake, Repo, faults

_QUICK = Patience(timeout=2, attempts=3, pause=0.0, wait=120.0)


@pytest.fixture
def repo(github_fake: GitHubFake) -> Repo:
    github_fake.world.organization("acme", owners=["ada"], members=["bob"])
    return github_fake.world.repository("acme/notes", {"a.ts": "export {}\n"}, private=True)


def _environment(github: GitHubFake, **more: str) -> dict[str, str]:
    return github.environment() | more


def _client(github: GitHubFake, token: str | None, *, slept: list[float] | None = None, **how: Any) -> Client:
    """A client of the fake that notes what it would have slept."""
    host = host_of("127.0.0.1", _environment(github))
    sleep: Callable[[float], None] = slept.append if slept is not None else (lambda _: None)
    how.setdefault("patience", _QUICK)
    credential = Token(token, "GITHUB_TOKEN") if token else None
    return Client(host, credential, give="Set GITHUB_TOKEN to a token of 127.0.0.1.", sleep=sleep, **how)


def _name(repo: Repo) -> RepoName:
    return RepoName("127.0.0.1", repo.owner.login, repo.name)


def _read(client: Client, name: RepoName) -> str:
    with client.doing(f"read {name.owner}/{name.name}"):
        return client.repository(name).default_branch


@pytest.mark.parametrize("style", ["enterprise", "dotcom"])
def test_it_reads_at_both_kinds_of_address(github_fake: GitHubFake, repo: Repo, style: str) -> None:
    environment = github_fake.environment(style) | {"GITHUB_TOKEN": github_fake.world.user_token("ada")}
    client = connect("127.0.0.1", environment=environment)
    assert _read(client, _name(repo)) == "main"
    assert client.requests == len(github_fake.calls()) == 1
    assert not github_fake.writes()


def test_an_app_asks_for_read_permissions_alone(github_fake: GitHubFake, repo: Repo) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    world = github_fake.world
    app = world.app("fence", public.decode())
    world.install(app, "acme", {"contents": "write", "issues": "write"})
    environment = _environment(github_fake, RINGFENCE_APP_ID=str(app.id), RINGFENCE_APP_KEY=private.decode())
    client = connect("127.0.0.1", environment=environment)
    assert _read(client, _name(repo)) == "main"
    assert _read(client, _name(repo)) == "main"
    (asked,) = [each for each in github_fake.calls() if each.path.endswith("/access_tokens")]
    assert asked.body == {"permissions": {"contents": "read", "metadata": "read"}}
    assert client.token("acme") is client.token("ACME")
    with pytest.raises(RingfenceError, match="nobody"):
        client.token("nobody")


def test_it_waits_for_a_limit_and_goes_on(github_fake: GitHubFake, repo: Repo) -> None:
    slept: list[float] = []
    said: list[str] = []
    client = _client(github_fake, github_fake.world.user_token("ada"), slept=slept, say=said.append)
    github_fake.fail("GET /repos/acme/notes", faults.secondary_limit(7))
    assert _read(client, _name(repo)) == "main"
    assert slept == [7.0]
    assert said == ["127.0.0.1 asks to wait 7 s"]


def test_it_stops_where_the_wait_is_too_long(github_fake: GitHubFake, repo: Repo) -> None:
    slept: list[float] = []
    client = _client(github_fake, github_fake.world.user_token("ada"), slept=slept)
    github_fake.fail("GET /repos/acme/notes", faults.rate_limited(time.time() + 1800))
    with pytest.raises(RingfenceError, match=r"127\.0\.0\.1 wants no more calls before \d\d:\d\d UTC"):
        _read(client, _name(repo))
    assert slept == []
    with pytest.raises(RingfenceError):
        _read(client, _name(repo))
    assert len(github_fake.calls()) == 1  # GitHub had said so: it was not asked again


def test_a_write_is_not_sent_twice(github_fake: GitHubFake, repo: Repo) -> None:
    repo.commit({"a.ts": "export const a = 1\n"}, branch="feature")
    pull = github_fake.world.pull(repo, "feature", author="ada")
    client = _client(github_fake, github_fake.world.user_token("ada"))
    for fault in (faults.server_error(502), faults.cut()):
        github_fake.fail("POST /repos/acme/notes/issues/1/comments", fault)
        with pytest.raises(RingfenceError), client.doing("comment on acme/notes#1"):
            client.repository(_name(repo)).get_pull(1).create_issue_comment("hello")
    assert len(github_fake.writes()) == 2
    assert pull.comments == []


def test_a_read_is_sent_again(github_fake: GitHubFake, repo: Repo) -> None:
    client = _client(github_fake, github_fake.world.user_token("ada"))
    github_fake.fail("GET /repos/acme/notes", faults.server_error(502))
    github_fake.fail("GET /repos/acme/notes", faults.cut())
    assert _read(client, _name(repo)) == "main"
    assert len(github_fake.calls()) == 3


def test_no_token_goes_to_a_host_that_it_is_not_for() -> None:
    environment: Mapping[str, str] = {"GITHUB_TOKEN": "a", "GH_ENTERPRISE_TOKEN": "b", "RINGFENCE_TOKEN__X_TEST": "c"}
    assert find_credential("git.example", environment) is None
    found = find_credential("x.test", environment)
    assert found is not None
    assert found.source == "RINGFENCE_TOKEN__X_TEST"
