"""What registries have said, kept between runs: one SQLite file, and tarballs beside it named by their hash.

A fact's age decides how it may be used. That an exact version exists hardly ever changes; whether it is deprecated
does; that something is *not* there changes at any moment. What a tarball of one hash holds never changes.
Whatever is wrong with the cache, a run is only slower for it: see `Cache.notices`.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bot.factcache import cache_directory
from bot.registry.integrity import Digest
from bot.rule import Absent, Latest, PackageFacts, Published, Released

__all__ = ["Cache", "CacheKey", "Entry", "Fact"]

Fact = Released | Absent | PackageFacts | Published | Latest

_DAY: Final = 86_400.0
_HOUR: Final = 3_600.0
_TYPES: Final[dict[str, type[Fact]]] = {
    kind.__name__: kind for kind in (Released, Absent, PackageFacts, Published, Latest)
}
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts_1 (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, fetched REAL NOT NULL, value BLOB NOT NULL
)"""
_KEYS_A_QUERY: Final = 900  # SQLite's oldest limit on parameters is 999
_ROWS_MAX: Final = 200_000
TARBALLS_MAX: Final = 2 * 1024**3


class CacheKey(NamedTuple):
    """One question to one registry. ``registry`` is its URL, or a word for the one that purl names.

    ``version`` is empty for a question about the whole package; ``kind`` is the question's type.
    """

    registry: str
    kind: str
    name: str
    version: str = ""

    def text(self) -> str:
        return "\n".join(self)


class Entry(NamedTuple):
    """A fact that was kept, and whether it is young enough to be used without asking again."""

    fact: Fact
    fresh: bool


def seconds_to_live(fact: Fact) -> float:
    """How long a fact stands without asking again.

    A `Released` stands for a day: its deprecation may be news, and some registries take a version back and publish it
    again. A `Published` is what a tarball of one hash holds, for ever; that its version has that hash is the `Released`'s fact.
    """
    if isinstance(fact, Absent):
        return 300.0
    if isinstance(fact, Published):
        return float("inf")
    if isinstance(fact, PackageFacts | Latest) or fact.mirrored:
        return _HOUR
    return _DAY


class Cache:
    """The facts file and the tarball folder under one directory; ``None`` keeps facts in memory alone.

    ``notices`` are sentences for the user (a damaged file moved aside, a folder that cannot be
    written); they are complete once a run is over. Several processes may use one directory at once.
    """

    def __init__(
        self,
        directory: Path | None,
        *,
        now: Callable[[], float] = time.time,
        tarballs_max: int = TARBALLS_MAX,
    ) -> None:
        self.notices: list[str] = []
        self._now = now
        self._tarballs_max = tarballs_max
        self._tarball_bytes: int | None = None
        self._directory = directory
        self._decoders = {name: msgspec.json.Decoder(kind) for name, kind in _TYPES.items()}
        self._connection = self._open()

    @classmethod
    def in_its_place(cls) -> Cache:
        """The cache in ``$RINGFENCE_CACHE`` or the platform's cache folder."""
        try:
            return cls(cache_directory())
        except RuntimeError:  # no home directory to be found
            cache = cls(None)
            cache.notices.append("there is no home directory: what the registry says is not kept between runs")
            return cache

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- facts -----------------------------------------------------------------------------

    def read(self, keys: Iterable[CacheKey]) -> dict[CacheKey, Entry]:
        """The entries of those keys that are there, fresh or not."""
        found: dict[CacheKey, Entry] = {}
        by_text = {key.text(): key for key in keys}
        texts = iter(by_text)
        now = self._now()
        try:
            while some := list(itertools.islice(texts, _KEYS_A_QUERY)):
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(
                    f"SELECT key, kind, fetched, value FROM facts_1 WHERE key IN ({marks})",  # noqa: S608
                    some,
                )
                for text, kind, fetched, value in rows:
                    try:
                        fact = self._decoders[kind].decode(value)
                    except (KeyError, msgspec.MsgspecError, ValueError):
                        continue  # written by another version of this program: asked again
                    # A clock that was set back makes nothing fresh for longer than it should be.
                    age = now - fetched
                    found[by_text[text]] = Entry(fact, -60.0 <= age < seconds_to_live(fact))
        except sqlite3.Error as error:
            self._failed(error)
        return found

    def write(self, items: Iterable[tuple[CacheKey, Fact]]) -> None:
        """Keep facts, as of now."""
        now = self._now()
        encode = msgspec.json.encode
        rows = [(key.text(), type(fact).__name__, now, encode(fact)) for key, fact in items]
        if not rows:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO facts_1 VALUES (?, ?, ?, ?)", rows)
            (count,) = self._connection.execute("SELECT count(*) FROM facts_1").fetchone()
            if count > _ROWS_MAX:
                self._connection.execute(
                    "DELETE FROM facts_1 WHERE rowid IN (SELECT rowid FROM facts_1 ORDER BY fetched LIMIT ?)",
                    (count - _ROWS_MAX * 3 // 4,),
                )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._failed(error)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # -- tarballs --------------------------------------------------------------------------

    def tarball(self, digest: Digest) -> bytes | None:
        """A tarball that was kept, its hash checked again; None when there is none."""
        place = self._tarball_place(digest)
        if place is None:
            return None
        try:
            data = place.read_bytes()
            if not digest.matches(data):
                place.unlink(missing_ok=True)
                return None
            os.utime(place)  # the oldest used goes first
        except OSError:
            return None
        return data

    def keep_tarball(self, digest: Digest, data: bytes) -> None:
        """Keep a tarball whose hash has been checked; the oldest used go when there is too much."""
        place = self._tarball_place(digest)
        if place is None or len(data) > self._tarballs_max:
            return
        import tempfile

        try:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(temporary, place)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise
            self._make_room(place.parent, len(data))
        except OSError:
            return  # a full or read-only disk: the tarball is fetched again next time

    def _make_room(self, folder: Path, added: int) -> None:
        if self._tarball_bytes is not None:
            self._tarball_bytes += added
            if self._tarball_bytes <= self._tarballs_max:
                return
        kept: list[tuple[float, int, str]] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except FileNotFoundError:  # another process made room at the same moment
                    continue
                # What another process is writing now is let be; what a dead one left behind is not.
                if not entry.name.startswith(".new-") or time.time() - status.st_mtime > _HOUR:
                    kept.append((status.st_mtime, status.st_size, entry.path))
        total = sum(size for _, size, _ in kept)
        if total > self._tarballs_max:
            for _, size, path in sorted(kept):
                Path(path).unlink(missing_ok=True)
                total -= size
                if total <= self._tarballs_max * 9 // 10:
                    break
        self._tarball_bytes = total

    def _tarball_place(self, digest: Digest) -> Path | None:
        return None if self._directory is None else self._directory / "tarballs" / f"{digest.file_name()}.tgz"

    # -- the file --------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        if self._directory is not None:
            try:
                self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                return self._open_file(self._directory / "registry.sqlite")
            except (OSError, sqlite3.Error) as error:
                self._no_directory(error)
        return _connect(":memory:")

    def _open_file(self, file: Path) -> sqlite3.Connection:
        try:
            return _connect(file)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self._move_aside(file)
            return _connect(file)

    def _move_aside(self, file: Path) -> None:
        """A damaged file goes out of the way under a name of its own, in case somebody wants to look at it."""
        aside = file.with_name(f"{file.name}.damaged-{hashlib.sha256(os.urandom(8)).hexdigest()[:8]}")
        os.replace(file, aside)
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        self.notices.append(f"the registry cache was damaged: it is now {aside.name}, and a new one was made")

    def _no_directory(self, error: Exception) -> None:
        self.notices.append(f"the registry cache cannot be used ({error}): nothing is kept between runs")
        self._directory = None

    def _failed(self, error: sqlite3.Error) -> None:
        """After an error while in use: a damaged file is made anew, anything else is left for memory."""
        self._connection.close()
        file = self._directory / "registry.sqlite" if self._directory is not None else None
        if file is not None and not isinstance(error, sqlite3.OperationalError):
            try:
                self._move_aside(file)
                self._connection = _connect(file)
            except (OSError, sqlite3.Error):
                pass
            else:
                return
        self._no_directory(error)
        self._connection = _connect(":memory:")


def _connect(file: Path | str) -> sqlite3.Connection:
    """Open, wait for others, make the table. Raises `sqlite3.Error`."""
    connection = sqlite3.connect(file, timeout=10.0, isolation_level=None)
    try:
        for attempt in itertools.count():
            try:
                # Turning WAL on needs the file for oneself, and SQLite does not wait for that.
                connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if attempt == 100 or "locked" not in str(error):
                    raise
                time.sleep(0.01)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
