"""What the faces on GitHub know besides the report: where it was judged, what the change mends, what was left out."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["Context"]


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a summary, a comment or a review says and the report does not hold.

    ``folder`` is where the judged root stands in its repository, ``""`` for the repository itself: GitHub wants paths
    from the top. ``blob`` is the address of a file's page up to its path (``https://HOST/OWNER/NAME/blob/COMMIT``);
    without it places are no links. ``run`` is the address of the workflow's run. ``mended`` counts the findings of the base that the change takes
    away. ``requested`` says which waivers the change asks for, a sentence each; ``left_out`` which faces could
    not be shown and why (a fork's token may only read), a sentence each. ``files`` holds the bytes of the files that edits
    touch, by the edits' own paths: without a file's bytes there is no diff and no suggestion for it.
    """

    folder: str = ""
    blob: str = ""
    run: str = ""
    mended: int = 0
    requested: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    files: Mapping[str, bytes] = {}

    def from_top(self, path: str) -> str:
        """A path of the report as GitHub names it, from the top of the repository."""
        folder = self.folder.strip("/")
        return f"{folder}/{path}" if folder else path
