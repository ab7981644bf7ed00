"""``pnpm-lock.yaml``, lockfile versions 5, 6 and 9 (pnpm 3 to 12).

Source: pnpm's ``@pnpm/lockfile.types`` and ``@pnpm/dependency-path``. Versions 5 and 6 hold everything of a package under
``packages``, once for each set of peers; version 9 parts it into ``packages`` (what the registry says) and ``snapshots`` (what it
reaches, once for each set of peers). Newer files hold two YAML documents: what ``pnpm`` itself needs (configuration
dependencies), and then the project's lock.

A member that links another (``link:../b``) has no entry in the file; one is made here for each such dependency, so that
whoever resolves through the lock meets workspaces as in every other format.

Rush commits the lock of a workspace that it generates elsewhere: its importers count from there (`_installed_in`).
"""

from __future__ import annotations

import re

from bot.errors import ReadError
from bot.facts.lock import Importer, Lock, LockedDependency, LockEntry, Source
from bot.names import join
from bot.readers.npm.lock_text import as_text, directory_of, lock_text, mapping, strings, yaml_documents

__all__ = ["home_of", "read_pnpm_lock"]

_FIELDS = (
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "configDependencies",
    "packageManagerDependencies",
)
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_FORGES = ("github.com/", "gitlab.com/", "bitbucket.org/", "codeload.github.com/")

_Pointer = tuple[str | int, ...]


def read_pnpm_lock(path: str, data: bytes) -> Lock:
    """A lock from the bytes of a ``pnpm-lock.yaml`` at ``path``. Raises `ReadError`."""
    documents = [item for item in yaml_documents(lock_text(data)) if type(item) is dict]
    if not 1 <= len(documents) <= 2:
        raise ReadError("malformed", f"this is no pnpm-lock.yaml: it holds {len(documents)} mappings", line=1)
    main = mapping(documents[-1])
    version = as_text(main.get("lockfileVersion"))
    if version is None:
        raise ReadError("malformed", "this is no pnpm-lock.yaml: it has no `lockfileVersion`", line=1)
    major = version.partition(".")[0]
    if major not in ("5", "6", "9"):
        raise ReadError(
            "unsupported-format",
            f"pnpm lockfile version {version[:40]} is not known (5, 6 and 9 are)",
            remedy="Write the lockfile with pnpm 7 or later, or update Ringfence.",
        )
    reader = _Reader(path, int(major), main)
    for document in documents[:-1]:
        # What pnpm installs for itself is installed all the same.
        reader.packages(mapping(document))
    return reader.lock(version)


class _Reader:
    """One file being read: its main document, the entries found so far."""

    def __init__(self, path: str, major: int, main: dict[str, object]) -> None:
        self.path = path
        self.directory = directory_of(path)
        self.base = _installed_in(self.directory)
        self.major = major
        self.main = main
        self.entries: dict[str, LockEntry] = {}
        self.importer_values = mapping(main.get("importers"))
        self.rooted = not self.importer_values and any(
            field in main for field in ("specifiers", *_FIELDS)
        )  # a project without workspaces, before version 9
        # For telling a member from another folder.
        self.members = {join(self.base, name) for name in self.importer_values}

    def lock(self, version: str) -> Lock:
        self.packages(self.main)
        values: list[tuple[str, object, _Pointer]] = [
            (name, value, ("importers", name)) for name, value in self.importer_values.items()
        ]
        if self.rooted:
            values = [(".", self.main, ())]
        importers = [found for item in values if (found := self.importer(*item)) is not None]
        if self.base != self.directory:
            importers = self.projects(importers)
        return Lock(
            path=self.path,
            directory=self.directory,
            format="pnpm",
            version=version,
            entries=tuple(self.entries.values()),
            importers=tuple(importers),
            overrides=strings(self.main.get("overrides")),
            settings=strings(self.main.get("settings"))
            | {key: value for key, value in strings(self.main).items() if key == "pnpmfileChecksum"},
            ignored_optional=_names(self.main.get("ignoredOptionalDependencies")),
            patched=tuple(mapping(self.main.get("patchedDependencies"))),
            catalogs={
                name: {
                    package: (
                        as_text(mapping(item).get("specifier")) or "",
                        as_text(mapping(item).get("version")) or "",
                    )
                    for package, item in mapping(value).items()
                }
                for name, value in mapping(self.main.get("catalogs")).items()
            },
        )

    # -- entries ---------------------------------------------------------------------------

    def packages(self, document: dict[str, object]) -> None:
        """The entries of one document; those of the main one replace what others said."""
        packages = mapping(document.get("packages"))
        if self.major < 9:
            for key, value in packages.items():
                facts = mapping(value)
                self.entries[key] = self.entry(key, facts, facts, ("packages", key))
            return
        snapshots = mapping(document.get("snapshots"))
        seen: set[str] = set()
        for key, value in snapshots.items():
            bare = _without_peers(key)
            seen.add(bare)
            pointer = ("packages", bare) if bare in packages else ("snapshots", key)
            self.entries[key] = self.entry(key, mapping(packages.get(bare)), mapping(value), pointer)
        for key, value in packages.items():
            if key not in seen:
                self.entries[key] = self.entry(key, mapping(value), {}, ("packages", key))

    def entry(self, key: str, package: dict[str, object], snapshot: dict[str, object], pointer: _Pointer) -> LockEntry:
        name, version, source = self.parse(key)
        resolution = mapping(package.get("resolution"))
        resolved = as_text(resolution.get("tarball"))
        kind = resolution.get("type")
        if kind == "git":
            source, resolved = Source.GIT, f"{as_text(resolution.get('repo'))}#{as_text(resolution.get('commit'))}"
        elif kind == "directory":
            resolved = as_text(resolution.get("directory")) or ""
            source = Source.WORKSPACE if self.is_member(join(self.base, resolved)) else Source.PATH
        elif type(kind) is str:
            source = Source.UNKNOWN  # a fetcher of somebody's own, a runtime: not what the key says
            resolved = resolved or as_text(resolution.get("url")) or f"type {kind}"
        elif resolution.get("gitHosted") is True:
            source = Source.GIT
        elif source is Source.REGISTRY and resolved is not None and resolved.startswith("file:"):
            source = Source.PATH
        dependencies = strings(snapshot.get("dependencies"))
        optional = strings(snapshot.get("optionalDependencies"))
        if optional:
            dependencies = {**dependencies, **optional}
        return LockEntry(
            key,
            as_text(package.get("name")) or name,
            as_text(package.get("version")) or version,
            source,
            resolved,
            as_text(resolution.get("integrity")),
            None,
            # Names to the keys of entries: that is what the file means by its versions.
            {local: self.key_of(local, ref) or ref for local, ref in dependencies.items()} if dependencies else {},
            None,
            pointer,
            snapshot.get("optional") is True,
            False,
            strings(package.get("peerDependencies")),
        )

    def parse(self, key: str) -> tuple[str, str | None, Source]:
        """A dependency path -> (name, version or None, source)."""
        if self.major == 5:
            return _parse_v5(key)
        bare = _without_peers(key)
        if self.major == 6:
            if not bare.startswith("/"):
                return _parse_foreign(bare)
            bare = bare[1:]
        at = bare.find("@", 1)
        if at < 0:
            return bare, None, Source.UNKNOWN
        name, version = bare[:at], bare[at + 1 :]
        if version.startswith(("file:", "link:")):
            return name, None, Source.PATH
        if version.startswith(("git+", "git:", "git@", "ssh:")):
            return name, None, Source.GIT
        if version.startswith(("https://", "http://")):
            hosted = version.partition("://")[2].startswith(_FORGES)
            return name, None, Source.GIT if hosted else Source.URL
        if _VERSION.match(version):
            return name, version, Source.REGISTRY
        return name, None, Source.UNKNOWN  # `runtime:` and protocols to come

    def key_of(self, local: str, ref: str) -> str | None:
        """The key of the entry that a recorded version means; None for a link. pnpm's ``refToRelative``."""
        if ref.startswith("link:"):
            return None
        bracket = ref.find("(")
        head = ref if bracket < 0 else ref[:bracket]
        if self.major == 9:
            at, colon = head.find("@"), head.find(":")
            whole = at == 0 or (at > 0 and (colon < 0 or at < colon))
            return ref if whole else f"{local}@{ref}"
        if ref.startswith("file:") or "/" in head:
            return ref
        return f"/{local}@{ref}" if self.major == 6 else f"/{local}/{ref}"

    # -- importers -------------------------------------------------------------------------

    def importer(self, folder: str, value: object, pointer: _Pointer) -> Importer | None:
        where = join(self.base, folder)
        if where is None:
            return None
        facts = mapping(value)
        specifiers = strings(facts.get("specifiers"))
        found: list[LockedDependency] = []
        named: set[str] = set()
        for field in _FIELDS:
            for local, item in mapping(facts.get(field)).items():
                if type(item) is dict:
                    spec, ref = as_text(item.get("specifier")), as_text(item.get("version"))
                    at: _Pointer = (*pointer, field, local, "specifier")
                else:
                    spec, ref = specifiers.get(local), as_text(item)
                    at = (*pointer, "specifiers", local)
                named.add(local)
                found.append(LockedDependency(local, field, spec, self.target(folder, local, spec, ref, at), at))
        for local, spec in specifiers.items():
            if local not in named:  # noted, and not installed: an optional one that was skipped
                found.append(LockedDependency(local, "", spec, None, (*pointer, "specifiers", local)))
        return Importer(where, None, None, tuple(found), pointer)

    def is_member(self, directory: str | None) -> bool:
        """Whether a linked folder is a member. Rush links projects of other subspaces, too, which another lock records."""
        if directory is None or directory == self.base:
            return False
        return directory in self.members or self.base != self.directory

    def projects(self, importers: list[Importer]) -> list[Importer]:
        """Rush's projects: without the generated workspace's own root, which nobody commits."""
        found = [importer for importer in importers if importer.directory != self.base]
        if not found and any(item.name.startswith("@rush-temp/") for one in importers for item in one.dependencies):
            raise ReadError(
                "unsupported-format",
                "it is Rush's lock without workspaces, which records archives of its projects and not what they declare",
                remedy="Set useWorkspaces for pnpm in Rush's configuration, and let Rush write the lock again.",
            )
        return found

    def target(self, folder: str, local: str, spec: str | None, ref: str | None, pointer: _Pointer) -> str | None:
        """The key of the entry that an importer's dependency resolves to; made here for a link."""
        if ref is None:
            return None
        key = self.key_of(local, ref)
        if key is not None:
            return key if key in self.entries else None
        made = f"{folder}>{local}"
        directory = join(join(self.base, folder) or "", ref[5:])
        member = directory == self.base or self.is_member(directory)
        # The file does not say what the linked folder is called, unless the specifier does: `workspace:name@*`.
        named = re.fullmatch(r"workspace:((?:@[^/@]+/)?[^/@]+)@.*", spec or "")
        name = named[1] if named is not None else local
        self.entries[made] = LockEntry(
            made,
            name,
            None,
            Source.WORKSPACE if member else Source.PATH,
            ref,
            None,
            None,
            {},
            local if local != name else None,
            (*pointer[:-1], "version") if pointer[-1] == "specifier" else pointer,
        )
        return made


_RUSH = re.compile(r"((?:.+/)?)common/config/(?:rush|subspaces/([^/]+))")


def _installed_in(directory: str) -> str:
    """Where a lock in a directory is installed: for Rush in ``common/temp``, a subspace's in a folder of it."""
    found = _RUSH.fullmatch(directory)
    if found is None:
        return directory
    return f"{found[1]}common/temp/{found[2]}" if found[2] else f"{found[1]}common/temp"


def home_of(directory: str) -> str:
    """The directory of the workspace that a lock in ``directory`` is for: Rush's stands at ``rush.json``."""
    found = _RUSH.fullmatch(directory)
    return directory if found is None else found[1].rstrip("/")


def _without_peers(key: str) -> str:
    """``a@1.0.0(b@2.0.0(c@3.0.0))(d@4.0.0)`` -> ``a@1.0.0``: balanced brackets at the end are peers."""
    end = len(key)
    while end and key[end - 1] == ")":
        depth = 0
        at = end
        while at:
            at -= 1
            if key[at] == ")":
                depth += 1
            elif key[at] == "(":
                depth -= 1
                if depth == 0:
                    break
        if depth:
            return key
        end = at
    return key[:end]


def _parse_v5(key: str) -> tuple[str, str | None, Source]:
    if key.startswith("file:"):
        return key[5:].rpartition("/")[2], None, Source.PATH
    if not key.startswith("/"):
        return _parse_foreign(key)
    parts = key[1:].split("/")
    width = 2 if parts[0].startswith("@") else 1
    name = "/".join(parts[:width])
    version = "/".join(parts[width:]).partition("_")[0]
    return (name, version, Source.REGISTRY) if version else (name, None, Source.UNKNOWN)


def _parse_foreign(key: str) -> tuple[str, str | None, Source]:
    """A key that does not begin with ``/``: another registry's host, a forge, or a URL without its scheme."""
    if key.startswith("file:"):
        return key[5:].rpartition("/")[2], None, Source.PATH
    if key.removeprefix("@").startswith(_FORGES):
        return key.rpartition("/")[0].rpartition("/")[2] or key, None, Source.GIT
    host, _, rest = key.partition("/")
    parts = rest.split("/")
    width = 2 if parts[0].startswith("@") else 1
    version = "/".join(parts[width:]).partition("_")[0]
    if "." in host and len(parts) == width + 1 and _VERSION.match(version):
        return "/".join(parts[:width]), version, Source.REGISTRY
    if "." in host and (at := rest.find("@", 1)) > 0 and _VERSION.match(rest[at + 1 :]):
        return rest[:at], rest[at + 1 :], Source.REGISTRY
    return rest.rpartition("/")[2] or key, None, Source.URL if "." in host else Source.UNKNOWN


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()
