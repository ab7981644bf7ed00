"""The fake itself: held to GitHub's description, to its recorded answers, and to git."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.github_fake import GitHubFake, Repo, description, faults, recordings, tables
from tests.github_fake.recordings import Recorded
from tests.github_fake.rest import ROUTES
from tests.world import git

# Recordings of earlier years show an API that has changed since.
_SINCE = 2023


@pytest.fixture(scope="module")
def recorded(pytestconfig: pytest.Config) -> list[Recorded]:
    """All of PyGithub's recordings."""
    assert pytestconfig.cache is not None
    return list(recordings.read(recordings.fetch(pytestconfig.cache.mkdir("github-recordings"))))


@pytest.fixture
def notes(github_fake: GitHubFake) -> Repo:
    world = github_fake.world
    world.organization("acme", owners=["ada"], members=["bob"])
    repo = world.repository("acme/notes", {"a.ts": "x\n", "docs/b.md": "1\n"}, topics=["core"])
    repo.commit({"a.ts": "y\n"}, branch="feature")
    pull = world.pull(repo, "feature", author="bob", body="please")
    world.comment(pull, "bob", "hello")
    review = world.review(repo, pull, "ada")
    review.comments.append({"id": world.id(), "path": "a.ts", "line": 1, "side": "RIGHT", "body": "why"})
    return repo


def _get(github: GitHubFake, path: str, login: str | None = "ada", **how: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {github.world.user_token(login)}"} if login else {}
    return requests.request(
        how.pop("method", "GET"), github.url + path, headers=headers, timeout=10, allow_redirects=False, **how
    )


# Held to the description


def test_every_route_is_one_of_githubs() -> None:
    own = description.load()
    for method, path in ROUTES:
        example = re.sub(r"\{(\w+)\}", lambda found: "1" if "id" in found[1] or "number" in found[1] else "x", path)
        known = own.operation(method, example)
        assert path in tables.UNDESCRIBED_ROUTES or (known and known[0].path == path), (method, path)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"path": "/repos/acme/notes/pulls?stat=open"}, "the query parameter 'stat' is not known"),
        ({"path": "/repos/acme/notes/pulls?state=opened"}, "is not one of"),
        (
            {"path": "/repos/acme/notes/issues/1/comments", "method": "POST", "json": {"text": "x"}},
            "is a required property",
        ),
        ({"path": "/repos/acme/notes/git/refs", "method": "POST"}, "the body is missing"),
        ({"path": "/repos/acme/notes/nonsense"}, "GitHub has no such route"),
        ({"path": "/gists"}, "the fake has no such route"),
    ],
)
def test_a_request_that_github_does_not_know_is_seen(tmp_path: Path, how: dict[str, Any], words: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(words)), GitHubFake(tmp_path) as github:  # noqa: PT012
        repo = github.world.repository("acme/notes", {"a": "1"})
        repo.commit({"a": "2"}, branch="b")
        github.world.pull(repo, "b")
        _get(github, **how)


def test_an_answer_that_github_could_not_give_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ("GET", "/repos/{owner}/{repo}")
    real = ROUTES[path]
    monkeypatch.setitem(ROUTES, path, lambda call: real(call) | {"archived": "no"})
    with pytest.raises(AssertionError, match=r"/archived"), GitHubFake(tmp_path) as github:  # noqa: PT012
        github.world.repository("acme/notes")
        _get(github, "/repos/acme/notes")


def test_a_document_that_githubs_schema_lacks_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Cannot query field 'nme'"), GitHubFake(tmp_path) as github:
        _get(github, "/graphql", method="POST", json={"query": "{ viewer { nme } }"})


# Held to recorded answers


def _readable(recorded: list[Recorded]) -> Iterator[Recorded]:
    return (each for each in recorded if each.year >= _SINCE and "x-ratelimit-limit" in each.headers)


def test_every_status_beyond_the_description_was_recorded(recorded: list[Recorded]) -> None:
    seen = {(each.file, each.status) for each in recorded}
    for row in tables.UNLISTED:
        assert (row.recording, row.status) in seen if row.recording else row.documented, row
    for route, file in tables.UNDESCRIBED_ROUTES.items():
        begin = route.partition("{")[0]
        assert any(each.file == file and each.path.startswith(begin) for each in recorded), route


def test_error_bodies_have_the_recorded_fields(github_fake: GitHubFake, notes: Repo, recorded: list[Recorded]) -> None:
    known: dict[int, list[frozenset[str]]] = defaultdict(list)
    for each in recorded:
        if each.status >= 300 and each.year >= 2022 and each.body.startswith("{"):
            known[each.status].append(frozenset(json.loads(each.body)))
    world = github_fake.world
    world.rename(world.repository("acme/old", {"a": "1"}), "acme/new")
    asked = {
        301: _get(github_fake, "/repos/acme/old"),
        403: _get(
            github_fake,
            "/repos/acme/notes/git/refs",
            "eve",
            method="POST",
            json={"ref": "refs/heads/x", "sha": "0" * 40},
        ),
        404: _get(github_fake, "/repos/acme/nothing"),
        422: _get(
            github_fake, "/repos/acme/notes/git/refs", method="POST", json={"ref": "refs/heads/x", "sha": "0" * 40}
        ),
    }
    for status, answer in asked.items():
        assert answer.status_code == status
        assert frozenset(answer.json()) in known[status], status
    assert asked[301].json()["url"] == asked[301].headers["Location"]
    assert re.fullmatch(r".*/repositories/\d+", asked[301].headers["Location"])


def test_every_answer_has_the_recorded_headers(github_fake: GitHubFake, notes: Repo, recorded: list[Recorded]) -> None:
    always = set.intersection(*(set(each.headers) for each in _readable(recorded)))
    limits = {name for name in always if name.startswith(("x-ratelimit", "x-github"))}
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-resource"} < limits
    for path in ("/repos/acme/notes", "/repos/acme/nothing", "/rate_limit"):
        answer = _get(github_fake, path)
        for name in limits:
            assert answer.headers[name], (path, name)
        assert all(
            answer.headers[name].isdigit()
            for name in limits
            if name.startswith("x-ratelimit") and "resource" not in name
        )
    assert all(
        each.headers["x-ratelimit-resource"] in ("core", "graphql")
        for each in _readable(recorded)
        if each.path in ("/user", "/graphql")
    )


def test_link_headers_lead_as_the_recorded_ones(github_fake: GitHubFake, notes: Repo, recorded: list[Recorded]) -> None:
    shapes: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for each in recorded:
        if each.year >= _SINCE and 'rel="' in each.headers.get("link", "") and "page=" in each.headers["link"]:
            rels = tuple(re.findall(r'rel="(\w+)"', each.headers["link"]))
            shapes["middle" if {"prev", "next"} <= set(rels) else "last" if "prev" in rels else "first"].add(rels)
    for n in range(25):
        github_fake.world.repository(f"acme/r{n}")
    pages = {
        where: _get(github_fake, f"/orgs/acme/repos?per_page=10&page={page}")
        for where, page in (("first", 1), ("middle", 2), ("last", 3))
    }
    for where, answer in pages.items():
        rels = tuple(re.findall(r'rel="(\w+)"', answer.headers["Link"]))
        assert rels in shapes[where], where
    assert [len(answer.json()) for answer in pages.values()] == [10, 10, 6]
    assert pages["first"].links["next"]["url"] == f"{github_fake.url}/orgs/acme/repos?per_page=10&page=2"
    assert "Link" not in _get(github_fake, "/orgs/acme/repos?per_page=100").headers


def test_bodies_have_the_recorded_fields_and_types(
    github_fake: GitHubFake, notes: Repo, recorded: list[Recorded]
) -> None:
    own = description.load()
    known: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for each in recorded:
        operation = own.operation(each.method, each.path.partition("?")[0])
        if (
            each.year >= _SINCE
            and each.status == 200
            and each.method == "GET"
            and operation
            and each.body.startswith(("{", "["))
        ):
            for place, kinds in _kinds(json.loads(each.body)).items():
                known[operation[0].path].setdefault(place, set()).update(kinds)
    head, pull = notes.head(), notes.pulls[1]
    paths = ["", "/branches/main", "/commits", "/commits/main", "/compare/main...feature", f"/git/commits/{head}"]
    paths += ["/git/ref/heads/main", f"/issues/comments/{pull.comments[0].id}", "/issues/1/comments", "/pulls/1"]
    paths += ["/pulls/1/comments", "/pulls/1/commits"]
    compared = 0
    for path in [f"/repos/acme/notes{path}" for path in paths] + ["/orgs/acme", "/user", "/users/ada", "/rate_limit"]:
        operation = own.operation("GET", path)
        assert operation is not None
        have = known[operation[0].path]
        assert have, path
        for place, kinds in _kinds(_get(github_fake, path).json()).items():
            above = place.rpartition(".")[0]
            # Below a field that was null or empty in every recording nothing is known.
            if have.get(above, {"object"}) <= {"null", "array"}:
                continue
            assert place in have or above not in have, f"{path}: no recording has {place}"
            if place in have and have[place] != {"null"}:
                assert kinds - {"null"} <= have[place], f"{path}: {place} is {kinds}, recorded {have[place]}"
                compared += 1
    assert compared > 500


def _kinds(value: Any, place: str = "") -> dict[str, set[str]]:
    """Every place in a JSON value with the kinds of what stands there."""
    out: dict[str, set[str]] = {place: {_kind(value)}}
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inner = [(f"{place}.{key}", each) for key, each in value.items()]
    elif isinstance(value, list):
        inner = [(f"{place}[]", each) for each in value]
    for where, each in inner:
        for name, kinds in _kinds(each, where).items():
            out.setdefault(name, set()).update(kinds)
    return out


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")


# Held to git, and to GitHub's rules


def test_a_push_is_real_and_needs_the_right(github_fake: GitHubFake, notes: Repo, tmp_path: Path) -> None:
    def clone(login: str) -> Path:
        url = github_fake.url.replace("//", f"//x-access-token:{github_fake.world.user_token(login)}@")
        git(tmp_path, "clone", "-q", f"{url}/acme/notes.git", login)
        (tmp_path / login / "new.txt").write_text("new\n")
        git(tmp_path / login, "add", ".")
        git(tmp_path / login, "commit", "-qm", "New")
        return tmp_path / login

    git(clone("ada"), "push", "-q", "origin", "HEAD:refs/heads/pushed")
    assert set(notes.git.tree(notes.head("pushed") or "")) == {"a.ts", "docs/b.md", "new.txt"}
    refused = subprocess.run(
        ["git", "push", "-q", "origin", "HEAD:refs/heads/other"],
        cwd=clone("eve"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "403" in refused.stderr
    assert notes.head("other") is None
    assert [each.path for each in github_fake.writes()] == ["/acme/notes.git/git-receive-pack"]


def test_a_pull_requests_refs_follow_its_branches(github_fake: GitHubFake, notes: Repo) -> None:
    pull = notes.pulls[1]

    def refs() -> tuple[str | None, str | None, list[str]]:
        shape = _get(github_fake, "/repos/acme/notes/pulls/1").json()
        merge = notes.git.ref("refs/pull/1/merge")
        return (
            shape["mergeable"],
            shape["head"]["sha"],
            notes.git.git("show", "-s", "--format=%P", str(merge)).decode().split(),
        )

    assert refs() == (True, notes.head("feature"), [notes.head(), notes.head("feature")])
    notes.commit({"docs/b.md": "2\n"})
    assert refs() == (True, notes.head("feature"), [notes.head(), notes.head("feature")])
    before = notes.head()
    notes.commit({"a.ts": "z\n"})
    assert refs() == (False, notes.head("feature"), [before, notes.head("feature")])
    assert pull.state == "open"


def test_a_forks_pull_request_is_readable_from_the_base(github_fake: GitHubFake, notes: Repo) -> None:
    world = github_fake.world
    fork = world.fork(notes, "mallory")
    head = fork.commit({"evil.ts": "1\n"}, branch="patch")
    pull = world.pull(notes, "patch", head_repo=fork, author="mallory")
    shape = _get(github_fake, f"/repos/acme/notes/pulls/{pull.number}").json()
    assert (shape["head"]["sha"], shape["head"]["repo"]["fork"], shape["head"]["label"]) == (
        head,
        True,
        "mallory:patch",
    )
    assert notes.git.ref(f"refs/pull/{pull.number}/head") == head
    (row,) = _get(github_fake, f"/repos/acme/notes/pulls/{pull.number}/files").json()
    assert (row["filename"], row["status"], row["patch"]) == ("evil.ts", "added", "@@ -0,0 +1 @@\n+1")


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ({"contents": "read"}, 403),
        ({"pull_requests": "read"}, 403),
        ({"pull_requests": "write"}, 201),
        ({"issues": "write"}, 201),
    ],
)
def test_a_jobs_token_may_what_it_was_given(
    github_fake: GitHubFake, notes: Repo, permissions: Mapping[str, str], status: int
) -> None:
    headers = {"Authorization": f"Bearer {github_fake.world.job_token(notes, permissions)}"}
    url = f"{github_fake.url}/api/v3/repos/acme/notes/issues/1/comments"
    answer = requests.post(url, headers=headers, json={"body": "hi"}, timeout=10)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["message"] == "Resource not accessible by integration"
        assert "=write" in answer.headers["X-Accepted-GitHub-Permissions"]
    else:
        assert answer.json()["user"]["login"] == "github-actions[bot]"


def test_what_a_token_may_not_see_is_not_there(github_fake: GitHubFake, notes: Repo) -> None:
    github_fake.world.repository("acme/secret", {"a": "1"}, private=True)
    assert _get(github_fake, "/repos/acme/secret", "bob").status_code == 200
    assert _get(github_fake, "/repos/acme/secret", "eve").status_code == 404
    assert _get(github_fake, "/repos/acme/secret", None).status_code == 404
    assert _get(github_fake, "/repos/acme/notes", None).status_code == 200


def test_suggestions_are_taken_on_lines_of_the_diff_alone(github_fake: GitHubFake, notes: Repo) -> None:
    def review(line: int) -> requests.Response:
        comment = {"path": "a.ts", "line": line, "side": "RIGHT", "body": "x"}
        body = {"event": "COMMENT", "body": "b", "comments": [comment]}
        return _get(github_fake, "/repos/acme/notes/pulls/1/reviews", method="POST", json=body)

    assert review(1).status_code == 200
    assert review(9).status_code == 422


def test_planned_faults_come_in_order_and_the_world_may_change(github_fake: GitHubFake, notes: Repo) -> None:
    github_fake.fail("GET /repos/acme/*", faults.server_error(503), after=1, times=2)
    github_fake.before("GET /repos/acme/notes", lambda: github_fake.world.delete(notes), after=3)
    assert [_get(github_fake, "/repos/acme/notes").status_code for _ in range(4)] == [200, 503, 503, 404]


def test_an_hours_calls_end(github_fake: GitHubFake, notes: Repo) -> None:
    github_fake.set_rate("ada", 1)
    answers = [_get(github_fake, "/repos/acme/notes") for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 403]
    assert answers[1].headers["X-RateLimit-Remaining"] == "0"
    assert "API rate limit exceeded" in answers[1].json()["message"]
