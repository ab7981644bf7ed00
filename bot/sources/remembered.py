"""A commit whose listing is remembered: judged again without a process, a clone or an object where nothing else is new.

What is remembered is a function of the commit (the listing) or of blobs (a few files' bytes, places in files): today's
policy and registry judge it anew each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from bot.factcache import FactCache, reader_version
from bot.model import Location
from bot.names import RepoName
from bot.sources.base import Entry, MissingObjectError, Source

__all__ = ["Remembered", "Spot"]

# Files that are read each time, whatever else is known: small ones.
_KEPT_MAX = 64 * 1024


class Spot(NamedTuple):
    """Where something stands in a file: its location, the text of its first line, the bytes that it spans."""

    location: Location
    line: str = ""
    span: tuple[int, int] | None = None


class _Memory(msgspec.Struct, array_like=True):
    """What is kept of one repository. ``texts`` are the bytes of small files by blob id; ``spots`` places by blob and place."""

    revision: str = ""
    entries: list[Entry] = []
    texts: dict[str, bytes] = {}
    spots: dict[str, Spot] = {}


class Remembered:
    """One commit of a repository as a `Source`. ``open_source`` is called when bytes are needed that are not remembered.

    ``label`` names the repository, whatever its commit: the cache keeps one memory a label. ``kept`` are paths of small files
    whose bytes are remembered too. ``unchanged`` says that the commit is the one of last time.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        cache: FactCache,
        *,
        label: str,
        revision: str,
        identity: RepoName | None,
        folder: str | None,
        kept: Iterable[str] = (),
    ) -> None:
        self.label = label
        self.revision = revision
        self.identity = identity
        self.folder = folder
        self._open = open_source
        self._source: Source | None = None
        self._cache = cache
        self._kept = frozenset(kept)
        self._key = hashlib.sha256(f"memory\0{label}".encode(errors="surrogateescape")).digest()
        self._version = reader_version("readers", "facts")
        self._memory = self._recall()
        self._listed = self._memory.revision == revision
        self._oids: dict[str, str] | None = None
        self._changed = not self._listed
        self._spots: dict[str, Spot] = {}
        self._texts: dict[str, bytes] = {}
        self.unchanged = self._listed

    def _recall(self) -> _Memory:
        raw = self._cache.snapshot(self._key)
        if raw is None:
            return _Memory()
        try:
            return msgspec.msgpack.decode(raw, type=_Memory)
        except (msgspec.MsgspecError, TypeError):  # whatever stands there, it can be had again
            return _Memory()

    # -- a source ----------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        if not self._listed:
            self._memory.entries = self._opened().entries()
            self._listed = True
        return self._memory.entries

    def read(self, path: str) -> bytes:
        oid = self.oid(path)
        if oid is None:
            raise MissingObjectError(path)
        if path not in self._kept:
            return self._opened().read(path)
        data = self._texts.get(oid, self._memory.texts.get(oid))
        if data is None:
            data = self._opened().read(path)
            self._changed = True
        if len(data) <= _KEPT_MAX:
            self._texts[oid] = data
        return data

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        asked = list(paths)
        return self._opened().read_many(asked) if asked else iter(())

    def committed(self, path: str) -> bytes | None:
        return None

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def oid(self, path: str) -> str | None:
        """The blob id of a file of the commit."""
        if self._oids is None:
            self._oids = {entry.path: entry.oid for entry in self.entries() if entry.kind == "file"}
        return self._oids.get(path)

    def _opened(self) -> Source:
        if self._source is None:
            self._source = self._open()
        return self._source

    # -- places ------------------------------------------------------------------------------------

    def spot(self, path: str, key: str, find: Callable[[], Spot]) -> Spot:
        """A place in a file, by a key that says all but the file; ``find`` looks where it is not remembered."""
        whole = f"{self._version} {self.oid(path)} {path} {key}"
        known = self._spots.get(whole) or self._memory.spots.get(whole)
        if known is None:
            known = find()
            self._changed = True
        self._spots[whole] = known
        return known

    def remember(self) -> None:
        """Keep what this run needed, for the next; a run that needed nothing new writes nothing."""
        if not self._changed or not self._listed:
            return
        memory = _Memory(self.revision, self._memory.entries, self._texts, self._spots)
        try:
            self._cache.put_snapshot(self._key, msgspec.msgpack.encode(memory))
        except UnicodeEncodeError:  # a path that is not UTF-8: this repository is listed anew each time
            return
