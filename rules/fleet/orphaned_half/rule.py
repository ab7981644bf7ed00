"""Archived, renamed or moved on one side only."""

from __future__ import annotations

from collections.abc import Iterable

from bot.facts.summary import RepoSummary
from bot.fleet import Fleet, FleetRule, Pair, former_names, home_of, newest, stem_of
from bot.model import Evidence, Hit, Severity, Verdict
from bot.policy import Policy
from bot.rule import Known, Latest
from bot.text import Public, Text

__all__ = ["RULE"]


def judge(fleet: Fleet, policy: Policy, known: Known) -> Verdict:
    """Hold both halves of every pair to what the forge says of them, and every package to one home."""
    verdict = Verdict(
        counts={"pairs": 0, "pairs that the forge told of": 0, "packages": 0, "in several repositories": 0}
    )
    pairs = fleet.pairs(policy)
    by_stem = {pair.stem: pair for pair in pairs}
    for pair in pairs:
        if not (pair.open and pair.private):
            continue
        verdict.counts["pairs"] += 1
        told = all(s.info is not None for s in [*(half.summary for half in pair.open), *pair.private])
        verdict.counts["pairs that the forge told of"] += told
        if told:
            verdict.hits += _archived(fleet, policy, pair)
    for summary in fleet.summaries:
        verdict.hits += _renamed(fleet, policy, summary, by_stem)
    for name in sorted({half.member.name for half in fleet.open_halves()}):
        verdict.counts["packages"] += 1
        _moved(fleet, policy, known, name, verdict)
    return verdict


# -- archived ------------------------------------------------------------------------------------


def _archived(fleet: Fleet, policy: Policy, pair: Pair) -> Iterable[Hit]:
    half = pair.open[0]
    shown: dict[str, Text] = {
        "package": policy.text(half.member.name),
        "open": policy.text(half.summary.repository),
    }
    if all(half.summary.archived for half in pair.open):
        for summary in pair.private:
            if not summary.archived:
                used = next((c.place for c in summary.consumes if c.package == half.member.name), summary.root_place)
                yield Hit(
                    place=used,
                    repository=summary.label,
                    subject="archived core",
                    package=f"npm:{half.member.name}",
                    message="{open}, the home of {package}, is archived, and {private} lives on",
                    remedy="Take the core up again, move the product to what follows it, or archive the product too.",
                    params=shown | {"private": fleet.text(policy, summary)},
                    evidence=(_said("{open} is archived on its forge", shown), *_scheme(policy)),
                )
    elif all(summary.archived for summary in pair.private):
        summary = pair.private[0]
        params = shown | {"private": fleet.text(policy, summary)}
        yield Hit(
            place=half.member.place,
            repository=half.summary.label,
            subject="archived product",
            package=f"npm:{half.member.name}",
            message="{private}, the private half of {package}, is archived, and {open} lives on",
            remedy="Nothing, when the core has other users; else say so in its README, or archive it too.",
            params=params,
            severity=Severity.NOTE,
            evidence=(_said("{private} is archived on its forge", params), *_scheme(policy)),
        )


# -- renamed -------------------------------------------------------------------------------------


def _renamed(fleet: Fleet, policy: Policy, summary: RepoSummary, pairs: dict[str, Pair]) -> Iterable[Hit]:
    """The other half still goes by the name that this one had."""
    naming = policy.tables.naming
    now = fleet.name_of(summary)
    if naming is None or now is None:
        return
    private = fleet.private_stem(policy, summary) is not None or summary.side != "open"
    patterns = naming.downstream.github if private else naming.github
    stem = stem_of(patterns, str(now))
    for former in former_names(summary):
        old = stem_of(patterns, str(former))
        if old is None or old == stem or old not in pairs:
            continue
        left = pairs[old]
        others = [half.summary for half in left.open] if private else list(left.private)
        if stem is not None and stem in pairs and (pairs[stem].open if private else pairs[stem].private):
            continue  # it has another half under its new name
        if not private and any(half.summary is not summary for half in left.open):
            continue  # the old name's package has another home
        for other in others:
            if other is summary:
                continue
            params = {
                "former": fleet.text(policy, summary, str(former)),
                "now": fleet.text(policy, summary),
                "other": fleet.text(policy, other),
            }
            yield Hit(
                place=other.root_place,
                repository=other.label,
                subject=f"renamed half {old}",
                message="{former} is called {now} now, and {other}, the other half, kept the old name",
                remedy="Rename this half along, or take the new name back.",
                params=params,
                evidence=(_said("the forge leads from {former} to {now}", params), *_scheme(policy)),
            )


# -- moved ---------------------------------------------------------------------------------------


def _moved(fleet: Fleet, policy: Policy, known: Known, name: str, verdict: Verdict) -> None:
    """A package that two repositories hold: the one where it is not made any more was left behind."""
    homes = fleet.homes(policy, name)
    if len(homes) < 2:
        return
    verdict.counts["in several repositories"] += 1
    latest = newest(policy, known, name, verdict)
    home = home_of(homes, latest) if isinstance(latest, Latest) else None
    if home is None or not isinstance(latest, Latest):
        return  # which one is meant, nobody says
    for half, left in homes:
        if left.key() == home[1].key():
            continue
        params: dict[str, Text] = {
            "package": policy.text(name),
            "version": Public(half.member.version or "(no version)"),
            "left": policy.text(str(left)),
            "newer": Public(home[0].member.version),
            "home": policy.text(str(home[1])),
            "released": Public(latest.version),
        }
        verdict.hits.append(
            Hit(
                place=half.member.place,
                repository=half.summary.label,
                subject="moved package",
                package=f"npm:{name}",
                message="{package} is made in {home} ({newer}), and {left} still holds a copy ({version})",
                remedy="Archive {left} where that is not done yet, or take the package out of it: "
                "what is changed here reaches nobody.",
                params=params,
                fold="moved package",
                evidence=(
                    Evidence(kind="repository", text="{home} holds {package} {newer}", params=params),
                    Evidence(kind="registry", text="the registry's newest release of it is {released}", params=params),
                ),
            )
        )


def _said(text: str, params: dict[str, Text]) -> Evidence:
    return Evidence(kind="repository", text=text, params=params)


def _scheme(policy: Policy) -> tuple[Evidence, ...]:
    return policy.evidence("naming.github", "naming.npm", "naming.downstream.github")


RULE = FleetRule(
    id="orphaned-half",
    summary="Archived, renamed or moved on one side only.",
    severity=Severity.WARNING,
    judge=judge,
)
