"""The face for a step's summary, in GitHub's Markdown. Everything that the checked repository wrote is escaped."""

from __future__ import annotations

from bot.model import Report
from bot.report.context import Context
from bot.report.markdown_templates import fill, fitted, hidden, parts, told

__all__ = ["summary"]


def summary(report: Report, *, context: Context | None = None, limit: int = 1_000_000) -> str:
    """The verdict, a table of the findings, worst first, what was judged and what not, and the next steps.

    At most ``limit`` bytes of UTF-8 (GitHub takes 1 MiB a step): the findings that do not fit are counted.
    """
    context = context or Context()
    findings, known = told(report), parts(report, context)

    def make(number: int) -> str:
        return fill("summary.md", shown=findings[:number], hidden=hidden(findings[number:]), **known)

    return fitted(make, findings, limit)
