"""The terminal face: findings with their source lines, what was not checked, and one line of summary."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import click

from bot.model import Again, Finding, Location, NotChecked, Report, Severity
from bot.report.words import (
    alike,
    by_reason,
    decides,
    guarded,
    judged_nothing,
    named,
    plural,
    position,
    singular,
    summary_line,
    worst_first,
)
from bot.text import printable

__all__ = ["Painter", "cells", "render", "source_block", "wrapped"]

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_VERDICTS = {"PASS": "green", "FAIL": "red", "INCOMPLETE": "yellow", "OBSERVED": "blue"}
_TAB = 4
# Beyond these numbers findings are told more briefly, never left out.
_FULL_PER_RULE = 10
_ALIKE = 10
_FIRST_FEW = 3


class Painter:
    """Colours, or none."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, fg: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
        if not self.colour or not text:
            return text
        return click.style(text, fg=fg, bold=bold or None, dim=dim or None)


def render(
    report: Report,
    *,
    colour: bool = False,
    width: int = 80,
    verbose: bool = False,
    everything: bool = False,
    limit: int | None = None,
) -> str:
    """The report as text, at most ``width`` columns wide where words can be wrapped.

    ``everything`` also shows what does not decide: findings that the base had, waived ones, and what
    policy allows to stay unchecked. ``verbose`` tells everything in full, and adds a table of how much every rule
    judged. ``limit`` is the most findings to show; how many were left out is said.
    """
    face = _Face(report, Painter(colour), max(width, 40), verbose, everything)
    parts = [
        face.findings(limit),
        face.not_checked(),
        face.table() if verbose else [],
        face.footnotes(),
        face.summary(),
    ]
    return guarded("\n\n".join("\n".join(part) for part in parts if part)) + "\n"


class _Face:
    """One rendering."""

    def __init__(self, report: Report, paint: Painter, width: int, verbose: bool, everything: bool) -> None:
        self._report = report
        self._paint = paint
        self._width = width
        self._verbose = verbose
        self._everything = everything

    # -- findings --------------------------------------------------------------------------------

    def findings(self, limit: int | None) -> list[str]:
        shown = [f for f in worst_first(self._report.findings) if self._everything or decides(f)]
        if not shown:
            return []
        left_out = 0
        if limit is not None and len(shown) > limit:
            left_out = len(shown) - limit
            shown = shown[:limit]
        alike = _alike(shown)
        files: dict[str, list[Finding]] = {}
        for finding in shown:
            files.setdefault(finding.location.path, []).append(finding)
        told: dict[str, int] = {}
        brief = 0
        folded: set[tuple[str, ...]] = set()
        out: list[str] = []
        for path, group in files.items():
            block: list[str] = []
            for finding in group:
                key = _likeness(finding)
                if key in folded:
                    continue
                others: Sequence[Finding] = ()
                if key in alike:
                    folded.add(key)
                    others = [f for f in alike[key] if f is not finding]
                told[finding.rule] = told.get(finding.rule, 0) + 1
                if told[finding.rule] <= _FULL_PER_RULE or others or self._verbose:
                    block += [*self._full(finding, others), ""]
                else:
                    if block and block[-1] == "" and told[finding.rule] > _FULL_PER_RULE + 1:
                        block.pop()
                    brief += 1
                    block += [*self._brief(finding), ""]
            if block:
                out += [*self._heading(path, group), *block]
        if brief:
            out.append(f"{plural(brief, 'finding')} told in one line; -v shows all in full")
        if left_out:
            out.append(f"{plural(left_out, 'more finding')} not shown (--limit 0 shows all)")
        while out and not out[-1]:
            out.pop()
        return out

    def _heading(self, path: str, group: Sequence[Finding]) -> list[str]:
        counts = [
            plural(number, severity.value)
            for severity in Severity
            if (number := sum(f.severity is severity for f in group))
        ]
        name = printable(path) or "the repository"
        return [
            f"{self._paint('──', dim=True)} {self._paint(name, bold=True)}  {self._paint(', '.join(counts), dim=True)}"
        ]

    def _title(self, finding: Finding) -> tuple[str, str]:
        """The coloured head of a finding and what marks it as not deciding."""
        colour = _COLOURS[finding.severity] if decides(finding) else None
        head = self._paint(f"{finding.severity.value}[{printable(finding.rule)}]", colour, bold=True)
        marks = []
        if finding.waived:
            marks.append(f"waived: {printable(finding.waived)}")
        if not finding.introduced:
            base = printable(self._report.base)
            marks.append(f"there before {base}" if base else "in the baseline")
        return head, f" ({'; '.join(marks)})" if marks else ""

    def _full(self, finding: Finding, others: Sequence[Finding]) -> list[str]:
        paint = self._paint
        head, mark = self._title(finding)
        out = wrapped(
            f"{printable(finding.message)}{mark}",
            self._width,
            first=head + " ",
            first_width=len(finding.severity.value) + len(finding.rule) + 3,
            rest="    ",
        )
        out += source_block(finding, paint, self._width, note=finding.fingerprint)
        gutter = " " * len(str(finding.location.line or ""))
        shown = finding.related if self._verbose else finding.related[:_FULL_PER_RULE]
        for related in shown:
            out += self._point(gutter, "note", f"{printable(related.text)} ({position(related.location)})")
        if len(finding.related) > len(shown):
            more = len(finding.related) - len(shown)
            out += self._point(gutter, "note", f"and {plural(more, 'more place')} (-v lists them)")
        if finding.remedy:
            out += self._point(gutter, "help", printable(finding.remedy))
        if finding.edits:
            out += self._point(gutter, "fix", _fix(finding, self._report.again))
        if others:
            limit = None if self._verbose else _FULL_PER_RULE
            places = ", ".join(position(f.location) for f in others[:limit])
            more = len(others) - len(others[:limit])
            text = f"the same at {plural(len(others), 'more place')}: {places}"
            out += self._point(gutter, "also", text + (f" and {more:,} more (-v lists them)" if more else ""))
        return out

    def _brief(self, finding: Finding) -> list[str]:
        head, mark = self._title(finding)
        return wrapped(
            f"{position(finding.location)} {printable(finding.message)}{mark} ({finding.fingerprint})",
            self._width,
            first=head + " ",
            first_width=len(finding.severity.value) + len(finding.rule) + 3,
            rest="    ",
        )

    def _point(self, gutter: str, label: str, text: str) -> list[str]:
        lead = f"{gutter} = "
        return wrapped(
            text,
            self._width,
            first=self._paint(lead, "blue", bold=True) + self._paint(f"{label}: ", bold=True),
            first_width=len(lead) + len(label) + 2,
            rest=" " * (len(lead) + len(label) + 2),
        )

    # -- what was not checked, and the rest ------------------------------------------------------

    def not_checked(self) -> list[str]:
        out = self._problems("NOT CHECKED", "yellow", self._report.not_checked)
        if self._everything and self._report.allowed:
            allowed = self._problems("NOT CHECKED, AND ALLOWED TO STAY SO", None, self._report.allowed)
            out += [*([""] if out else []), *allowed]
        return out

    def _problems(self, title: str, colour: str | None, problems: Sequence[NotChecked]) -> list[str]:
        if not problems:
            return []
        paint = self._paint
        out = [f"{paint('──', dim=True)} {paint(title, colour, bold=True)}  {paint(f'{len(problems):,}', dim=True)}"]
        few = None if self._verbose or len(alike(problems)) <= 5 else _FIRST_FEW
        for reason, group in by_reason(problems).items():
            out.append(f"{paint(printable(reason), colour, bold=True)} ({len(group):,})")
            remedies: dict[str, None] = {}
            kinds = alike(group)
            for first, *others in kinds[:few]:
                out += wrapped(_problem(first), self._width, first="  ", first_width=2, rest="      ")
                if others:
                    said = ", ".join(map(named, others[: None if self._verbose else _FIRST_FEW]))
                    more = 0 if self._verbose else max(0, len(others) - _FIRST_FEW)
                    said += f" and {more:,} more (-v lists them)" if more else ""
                    lead = f"      {len(others):,} more alike: "
                    out += wrapped(said, self._width, first=lead, rest="        ")
                if first.remedy:
                    remedies[printable(first.remedy)] = None
            if few is not None and len(kinds) > few:
                out.append(f"  and {sum(map(len, kinds[few:])):,} more (-v lists them)")
            for remedy in remedies:
                out += self._point(" ", "help", remedy)
        return out

    def table(self) -> list[str]:
        counts = self._report.counts
        if not counts:
            return []
        found: dict[str, int] = {}
        for finding in self._report.findings:
            found[finding.rule] = found.get(finding.rule, 0) + 1
        wide = max(len(count.rule) for count in counts)
        out = [self._paint(f"{'rule':<{wide}}  {'found':>5}  judged", bold=True)]
        for count in counts:
            judged = ", ".join(
                printable(plural(number, singular(label), label)) for label, number in count.judged.items()
            )
            out += wrapped(
                judged or "nothing",
                self._width,
                first=f"{count.rule:<{wide}}  {found.get(count.rule, 0):>5,}  ",
                first_width=wide + 9,
                rest=" " * (wide + 9),
            )
        if self._report.summary.files:
            parsed, files = self._report.summary.parsed, self._report.summary.files
            out.append(f"{plural(files, 'source file')} searched, {parsed:,} of them read by a parser")
        return out

    def footnotes(self) -> list[str]:
        report, out = self._report, list[str]()
        if report.assumed:
            out += self._note("policy: " + "; ".join(map(printable, report.assumed)))
        if report.not_run:
            reasons: dict[str, list[str]] = {}
            for item in report.not_run:
                reasons.setdefault(printable(item.reason), []).append(printable(item.rule))
            said = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
            out += self._note(f"not run: {said}")
        if self._verbose and (idle := judged_nothing(report)):
            out += self._note(f"found nothing to judge: {', '.join(idle)}")
        hidden = not self._everything
        if report.allowed and hidden:
            said = ", ".join(
                f"{printable(reason)} {len(group):,}" for reason, group in by_reason(report.allowed).items()
            )
            out += self._note(f"allowed to stay unchecked: {len(report.allowed):,} ({said}); --all shows them")
        if report.summary.before and hidden:
            number = report.summary.before
            was, do = ("was", "does") if number == 1 else ("were", "do")
            where = f"{was} there before {printable(report.base)}" if report.base else "of the baseline"
            out += self._note(
                f"{plural(number, 'finding')} {where} {'and ' if report.base else ''}{do} not decide; --all shows them"
            )
        if report.summary.waived and hidden:
            waived = report.summary.waived
            out += self._note(f"{plural(waived, 'finding')} waived; --all shows {'it' if waived == 1 else 'them'}")
        deciding = [f for f in report.findings if decides(f)]
        if deciding:
            mendable = sum(bool(f.edits) and all(edit.safe for edit in f.edits) for f in deciding)
            mend = report.again.fix_command()
            if mendable and mend is not None:
                has = "has a safe fix" if mendable == 1 else "have a safe fix"
                out += self._note(f"{mendable:,} of {plural(len(deciding), 'finding')} {has}: {printable(mend)}")
            why = report.again.explain_command(deciding[0].fingerprint)
            out += self._note(f"why, with the evidence: {printable(why)}")
        return out

    def _note(self, text: str) -> list[str]:
        return [self._paint(line, dim=True) for line in wrapped(text, self._width, rest="  ")]

    def summary(self) -> list[str]:
        verdict, said = summary_line(self._report)
        head = self._paint(verdict, _VERDICTS[verdict], bold=True) + " "
        return wrapped(said, self._width, first=head, first_width=len(verdict) + 1, rest="  ")


def _likeness(finding: Finding) -> tuple[str, ...]:
    return (finding.rule, finding.severity, finding.message, finding.remedy, str(finding.introduced), finding.waived)


def _alike(findings: Iterable[Finding]) -> dict[tuple[str, ...], list[Finding]]:
    """Findings that say the same thing more than ten times: told once, with their places."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_likeness(finding), []).append(finding)
    return {key: group for key, group in groups.items() if len(group) > _ALIKE}


def _fix(finding: Finding, again: Again) -> str:
    safe = all(edit.safe for edit in finding.edits)
    mend = again.fix_command("--only", finding.fingerprint) if safe else None
    command = printable(mend or again.explain_command(finding.fingerprint))
    what = "safe" if safe else "to be looked at first"
    if len(finding.edits) == 1:
        old, new = (printable(text) for text in (finding.edits[0].old, finding.edits[0].new))
        if old and len(old) + len(new) <= 60:
            return f"{old} → {new or 'nothing'} ({what}: {command})"
    return f"{plural(len(finding.edits), 'edit')} ({what}: {command})"


def _problem(problem: NotChecked) -> str:
    subject, detail = printable(problem.subject), printable(problem.detail)
    text = f"{subject}: {detail}" if detail and subject else subject or detail
    if problem.path and problem.path != problem.subject:
        text += f" ({position(Location(path=problem.path, line=problem.line, column=1))})"
    elif problem.line:
        text += f" (line {problem.line})"
    return text + (f" [{printable(problem.rule)}]" if problem.rule else "")


# -- source lines --------------------------------------------------------------------------------


def source_block(finding: Finding, paint: Painter, width: int, *, note: str = "") -> list[str]:
    """``--> path:line:column`` and the source line with the place underlined; the place alone without a line.

    A line that does not fit is cut around the place, and says so with ``…``.
    """
    location = finding.location
    number = str(location.line or "")
    gutter = " " * len(number)
    bar = paint("|", "blue", bold=True)
    place = position(location)
    out = [f"{gutter}{paint('-->', 'blue', bold=True)} {place}" + (f"  {paint(note, dim=True)}" if note else "")]
    if not finding.source or not location.line:
        return out
    colour = _COLOURS[finding.severity] if decides(finding) else None
    text, marks = _windowed(finding.source, location, max(20, width - len(number) - 3))
    out.append(f"{paint(number, 'blue', bold=True)} {bar} {text}")
    out.append(f"{gutter} {bar} {marks[0]}{paint(marks[1], colour, bold=True)}")
    return out


def _windowed(source: str, location: Location, width: int) -> tuple[str, tuple[str, str]]:
    """The part of a source line to show, and under it: the space before, and the carets."""
    source = source.rstrip("\r\n")
    begin = min(max(location.column - 1, 0), len(source))
    last = len(source) if location.end_line > location.line else location.end_column - 1
    end = min(max(last, begin), len(source))
    # A character takes one cell at least but for combining ones: what is further away can never be shown.
    low, high = max(0, begin - 2 * width), min(len(source), begin + 2 * width)
    drawn = _drawn(source[low:high])
    first, final = begin - low, min(end, high) - low
    # Indentation is noise.
    start = 0
    if low == 0:
        indent = next((i for i, (text, _) in enumerate(drawn) if text.strip()), 0)
        start = min(indent, first)
    before, after = low > 0, high < len(source)
    # A place behind the last character still needs a cell for its caret.
    total = sum(size for _, size in drawn[start:]) + (first == len(drawn))
    if total + before + after > width:
        marked = sum(size for _, size in drawn[first:final])
        room = max(width - 2 - min(marked, width - 2), 0)
        # A third of the room left shows what comes before.
        wanted, index = max(room // 3, min(width // 4, room)), first
        while index > start and wanted >= drawn[index - 1][1]:
            index -= 1
            wanted -= drawn[index][1]
        before, start = before or index > start, index
        used, stop = int(before), start
        while stop < len(drawn) and used + drawn[stop][1] <= width - 1:
            used += drawn[stop][1]
            stop += 1
        after = after or stop < len(drawn)
        drawn = drawn[:stop]
    text = ("…" if before else "") + "".join(shown for shown, _ in drawn[start:]).rstrip() + ("…" if after else "")
    lead = int(before) + sum(size for _, size in drawn[start:first])
    size = sum(size for _, size in drawn[first:final])
    return text, (" " * lead, "^" * max(size, 1))


def _drawn(text: str) -> list[tuple[str, int]]:
    """Each character as it is drawn, with its width in cells: tabs as spaces, control characters escaped."""
    out: list[tuple[str, int]] = []
    column = 0
    for char in text:
        if char == "\t":
            size = _TAB - column % _TAB
            shown = " " * size
        else:
            shown = printable(char)
            size = cells(shown)
        out.append((shown, size))
        column += size
    return out


def cells(text: str) -> int:
    """How many cells of a terminal printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def wrapped(text: str, width: int, *, first: str = "", first_width: int | None = None, rest: str = "") -> list[str]:
    """Words in lines of at most ``width`` cells; a longer word stands alone. ``first`` may hold colour codes:
    ``first_width`` is what is seen of it."""
    lines: list[str] = []
    line, used, empty = first, cells(first) if first_width is None else first_width, True
    for word in text.split():
        size = cells(word)
        if not empty and used + 1 + size > width:
            lines.append(line)
            line, used, empty = rest, cells(rest), True
        line, used = (line + word, used + size) if empty else (f"{line} {word}", used + 1 + size)
        empty = False
    return [*lines, line]
