"""``.yarnrc.yml`` of yarn 2 and later -> its catalogs and package extensions, as a `PnpmWorkspace` without members.

Source of the format: yarn's documentation of ``.yarnrc.yml`` (``catalog`` and ``catalogs`` since yarn 4.10).
"""

from __future__ import annotations

from bot.facts.manifest import PnpmWorkspace
from bot.readers.npm.overrides import extensions
from bot.readers.npm.pnpm_workspace import parse_yaml_mapping, yaml_catalogs

__all__ = ["read_yarnrc"]


def read_yarnrc(path: str, data: bytes) -> PnpmWorkspace:
    """Facts of one ``.yarnrc.yml``; `ReadError` where it is no YAML mapping."""
    root = parse_yaml_mapping(data)
    catalogs, fields = yaml_catalogs(root)
    return PnpmWorkspace(
        path=path,
        directory=path.rpartition("/")[0],
        catalogs=catalogs,
        catalog_fields=fields,
        overrides=tuple(extensions(path, "packageExtensions", ("packageExtensions",), root.get("packageExtensions"))),
    )
