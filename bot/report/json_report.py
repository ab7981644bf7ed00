"""The JSON face: the report exactly, for programs. Its schema is that of `bot.model.Report`."""

from __future__ import annotations

import msgspec

from bot.model import Finding, Report, next_step

__all__ = ["encoded", "render", "render_value", "with_next"]


def render(report: Report) -> str:
    """The report as JSON, two spaces deep, in the order of the model's fields: equal reports give equal text."""
    return render_value(
        msgspec.structs.replace(
            report,
            findings=tuple(with_next(finding) for finding in report.findings),
            # The words are made; their parameters may hold private values and have done their work.
            not_checked=tuple(msgspec.structs.replace(p, params={}) for p in report.not_checked),
            allowed=tuple(msgspec.structs.replace(p, params={}) for p in report.allowed),
        )
    )


def with_next(finding: Finding) -> Finding:
    """The finding with its next step said."""
    return finding if finding.next else msgspec.structs.replace(finding, next=next_step(finding))


def render_value(value: object) -> str:
    """Any value of the model as indented JSON, in UTF-8 whatever bytes a path held (``\\udc80`` is spelled out)."""
    return msgspec.json.format(encoded(value), indent=2).decode() + "\n"


def encoded(value: object) -> bytes:
    """Any value of the model as JSON in one line."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_encodable(msgspec.to_builtins(value)))


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
