"""Workspaces: which directories are package roots, which members have no manifest, what catalogs mean.

Each package manager reads workspace patterns in its own way:

- npm: in order, and a later pattern takes a directory back that an earlier ``!`` pattern took away;
- pnpm: ``pnpm-workspace.yaml`` alone; a ``!`` pattern counts wherever it stands, and the root is a member;
- yarn 1: ``!`` patterns mean nothing;
- yarn 2 and later: a ``!`` pattern counts wherever it stands and takes all below it away, and members may have members;
- bun: a ``!`` pattern counts wherever it stands, save against a path named literally.

None of them looks into ``node_modules``. Members that yarn 1 would leave out for want of a name or version are
package roots here all the same: their files are theirs. The projects of Rush's ``rush.json`` are a pnpm workspace. So are the directories that ``lerna.json`` or the policy calls
members, whatever the package manager makes of them: no workspace claims those.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from bot.facts.manifest import Declaration, Kind, Manifest, Override, PnpmWorkspace, WorkspaceGlob
from bot.facts.root import Root
from bot.link.globs import Globs
from bot.model import Place
from bot.names import compile_pattern, matches_any

__all__ = ["Linked", "link_members"]

Manager = Literal["npm", "pnpm", "yarn-v1", "yarn-berry", "bun"]

_LOCKS: tuple[tuple[str, Manager], ...] = (
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn-v1"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
)
_LEADING = re.compile(r"^(?:\./|/)+")
_PNPM_MANIFESTS = ("package.json", "package.yaml", "package.json5")


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """``roots`` starts with the repository, the rest in order of their directories. ``ghosts`` are directories that a
    pattern covers, that hold tracked files and no manifest, each with the pattern. ``manifests`` are those given, catalogs
    resolved."""

    roots: tuple[Root, ...]
    ghosts: tuple[tuple[str, WorkspaceGlob], ...]
    manifests: tuple[Manifest, ...]


def link_members(
    manifests: Iterable[Manifest],
    pnpm_workspaces: Iterable[PnpmWorkspace],
    paths: Collection[str],
    *,
    listed: Iterable[str] = (),
    published: Iterable[str] = (),
    lerna: Iterable[WorkspaceGlob] = (),
) -> Linked:
    """Package roots, ghosts, and manifests with their catalogs resolved. ``paths`` are all tracked files.

    A directory below the repository's root is a workspace root of its own when it declares members and holds a lockfile.
    ``listed`` are the policy's member patterns, ``published`` its patterns of published members, ``lerna`` those of
    ``lerna.json``: a directory with a manifest that one of them covers is a package root, too (a published one unless the
    workspace's own patterns take it away).
    """
    tree = _Tree(manifests, pnpm_workspaces, paths)
    claimed: dict[str, str] = {}
    ghosts: dict[str, WorkspaceGlob] = {}
    # Outer workspaces first, so that the nearest workspace root that claims a directory has the last word.
    workspaces = [workspace for directory in tree.workspace_roots() if (workspace := tree.workspace(directory))]
    for workspace in workspaces:
        claimed[workspace.directory] = workspace.directory
        covered = set(workspace.members(tree))
        claimed.update(dict.fromkeys(covered, workspace.directory))
    holders = _ancestors(claimed)
    for workspace in workspaces:
        ghosts.update(workspace.ghosts(tree, holders))
    for workspace in workspaces:
        claimed[workspace.directory] = workspace.directory

    roots = [Root(directory="", manifest=tree.manifests.get(""), workspace=claimed.get(""))]
    roots += [
        Root(directory=directory, manifest=tree.manifests.get(directory), workspace=claimed[directory])
        for directory in sorted(claimed)
        if directory
    ]
    roots += [
        Root(directory=directory, manifest=tree.manifests[directory])
        for directory in sorted(_listed(tree, workspaces, claimed, tuple(listed), tuple(published), tuple(lerna)))
    ]
    roots[1:] = sorted(roots[1:], key=lambda root: root.directory)
    return Linked(
        roots=tuple(roots),
        ghosts=tuple(sorted(ghosts.items(), key=lambda ghost: ghost[0])),
        manifests=tuple(_with_catalogs(manifest, tree, claimed) for manifest in tree.all_manifests),
    )


def _listed(
    tree: _Tree,
    workspaces: Iterable[_Workspace],
    claimed: Collection[str],
    members: tuple[str, ...],
    published: tuple[str, ...],
    lerna: tuple[WorkspaceGlob, ...],
) -> set[str]:
    """Directories with a manifest that no workspace claims and that the policy or ``lerna.json`` calls members."""
    patterns = members + published
    if not patterns and not lerna:
        return set()
    negated = Globs(_absolute(g.directory, g.pattern) for w in workspaces for g in w.globs if g.negated)
    one = [compile_pattern(pattern) for pattern in patterns if "**" not in pattern]
    deep = [compile_pattern(pattern) for pattern in patterns if "**" in pattern]
    wanted = Globs(_absolute(glob.directory, glob.pattern) for glob in lerna if not glob.negated)
    unwanted = Globs(_absolute(glob.directory, glob.pattern) for glob in lerna if glob.negated)
    found: set[str] = set()
    for directory in sorted(tree.manifests):  # what is above comes first
        if not directory or directory in claimed or "node_modules" in directory.split("/"):
            continue
        manifest = tree.manifests[directory]
        if manifest.name is None or manifest.template:
            continue  # a marker ({"type": "module"}) is no package
        if negated.match(directory) and matches_any(directory, members) is None:
            continue
        by_policy = any(pattern.match(directory) is not None for pattern in one)
        by_lerna = wanted.match(directory) and not unwanted.match(directory)
        if by_policy or by_lerna:
            found.add(directory)
        # `apps/**` means what is anywhere below, not the fixtures inside a member.
        elif any(pattern.match(directory) is not None for pattern in deep):
            above = directory.rpartition("/")[0]
            while above and above not in claimed and above not in found:
                above = above.rpartition("/")[0]
            if not above:
                found.add(directory)
    return found


# -- the tree ----------------------------------------------------------------------------------


class _Tree:
    """What the repository holds, by directory."""

    def __init__(
        self, manifests: Iterable[Manifest], pnpm_workspaces: Iterable[PnpmWorkspace], paths: Collection[str]
    ) -> None:
        self.all_manifests = tuple(manifests)
        self.manifests = {manifest.directory: manifest for manifest in self.all_manifests}
        by_name: dict[str, dict[str, PnpmWorkspace]] = {}
        for document in pnpm_workspaces:
            by_name.setdefault(document.path.rpartition("/")[2], {})[document.directory] = document
        # Rush generates the workspace that pnpm installs, and hands it the catalogs of its own configuration.
        self.pnpm = by_name.get("rush.json", {}) | by_name.get("pnpm-workspace.yaml", {})
        self.rush = tuple(by_name.get("pnpm-config.json", {}).values())
        self.yarnrc = by_name.get(".yarnrc.yml", {})
        self.paths = paths if isinstance(paths, (set, frozenset)) else frozenset(paths)
        self.directories: set[str] = {""}
        self._by_depth: dict[int, list[str]] = {}
        self.with_manifest: set[str] = set(self.manifests)
        self.with_pnpm_manifest: set[str] = set(self.manifests)
        for path in [path for path in self.paths if path.endswith(_PNPM_MANIFESTS)]:
            directory, _, name = path.rpartition("/")
            if name == "package.json":
                self.with_manifest.add(directory)
            if name in _PNPM_MANIFESTS:
                self.with_pnpm_manifest.add(directory)
        for directory in {path.rpartition("/")[0] for path in self.paths}:
            if "node_modules" in directory and "node_modules" in directory.split("/"):
                continue
            while directory not in self.directories:
                self.directories.add(directory)
                directory = directory.rpartition("/")[0]
        self.with_manifest = {d for d in self.with_manifest if "node_modules" not in d.split("/")}
        self.with_pnpm_manifest = {d for d in self.with_pnpm_manifest if "node_modules" not in d.split("/")}

    def down_to(self, depth: int) -> Iterator[str]:
        """The directories of no more segments than that."""
        if not self._by_depth:
            for directory in self.directories:
                self._by_depth.setdefault(directory.count("/") + 1, []).append(directory)
        for number in range(1, depth + 1):
            yield from self._by_depth.get(number, ())

    def holds(self, directory: str, name: str) -> bool:
        return (f"{directory}/{name}" if directory else name) in self.paths

    def locked_by(self, directory: str) -> list[Manager]:
        found: list[Manager] = [manager for name, manager in _LOCKS if self.holds(directory, name)]
        return ["yarn-berry" if m == "yarn-v1" and self._is_berry(directory) else m for m in found]

    def _is_berry(self, directory: str) -> bool:
        if directory in self.yarnrc or self.holds(directory, ".yarnrc.yml"):
            return True
        manifest = self.manifests.get(directory)
        asked = (manifest.package_manager if manifest else None) or ""
        return asked.startswith("yarn@") and not asked.startswith(("yarn@0", "yarn@1"))

    def workspace_roots(self) -> list[str]:
        """The repository's root, and directories that declare members and hold a lock; outer ones first."""
        candidates = {m.directory for m in self.all_manifests if m.workspaces} | set(self.pnpm)
        found = {d for d in candidates if d and self.locked_by(d) and "node_modules" not in d.split("/")}
        return ["", *sorted(found, key=lambda d: (d.count("/"), d))]

    def workspace(self, directory: str) -> _Workspace | None:
        manifest, pnpm = self.manifests.get(directory), self.pnpm.get(directory)
        declared = manifest.workspaces if manifest else ()
        if pnpm is None and not declared:
            return None
        manager = self._manager(directory, manifest, pnpm)
        if manager == "pnpm" and pnpm is not None:
            return _Workspace(directory=directory, manager=manager, globs=pnpm.workspaces)
        return _Workspace(directory=directory, manager=manager, globs=declared)

    def _manager(self, directory: str, manifest: Manifest | None, pnpm: PnpmWorkspace | None) -> Manager:
        if pnpm is not None and not (manifest and manifest.workspaces):
            return "pnpm"
        # Only pnpm reads pnpm-workspace.yaml and only the others read "workspaces"; a tree may carry both.
        locked = [m for m in self.locked_by(directory) if m != "pnpm" or pnpm is not None]
        if locked:
            return locked[0]
        asked = ((manifest.package_manager if manifest else None) or "").partition("@")[0]
        if asked == "pnpm" and pnpm is not None:
            return "pnpm"
        if asked == "yarn" or self._is_berry(directory):
            return "yarn-berry" if self._is_berry(directory) else "yarn-v1"
        if asked == "bun":
            return "bun"
        return "pnpm" if pnpm is not None and pnpm.workspaces and not asked else "npm"


# -- one workspace -----------------------------------------------------------------------------


class _Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace root with its patterns, as one package manager reads them."""

    directory: str
    manager: Manager
    globs: tuple[WorkspaceGlob, ...]

    def members(self, tree: _Tree) -> Iterator[str]:
        """Directories below it that have a manifest and are members."""
        manifests = tree.with_pnpm_manifest if self.manager == "pnpm" else tree.with_manifest
        yield from self._below(manifests, self)
        if self.manager != "yarn-berry":
            return
        # Yarn 2 and later: a member's own "workspaces" are members too.
        waiting, seen = list(self._below(manifests, self)), {self.directory}
        while waiting:
            directory = waiting.pop()
            if directory in seen:
                continue
            seen.add(directory)
            manifest = tree.manifests.get(directory)
            if manifest is not None and manifest.workspaces:
                inner = msgspec.structs.replace(self, directory=directory, globs=manifest.workspaces)
                found = list(self._below(manifests, inner))
                yield from found
                waiting += found

    def _below(self, directories: Iterable[str], workspace: _Workspace) -> Iterator[str]:
        rules = _Rules(workspace.manager, workspace.globs)
        prefix = f"{workspace.directory}/" if workspace.directory else ""
        for directory in directories:
            if directory.startswith(prefix) and directory != workspace.directory and rules.cover(directory):
                yield directory

    def ghosts(self, tree: _Tree, holders: Collection[str]) -> Iterator[tuple[str, WorkspaceGlob]]:
        """Directories that a pattern names, literally or by a wildcard in its last segment, and that have files, no
        manifest, and no package root inside (``holders`` have one)."""
        rules = _Rules(self.manager, self.globs)
        manifests = tree.with_pnpm_manifest if self.manager == "pnpm" else tree.with_manifest
        prefix = f"{self.directory}/" if self.directory else ""
        for directory in tree.down_to(rules.deepest):
            if not directory or directory in manifests or directory in holders or not directory.startswith(prefix):
                continue
            glob = rules.naming(directory)
            if glob is not None:
                yield directory, glob


def _absolute(directory: str, pattern: str) -> str:
    """The pattern from the repository's root."""
    pattern = _LEADING.sub("", pattern.strip().replace("\\", "/"))
    return f"{_escape(directory)}/{pattern}" if directory else pattern


def _escape(directory: str) -> str:
    return "".join(f"\\{char}" if char in "\\*?[]{}()!@+|" else char for char in directory)


def _ancestors(directories: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for directory in directories:
        while directory:
            directory = directory.rpartition("/")[0]
            found.add(directory)
    return found


class _Rules:
    """Positive and negative patterns as one package manager weighs them."""

    def __init__(self, manager: Manager, globs: Iterable[WorkspaceGlob]) -> None:
        self._manager = manager
        # A pattern that begins with a slash is an absolute path to all but npm.
        read = [glob for glob in globs if manager == "npm" or not glob.pattern.startswith("/")]
        patterns = [_absolute(glob.directory, glob.pattern) for glob in read]
        kept = set(_kept_by_npm(read, patterns) if manager == "npm" else range(len(read)))
        self._globs = [glob for index, glob in enumerate(read) if index in kept and not glob.negated]
        self._positive = Globs(p for index, p in enumerate(patterns) if index in kept and not read[index].negated)
        negated = [p for index, p in enumerate(patterns) if index in kept and read[index].negated]
        self._negative = Globs(negated if manager != "yarn-v1" else ())

    def cover(self, directory: str) -> bool:
        """Whether a directory with a manifest is a member."""
        found = self._positive.endings(directory)
        if self._manager == "bun":
            firsts = {ending.pattern: ending for ending in reversed(found) if ending.sized}
            if any(not ending.wild for ending in firsts.values()):
                return True  # bun takes nothing away from what is named literally
        return bool(found) and self._wanted(directory)

    @property
    def deepest(self) -> int:
        """How many segments a directory that a pattern names has at most."""
        return self._positive.deepest

    def naming(self, directory: str) -> WorkspaceGlob | None:
        """The pattern that names a directory, literally or by a wildcard in its last segment."""
        sized = next((ending for ending in self._positive.endings(directory) if ending.sized), None)
        return self._globs[sized.pattern] if sized is not None and self._wanted(directory) else None

    def _wanted(self, directory: str) -> bool:
        looked = directory
        while looked:
            if self._negative.match(looked):
                return False
            if self._manager != "yarn-berry":
                return True
            looked = looked.rpartition("/")[0]  # yarn leaves out what is below, too
        return True


def _kept_by_npm(globs: Sequence[WorkspaceGlob], patterns: Sequence[str]) -> Iterator[int]:
    """The indexes of the patterns that npm heeds, in no order.

    npm reads a pattern as if it were a path (one that ends in ``/``: only such) to see whether a ``!`` pattern covers it: a later pattern
    revokes the ``!`` patterns that cover it, and those that are left at the end revoke the patterns that they cover.
    """
    negated = [index for index, glob in enumerate(globs) if glob.negated]
    negative = Globs(patterns[index] for index in negated)
    covered_by: dict[int, set[int]] = {}
    active: dict[int, None] = {}
    for index, glob in enumerate(globs):
        if glob.negated:
            active[index] = None
            continue
        pattern = patterns[index]
        covering = {negated[ending.pattern] for ending in negative.endings(pattern.strip("/"))}
        covered_by[index] = {i for i in covering if pattern.endswith("/") >= patterns[i].endswith("/")}
        for revoked in covered_by[index]:
            active.pop(revoked, None)
    yield from active
    yield from (index for index, covering in covered_by.items() if not covering & active.keys())


# -- catalogs ----------------------------------------------------------------------------------


class _Catalog(msgspec.Struct, frozen=True):
    path: str
    pointer: tuple[str, ...]
    specs: Mapping[str, str]


def _with_catalogs(manifest: Manifest, tree: _Tree, claimed: Mapping[str, str]) -> Manifest:
    if not any(d.kind is Kind.CATALOG for d in manifest.declarations) and not any(
        o.kind is Kind.CATALOG for o in manifest.overrides
    ):
        return manifest
    directories = list(_holders(manifest.directory, claimed))
    return msgspec.structs.replace(
        manifest,
        declarations=tuple(_resolved(d, tree, directories) for d in manifest.declarations),
        overrides=tuple(_resolved_override(o, tree, directories) for o in manifest.overrides),
    )


def _holders(directory: str, claimed: Mapping[str, str]) -> Iterator[str]:
    """Where a manifest's catalogs may stand: its workspace root, else the directories above it."""
    if directory in claimed:
        yield claimed[directory]
    while True:
        yield directory
        if not directory:
            return
        directory = directory.rpartition("/")[0]


def _catalogs(tree: _Tree, directory: str, name: str) -> Iterator[_Catalog]:
    for document in (tree.pnpm.get(directory), tree.yarnrc.get(directory), *(() if directory else tree.rush)):
        if document is not None and name in document.catalogs:
            field = document.catalog_fields.get(name, "catalogs")
            pointer = (field,) if field == "catalog" else (field, name)
            yield _Catalog(document.path, pointer, document.catalogs[name])
    manifest = tree.manifests.get(directory)
    if manifest is not None and name in manifest.catalogs:
        yield _Catalog(manifest.path, manifest.catalog_fields.get(name, ("catalog",)), manifest.catalogs[name])


def _entry(spec: str, local: str, tree: _Tree, directories: Iterable[str]) -> tuple[str, Place] | None:
    name = spec.removeprefix("catalog:").strip() or "default"
    for directory in directories:
        for catalog in _catalogs(tree, directory, name):
            if local in catalog.specs:
                return catalog.specs[local], Place(catalog.path, (*catalog.pointer, local))
    return None


def _resolved(declaration: Declaration, tree: _Tree, directories: Iterable[str]) -> Declaration:
    if declaration.kind is not Kind.CATALOG:
        return declaration
    entry = _entry(declaration.spec, declaration.local, tree, directories)
    if entry is None:
        return declaration
    from bot.readers.npm.spec import classify

    spec, place = entry
    meant = classify(spec, declaration.local)
    name = meant.name or declaration.local
    return msgspec.structs.replace(
        declaration,
        effective=meant.effective,
        kind=meant.kind,
        version=meant.version,
        name=name,
        alias=name != declaration.local or spec[:4].lower() == "npm:",
        catalog_place=place,
    )


def _resolved_override(override: Override, tree: _Tree, directories: Iterable[str]) -> Override:
    if override.kind is not Kind.CATALOG:
        return override
    entry = _entry(override.spec, override.target, tree, directories)
    if entry is None:
        return override
    from bot.readers.npm.spec import classify

    return msgspec.structs.replace(override, kind=classify(entry[0]).kind)
