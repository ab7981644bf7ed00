"""`naming-pair` across repositories: a private half whose name misses its core's."""

from __future__ import annotations

from bot.facts.summary import RepoSummary
from bot.fleet import Fleet, FleetRule, filled, newest, stem_of
from bot.model import Evidence, Hit, Verdict
from bot.policy import Policy
from bot.rule import Absent, Known
from bot.rules.identity.naming_pair.rule import RULE as NAMING_PAIR
from bot.text import Text

__all__ = ["RULE"]


def judge(fleet: Fleet, policy: Policy, known: Known) -> Verdict:
    """A private half that has no core by its own name, and uses one whose name differs by spelling alone."""
    verdict = Verdict(counts={"private halves": 0, "without a core of their name": 0})
    naming = policy.tables.naming
    if naming is None or not (naming.downstream.github or naming.downstream.local):
        verdict.not_run = "policy sets no [naming.downstream]"
        return verdict
    for pair in fleet.pairs(policy):
        for summary in pair.private:
            verdict.counts["private halves"] += 1
            if pair.open or any(item.package in pair.packages for item in summary.consumes):
                continue
            verdict.counts["without a core of their name"] += 1
            hit = _misspelt(fleet, policy, known, pair.stem, summary, verdict)
            if hit is not None:
                verdict.hits.append(hit)
    return verdict


def _misspelt(
    fleet: Fleet, policy: Policy, known: Known, stem: str, summary: RepoSummary, verdict: Verdict
) -> Hit | None:
    naming = policy.tables.naming
    assert naming is not None  # noqa: S101  (`judge` returned otherwise)
    alike = [
        (item, core)
        for item in summary.consumes
        if item.is_installed
        and (core := stem_of(naming.npm, item.package)) is not None
        and _plain(core) == _plain(stem)
    ]
    if len(alike) != 1:
        return None
    # A core of the half's own name may be published without being here.
    if not all(isinstance(newest(policy, known, name, verdict), Absent) for name in filled(naming.npm, stem)):
        return None
    item, core = alike[0]
    on_forge = fleet.name_of(summary) is not None
    wanted = " or ".join(filled(naming.downstream.github if on_forge else naming.downstream.local, core))
    params: dict[str, Text] = {
        "repository": fleet.text(policy, summary, "" if on_forge else summary.folder),
        "package": policy.text(item.package),
        "wanted": fleet.text(policy, summary, wanted),
    }
    return Hit(
        place=item.place,
        repository=summary.label,
        subject=f"half {stem}",
        package=f"npm:{item.package}",
        message="{repository} is built on {package}, and the scheme calls its private half {wanted}",
        remedy="Rename the repository, so that both halves say the same.",
        params=params,
        evidence=(
            Evidence(kind="declaration", text="{package} is used here", params=params, place=None),
            *policy.evidence("naming.npm", "naming.downstream.github", "naming.downstream.local"),
        ),
    )


def _plain(stem: str) -> str:
    """A stem without what spellings differ in: letter case, what parts words, the plural."""
    return stem.lower().replace("-", "").replace("_", "").replace(".", "").removesuffix("s")


RULE = FleetRule(id=NAMING_PAIR.id, summary=NAMING_PAIR.summary, severity=NAMING_PAIR.severity, judge=judge)
