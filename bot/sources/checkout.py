"""A working tree under git: what git tracks, as it stands on disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.errors import RingfenceError
from bot.names import RepoName
from bot.sources.base import MAX_FILE, Entry, MissingObjectError, TooLargeError
from bot.sources.git import identity_of, read_objects, start

__all__ = ["Checkout", "read_beneath"]


def read_beneath(root: str, path: str) -> bytes:
    """A file below a root, following no symbolic link on the way. Raises `MissingObjectError`, `TooLargeError`."""
    full = f"{root}/{path}"
    try:
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise MissingObjectError(f"{path} is a symbolic link") from None
        raise MissingObjectError(f"{path}: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if status.st_size > MAX_FILE:
            raise TooLargeError(path)
        if "/" in path and os.path.realpath(full) != os.path.join(os.path.realpath(root), path):
            raise MissingObjectError(f"{path} lies behind a symbolic link")
        chunks = []
        while chunk := os.read(descriptor, 1 << 20):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError as error:
        raise MissingObjectError(f"{path}: {error.strerror}") from None
    finally:
        os.close(descriptor)


class Checkout:
    """A git work tree, or a folder in it (``prefix``).

    Unchanged files are read from git's objects, which is faster than the file system and gives exactly
    the bytes that their blob id stands for; changed ones from disk. With ``disk=True`` everything comes
    from disk and no blob id is given: for edits, whose offsets must hold on disk.
    """

    def __init__(self, top: Path, root: Path, *, disk: bool = False, named: bool = True) -> None:
        self._top = top
        self._root = str(root)
        self._disk = disk
        self._oids: dict[str, str] | None = None
        self.revision = ""
        self.label = str(root)
        self.identity: RepoName | None = identity_of(top) if named else None
        self.folder: str | None = root.name if named else None

    def entries(self) -> list[Entry]:
        listing = start(self._root, ["ls-files", "-s", "-z"])
        changed = start(self._root, ["diff-files", "--name-only", "--relative", "-z", "--ignore-submodules=all"])
        out, err = listing.communicate()
        names, _ = changed.communicate()
        if listing.returncode:
            raise RingfenceError(
                f"git ls-files: {err.decode(errors='replace').strip()}", where=self._root, remedy="Run git status here."
            )
        dirty = set(os.fsdecode(names).split("\0")) if names else set()
        entries: list[Entry] = []
        oids: dict[str, str] = {}
        for line in os.fsdecode(out).split("\0"):
            if not line:
                continue
            head, path = line.split("\t", 1)
            mode, oid, stage = head.split(" ")
            if mode == "120000":
                entries.append(Entry(path, oid, "link"))
            elif mode == "160000":
                entries.append(Entry(path, oid, "submodule"))
            elif path in dirty or stage != "0" or self._disk:
                # A conflicted path has several stages: its file on disk counts, once.
                if path not in oids:
                    oids[path] = ""
                    if os.path.lexists(f"{self._root}/{path}"):
                        entries.append(Entry(path, ""))
            else:
                oids[path] = oid
                entries.append(Entry(path, oid))
        self._oids = oids
        return entries

    def read(self, path: str) -> bytes:
        for _, data in self.read_many((path,)):
            if data is not None:
                return data
        return read_beneath(self._root, path)

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        if self._oids is None:
            self.entries()
        oids = self._oids or {}
        asked = list(paths)
        objects = read_objects(self._root, [oids[p] for p in asked if oids.get(p)])
        try:
            for path in asked:
                data = next(objects, None) if oids.get(path) else None
                if data is None:
                    # A partial clone lacks the object, the work tree has the file.
                    try:
                        data = read_beneath(self._root, path)
                    except (MissingObjectError, TooLargeError):
                        data = None
                yield path, data
        finally:
            objects.close()  # type: ignore[attr-defined]

    def committed(self, path: str) -> bytes | None:
        full = (Path(self._root) / path).relative_to(self._top).as_posix()
        process = start(self._top, ["cat-file", "blob", f"HEAD:{full}"])
        out, _ = process.communicate()
        return out if process.returncode == 0 else b""

    def close(self) -> None:
        return None
