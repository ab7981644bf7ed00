"""Judge the fleet by its rules, and put what they said in words, each repository by its own standing.

As in `bot.engine`, everything here is a function of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from bot.audit_report import FleetFinding, PairView, Use
from bot.engine import Fetch, Judged, Places, Renderer, judge_all, located, waiver_of
from bot.facts.summary import RepoSummary
from bot.fleet import Fleet, FleetRule, on
from bot.model import Hit, Severity
from bot.policy import Policy, Waiver
from bot.repo import Repo
from bot.rule import Rule

__all__ = ["Standing", "findings_of", "judge_fleet", "pair_views"]


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a repository's own policy says that fleet findings in it must heed: mode, waivers, severities by rule."""

    mode: str = "enforce"
    waivers: tuple[Waiver, ...] = ()
    rules: dict[str, str] = {}

    @classmethod
    def of(cls, policy: Policy, rules: Sequence[FleetRule]) -> Standing:
        """The standing that a policy gives to the repository it is in force for."""
        ids = {rule.id for rule in rules}
        return cls(
            mode=policy.tables.mode,
            waivers=tuple(waiver for waiver in policy.tables.waiver if waiver.rule in ids),
            rules={rule: level for rule, level in policy.tables.rules.items() if rule in ids},
        )


def judge_fleet(rules: Sequence[FleetRule], fleet: Fleet, policy: Policy, fetch: Fetch) -> Judged:
    """Judge by every fleet rule, in the same rounds of asking as one repository."""
    return judge_all([on(rule, fleet) for rule in rules], Repo(), policy, fetch)


def findings_of(
    judged: Judged,
    fleet: Fleet,
    policy: Policy,
    standings: Mapping[str, Standing],
    read: Callable[[str], bytes | None],
    *,
    public: bool,
) -> tuple[FleetFinding, ...]:
    """The findings, by repository and place, those of repositories that are not public among them.

    ``read`` gives the policy's files.
    """
    summaries = {summary.label: summary for summary in fleet.summaries}
    by_repository: dict[str, list[int]] = {}
    for index, (_, _, hit) in enumerate(judged.hits):
        by_repository.setdefault(hit.repository, []).append(index)
    found: list[FleetFinding] = []
    for label in sorted(by_repository):
        summary = summaries.get(label)
        standing = standings.get(label, Standing())
        own = _by_its_own(judged, by_repository[label], policy, standing)
        # Everything was located when its repository was at hand; only the policy's files can be read here.
        renderer = Renderer(
            read,
            public=public,
            places=_seen(summary),
            private_names=policy.private_names,
            private_waivers=policy.private_waivers,
        )
        findings = located(own, renderer)
        observed = standing.mode == "observe"
        found += [FleetFinding(repository=label, finding=finding, observed=observed) for finding in findings]
    return tuple(found)


def _by_its_own(judged: Judged, indexes: Sequence[int], policy: Policy, standing: Standing) -> Judged:
    """One repository's hits, with the severities and waivers that its own policy gives them."""
    tables = msgspec.structs.replace(policy.tables, waiver=standing.waivers)
    its_policy = msgspec.structs.replace(policy, tables=tables)
    hits: list[tuple[Rule, Severity, Hit]] = []
    waived: dict[int, Waiver] = {}
    for index in indexes:
        rule, severity, hit = judged.hits[index]
        level = standing.rules.get(rule.id)
        waiver = judged.waived.get(index) or waiver_of(rule.id, hit, its_policy)
        if waiver is not None:
            waived[len(hits)] = waiver
        hits.append((rule, Severity(level) if level and level != "off" else severity, hit))
    return msgspec.structs.replace(judged, hits=hits, waived=waived)


def _seen(summary: RepoSummary | None) -> Places:
    """What a repository's summary remembers of its files: the places that fleet rules may speak of."""
    seen = summary.sightings if summary is not None else ()
    return Places(
        locations=tuple((s.place, s.location) for s in seen),
        lines=tuple((s.location.path, s.location.line, s.line) for s in seen),
    )


def pair_views(fleet: Fleet, policy: Policy) -> tuple[PairView, ...]:
    """The pairs for a report; in no form for the public: repositories are named."""
    views = []
    for pair in fleet.pairs(policy):
        packages = tuple(dict.fromkeys(half.member.name for half in pair.open)) or pair.packages
        uses = [
            Use(repository=summary.label, package=package, versions=item.versions)
            for package in packages
            for summary, item in fleet.consumers(package)
        ]
        views.append(
            PairView(
                stem=pair.stem,
                packages=packages,
                version=pair.open[0].member.version if pair.open else "",
                open=tuple(dict.fromkeys(half.summary.label for half in pair.open)),
                private=tuple(summary.label for summary in pair.private),
                uses=tuple(uses),
            )
        )
    return tuple(views)
