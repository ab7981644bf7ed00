"""A private half that never uses its core: likeliest a private fork."""

from __future__ import annotations

from bot.facts.summary import RepoSummary
from bot.fleet import Fleet, FleetRule, Pair, newest
from bot.model import Evidence, Hit, NotChecked, Severity, Verdict
from bot.names import PackageName
from bot.policy import Policy
from bot.rule import Known, Latest
from bot.text import Public, Text

__all__ = ["RULE"]


def judge(fleet: Fleet, policy: Policy, known: Known) -> Verdict:
    """Hold every private half to what it consumes."""
    verdict = Verdict(counts={"private halves": 0, "without a manifest": 0, "without a core": 0})
    naming = policy.tables.naming
    if naming is None or not (naming.downstream.github or naming.downstream.local):
        verdict.not_run = "policy sets no [naming.downstream]"
        return verdict
    for pair in fleet.pairs(policy):
        for summary in pair.private:
            if summary.archived:
                continue
            verdict.counts["private halves"] += 1
            if not summary.manifests:
                verdict.counts["without a manifest"] += 1  # of another ecosystem, or a repository of documents
            elif not _consumes(fleet, pair, summary):
                _missing(fleet, policy, known, pair, summary, verdict)
    return verdict


def _consumes(fleet: Fleet, pair: Pair, summary: RepoSummary) -> bool:
    """Whether it uses the core, something that is named after it, or something from the core's repository."""
    cores = {*pair.packages, *(half.member.name for half in pair.open)}
    bare = {PackageName.npm(core).bare for core in cores}
    homes = {half.summary.label for half in pair.open}
    for item in summary.consumes:
        name = PackageName.npm(item.package).bare
        if item.package in cores or any(name == core or name.startswith(core + "-") for core in bare):
            return True
        if any(half.summary.label in homes for half in fleet.holders(item.package)):
            return True
    return False


def _missing(fleet: Fleet, policy: Policy, known: Known, pair: Pair, summary: RepoSummary, verdict: Verdict) -> None:
    found = _core(policy, known, pair, verdict)
    if found is None:
        verdict.counts["without a core"] += 1  # nothing is there to use, or nobody has said yet
        return
    core, said = found
    if summary.unread:
        verdict.not_checked.append(
            NotChecked(
                reason="unread-manifest",
                subject="{repository}",
                detail="a manifest or lock could not be read that may name the core: {path}",
                remedy="Mend that file, or ignore it in the policy.",
                params={
                    "repository": fleet.text(policy, summary),
                    "path": fleet.text(policy, summary, summary.unread[0]),
                },
            )
        )
        return
    verdict.hits.append(
        Hit(
            place=summary.root_place,
            repository=summary.label,
            subject=f"core {pair.stem}",
            package=f"npm:{core}",
            message="{repository} is the private half of {core} and never uses it",
            remedy="Build it on the released {core}, or, when it is no half of that pair, give it another name.",
            params={"repository": fleet.text(policy, summary), "core": policy.text(core)},
            evidence=(
                *policy.evidence("naming.downstream.github", "naming.downstream.local", "naming.npm"),
                said,
                Evidence(
                    kind="declaration",
                    text="none of its {manifests} manifests, locks and imports names {core}",
                    params={"manifests": Public(str(summary.manifests)), "core": policy.text(core)},
                ),
            ),
        )
    )


def _core(policy: Policy, known: Known, pair: Pair, verdict: Verdict) -> tuple[str, Evidence] | None:
    """The core and what proves that it is there."""
    if pair.open:
        half = pair.open[0]
        where = half.summary.repository or half.summary.label
        shown: dict[str, Text] = {"core": policy.text(half.member.name), "where": policy.text(where)}
        return half.member.name, Evidence(kind="repository", text="{core} stands in {where}", params=shown)
    for name in pair.packages:
        answer = newest(policy, known, name, verdict)
        if isinstance(answer, Latest):
            shown = {"core": policy.text(name), "version": Public(answer.version)}
            return name, Evidence(kind="registry", text="the registry has {core} {version}", params=shown)
    return None


RULE = FleetRule(
    id="missing-core",
    summary="A private half that never uses its core: likeliest a private fork.",
    severity=Severity.WARNING,
    judge=judge,
)
