"""From a list of repositories to bytes on disk: each one's mirror and commit, one at a time or some ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from bot.errors import RingfenceError
from bot.github.errors import GitHubError
from bot.github.inventory import RepoInfo, repositories_named
from bot.sources.mirror import MirrorError, mirror

if TYPE_CHECKING:
    from bot.github.client import Client

__all__ = ["Copy", "Mirrors", "NoCopy", "copies"]

# What may be because the repository is another than when it was listed: it is looked up again.
_MOVED = ("head-moved", "moved", "not-found")


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """A repository on disk: a bare ``git`` directory that holds ``revision``, which is ``info.head``.

    ``info`` is newer than the one that was asked for where the repository moved in between.
    """

    info: RepoInfo
    git: Path
    revision: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NoCopy:
    """A repository that could not be had. ``reason`` is a stable code: a state of `RepoInfo`, or an error's ``kind``."""

    info: RepoInfo
    reason: str
    error: RingfenceError | None = None


class Mirrors:
    """Mirrors in a folder, from any host: ``client_of`` gives a host's client. May be used by several threads."""

    def __init__(self, client_of: Callable[[str], Client], folder: Path) -> None:
        self._client_of = client_of
        self._folder = folder
        self._lock = Lock()  # the clients are not for many threads at once

    def copy(self, info: RepoInfo) -> Copy | NoCopy:
        """One repository's mirror; nothing is asked of anybody where it is there already.

        One that moved since it was listed is looked up again, once. Raises `GitHubError` of kind ``rate`` alone: what was fetched
        stays, and the next run goes on.
        """
        try:
            if info.state != "ready":
                return NoCopy(info=info, reason=info.state)
            try:
                return self._fetch(info)
            except MirrorError as error:
                if error.kind not in _MOVED:
                    raise
                info = self._again(info)
                if info.state != "ready":
                    return NoCopy(info=info, reason=info.state, error=error)
                return self._fetch(info)
        except GitHubError as error:
            if error.kind == "rate":
                raise
            return NoCopy(info=info, reason=error.kind, error=error)
        except MirrorError as error:
            return NoCopy(info=info, reason=error.kind, error=error)

    def _fetch(self, info: RepoInfo) -> Copy:
        client = self._client(info)
        url = client.host.clone_url(info.name.owner, info.name.name)

        def header() -> str | None:
            with self._lock:
                token = client.token(info.name.owner)
            return token.git_header() if token else None

        return Copy(info=info, git=mirror(self._folder, info.name, url, info.head, header=header), revision=info.head)

    def _again(self, info: RepoInfo) -> RepoInfo:
        client = self._client(info)
        with self._lock:
            (found,) = repositories_named(client, [info.name])
        return found

    def _client(self, info: RepoInfo) -> Client:
        with self._lock:
            return self._client_of(info.name.host)


def copies(infos: Iterable[RepoInfo], mirrors: Mirrors, *, jobs: int = 4) -> Iterator[Copy | NoCopy]:
    """Each repository's mirror, in the order given. Some are fetched ahead, and no more than that is in memory."""
    pending: deque[Future[Copy | NoCopy]] = deque()
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="mirror")
    try:
        for info in infos:
            pending.append(pool.submit(mirrors.copy, info))
            if len(pending) > 2 * jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
