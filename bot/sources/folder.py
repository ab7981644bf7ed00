"""A plain folder without git, and a tree in memory (for the rules' own cases)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bot.names import RepoName
from bot.sources.base import Entry, MissingObjectError, TooLargeError, Unseen
from bot.sources.checkout import head_beneath, read_beneath

__all__ = ["Folder", "Memory"]

_SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", ".venv", "__pycache__"})


class Folder:
    """Every regular file below a folder, but not what package managers and version control put there."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self.revision = ""
        self.label = str(root)
        self.identity: RepoName | None = None
        self.folder: str | None = root.name

    def state(self) -> None:
        return None

    def entries(self) -> list[Entry]:
        entries: list[Entry] = []
        stack = [""]
        while stack:
            directory = stack.pop()
            try:
                children = list(os.scandir(os.path.join(self._root, directory)))
            except OSError:
                entries.append(Entry(directory, "", "unreadable"))
                continue
            for child in children:
                path = f"{directory}/{child.name}" if directory else child.name
                if child.is_symlink():
                    entries.append(Entry(path, "", "link"))
                elif child.is_dir(follow_symlinks=False):
                    if child.name not in _SKIPPED:
                        stack.append(path)
                elif child.is_file(follow_symlinks=False):
                    entries.append(Entry(path, ""))
        return sorted(entries)

    def read(self, path: str) -> bytes:
        return read_beneath(self._root, path)

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        for path in paths:
            try:
                yield path, read_beneath(self._root, path)
            except (MissingObjectError, TooLargeError):
                yield path, None

    def head(self, path: str, size: int) -> bytes | None:
        return head_beneath(self._root, path, size)

    def committed(self, path: str) -> bytes | None:
        return None

    def unseen(self) -> Unseen:
        return Unseen()

    def close(self) -> None:
        return None


class Memory:
    """A tree given as a mapping from path to bytes."""

    def __init__(
        self, files: Mapping[str, bytes], *, identity: RepoName | None = None, folder: str | None = None
    ) -> None:
        self._files = files
        self.revision = ""
        self.label = "memory"
        self.identity = identity
        self.folder = folder

    def state(self) -> None:
        return None

    def entries(self) -> list[Entry]:
        return [Entry(path, "") for path in sorted(self._files)]

    def read(self, path: str) -> bytes:
        try:
            return self._files[path]
        except KeyError:
            raise MissingObjectError(path) from None

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        for path in paths:
            yield path, self._files.get(path)

    def head(self, path: str, size: int) -> bytes | None:
        return self._files.get(path, b"")[:size]

    def committed(self, path: str) -> bytes | None:
        return None

    def unseen(self) -> Unseen:
        return Unseen()

    def close(self) -> None:
        return None
