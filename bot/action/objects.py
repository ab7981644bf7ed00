"""The commits that an event names, brought here, and which of them are judged, held against, and trusted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from bot.action.inputs import Address
from bot.errors import RingfenceError
from bot.event import Event
from bot.github.credentials import AppKey, Token, find_credential
from bot.github.hosts import home_host, host_of, host_variable
from bot.names import RepoName
from bot.sources.gather import Gathered, Remote

__all__ = ["Credentials", "Judged", "read_address", "resolve"]

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Credentials:
    """Who asks for what: the job's own token speaks on the pull request, an App (where there is one) reads elsewhere."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.host = home_host(environment)
        own = host_variable("RINGFENCE_TOKEN", self.host)
        given = {name: value for name, value in environment.items() if value}
        if given.get("RINGFENCE_TOKEN"):
            given.setdefault(own, given["RINGFENCE_TOKEN"])
        # An App whose key is a secret that this run was not given (a fork's) is none.
        if not given.get("RINGFENCE_APP_KEY") and not given.get("RINGFENCE_APP_KEY_FILE"):
            given.pop("RINGFENCE_APP_ID", None)
        # The two ways to look at it: with the App first, and with the job's token first.
        tokens = (own, "GH_TOKEN", "GITHUB_TOKEN")
        self._app_first = self._narrowed(given, lambda name: name not in tokens)
        self._token_first = self._narrowed(given, lambda name: not name.startswith("RINGFENCE_APP_"))

    def _narrowed(self, given: Mapping[str, str], keep: Callable[[str], bool]) -> Mapping[str, str]:
        """Part of the environment, if it still has a credential for our own host."""
        part = {name: value for name, value in given.items() if keep(name)}
        return part if find_credential(self.host, part) is not None else given

    def environment(self, *, app_first: bool) -> Mapping[str, str]:
        """The environment to make a client from."""
        return self._app_first if app_first else self._token_first

    def remote(self, repository: RepoName, *, app_first: bool) -> Remote:
        """Where git fetches a repository, and the header that lets it. Raises `RingfenceError`."""
        environment = self.environment(app_first=app_first)
        host = host_of(repository.host, environment)
        found = find_credential(repository.host, environment)
        token = found if isinstance(found, Token) else None
        if isinstance(found, AppKey):
            from bot.github.client import connect

            token = connect(repository.host, environment=environment).token(repository.owner)
        url = host.clone_url(repository.owner, repository.name)
        return Remote(name=repository, url=url, header=token.git_header() if token is not None else None)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Commits, all of them here. ``commit`` is judged; ``against`` is what it is held against, ``trusted`` the one whose policy and
    baseline count; empty: there is none, or the commit itself. ``bare``: there is none with a policy. ``notes`` say what is
    otherwise than it should be."""

    commit: str
    against: str = ""
    trusted: str = ""
    bare: bool = False
    notes: tuple[str, ...] = ()


def resolve(event: Event, gathered: Gathered, policies: Sequence[str]) -> Judged:
    """Bring the commits of an event here; ``policies`` are the paths that a policy may have. Raises `RingfenceError` where what
    is to be judged cannot be had."""
    judged = _resolved(event, gathered)
    if not judged.trusted or _has_any(gathered, judged.trusted, policies):
        return judged
    # Who opens a pull request chooses its base: one without a policy is no way around the one that the repository has.
    if event.default_branch not in ("", event.branch):
        tip = gathered.tip(f"refs/heads/{event.default_branch}")
        if _has_any(gathered, tip, policies):
            note = f"{event.branch} has no policy of its own: that of {event.default_branch} judges"
            return msgspec.structs.replace(judged, trusted=tip, notes=(*judged.notes, note))
    return msgspec.structs.replace(judged, bare=True)


def _has_any(gathered: Gathered, commit: str, paths: Sequence[str]) -> bool:
    # A link is no policy.
    return any(gathered.mode(commit, path).startswith("100") for path in paths)


def _resolved(event: Event, gathered: Gathered) -> Judged:
    if event.pull is not None and event.merge:
        return _of_pull(event, gathered)
    gathered.need(event.commit)
    trusted = gathered.tip(f"refs/heads/{event.branch}") if event.branch else ""
    if not event.change:
        return Judged(commit=event.commit, trusted=trusted)
    if not event.against:
        return Judged(
            commit=event.commit, against=gathered.merge_base(trusted, event.commit) or trusted, trusted=trusted
        )
    try:
        gathered.need(event.against)
    except RingfenceError:
        if event.branch:
            raise
        # A push over what was there: nobody has it any more.
        note = f"what was there before ({event.against[:12]}) is gone: everything is judged"
        return Judged(commit=event.commit, notes=(note,))
    return Judged(commit=event.commit, against=event.against, trusted=trusted)


def _of_pull(event: Event, gathered: Gathered) -> Judged:
    merge, parents = _merge(event, gathered)
    # One that does not merge as it is, is judged as its own last commit.
    commit, known = (merge, parents[0]) if merge else (event.commit, event.tip)
    gathered.need(commit, known)
    notes: tuple[str, ...] = ()
    try:
        trusted = gathered.tip(f"refs/heads/{event.branch}")
    except RingfenceError as error:
        trusted = known
        notes = (f"policy is that of {event.branch} at {known[:12]}: its tip cannot be had ({error.what})",)
    against = parents[0] if merge else gathered.merge_base(trusted, commit) or trusted
    return Judged(commit=commit, against=against, trusted=trusted, notes=notes)


def _merge(event: Event, gathered: Gathered) -> tuple[str, list[str]]:
    """The merge of the pull request's last commit into its base, with its parents; empty where there is none of it."""
    try:
        if _OID.fullmatch(event.merge):
            gathered.need(event.merge)
            merge = event.merge
        else:
            merge = gathered.tip(event.merge)
    except RingfenceError:
        return "", []
    parents = gathered.parents(merge)
    # One that GitHub made of an earlier head says nothing about this one.
    fits = len(parents) == 2 and event.pull is not None and parents[1] == event.pull.head
    return (merge, parents) if fits else ("", [])


def read_address(address: Address, credentials: Credentials, folder: Path) -> bytes:
    """A file in another repository. Raises `RingfenceError`."""
    gathered = Gathered(folder, credentials.remote(address.repository, app_first=True))
    ref = address.ref or "HEAD"
    commit = (
        gathered.tip(ref) if ref == "HEAD" or ref.startswith("refs/") or _OID.fullmatch(ref) else gathered.named(ref)
    )
    data = gathered.read(commit, address.path)
    if data is None:
        raise RingfenceError(
            f"there is no file {address.path}",
            where=f"{address.repository} at {ref}",
            remedy="Check the input: owner/repo@ref:path.",
        )
    return data
