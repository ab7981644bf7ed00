"""The Markdown faces' templates, and what they show of a report.

A template puts out `Markdown` and nothing else: a filter of `bot.report.escape` makes it of a text, and a text that no
filter has seen is refused.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bot.model import Count, Finding, NotChecked, Report, Severity
from bot.report.context import Context
from bot.report.escape import Markdown, address, block, cell, code, html_code, link, prose
from bot.report.patch import diff, replaced
from bot.report.words import (
    alike,
    by_reason,
    counted,
    decides,
    judged_nothing,
    named,
    nothing,
    plural,
    position,
    summary_line,
    worst_first,
)

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["fill", "fitted", "hidden", "parts", "told"]

# A longer diff says less than its remedy.
_DIFF_LINES, _DIFF_WIDTH = 40, 400
# Lists beside the findings show this many of a kind.
_FEW = 10
_FEW_ALIKE = 3


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("bot.templates", "."),
        autoescape=False,  # noqa: S701 - Markdown is no HTML: `_escaped` takes its place
        finalize=_escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "block": block,
        "cell": cell,
        "code": code,
        "few": lambda texts: texts[:_FEW],
        "html": lambda text: Markdown(html.escape(text)),
        "html_code": html_code,
        "number": lambda number: Markdown(f"{number:,}"),
        "prose": prose,
    }
    made.globals |= {"few_number": _FEW}
    return made


def _escaped(value: object) -> Markdown:
    if not isinstance(value, Markdown):
        raise TypeError(f"a template would show a {type(value).__name__} that nothing has escaped")
    return value


def fill(name: str, **values: object) -> str:
    """A template of ``templates/``, filled in."""
    return _environment().get_template(name).render(**values)


def told(report: Report) -> list[Finding]:
    """The findings that a face on GitHub tells: what decides, worst first."""
    return [finding for finding in worst_first(report.findings) if decides(finding)]


def parts(report: Report, context: Context) -> dict[str, Any]:
    """What the templates show besides the findings, and how they show one."""
    # One finding is shown many times over while the text is fitted.
    diffs: dict[int, str] = {}

    def patch(finding: Finding) -> str:
        if id(finding) not in diffs:
            diffs[id(finding)] = _diff(finding, context)
        return diffs[id(finding)]

    return {
        "headline": _headline(report, context),
        "remarks": _remarks(report, context),
        "lists": {
            "Not checked": _unchecked(report.not_checked),
            "Requested waivers": list(context.requested),
            "Left out here": list(context.left_out),
            "Next": _next(report),
        },
        "report": report,
        "footnotes": _footnotes(report, context),
        "run": address(context.run),
        "judged": _judged,
        "label": _label,
        "place": lambda finding, table=False: link(
            _label(finding),
            context.blob,
            context.from_top(finding.location.path) if finding.location.path else "",
            finding.location,
            table=table,
        ),
        "diff": patch,
        "way": _way,
    }


def _headline(report: Report, context: Context) -> str:
    """``fail, 2 errors in 1 file``."""
    said = [counted(report.summary) or nothing(report)]
    if report.not_checked:
        said.append(f"{len(report.not_checked):,} not checked")
    if context.mended:
        said.append(f"{plural(context.mended, 'finding')} mended")
    if context.requested:
        said.append(f"{plural(len(context.requested), 'waiver')} requested")
    verdict = "observed" if report.mode == "observe" else report.verdict
    return ", ".join([verdict, *said])


def _remarks(report: Report, context: Context) -> list[str]:
    summary, out = report.summary, [summary_line(report)[1] + "."]
    if context.mended:
        out.append(f"This change mends {plural(context.mended, 'finding')}.")
    if summary.before:
        was, do = ("was", "does") if summary.before == 1 else ("were", "do")
        out.append(
            f"{plural(summary.before, 'finding')} {was} there before and {do} not decide"
            + (f" (held against {report.base})." if report.base else ".")
        )
    if summary.baseline:
        out.append(f"The baseline holds {plural(summary.baseline, 'finding')}.")
    if summary.waived:
        out.append(f"{plural(summary.waived, 'finding')} {'is' if summary.waived == 1 else 'are'} waived.")
    return out


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _unchecked(problems: Sequence[NotChecked]) -> list[str]:
    out: list[str] = []
    for kind in alike(problems):
        first, more = kind[0], len(kind) - _FEW_ALIKE
        subjects = ", ".join(map(named, kind[:_FEW_ALIKE])) + (f" and {more:,} more" if more > 0 else "")
        said = ": ".join(filter(None, (first.reason, subjects, first.detail)))
        out.append(said + (f" [{first.rule}]" if first.rule else "") + (f". {first.remedy}" if first.remedy else ""))
    return out


def _next(report: Report) -> list[str]:
    findings = told(report)
    if not findings:
        return []
    mendable = sum(bool(f.edits) and all(edit.safe for edit in f.edits) for f in findings)
    out = []
    if mendable and (fix := report.again.fix_command()) is not None:
        out.append(
            f"`{fix}` mends {mendable:,} of {plural(len(findings), 'finding')} in a checkout; it shows the diff first."
        )
    out.append(f"`{report.again.explain_command(findings[0].fingerprint)}` shows the evidence behind the first one.")
    out.append("An exception is a `[[waiver]]` in the policy, with a reason, an owner and an end.")
    return out


def _footnotes(report: Report, context: Context) -> list[str]:
    out = [f"Policy: {text}" for text in report.assumed if text not in context.requested]
    reasons: dict[str, list[str]] = {}
    for item in report.not_run:
        reasons.setdefault(item.reason, []).append(item.rule)
    out += [f"Not run: {', '.join(rules)} ({reason})" for reason, rules in reasons.items()]
    out += [
        f"Not checked, and allowed to stay so: {reason} ({len(group):,}), the first {group[0].subject}"
        for reason, group in by_reason(report.allowed).items()
    ]
    if idle := judged_nothing(report):
        out.append(f"Found nothing to judge: {', '.join(idle)}")
    return [*out[: 2 * _FEW], *([f"and {len(out) - 2 * _FEW:,} more"] if len(out) > 2 * _FEW else [])]


def _judged(count: Count) -> str:
    return ", ".join(f"{number:,} {label}" for label, number in count.judged.items()) or "nothing"


def _label(finding: Finding) -> str:
    return position(finding.location) if finding.location.path else "the repository"


def _way(finding: Finding) -> str:
    """The commands that explain a finding and mend it."""
    said = f"`ringfence explain {finding.fingerprint}` shows why"
    if not finding.edits:
        return said + "."
    if all(edit.safe for edit in finding.edits):
        return said + f", `ringfence fix --only {finding.fingerprint}` mends it."
    return said + f"; look at the change before `ringfence fix --unsafe --only {finding.fingerprint}`."


def _diff(finding: Finding, context: Context) -> str:
    said = diff(replaced(finding, context.files))
    lines = said.split("\n")
    return said if len(lines) <= _DIFF_LINES and all(len(line) <= _DIFF_WIDTH for line in lines) else ""


def fitted(make: Callable[[int], str], findings: Sequence[Finding], limit: int) -> str:
    """The text with as many findings as fit: ``make(n)`` tells the first n. ``make(0)`` always will do."""

    def fits(text: str) -> bool:
        return len(text.encode("utf-8", "backslashreplace")) <= limit

    # No finding takes less than fifty bytes.
    low, high = 0, min(len(findings), limit // 50)
    if fits(best := make(high)):
        return best
    best = make(0)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(tried := make(middle)):
            low, best = middle, tried
        else:
            high = middle
    return best


def hidden(findings: Sequence[Finding]) -> str:
    """What is said of findings that did not fit: ``3 more findings do not fit here (2 errors, 1 note)``; empty without any."""
    kinds = [
        plural(number, severity.value)
        for severity in Severity
        if (number := sum(finding.severity is severity for finding in findings))
    ]
    if not findings:
        return ""
    does = "does" if len(findings) == 1 else "do"
    return f"{plural(len(findings), 'more finding')} {does} not fit here ({', '.join(kinds)}); `ringfence check` shows all."
