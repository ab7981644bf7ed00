"""``bun.lock``: bun's text lockfile, versions 0 to 3 (3 is 2 with overrides for one parent).

JSON with trailing commas and comments. ``workspaces`` holds each member's dependencies as its manifest writes them;
``packages`` maps the path by which a package is reached (``parent/child`` where it is not hoisted) to a tuple whose
first item is ``name@resolution``. The tuple's shape follows from the resolution (bun's ``bun.lock.zig``):

    npm              [name@version, registry or tarball URL, info, integrity]
    git, github      [name@spec, info, cache tag, integrity?]
    folder, tarball  [name@spec, info, integrity?]
    link, workspace  [name@spec, info?]
    root             [name@root:, info?]
"""

from __future__ import annotations

from bot.errors import ReadError
from bot.facts.lock import Importer, Lock, LockedDependency, LockEntry, Source
from bot.names import join
from bot.readers.npm.lock_text import as_text, commented_json, directory_of, lock_text, mapping, strings

__all__ = ["read_bun_binary_lock", "read_bun_lock"]

_FIELDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_GIT = ("git+", "git:", "git@", "github:", "gitlab:", "bitbucket:", "ssh:")


def read_bun_binary_lock(path: str, data: bytes) -> Lock:
    """``bun.lockb`` is bun's own binary form: always a `ReadError`."""
    raise ReadError(
        "unsupported-format",
        "bun.lockb is bun's binary lockfile, which nothing but bun can read",
        remedy="Run `bun install --save-text-lockfile --frozen-lockfile --lockfile-only`, commit bun.lock, "
        "and delete bun.lockb.",
    )


def read_bun_lock(path: str, data: bytes) -> Lock:
    """A lock from the bytes of a ``bun.lock`` at ``path``. Raises `ReadError`."""
    document = commented_json(lock_text(data), "bun.lock")
    if "lockfileVersion" not in document:
        raise ReadError("malformed", "this is no bun.lock: it has no `lockfileVersion`", line=1)
    version = document["lockfileVersion"]
    if isinstance(version, bool) or version not in (0, 1, 2, 3):
        raise ReadError(
            "unsupported-format",
            f"bun.lock version {(as_text(version) or '?')[:40]} is not known (0 to 3 are)",
            remedy="Update Ringfence, or write the lockfile with a bun that writes version 1, 2 or 3.",
        )
    workspaces = document.get("workspaces")
    packages = document.get("packages", {})
    if type(workspaces) is not dict or type(packages) is not dict:
        raise ReadError("malformed", "bun.lock has no `workspaces`, or its `packages` are no object", line=1)
    directory = directory_of(path)
    entries = tuple(_entry(key, value, workspaces) for key, value in packages.items())
    return Lock(
        path=path,
        directory=directory,
        format="bun",
        version=str(int(version)),
        entries=entries,
        importers=tuple(
            importer
            for folder, value in workspaces.items()
            if (importer := _importer(directory, folder, value, packages)) is not None
        ),
        overrides=_overrides(document.get("overrides")),
        patched=tuple(strings(document.get("patchedDependencies"))),
        catalogs=_catalogs(document),
    )


def _importer(directory: str, folder: str, value: object, packages: dict[str, object]) -> Importer | None:
    where = join(directory, folder)
    if where is None or type(value) is not dict:
        return None
    name = as_text(value.get("name"))
    dependencies: list[LockedDependency] = []
    for field in _FIELDS:
        for local, spec in strings(value.get(field)).items():
            nested = f"{name}/{local}"
            key = nested if folder and nested in packages else local if local in packages else None
            dependencies.append(LockedDependency(local, field, spec, key, ("workspaces", folder, field, local)))
    return Importer(where, name, as_text(value.get("version")), tuple(dependencies), ("workspaces", folder))


_NONE: dict[str, str] = {}


def _entry(key: str, value: object, workspaces: dict[str, object]) -> LockEntry:
    if type(value) is not list or not value or type(value[0]) is not str:
        raise ReadError("malformed", f"bun.lock: the entry {key[:200]!r} is no tuple that begins with name@version")
    ident = value[0]
    at = ident.find("@", 1)
    name, resolution = (ident[:at], ident[at + 1 :]) if at > 0 else (ident, "")
    local = _last_name(key) if "/" in key else key
    info: object = None
    version: str | None = None
    resolved: str | None = resolution
    integrity: str | None = None
    if resolution.startswith("workspace:"):
        source = Source.WORKSPACE
        version = as_text(mapping(workspaces.get(resolution[10:])).get("version"))
        info = value[1] if len(value) > 1 else workspaces.get(resolution[10:])
    elif resolution.startswith(("link:", "file:", "root:")):
        source = Source.WORKSPACE if resolution.startswith("root:") else Source.PATH
        info = value[1] if len(value) > 1 else None
        integrity = _digest(value, 2)
    elif resolution.startswith(_GIT):
        source = Source.GIT
        info = value[1] if len(value) > 1 else None
        integrity = _digest(value, 3)
    elif resolution.startswith(("http:", "https:")):
        source = Source.URL
        info = value[1] if len(value) > 1 else None
        integrity = _digest(value, 2)
    elif len(value) > 2 and type(value[1]) is str:
        source = Source.REGISTRY
        version, resolved = resolution, value[1] or None
        info = value[2]
        integrity = _digest(value, 3)
    else:
        # A tarball on disk is named by its bare path.
        source = (
            Source.PATH if "/" in resolution or resolution.endswith((".tgz", ".tar.gz", ".tar")) else Source.UNKNOWN
        )
        info = value[1] if len(value) > 1 else None
        integrity = _digest(value, 2)
    facts = info if type(info) is dict else {}
    dependencies = peers = _NONE
    if facts:
        dependencies = strings(facts.get("dependencies"))
        optional = strings(facts.get("optionalDependencies"))
        if optional:
            dependencies = {**dependencies, **optional}
        peers = strings(facts.get("peerDependencies"))
    return LockEntry(
        key,
        name,
        version,
        source,
        resolved,
        integrity,
        None,
        dependencies,
        local if local != name else None,
        ("packages", key),
        False,
        facts.get("bundled") is True,
        peers,
    )


def _digest(value: list[object], index: int) -> str | None:
    found = value[index] if len(value) > index else None
    return found if type(found) is str and found else None


def _last_name(key: str) -> str:
    """``a/@x/y`` -> ``@x/y``."""
    parent, _, last = key.rpartition("/")
    scope = parent.rpartition("/")[2]
    return f"{scope}/{last}" if scope.startswith("@") else last


def _overrides(value: object) -> dict[str, str]:
    """Effective overrides; nested ones by their path, ``parent>child``."""
    found: dict[str, str] = {}
    stack: list[tuple[str, object]] = [("", value)]
    while stack:
        above, item = stack.pop()
        for name, spec in mapping(item).items():
            selector = f"{above}>{name}" if above and name != "." else above or name
            if type(spec) is dict:
                stack.append((selector, spec))
            elif (text := as_text(spec)) is not None:
                found[selector] = text
    return found


def _catalogs(document: dict[str, object]) -> dict[str, dict[str, tuple[str, str]]]:
    catalogs = dict(mapping(document.get("catalogs")))
    if "catalog" in document:
        catalogs["default"] = document["catalog"]
    return {name: {package: (spec, "") for package, spec in strings(value).items()} for name, value in catalogs.items()}
