"""How a lock answers: which entry a package root reaches by a name, and which lock governs which manifest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from bot.facts.lock import Importer, Lock, LockEntry, Source
from bot.facts.manifest import Declaration

if TYPE_CHECKING:
    from bot.facts.root import Root

__all__ = ["LockIndex", "dependency", "forget", "govern", "home_of", "index", "resolve", "rivals"]

# Which of several locks in one directory is meant when nothing says: what the newer tool would read.
_ORDER = ("pnpm-lock.yaml", "bun.lock", "yarn.lock", "npm-shrinkwrap.json", "package-lock.json")
_TOOLS = {
    "pnpm": ("pnpm-lock.yaml",),
    "bun": ("bun.lock",),
    "yarn": ("yarn.lock",),
    "npm": ("npm-shrinkwrap.json", "package-lock.json"),
}


class LockIndex:
    """A lock by key, by name and by importer. Made once a lock: see `index`.

    ``entries`` is by the entry's key, ``descriptors`` (yarn) by each ``name@range`` that a key is made of, ``named`` by the
    name a package is installed under, ``importers`` by directory in the repository.
    """

    __slots__ = ("dependencies", "descriptors", "entries", "importers", "named")

    def __init__(self, lock: Lock) -> None:
        self.entries: dict[str, LockEntry] = {entry.key: entry for entry in lock.entries}
        self.importers: dict[str, Importer] = {importer.directory: importer for importer in lock.importers}
        self.named: dict[str, list[LockEntry]] = {}
        self.descriptors: dict[str, LockEntry] = {}
        # What each importer's names resolve to, filled as it is asked for.
        self.dependencies: dict[str, dict[str, str | None]] = {}
        if lock.format.startswith("yarn"):
            from bot.readers.npm.yarn_v1 import descriptors, local_name

            for entry in lock.entries:
                names = set()
                for descriptor in descriptors(entry.key):
                    self.descriptors[descriptor] = entry
                    names.add(local_name(descriptor))
                    if "::" in descriptor:  # yarn binds a path to the member that asks for it
                        self.descriptors.setdefault(descriptor.partition("::")[0], entry)
                for name in names:
                    self.named.setdefault(name, []).append(entry)

    def reached(self, directory: str) -> Mapping[str, str | None]:
        """Name -> entry key, as the importer in exactly this directory records it; empty when there is none."""
        found = self.dependencies.get(directory)
        if found is None:
            importer = self.importers.get(directory)
            found = {}
            # A name in several fields resolves alike; a resolved one wins over a peer that is only noted.
            for item in importer.dependencies if importer is not None else ():
                if item.entry is not None or item.name not in found:
                    found[item.name] = item.entry
            self.dependencies[directory] = found
        return found


_indexes: dict[int, tuple[Lock, LockIndex]] = {}


def forget() -> None:
    """Let go of all indexes and with them of their locks, between one repository and the next."""
    _indexes.clear()


def index(lock: Lock) -> LockIndex:
    """The index of a lock, kept for as long as the lock itself is likely to be asked.

    By identity: hashing a frozen lock by value would cost as much as indexing it.
    """
    held = _indexes.get(id(lock))
    if held is None or held[0] is not lock:
        if len(_indexes) >= 256:
            _indexes.clear()
        held = _indexes[id(lock)] = (lock, LockIndex(lock))
    return held[1]


# -- what a package root reaches ---------------------------------------------------------------


def resolve(
    lock: Lock, directory: str, importer: str | None, local: str, declaration: Declaration | None
) -> LockEntry | None:
    """The entry that a manifest in ``directory`` (repository path), named ``importer``, reaches as ``local``."""
    table = index(lock)
    if lock.format == "npm":
        from bot.readers.npm.npm_lock import reach

        location = _within(lock.directory, directory)
        key = reach(table.entries, location, local) if location is not None else None
        return table.entries[key] if key is not None else None
    if lock.format == "bun":
        return _resolve_bun(lock, table, directory, importer, local)
    for above in _upwards(directory, lock.directory):
        key = table.reached(above).get(local)
        if key is not None:
            return table.entries.get(key)
    if lock.format.startswith("yarn"):
        return _resolve_yarn(table, local, declaration)
    return None


def _within(base: str, directory: str) -> str | None:
    """A directory relative to another at or above it; None when it is not."""
    if not base or base == directory:
        return directory if not base else ""
    return directory[len(base) + 1 :] if directory.startswith(f"{base}/") else None


def _upwards(directory: str, top: str) -> Iterable[str]:
    """The directory and those above it, up to and with ``top``."""
    while True:
        yield directory
        if directory == top or not directory:
            return
        directory = directory.rpartition("/")[0]


def _resolve_bun(lock: Lock, table: LockIndex, directory: str, importer: str | None, local: str) -> LockEntry | None:
    for above in _upwards(directory, lock.directory):
        if above == lock.directory:
            break
        member = table.importers.get(above)
        name = member.name if member is not None else importer if above == directory else None
        if name and (found := table.entries.get(f"{name}/{local}")) is not None:
            return found
    return table.entries.get(local)


def _resolve_yarn(table: LockIndex, local: str, declaration: Declaration | None) -> LockEntry | None:
    if declaration is not None:
        for spec in (declaration.spec, declaration.effective):
            for descriptor in (f"{local}@{spec}", f"{local}@npm:{spec}"):
                found = table.descriptors.get(descriptor)
                if found is not None:
                    return found
    # A resolution changes what a range means and the lock does not record it; the hoisted copy answers for the rest.
    named = table.named.get(local, ())
    return named[0] if len(named) == 1 else None


def dependency(lock: Lock, entry: LockEntry, name: str) -> LockEntry | None:
    """The entry that a locked package reaches for one of its dependencies; None when the lock has none."""
    table = index(lock)
    if lock.format == "npm":
        from bot.readers.npm.npm_lock import reach

        location = entry.key
        if (
            entry.source in (Source.WORKSPACE, Source.PATH)
            and entry.resolved
            and not entry.resolved.startswith("file:")
        ):
            location = entry.resolved
        key = reach(table.entries, location, name)
        return table.entries[key] if key is not None else None
    if lock.format == "bun":
        above = entry.key
        while above:
            found = table.entries.get(f"{above}/{name}")
            if found is not None:
                return found
            above = _parent(above)
        return table.entries.get(name)
    if lock.format == "pnpm":
        return table.entries.get(entry.dependencies.get(name, ""))
    spec = entry.dependencies.get(name, entry.peers.get(name))
    if spec is None:
        return None
    found = table.descriptors.get(f"{name}@{spec}") or table.descriptors.get(f"{name}@npm:{spec}")
    if found is None:
        named = table.named.get(name, ())
        found = named[0] if len(named) == 1 else None
    return found


def _parent(key: str) -> str:
    """``a/@x/y`` -> ``a``, ``@x/y`` -> nothing: bun's package paths."""
    above = key.rpartition("/")[0]
    parent, _, scope = above.rpartition("/")
    return parent if scope.startswith("@") else above


# -- which lock governs ------------------------------------------------------------------------


def home_of(directory: str) -> str:
    """The directory of the workspace that a lock in ``directory`` is for: Rush's stands at ``rush.json``."""
    if "common/config/" not in directory:
        return directory
    from bot.readers.npm.pnpm_lock import home_of as home_of_rush

    return home_of_rush(directory)


def govern(
    manifest_directories: Iterable[str],
    locks: Iterable[Lock],
    roots: Iterable[Root],
    bare: Collection[str] = (),
    paths: Collection[str] = (),
) -> dict[str, Lock]:
    """Manifest directory -> the lock that governs it: the nearest one at or above it that can cover it.

    A lock in the manifest's own directory does, unless it is a workspace member's that no install reads (see `_is_read`). One
    further up does when it records the directory as an importer, or
    when the workspace at the lock's directory claims it: a nested project that is no member (``examples/x``) is not governed by
    the lock of the repository around it. pnpm's lock that stands elsewhere (Rush's) governs what it records and no other lock
    covers; where there is only one such lock, also what else its workspace claims.
    ``bare`` are directories whose manifest declares no dependencies (a
    ``{"type": "module"}`` marker, say): they install nothing, and share the lock of the directory around them.
    ``paths`` are all tracked files.
    """
    members = tuple(roots)
    by_root = {root.directory: root for root in members}
    known_locks = tuple(locks)
    by_directory = {directory: found[0] for directory, found in _ranked(known_locks, members).items()}
    elsewhere = {
        importer.directory: one
        for one in known_locks
        if one.format == "pnpm"  # npm notes a folder outside that it links, and takes no notice of what that asks for
        for importer in one.importers
        if _within(one.directory, importer.directory) is None
    }
    workspace = {root.directory: root.workspace for root in members}
    homes: dict[str, list[Lock]] = {}
    for one in known_locks:
        if home_of(one.directory) != one.directory:
            homes.setdefault(home_of(one.directory), []).append(one)

    def covering(directory: str) -> Lock | None:
        own = by_directory.get(directory)
        home = workspace.get(directory)
        around = by_directory.get(home) if home is not None and home != directory else None
        if own is not None and (around is None or _is_read(own, around, by_root.get(around.directory), paths)):
            return own
        for above in _upwards(directory, ""):
            lock = by_directory.get(above)
            if lock is None or lock is own:
                continue
            recorded = index(lock).importers if lock.records_importers else {}
            if directory in recorded or workspace.get(directory) == above:
                return lock
        home = workspace.get(directory)
        only = homes.get(home, ()) if home is not None and home != directory else ()
        return elsewhere.get(directory) or (only[0] if len(only) == 1 else None)

    known: dict[str, Lock | None] = {}
    for directory in sorted(set(manifest_directories)):  # what is above comes first
        lock = covering(directory)
        if lock is None and directory in bare:
            around = next((above for above in _upwards(directory.rpartition("/")[0], "") if above in known), None)
            lock = known[around] if around is not None else None
        known[directory] = lock
    return {directory: lock for directory, lock in known.items() if lock is not None}


def _is_read(own: Lock, around: Lock, workspace: Root | None, paths: Collection[str]) -> bool:
    """Whether some install reads the lock that a workspace member has of its own, beside the workspace's, ``around``.

    Standing in a member, npm, yarn 1 and bun look for a ``package.json`` above whose ``workspaces`` name it, pnpm for a
    ``pnpm-workspace.yaml``; they install the whole workspace then and never open the member's lock. Yarn 2 and later take
    the nearest ``yarn.lock``. A shrinkwrap is published with its package, and a member with a Dockerfile is
    mostly built without what lies around it.
    """
    base = own.path.rpartition("/")[2]
    if own.format == "yarn-berry" or base == "npm-shrinkwrap.json":
        return True
    if any(f"{own.directory}/{file}" in paths for file in ("Dockerfile", "Containerfile")):
        return True
    if own.format == "pnpm":
        # Unless told to keep a lock for each member, pnpm records them all in the workspace's.
        return around.format != "pnpm" or own.directory not in index(around).importers
    return workspace is None or workspace.manifest is None or not workspace.manifest.workspaces


def rivals(locks: Iterable[Lock], roots: Iterable[Root]) -> dict[str, tuple[Lock, ...]]:
    """Directories that hold several locks -> those locks, the one that governs first."""
    return {directory: found for directory, found in _ranked(locks, tuple(roots)).items() if len(found) > 1}


def _ranked(locks: Iterable[Lock], roots: tuple[Root, ...]) -> dict[str, tuple[Lock, ...]]:
    by_directory: dict[str, list[Lock]] = {}
    for lock in locks:
        by_directory.setdefault(lock.directory, []).append(lock)
    managers = {
        root.directory: root.manifest.package_manager.partition("@")[0]
        for root in roots
        if root.manifest is not None and root.manifest.package_manager
    }

    def manager(directory: str) -> str:
        # A member mostly leaves `packageManager` to the manifest above it.
        return next((managers[above] for above in (directory, *_upwards(directory, "")) if above in managers), "")

    return {
        directory: tuple(sorted(found, key=_preference(manager(directory))))
        for directory, found in by_directory.items()
    }


def _preference(manager: str) -> Callable[[Lock], tuple[bool, int]]:
    meant = _TOOLS.get(manager, ())

    def key(lock: Lock) -> tuple[bool, int]:
        base = lock.path.rpartition("/")[2]
        return (base not in meant, _ORDER.index(base) if base in _ORDER else len(_ORDER))

    return key
