"""From a list of repositories to bytes on disk: each one's mirror and commit, one after the other."""

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

__all__ = ["Copy", "NoCopy", "copies"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """A repository on disk: a bare ``git`` directory that holds ``revision``, which is ``info.head``."""

    info: RepoInfo
    git: Path
    revision: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NoCopy:
    """A repository that could not be had. ``reason`` is a stable code: a state of `RepoInfo`, or an error's ``kind``."""

    info: RepoInfo
    reason: str
    error: RingfenceError | None = None


def copies(
    infos: Iterable[RepoInfo], client_of: Callable[[str], Client], folder: Path, *, jobs: int = 4
) -> Iterator[Copy | NoCopy]:
    """Each repository's mirror, in the order given; some are fetched ahead, and no more than that is in memory.

    ``client_of`` gives a host's client. What is there already costs no request. One that moved between the list and the fetch is
    looked up again, once. An error of one repository is a `NoCopy`; a `GitHubError` of kind ``rate`` ends the run: what was
    fetched stays, and the next run goes on.
    """
    lock = Lock()  # the clients are not for many threads at once
    pending: deque[Future[Copy | NoCopy]] = deque()

    def fetch(info: RepoInfo) -> Copy:
        with lock:
            client = client_of(info.name.host)

        def header() -> str | None:
            with lock:
                token = client.token(info.name.owner)
            return token.git_header() if token else None

        url = client.host.clone_url(info.name.owner, info.name.name)
        return Copy(info=info, git=mirror(folder, info.name, url, info.head, header=header), revision=info.head)

    def again(info: RepoInfo) -> RepoInfo:
        with lock:
            (found,) = repositories_named(client_of(info.name.host), [info.name])
        return found

    def one(info: RepoInfo) -> Copy | NoCopy:
        try:
            if info.state != "ready":
                return NoCopy(info=info, reason=info.state)
            try:
                return fetch(info)
            except MirrorError as error:
                if error.kind not in ("head-moved", "moved", "not-found"):
                    raise
                info = again(info)
                if info.state != "ready":
                    return NoCopy(info=info, reason=info.state, error=error)
                return fetch(info)
        except GitHubError as error:
            if error.kind == "rate":
                raise
            return NoCopy(info=info, reason=error.kind, error=error)
        except MirrorError as error:
            return NoCopy(info=info, reason=error.kind, error=error)

    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="mirror")
    try:
        for info in infos:
            pending.append(pool.submit(one, info))
            if len(pending) > 2 * jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
