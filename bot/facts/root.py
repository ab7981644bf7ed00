"""Package roots: the repository itself and the members of its workspaces."""

from __future__ import annotations

import msgspec

from bot.facts.manifest import Manifest
from bot.names import PackageName

__all__ = ["Root"]


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """A package root: the repository itself, or a workspace member.

    ``directory`` is ``""`` for the repository. ``workspace`` is the directory of the workspace root that
    claims it (its own for a workspace root, None for a repository without workspaces).
    ``manifest`` is None for a repository without a root manifest.
    """

    directory: str
    manifest: Manifest | None
    workspace: str | None = None

    @property
    def package(self) -> PackageName | None:
        name = self.manifest.name if self.manifest else None
        return PackageName.npm(name) if name else None

    @property
    def label(self) -> str:
        """How to speak of it: its package name, else its directory, else ``the repository``."""
        if self.manifest and self.manifest.name:
            return self.manifest.name
        return self.directory or "the repository"
