"""A list of repositories that was stopped in the middle, kept so that the next run goes on.

A file an owner and host, there only while its list is unfinished. JSON lines: a head with the salted mark of who asked, then a
page a line. It is good for a few hours and for the same credential alone: another token may see other repositories, and a list of
fewer would be a silent pass.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bot.github.inventory import RepoInfo

if TYPE_CHECKING:
    from bot.github.client import Client

__all__ = ["Listing"]

# GitHub gives new calls every hour.
_GOOD_FOR = 3 * 3600.0
_SCHEMA = 2  # 1 was in the order of names, where its cursors lead elsewhere


class _Head(msgspec.Struct, frozen=True):
    schema: int
    salt: str
    mark: str
    begun: float


class _Page(msgspec.Struct, frozen=True):
    repos: tuple[RepoInfo, ...]
    after: str


class Listing:
    """The state files of one folder."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now

    def kept(self, client: Client, owner: str) -> tuple[list[RepoInfo], str | None]:
        """What a stopped run had, and the cursor to go on after; nothing and None to begin anew."""
        try:
            head, *lines = self._file(client, owner).read_bytes().splitlines()
            first = msgspec.json.decode(head, type=_Head)
            pages = [msgspec.json.decode(line, type=_Page) for line in lines]
        except (OSError, ValueError, msgspec.MsgspecError):
            return [], None
        mine = first.schema == _SCHEMA and first.mark == client.mark(owner, first.salt)
        if not mine or not pages or not 0 <= self._now() - first.begun < _GOOD_FOR:
            return [], None
        return [info for page in pages for info in page.repos], pages[-1].after

    def keep(self, client: Client, owner: str, repos: Sequence[RepoInfo], after: str) -> None:
        """Add a page that others follow. Where nothing can be written, the next run merely begins anew."""
        file = self._file(client, owner)
        _, known = self.kept(client, owner)
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if known else os.O_TRUNC)
            with os.fdopen(os.open(file, flags, 0o600), "wb") as out:
                if not known:
                    salt = secrets.token_hex(8)
                    out.write(msgspec.json.encode(_Head(_SCHEMA, salt, client.mark(owner, salt), self._now())) + b"\n")
                out.write(msgspec.json.encode(_Page(tuple(repos), after)) + b"\n")
        except OSError:
            return

    def forget(self, client: Client, owner: str) -> None:
        """The list is finished: the next run lists anew."""
        self._file(client, owner).unlink(missing_ok=True)

    def _file(self, client: Client, owner: str) -> Path:
        safe = re.sub(r"[^a-z0-9._-]", "_", owner.lower())
        return self._folder / client.host.name / f"{safe}.jsonl"
