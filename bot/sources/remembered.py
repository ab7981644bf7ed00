"""A commit whose listing is remembered: judged again without a process, a clone or an object where nothing else is new.

What is remembered is a function of the commit (the listing) or of blobs (a few files' bytes): today's policy and
registry judge it anew each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from bot.factcache import FactCache
from bot.names import RepoName
from bot.sources.base import Entry, LinkedError, MissingObjectError, Source, State, Unseen

__all__ = ["Remembered"]

_KEPT_MAX = 64 * 1024
_KEPT = 64


class _Memory(msgspec.Struct, array_like=True):
    """What is kept of one repository. ``texts`` are the bytes of small files by blob id, ``note`` what the last run left."""

    revision: str = ""
    entries: list[Entry] = []
    texts: dict[str, bytes] = {}
    note: bytes = b""


class Remembered:
    """One commit of a repository as a `Source`. ``open_source`` is called when bytes are needed that are not remembered.

    ``label`` tells the repository from all others, whatever its commit: the cache keeps one memory a label. ``kept`` are paths of
    small files whose bytes are remembered too. ``unchanged`` says that the commit is the one of last time, ``note`` is
    what the last run left with `remember`.
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
        self._before = self._recall()
        self.note = self._before.note
        self.unchanged = self._before.revision == revision
        self._entries: list[Entry] | None = self._before.entries if self.unchanged else None
        self._by_path: dict[str, Entry] | None = None
        self._texts: dict[str, bytes] = {}

    def _recall(self) -> _Memory:
        raw = self._cache.snapshot(self._key)
        if raw is None:
            return _Memory()
        try:
            return msgspec.msgpack.decode(raw, type=_Memory)
        except (msgspec.MsgspecError, TypeError):  # whatever stands there, it can be had again
            return _Memory()

    # -- a source ----------------------------------------------------------------------------------

    def state(self) -> State:
        return State(self.revision.encode())

    def entries(self) -> list[Entry]:
        if self._entries is None:
            self._entries = self._opened().entries()
        return self._entries

    def read(self, path: str) -> bytes:
        entry = self._entry(path)
        if entry is None:
            raise MissingObjectError(path)
        if entry.kind != "file":
            raise (LinkedError if entry.kind == "link" else MissingObjectError)(path)
        if path not in self._kept:
            return self._opened().read(path)
        data = self._known(entry.oid)
        if data is None:
            data = self._opened().read(path)
            self._keep(entry.oid, data)
        return data

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        asked = list(paths)
        known = {path: self._known(entry.oid) for path in asked if (entry := self._entry(path)) is not None}
        lacking = [path for path in asked if known.get(path) is None]
        found = self._opened().read_many(lacking) if lacking else iter(())
        for path in asked:
            data = known.get(path)
            if data is None:
                _, data = next(found)
                # What is asked for though the commit is unchanged, no reader takes: it is asked for each time.
                if self.unchanged and data is not None:
                    self._keep(self._oid(path), data)
            yield path, data

    def head(self, path: str, size: int) -> bytes | None:
        return None

    def committed(self, path: str) -> bytes | None:
        return None

    def unseen(self) -> Unseen:
        return Unseen()

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def _known(self, oid: str) -> bytes | None:
        """The bytes of a blob that are remembered; they are kept on."""
        data = self._before.texts.get(oid)
        if data is not None:
            self._texts[oid] = data
        return data

    def _keep(self, oid: str, data: bytes) -> None:
        if len(data) <= _KEPT_MAX and len(self._texts) < _KEPT:
            self._texts[oid] = data

    def _entry(self, path: str) -> Entry | None:
        if self._by_path is None:
            self._by_path = {entry.path: entry for entry in self.entries()}
        return self._by_path.get(path)

    def _oid(self, path: str) -> str:
        entry = self._entry(path)
        return entry.oid if entry is not None else ""

    def _opened(self) -> Source:
        if self._source is None:
            self._source = self._open()
        return self._source

    # -- memory ------------------------------------------------------------------------------------

    def changed(self) -> frozenset[str]:
        """The paths of last time that have another content now, or none."""
        if self.unchanged:
            return frozenset()
        return frozenset(entry.path for entry in self._before.entries if self._entry(entry.path) != entry)

    def remember(self, note: bytes) -> None:
        """Keep what this run needed, for the next; a run that needed nothing new writes nothing."""
        if self._entries is None:
            return
        if self.unchanged and note == self._before.note and self._texts.items() <= self._before.texts.items():
            return
        memory = _Memory(self.revision, self._entries, self._texts, note)
        try:
            self._cache.put_snapshot(self._key, msgspec.msgpack.encode(memory))
        except UnicodeEncodeError:  # a path that is not UTF-8: this repository is listed anew each time
            return
