"""Words that several faces share: counts, the summary line, and lines that no log takes for a command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bot.model import Finding, Location, NotChecked, Report, Summary
from bot.text import printable

if TYPE_CHECKING:
    from bot.audit_report import AuditSummary, BaselineSize, BaselineTrend

__all__ = [
    "alike",
    "baseline_words",
    "by_reason",
    "change_words",
    "counted",
    "decides",
    "guarded",
    "judged_nothing",
    "named",
    "nothing",
    "plural",
    "position",
    "singular",
    "size_words",
    "summary_line",
    "worst_first",
]

# The facts that the summary names, in this order. Other labels count parts of them, and stand in the table.
_MAIN = ("lock entries", "candidate imports", "imports", "declarations")

_COMMAND = re.compile(r"^((?:\s|\x1b\[[0-9;]*m)*)::", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=\w*\[)")


def guarded(text: str) -> str:
    """Lines that a build log does not obey.

    GitHub's runner takes a line whose first characters after any white space are ``::`` for a command, and
    ``##[`` anywhere in a line; other runners know ``##name[``. A backslash goes between.
    """
    if "::" in text:
        text = _COMMAND.sub(r"\1\\::", text)
    return _OLD_COMMAND.sub(r"##\\", text) if "##" in text else text


def plural(count: int, one: str, many: str = "") -> str:
    """``1 error``, ``1,209 errors``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def baseline_words(trend: BaselineTrend) -> str:
    """``12 findings in 3 repositories, 4 fewer than last time``; nothing where there never was any."""
    if not trend.repositories:
        return ""
    said = "no findings"
    if trend.size:
        said = f"{plural(trend.size, 'finding')} in {plural(trend.holders, 'repository', 'repositories')}"
    if trend.change is not None:
        said += f", {change_words(trend.change)} last time"
    if trend.not_compared:
        said += f" ({plural(trend.not_compared, 'repository', 'repositories')} not compared)"
    return said


def change_words(change: int) -> str:
    """``4 fewer than``, ``2 more than``, ``as many as``: the last time follows."""
    return f"{abs(change):,} {'more' if change > 0 else 'fewer'} than" if change else "as many as"


def size_words(row: BaselineSize) -> str:
    """What became of one repository's baseline since the last audit."""
    if row.gone:
        return f"no longer audited, {row.before or 0:,} last time"
    if row.size is None:
        return "not known" + (f", {row.before:,} last time" if row.before is not None else "")
    if row.change is None:
        return ""
    return f"{change_words(row.change)} last time" + (" (mended)" if not row.size else "")


def position(location: Location) -> str:
    """``path:line:column``, or the path alone where the file as a whole is meant."""
    path = printable(location.path) or "."
    return f"{path}:{location.line}:{max(location.column, 1)}" if location.line else path


def decides(finding: Finding) -> bool:
    """Whether the verdict looks at this finding."""
    return finding.introduced and not finding.waived


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """What decides before what does not, errors before warnings before notes, then by place."""
    return sorted(
        findings,
        key=lambda f: (not decides(f), f.severity.rank, f.location.path, f.location.line, f.location.column, f.rule),
    )


def by_reason(problems: Sequence[NotChecked]) -> dict[str, list[NotChecked]]:
    """Problems grouped by their reason, the most frequent first."""
    groups: dict[str, list[NotChecked]] = {}
    for problem in problems:
        groups.setdefault(problem.reason, []).append(problem)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def alike(problems: Iterable[NotChecked]) -> list[list[NotChecked]]:
    """Problems that say the same of different things, in the order of their first: a face tells each group once."""
    groups: dict[tuple[str, ...], list[NotChecked]] = {}
    for problem in problems:
        groups.setdefault((problem.reason, problem.rule, problem.detail, problem.remedy), []).append(problem)
    return list(groups.values())


def named(problem: NotChecked) -> str:
    """What was not checked, and where that stands."""
    subject = printable(problem.subject)
    if problem.path and problem.path != problem.subject:
        return f"{subject} ({position(Location(path=problem.path, line=problem.line, column=1))})"
    return f"{subject} (line {problem.line})" if problem.line else subject


def judged_nothing(report: Report) -> list[str]:
    """Rules that ran and found no fact to judge."""
    idle = {item.rule for item in report.not_run}
    return [c.rule for c in report.counts if c.rule not in idle and not any(c.judged.values())]


def summary_line(report: Report) -> tuple[str, str]:
    """The verdict (``FAIL``) and one line that says what was found and how much was judged."""
    summary = report.summary
    found = counted(summary)
    files = len({f.location.path for f in report.findings if decides(f)})
    if found:
        said = f"{found} in {plural(files, 'file')}"
    else:
        said = f"nothing new since {printable(report.base)}" if report.base else nothing(report)
    if report.not_checked:
        said += f", {len(report.not_checked):,} not checked"
    said += "; " + _judged(report)
    said += f" in {summary.seconds:.2f} s"
    if summary.requests:
        said += "; " + plural(summary.requests, "registry request")
    if summary.ignored:
        said += "; " + plural(summary.ignored, "tracked file") + " ignored by policy"
    if report.mode == "observe":
        return "OBSERVED", said + "; in observe mode nothing fails"
    return report.verdict.upper(), said


def counted(summary: Summary | AuditSummary) -> str:
    """``2 errors, 1 note``: the findings that decide; empty without any."""
    found = ((summary.errors, "error"), (summary.warnings, "warning"), (summary.notes, "note"))
    return ", ".join(plural(number, word) for number, word in found if number)


def nothing(report: Report) -> str:
    """What is said where no finding decides."""
    return "nothing found that decides" if report.findings else "nothing found"


def _judged(report: Report) -> str:
    idle = {item.rule for item in report.not_run}
    facts: dict[str, int] = {}
    active = 0
    for count in report.counts:
        active += count.rule not in idle and any(count.judged.values())
        for label, number in count.judged.items():
            # Rules that share a label look at the same facts: the most that one of them saw, not the sum.
            facts[label] = max(facts.get(label, 0), number)
    if not active:
        return "nothing was judged"
    said = [plural(report.summary.files, "source file")] if report.summary.files else []
    said += [plural(facts[label], singular(label), label) for label in _MAIN if facts.get(label)]
    if not said:
        chosen = sorted((label for label, number in facts.items() if number), key=lambda k: (-facts[k], k))[:3]
        said = [plural(facts[label], singular(label), label) for label in chosen]
    return f"{active:,} of {plural(len(report.counts), 'rule')} had something to judge: {', '.join(said) or 'nothing'}"


def singular(label: str) -> str:
    """``lock entry`` of ``lock entries``; a label that is no plural as it is."""
    if label.endswith("ies"):
        return label[:-3] + "y"
    return label[:-1] if label.endswith("s") and not label.endswith("ss") else label
