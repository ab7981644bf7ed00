"""Side doors: declarations and overrides that bring an open package from where a stranger cannot have it.

Two rules need the answer: the one that says so at the declaration, and the one that stays silent about the lock entry then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from bot.facts.manifest import Declaration, Kind, Manifest, Override
from bot.names import PackageName, RepoName, compile_pattern, join
from bot.policy import Policy, Side
from bot.repo import Repo, Root

__all__ = ["Door", "Way", "door", "override_door", "overrides_in_force", "packed"]


class Way(StrEnum):
    """What a door leads to. ``LINKED``: a pinned version that the workspace's own copy answers; ``ALIAS``: another package
    under the open name."""

    PATH = "path"
    GIT = "git"
    URL = "url"
    WORKSPACE = "workspace"
    LINKED = "linked"
    ALIAS = "alias"


class Door(msgspec.Struct, frozen=True):
    """``package`` is what is asked for, ``way`` where it comes from, ``other`` the package that answers an open name."""

    package: PackageName
    way: Way
    other: str = ""


_WAYS = {Kind.PATH: Way.PATH, Kind.GIT: Way.GIT, Kind.URL: Way.URL, Kind.WORKSPACE: Way.WORKSPACE}
_PUBLISHED = ("dependencies", "optionalDependencies", "peerDependencies")
_PACKED = re.compile(r"(?P<stem>.+?)-v?(?P<version>\d+\.\d+\.\d+.*)\.(?:tgz|tar\.gz)", re.IGNORECASE)
_SCHEME = re.compile(r"(?:file|link|portal|workspace):", re.IGNORECASE)
_ABSOLUTE = re.compile(r"/|~|[A-Za-z]:")
# `/@acme/core/-/core-1.0.0.tgz`: how registries lay their archives out.
_TARBALL = re.compile(r"/((?:@|%40)[^/%]+(?:/|%2f)[^/]+|[^/@%]+)/-/[^/]+\.tgz(?:[?#].*)?", re.IGNORECASE)


def door(repo: Repo, policy: Policy, manifest: Manifest, declaration: Declaration) -> Door | None:
    """The side door that a declaration is; None when it is none, or none that concerns an open package."""
    package = PackageName(declaration.ecosystem, declaration.name)
    local = PackageName(declaration.ecosystem, declaration.local)
    if package != local and repo.is_open(policy, local) and not repo.is_open(policy, package):
        return Door(local, Way.ALIAS, package.name)
    if declaration.kind is Kind.EXACT:
        return Door(package, Way.LINKED) if _is_linked(repo, policy, package, declaration) else None
    way = _WAYS.get(declaration.kind)
    if way is None:
        return None
    meant = _meant(repo, policy, declaration.path, declaration.kind, declaration.effective, package)
    if meant is None:
        return Door(package, way) if _breaks_open(repo, policy, manifest, declaration) else None
    return None if _is_inside(repo, policy, manifest, declaration) else Door(meant, way)


def _is_linked(repo: Repo, policy: Policy, package: PackageName, declaration: Declaration) -> bool:
    """A version that a private member pins, and that an open member of its own workspace answers."""
    if declaration.field == "peerDependencies" or not repo.is_open(policy, package):
        return False
    if repo.side_of(policy, declaration.path) is not Side.PRIVATE or repo.root_named(package.name) is None:
        return False
    pin = repo.pin(declaration.path, declaration.local)
    return (
        pin is not None
        and pin.root is not None
        and repo.side_of(policy, _file_in(pin.root.directory)) is Side.OPEN
        and repo.workspace_of(declaration.path) == pin.root.workspace
    )


def _meant(
    repo: Repo, policy: Policy, path: str, kind: Kind, effective: str, package: PackageName
) -> PackageName | None:
    """The open package that a declaration means, by its name or by where it points."""
    if repo.is_open(policy, package):
        return package
    if kind is Kind.GIT or kind is Kind.URL:
        repository = RepoName.parse(effective)
        if repository is not None and policy.side_of_repository(repository) is Side.OPEN:
            return package
        found = _TARBALL.search(effective) if kind is Kind.URL else None
        if found is not None:
            named = PackageName.npm(re.sub("%40", "@", re.sub("%2f", "/", found[1], flags=re.IGNORECASE)))
            return named if repo.is_open(policy, named) else None
    if kind is Kind.WORKSPACE:
        root = _workspace_root(repo, path, effective, package)
        member = root.package if root is not None else None
        return member if member is not None and repo.is_open(policy, member) else None
    if kind is Kind.PATH:
        target = _SCHEME.sub("", effective, count=1).replace("\\", "/").rstrip("/")
        last = target.rpartition("/")[2]
        archive = packed(last, policy)
        if archive is not None:
            return PackageName.npm(archive)
        naming, sources = policy.tables.naming, policy.tables.reach.core_sources
        # Only folders outside the repository stand for another repository's checkout.
        if _directory(path, effective) is None and (
            (sources and compile_pattern(sources.rpartition("/")[2]).match(last))
            or (naming and any(p != "{x}" and compile_pattern(p).match(last) for p in naming.local))
        ):
            return package
    return None


def _breaks_open(repo: Repo, policy: Policy, manifest: Manifest, declaration: Declaration) -> bool:
    """A path of any name, in an open package, that a stranger does not have: out of the repository, or published."""
    path = declaration.path
    if declaration.kind is not Kind.PATH or repo.side_of(policy, path) is not Side.OPEN:
        return False
    if manifest.private or repo.root_of(path).directory != manifest.directory:
        return False
    return _directory(path, declaration.effective) is None or declaration.field in _PUBLISHED


def _directory(path: str, effective: str) -> str | None:
    """The repository directory that a path in the file at ``path`` leads to; None when it leaves the repository."""
    target = _SCHEME.sub("", effective, count=1).replace("\\", "/")
    target = re.sub(r"^/{1,3}(?=\.{1,2}(?:/|$))", "", target)  # npm reads `file:/../x` as `../x`
    if _ABSOLUTE.match(target):
        return None
    return join(path.rpartition("/")[0], target)


def _file_in(directory: str) -> str:
    return f"{directory}/package.json" if directory else "package.json"


def _root_at(repo: Repo, directory: str | None) -> Root | None:
    """The package root in exactly this directory."""
    if directory is None or repo.manifest_at(directory) is None:
        return None
    root = repo.root_of(_file_in(directory))
    return root if root.directory == directory else None


def _workspace_root(repo: Repo, path: str, effective: str, package: PackageName) -> Root | None:
    """The member that ``workspace:`` means: by name; by a path from the member (pnpm) or from the workspace (yarn)."""
    named = repo.root_named(package.name)
    if named is not None:
        return named
    if "/" not in effective:
        return None
    workspace = repo.root_of(path).workspace or ""
    return _root_at(repo, _directory(path, effective)) or _root_at(repo, _directory(_file_in(workspace), effective))


def _is_inside(repo: Repo, policy: Policy, manifest: Manifest, declaration: Declaration) -> bool:
    """A link between siblings of one side: the workspace protocol always, a path where nobody else will install it."""
    if declaration.kind is Kind.WORKSPACE:
        package = PackageName(declaration.ecosystem, declaration.name)
        root = _workspace_root(repo, declaration.path, declaration.effective, package)
        return root is not None and _same_side(repo, policy, declaration.path, root)
    if declaration.kind is not Kind.PATH:
        return False
    # `file:` is published as it stands; a stranger has no such folder.
    unpublished = manifest.private or declaration.field == "devDependencies"
    return unpublished and _links_sibling(repo, policy, declaration.path, declaration.effective)


def _links_sibling(repo: Repo, policy: Policy, path: str, effective: str) -> bool:
    """A path to a package root of the same side. On the private side none stands for an open package: it would be a copy."""
    root = _root_at(repo, _directory(path, effective))
    return root is not None and repo.side_of(policy, path) is Side.OPEN and _same_side(repo, policy, path, root)


def _same_side(repo: Repo, policy: Policy, path: str, root: Root) -> bool:
    return repo.side_of(policy, path) is repo.side_of(policy, _file_in(root.directory))


# -- overrides -----------------------------------------------------------------------------------


def overrides_in_force(repo: Repo) -> Iterator[Override]:
    """Overrides that an install reads: those of workspace roots, of projects of their own, and of workspace files."""
    for manifest in repo.manifests:
        root = repo.root_of(manifest.path)
        member = root.directory == manifest.directory and root.workspace not in (None, manifest.directory)
        if not manifest.template and not member:
            yield from manifest.overrides
    for workspace in repo.pnpm_workspaces:
        yield from workspace.overrides


def override_door(repo: Repo, policy: Policy, override: Override) -> Door | None:
    """The side door that an override opens: an open package from a path, git or a URL, or another package in its place."""
    from bot.readers.npm.spec import classify

    package = PackageName.npm(override.target)
    if "peerDependencyRules" in override.field or override.spec.startswith("$") or not repo.is_open(policy, package):
        return None
    other = classify(override.spec, override.target).name
    if other is not None and other != package.name and not repo.is_open(policy, PackageName.npm(other)):
        return Door(package, Way.ALIAS, other)
    if override.kind not in (Kind.PATH, Kind.GIT, Kind.URL):
        return None
    if override.kind is Kind.PATH and _links_sibling(repo, policy, override.place.path, override.spec):
        return None
    return Door(package, _WAYS[override.kind])


# -- archives ------------------------------------------------------------------------------------


def packed(name: str, policy: Policy) -> str | None:
    """The open package that ``npm pack`` would have named an archive for: ``acme-core-1.2.3.tgz``."""
    found = _PACKED.fullmatch(name)
    if found is None:
        return None
    for pattern in policy.tables.open.packages:
        package = PackageName.parse(pattern)
        scope = package.scope
        if not scope and package.ecosystem == "npm" and pattern[0] not in "*?":  # `*` would be every archive
            candidate = found["stem"].lower()
            named = compile_pattern(pattern).match(candidate) is not None
            if named and policy.side_of_package(PackageName.npm(candidate)) is Side.OPEN:
                return candidate
        if scope and found["stem"].lower().startswith(scope[1:].lower() + "-"):
            candidate = f"{scope}/{found['stem'][len(scope) :]}"
            if policy.side_of_package(PackageName.npm(candidate)) is Side.OPEN:
                return candidate
    return None
