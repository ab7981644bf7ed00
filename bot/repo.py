"""One repository as rules see it: an index over immutable facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec

from bot.facts.lock import Lock, LockEntry
from bot.facts.manifest import Declaration, Manifest, PnpmWorkspace, WorkspaceGlob
from bot.facts.module import SourceFile
from bot.facts.root import Root
from bot.link.locks import resolve
from bot.model import Place
from bot.names import PackageName, RepoName, matches_any, split_specifier
from bot.policy import Policy, Side

__all__ = ["Pin", "Repo", "Root", "is_published", "mapped_imports"]

T = TypeVar("T")


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of a package a file gets. ``entry`` and ``lock`` are None when only an exact declaration
    says so; ``root`` is set instead of ``version`` when a workspace member itself answers (``entry`` then is None where
    the lock's format records no such links)."""

    package: PackageName
    version: str | None
    lock: Lock | None = None
    entry: LockEntry | None = None
    declaration: Declaration | None = None
    root: Root | None = None


class Repo(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A repository's facts. ``identity`` is its name on a forge, when known; ``folder`` the checkout folder's
    own name, on workstations only. ``revision`` is a commit id, or empty for a working tree.
    ``paths`` are all tracked files that policy does not ignore, ``files`` how many source files were
    looked at. ``roots`` starts with the repository itself. ``unread_locks`` are the paths of lockfiles that are there and could not be read. ``governs`` maps a manifest's directory to
    the lock that governs it. ``ghosts`` are directories that a workspace glob covers and that hold no manifest.
    """

    identity: RepoName | None = None
    folder: str | None = None
    revision: str = ""
    paths: frozenset[str] = frozenset()
    links: Mapping[str, str] = msgspec.field(default_factory=dict)
    manifests: tuple[Manifest, ...] = ()
    pnpm_workspaces: tuple[PnpmWorkspace, ...] = ()
    locks: tuple[Lock, ...] = ()
    unread_locks: frozenset[str] = frozenset()
    roots: tuple[Root, ...] = ()
    governs: Mapping[str, Lock] = msgspec.field(default_factory=dict)
    ghosts: tuple[tuple[str, WorkspaceGlob], ...] = ()
    sources: Mapping[str, SourceFile] = msgspec.field(default_factory=dict)
    files: int = 0
    _cache: dict[str, object] = msgspec.field(default_factory=dict)

    # -- roots -----------------------------------------------------------------------------

    def root_of(self, path: str) -> Root:
        """The package root that a file or directory belongs to (the deepest one)."""
        # Filled with every directory that is asked for.
        by_directory = self._once("by_directory", lambda: {root.directory: root for root in self.roots})
        directory = path.rpartition("/")[0]
        found = by_directory.get(directory)
        if found is None:
            above = directory
            while found is None and above:
                above = above.rpartition("/")[0]
                found = by_directory.get(above)
            found = by_directory[directory] = found or by_directory[""]
        return found

    def workspace_of(self, path: str) -> str | None:
        """The workspace that a manifest is a member of, and whose siblings an install may link; None for a project that
        only lies inside one."""
        root = self.root_of(path)
        return root.workspace if root.directory == path.rpartition("/")[0] else None

    def root_named(self, name: str) -> Root | None:
        """The member with this npm name."""
        by_name = self._once(
            "by_name", lambda: {r.manifest.name: r for r in reversed(self.roots) if r.manifest and r.manifest.name}
        )
        return by_name.get(name)

    def manifest_at(self, directory: str) -> Manifest | None:
        """The manifest in exactly this directory."""
        found = self._once("manifests", lambda: {m.directory: m for m in self.manifests})
        return found.get(directory)

    def manifest_of(self, path: str) -> Manifest | None:
        """The nearest manifest at or above a file: the one Node reads for it."""
        directory = path.rpartition("/")[0]
        nearest: dict[str, Manifest | None] = self._once("nearest", dict)
        if directory not in nearest:
            found = self.manifest_at(directory)
            above = directory
            while found is None and above:
                above = above.rpartition("/")[0]
                found = self.manifest_at(above)
            nearest[directory] = found
        return nearest[directory]

    def in_template(self, path: str) -> bool:
        """Whether a file belongs to a template, whose names are placeholders: nothing in it is installed as it stands."""
        manifest = self.manifest_of(path)
        return manifest is not None and manifest.template

    def declarations(self) -> Iterator[tuple[Manifest, Declaration]]:
        """Every declaration of every manifest that is not a template."""
        for manifest in self.manifests:
            if not manifest.template:
                for declaration in manifest.declarations:
                    yield manifest, declaration

    # -- sides -----------------------------------------------------------------------------

    def side_of(self, policy: Policy, path: str) -> Side:
        """Open or private: the side of the package root that holds a file (*unmatched* resolved)."""
        root = self.root_of(path)
        sides: dict[str, Side] = self._once("sides", dict)
        if root.directory not in sides:
            sides[root.directory] = policy.counts_as(self.stated_side(policy, root))
        return sides[root.directory]

    def stated_side(self, policy: Policy, root: Root) -> Side:
        """What policy says of a package root: open, private, or *unmatched*.

        One that says ``"private": true`` is not open by its name alone: a product may carry a name of the open scope.
        It is where policy gives that name in full, and where an open package stands in the same repository, whose tooling,
        tests or site it then is.
        """
        unpublished = root.manifest is not None and root.manifest.private
        if unpublished and root.package is not None and policy.lists(root.package):
            unpublished = False
        if unpublished and self._once("holds_open", lambda: any(self._is_released(policy, r) for r in self.roots)):
            unpublished = False
        return policy.side_of_root(self.identity, root.directory, root.package, unpublished=unpublished)

    def _is_released(self, policy: Policy, root: Root) -> bool:
        """An open package root that strangers get as a package."""
        if root.manifest is None or root.manifest.private or root.manifest.template:
            return False
        return policy.side_of_root(self.identity, root.directory, root.package) is Side.OPEN

    def is_open(self, policy: Policy, package: PackageName) -> bool:
        """Whether this is an open package: by name, and no private member of this repository."""
        known: dict[tuple[int, PackageName], bool] = self._once("open", dict)
        key = (id(policy), package)  # one repository is judged by one policy, which outlives it
        found = known.get(key)
        if found is None:
            found = known[key] = self._is_open(policy, package)
        return found

    def _is_open(self, policy: Policy, package: PackageName) -> bool:
        if policy.side_of_package(package) is not Side.OPEN:
            return False
        root = self.root_named(package.name) if package.ecosystem == "npm" else None
        if root is None or root.manifest is None:
            return True
        if policy.counts_as(self.stated_side(policy, root)) is Side.PRIVATE:
            return False
        return not root.manifest.private or is_published(policy, root) or policy.lists(package)

    def open_names(self, policy: Policy) -> frozenset[str]:
        """Those names of npm packages in the locks that are open packages."""

        def found() -> frozenset[str]:
            names = {entry.name for lock in self.locks for entry in lock.every}
            return frozenset(name for name in names if self.is_open(policy, PackageName.npm(name)))

        return self.once(policy, "open_names", found)

    # -- pins ------------------------------------------------------------------------------

    def pin(self, path: str, local: str) -> Pin | None:
        """The version of the package imported as ``local`` that Node would reach from a file.

        The lock's entry (hoisting and duplicates included), else a workspace member, else the exact
        declaration of the nearest manifest or the workspace root; None when nothing says.
        """
        manifest = self.manifest_of(path)
        directory = manifest.directory if manifest else ""
        pins: dict[tuple[str, str], Pin | None] = self._once("pins", dict)
        if (directory, local) not in pins:
            pins[directory, local] = self._pin(directory, local)
        return pins[directory, local]

    def _pin(self, directory: str, local: str) -> Pin | None:
        declaration = self.declared(directory, local)
        lock = self.governs.get(directory)
        if lock is not None and lock.format == "yarn-v1" and self._links(lock, local, declaration):
            # yarn 1 links a member of the workspace that satisfies what is asked for, whatever its lock records.
            return Pin(
                package=PackageName.npm(local),
                version=None,
                lock=lock,
                declaration=declaration,
                root=self.root_named(local),
            )
        if lock is not None:
            manifest = self.manifest_at(directory)
            entry = resolve(lock, directory, manifest.name if manifest else None, local, declaration)
            if entry is not None:
                root = self.root_named(entry.name) if entry.source.value in ("workspace", "path") else None
                return Pin(
                    package=PackageName.npm(entry.name),
                    version=entry.version,
                    lock=lock,
                    entry=entry,
                    declaration=declaration,
                    root=root,
                )
        sibling = self.root_named(local)
        if sibling is not None and (declaration is None or declaration.kind.value in ("workspace", "path")):
            return Pin(package=PackageName.npm(local), version=None, declaration=declaration, root=sibling)
        if declaration is not None and declaration.version is not None:
            return Pin(
                package=PackageName(declaration.ecosystem, declaration.name),
                version=declaration.version,
                declaration=declaration,
            )
        return None

    def _links(self, lock: Lock, local: str, declaration: Declaration | None) -> bool:
        from bot.readers.npm.semver import satisfies

        sibling = self.root_named(local)
        if sibling is None or sibling.manifest is None or not sibling.directory or sibling.workspace != lock.directory:
            return False
        if declaration is None or declaration.name != local:
            return declaration is None
        return bool(sibling.manifest.version) and satisfies(sibling.manifest.version or "", declaration.effective)

    def declared(self, directory: str, local: str) -> Declaration | None:
        """The declaration that makes ``local`` importable in a directory: its manifest's, else its package
        root's, else the workspace root's."""
        table: dict[str, dict[str, Declaration]] = self._once("declared", self._declared)
        looked = directory
        while True:
            found = table.get(looked, {}).get(local)
            if found is not None or not looked:
                return found
            looked = looked.rpartition("/")[0]

    def _declared(self) -> dict[str, dict[str, Declaration]]:
        # A name in several fields is installed as dependencies say, then optional, dev, and peer last.
        order = {"dependencies": 3, "optionalDependencies": 2, "devDependencies": 1}
        table: dict[str, dict[str, Declaration]] = {}
        for manifest in self.manifests:
            chosen = table.setdefault(manifest.directory, {})
            for declaration in sorted(manifest.declarations, key=lambda d: order.get(d.field, 0)):
                chosen[declaration.local] = declaration
        return table

    def _once(self, key: str, make: Callable[[], T]) -> T:
        # Derived indexes are made when first asked for, and only then.
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = make()
        return found  # type: ignore[return-value]

    def once(self, policy: Policy, key: str, make: Callable[[], T]) -> T:
        """What a rule finds out from the repository and the policy alone: a rule that asks is judged more than once."""
        return self._once(f"{key} {id(policy)}", make)  # one repository is judged by one policy, which outlives it


def mapped_imports(manifest: Manifest) -> Iterator[tuple[Place, str]]:
    """The specifiers of other packages that a manifest's ``imports`` maps ``#names`` to, under whatever condition, with their
    places. Not those with a ``*``: what they lead to depends on who asks."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [(("imports",), manifest.imports)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*pointer, key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*pointer, index), item) for index, item in reversed(list(enumerate(value)))]
        elif isinstance(value, str) and "*" not in value and split_specifier(value) is not None:
            yield Place(manifest.path, pointer), value


def is_published(policy: Policy, root: Root) -> bool:
    """Whether policy lists this member as one that must be public on the registry."""
    return bool(root.directory and matches_any(root.directory, policy.tables.open.published))
