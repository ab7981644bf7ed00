"""The JSON face of an audit, written repository by repository. Its schema is that of `bot.audit_report.Audit`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.audit_report import AuditHead, RepositoryAudit
from bot.report.json_report import render_value

__all__ = ["render"]


def render(head: AuditHead, repositories: Iterable[RepositoryAudit]) -> Iterator[str]:
    """The audit as JSON, two spaces deep: one object whose last key holds the repositories."""
    # What is left open here is closed below: an object never ends otherwise than with this.
    yield render_value(head).rstrip().removesuffix("}").rstrip() + ',\n  "repositories": ['
    between = "\n"
    for repository in repositories:
        yield between + _indented(render_value(repository).rstrip())
        between = ",\n"
    yield ("\n  ]" if between == ",\n" else "]") + "\n}\n"


def _indented(text: str) -> str:
    # A string in JSON holds no line feed: every line's beginning is white space of ours.
    return "    " + text.replace("\n", "\n    ")
