"""What a GitHub event asks to be checked: its payload and the runner's environment -> which commit, against which base.

Sources of the formats: "Webhook events and payloads", "Events that trigger workflows" and "Variables reference" of
GitHub's documentation. Nothing here touches the world.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from bot.errors import RingfenceError
from bot.names import RepoName

__all__ = ["EVENTS", "Event", "PullRequest", "read_event"]

_PULLS = ("pull_request", "pull_request_target", "pull_request_review")
# Events without a change of their own: the commit that the runner names is judged in full.
_WHOLE = ("schedule", "workflow_dispatch", "repository_dispatch", "release")
EVENTS = (*_PULLS, "merge_group", "push", *_WHOLE)

_DEPENDABOT = "dependabot[bot]"
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_QUEUE = re.compile(r"refs/heads/gh-readonly-queue/.+/pr-([1-9][0-9]{0,9})-[0-9a-f]+")


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The pull request that is judged. ``author`` (a login) and ``head`` (its last commit) are empty where the event does
    not say: in a merge queue."""

    number: int
    author: str = ""
    head: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be checked. Commits are ids of 40 or 64 hex digits, branches short names; empty where there is none.

    ``commit`` is judged. For a pull request ``merge`` says where a merge of it and its base may be found (a commit or a
    ref): that is judged instead, against its first parent, where it is the merge of ``pull.head``.
    ``change``: the verdict is about what is new, held against ``against`` or else the merge base with ``branch``.
    Policy, waivers and baseline come from the tip of ``branch``, of which the event says that it is ``tip``; without a branch
    the commit's own count. ``skip`` says why nothing is to be checked.

    ``public`` is False only where GitHub says that the repository is private. ``fork``: the change comes from where secrets
    are not given as a rule (a fork, Dependabot); ``secrets`` that this run has them all the same. ``can_write``: the token may write comments. ``saves_cache``: what the run
    caches was made from merged content alone.
    """

    name: str
    repository: RepoName
    default_branch: str = ""
    public: bool = True
    commit: str = ""
    merge: str = ""
    change: bool = False
    against: str = ""
    branch: str = ""
    tip: str = ""
    pull: PullRequest | None = None
    fork: bool = False
    secrets: bool = True
    can_write: bool = False
    saves_cache: bool = False
    skip: str = ""


# What is read of payloads; everything may be missing.


class _Named(msgspec.Struct):
    login: str = ""


class _Repository(msgspec.Struct):
    full_name: str = ""
    private: bool | None = None
    default_branch: str = ""


class _Ref(msgspec.Struct):
    ref: str = ""
    sha: str = ""
    repo: _Repository | None = None  # null: the fork is gone


class _Pull(msgspec.Struct):
    number: int
    head: _Ref
    base: _Ref
    merged: bool | None = None
    merged_at: str | None = None  # of a review's payload, which has no `merged`
    user: _Named | None = None


class _Group(msgspec.Struct):
    head_sha: str
    base_sha: str
    base_ref: str
    head_ref: str = ""


class _Payload(msgspec.Struct):
    repository: _Repository | None = None
    sender: _Named | None = None
    action: str | None = None
    pull_request: _Pull | None = None
    merge_group: _Group | None = None
    ref: str | None = None
    before: str | None = None
    after: str | None = None
    deleted: bool | None = None


def read_event(payload: object, environment: Mapping[str, str]) -> Event:
    """Read ``GITHUB_EVENT_PATH``'s JSON with the runner's environment. Raises `RingfenceError` for what it cannot judge."""
    name = environment.get("GITHUB_EVENT_NAME", "")
    if name not in EVENTS:
        raise RingfenceError(
            f"the event {name!r} says nothing that can be judged",
            where="the workflow",
            remedy="Run Ringfence on " + ", ".join(EVENTS) + ".",
        )
    try:
        read = msgspec.convert(payload, _Payload, strict=False)
        event = _event(name, read, environment)
    except msgspec.ValidationError as error:
        raise RingfenceError(
            f"the event's payload is not as GitHub writes it: {error}",
            where=f"the event {name}",
            remedy="Run it again.",
        ) from None
    for commit in (event.commit, event.against, event.tip, event.pull.head if event.pull else ""):
        if commit and not _OID.fullmatch(commit):
            raise RingfenceError(f"{commit!r} is no commit", where=f"the event {name}", remedy="Run it again.")
    if not event.commit and not event.skip:
        raise RingfenceError("no commit is named", where=f"the event {name}", remedy="Run it again.")
    return event


def _event(name: str, payload: _Payload, environment: Mapping[str, str]) -> Event:
    repository = payload.repository or _Repository()
    actors = {environment.get("GITHUB_ACTOR", ""), payload.sender.login if payload.sender else ""}
    ref = environment.get("GITHUB_REF", "")
    merged = name in ("push", *_WHOLE) and (
        name == "schedule" or (bool(repository.default_branch) and ref == f"refs/heads/{repository.default_branch}")
    )
    plain = Event(
        name=name,
        repository=_repository(environment),
        default_branch=repository.default_branch,
        public=repository.private is not True,
        commit=environment.get("GITHUB_SHA", ""),
        fork=_DEPENDABOT in actors,
        secrets=_DEPENDABOT not in actors,
        can_write=_DEPENDABOT not in actors,
        saves_cache=merged,
    )
    if name in _PULLS:
        return _pull(plain, payload, environment)
    if name == "merge_group":
        return _group(plain, payload)
    if name == "push":
        return _push(plain, payload, ref)
    # What may never have been merged is judged by the policy of what is.
    return msgspec.structs.replace(plain, branch="" if merged else plain.default_branch)


def _repository(environment: Mapping[str, str]) -> RepoName:
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    full = environment.get("GITHUB_REPOSITORY", "")
    found = RepoName.parse(f"{server}/{full}") if full.count("/") == 1 else None
    if found is None:
        raise RingfenceError(
            "GITHUB_REPOSITORY names no repository", where="the environment", remedy="Run it in a workflow of GitHub."
        )
    return found


def _pull(plain: Event, payload: _Payload, environment: Mapping[str, str]) -> Event:
    pull = payload.pull_request
    if pull is None:
        raise msgspec.ValidationError("it has no `pull_request`")
    author = pull.user.login if pull.user is not None else ""
    theirs = pull.head.repo.full_name if pull.head.repo is not None else ""
    ours = pull.base.repo.full_name if pull.base.repo is not None else environment.get("GITHUB_REPOSITORY", "")
    fork = theirs.lower() != ours.lower()
    bot = author == _DEPENDABOT or plain.fork
    target = plain.name == "pull_request_target"
    return msgspec.structs.replace(
        plain,
        commit=pull.head.sha,
        # There the runner names the base, and the merge is a ref of the repository.
        merge=f"refs/pull/{pull.number}/merge" if target else plain.commit,
        change=True,
        branch=pull.base.ref,
        tip=plain.commit if target else pull.base.sha,
        pull=PullRequest(number=pull.number, author=author, head=pull.head.sha),
        fork=fork or bot,
        secrets=not bot and (target or not fork),
        can_write=not bot and (target or not fork),
        # One that is only closed may be opened again, with the check that its last commit has got.
        skip="the pull request is merged" if pull.merged or pull.merged_at else "",
    )


def _group(plain: Event, payload: _Payload) -> Event:
    group = payload.merge_group
    if group is None:
        raise msgspec.ValidationError("it has no `merge_group`")
    queued = _QUEUE.fullmatch(group.head_ref)
    return msgspec.structs.replace(
        plain,
        commit=group.head_sha,
        change=True,
        against=group.base_sha,
        branch=group.base_ref.removeprefix("refs/heads/"),
        pull=PullRequest(number=int(queued[1])) if queued else None,
        skip="the merge group is gone" if payload.action == "destroyed" else "",
    )


def _push(plain: Event, payload: _Payload, ref: str) -> Event:
    ref = payload.ref or ref
    after = payload.after or plain.commit
    if payload.deleted or _is_nothing(after):
        what = "tag" if ref.startswith("refs/tags/") else "branch"
        return msgspec.structs.replace(plain, commit="", skip=f"the {what} is gone")
    if not ref.startswith("refs/heads/"):
        # A tag may be an object of its own: the runner names the commit that it stands for. Nobody has to have merged it.
        return msgspec.structs.replace(plain, branch=plain.default_branch)
    branch = ref.removeprefix("refs/heads/")
    if plain.default_branch and branch != plain.default_branch:
        return msgspec.structs.replace(plain, commit=after, change=True, branch=plain.default_branch)
    before = payload.before or ""
    first = not before or _is_nothing(before)
    return msgspec.structs.replace(plain, commit=after, change=not first, against="" if first else before)


def _is_nothing(commit: str) -> bool:
    """GitHub writes zeros for no commit."""
    return not commit.strip("0")
