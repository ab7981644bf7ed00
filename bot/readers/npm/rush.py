"""Rush's configuration: ``rush.json`` -> its projects, ``pnpm-config.json`` -> the catalogs and overrides that it hands to pnpm.

Source of the formats: Rush's own JSON schemas (``rush.schema.json``, ``pnpm-config.schema.json``). Both are JSON with comments. From them Rush
generates the workspace in ``common/temp`` that pnpm installs, and nobody commits.
"""

from __future__ import annotations

from bot.facts.manifest import PnpmWorkspace, WorkspaceGlob
from bot.model import Place
from bot.readers.npm.lock_text import commented_json, directory_of, lock_text, mapping, strings
from bot.readers.npm.overrides import extensions, peer_rules, pnpm_overrides

__all__ = ["read_rush", "read_rush_pnpm"]


def read_rush(path: str, data: bytes) -> PnpmWorkspace:
    """The folders of a ``rush.json``'s projects, as the workspace that they are. `ReadError` where it is no JSON object."""
    root = commented_json(lock_text(data), "rush.json")
    projects = root.get("projects")
    directory = directory_of(path)
    globs: list[WorkspaceGlob] = []
    for index, project in enumerate(projects if isinstance(projects, list) else ()):
        folder = mapping(project).get("projectFolder")
        if isinstance(folder, str):
            place = Place(path, ("projects", index, "projectFolder"))
            globs.append(WorkspaceGlob(place=place, directory=directory, pattern=folder))
    return PnpmWorkspace(path=path, directory=directory, workspaces=tuple(globs))


def read_rush_pnpm(path: str, data: bytes) -> PnpmWorkspace:
    """The global settings of a ``pnpm-config.json``. `ReadError` where it is no JSON object."""
    root = commented_json(lock_text(data), "pnpm-config.json")
    catalogs = {name: strings(entries) for name, entries in mapping(root.get("globalCatalogs")).items()}
    field = "globalOverrides"
    rules, extended = "globalPeerDependencyRules", "globalPackageExtensions"
    return PnpmWorkspace(
        path=path,
        directory=directory_of(path),
        catalogs=catalogs,
        catalog_fields=dict.fromkeys(catalogs, "globalCatalogs"),
        overrides=(
            *pnpm_overrides(path, "overrides", (field,), root.get(field), {}),
            *extensions(path, "packageExtensions", (extended,), root.get(extended)),
            *peer_rules(path, "peerDependencyRules", (rules,), root.get(rules)),
        ),
        patched=tuple(strings(root.get("globalPatchedDependencies")).items()),
    )
