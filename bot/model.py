"""What a run says: places, findings, what was not checked, how much was judged.

All of it is immutable data (`msgspec.Struct`), so that the JSON report and its schema are
made from these types and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bot.text import Text

__all__ = [
    "REASONS",
    "Again",
    "Count",
    "Edit",
    "Evidence",
    "Finding",
    "Hit",
    "Location",
    "NotChecked",
    "NotRun",
    "Place",
    "Report",
    "Severity",
    "Verdict",
    "next_step",
]


class Severity(StrEnum):
    """How much a finding weighs. Errors fail a run; warnings with ``--fail-on warning``."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return ("error", "warning", "note").index(self.value)


class Place(msgspec.Struct, frozen=True):
    """Where a fact stands, cheaply: a file and either a path of keys or a range of bytes.

    ``pointer`` leads to a value in JSON, YAML or TOML (keys and indexes); ``key=True`` means the key
    itself, not its value. For line formats (yarn.lock) the pointer is ``(entry key, field)``.
    ``start``/``end`` are byte offsets in the file. With neither, the place is the file.
    Line and column are found late, for findings only (`bot.readers.positions`).
    """

    path: str
    pointer: tuple[str | int, ...] = ()
    key: bool = False
    start: int = -1
    end: int = -1


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A region of a file. Lines and columns count from 1, columns in code points; the end is exclusive.

    ``line`` 0 means the file as a whole.
    """

    path: str
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain that made a finding so.

    ``kind`` says where it comes from; ``text`` is one sentence, a template over ``params``.
    """

    kind: Literal["declaration", "lock", "registry", "exports", "policy", "source", "repository"]
    text: str
    params: Mapping[str, Text] = {}
    place: Place | None = None


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """A replacement of bytes in one file. ``old`` must stand at ``place`` still, or the edit is refused.

    ``place`` names a value (pointer) or a byte range; ``new`` is its new *text* as it stands in the file
    for byte ranges, and the new string value for pointers. ``safe`` edits cannot change behaviour
    beyond what the rule asks for. Edits of one finding are applied together or not at all.
    """

    place: Place
    old: str
    new: str
    safe: bool = True


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule gives: a finding before the engine has located, numbered and weighed it.

    ``message`` and ``remedy`` are templates over ``params``. ``subject`` is what the finding is about (a
    specifier, a field, a file) and with rule, package and path makes the fingerprint: it must hold no
    line number and nothing that an unrelated change would move.
    ``package`` is the open package concerned, ``npm:@acme/x``, or empty. Hits of one rule with the same ``fold`` are one
    trouble that many members share: reports show them as one finding with a list (of their places, or of their ``related`` where the
    places are one), each still counts on its own for waivers and against a base. ``repository`` is the label of the
    repository that a fleet rule's places are in (empty: the policy's).
    """

    place: Place
    subject: str
    message: str
    remedy: str
    params: Mapping[str, Text] = {}
    package: str = ""
    severity: Severity | None = None
    related: tuple[tuple[str, Place], ...] = ()
    evidence: tuple[Evidence, ...] = ()
    edits: tuple[Edit, ...] = ()
    fold: str = ""
    repository: str = ""


# Why something was not checked: what `NotChecked.reason` says and a policy may allow. A test holds it to the code.
REASONS = frozenset(
    (
        "approval-unknown",
        "integrity-mismatch",
        "internal-error",
        "invalid-name",
        "malformed",
        "manifest-hook",
        "mirrored",
        "missing-object",
        "no-integrity",
        "no-overlay",
        "no-version",
        "not-answered",
        "not-open",
        "not-utf8",
        "nothing-to-judge",
        "offline",
        "open-pattern",
        "private-version",
        "registry-forbidden",
        "registry-unreachable",
        "symbolic-link",
        "too-deep",
        "too-large",
        "unknown-protocol",
        "unknown-source",
        "unread-manifest",
        "unresolved-catalog",
        "unsupported-ecosystem",
        "unsupported-format",
    )
)


class NotChecked(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be read, fetched or judged. It fails the run unless policy allows its reason.

    ``reason`` is a stable code, policy's ``not_checked.allow`` names it (with ``:detail`` for some).
    ``subject`` is what was not checked (a file, a package at a version); ``rule`` is empty where
    every rule is concerned.
    """

    reason: str
    subject: str
    detail: str
    remedy: str = ""
    rule: str = ""
    path: str = ""
    line: int = 0
    params: Mapping[str, Text] = {}


class NotRun(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that cannot apply here. Listed, never failing."""

    rule: str
    reason: str


class Verdict(msgspec.Struct, kw_only=True):
    """What one call of ``judge`` gives. ``counts`` says how many facts were judged, by label, in the
    order in which they should be read: ``{"declarations": 12, "ranges": 1}``."""

    hits: list[Hit] = []
    not_checked: list[NotChecked] = []
    counts: dict[str, int] = {}
    not_run: str = ""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How much one rule judged."""

    rule: str
    judged: dict[str, int]


class RenderedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A link of the chain of evidence, located and in words."""

    kind: str
    text: str
    location: Location | None = None


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """A further place of one finding."""

    text: str
    location: Location


class LocatedEdit(msgspec.Struct, frozen=True, kw_only=True):
    """An `Edit` with the byte range it replaces (``start``, ``end``: offsets in the file's bytes)."""

    path: str
    start: int
    end: int
    old: str
    new: str
    safe: bool
    location: Location


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as reports show it: located, in words, with its fingerprint and next step."""

    rule: Annotated[str, Meta(description="The rule's id; `ringfence explain RULE` prints its page.")]
    severity: Severity
    location: Annotated[Location, Meta(description="The place that has to change.")]
    message: Annotated[str, Meta(description="What is wrong, one sentence.")]
    remedy: Annotated[str, Meta(description="What to do instead, in words.")]
    fingerprint: Annotated[
        str,
        Meta(
            description="16 hex digits of rule, package, subject and path: the same when lines move. "
            "Two findings that are alike share it, and so do those of one rule in one file that speak of private names."
        ),
    ]
    next: Annotated[
        str, Meta(description="The next step, one command to run or one edit to make; a coding agent can follow it.")
    ] = ""
    package: Annotated[
        str, Meta(description="The open package concerned, as `@acme/x` or `pypi:acme-x`, or empty.")
    ] = ""
    subject: Annotated[str, Meta(description="What the finding is about: a specifier, a field, a file.")] = ""
    introduced: Annotated[
        bool,
        Meta(description="False for what the base had already, or the baseline holds: shown, but it does not decide."),
    ] = True
    private: Annotated[bool, Meta(description="It speaks of a private name; in a public report that is left out.")] = (
        False
    )
    source: Annotated[str, Meta(description="The line of the file at `location`, or empty.")] = ""
    related: Annotated[tuple[Related, ...], Meta(description="Further places that explain it.")] = ()
    evidence: Annotated[
        tuple[RenderedEvidence, ...], Meta(description="The chain of facts that made it so, in order.")
    ] = ()
    edits: Annotated[
        tuple[LocatedEdit, ...],
        Meta(
            description="Replacements that mend it, applied together or not at all; `ringfence fix` applies safe ones."
        ),
    ] = ()
    waived: Annotated[str, Meta(description="The reason of the waiver that covers it, or empty.")] = ""


class Again(msgspec.Struct, frozen=True):
    """The arguments, ready for a shell, with which other verbs find what a check found. ``fix`` is None where there is
    nothing that could be edited: a commit."""

    explain: str = ""
    fix: str | None = ""
    check: str = ""

    def check_command(self) -> str:
        """How to see the findings."""
        return " ".join(filter(None, ("ringfence check", self.check)))

    def explain_command(self, what: str) -> str:
        """How to have a finding explained."""
        return " ".join(filter(None, ("ringfence explain", what, self.explain)))

    def fix_command(self, *options: str) -> str | None:
        """How to have findings mended."""
        return None if self.fix is None else " ".join(filter(None, ("ringfence fix", self.fix, *options)))


def next_step(finding: Finding, again: Again = Again()) -> str:  # noqa: B008  (it is frozen)
    """What to do about a finding now: one command, or the remedy in words where no command does it."""
    if finding.waived:
        return "nothing now: it is waived"
    mend = again.fix_command("--only", finding.fingerprint)
    if finding.edits and all(edit.safe for edit in finding.edits) and mend is not None:
        return mend
    if finding.edits or not finding.remedy:
        return again.explain_command(finding.fingerprint)
    return finding.remedy


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a report."""

    errors: Annotated[int, Meta(description="Errors that decide: introduced and not waived.")] = 0
    warnings: Annotated[int, Meta(description="Warnings that decide.")] = 0
    notes: Annotated[int, Meta(description="Notes that decide.")] = 0
    waived: Annotated[int, Meta(description="Findings that a waiver covers.")] = 0
    before: Annotated[int, Meta(description="Findings that the base had already, or the baseline holds.")] = 0
    baseline: Annotated[int, Meta(description="How many findings the repository's baseline holds: its size.")] = 0
    files: Annotated[int, Meta(description="Source files that were looked at.")] = 0
    ignored: Annotated[int, Meta(description="Tracked files that policy leaves out.")] = 0
    judged: Annotated[int, Meta(description="Facts judged, summed over the rules.")] = 0
    parsed: Annotated[int, Meta(description="Source files that a parser read in full, after the cheap filter.")] = 0
    requests: Annotated[int, Meta(description="Requests to package registries; answers from the cache are none.")] = 0
    seconds: Annotated[float, Meta(description="Wall time of the run.")] = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run over one repository.

    ``verdict`` is ``fail`` (a failing finding), else ``incomplete`` (something that policy does not
    allow could not be checked), else ``pass``. In observe mode it is always ``pass``.
    """

    schema: Annotated[
        int, Meta(description="Version of this format; it changes when a field goes or changes meaning.")
    ] = 1
    version: Annotated[str, Meta(description="Version of Ringfence.")]
    repository: Annotated[str, Meta(description="`owner/name`, `host/owner/name`, or the folder's name.")]
    revision: Annotated[str, Meta(description="The commit that was judged; empty for a working tree.")]
    base: Annotated[str, Meta(description="What the change is held against, as given; empty without one.")] = ""
    mode: Literal["enforce", "observe"]
    verdict: Literal["pass", "fail", "incomplete"]
    assumed: Annotated[
        tuple[str, ...],
        Meta(description="What was assumed for want of a policy file, and what of a policy has no effect."),
    ] = ()
    again: Annotated[
        Again, Meta(description="Arguments with which `ringfence check`, `explain` and `fix` find the same.")
    ] = Again()
    findings: tuple[Finding, ...] = ()
    not_checked: Annotated[
        tuple[NotChecked, ...],
        Meta(description="What could not be checked and should have been: makes the run incomplete."),
    ] = ()
    allowed: Annotated[
        tuple[NotChecked, ...],
        Meta(description="What could not be checked and may stay so, by policy or because the base had it too."),
    ] = ()
    not_run: tuple[NotRun, ...] = ()
    counts: Annotated[tuple[Count, ...], Meta(description="How much every rule judged.")] = ()
    summary: Summary
