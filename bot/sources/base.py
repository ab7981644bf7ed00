"""What every source of bytes offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from bot.names import RepoName

__all__ = ["MAX_FILE", "Entry", "LinkedError", "MissingObjectError", "Source", "State", "TooLargeError", "Unseen"]

# No reader accepts more; larger files are never brought into memory.
MAX_FILE = 100 * 1024 * 1024


class Entry(NamedTuple):
    """A tracked file, ``executable`` where git says that it may be run. ``oid`` is the blob id of exactly the bytes that `Source.read` gives, or empty when that is
    not known (a changed file, no git). ``kind`` is ``file``, ``link``, ``submodule``, or ``unreadable`` for a folder that
    cannot be listed."""

    path: str
    oid: str
    kind: str = "file"
    executable: bool = False


class Unseen(NamedTuple):
    """How many files are no entries: ``untracked`` lie here and git does not know them, ``absent`` are in HEAD and do not."""

    untracked: int = 0
    absent: int = 0


class TooLargeError(Exception):
    """A file beyond `MAX_FILE`."""


class MissingObjectError(Exception):
    """A file that git tracks and whose object or file is not there."""


class LinkedError(MissingObjectError):
    """A symbolic link: what it points to is not read."""


class State(NamedTuple):
    """What a source holds, in short: ``digest`` changes whenever what is tracked does, but for the content of the files
    in ``dirty``, which differ on disk from what git has."""

    digest: bytes
    dirty: tuple[str, ...] = ()


class Source(Protocol):
    """One repository's bytes. Paths are POSIX, relative to the root, undecodable bytes surrogate-escaped."""

    label: str
    revision: str
    identity: RepoName | None
    folder: str | None

    def state(self) -> State | None:
        """What it holds, in short, without a look at every file; None where nobody can say."""
        ...

    def entries(self) -> list[Entry]:
        """Everything that is tracked, always in the same order."""
        ...

    def read(self, path: str) -> bytes:
        """One file's bytes. Raises `MissingObjectError` (`LinkedError` for a symbolic link) or `TooLargeError`."""
        ...

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Many files' bytes, in the order asked; None for one that is missing or too large."""
        ...

    def head(self, path: str, size: int) -> bytes | None:
        """A file's first bytes as they stand on disk, without a look at the rest; None where that is no cheaper than `read`."""
        ...

    def committed(self, path: str) -> bytes | None:
        """A working tree's file as HEAD has it: empty bytes where HEAD lacks it, None where there is no HEAD to ask."""
        ...

    def unseen(self) -> Unseen:
        """What a person may have expected to be read. Costs a look at the whole folder."""
        ...

    def close(self) -> None:
        """End the processes behind it."""
        ...
