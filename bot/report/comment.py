"""The one comment on a pull request, updated in place: found again by its hidden marker."""

from __future__ import annotations

import hashlib

from bot.model import Report
from bot.report.context import Context

__all__ = ["comment", "marker"]


def marker(folder: str = "") -> str:
    """The hidden first line of our comment. One for each judged folder, so that two jobs do not fight over one comment."""
    return f"<!-- ringfence:comment {hashlib.sha256(folder.strip('/').encode('utf-8', 'surrogateescape')).hexdigest()[:12]} -->"


def comment(report: Report, *, context: Context | None = None, limit: int = 65_000) -> str:
    """The comment's whole body, `marker` first: collapsed when clean, else each finding with reason, remedy and diff.

    At most ``limit`` bytes of UTF-8 (GitHub takes 65,536 characters): what does not fit is counted, the worst stay.
    """
    raise NotImplementedError
