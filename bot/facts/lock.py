"""Facts of lockfiles: what would really be installed."""

# No `from __future__ import annotations` here: msgspec would have to evaluate every text at each start.

from enum import StrEnum

import msgspec

from bot.model import Place

__all__ = ["Importer", "Lock", "LockEntry", "LockedDependency", "Source"]


class Source(StrEnum):
    """Where a locked package comes from."""

    REGISTRY = "registry"
    WORKSPACE = "workspace"
    PATH = "path"
    GIT = "git"
    URL = "url"
    PATCH = "patch"
    UNKNOWN = "unknown"


class LockEntry(msgspec.Struct, frozen=True):
    """One package in a lock. Positional, since a lock has tens of thousands.

    ``key`` is the entry's own key in the file (``node_modules/a/node_modules/@x/y``,
    ``@x/y@npm:^1.0.0``, ``/@x/y@1.0.0(react@18)``). ``name`` is the real package, ``version`` its locked
    version (None where the format has none for that source). ``integrity`` is an SSI string as
    npm writes it (``sha512-…``; several joined by spaces), ``checksum`` a checksum that is *not* the registry's
    (yarn berry). ``resolved`` is the URL or path as written. ``dependencies`` maps what it asks for to
    the spec it asks with. ``alias`` is the name it is installed under, where that differs.
    ``pointer`` leads to it in the file.
    """

    key: str
    name: str
    version: str | None
    source: Source
    resolved: str | None
    integrity: str | None
    checksum: str | None
    dependencies: dict[str, str]
    alias: str | None
    pointer: tuple[str | int, ...]
    optional: bool = False
    bundled: bool = False
    peers: dict[str, str] = {}


class LockedDependency(msgspec.Struct, frozen=True):
    """What a lock records for one dependency of an importer.

    ``spec`` is the specifier that the lock remembers from the manifest (None where the format keeps
    none); ``entry`` the key of the `LockEntry` it resolves to (None: recorded, not resolved).
    ``field`` is the manifest field. ``pointer`` leads to the recorded specifier.
    """

    name: str
    field: str
    spec: str | None
    entry: str | None
    pointer: tuple[str | int, ...]


class Importer(msgspec.Struct, frozen=True):
    """A workspace member as the lock sees it. ``directory`` is relative to the *repository* root."""

    directory: str
    name: str | None
    version: str | None
    dependencies: tuple[LockedDependency, ...]
    pointer: tuple[str | int, ...] = ()


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """One lockfile. ``format`` is ``npm``, ``pnpm``, ``yarn-v1``, ``yarn-berry`` or ``bun``, ``version`` as
    written in the file. ``importers`` is empty for formats that record none (yarn v1, npm v1 keeps the
    root's name only). ``complete`` is false for a lock that records nothing but a header.
    ``overrides`` are those the lock records as effective (selector -> spec; pnpm, bun), ``patched`` likewise.
    ``ignored_optional`` are the patterns of optional dependencies that were left out on purpose (pnpm).
    ``catalogs`` maps catalog name -> package -> (specifier, version).
    ``settings`` are those under which the lock was written, as text (pnpm's ``autoInstallPeers``: ``true``;
    its ``pnpmfileChecksum`` is there where a hook rewrote manifests before they were locked).
    ``older`` are entries that only an older package manager reads, where they say otherwise than ``entries``.
    """

    path: str
    directory: str
    format: str
    version: str
    entries: tuple[LockEntry, ...]
    importers: tuple[Importer, ...] = ()
    records_importers: bool = True
    overrides: dict[str, str] = {}
    ignored_optional: tuple[str, ...] = ()
    patched: tuple[str, ...] = ()
    catalogs: dict[str, dict[str, tuple[str, str]]] = {}
    settings: dict[str, str] = {}
    older: tuple[LockEntry, ...] = ()

    @property
    def every(self) -> tuple[LockEntry, ...]:
        """All entries that some package manager would install."""
        return self.entries + self.older if self.older else self.entries

    def place(self, entry: LockEntry, *fields: str | int, key: bool = False) -> Place:
        """The place of an entry, or of a field in it."""
        return Place(self.path, entry.pointer + fields, key=key or not fields)
