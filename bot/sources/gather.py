"""Commits of a repository on a forge, gathered into a bare repository of our own.

What a checkout on this machine has is borrowed (git's alternates), what it lacks is fetched by commit id, no deeper than it must be:
the checkout itself is neither read as files nor changed. A token goes to git through its environment, never into an
argument or a file.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bot.errors import RingfenceError
from bot.sources.git import git, repository_of

__all__ = ["Gathered", "Remote", "borrowable"]

# From shallow to everything: histories that fork far back are rare, and deep ones slow to fetch.
_DEPTHS = (50, 1_000, 2_147_483_647)
_ATTEMPTS = 3
_AGAIN = re.compile(r"\b(?:50[0234]|429)\b|timed out|timeout|early EOF|reset by peer|unexpected disconnect|RPC failed")


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A repository's address for git (``https://host/owner/name.git``), and the header that lets it be read, if any."""

    url: str
    header: str = field(default="", repr=False)

    def environment(self) -> Mapping[str, str]:
        """What lets git reach this address alone, with the header in its environment."""
        parts = urlsplit(self.url)
        settings = [
            (f"protocol.{parts.scheme}.allow", "always"),
            ("credential.helper", ""),  # nobody is asked, and no program of the user's
            ("http.lowSpeedLimit", "1000"),
            ("http.lowSpeedTime", "60"),
        ]
        if self.header:
            settings.append((f"http.{parts.scheme}://{parts.netloc}/.extraHeader", self.header))
        environment = {"GIT_CONFIG_COUNT": str(len(settings))}
        for index, (key, value) in enumerate(settings):
            environment |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
        return environment


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
        """A file of a commit; None where it has none of that name."""
        try:
            return git(self.path, "cat-file", "blob", f"{commit}:{path}")
        except RingfenceError:
            return None

    def holds(self, commit: str, folder: str) -> bool:
        """Whether a commit has a folder of that name."""
        try:
            return git(self.path, "cat-file", "-t", f"{commit}:{folder}") == b"tree\n"
        except RingfenceError:
            return False

    def _fetch(self, refspecs: Sequence[str], depth: int) -> None:
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance"]
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                git(
                    self.path,
                    "fetch",
                    *options,
                    f"--depth={depth}",
                    "--end-of-options",
                    self._remote.url,
                    *refspecs,
                    environment=self._remote.environment(),
                )
            except RingfenceError as error:
                if attempt < _ATTEMPTS and _AGAIN.search(error.what):
                    time.sleep(attempt)
                    continue
                raise _said(error, self._remote) from None
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


def _said(error: RingfenceError, remote: Remote) -> RingfenceError:
    """Git's words about a fetch, with what to do."""
    words = error.what
    if "could not read Username" in words or "Authentication failed" in words or "403" in words:
        what = "the token may not read it" if remote.header else "it cannot be read without a token"
        remedy = "Give the Action a token with `contents: read` there."
    elif "not found" in words:
        what, remedy = "there is no such repository, or the token may not see it", "Check its name and the token."
    elif "couldn't find remote ref" in words:
        what = f"{words.rpartition(' ')[2]} is not there any more"
        remedy = "It may have been deleted or renamed during the run: run it again."
    elif "not our ref" in words or "unadvertised object" in words:
        what, remedy = "a commit is not there any more", "The branch may have been pushed over: run it again."
    else:
        what, remedy = f"it could not be fetched: {words}", "Run it again."
    return RingfenceError(what, where=remote.url, remedy=remedy)
