"""Where the files of a base went, so that what was found there is known again."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Moves"]


class Moves:
    """Renamed files, old path -> new path, and what they say of their folders."""

    def __init__(self, renamed: Mapping[str, str]) -> None:
        self._renamed = renamed
        votes: dict[str, dict[str, int]] = {}
        for old, new in renamed.items():
            # While the ends of both paths agree, so do their folders: a/b/x -> c/b/x moves a/b and a.
            left, right = old, new
            while left and right and left.rpartition("/")[2] == right.rpartition("/")[2]:
                left, right = left.rpartition("/")[0], right.rpartition("/")[0]
                if left and left != right:
                    said = votes.setdefault(left, {})
                    said[right] = said.get(right, 0) + 1
        self._folders = {old: max(said, key=lambda new: (said[new], new)) for old, said in votes.items()}

    def path(self, path: str) -> str:
        """Where a file is now; where it was, if it did not move."""
        return self._renamed.get(path, path)

    def text(self, text: str) -> str:
        """A finding's subject as it would be now: a path, or what begins with a folder that moved."""
        if text in self._renamed:
            return self._renamed[text]
        folder = text
        while folder:
            if folder in self._folders:
                return self._folders[folder] + text[len(folder) :]
            folder = folder.rpartition("/")[0]
        return text
