"""``package-lock.json`` and ``npm-shrinkwrap.json``, lockfile versions 1, 2 and 3.

The format is npm's own documentation of package-lock.json. Versions 2 and 3 list every folder of
``node_modules`` by its location under ``packages``; version 1 nests ``dependencies`` the way they are nested on
disk. Both give entries whose key is the location (``node_modules/a/node_modules/b``), so that
whoever resolves through a lock does not care which it was. Where both are there, npm 7 and later read ``packages``
alone, whatever number the file carries, and npm 6 reads ``dependencies`` alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import msgspec

from bot.errors import ReadError
from bot.facts.lock import Importer, Lock, LockedDependency, LockEntry, Source
from bot.names import join
from bot.readers.npm.lock_text import MAX_DEPTH, directory_of, lock_text

__all__ = ["FIELDS", "reach", "read_npm_lock"]

FIELDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")

# Longer than any path that a file system takes.
MAX_LOCATION = 4096

# Registries have carried manifests whose dependencies are a list or a string; npm takes those as none.
_Dependencies = dict[str, str] | list[Any] | str | bool | None


class _Package(msgspec.Struct, gc=False):
    """One value of ``packages``, as far as anybody here looks at it."""

    name: str | None = None
    version: str | None = None
    resolved: str | bool | None = None
    integrity: str | bool | None = None
    link: bool = False
    optional: bool = False
    inBundle: bool = False  # noqa: N815 (npm's own word)
    dependencies: _Dependencies = None
    devDependencies: _Dependencies = None  # noqa: N815
    optionalDependencies: _Dependencies = None  # noqa: N815
    peerDependencies: _Dependencies = None  # noqa: N815
    workspaces: Any = None


class _V1(msgspec.Struct):
    """One value of ``dependencies`` in version 1."""

    version: str | None = None
    resolved: str | bool | None = None
    integrity: str | bool | None = None
    optional: bool = False
    bundled: bool | list[Any] = False
    requires: _Dependencies = None
    dependencies: dict[str, _V1] | None = None


class _Head(msgspec.Struct):
    name: str | None = None
    version: str | None = None
    lockfileVersion: Any = None  # noqa: N815
    packages: msgspec.Raw = msgspec.Raw()
    dependencies: msgspec.Raw = msgspec.Raw()


_HEAD = msgspec.json.Decoder(_Head)
_PACKAGES = msgspec.json.Decoder(dict[str, _Package] | None)
_TREE = msgspec.json.Decoder(dict[str, _V1] | None)


def read_npm_lock(path: str, data: bytes) -> Lock:
    """A lock from the bytes of an npm lockfile at ``path``. Raises `ReadError`."""
    lock_text(data)
    raw = data.removeprefix(b"\xef\xbb\xbf")
    line: int | None = None
    try:
        try:
            head = _HEAD.decode(raw)
        except msgspec.DecodeError as error:
            found = re.search(r"\(byte (\d+)\)", str(error))
            line = raw.count(b"\n", 0, int(found[1])) + 1 if found else None
            raise
        version = _version(head)
        packages = _PACKAGES.decode(head.packages) if head.packages else None
        if packages is None and version == 3:
            raise ReadError("malformed", "the lockfile has no `packages`", line=1)
        tree = (_TREE.decode(head.dependencies) if head.dependencies else None) or {}
        if packages is None:
            return _read_tree(path, version, head, tree)
        lock = _read_packages(path, max(version, 2), head, packages)
        return msgspec.structs.replace(lock, older=tuple(_older(lock, tree, packages))) if tree else lock
    except RecursionError:
        raise ReadError("too-deep", f"the lockfile nests deeper than {MAX_DEPTH} levels") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReadError("malformed", f"no npm lockfile: {error}", line=line) from None


def _version(head: _Head) -> int:
    value = head.lockfileVersion
    if value is None:
        # npm 4 and older shrinkwraps carry no number.
        if not head.packages and not head.dependencies:
            raise ReadError("malformed", "this is no npm lockfile: it has no `lockfileVersion`", line=1)
        return 2 if head.packages else 1
    if isinstance(value, bool) or value not in (1, 2, 3):
        shown = str(value)[:40] if isinstance(value, int | float | str) else "?"
        raise ReadError(
            "unsupported-format",
            f"npm lockfile version {shown} is not known (1, 2 and 3 are)",
            remedy="Write the lockfile with `npm install --lockfile-version 3`, or update Ringfence.",
        )
    return int(value)


def _deps(value: _Dependencies) -> dict[str, str]:
    return value if type(value) is dict else {}


# -- versions 2 and 3 ------------------------------------------------------------------------


def _read_packages(path: str, version: int, head: _Head, packages: dict[str, _Package]) -> Lock:
    directory = directory_of(path)
    member = _member_test(packages.get(""))
    urls = _url_specs(packages.values())
    entries: list[LockEntry] = []
    importers: list[Importer] = []
    none: dict[str, str] = {}
    for location, package in packages.items():
        if len(location) > MAX_LOCATION:
            raise ReadError("too-deep", f"a location in `packages` has {len(location)} characters")
        above, at, local = location.rpartition("node_modules/")
        if not at or (above and above[-1] != "/"):
            if location == "":
                package.name = package.name or head.name
                package.version = package.version or head.version
            importer = _importer(directory, location, package, packages)
            if importer is not None:
                importers.append(importer)
            continue
        name = package.name or local
        resolved = package.resolved if type(package.resolved) is str else None
        locked = package.version
        if package.link:
            target = packages.get(resolved or "")
            if target is not None:
                name = target.name or package.name or local
                locked = target.version
            source = Source.WORKSPACE if target is not None and member(resolved or "") else Source.PATH
        else:
            source = _source(resolved, locked, urls)
        dependencies = _deps(package.dependencies)
        optional = _deps(package.optionalDependencies)
        if optional:
            dependencies = {**dependencies, **optional}
        entries.append(
            LockEntry(
                location,
                name,
                locked,
                source,
                resolved,
                package.integrity if type(package.integrity) is str else None,
                None,
                dependencies or none,
                local if local != name else None,
                ("packages", location),
                package.optional,
                package.inBundle,
                _deps(package.peerDependencies) or none,
            )
        )
    return Lock(
        path=path,
        directory=directory,
        format="npm",
        version=str(version),
        entries=tuple(entries),
        importers=tuple(importers),
    )


def _url_specs(packages: Iterable[_Package]) -> frozenset[str]:
    """URLs that somebody asks for by name: an entry resolved to one of them comes from no registry."""
    found: set[str] = set()
    for package in packages:
        for value in (package.dependencies, package.devDependencies, package.optionalDependencies):
            if type(value) is dict and value:
                for spec in value.values():
                    if spec[:4] == "http" and "://" in spec:
                        found.add(spec)
    return frozenset(found)


def _source(resolved: str | None, version: str | None, urls: frozenset[str]) -> Source:
    if resolved is None:
        return Source.REGISTRY if version else Source.UNKNOWN
    if resolved.startswith(("https://", "http://")):
        return Source.URL if resolved in urls else Source.REGISTRY
    scheme = resolved[:16].lower()  # URLs do not mind the case of theirs
    if scheme.startswith(("https://", "http://")):
        return Source.URL if resolved in urls else Source.REGISTRY
    if scheme.startswith(("git+", "git:", "git@", "github:", "gitlab:", "bitbucket:", "gist:")):
        return Source.GIT
    if scheme.startswith(("file:", "./", "../", "/")):
        return Source.PATH
    return Source.UNKNOWN


def _importer(directory: str, location: str, package: _Package, packages: dict[str, _Package]) -> Importer | None:
    where = join(directory, location)
    if where is None or location.startswith("/"):
        return None  # a linked folder outside the repository
    dependencies: list[LockedDependency] = []
    for field in FIELDS:
        value = getattr(package, field)
        if type(value) is dict:
            for name, spec in value.items():
                pointer = ("packages", location, field, name)
                dependencies.append(LockedDependency(name, field, spec, reach(packages, location, name), pointer))
    name = package.name or _folder_name(location)
    return Importer(where, name or None, package.version, tuple(dependencies), ("packages", location))


def _folder_name(location: str) -> str:
    """npm leaves a name out that the folder says itself, with its scope."""
    parent, _, base = location.rpartition("/")
    scope = parent.rpartition("/")[2]
    return f"{scope}/{base}" if scope.startswith("@") else base


def reach(locations: Collection[str], location: str, name: str) -> str | None:
    """The location that Node finds for ``name`` from a folder: ``node_modules`` there and in each folder above.

    ``locations`` must answer ``in`` quickly. Folders that are themselves ``node_modules`` are passed over, as
    Node does.
    """
    while True:
        found = f"{location}/node_modules/{name}" if location else f"node_modules/{name}"
        if found in locations:
            return found
        if not location:
            return None
        location = location.rpartition("/")[0]
        while location.endswith("node_modules") and (len(location) == 12 or location[-13] == "/"):
            location = location[:-13]


def _member_test(root: _Package | None) -> Callable[[str], bool]:
    """Whether a location is a member of the workspace that the lock's root describes."""
    value = root.workspaces if root is not None else None
    if isinstance(value, dict):
        value = value.get("packages")
    patterns = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    rules: list[tuple[bool, list[str]]] = []
    for pattern in patterns[:1000]:
        yes = not pattern.startswith("!")
        rules += [
            (yes, [part for part in one.split("/") if part not in ("", ".")]) for one in _expand(pattern.lstrip("!"))
        ]

    @cache
    def member(location: str) -> bool:
        parts = location.split("/")
        verdict = False
        for yes, pattern in rules:
            if verdict is not yes and _covers(pattern, parts):
                verdict = yes
        return verdict

    return member


def _covers(pattern: list[str], parts: list[str]) -> bool:
    """A glob over path segments, ``**`` for any number of them; bounded, whatever the pattern."""
    reached = {0}
    for step in pattern:
        if step == "**":
            reached = set(range(min(reached), len(parts) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], step)}
    return len(parts) in reached


def _expand(pattern: str) -> list[str]:
    """``{a,b}`` spelled out."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", pattern)
    if found is None or pattern.count("{") > 3 or pattern.count(",") > 20:
        return [pattern]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [one for option in found[1].split(",") for one in _expand(f"{head}{option}{tail}")]


# -- version 1 -------------------------------------------------------------------------------


def _read_tree(path: str, version: int, head: _Head, tree: dict[str, _V1]) -> Lock:
    return Lock(
        path=path,
        directory=directory_of(path),
        format="npm",
        version=str(version),
        entries=tuple(_v1_entry(*node) for node in _walk(tree, lambda location: location)),
        importers=(Importer(directory_of(path), head.name, head.version, ()),),
        records_importers=False,
    )


def _older(lock: Lock, tree: dict[str, _V1], packages: dict[str, _Package]) -> Iterator[LockEntry]:
    """The entries of ``dependencies`` that say otherwise than ``packages``, where npm writes both from one tree."""

    def folder(location: str) -> str:
        package = packages.get(location)
        return package.resolved if package is not None and package.link and type(package.resolved) is str else location

    entries: dict[str, LockEntry] = {}
    for node in _walk(tree, folder):
        location, _, said, _ = node
        package = packages.get(location)
        if package is not None and _is_same(said, package):  # the usual case costs no entry
            continue
        entries = entries or {entry.key: entry for entry in lock.entries}
        entry = _v1_entry(*node)
        known = entries.get(location)
        if known is None or _what(known) != _what(entry) or (entry.bundled and not known.bundled):
            yield entry


def _is_same(said: _V1, package: _Package) -> bool:
    return (
        said.version == package.version
        and said.version is not None
        and package.name is None
        and not package.link
        and said.resolved == package.resolved
        and said.integrity == package.integrity
        and (package.inBundle or said.bundled is not True)
    )


def _what(entry: LockEntry) -> tuple[object, ...]:
    """What is installed. The halves write a folder differently, and only one gives the version of what comes from no registry."""
    if entry.source is Source.REGISTRY:
        return entry.name, entry.version, entry.resolved, entry.integrity
    local = entry.source in (Source.PATH, Source.WORKSPACE)
    return (local or entry.source, (entry.resolved or "").removeprefix("file:"), entry.integrity)


# A package in a tree: where it is installed, its name there, what the tree says, and the pointer to that.
_Node = tuple[str, str, _V1, tuple[str | int, ...]]


def _walk(tree: dict[str, _V1], folder: Callable[[str], str]) -> Iterator[_Node]:
    """Every package of a tree, depth first, in the order of the file. ``folder`` says where a location's own
    ``node_modules`` are."""
    # (location of the parent, pointer to its dependencies, them)
    stack: list[tuple[str, tuple[str | int, ...], dict[str, _V1]]] = [("", ("dependencies",), tree)]
    while stack:
        parent, pointer, children = stack.pop()
        if len(pointer) > MAX_DEPTH:
            raise ReadError("too-deep", f"the lockfile nests deeper than {MAX_DEPTH} levels")
        for local, package in children.items():
            location = f"{parent}/node_modules/{local}" if parent else f"node_modules/{local}"
            here = (*pointer, local)
            yield location, local, package, here
            if package.dependencies:
                stack.append((folder(location), (*here, "dependencies"), package.dependencies))


def _v1_entry(location: str, local: str, package: _V1, pointer: tuple[str | int, ...]) -> LockEntry:
    spec = package.version
    resolved = package.resolved if type(package.resolved) is str else None
    name, version, source = local, spec, Source.REGISTRY
    if spec is None:
        source = Source.UNKNOWN
    elif spec.startswith("npm:"):
        real, at, exact = spec[4:].rpartition("@")
        name, version = (real, exact) if at and real else (spec[4:], None)
    elif spec.startswith("file:"):
        version, source, resolved = None, Source.PATH, spec
    elif spec.startswith(("git+", "git:", "git@", "github:", "gitlab:", "bitbucket:", "gist:")):
        version, source, resolved = None, Source.GIT, spec
    elif spec.startswith(("https://", "http://")):
        version, source, resolved = None, Source.URL, spec
    return LockEntry(
        location,
        name,
        version,
        source,
        resolved,
        package.integrity if type(package.integrity) is str else None,
        None,
        _deps(package.requires),
        local if local != name else None,
        pointer,
        package.optional,
        package.bundled is True,
    )
