"""Events, read from GitHub's own recorded payloads."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import RingfenceError
from bot.event import EVENTS, Event, PullRequest, read_event

RECORDED = Path(__file__).parent / "oracle/node_modules/@octokit/webhooks-examples"
SHA = "a" * 40
ZERO = "0" * 40


def recorded(where: str = "api.github.com") -> list[tuple[str, dict[str, Any]]]:
    """(event, payload) of everything that was recorded and that we know."""
    events = json.loads((RECORDED / where / "index.json").read_text())
    return [(event["name"], payload) for event in events for payload in event["examples"] if event["name"] in EVENTS]


def first(name: str, **wanted: Any) -> dict[str, Any]:
    """A copy of the first recorded payload of an event whose fields are these."""
    return next(
        copy.deepcopy(payload)
        for event, payload in recorded()
        if event == name and all(payload.get(key) == value for key, value in wanted.items())
    )


def environment(name: str, payload: Any, **more: str) -> dict[str, str]:
    repository = payload.get("repository") if isinstance(payload, dict) else None
    return {
        "GITHUB_EVENT_NAME": name,
        "GITHUB_REPOSITORY": repository["full_name"] if repository else "acme/shop",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": SHA,
        "GITHUB_REF": str((payload.get("ref") if isinstance(payload, dict) else None) or "refs/heads/main"),
        "GITHUB_ACTOR": "sam",
        **more,
    }


def event(name: str, payload: Any, **more: str) -> Event:
    return read_event(payload, environment(name, payload, **more))


@pytest.mark.parametrize("where", ["api.github.com", "ghes-31", "ghes-35"])
def test_every_recorded_payload_is_read(where: str) -> None:
    seen = set()
    for name, payload in recorded(where):
        found = event(name, payload)
        seen.add(name)
        assert found.skip or len(found.commit) == 40
        assert found.change or not found.against
        assert found.branch or not found.tip
    assert {"push", "pull_request", "pull_request_review", "release"} <= seen


# -- pull requests -------------------------------------------------------------------------------


def test_a_pull_request() -> None:
    payload = first("pull_request", action="synchronize")
    found = event("pull_request", payload)
    assert found == Event(
        name="pull_request",
        repository=found.repository,
        default_branch="master",
        public=True,
        commit=payload["pull_request"]["head"]["sha"],
        merge=SHA,
        change=True,
        branch="master",
        tip=payload["pull_request"]["base"]["sha"],
        pull=PullRequest(number=2, author="Codertocat", head=payload["pull_request"]["head"]["sha"]),
        can_write=True,
    )
    assert str(found.repository) == "Codertocat/Hello-World"


def test_a_review_is_judged_like_the_pull_request() -> None:
    for action in ("submitted", "dismissed"):
        found = event("pull_request_review", first("pull_request_review", action=action))
        assert (found.change, found.merge, found.branch, found.skip) == (True, SHA, "master", "")
        assert found.pull is not None
        assert found.pull.number == 2


def test_a_target_reads_the_merge_as_a_ref_and_the_base_as_the_runner_has_it() -> None:
    payload = first("pull_request", action="synchronize")
    found = event("pull_request_target", payload)
    assert (found.merge, found.tip, found.commit) == (
        "refs/pull/2/merge",
        SHA,
        payload["pull_request"]["head"]["sha"],
    )
    assert found.saves_cache is False


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_a_fork_may_only_read_and_a_target_may_write(gone: bool) -> None:
    payload = first("pull_request", action="synchronize")
    payload["pull_request"]["head"]["repo"] = None if gone else {"full_name": "mallory/Hello-World"}
    found = event("pull_request", payload)
    assert (found.fork, found.secrets, found.can_write) == (True, False, False)
    found = event("pull_request_target", payload)
    assert (found.fork, found.secrets, found.can_write) == (True, True, True)


def test_forges_ignore_case() -> None:
    payload = first("pull_request", action="synchronize")
    payload["pull_request"]["head"]["repo"]["full_name"] = "CODERTOCAT/hello-world"
    assert not event("pull_request", payload).fork


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
@pytest.mark.parametrize("who", ["author", "actor", "sender"])
def test_dependabot_counts_as_a_fork(name: str, who: str) -> None:
    payload = first("pull_request", action="synchronize")
    more = {}
    if who == "author":
        payload["pull_request"]["user"]["login"] = "dependabot[bot]"
    elif who == "sender":
        payload["sender"]["login"] = "dependabot[bot]"
    else:
        more["GITHUB_ACTOR"] = "dependabot[bot]"
    found = event(name, payload, **more)
    assert (found.fork, found.secrets, found.can_write) == (True, False, False)


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target", "pull_request_review"])
def test_a_merged_one_is_not_judged_and_a_closed_one_is(name: str) -> None:
    payload = first("pull_request_review" if name == "pull_request_review" else "pull_request")
    payload["pull_request"] |= {"state": "closed", "merged_at": None}
    found = event(name, payload)
    assert (found.skip, found.change) == ("", True)
    payload["pull_request"]["merged_at"] = "2026-01-02T03:04:05Z"
    assert event(name, payload).skip == "the pull request is merged"


def test_a_ghost_wrote_it() -> None:
    payload = first("pull_request", action="synchronize")
    payload["pull_request"]["user"] = None
    found = event("pull_request", payload)
    assert found.pull is not None
    assert found.pull.author == ""


# -- the merge queue -----------------------------------------------------------------------------


def test_a_merge_group() -> None:
    payload = first("merge_group")
    found = event("merge_group", payload)
    group = payload["merge_group"]
    assert (found.commit, found.against, found.branch) == (group["head_sha"], group["base_sha"], "main")
    assert found.pull == PullRequest(number=104)
    assert (found.change, found.public, found.saves_cache) == (True, False, False)
    payload["merge_group"]["head_ref"] = "refs/heads/something/else"
    assert event("merge_group", payload).pull is None
    assert event("merge_group", {**payload, "action": "destroyed"}).skip


# -- pushes --------------------------------------------------------------------------------------


def push(ref: str, before: str, after: str, **more: Any) -> Event:
    payload = first("push")
    payload |= {
        "ref": ref,
        "before": before,
        "after": after,
        "deleted": after == ZERO,
        "created": before == ZERO,
        **more,
    }
    return event("push", payload)


def test_a_push_to_the_default_branch_is_held_against_what_was_there() -> None:
    found = push("refs/heads/master", "b" * 40, "c" * 40)
    assert (found.commit, found.change, found.against, found.branch) == ("c" * 40, True, "b" * 40, "")
    assert found.saves_cache
    assert push("refs/heads/master", "b" * 40, "c" * 40, forced=True).against == "b" * 40


def test_a_first_push_has_nothing_before_it() -> None:
    found = push("refs/heads/master", ZERO, "c" * 40)
    assert (found.change, found.against, found.skip) == (False, "", "")


def test_a_push_to_another_branch_is_held_against_the_default_one() -> None:
    for before in (ZERO, "b" * 40):
        found = push("refs/heads/feature/x", before, "c" * 40)
        assert (found.change, found.against, found.branch) == (True, "", "master")
        assert not found.saves_cache


def test_a_tag_is_judged_in_full_as_the_commit_that_the_runner_names() -> None:
    found = push("refs/tags/v1", ZERO, "d" * 40)
    assert (found.commit, found.change, found.branch) == (SHA, False, "master")
    assert not found.saves_cache


@pytest.mark.parametrize("ref", ["refs/heads/x", "refs/tags/x"])
def test_what_is_gone_is_not_judged(ref: str) -> None:
    assert push(ref, "b" * 40, ZERO).skip.endswith("is gone")


# -- the others ----------------------------------------------------------------------------------


def test_a_schedule_knows_little() -> None:
    found = event("schedule", {"schedule": "0 3 * * *"})
    assert (found.commit, found.change, found.branch) == (SHA, False, "")
    assert (found.public, found.saves_cache) == (True, True)


def test_by_hand_on_the_default_branch_and_on_another() -> None:
    payload = first("workflow_dispatch")
    found = event("workflow_dispatch", payload)
    assert (found.commit, found.branch, found.saves_cache) == (SHA, "", True)
    found = event("workflow_dispatch", payload, GITHUB_REF="refs/heads/other")
    assert (found.commit, found.branch, found.change, found.saves_cache) == (SHA, "main", False, False)
    found = event("workflow_dispatch", payload, GITHUB_REF="refs/tags/v1")
    assert (found.branch, found.change, found.saves_cache) == ("main", False, False)
    payload = first("release")
    found = event("release", payload, GITHUB_REF="refs/tags/v1")
    assert found.branch == payload["repository"]["default_branch"] != ""


def test_another_server() -> None:
    found = event("schedule", {}, GITHUB_SERVER_URL="https://git.acme.example")
    assert str(found.repository) == "git.acme.example/acme/shop"


@pytest.mark.parametrize("private", [True, False, None])
def test_private_only_where_github_says_so(private: bool | None) -> None:
    payload = first("push")
    payload["repository"]["private"] = private
    assert event("push", payload).public is (private is not True)


# -- what it cannot read -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["issue_comment", "", "workflow_run"])
def test_other_events_are_refused(name: str) -> None:
    with pytest.raises(RingfenceError, match="can be judged"):
        event(name, {})


@pytest.mark.parametrize(
    ("name", "payload", "more"),
    [
        ("pull_request", {}, {}),
        ("pull_request", [], {}),
        ("pull_request", {"pull_request": {"number": "x"}}, {}),
        ("merge_group", {"merge_group": {}}, {}),
        ("schedule", {}, {"GITHUB_SHA": "main"}),
        ("schedule", {}, {"GITHUB_SHA": ""}),
        ("schedule", {}, {"GITHUB_SHA": "--upload-pack=x"}),
        ("schedule", {}, {"GITHUB_REPOSITORY": "x"}),
        ("schedule", {}, {"GITHUB_REPOSITORY": "../.."}),
        ("push", {"ref": "refs/heads/x", "after": "-x"}, {}),
    ],
)
def test_a_broken_payload_is_said(name: str, payload: Any, more: dict[str, str]) -> None:
    with pytest.raises(RingfenceError) as raised:
        event(name, payload, **more)
    assert raised.value.remedy


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["pull_request", "merge_group", "repository", "ref", "before", "after", "head", "base", "sha", "number", "user"]
    ), inner, max_size=5),
)  # fmt: skip


@given(st.sampled_from(EVENTS), json_values)
def test_any_payload_is_read_or_refused(name: str, payload: Any) -> None:
    try:
        found = read_event(payload, environment(name, {}))
    except RingfenceError:
        return
    assert found.commit or found.skip
