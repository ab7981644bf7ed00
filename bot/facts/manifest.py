"""Facts of manifests: what a package says of itself and what it asks for."""

# No `from __future__ import annotations` here: msgspec would have to evaluate every text at each start.

from enum import StrEnum

import msgspec

from bot.model import Place

__all__ = ["Declaration", "Kind", "Manifest", "Override", "RepositoryField", "Script", "WorkspaceGlob"]


class Kind(StrEnum):
    """What a declaration asks for, whatever the ecosystem.

    ``EXACT`` one version; ``RANGE`` several (``*`` and ``x`` too); ``TAG`` a dist-tag; ``PATH`` a
    folder or archive on disk; ``GIT``, ``URL``; ``WORKSPACE`` another member of the same workspace;
    ``CATALOG`` a name not resolved yet (never left after `bot.link`); ``UNKNOWN`` a protocol nobody here knows.
    """

    EXACT = "exact"
    RANGE = "range"
    TAG = "tag"
    PATH = "path"
    GIT = "git"
    URL = "url"
    WORKSPACE = "workspace"
    CATALOG = "catalog"
    UNKNOWN = "unknown"


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """One dependency in a manifest.

    ``name`` is the package really meant (after ``npm:`` aliases); ``local`` is the name it is
    imported by. ``spec`` is what the file says, ``effective`` what it means once a catalog is
    resolved (equal where there is none). ``version`` is the one exact version, or None.
    ``alias`` is true where ``name`` and ``local`` differ or an ``npm:`` spec is used.
    ``field`` is the manifest's key (``dependencies``, ``devDependencies``, ``peerDependencies``,
    ``optionalDependencies``).
    """

    place: Place
    ecosystem: str
    name: str
    local: str
    field: str
    spec: str
    effective: str
    kind: Kind
    version: str | None = None
    alias: bool = False
    optional: bool = False
    catalog_place: Place | None = None

    @property
    def path(self) -> str:
        return self.place.path


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``overrides``, ``resolutions``, ``pnpm.overrides`` and the like.

    ``selector`` is the key path as written, ``target`` the package it changes.
    """

    place: Place
    field: str
    selector: str
    target: str
    spec: str
    kind: Kind


class RepositoryField(msgspec.Struct, frozen=True, kw_only=True):
    """``repository`` of a manifest: its URL as written and the directory within."""

    url: str
    directory: str | None = None


class WorkspaceGlob(msgspec.Struct, frozen=True, kw_only=True):
    """One workspace pattern, relative to the manifest or ``pnpm-workspace.yaml`` that holds it.

    ``negated`` patterns (a leading ``!``) take members away.
    """

    place: Place
    directory: str
    pattern: str
    negated: bool = False


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``scripts``."""

    place: Place
    name: str
    text: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A ``package.json``: what the package says of itself. ``directory`` is ``""`` for the root.

    ``exports`` is the raw JSON value of ``exports`` (None when absent), ``entry`` the values of ``main``,
    ``module``, ``types`` and ``typings`` that are there. ``access`` and ``registry`` are ``publishConfig``'s.
    ``bins`` maps a command to its file. ``template`` is true for a manifest whose name is a placeholder.
    ``catalogs`` are bun's (``default`` is the unnamed one), ``catalog_fields`` maps each to the key path that holds it.
    """

    path: str
    directory: str
    name: str | None
    version: str | None = None
    private: bool = False
    template: bool = False
    bins: dict[str, str] = {}
    repository: RepositoryField | None = None
    access: str | None = None
    publish_registry: str | None = None
    exports: object = None
    imports: object = None
    entry: dict[str, str] = {}
    files: tuple[str, ...] | None = None
    package_manager: str | None = None
    declarations: tuple[Declaration, ...] = ()
    overrides: tuple[Override, ...] = ()
    workspaces: tuple[WorkspaceGlob, ...] = ()
    catalogs: dict[str, dict[str, str]] = {}
    catalog_fields: dict[str, tuple[str, ...]] = {}
    scripts: tuple[Script, ...] = ()
    patched: tuple[tuple[str, str], ...] = ()
    has_dependencies: bool = False


class PnpmWorkspace(msgspec.Struct, frozen=True, kw_only=True):
    """A ``pnpm-workspace.yaml``: members, catalogs (``default`` is the unnamed one), overrides."""

    path: str
    directory: str
    workspaces: tuple[WorkspaceGlob, ...] = ()
    catalogs: dict[str, dict[str, str]] = {}
    catalog_fields: dict[str, str] = {}
    overrides: tuple[Override, ...] = ()
    patched: tuple[tuple[str, str], ...] = ()
