"""Commits of a repository on a forge, gathered into a bare repository of our own.

What a checkout on this machine has is borrowed (git's alternates), what it lacks is fetched by commit id, no deeper than it must
be: the checkout itself is neither read as files nor changed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bot.errors import RingfenceError
from bot.names import RepoName
from bot.sources.git import Objects, git, repository_of
from bot.sources.mirror import MirrorError, fetch

__all__ = ["Gathered", "Remote", "borrowable"]

# From shallow to everything: histories that fork far back are rare, and deep ones slow to fetch.
_DEPTHS = (50, 1_000, 2_147_483_647)
_ATTEMPTS = 3


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """A repository, its address for git, and the Authorization header's line that lets it be read, if any."""

    name: RepoName
    url: str
    header: str | None = None

    def __repr__(self) -> str:
        return f"Remote({self.url})"


class Gathered:
    """A bare repository in a folder of ours, filled from one remote."""

    def __init__(self, folder: Path, remote: Remote, *, borrow: Path | None = None) -> None:
        self.path = folder
        self._remote = remote
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "--quiet", "--bare", "--template=", ".")
        # Who it is: reports name the repository by this address.
        git(folder, "config", "remote.origin.url", remote.url)
        if borrow is not None:
            self._borrow(borrow)

    def _borrow(self, checkout: Path) -> None:
        common = Path(
            os.fsdecode(git(checkout, "rev-parse", "--path-format=absolute", "--git-common-dir").rstrip(b"\n"))
        )
        (self.path / "objects/info/alternates").write_bytes(os.fsencode(common / "objects") + b"\n")
        shallow = common / "shallow"
        if shallow.is_file():
            (self.path / "shallow").write_bytes(shallow.read_bytes())
        try:
            # So that a fetch can say what is here already.
            head = git(checkout, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
            git(self.path, "update-ref", "refs/ringfence/borrowed", head)
        except RingfenceError:
            return

    def has(self, commit: str) -> bool:
        """Whether a commit is here."""
        try:
            git(self.path, "cat-file", "-e", f"{commit}^{{commit}}")
        except RingfenceError:
            return False
        return True

    def parents(self, commit: str) -> list[str]:
        """A commit's parents as it says them itself, here or not."""
        head, _, _ = git(self.path, "cat-file", "commit", commit).partition(b"\n\n")
        return [line[7:].decode() for line in head.split(b"\n") if line.startswith(b"parent ")]

    def need(self, *commits: str) -> None:
        """Bring commits here, without their history. Raises `RingfenceError`."""
        lacking = [commit for commit in dict.fromkeys(commits) if commit and not self.has(commit)]
        if lacking:
            self._fetch([f"{commit}:refs/ringfence/{commit}" for commit in lacking], 1)

    def tip(self, ref: str, *, depth: int = 1) -> str:
        """Bring a ref (``refs/heads/main``, or a commit) here as it is at the remote now; its commit."""
        mine = f"refs/ringfence/{hashlib.sha256(os.fsencode(ref)).hexdigest()}"
        self._fetch([f"+{ref}:{mine}"], depth)
        return git(self.path, "rev-parse", "--verify", f"{mine}^{{commit}}").decode().strip()

    def named(self, name: str) -> str:
        """The commit of a branch or a tag, by its short name. Raises `RingfenceError` for a name that both have: git would
        take the tag."""
        found = [tip for kind in ("heads", "tags") if (tip := self._tip_if_any(f"refs/{kind}/{name}"))]
        if len(found) != 1:
            what = "is a branch and a tag" if found else "is no branch and no tag there"
            remedy = f"Write refs/heads/{name} or refs/tags/{name}." if found else "Name a branch, a tag or a commit."
            raise RingfenceError(f"{name!r} {what}", where=str(self._remote.name), remedy=remedy)
        return found[0]

    def _tip_if_any(self, ref: str) -> str:
        try:
            return self.tip(ref)
        except MirrorError as error:
            if error.kind != "head-moved":
                raise
            return ""

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits, fetching as much history as that takes; None where there is none."""
        for depth in (0, *_DEPTHS):
            if depth:
                self._fetch([f"+{commit}:refs/ringfence/{commit}" for commit in dict.fromkeys((one, other))], depth)
            try:
                return git(self.path, "merge-base", one, other).decode().split()[0]
            except (RingfenceError, IndexError):
                if not (self.path / "shallow").is_file():
                    return None
        return None

    def read(self, commit: str, path: str) -> bytes | None:
        """A file of a commit; None where it has none of that name, or one beyond all bounds."""
        objects = Objects(self.path)
        try:
            return objects.read(f"{commit}:{path}")
        finally:
            objects.close()

    def mode(self, commit: str, path: str) -> str:
        """What a path is in a commit, as git writes it: ``100644`` and ``100755`` are files, ``120000`` is a link; empty for nothing."""
        listed = git(
            self.path, "ls-tree", "-z", "--end-of-options", commit, path, environment={"GIT_LITERAL_PATHSPECS": "1"}
        )
        return listed.partition(b" ")[0].decode()

    def holds(self, commit: str, folder: str) -> bool:
        """Whether a commit has a folder of that name."""
        try:
            return git(self.path, "cat-file", "-t", f"{commit}:{folder}") == b"tree\n"
        except RingfenceError:
            return False

    def _fetch(self, refspecs: Sequence[str], depth: int) -> None:
        remote = self._remote
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                fetch(self.path, remote.name, remote.url, refspecs, header=remote.header, depth=depth)
            except MirrorError as error:
                if attempt == _ATTEMPTS or error.kind not in ("server", "timeout", "unreachable"):
                    raise
                time.sleep(attempt)
            else:
                return


def borrowable(checkout: Path) -> Path | None:
    """The top of a checkout whose objects are all there; None for a folder outside git and for a partial clone."""
    try:
        top = repository_of(checkout)
    except RingfenceError:  # somebody else's: fetching anew is as good
        return None
    if top is None:
        return None
    try:
        git(top, "config", "--get-regexp", r"^remote\..*\.promisor$")
    except RingfenceError:
        return top
    return None
