"""``lerna.json`` -> the directories that it calls packages.

Source of the format: Lerna's documentation of ``lerna.json``. With ``useWorkspaces`` the package manager's own patterns count,
and the file adds nothing.
"""

from __future__ import annotations

from bot.facts.manifest import PnpmWorkspace
from bot.readers.npm.package_json import parse_json_object, workspace_globs

__all__ = ["read_lerna"]


def read_lerna(path: str, data: bytes) -> PnpmWorkspace:
    """The patterns of one ``lerna.json``, as a workspace file that has nothing else. `ReadError` where it is no JSON object."""
    root = parse_json_object(data)
    directory = path.rpartition("/")[0]
    packages = None if root.get("useWorkspaces") is True else root.get("packages")
    return PnpmWorkspace(
        path=path, directory=directory, workspaces=workspace_globs(path, directory, ("packages",), packages)
    )
