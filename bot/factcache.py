"""Facts kept between runs: a function of blob id, reader and its version, and what was looked for. Nothing else."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

__all__ = ["FactCache", "cache_directory", "mirror_directory", "reader_version"]

_SNAPSHOTS_KEPT = 20_000
_SNAPSHOT_BYTES = 256 * 1024**2
_ROWS_KEPT = 200_000


def cache_directory() -> Path:
    """``$RINGFENCE_CACHE``, else the platform's cache folder."""
    named = os.environ.get("RINGFENCE_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    usual = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return (Path(base) if base else Path.home() / usual) / "ringfence"


def mirror_directory() -> Path:
    """``$RINGFENCE_MIRRORS``, else a folder beside the cache's: mirrors hold whole repositories, private ones too, and workflows give
    the cache's folder to a cache that others can read."""
    return Path(os.environ.get("RINGFENCE_MIRRORS") or f"{os.path.abspath(cache_directory())}-mirrors")


@lru_cache(maxsize=64)
def reader_version(*folders: str) -> str:
    """A short digest that changes whenever a reader's code does: name, size and time of each of its files."""
    here = os.path.dirname(__file__)
    parts: list[str] = []
    for folder in folders:
        with os.scandir(os.path.join(here, folder)) as children:
            for child in children:
                if child.name.endswith(".py"):
                    status = child.stat()
                    parts.append(f"{folder}/{child.name}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]


class FactCache:
    """A SQLite file of facts. Whatever goes wrong with it, it is only slower: a run never fails for its cache."""

    def __init__(self, path: Path | None) -> None:
        self._connection: sqlite3.Connection | None = None
        self._kept_new = False
        if path is None:
            return
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = self._connect(path / "facts.sqlite")
        except (OSError, sqlite3.Error):
            self._connection = None

    @staticmethod
    def _connect(file: Path) -> sqlite3.Connection | None:
        for attempt in (0, 1):
            try:
                connection = sqlite3.connect(file, timeout=5.0, isolation_level=None)
                # Values of some kilobytes: larger pages, and a table of their own beside the keys, take a third of the time.
                connection.execute("PRAGMA page_size=16384")
                connection.execute("PRAGMA synchronous=OFF")
                connection.execute("CREATE TABLE IF NOT EXISTS facts (key BLOB PRIMARY KEY, value BLOB)")
                connection.execute("CREATE TABLE IF NOT EXISTS snapshots (key BLOB PRIMARY KEY, used REAL, value BLOB)")
            except sqlite3.OperationalError:
                return None  # another process has it, or the folder cannot be written: no reason to take it away
            except sqlite3.DatabaseError:
                # A damaged file is no loss: everything in it can be had again.
                if attempt:
                    return None
                file.unlink(missing_ok=True)
            else:
                return connection
        return None

    @property
    def is_kept(self) -> bool:
        """Whether anything is remembered at all."""
        return self._connection is not None

    def get_many(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The values of those keys that are there."""
        found: dict[bytes, bytes] = {}
        if self._connection is None:
            return found
        wanted = list(keys)
        try:
            for begin in range(0, len(wanted), 500):
                some = wanted[begin : begin + 500]
                marks = ",".join("?" * len(some))
                found.update(self._connection.execute(f"SELECT key, value FROM facts WHERE key IN ({marks})", some))  # noqa: S608
        except sqlite3.Error:
            return found
        return found

    def put_many(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep values. Rows beyond a bound are dropped all at once: they are cheap to make again."""
        if self._connection is None:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            (count,) = self._connection.execute("SELECT count(*) FROM facts").fetchone()
            if count > _ROWS_KEPT:
                self._connection.execute("DELETE FROM facts")
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", items)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._rollback()

    def snapshot(self, key: bytes) -> bytes | None:
        """One repository's last scan."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT value FROM snapshots WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error:
            return None
        return row[0] if row else None

    def put_snapshot(self, key: bytes, value: bytes) -> None:
        """Keep one repository's scan. When the cache is closed, the oldest go if there is too much."""
        if self._connection is None:
            return
        try:
            self._connection.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (key, time.time(), value))
            self._kept_new = True
        except sqlite3.Error:
            self._rollback()

    def _prune(self) -> None:
        """Let the oldest snapshots go, beyond a number of them and of their bytes."""
        if self._connection is None:
            return
        try:
            self._connection.execute(
                "DELETE FROM snapshots WHERE key IN (SELECT key FROM (SELECT key, row_number() OVER newest AS number, "
                "sum(length(value)) OVER newest AS bytes FROM snapshots WINDOW newest AS (ORDER BY used DESC, key)) "
                "WHERE number > ? OR bytes > ?)",
                (_SNAPSHOTS_KEPT, _SNAPSHOT_BYTES),
            )
        except sqlite3.Error:
            self._rollback()

    def _rollback(self) -> None:
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._connection = None

    def close(self) -> None:
        """Close the file."""
        if self._kept_new:
            self._prune()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
