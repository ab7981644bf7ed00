"""Where a manifest and the lock that governs it disagree, and whether a frozen install would have refused that.

What a frozen install refuses was tried with the real package managers, change by change (``tests/locks/fixtures/*/verdicts.json``
holds what they said):

- ``npm ci`` builds the tree that manifest and lock give and refuses what is missing or does not satisfy, a member that
  the lock lacks or knows by another name. It accepts other specifiers, other versions of root and members, and packages that
  nothing asks for any more. Overrides are not recorded, so nothing is said of them.
- ``pnpm install --frozen-lockfile`` compares specifiers as text, field by field, and overrides and the catalog entries in use.
  It looks at no version. Peers count where the lock says ``autoInstallPeers``.
- ``yarn install --frozen-lockfile`` (1) wants the key ``name@specifier`` of what the *root* declares, and accepts anything of members.
- ``yarn install --immutable`` (2 and later) refuses every difference in what the lock records of a member: names, specifiers, peers.
- ``bun install --frozen-lockfile`` accepts other specifiers as long as the same packages result: it refuses what is missing or does
  not satisfy, what nothing asks for any more, and other overrides or catalogs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from bot.facts.lock import Importer, Lock, LockedDependency, LockEntry, Source
from bot.facts.manifest import Declaration, Kind, Manifest, Override
from bot.link.locks import dependency, index, resolve
from bot.link.overrides import applies, in_force, key_in_lock, readings
from bot.model import Place

__all__ = ["Drift", "What", "drift", "drift_of_root", "stale_members"]

What = Literal[
    "member-missing",
    "member-stale",
    "member-name",
    "member-version",
    "dependency-missing",
    "dependency-extra",
    "dependency-field",
    "specifier",
    "unsatisfied",
    "override",
    "catalog",
]

# What an install makes of a name in several fields: the first of these that has it.
_RANK = {"optionalDependencies": 0, "dependencies": 1, "devDependencies": 2, "peerDependencies": 3}
# Yarn 2 and later lay devDependencies over the others (Workspace.ts of its core: a Map filled field by field).
_BERRY_RANK = _RANK | {"devDependencies": -1}


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One disagreement. ``what`` is a stable code; ``package`` the name concerned (the member's own for ``member-…``).

    ``manifest`` and ``lock`` are the places on both sides (the file where the thing is not there). ``wanted`` is what the
    manifest says, ``found`` what the lock says; empty for nothing. ``refused`` tells whether the package manager's own
    frozen install refuses it: where it does not, the lock is stale and yet installs.
    """

    what: What
    package: str
    manifest: Place
    lock: Place
    wanted: str
    found: str
    refused: bool


def drift(
    lock: Lock,
    manifest: Manifest,
    declarations: Iterable[Declaration],
    workspace_versions: Mapping[str, str | None],
    overrides: Iterable[Override] = (),
) -> list[Drift]:
    """Where one manifest and its lock disagree.

    ``declarations`` are the manifest's, catalogs resolved; ``workspace_versions`` the versions of all members by name;
    ``overrides`` all of the workspace root (its manifest's and ``pnpm-workspace.yaml``'s): only those that the lock's package
    manager reads count.
    """
    importer = index(lock).importers.get(manifest.directory)
    if lock.records_importers and importer is None:
        if lock.format == "bun" and manifest.name is None and manifest.directory != lock.directory:
            return []  # to bun a folder without a name is no member
        if not manifest.has_dependencies and manifest.name not in workspace_versions:
            return []  # a marker (`{"type": "module"}`) or a fixture that asks for nothing, no member
        return [_member(lock, manifest, None, "member-missing", manifest.name or manifest.directory, "", refused=True)]
    found: list[Drift] = []
    if importer is not None:
        found += _identity(lock, manifest, importer)
    effective = _effective(lock, declarations)
    overridden = _overridden(lock, manifest, effective, overrides)
    if lock.format == "pnpm":
        found += _pnpm(lock, manifest, importer, effective, overridden, workspace_versions)
    elif lock.format == "yarn-v1":
        found += _yarn_v1(lock, manifest, effective, overridden, workspace_versions)
    elif lock.format == "yarn-berry":
        found += _yarn_berry(lock, manifest, importer, effective, overridden, workspace_versions)
    else:
        found += _by_tree(lock, manifest, importer, effective, overridden, workspace_versions)
    return found


def _overridden(
    lock: Lock, manifest: Manifest, effective: Mapping[str, Declaration], overrides: Iterable[Override]
) -> dict[str, str]:
    """Names of direct dependencies that an override in force gives another meaning -> what it says."""
    found: dict[str, str] = {}
    for selector, target, spec in in_force(lock, overrides):
        declaration = effective.get(target)
        if declaration is None or found.get(target) == "-":  # pnpm's word for one that is to go
            continue
        if applies(lock, selector, target, manifest, declaration):
            found[target] = spec
    return found


def _effective(lock: Lock, declarations: Iterable[Declaration]) -> dict[str, Declaration]:
    """Name -> the declaration that an install goes by. Peers only where the format records them."""
    found: dict[str, Declaration] = {}
    rank = _BERRY_RANK if lock.format == "yarn-berry" else _RANK
    for declaration in sorted(declarations, key=lambda item: rank.get(item.field, 4)):
        if declaration.field == "peerDependencies" and not _records_peers(lock):
            continue
        found.setdefault(declaration.local, declaration)
    return found


def _records_peers(lock: Lock) -> bool:
    if lock.format == "npm":
        return lock.version != "1"
    if lock.format == "pnpm":
        return lock.settings.get("autoInstallPeers") == "true"
    return lock.format != "yarn-v1"


# -- members ---------------------------------------------------------------------------------


def _member(
    lock: Lock,
    manifest: Manifest,
    pointer: tuple[str | int, ...] | None,
    what: What,
    wanted: str,
    found: str,
    *,
    refused: bool,
) -> Drift:
    key = {"member-name": "name", "member-version": "version"}.get(what)
    has = (manifest.name if key == "name" else manifest.version) is not None
    return Drift(
        what=what,
        package=manifest.name or manifest.directory,
        manifest=Place(manifest.path, (key,)) if key and has else Place(manifest.path),
        lock=Place(lock.path, pointer) if pointer else Place(lock.path),
        wanted=wanted,
        found=found,
        refused=refused,
    )


def _identity(lock: Lock, manifest: Manifest, importer: Importer) -> Iterator[Drift]:
    """Name and version, where the lock records them (npm, bun; yarn 2+ the name alone)."""
    root = importer.directory == lock.directory
    if importer.name is not None and (manifest.name or "") != importer.name:
        # npm and bun name the root for show; yarn's keys are made of the name.
        refused = not root or lock.format == "yarn-berry"
        # npm writes the folder's name for a root that has none.
        unnamed = manifest.name is None and (root or _is_made_up(lock, importer))
        if not unnamed:
            pointer = (*importer.pointer, "name") if lock.format in ("npm", "bun") else importer.pointer
            yield _member(lock, manifest, pointer, "member-name", manifest.name or "", importer.name, refused=refused)
    recorded = lock.format == "npm" or (lock.format == "bun" and not root)
    if recorded and (manifest.version or "") != (importer.version or ""):
        pointer = (*importer.pointer, "version") if importer.version is not None else importer.pointer
        wanted, found = manifest.version or "", importer.version or ""
        yield _member(lock, manifest, pointer, "member-version", wanted, found, refused=False)


def _is_made_up(lock: Lock, importer: Importer) -> bool:
    """Whether a lock's name for a member is what the package manager makes of its folder."""
    within = importer.directory[len(lock.directory) :].lstrip("/")
    folder = within.rpartition("/")[2]
    if lock.format == "yarn-berry":
        return importer.name == f"{folder}-{hashlib.sha512(within.encode(errors='surrogateescape')).hexdigest()[:6]}"
    return f"/{within}".endswith(f"/{importer.name}")


def stale_members(lock: Lock, directories: Collection[str]) -> list[Drift]:
    """Members that the lock records and that are there no more. ``directories`` hold a manifest."""
    if not lock.records_importers:
        return []
    return [
        Drift(
            what="member-stale",
            package=importer.name or importer.directory,
            manifest=Place(f"{importer.directory}/package.json" if importer.directory else "package.json"),
            lock=Place(lock.path, importer.pointer, key=True),
            wanted="",
            found=importer.name or importer.directory,
            refused=lock.format == "yarn-berry",
        )
        for importer in lock.importers
        if importer.directory not in directories
    ]


# -- one dependency --------------------------------------------------------------------------


def _make(
    lock: Lock,
    what: What,
    declaration: Declaration,
    pointer: tuple[str | int, ...] | None,
    found: str,
    *,
    refused: bool,
) -> Drift:
    return Drift(
        what=what,
        package=declaration.name,
        manifest=declaration.place,
        lock=Place(lock.path, pointer) if pointer else Place(lock.path),
        wanted=declaration.field if what == "dependency-field" else declaration.spec,
        found=found,
        refused=refused,
    )


def _extra(lock: Lock, manifest: Manifest, item: LockedDependency, *, refused: bool) -> Drift:
    return Drift(
        what="dependency-extra",
        package=item.name,
        manifest=Place(manifest.path),
        lock=Place(lock.path, item.pointer),
        wanted="",
        found=item.spec or "",
        refused=refused,
    )


def _fits(entry: LockEntry, declaration: Declaration, workspace_versions: Mapping[str, str | None]) -> bool | None:
    """Whether an entry is what a declaration asks for; None when the lock does not say enough."""
    from bot.readers.npm.semver import satisfies

    local = entry.source in (Source.WORKSPACE, Source.PATH)
    kind = declaration.kind
    if kind is Kind.WORKSPACE or kind is Kind.PATH:
        return local
    if kind in (Kind.GIT, Kind.URL):
        return entry.source in (Source.GIT, Source.URL)
    if kind is Kind.TAG:
        return None if local else entry.source in (Source.REGISTRY, Source.PATCH)
    if kind not in (Kind.EXACT, Kind.RANGE):
        return None
    if entry.source in (Source.GIT, Source.URL):
        return False
    version = workspace_versions.get(entry.name) if local and entry.name in workspace_versions else entry.version
    if version is None:
        return None
    return satisfies(version, _range(declaration))


def _range(declaration: Declaration) -> str:
    """The range within an alias, a catalog's entry, ``npm:`` or ``jsr:``."""
    spec = declaration.effective
    if spec.startswith("jsr:"):
        inner = spec[4:]
        at = inner.rfind("@")
        return inner[at + 1 :] if at > 0 else "*" if at == 0 else inner
    if spec[:4].lower() != "npm:":
        return spec
    inner = spec[4:]
    at = inner.rfind("@")
    return inner[at + 1 :] if at > 0 else "*" if inner.startswith(declaration.name) else inner


def _shown(entry: LockEntry, declaration: Declaration) -> str:
    """What the lock has, in words: a version, with the package where it is another one."""
    what = entry.version or entry.resolved or entry.source.value
    return what if entry.name == declaration.name else f"{entry.name}@{what}"


# -- npm and bun: the tree decides -------------------------------------------------------------


def _by_tree(
    lock: Lock,
    manifest: Manifest,
    importer: Importer | None,
    effective: Mapping[str, Declaration],
    overridden: Mapping[str, str],
    workspace_versions: Mapping[str, str | None],
) -> Iterator[Drift]:
    recorded = _recorded(importer)
    for local, declaration in effective.items():
        note = recorded.get(local)
        entry = resolve(lock, manifest.directory, manifest.name, local, declaration)
        if entry is None:
            skipped = declaration.field == "optionalDependencies" and note is not None and note.spec == declaration.spec
            if not skipped and not (declaration.field == "peerDependencies" and declaration.optional):
                yield _make(lock, "dependency-missing", declaration, None, "", refused=True)
            continue
        fits = None if local in overridden else _fits(entry, declaration, workspace_versions)
        other = entry.name != declaration.name and declaration.kind in (Kind.EXACT, Kind.RANGE, Kind.TAG)
        if fits is False or (fits and other):
            # npm 7 and later compare the version alone and install the other package; npm 6 takes git for granted.
            accepted = (
                _npm_accepts(lock, declaration) if fits is False else lock.format == "npm" and lock.version != "1"
            )
            # bun warns of a peer that does not fit, and installs.
            accepted |= lock.format == "bun" and declaration.field == "peerDependencies"
            shown = _shown(entry, declaration)
            yield _make(lock, "unsatisfied", declaration, entry.pointer, shown, refused=not accepted)
        elif lock.records_importers:
            if note is None:
                yield _make(lock, "dependency-missing", declaration, None, "", refused=False)
            elif note.spec != declaration.spec:
                yield _make(lock, "specifier", declaration, note.pointer, note.spec or "", refused=False)
            elif note.field != declaration.field:
                yield _make(lock, "dependency-field", declaration, note.pointer, note.field, refused=False)
    extra = [item for local, item in recorded.items() if local not in effective]
    kept = _kept(lock, manifest, {item.name for item in extra}) if extra and lock.format == "bun" else None
    for item in extra:
        entry = index(lock).entries.get(item.entry or "")
        vanishes = kept is not None and entry is not None and entry.key not in kept
        # bun says nothing of a member that is asked for no more.
        refused = vanishes and entry is not None and entry.source is not Source.WORKSPACE
        yield _extra(lock, manifest, item, refused=refused)


def _npm_accepts(lock: Lock, declaration: Declaration) -> bool:
    return lock.format == "npm" and lock.version == "1" and declaration.kind in (Kind.GIT, Kind.URL)


def _recorded(importer: Importer | None) -> dict[str, LockedDependency]:
    found: dict[str, LockedDependency] = {}
    if importer is not None:
        for item in sorted(importer.dependencies, key=lambda item: _RANK.get(item.field, 4)):
            found.setdefault(item.name, item)
    return found


def _kept(lock: Lock, manifest: Manifest, gone: Collection[str]) -> set[str]:
    """The keys of entries that something still asks for when one manifest asks for some names no more."""
    entries = index(lock).entries
    queue = [
        entries[item.entry]
        for importer in lock.importers
        for item in importer.dependencies
        if item.entry in entries and not (importer.directory == manifest.directory and item.name in gone)
    ]
    seen = {entry.key for entry in queue}
    while queue:
        entry = queue.pop()
        for name in (*entry.dependencies, *entry.peers):
            target = dependency(lock, entry, name)
            if target is not None and target.key not in seen:
                seen.add(target.key)
                queue.append(target)
    return seen


# -- pnpm: the text decides --------------------------------------------------------------------

_PNPM_OWN = ("configDependencies", "packageManagerDependencies")


def _pnpm(
    lock: Lock,
    manifest: Manifest,
    importer: Importer | None,
    effective: Mapping[str, Declaration],
    overridden: Mapping[str, str],
    workspace_versions: Mapping[str, str | None],
) -> Iterator[Drift]:
    recorded = {item.name: item for item in (importer.dependencies if importer else ()) if item.field not in _PNPM_OWN}
    linkless = lock.settings.get("excludeLinksFromLockfile") == "true"
    entries = index(lock).entries
    for local, declaration in effective.items():
        note = recorded.get(local)
        if note is None:
            if linkless and declaration.spec.startswith("link:"):
                continue
            if overridden.get(local) == "-" or _is_ignored(lock, declaration):
                continue  # left out on purpose
            yield _make(lock, "dependency-missing", declaration, None, "", refused=True)
            continue
        same = note.spec == declaration.spec or local in overridden
        entry = entries.get(note.entry) if note.entry is not None else None
        fits = _fits(entry, declaration, workspace_versions) if entry is not None and local not in overridden else None
        # A path or a workspace is told by the specifier; the entry cannot contradict it.
        if fits is False and entry is not None and entry.source is not Source.WORKSPACE:
            yield _make(lock, "unsatisfied", declaration, note.pointer, _shown(entry, declaration), refused=not same)
        elif not same:
            yield _make(lock, "specifier", declaration, note.pointer, note.spec or "", refused=True)
        elif note.field not in ("", declaration.field) and declaration.field != "peerDependencies":
            yield _make(lock, "dependency-field", declaration, note.pointer, note.field, refused=True)
    for local, item in recorded.items():
        if local not in effective:
            yield _extra(lock, manifest, item, refused=True)


def _is_ignored(lock: Lock, declaration: Declaration) -> bool:
    """Whether pnpm left an optional dependency out: the last pattern that matches decides (pnpm's ``@pnpm/matcher``)."""
    patterns = lock.ignored_optional
    if declaration.field != "optionalDependencies" or not patterns:
        return False
    ignored = all(pattern.startswith("!") for pattern in patterns)
    for pattern in patterns:
        if _matches(pattern.removeprefix("!"), declaration.local):
            ignored = not pattern.startswith("!")
    return ignored


def _matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern in which ``*`` stands for anything."""
    first, *others = pattern.split("*")
    if not others:
        return name == pattern
    *middle, last = others
    if not name.startswith(first) or not name[len(first) :].endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


# -- yarn ------------------------------------------------------------------------------------


def _yarn_v1(
    lock: Lock,
    manifest: Manifest,
    effective: Mapping[str, Declaration],
    overridden: Mapping[str, str],
    workspace_versions: Mapping[str, str | None],
) -> Iterator[Drift]:
    from bot.readers.npm.semver import satisfies

    keys = index(lock).descriptors
    root = manifest.directory == lock.directory
    for local, declaration in effective.items():
        if f"{local}@{declaration.spec}" in keys:
            entry = keys[f"{local}@{declaration.spec}"]
            if local not in overridden and _fits(entry, declaration, workspace_versions) is False:
                # Whoever wrote this by hand: yarn 1 trusts the key, and installs what stands under it.
                yield _make(lock, "unsatisfied", declaration, entry.pointer, _shown(entry, declaration), refused=False)
            continue
        version = workspace_versions.get(local)
        if version is not None and satisfies(version, declaration.effective):
            continue  # a member: yarn 1 links it and records nothing
        if declaration.kind is Kind.WORKSPACE or (
            declaration.kind is Kind.PATH and declaration.spec.startswith("link:")
        ):
            continue
        present = resolve(lock, manifest.directory, manifest.name, local, None)
        what: What = "specifier" if present is not None else "dependency-missing"
        pointer = present.pointer if present is not None else None
        shown = present.key if present is not None else ""
        # A member of that name that does not satisfy: yarn asks the registry, which need not have it at all.
        yield _make(lock, what, declaration, pointer, shown, refused=root or local in workspace_versions)


def _yarn_berry(
    lock: Lock,
    manifest: Manifest,
    importer: Importer | None,
    effective: Mapping[str, Declaration],
    overridden: Mapping[str, str],
    workspace_versions: Mapping[str, str | None],
) -> Iterator[Drift]:
    own = importer.dependencies if importer is not None else ()
    recorded = {item.name: item for item in own if item.field != "peerDependencies"}
    peers = {item.name: item for item in own if item.field == "peerDependencies"}
    entries = index(lock).entries
    keys = index(lock).descriptors.keys()
    asked = set()
    for declaration in (*effective.values(), *(d for d in manifest.declarations if d.field == "peerDependencies")):
        where = peers if declaration.field == "peerDependencies" else recorded
        if (declaration.local, declaration.field) in asked:
            continue
        asked.add((declaration.local, declaration.field))
        note = where.get(declaration.local)
        if note is None:
            yield _make(lock, "dependency-missing", declaration, None, "", refused=True)
            continue
        entry = entries.get(note.entry) if note.entry is not None else None
        free = declaration.local in overridden or entry is None or entry.source is Source.PATCH
        patched = entry is not None and entry.source is Source.PATCH
        told = declaration.kind is not Kind.CATALOG and declaration.local not in overridden and not patched
        if told and declaration.spec.startswith("catalog:") and not (_names(declaration) & keys):
            shown = _shown(entry, declaration) if entry is not None else note.spec or ""
            yield _make(lock, "catalog", declaration, note.pointer, shown, refused=True)
            continue
        same = declaration.spec.startswith("patch:") or _bare(note.spec) == _bare(declaration.spec)
        if not free and entry is not None and _fits(entry, declaration, workspace_versions) is False:
            if entry.source is not Source.WORKSPACE or not same:
                yield _make(
                    lock, "unsatisfied", declaration, note.pointer, _shown(entry, declaration), refused=not same
                )
        elif not same:
            yield _make(lock, "specifier", declaration, note.pointer, note.spec or "", refused=True)
    declared = {declaration.local for declaration in effective.values() if declaration.field != "peerDependencies"}
    wanted_peers = {d.local for d in manifest.declarations if d.field == "peerDependencies"}
    for item in (*recorded.values(), *peers.values()):
        if item.name not in (wanted_peers if item.field == "peerDependencies" else declared):
            yield _extra(lock, manifest, item, refused=True)


def _names(declaration: Declaration) -> set[str]:
    """The descriptors under which yarn 2 and later would have a declaration, its catalog resolved."""
    return {f"{declaration.local}@{declaration.effective}", f"{declaration.local}@npm:{declaration.effective}"}


def _bare(spec: str | None) -> str:
    """``npm:^1`` and ``^1`` are one in yarn 2 and later, by version of the lock."""
    text = (spec or "").strip()
    return text[4:] if text.startswith("npm:") else text


# -- what the workspace root says --------------------------------------------------------------


def drift_of_root(
    lock: Lock,
    manifest: Manifest | None,
    overrides: Iterable[Override],
    catalogs: Mapping[str, Mapping[str, str]],
    *,
    manager: str | None = None,
) -> list[Drift]:
    """Where the workspace root's overrides and catalogs differ from those that the lock records as in force.

    ``catalogs`` maps catalog -> package -> specifier (``default`` is the unnamed one). npm records none of this.
    ``manager`` is what ``packageManager`` says there.
    """
    path = manifest.path if manifest is not None else lock.path
    read = readings(lock, overrides, manager)
    if lock.format in ("pnpm", "bun"):
        by_reading = [list(_recorded_overrides(lock, path, reading)) for reading in read]
        # Where one version of the package manager would have made this lock, nothing is wrong.
        drifted = by_reading[0] if all(by_reading) else []
        return [*drifted, *_recorded_catalogs(lock, path, catalogs)]
    if lock.format.startswith("yarn"):
        return _resolutions(lock, path, read[0])
    return []


def _override(
    lock: Lock, package: str, manifest: Place, pointer: tuple[str | int, ...], wanted: str, found: str
) -> Drift:
    return Drift(
        what="override",
        package=package,
        manifest=manifest,
        lock=Place(lock.path, pointer),
        wanted=wanted,
        found=found,
        refused=lock.format != "yarn-v1",
    )


def _recorded_overrides(lock: Lock, path: str, overrides: list[Override]) -> Iterator[Drift]:
    wanted = {key_in_lock(lock, item.selector): item for item in overrides}
    for selector, item in wanted.items():
        found = lock.overrides.get(selector)
        if found is None:
            yield _override(lock, item.target, item.place, (), item.spec, "")
        elif found != item.spec and not item.spec.startswith(("$", "catalog:")):
            # `$name` and catalogs are recorded as what they mean.
            yield _override(lock, item.target, item.place, ("overrides", selector), item.spec, found)
    for selector, spec in lock.overrides.items():
        if selector not in wanted:
            yield _override(lock, selector, Place(path), ("overrides", selector), "", spec)


def _recorded_catalogs(lock: Lock, path: str, catalogs: Mapping[str, Mapping[str, str]]) -> Iterator[Drift]:
    for name, recorded in lock.catalogs.items():
        unnamed = lock.format == "bun" and name == "default"
        for package, (spec, _) in recorded.items():
            wanted = catalogs.get(name, {}).get(package, "")
            if wanted != spec:
                pointer: tuple[str | int, ...] = ("catalog", package) if unnamed else ("catalogs", name, package)
                yield Drift(
                    what="catalog",
                    package=package,
                    manifest=Place(path),
                    lock=Place(lock.path, pointer),
                    wanted=wanted,
                    found=spec,
                    refused=True,
                )


# The last name in what stands above: `foo`, `@x/foo@npm:1.0.0`, `a/foo`.
_PARENT = re.compile(r"(?:^|/)((?:@[^/@]+/)?[^/@]+)(?:@[^/]*)?$")


def _is_asked_for(lock: Lock, item: Override) -> bool:
    """Whether something in a lock of yarn's asks for what a resolution is for: a range of its own, or by a certain package."""
    selector = item.selector.removeprefix("**/")
    spec = selector[len(item.target) + 1 :] if selector.startswith(f"{item.target}@") else ""
    if spec and "/" not in spec:
        wanted = _bare(spec)
        asked = (entry.dependencies.get(item.target) for entry in lock.entries)
        told = (d.spec for importer in lock.importers for d in importer.dependencies if d.name == item.target)
        return any(found is not None and _bare(found) == wanted for found in (*asked, *told))
    above = selector.rpartition(item.target)[0].removesuffix("/").removesuffix("/**")
    if not above or above == selector:
        return True
    parent = _PARENT.search(above)
    entries = index(lock).named.get(parent[1], ()) if parent is not None else ()
    return any(item.target in entry.dependencies for entry in entries)


def _resolutions(lock: Lock, path: str, overrides: list[Override]) -> list[Drift]:
    """yarn records what its resolutions came to: a range that some package asks for and that no key answers."""
    keys = index(lock).descriptors
    named = index(lock).named
    found: list[Drift] = []
    targets: set[str] = set()
    for item in overrides:
        targets.add(item.target)
        answered = any(one in keys for one in (f"{item.target}@{item.spec}", f"{item.target}@npm:{item.spec}"))
        if answered or item.target not in named or item.spec.startswith(("patch:", "portal:", "link:", "file:")):
            continue  # in force, or nothing here asks for that package
        if not _is_asked_for(lock, item):
            continue
        entry = named[item.target][0]
        found.append(_override(lock, item.target, item.place, entry.pointer, item.spec, entry.version or entry.key))
    reported: set[str] = set()
    for entry in lock.entries:
        for name, spec in entry.dependencies.items():
            if name in targets or name in reported or name not in named or spec.startswith("catalog:"):
                continue
            if f"{name}@{spec}" not in keys and f"{name}@npm:{spec}" not in keys:
                reported.add(name)
                pointer = named[name][0].pointer
                found.append(_override(lock, name, Place(path), pointer, "", named[name][0].version or ""))
    return found
