"""What an audit says: one report for many repositories.

As in `bot.model`, the JSON report and its schema are made from these types and from nothing else. A page that draws
the fleet reads `Audit`: its pairs, each repository's facts, and each repository's own report.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bot.facts.summary import RepoSummary
from bot.model import Count, Finding, NotChecked, NotRun, Report, Summary

__all__ = [
    "Audit",
    "AuditHead",
    "AuditSummary",
    "BaselineSize",
    "BaselineTrend",
    "FleetFinding",
    "NotAudited",
    "PairView",
    "RepositoryAudit",
    "RuleTally",
    "Use",
]

VerdictWord = Literal["pass", "fail", "incomplete"]


class NotAudited(msgspec.Struct, frozen=True, kw_only=True, tag="not-audited", tag_field="kind"):
    """A repository that nobody judged. It is never clean."""

    label: str
    repository: Annotated[str, Meta(description="`owner/name`, where it is known.")] = ""
    reason: Annotated[
        str,
        Meta(
            description="A stable code: `shard-missing`, `shard-interrupted`, `shard-unreadable`, `other-run`, `other-policy`, `unreadable`, "
            "`policy`, `internal-error`."
        ),
    ]
    detail: str
    remedy: str = ""
    visibility: Annotated[
        str,
        Meta(
            description="`public`, `private`, `internal`, or `unknown` where its forge does not say; empty where no forge was asked, and "
            "where a public report leaves its name out."
        ),
    ] = ""
    shard: Annotated[str, Meta(description="`3/8`: the shard that should have judged it; empty without shards.")] = ""


class FleetFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of a rule that looks across repositories, in the repository that has to change."""

    repository: Annotated[
        str, Meta(description="The label of the repository that its places are in; empty for the policy.")
    ]
    finding: Finding
    observed: Annotated[bool, Meta(description="That repository is in observe mode: it does not decide.")] = False


class RepositoryAudit(msgspec.Struct, frozen=True, kw_only=True):
    """One repository of an audit. In a public report one that is not public has a number for a name, totals, and no more."""

    label: Annotated[str, Meta(description="Its path below the audited folder, or `owner/name`.")]
    verdict: Annotated[VerdictWord, Meta(description="Of its own report and of the fleet findings in it.")]
    mode: Literal["enforce", "observe"]
    unchanged: Annotated[bool, Meta(description="Its head is the one of the last audit from the same cache.")] = False
    hidden: Annotated[bool, Meta(description="It is not public, and this report is.")] = False
    summary: Annotated[Summary, Meta(description="Totals of its own report and of the fleet findings in it.")]
    rules: Annotated[
        dict[str, int], Meta(description="How many findings decide, by rule; fleet findings are among them.")
    ] = {}
    facts: Annotated[RepoSummary | None, Meta(description="What it is and what it uses; null where it is hidden.")] = (
        None
    )
    report: Annotated[
        Report | None, Meta(description="Its own report, as `check` gives it; null where it is hidden.")
    ] = None


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Who uses a pair's open packages: a repository's label, the package, and the versions that its locks install."""

    repository: str
    package: str
    versions: tuple[str, ...] = ()


class PairView(msgspec.Struct, frozen=True, kw_only=True):
    """The halves that the naming scheme puts together under one stem. Repositories are labels."""

    stem: str
    packages: Annotated[tuple[str, ...], Meta(description="The open packages that carry the stem.")] = ()
    version: Annotated[str, Meta(description="The open half's version as its manifest says it.")] = ""
    open: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()


class RuleTally(msgspec.Struct, frozen=True, kw_only=True):
    """One rule over the whole audit: findings that decide, and in how many repositories."""

    rule: str
    errors: int = 0
    warnings: int = 0
    notes: int = 0
    repositories: int = 0


class AuditSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of an audit. ``passed``, ``failed`` and ``incomplete`` count repositories by their verdict."""

    repositories: Annotated[int, Meta(description="Repositories that should have been audited.")] = 0
    audited: int = 0
    not_audited: int = 0
    passed: int = 0
    failed: int = 0
    incomplete: int = 0
    unchanged: Annotated[int, Meta(description="Repositories whose head did not move since the last audit.")] = 0
    errors: Annotated[int, Meta(description="Errors that decide, fleet findings included.")] = 0
    warnings: int = 0
    notes: int = 0
    waived: int = 0
    hidden: Annotated[
        int,
        Meta(
            description="Repositories, those not audited among them, and fleet findings that a public report leaves out."
        ),
    ] = 0
    requests: Annotated[int, Meta(description="Requests to package registries.")] = 0
    seconds: Annotated[float, Meta(description="Wall time of this run; of a merge, without its shards.")] = 0.0
    shards: Annotated[int, Meta(description="How many shards were merged; 0 without shards.")] = 0


class BaselineSize(msgspec.Struct, frozen=True, kw_only=True):
    """One repository whose baseline holds findings, or held some at the last audit."""

    label: str
    size: Annotated[
        int | None, Meta(description="Its findings today; null where it was not audited or cannot be read.")
    ]
    before: Annotated[int | None, Meta(description="Its findings at the last audit; null where that is not known.")] = (
        None
    )
    gone: Annotated[bool, Meta(description="It is no longer among the repositories of the audit.")] = False
    hidden: Annotated[bool, Meta(description="It is not public, and this report is.")] = False

    @property
    def change(self) -> int | None:
        """How many more it holds (fewer: below zero); None where one side is not known."""
        return None if self.size is None or self.before is None else self.size - self.before


class BaselineTrend(msgspec.Struct, frozen=True, kw_only=True):
    """The size of all baselines together, and its change since the last audit of the same repositories."""

    size: Annotated[int, Meta(description="How many findings the baselines hold.")] = 0
    holders: Annotated[int, Meta(description="In how many repositories.")] = 0
    change: Annotated[
        int | None,
        Meta(
            description="How many more than at the last audit (fewer: below zero), over the repositories that are known from both; "
            "null where no last audit is known."
        ),
    ] = None
    not_compared: Annotated[
        int, Meta(description="Repositories whose size is not known today, or was not at the last audit.")
    ] = 0
    repositories: Annotated[
        tuple[BaselineSize, ...], Meta(description="Those that hold or held findings, or of which nothing is known.")
    ] = ()


class AuditHead(msgspec.Struct, frozen=True, kw_only=True):
    """An audit without its repositories, which are written one after the other: there may be thousands."""

    schema: Annotated[
        int, Meta(description="Version of this format; it changes when a field goes or changes meaning.")
    ] = 1
    kind: Literal["audit"] = "audit"
    version: Annotated[str, Meta(description="Version of Ringfence.")]
    mode: Literal["enforce", "observe"]
    public: Annotated[bool, Meta(description="Private names and repositories are left out.")] = False
    verdict: Annotated[
        VerdictWord,
        Meta(
            description="`fail` where a repository fails or a fleet finding does, else `incomplete` where something was not "
            "audited or not checked, else `pass`."
        ),
    ]
    assumed: Annotated[
        tuple[str, ...],
        Meta(description="What was assumed for want of a policy file, and what of a policy has no effect."),
    ] = ()
    notes: Annotated[tuple[str, ...], Meta(description="What is worth knowing about this run.")] = ()
    summary: AuditSummary
    baseline: BaselineTrend = BaselineTrend()
    rules: Annotated[tuple[RuleTally, ...], Meta(description="Totals by rule, the most frequent first.")] = ()
    pairs: tuple[PairView, ...] = ()
    fleet: tuple[FleetFinding, ...] = ()
    not_audited: tuple[NotAudited, ...] = ()
    not_checked: Annotated[
        tuple[NotChecked, ...], Meta(description="What fleet rules could not check: makes the audit incomplete.")
    ] = ()
    allowed: Annotated[tuple[NotChecked, ...], Meta(description="The same where policy allows it.")] = ()
    not_run: tuple[NotRun, ...] = ()
    counts: Annotated[tuple[Count, ...], Meta(description="How much every fleet rule judged.")] = ()


class Audit(AuditHead, frozen=True, kw_only=True):
    """One run over many repositories (`ringfence audit --format json`)."""

    repositories: tuple[RepositoryAudit, ...] = ()
