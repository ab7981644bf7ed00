"""The terminal face of an audit: what is wrong across the fleet, each repository in a line, and one line of summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from bot.audit_report import AuditHead, BaselineSize, FleetFinding, NotAudited, RepositoryAudit
from bot.model import Finding, Severity
from bot.report.terminal import Painter, cells, source_block, wrapped
from bot.report.words import (
    baseline_words,
    by_reason,
    counted,
    decides,
    guarded,
    plural,
    position,
    size_words,
    worst_first,
)
from bot.text import printable

__all__ = ["render", "summary_words"]

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_VERDICTS = {"pass": "green", "fail": "red", "incomplete": "yellow"}
_FULL = 5  # findings of a fleet rule that are told at length
_SIZES = 20  # baselines that changed
_NAME_MAX = 44  # columns for a repository's name


class _Row(NamedTuple):
    label: str
    side: str
    verdict: str
    observed: bool
    errors: int
    warnings: int
    notes: int
    rules: str
    unchecked: str


def render(
    head: AuditHead,
    repositories: Callable[[], Iterable[RepositoryAudit]],
    *,
    colour: bool = False,
    width: int = 80,
    verbose: bool = False,
) -> Iterator[str]:
    """The audit as text, part by part. ``repositories`` gives them again at each call; ``verbose`` shows every finding."""
    face = _Face(head, Painter(colour), max(width, 60))
    rows = [_row(repository) for repository in repositories()]
    bad = [row for row in rows if row.verdict == "fail"]
    unknown = [row for row in rows if row.verdict == "incomplete"]
    worth = [row for row in rows if row.verdict == "pass" and (row.errors or row.warnings or row.notes)]
    clean = [row for row in rows if row.verdict == "pass" and not (row.errors or row.warnings or row.notes)]
    name = min(max([cells(row.label) for row in (*bad, *unknown, *worth)], default=10), _NAME_MAX)
    yield from _parts(face.fleet(verbose))
    yield from _parts(face.table("Failing", bad, name))
    yield from _parts(face.table("Incomplete", unknown, name))
    yield from _parts(face.not_audited(head.not_audited))
    yield from _parts(face.table("Passing, with something to read", worth, name))
    yield from _parts(face.clean(clean))
    if verbose:
        for repository in repositories():
            yield from _parts(face.details(repository))
    yield from _parts(face.baseline(verbose))
    yield from _parts(face.rules())
    yield from _parts(face.not_checked())
    yield from _parts(face.footnotes(verbose))
    yield guarded("\n".join(face.summary())) + "\n"


def _parts(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield guarded("\n".join(lines)) + "\n\n"


def _row(repository: RepositoryAudit) -> _Row:
    report = repository.report
    problems = by_reason(report.not_checked) if report is not None else {}
    rules = sorted(repository.rules.items(), key=lambda item: (-item[1], item[0]))
    return _Row(
        label=printable(repository.label),
        side=repository.facts.side if repository.facts is not None else "",
        verdict=repository.verdict,
        observed=repository.mode == "observe",
        errors=repository.summary.errors,
        warnings=repository.summary.warnings,
        notes=repository.summary.notes,
        rules=", ".join(f"{printable(rule)} {number:,}" for rule, number in rules),
        unchecked=", ".join(f"{printable(reason)} {len(group):,}" for reason, group in problems.items()),
    )


class _Face:
    """One rendering."""

    def __init__(self, head: AuditHead, paint: Painter, width: int) -> None:
        self._head = head
        self._paint = paint
        self._width = width

    def _heading(self, text: str, more: str = "") -> str:
        return f"{self._paint('──', dim=True)} {self._paint(text, bold=True)}  {self._paint(more, dim=True)}".rstrip()

    # -- the fleet -------------------------------------------------------------------------------

    def fleet(self, verbose: bool) -> list[str]:
        shown = [item for item in self._head.fleet if decides(item.finding)]
        if not shown:
            return []
        counts = [
            plural(number, severity.value)
            for severity in Severity
            if (number := sum(item.finding.severity is severity for item in shown))
        ]
        out = [self._heading("Across repositories", ", ".join(counts))]
        told: dict[str, int] = {}
        for item in sorted(
            shown, key=lambda i: (i.finding.severity.rank, i.finding.rule, i.repository, i.finding.location.path)
        ):
            told[item.finding.rule] = told.get(item.finding.rule, 0) + 1
            if told[item.finding.rule] <= _FULL or verbose:
                out += [*self._fleet_finding(item, verbose), ""]
            else:
                if told[item.finding.rule] > _FULL + 1:
                    out.pop()
                out += [*self._brief(item), ""]
        return out[:-1]

    def _brief(self, item: FleetFinding) -> list[str]:
        """One that is like those before it: what to do was said there."""
        title = f"{item.finding.severity.value}[{printable(item.finding.rule)}]"
        painted = self._paint(title, _COLOURS[item.finding.severity.value], bold=True)
        where = printable(item.repository) or "the policy"
        return wrapped(
            f"{where}: {printable(item.finding.message)}",
            self._width,
            first=painted + " ",
            first_width=len(title) + 1,
            rest="    ",
        )

    def _fleet_finding(self, item: FleetFinding, verbose: bool) -> list[str]:
        finding = item.finding
        where = printable(item.repository) or "the policy"
        out = self._lines(finding, where, observed=item.observed)
        if verbose:
            out += source_block(finding, self._paint, self._width, note=finding.fingerprint)
            for link in finding.evidence:
                out += wrapped(
                    f"{printable(link.kind)}: {printable(link.text)}", self._width, first="    - ", rest="      "
                )
        return out

    def _lines(self, finding: Finding, where: str, *, observed: bool = False) -> list[str]:
        """Severity, place, words and remedy of one finding."""
        title = f"{finding.severity.value}[{printable(finding.rule)}]"
        place = f"{where} {position(finding.location)}" if finding.location.path else where
        mark = " (observed: it does not decide)" if observed else ""
        painted = self._paint(title, _COLOURS[finding.severity.value], bold=True)
        out = [f"{painted} {self._paint(place.strip() + mark, dim=True)}"]
        out += wrapped(printable(finding.message), self._width, first="    ", rest="    ")
        for other in finding.related[:3]:
            out += wrapped(
                f"{printable(other.text)} ({position(other.location)})", self._width, first="      ", rest="      "
            )
        if len(finding.related) > 3:
            out.append(f"      and {len(finding.related) - 3:,} more")
        if finding.remedy:
            out += wrapped(printable(finding.remedy), self._width, first="    = ", rest="      ")
        return out

    # -- repositories ----------------------------------------------------------------------------

    def table(self, title: str, rows: Sequence[_Row], name: int) -> list[str]:
        if not rows:
            return []
        out = [self._heading(title, plural(len(rows), "repository", "repositories"))]
        out.append(self._paint(f"  {'':<{name}}  {'side':<9}  {'errors':>6}  {'warnings':>8}  what", dim=True))
        for row in rows:
            label = row.label if cells(row.label) <= _NAME_MAX else "…" + row.label[-(_NAME_MAX - 1) :]
            what = "; ".join(filter(None, [row.rules, row.unchecked and f"not checked: {row.unchecked}"]))
            what += " (observed)" if row.observed else ""
            errors = self._paint(f"{row.errors:>6,}", "red" if row.errors else None)
            warnings = self._paint(f"{row.warnings:>8,}", "yellow" if row.warnings else None)
            lead = f"  {label}{' ' * (name - cells(label))}  {row.side:<9}  "
            seen = cells(lead) + 18
            out += wrapped(what, self._width, first=f"{lead}{errors}  {warnings}  ", first_width=seen, rest=" " * seen)
        return out

    def not_audited(self, items: Sequence[NotAudited]) -> list[str]:
        if not items:
            return []
        out = [self._heading("Not audited", plural(len(items), "repository", "repositories"))]
        groups: dict[tuple[str, str, str], list[str]] = {}
        for item in items:
            groups.setdefault((item.reason, item.detail, item.remedy), []).append(item.label)
        for (reason, detail, remedy), labels in groups.items():
            out += wrapped(f"{printable(reason)}: {printable(detail)}", self._width, first="  ", rest="    ")
            out += wrapped(", ".join(map(printable, labels)), self._width, first="    ", rest="    ")
            if remedy:
                out += wrapped(printable(remedy), self._width, first="    = ", rest="      ")
        return out

    def clean(self, rows: Sequence[_Row]) -> list[str]:
        if not rows:
            return []
        out = [self._heading("Clean", plural(len(rows), "repository", "repositories"))]
        return out + wrapped(", ".join(row.label for row in rows), self._width, first="  ", rest="  ")

    def details(self, repository: RepositoryAudit) -> list[str]:
        """Every finding that decides, and what was not checked, of one repository."""
        report = repository.report
        if report is None:
            return []
        shown = [finding for finding in worst_first(report.findings) if decides(finding)]
        if not shown and not report.not_checked:
            return []
        out = [self._heading(printable(repository.label), plural(len(shown), "finding"))]
        for finding in shown:
            out += self._lines(finding, "")
        for problem in report.not_checked:
            said = (
                f"not checked ({printable(problem.reason)}): {printable(problem.subject)}: {printable(problem.detail)}"
            )
            out += wrapped(said, self._width, rest="    ")
        return out

    # -- baselines -------------------------------------------------------------------------------

    def baseline(self, verbose: bool) -> list[str]:
        """The repositories whose baseline changed, or cannot be compared; all that have one when asked."""
        rows = [row for row in self._head.baseline.repositories if verbose or row.change != 0]
        shown = rows if verbose else rows[:_SIZES]
        if not shown:
            return []
        name = min(max(cells(printable(row.label)) for row in shown), _NAME_MAX)
        out = [self._heading("Baseline", baseline_words(self._head.baseline))]
        out += [self._size(row, name) for row in shown]
        return out + ([f"  and {len(rows) - len(shown):,} more (-v shows all)"] if len(rows) > len(shown) else [])

    def _size(self, row: BaselineSize, name: int) -> str:
        label = printable(row.label)
        label = label if cells(label) <= _NAME_MAX else "…" + label[-(_NAME_MAX - 1) :]
        size = "?" if row.size is None else f"{row.size:,}"
        return f"  {label}{' ' * (name - cells(label))}  {size:>6}  {size_words(row)}".rstrip()

    # -- totals ----------------------------------------------------------------------------------

    def rules(self) -> list[str]:
        tallies = self._head.rules
        if not tallies:
            return []
        name = max(cells(tally.rule) for tally in tallies)
        out = [self._heading("By rule")]
        out.append(self._paint(f"  {'':<{name}}  {'errors':>6}  {'warnings':>8}  {'notes':>6}  repositories", dim=True))
        out += [
            f"  {tally.rule:<{name}}  {tally.errors:>6,}  {tally.warnings:>8,}  {tally.notes:>6,}  {tally.repositories:>12,}"
            for tally in tallies
        ]
        return out

    def not_checked(self) -> list[str]:
        problems = self._head.not_checked
        if not problems:
            return []
        out = [self._heading("Not checked across repositories", f"{len(problems):,}")]
        for reason, group in by_reason(problems).items():
            subjects = list(dict.fromkeys(printable(problem.subject) for problem in group))
            more = f" and {len(subjects) - 8:,} more" if len(subjects) > 8 else ""
            out += wrapped(
                f"{printable(reason)}: {', '.join(subjects[:8])}{more}", self._width, first="  ", rest="    "
            )
            out += wrapped(printable(group[0].detail), self._width, first="    ", rest="    ")
            if group[0].remedy:
                out += wrapped(printable(group[0].remedy), self._width, first="    = ", rest="      ")
        return out

    def footnotes(self, verbose: bool) -> list[str]:
        head, out = self._head, list[str]()
        if head.assumed:
            out += self._note("policy: " + "; ".join(map(printable, head.assumed)))
        for note in head.notes:
            out += self._note(printable(note))
        if head.not_run:
            reasons: dict[str, list[str]] = {}
            for item in head.not_run:
                reasons.setdefault(printable(item.reason), []).append(printable(item.rule))
            out += self._note("not run: " + "; ".join(f"{', '.join(n)} ({r})" for r, n in reasons.items()))
        if verbose:
            idle = {item.rule for item in head.not_run}
            for count in head.counts:
                if count.rule not in idle:
                    said = ", ".join(f"{number:,} {label}" for label, number in count.judged.items())
                    out += self._note(f"{count.rule}, across repositories: {said}")
        if head.summary.hidden:
            out += self._note(
                f"{head.summary.hidden:,} names of repositories and findings left out: this report is public"
            )
        if head.summary.errors + head.summary.warnings and not verbose:
            out += self._note("-v shows every finding; ringfence check, in a repository, its source lines")
        return out

    def _note(self, text: str) -> list[str]:
        return wrapped(text, self._width, first=self._paint("note: ", dim=True), first_width=6, rest="      ")

    def summary(self) -> list[str]:
        word = (
            "OBSERVED" if self._head.mode == "observe" and self._head.verdict == "pass" else self._head.verdict.upper()
        )
        painted = self._paint(word, _VERDICTS[self._head.verdict], bold=True)
        return wrapped(
            summary_words(self._head), self._width, first=painted + " ", first_width=len(word) + 1, rest="    "
        )


def summary_words(head: AuditHead) -> str:
    """One line that says what was found and how much was judged."""
    summary = head.summary
    verdicts = [
        f"{number:,} {word}"
        for number, word in (
            (summary.passed, "pass"),
            (summary.failed, "fail"),
            (summary.incomplete, "incomplete"),
            (summary.not_audited, "not audited"),
        )
        if number
    ]
    said = f"{plural(summary.repositories, 'repository', 'repositories')}: {', '.join(verdicts) or 'none'}; "
    said += counted(summary) or "nothing found"
    if summary.waived:
        said += f", {summary.waived:,} waived"
    baseline = baseline_words(head.baseline)
    if baseline:
        said += f"; baseline: {baseline}"
    paired = sum(bool(pair.open and pair.private) for pair in head.pairs)
    if paired:
        said += f"; {plural(paired, 'pair')}"
    if summary.unchanged:
        said += f"; {summary.unchanged:,} unchanged since the last audit"
    if summary.shards:
        said += f"; {plural(summary.shards, 'shard')}"
    said += f"; {summary.seconds:.2f} s"
    if summary.requests:
        said += "; " + plural(summary.requests, "registry request")
    return said
