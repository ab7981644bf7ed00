"""The one comment on a pull request, updated in place: found again by its hidden marker."""

from __future__ import annotations

import hashlib

from bot.model import Report
from bot.report.context import Context
from bot.report.escape import Markdown
from bot.report.markdown_templates import fill, fitted, hidden, parts, told

__all__ = ["comment", "marker"]

# The worst findings stand open, the others behind their line.
_OPEN = 5


def marker(folder: str = "") -> str:
    """The hidden first line of our comment. One for each judged folder, so that two jobs do not fight over one comment."""
    where = folder.strip("/").encode("utf-8", "surrogateescape")
    return f"<!-- ringfence:comment {hashlib.sha256(where).hexdigest()[:12]} -->"


def comment(report: Report, *, context: Context | None = None, limit: int = 65_000) -> str:
    """The comment's whole body, `marker` first: collapsed when clean, else each finding with reason, remedy and diff.

    At most ``limit`` bytes of UTF-8 (GitHub takes 65,536 characters): what does not fit is counted, the worst stay.
    """
    context = context or Context()
    findings, known = told(report), parts(report, context)
    clean = report.verdict == "pass" and not findings and not report.not_checked

    def make(number: int) -> str:
        return fill(
            "comment.md",
            marker=Markdown(marker(context.folder)),
            clean=clean,
            open_findings=_OPEN,
            shown=findings[:number],
            hidden=hidden(findings[number:]),
            **known,
        )

    return fitted(make, findings, limit)
