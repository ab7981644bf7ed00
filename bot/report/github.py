"""The face for a GitHub Actions log: annotations by workflow commands, then every finding in a line.

The commands and their escaping are those of the runner (`ActionCommand` of actions/runner). A step shows ten
annotations of each level at most, so the worst come first and the rest is said to be in the log.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.model import Finding, NotChecked, Report, Severity
from bot.report.words import alike, by_reason, decides, guarded, named, plural, position, summary_line, worst_first
from bot.text import printable

__all__ = ["command", "render"]

_SHOWN = 10
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(report: Report, *, everything: bool = False, folder: str = "", remarks: Sequence[str] = ()) -> str:
    """Workflow commands for what decides, worst first, then the log: what was not checked, all findings, the summary.

    ``folder`` is where the judged root stands in the repository, ``""`` for the repository itself: GitHub
    wants paths from the top. ``everything`` also lists in the log what does not decide. ``remarks`` are lines for the log:
    what the change mends, what could not be shown elsewhere.
    """
    ordered = worst_first(report.findings)
    deciding = [f for f in ordered if decides(f)]
    left = dict.fromkeys(_COMMANDS.values(), _SHOWN)
    left["notice"] -= 1  # for the notice that says what is not shown
    lines: list[str] = []
    if report.not_checked:
        left["error"] -= 1
        lines.append(_unchecked(report))
    hidden = 0
    for finding in deciding:
        level = _COMMANDS[finding.severity]
        if left[level] > 0:
            left[level] -= 1
            lines.append(_annotation(finding, level, folder))
        else:
            hidden += 1
    if hidden:
        text = (
            f"{plural(hidden, 'more finding')} not shown as annotations: all {len(deciding):,} are in this step's log"
        )
        lines.append(command("notice", {"title": "ringfence"}, text))
    listed = ordered if everything else deciding
    if listed:
        lines.append(f"::group::{plural(len(listed), 'finding')}")
        lines += [guarded(_line(finding)) for finding in listed]
        lines.append("::endgroup::")
    lines += [guarded(_not_checked(kind)) for kind in alike(report.not_checked)]
    lines += [guarded(printable(remark)) for remark in remarks]
    lines.append(guarded(" ".join(summary_line(report))))
    return "\n".join(lines) + "\n"


def command(name: str, properties: dict[str, str], data: str) -> str:
    """One workflow command. Control characters are spelled out, but for the line feeds of the data."""
    said = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if said else ''}{said}::{_data(printable(data, newline=True))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")


def _annotation(finding: Finding, level: str, folder: str) -> str:
    location = finding.location
    path = f"{folder.strip('/')}/{location.path}" if folder.strip("/") else location.path
    properties = {"file": path}
    if location.line:
        end = max(location.end_line, location.line)
        properties |= {"line": str(location.line), "endLine": str(end)}
        if end == location.line and location.column:
            # Columns are for one line only.
            properties |= {
                "col": str(location.column),
                "endColumn": str(max(location.end_column, location.column)),
            }
    properties["title"] = f"ringfence {finding.rule}"
    text = finding.message + (f"\n{finding.remedy}" if finding.remedy else "")
    return command(level, properties, text)


def _unchecked(report: Report) -> str:
    level = "warning" if report.mode == "observe" else "error"
    reasons = ", ".join(f"{reason} ({len(group):,})" for reason, group in by_reason(report.not_checked).items())
    first = report.not_checked[0]
    text = (
        f"{plural(len(report.not_checked), 'thing')} could not be checked: {reasons}\n{first.subject}: {first.detail}"
    )
    return command(level, {"title": "ringfence not checked"}, text + (f"\n{first.remedy}" if first.remedy else ""))


def _not_checked(kind: list[NotChecked]) -> str:
    first, *others = kind
    said = f"not checked ({printable(first.reason)}): {printable(first.subject)}: {printable(first.detail)}"
    said += f" [{printable(first.rule)}]" if first.rule else ""
    if others:
        said += f"; {len(others):,} more alike: {', '.join(map(named, others[:_SHOWN]))}"
        said += f" and {len(others) - _SHOWN:,} more" if len(others) > _SHOWN else ""
    return said


def _line(finding: Finding) -> str:
    mark = f" (waived: {printable(finding.waived)})" if finding.waived else ""
    mark += "" if finding.introduced else " (there before)"
    return (
        f"{finding.severity.value}[{printable(finding.rule)}] {position(finding.location)} "
        f"{printable(finding.message)}{mark}"
    )
