"""The client against the fake: tokens, limits, repetition, redirects, and a clear sentence for every error."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.errors import RingfenceError
from bot.github.client import Client, connect
from bot.github.credentials import Token, find_credential
from bot.github.errors import GitHubError, RateError
from bot.github.hosts import home_host, host_of
from bot.github.transport import Patience
from bot.names import RepoName
from tests.github_fake import GitHubFake, Repo, faults

_QUICK = Patience(timeout=60, attempts=3, pause=0.0, wait=120.0)


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


def test_an_app_asks_for_read_permissions_alone(
    github_fake: GitHubFake, repo: Repo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger="github")
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
    token = client.token("acme")
    assert token is not None
    assert token is client.token("ACME")
    assert token.reveal() not in caplog.text  # PyGithub's own log would hold it, in the answer that gave it
    with pytest.raises(RingfenceError, match="nobody"):
        client.token("nobody")


def test_all_of_pygithub_goes_through_the_transport(github_fake: GitHubFake, repo: Repo) -> None:
    github_fake.world.team("acme", "boundary", ["ada", "bob"])
    client = _client(github_fake, github_fake.world.user_token("ada"))
    github_fake.fail("GET /orgs/acme/teams/boundary/members", faults.server_error(502))
    with client.doing("read the teams of acme"):
        team = client.github("acme").get_organization("acme").get_team_by_slug("boundary")
        assert [member.login for member in team.get_members()] == ["ada", "bob"]
    assert client.requests == len(github_fake.calls()) == 2  # one failed, and what is named costs none


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


_DOING = "read acme/notes"


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (
            faults.bad_credentials(),
            "credentials",
            "127.0.0.1 does not accept the token in GITHUB_TOKEN\n  It is wrong or has expired: set another.",
        ),
        (
            faults.no_rights("issues=read; pull_requests=read"),
            "rights",
            "the token in GITHUB_TOKEN may not read acme/notes (GitHub says: Resource not accessible by integration)\n"
            "  Give it the permission issues: read or pull_requests: read.",
        ),
        (
            faults.no_rights(),
            "rights",
            "the token in GITHUB_TOKEN may not read acme/notes (GitHub says: Resource not accessible by integration)\n"
            "  Give it the right to, or use another.",
        ),
        (
            faults.Fault(
                status=403,
                body={"message": "Resource protected by organization SAML enforcement."},
                headers={"X-GitHub-SSO": "required; url=https://sso.example/authorize"},
            ),
            "rights",
            "the token is not authorised for the organisation's single sign-on\n"
            "  Authorise it: https://sso.example/authorize",
        ),
        (
            faults.Fault(status=451, body={"message": "Repository access blocked"}),
            "rights",
            "127.0.0.1 has blocked the repository: it cannot be read\n  Leave it out, or ask GitHub's support.",
        ),
        (
            faults.rate_limited(1_900_000_000),
            "rate",
            "127.0.0.1 wants no more calls before 17:46 UTC on 2030-03-17\n"
            "  Run the same again after that: what is done is kept.",
        ),
        (
            faults.rate_limited(1_900_000_000, status=429),
            "rate",
            "127.0.0.1 wants no more calls before 17:46 UTC on 2030-03-17\n"
            "  Run the same again after that: what is done is kept.",
        ),
        (
            faults.secondary_limit(7200, status=429),
            "rate",
            "127.0.0.1 wants no more calls before 17:00 UTC on 2030-03-17\n"
            "  Run the same again after that: what is done is kept.",
        ),
        (
            faults.secondary_limit(),
            "rate",
            "127.0.0.1 wants no more calls before 15:04 UTC on 2030-03-17\n"
            "  Run the same again after that: what is done is kept.",
        ),
        (
            faults.not_found(),
            "not-found",
            "127.0.0.1 has nothing there to read acme/notes, or the token may not see it\n"
            "  Check its name, and that the token may read it.",
        ),
        (
            faults.conflict("Git Repository is empty."),
            "empty",
            "127.0.0.1 could not read acme/notes: the repository is empty\n  Push a first commit, or leave it out.",
        ),
        (
            faults.conflict("Head branch was modified."),
            "conflict",
            "127.0.0.1 could not read acme/notes: something changed meanwhile (GitHub says: Head branch was modified.)\n"
            "  Run again.",
        ),
        (
            faults.unprocessable(errors=[{"resource": "Issue", "field": "title", "code": "missing_field"}, "no\nway"]),
            "invalid",
            "127.0.0.1 refuses to read acme/notes: it answered 422 (GitHub says: Validation Failed; title missing_field; "
            "no way)\n  If that is no fault of what was named, report it with the command you ran.",
        ),
        (
            faults.server_error(502),
            "server",
            "127.0.0.1 failed to read acme/notes: it answered 502\n  Run again later.",
        ),
        (
            faults.server_error(503, "<html>503 Service Unavailable</html>"),
            "server",
            "127.0.0.1 failed to read acme/notes: it answered 503\n  Run again later.",
        ),
        (
            faults.hang(3),
            "timeout",
            "127.0.0.1 did not answer within 1 s to read acme/notes\n  Run again; if it stays, look at the network.",
        ),
        (
            faults.cut(),
            "unreachable",
            "127.0.0.1 cannot be reached to read acme/notes\n  Check the host's name, the network and HTTPS_PROXY.",
        ),
        (
            faults.Fault(status=200, body="<html>Sign in to the hotel's network</html>"),
            "malformed",
            "127.0.0.1 gave something that is not GitHub's to read acme/notes\n"
            "  A proxy may have answered: check HTTPS_PROXY and the host's address.",
        ),
    ],
)
def test_every_error_has_its_sentence(
    github_fake: GitHubFake, repo: Repo, fault: faults.Fault, kind: str, sentence: str
) -> None:
    github_fake.fail("GET /repos/acme/notes", fault, times=None)
    # The clock and the pauses are the test's own: a minute and then two are waited for a secondary limit.
    clock = [1_899_990_000.0]
    client = _client(
        github_fake,
        github_fake.world.user_token("ada"),
        patience=Patience(timeout=1, attempts=2, pause=0.0, wait=190.0),
        now=lambda: clock[0],
    )
    with pytest.raises(GitHubError) as caught:
        _read(client, _name(repo))
    assert str(caught.value) == sentence
    assert caught.value.kind == kind


def test_without_a_token_it_says_how_to_give_one(github_fake: GitHubFake, repo: Repo) -> None:
    client = connect("127.0.0.1", environment=_environment(github_fake))
    with pytest.raises(GitHubError) as caught:
        _read(client, _name(repo))
    assert str(caught.value) == (
        "127.0.0.1 has nothing there to read acme/notes, or only a token may see it\n"
        "  Check its name. Set GITHUB_TOKEN or RINGFENCE_TOKEN__127_0_0_1 to a token of 127.0.0.1."
    )
    with pytest.raises(GitHubError, match=r"127\.0\.0\.1 wants a token to list the repositories of acme"):
        client.graphql("query { viewer { login } }", {}, owner="acme", doing="list the repositories of acme")


def test_a_moved_repository_is_not_followed_and_its_new_name_is_said(github_fake: GitHubFake, repo: Repo) -> None:
    client = _client(github_fake, github_fake.world.user_token("ada"))
    github_fake.world.rename(repo, "acme/notebook")
    old = RepoName("127.0.0.1", "acme", "notes")
    asks: list[Callable[[], Any]] = [
        lambda: client.repository(old).default_branch,
        lambda: client.repository(old).get_contents("a.ts", ref="feature"),
        lambda: list(client.repository(old).get_pulls()),
        lambda: client.repository(old).create_git_ref("refs/heads/x", repo.head() or ""),
    ]
    for ask in asks:
        with pytest.raises(GitHubError) as caught, client.doing(_DOING):
            ask()
        assert str(caught.value) == "acme/notes is acme/notebook now\n  Name it by its new name."
    assert repo.head("x") is None


def test_an_empty_repository(github_fake: GitHubFake) -> None:
    github_fake.world.user("ada")
    empty = github_fake.world.repository("ada/empty")
    client = _client(github_fake, github_fake.world.user_token("ada"))
    for ask in (lambda r: r.get_contents("a"), lambda r: r.get_git_ref("heads/main").object.sha):
        with pytest.raises(GitHubError, match="the repository is empty"), client.doing("read ada/empty"):
            ask(client.repository(_name(empty)))


def test_a_branch_that_goes_during_the_run(github_fake: GitHubFake, repo: Repo) -> None:
    repo.commit({"a.ts": "1\n"}, branch="feature")
    client = _client(github_fake, github_fake.world.user_token("ada"))
    path = "GET /repos/acme/notes/git/ref/heads/feature"
    github_fake.before(path, lambda: repo.git.set_ref("refs/heads/feature", None), after=1)
    assert client.repository(_name(repo)).get_git_ref("heads/feature").object.sha == repo.head("feature")
    with pytest.raises(GitHubError) as caught, client.doing("read the branch feature of acme/notes"):
        _ = client.repository(_name(repo)).get_git_ref("heads/feature").object.sha
    assert caught.value.kind == "not-found"
    assert caught.value.what == (
        "127.0.0.1 has nothing there to read the branch feature of acme/notes, or the token may not see it"
    )


def test_a_link_to_another_host_is_not_followed(github_fake: GitHubFake, repo: Repo, tmp_path: Path) -> None:
    client = _client(github_fake, github_fake.world.user_token("ada"))
    with GitHubFake(tmp_path / "other") as other:
        link = f'<{other.url}/repos/acme/notes/pulls?page=2>; rel="next"'
        github_fake.fail("GET /repos/acme/notes/pulls", faults.Fault(status=200, body=[{}], headers={"Link": link}))
        with pytest.raises(GitHubError, match="names an address of another host"), client.doing(_DOING):
            list(client.repository(_name(repo)).get_pulls())
        assert other.asked == []


def test_no_error_and_no_log_shows_the_token(
    github_fake: GitHubFake, repo: Repo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger="github")
    secret = github_fake.world.user_token("ada")
    client = _client(github_fake, secret)
    for fault in (faults.bad_credentials(), faults.server_error(), faults.cut(), faults.unprocessable()):
        github_fake.mend()
        github_fake.fail("GET /repos/acme/notes", fault, times=None)
        with pytest.raises(GitHubError) as caught:
            _read(client, _name(repo))
        shown = "".join(traceback.format_exception(caught.value))
        assert secret not in shown
        assert "During handling" not in shown  # no foreign errors stand behind ours: they hold the request
        assert "direct cause" not in shown
    github_fake.mend()
    assert _read(client, _name(repo)) == "main"
    assert secret not in caplog.text
    assert secret not in repr(vars(client))


def test_a_clients_own_limit_is_not_asked_beyond(github_fake: GitHubFake, repo: Repo) -> None:
    """The last allowed call says that nothing is left: the next waits without being turned away first."""
    github_fake.set_rate("ada", 1, reset=time.time() + 30)
    slept: list[float] = []
    client = _client(github_fake, github_fake.world.user_token("ada"), slept=slept)
    assert _read(client, _name(repo)) == "main"
    github_fake.set_rate("ada", 100)
    assert _read(client, _name(repo)) == "main"
    assert len(slept) == 1
    assert 25 < slept[0] <= 32
    assert len(github_fake.calls()) == 2


def test_graphql_has_its_own_limit(github_fake: GitHubFake, repo: Repo) -> None:
    client = _client(github_fake, github_fake.world.user_token("ada"))
    github_fake.set_rate("ada", 0, resource="graphql", reset=time.time() + 3000)
    with pytest.raises(RateError):
        client.graphql("query { viewer { login } }", {}, owner="acme", doing="ask")
    assert _read(client, _name(repo)) == "main"


def test_a_word_of_somebodys_is_no_limit(github_fake: GitHubFake, repo: Repo) -> None:
    """A branch, a review, a message may say what GitHub's error type says."""
    slept: list[float] = []
    client = _client(github_fake, github_fake.world.user_token("ada"), slept=slept)
    repo.commit({"a.ts": "1\n"}, branch="RATE_LIMITED")
    repo.default_branch = "RATE_LIMITED"
    assert _read(client, _name(repo)) == "RATE_LIMITED"
    query = 'query { repository(owner: "acme", name: "notes") { defaultBranchRef { name } } }'
    data, _ = client.graphql(query, {}, owner="acme", doing="ask")
    assert data["repository"]["defaultBranchRef"]["name"] == "RATE_LIMITED"
    said = {"data": None, "errors": [{"type": "FORBIDDEN", "message": '"RATE_LIMITED"'}]}
    github_fake.fail("POST /graphql", faults.Fault(status=200, body=said))
    with pytest.raises(GitHubError) as caught:
        client.graphql(query, {}, owner="acme", doing="ask")
    assert (caught.value.kind, slept) == ("rights", [])
    for kind in ("RATE_LIMITED", "RATE_LIMIT"):
        limit = {"errors": [{"type": kind, "message": "API rate limit exceeded"}]}
        github_fake.fail("POST /graphql", faults.Fault(status=200, body=limit))
        client.graphql(query, {}, owner="acme", doing="ask")
    assert slept == [60.0, 60.0]


# Where hosts are, and whose tokens


@pytest.mark.parametrize(
    ("name", "environment", "addresses"),
    [
        ("github.com", {}, ("https://api.github.com", "https://api.github.com/graphql", "https://github.com")),
        (
            "git.acme.example",
            {},
            ("https://git.acme.example/api/v3", "https://git.acme.example/api/graphql", "https://git.acme.example"),
        ),
        ("acme.ghe.com", {}, ("https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql", "https://acme.ghe.com")),
        (
            "git.acme.example",
            {
                "GITHUB_SERVER_URL": "https://git.acme.example",
                "GITHUB_API_URL": "https://git.acme.example:8443/api/v3/",
            },
            (
                "https://git.acme.example:8443/api/v3",
                "https://git.acme.example:8443/api/graphql",
                "https://git.acme.example",
            ),
        ),
        (
            "github.com",
            {"GITHUB_SERVER_URL": "https://git.acme.example", "GITHUB_API_URL": "https://git.acme.example/api/v3"},
            ("https://api.github.com", "https://api.github.com/graphql", "https://github.com"),
        ),
        (
            "git-one.example",
            {"RINGFENCE_URL__GIT__ONE_EXAMPLE": "http://127.0.0.1:81"},
            ("http://127.0.0.1:81/api/v3", "http://127.0.0.1:81/api/graphql", "http://127.0.0.1:81"),
        ),
    ],
)
def test_where_a_host_is(name: str, environment: dict[str, str], addresses: tuple[str, str, str]) -> None:
    host = host_of(name, environment)
    assert (host.api, host.graphql, host.git) == addresses


@pytest.mark.parametrize(
    "url", ["http://git.acme.example", "https://user:pass@git.acme.example", "git.acme.example", "ftp://x"]
)
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(RingfenceError, match="GITHUB_SERVER_URL is no https address"):
        home_host({"GITHUB_SERVER_URL": url})


@pytest.mark.parametrize(
    ("host", "environment", "source"),
    [
        ("github.com", {"GITHUB_TOKEN": "a"}, "GITHUB_TOKEN"),
        ("github.com", {"GITHUB_TOKEN": "a", "GH_TOKEN": "b"}, "GH_TOKEN"),
        ("github.com", {"GITHUB_TOKEN": "a", "RINGFENCE_TOKEN__GITHUB_COM": "b"}, "RINGFENCE_TOKEN__GITHUB_COM"),
        ("github.com", {"GITHUB_TOKEN": "a", "GITHUB_SERVER_URL": "https://git.acme.example"}, None),
        ("git.acme.example", {"GITHUB_TOKEN": "a", "GITHUB_SERVER_URL": "https://git.acme.example"}, "GITHUB_TOKEN"),
        ("git.acme.example", {"GITHUB_TOKEN": "a"}, None),
        ("git.acme.example", {"GH_ENTERPRISE_TOKEN": "a"}, None),
        ("git.acme.example", {"GH_ENTERPRISE_TOKEN": "a", "GH_HOST": "git.acme.example"}, "GH_ENTERPRISE_TOKEN"),
        ("git.acme.example", {"GH_ENTERPRISE_TOKEN": "a", "GH_HOST": "other.example"}, None),
        ("git-acme.example", {"RINGFENCE_TOKEN__GIT_ACME_EXAMPLE": "a"}, None),
        ("github.com", {"GITHUB_TOKEN": "  "}, None),
    ],
)
def test_whose_token_it_is(host: str, environment: dict[str, str], source: str | None) -> None:
    found = find_credential(host, environment)
    assert (found.source if found else None) == source


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"GITHUB_TOKEN": "two words"}, "GITHUB_TOKEN holds no token: it has spaces or line ends in it"),
        ({"RINGFENCE_APP_ID": "1"}, "RINGFENCE_APP_KEY is not set"),
        ({"RINGFENCE_APP_KEY": "x"}, "RINGFENCE_APP_ID is not set"),
        ({"RINGFENCE_APP_ID": "1", "RINGFENCE_APP_KEY": "x"}, "RINGFENCE_APP_KEY is no private key"),
        (
            {"RINGFENCE_APP_ID": "1", "RINGFENCE_APP_KEY_FILE": "/nowhere/key.pem"},
            "the file that RINGFENCE_APP_KEY_FILE names cannot be read",
        ),
    ],
)
def test_credentials_that_are_none(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(RingfenceError) as caught:
        find_credential("github.com", environment)
    assert caught.value.what == sentence
    assert caught.value.remedy


def test_a_key_that_cannot_sign(github_fake: GitHubFake, repo: Repo) -> None:
    key = "-----BEGIN RSA " + "PRIVATE KEY-----\nAAAA\n-----END RSA " + "PRIVATE KEY-----"
    environment = _environment(github_fake, RINGFENCE_APP_ID="1", RINGFENCE_APP_KEY=key)
    with pytest.raises(RingfenceError, match="RINGFENCE_APP_KEY is no private key that can sign"):
        connect("127.0.0.1", environment=environment).token("acme")


def test_no_token_goes_to_a_host_that_it_is_not_for() -> None:
    environment: Mapping[str, str] = {"GITHUB_TOKEN": "a", "GH_ENTERPRISE_TOKEN": "b", "RINGFENCE_TOKEN__X_TEST": "c"}
    assert find_credential("git.example", environment) is None
    found = find_credential("x.test", environment)
    assert found is not None
    assert found.source == "RINGFENCE_TOKEN__X_TEST"
