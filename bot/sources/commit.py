"""One commit of a repository, read from git's objects without a checkout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.names import RepoName
from bot.sources.base import Entry, LinkedError, MissingObjectError, State, Unseen
from bot.sources.git import Objects, git, read_objects, resolve_revision, settings_of

__all__ = ["Commit"]


class Commit:
    """The tree of a commit, or a folder in it (``prefix``, with a trailing slash)."""

    def __init__(self, where: Path, revision: str, *, prefix: str = "", named: bool = True) -> None:
        self._where = where
        self._prefix = prefix
        self._oids: dict[str, str] | None = None
        self._entries: list[Entry] = []
        self._objects = Objects(where)
        self.revision = resolve_revision(where, revision)
        self.label = f"{where} at {self.revision[:12]}"
        self.identity: RepoName | None = settings_of(where).identity if named else None
        self.folder: str | None = None

    def state(self) -> State:
        return State(f"{self.revision}:{self._prefix}".encode(errors="surrogateescape"))

    def entries(self) -> list[Entry]:
        if self._oids is not None:
            return self._entries
        below = ["--", self._prefix] if self._prefix else []  # a folder that the commit lacks is empty
        out = git(self._where, "ls-tree", "-r", "-z", "--full-tree", self.revision, *below)
        entries: list[Entry] = []
        for line in os.fsdecode(out).split("\0"):
            if not line:
                continue
            head, path = line.split("\t", 1)
            mode, kind, oid = head.split(" ")
            path = path.removeprefix(self._prefix)
            entries.append(
                Entry(
                    path,
                    oid,
                    "link" if mode == "120000" else "submodule" if kind == "commit" else "file",
                    mode == "100755",
                )
            )
        self._oids = {entry.path: entry.oid for entry in entries if entry.kind == "file"}
        self._entries = entries
        return entries

    def read(self, path: str) -> bytes:
        if self._oids is None:
            self.entries()
        oid = (self._oids or {}).get(path)
        data = self._objects.read(oid) if oid else None
        if data is None:
            linked = any(entry.path == path and entry.kind == "link" for entry in self._entries)
            raise (LinkedError if linked else MissingObjectError)(path)
        return data

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        if self._oids is None:
            self.entries()
        oids = self._oids or {}
        asked = list(paths)
        # A path that the commit lacks reads as a missing object.
        objects = read_objects(self._where, [oids.get(p, "0" * 40) for p in asked])
        try:
            yield from zip(asked, objects, strict=False)
        finally:
            objects.close()  # type: ignore[attr-defined]

    def head(self, path: str, size: int) -> bytes | None:
        return None

    def committed(self, path: str) -> bytes | None:
        return None

    def unseen(self) -> Unseen:
        return Unseen()

    def close(self) -> None:
        self._objects.close()
