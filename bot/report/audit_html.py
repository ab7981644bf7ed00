"""The HTML face of an audit: one file that asks the network for nothing.

Whatever a repository wrote is made printable, and escaped by the template. Style and script stand in the file, named by their
hashes in its Content-Security-Policy; without the script everything is there as plain tables. Of very large audits the worst findings
are told, and how many are not is said. A public audit shows what its data shows, and that holds no private name.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from bot.audit_report import AuditHead, RepositoryAudit
from bot.model import Count, Finding, NotChecked, Report, Severity
from bot.report.audit_terminal import summary_words
from bot.report.boundary import DOORS, Node, Trouble, cards
from bot.report.boundary_layout import WIDTH, draw, versions_text
from bot.report.escape import clipped
from bot.report.words import alike, decides, named, plural, position
from bot.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["render"]

# What findings of these rules say of a package's use is no side door, and worth a mark on its line all the same.
_LOOSE = frozenset({"floating-pin", "lock-drift", "undeclared-dependency"})

_FINDINGS = 10_000  # rows; the worst ones
_FULL = 1_500  # with more findings than this, the evidence is left to `ringfence explain`
_PROBLEMS = 2_000
_OPEN_CARDS = 12  # pictures that are seen at once
_CARDS = 60  # pictures; what is beyond stands in a table
_MESSAGE, _REMEDY, _SOURCE, _LINK = 400, 320, 140, 240
_FEW = 4


class _Finding(NamedTuple):
    """A row of the findings' table. ``source`` is what stands before, at and behind the place."""

    severity: str
    rule: str
    repository: str
    side: str
    place: str
    message: str
    remedy: str
    source: tuple[str, str, str] | None
    evidence: tuple[str, ...]
    fingerprint: str
    waived: str
    across: bool
    observed: bool


class _Repository(NamedTuple):
    """A row of the repositories' table. ``uses`` are open packages with their versions."""

    label: str
    side: str
    verdict: str
    observed: bool
    hidden: bool
    errors: int
    warnings: int
    notes: int
    waived: int
    rules: tuple[tuple[str, int], ...]
    uses: tuple[tuple[str, str], ...]
    unchecked: int
    revision: str


class _Problem(NamedTuple):
    """A row of what was not checked."""

    repository: str
    side: str
    rule: str
    reason: str
    subjects: tuple[str, ...]
    more: int
    detail: str
    remedy: str


class _Rule(NamedTuple):
    """A row of the rules' table. ``judged`` says how much it looked at."""

    rule: str
    summary: str
    errors: int
    warnings: int
    notes: int
    repositories: int
    judged: str


def render(
    head: AuditHead, repositories: Iterable[RepositoryAudit], *, rules: Mapping[str, str] | None = None, made: str = ""
) -> Iterator[str]:
    """The audit as an HTML document, in parts. ``rules`` gives each rule's line of summary; ``made`` is the time to show."""
    view = _View(head, rules or {})
    for repository in repositories:
        view.add(repository)
    pictures = cards(head.pairs, view.nodes)
    labels = [row.label for row in view.repositories if not row.hidden]
    owner = _common_owner(labels)
    style, script = _part("audit.css"), _part("audit.js")
    stream = _environment().get_template("audit.html").stream(
        head=head,
        made=made,
        words=summary_words(head).partition(": ")[2],
        verdict="observed" if head.mode == "observe" and head.verdict == "pass" else head.verdict,
        doors=sum(t.errors for t in head.rules if t.rule in DOORS),
        pairs=sum(bool(pair.open and pair.private) for pair in head.pairs),
        first=pictures[:_OPEN_CARDS],
        folded=pictures[_OPEN_CARDS:_CARDS],
        listed=pictures[_CARDS:],
        draw=lambda card: draw(card, owner),
        width=WIDTH,
        versions=versions_text,
        rules=view.rules(),
        repositories=view.sorted_repositories(),
        findings=view.findings(),
        left_out=view.left_out(),
        full=view.full,
        problems=view.problems(),
        problems_left_out=max(0, len(view.all_problems) - _PROBLEMS),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )  # fmt: skip
    stream.enable_buffering(500)
    yield from stream


class _View:
    """What the template shows, gathered repository by repository; of findings no more than are shown."""

    def __init__(self, head: AuditHead, rules: Mapping[str, str]) -> None:
        self._head = head
        self._summaries = rules
        total = head.summary.errors + head.summary.warnings + head.summary.notes + head.summary.waived
        self.full = total <= _FULL
        self.nodes: list[Node] = []
        self.repositories: list[_Repository] = []
        self.all_problems: list[_Problem] = []
        self._findings: dict[str, list[_Finding]] = {"error": [], "warning": [], "note": [], "waived": []}
        self._found = 0
        self._judged: dict[str, Counter[str]] = {}
        self._across: dict[str, list[tuple[Finding, bool]]] = {}
        for item in head.fleet:
            self._across.setdefault(item.repository, []).append((item.finding, item.observed))
        for finding, observed in self._across.get("", ()):
            self._add_finding(finding, "", "", across=True, observed=observed)
        self._count(head.counts)
        for group in alike(head.not_checked):
            self._add_problem("", "", group)

    def add(self, repository: RepositoryAudit) -> None:
        """One repository of the audit."""
        side = "private" if repository.hidden else repository.facts.side if repository.facts is not None else ""
        troubles: dict[str, Trouble] = {}
        observed = repository.mode == "observe"
        for finding in repository.report.findings if repository.report is not None else ():
            self._add_finding(finding, repository.label, side, across=False, observed=observed)
            _trouble(troubles, finding)
        for finding, its_observed in self._across.get(repository.label, ()):
            self._add_finding(finding, repository.label, side, across=True, observed=its_observed)
        unchecked = 0
        if repository.report is not None:
            unchecked = len(repository.report.not_checked)
            for group in alike(repository.report.not_checked):
                self._add_problem(repository.label, side, group)
            self._count(repository.report.counts)
        self.nodes.append(Node(repository.label, side or "unmatched", repository.facts, troubles))
        uses = () if repository.facts is None else tuple(
            (item.package, clipped(", ".join(item.versions or item.specs), 60)) for item in repository.facts.consumes if item.is_installed
        )  # fmt: skip
        self.repositories.append(
            _Repository(
                label=repository.label,
                side=side,
                verdict=repository.verdict,
                observed=observed,
                hidden=repository.hidden,
                errors=repository.summary.errors,
                warnings=repository.summary.warnings,
                notes=repository.summary.notes,
                waived=repository.summary.waived,
                rules=tuple(sorted(repository.rules.items(), key=lambda item: (-item[1], item[0]))),
                uses=uses,
                unchecked=unchecked,
                revision=_revision(repository.report),
            )
        )

    def sorted_repositories(self) -> list[_Repository]:
        """The worst first."""
        verdicts = ("fail", "incomplete", "pass")
        return sorted(
            self.repositories,
            key=lambda r: (verdicts.index(r.verdict), -r.errors, -r.warnings, -r.notes, r.label.lower()),
        )

    def findings(self) -> list[_Finding]:
        """Errors, warnings, notes, what is waived; no more than are shown."""
        shown: list[_Finding] = []
        for rows in self._findings.values():
            shown += rows[: _FINDINGS - len(shown)]
        return shown

    def left_out(self) -> int:
        """How many findings are not shown."""
        return max(0, self._found - _FINDINGS)

    def problems(self) -> list[_Problem]:
        """What was not checked; no more than is shown."""
        return self.all_problems[:_PROBLEMS]

    def rules(self) -> list[_Rule]:
        """Every rule: those with findings as the audit orders them, then those that found nothing."""
        tallies = {tally.rule: tally for tally in self._head.rules}
        idle = {item.rule for item in self._head.not_run}
        rows = [
            _Rule(
                t.rule,
                self._summaries.get(t.rule, ""),
                t.errors,
                t.warnings,
                t.notes,
                t.repositories,
                self._words(t.rule),
            )
            for t in tallies.values()
        ]
        rest = sorted({*self._summaries, *self._judged} - {*tallies} - idle)
        return rows + [_Rule(rule, self._summaries.get(rule, ""), 0, 0, 0, 0, self._words(rule)) for rule in rest]

    def _words(self, rule: str) -> str:
        """``1,209 lock entries``: of what a rule counts the most is what it looks at, the rest are parts."""
        judged = self._judged.get(rule)
        if not judged:
            return ""
        label, number = max(judged.items(), key=lambda item: item[1])
        return f"{number:,} {label}"

    def _count(self, counts: Iterable[Count]) -> None:
        for count in counts:
            total = self._judged.setdefault(count.rule, Counter())
            for label, number in count.judged.items():
                total[label] += number

    def _add_finding(self, finding: Finding, repository: str, side: str, *, across: bool, observed: bool) -> None:
        self._found += 1
        severity = finding.severity.value if decides(finding) else "waived"
        rows = self._findings[severity]
        if len(rows) >= _FINDINGS:
            return
        evidence: tuple[str, ...] = ()
        if self.full:
            evidence = tuple(clipped(link.text, _LINK) for link in finding.evidence[:6])
            evidence += tuple(f"{clipped(r.text, _LINK)} ({position(r.location)})" for r in finding.related[:_FEW])
            if len(finding.related) > _FEW:
                evidence += (f"and {len(finding.related) - _FEW:,} more places",)
        rows.append(
            _Finding(
                severity=severity,
                rule=finding.rule,
                repository=repository,
                side=side,
                place=position(finding.location) if finding.location.path else "",
                message=clipped(finding.message, _MESSAGE),
                remedy=clipped(finding.remedy, _REMEDY),
                source=_marked(finding),
                evidence=evidence,
                fingerprint=finding.fingerprint,
                waived=finding.waived,
                across=across,
                observed=observed,
            )
        )

    def _add_problem(self, repository: str, side: str, group: Sequence[NotChecked]) -> None:
        first = group[0]
        names = list(dict.fromkeys(named(problem) for problem in group))
        self.all_problems.append(
            _Problem(
                repository=repository,
                side=side,
                rule=first.rule,
                reason=first.reason,
                subjects=tuple(clipped(name, _LINK) for name in names[:_FEW]),
                more=max(0, len(names) - _FEW),
                detail=clipped(first.detail, _MESSAGE),
                remedy=clipped(first.remedy, _REMEDY),
            )
        )


def _trouble(troubles: dict[str, Trouble], finding: Finding) -> None:
    package = finding.package.removeprefix("npm:")
    if finding.rule not in DOORS and (finding.rule not in _LOOSE or not package):
        return
    # A way that is a warning or a note here (a path between members of one open workspace) is worth a look, and no door.
    door = finding.rule in DOORS and finding.severity is Severity.ERROR
    waived = not decides(finding)
    more = Trouble(doors=door and not waived, others=not door and not waived, waived=waived)
    troubles[package] = troubles.get(package, Trouble()).plus(more)


def _revision(report: Report | None) -> str:
    return report.revision[:10] if report is not None else ""


def _marked(finding: Finding) -> tuple[str, str, str] | None:
    """The source line around its place: before, at, behind. Long lines are cut, with ``…``."""
    line = finding.source.rstrip()
    if not line.strip():
        return None
    place = finding.location
    start = min(max(place.column - 1, 0), len(line))
    end = place.end_column - 1 if place.end_line == place.line else len(line)
    end = min(max(end, start), len(line))
    before, at, behind = line[:start].lstrip(), line[start:end], line[end:]
    if len(before) > _SOURCE // 2:
        before = "…" + before[len(before) - _SOURCE // 2 :]
    at = clipped(at, max(_SOURCE - len(before), 40))
    behind = clipped(behind, max(_SOURCE - len(before) - len(at), 10))
    return before, at, behind


def _common_owner(labels: Sequence[str]) -> str:
    """``acme/`` where every repository is of one owner: pictures need not say it each time."""
    owners = {label.partition("/")[0] for label in labels if "/" in label}
    return owners.pop() + "/" if len(owners) == 1 and all("/" in label for label in labels) else ""


# -- the template --------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("bot.templates", "."),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"fragment": _fragment, "number": lambda number: f"{number:,}", "plural": plural, "prose": _prose}
    made.globals |= {"letter": _letter}
    return made


def _shown(value: object) -> object:
    """What a template puts out: text of strangers cannot steer what shows it. Escaping comes after."""
    from markupsafe import Markup

    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_TICKED = re.compile(r"`([^`]+)`")


def _prose(text: str) -> Markup:
    """A sentence, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    pieces = _TICKED.split(printable(text))
    made = [
        escape(piece) if number % 2 == 0 else Markup("<code>{}</code>").format(piece)
        for number, piece in enumerate(pieces)
    ]
    return Markup("").join(made)


def _fragment(text: str) -> str:
    """A value for the filters in the address: `#rule=…`."""
    return quote(text.encode("utf-8", "backslashreplace"), safe="@/-._")


def _letter(word: str) -> str:
    """A row's class for a severity or a side: one letter, since there are thousands."""
    return {"error": "e", "warning": "w", "note": "n", "waived": "x", "open": "o", "private": "p"}.get(word, "u")


@lru_cache(maxsize=2)
def _part(name: str) -> Markup:
    """A file of ours that stands in the document as it is."""
    from markupsafe import Markup

    environment = _environment()
    assert environment.loader is not None  # noqa: S101  (made above)
    return Markup(environment.loader.get_source(environment, name)[0])  # noqa: S704 - it is ours


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
