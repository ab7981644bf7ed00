"""Shallow bare mirrors of repositories on a forge: one commit each, fetched by its id, and nothing when it is there.

A token reaches git through its environment, bound to the one address, and is neither in an argument nor on disk. git runs
without hooks, credential helpers, prompts, redirects and the user's rewriting of addresses.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot.errors import RingfenceError
from bot.names import RepoName
from bot.sources.git import configured, start

__all__ = ["MirrorError", "fetch", "mirror"]

_REF = "refs/ringfence/head"
# Each fetch leaves a pack; a mirror with many is made anew instead of packed anew.
_PACKS_MAX = 40
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*|\.[A-Za-z0-9_-][A-Za-z0-9._-]*")
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class MirrorError(RingfenceError):
    """A commit that could not be fetched. ``kind``: ``credentials``, ``rights``, ``not-found``, ``moved``, ``head-moved``,
    ``rate``, ``server``, ``timeout``, ``unreachable``, ``failed``."""

    def __init__(self, kind: str, what: str, *, remedy: str) -> None:
        super().__init__(what, remedy=remedy)
        self.kind = kind


def mirror(
    folder: Path,
    name: RepoName,
    url: str,
    commit: str,
    *,
    header: Callable[[], str | None] = lambda: None,
    stall: int = 60,
) -> Path:
    """The bare repository that holds this commit with all its files; fetched when it is not there yet.

    ``folder`` holds all mirrors; ``header`` gives the Authorization header's line when something has to be fetched; ``stall``:
    seconds without progress after which the fetch ends. Two runs do not meet: the second waits, and finds what the first
    brought. Raises `MirrorError`.
    """
    if not all(_PART.fullmatch(part) for part in name) or not _OID.fullmatch(commit):
        raise RingfenceError(f"{name} at {commit} is no repository's commit", remedy="Check the name.")
    path = folder.joinpath(*name.key()[:2], f"{name.key()[2]}.git")
    if _head(path) == commit:
        return path
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(path):
        if _head(path) != commit:
            _prepare(path)
            _fetch(path, name, url, commit, header(), stall)
    return path


def _head(path: Path) -> str | None:
    try:
        return (path / _REF).read_text().strip()
    except OSError:
        return None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _prepare(path: Path) -> None:
    """An empty bare repository where there is none, or one with too many packs."""
    packs = path / "objects/pack"
    if packs.is_dir() and sum(1 for entry in os.scandir(packs) if entry.name.endswith(".pack")) < _PACKS_MAX:
        return
    shutil.rmtree(path, ignore_errors=True)
    # What `git init --bare` makes of an empty template: no hooks, and no address of anything.
    for part in ("objects/info", "objects/pack", "refs/heads"):
        (path / part).mkdir(parents=True, exist_ok=True)
    (path / "HEAD").write_text("ref: refs/heads/none\n")
    (path / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n[gc]\n\tauto = 0\n")


def _fetch(path: Path, name: RepoName, url: str, commit: str, header: str | None, stall: int) -> None:
    fetch(path, name, url, [f"+{commit}:{_REF}"], header=header, stall=stall)
    if _head(path) != commit:
        raise MirrorError("failed", f"git did not bring {name} at {commit}", remedy="Run again.")


def fetch(
    path: Path,
    name: RepoName,
    url: str,
    refspecs: Sequence[str],
    *,
    header: str | None = None,
    depth: int = 1,
    stall: int = 60,
) -> None:
    """Fetch into a bare repository of ours, no deeper than ``depth``. Raises `MirrorError`."""
    arguments = [
        "-c", "protocol.https.allow=always",
        # Only where the address itself is plain: a host of a test on this machine.
        *(("-c", "protocol.http.allow=always") if url.startswith("http:") else ()),
        "-c", "protocol.version=2",
        "-c", "credential.helper=",
        "-c", "core.askPass=",
        "-c", "http.followRedirects=false",
        "-c", f"http.lowSpeedTime={stall}",
        "-c", "http.lowSpeedLimit=1",
        "-c", "maintenance.auto=false",
        "fetch", "--quiet", f"--depth={depth}", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
        "--no-recurse-submodules", "--", url, *refspecs,
    ]  # fmt: skip
    process = start(path, arguments, environment=_environment(url, header))
    _, err = process.communicate()
    if process.returncode:
        raise _error(name, url, err.decode(errors="replace"), header is not None, stall)


def _environment(url: str, header: str | None) -> Mapping[str, str]:
    """What git needs beside its arguments. The address maps to itself: the longest match wins over the user's ``insteadOf``."""
    settings = [(f"url.{url}.insteadOf", url), (f"http.{url}.extraHeader", "")]
    if header is not None:
        settings.append((f"http.{url}.extraHeader", header))
    # A company's certificates are named here for git alone.
    certificates = {k: v for k, v in os.environ.items() if k in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")}
    return {**configured(settings), **certificates}


def _error(name: RepoName, url: str, words: str, token: bool, stall: int) -> MirrorError:
    """git's words (in C's locale) as one of ours."""
    status = re.search(r"returned error: (\d+)", words)
    code = int(status[1]) if status else 0
    if code in (301, 302, 307, 308):
        return MirrorError("moved", f"{name} has another name now", remedy="Name it by its new name.")
    if code == 401 or "Authentication failed" in words or "could not read Username" in words:
        if token:
            return MirrorError("credentials", f"git may not fetch {name} with the token", remedy="Set a valid one.")
        return MirrorError("credentials", f"git needs a token to fetch {name}", remedy=f"Set one for {name.host}.")
    if code == 403:
        return MirrorError("rights", f"the token may not fetch {name}", remedy="Give it the permission contents: read.")
    if code == 404 or "not found" in words:
        return MirrorError(
            "not-found", f"{name} is not there, or the token may not see it", remedy="Check its name and the token."
        )
    if "not our ref" in words or "unadvertised object" in words or "remote ref" in words:
        return MirrorError(
            "head-moved", f"{name} no longer has the commit that was listed", remedy="Run again: it moved meanwhile."
        )
    if code == 429:
        return MirrorError(
            "rate", f"{name.host} wants no more fetches for now", remedy="Run again later: what is done is kept."
        )
    if code >= 500:
        return MirrorError("server", f"{name.host} answered {code} when git fetched {name}", remedy="Run again later.")
    if "too slow" in words or "timed out" in words:
        return MirrorError(
            "timeout",
            f"fetching {name} made no progress for {stall} s",
            remedy="Run again; if it stays, look at the network.",
        )
    if any(
        each in words
        for each in ("resolve host", "Failed to connect", "Couldn't connect", "Empty reply", "SSL", "reset")
    ):
        return MirrorError(
            "unreachable", f"git cannot reach {name.host} for {name}", remedy="Check the network and HTTPS_PROXY."
        )
    last = (words.strip().splitlines() or ["it gave no reason"])[-1].removeprefix("fatal: ").replace(url, str(name))
    return MirrorError(
        "failed", f"git could not fetch {name}: {last[:200]}", remedy="Run again; if it stays, report it."
    )
