"""The Markdown face of an audit, for a workflow's step summary. Whatever a repository wrote is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.audit_report import AuditHead, FleetFinding, RepositoryAudit
from bot.report.audit_terminal import summary_words
from bot.report.escape import cell, code, prose
from bot.report.words import baseline_words, decides, plural, position, size_words

__all__ = ["render"]

# A step's summary may have 1 MiB: of what is beyond these numbers only the number is said.
_ROWS = 500
_FINDINGS = 200
_LISTED = 100

_BADGES = {"pass": "✅", "fail": "❌", "incomplete": "⚠️"}


def render(head: AuditHead, repositories: Iterable[RepositoryAudit]) -> Iterator[str]:
    """The audit in Markdown, part by part."""
    title = "observed" if head.mode == "observe" and head.verdict == "pass" else head.verdict
    yield f"## {_BADGES[head.verdict]} Ringfence audit: {title}\n\n{prose(summary_words(head))}\n"
    yield from _not_audited(head)
    yield from _fleet(head.fleet)
    yield from _repositories(repositories)
    yield from _baseline(head)
    yield from _rules(head)
    yield from _footnotes(head)


def _not_audited(head: AuditHead) -> Iterator[str]:
    if not head.not_audited:
        return
    yield _title("Not audited", len(head.not_audited))
    yield "| repository | shard | why |\n|---|---|---|\n"
    for item in head.not_audited[:_LISTED]:
        shard, why = code(item.shard, table=True), f"{code(item.reason)}: {cell(item.detail)}"
        yield f"| {code(item.label, table=True)} | {shard} | {why} |\n"
    yield _more(len(head.not_audited) - _LISTED)


def _fleet(fleet: Sequence[FleetFinding]) -> Iterator[str]:
    shown = sorted(
        (item for item in fleet if decides(item.finding)),
        key=lambda item: (item.finding.severity.rank, item.finding.rule, item.repository),
    )
    if not shown:
        return
    yield _title("Across repositories", len(shown))
    yield "| | rule | where | what |\n|---|---|---|---|\n"
    for item in shown[:_FINDINGS]:
        finding = item.finding
        place = position(finding.location) if finding.location.path else ""
        where = " ".join(code(text, table=True) for text in (item.repository, place) if text) or "the policy"
        what = f"{cell(finding.message)}<br>{cell(finding.remedy)}" + (" (observed)" if item.observed else "")
        yield f"| {finding.severity.value} | {code(finding.rule)} | {where} | {what} |\n"
    yield _more(len(shown) - _FINDINGS)


def _repositories(repositories: Iterable[RepositoryAudit]) -> Iterator[str]:
    clean = rows = 0
    for repository in repositories:
        summary = repository.summary
        if repository.verdict == "pass" and not (summary.errors or summary.warnings or summary.notes):
            clean += 1
            continue
        rows += 1
        if rows == 1:
            yield "\n### Repositories\n\n| | repository | side | errors | warnings | what |\n|---|---|---|---:|---:|---|\n"
        if rows > _ROWS:
            continue
        rules = sorted(repository.rules.items(), key=lambda item: (-item[1], item[0]))
        what = [f"{code(rule)} {number:,}" for rule, number in rules]
        if repository.report is not None and repository.report.not_checked:
            what.append(f"{len(repository.report.not_checked):,} not checked")
        side = repository.facts.side if repository.facts is not None else ""
        yield (
            f"| {_BADGES[repository.verdict]} | {code(repository.label, table=True)} | {side} | {summary.errors:,} "
            f"| {summary.warnings:,} | {', '.join(what)} |\n"
        )
    yield _more(rows - _ROWS)
    if clean:
        yield f"\n{plural(clean, 'repository is', 'repositories are')} clean.\n"


def _baseline(head: AuditHead) -> Iterator[str]:
    rows = sorted(head.baseline.repositories, key=lambda row: row.change == 0)  # what changed comes first
    if not rows:
        return
    yield f"\n### Baseline\n\n{baseline_words(head.baseline)}\n\n| repository | findings | change |\n|---|---:|---|\n"
    for row in rows[:_LISTED]:
        size = "?" if row.size is None else f"{row.size:,}"
        yield f"| {code(row.label, table=True)} | {size} | {size_words(row)} |\n"
    yield _more(len(rows) - _LISTED)


def _rules(head: AuditHead) -> Iterator[str]:
    if not head.rules:
        return
    yield "\n### By rule\n\n| rule | errors | warnings | notes | repositories |\n|---|---:|---:|---:|---:|\n"
    for tally in head.rules:
        yield (
            f"| {code(tally.rule)} | {tally.errors:,} | {tally.warnings:,} | {tally.notes:,} "
            f"| {tally.repositories:,} |\n"
        )


def _footnotes(head: AuditHead) -> Iterator[str]:
    notes = [*head.notes, *(f"policy: {text}" for text in head.assumed)]
    if head.not_checked:
        reasons = ", ".join(sorted({problem.reason for problem in head.not_checked}))
        notes.append(f"{len(head.not_checked):,} not checked across repositories: {reasons}")
    if head.summary.hidden:
        notes.append(f"{head.summary.hidden:,} names of repositories and findings left out: this report is public")
    if notes:
        yield "\n" + "".join(f"- {prose(note)}\n" for note in notes)


def _title(text: str, number: int) -> str:
    return f"\n### {text} ({number:,})\n\n"


def _more(number: int) -> str:
    return f"\nand {number:,} more\n" if number > 0 else ""
