"""A published package whose ``repository`` field names another repository than the one that holds it."""

from __future__ import annotations

from bot.facts.summary import Consumed, RepoSummary
from bot.fleet import Fleet, FleetRule, Half, filled, former_names, home_of, newest, stem_of
from bot.model import Evidence, Hit, Severity, Verdict
from bot.names import RepoName
from bot.policy import Policy, Side
from bot.rule import Known, Latest
from bot.text import Public, Text

__all__ = ["RULE"]


def judge(fleet: Fleet, policy: Policy, known: Known) -> Verdict:
    """Hold the newest release of every open package, held or used, to the repository it names."""
    verdict = Verdict(counts={"packages": 0, "naming their repository": 0, "naming none": 0})
    if not policy.tables.open.repositories:
        verdict.not_run = "policy names no open repositories"
        return verdict
    for name in sorted({half.member.name for half in fleet.open_halves()}):
        homes = fleet.homes(policy, name)
        if homes:
            latest = _naming(policy, known, name, verdict)
            if latest is not None:
                _held(policy, homes, latest, verdict)
    for name in fleet.consumed():
        users = [(summary, item) for summary, item in fleet.consumers(name) if item.is_installed]
        if users and not fleet.is_held(name):
            latest = _naming(policy, known, name, verdict)
            if latest is not None:
                _used(policy, users[0], latest, verdict)
    return verdict


def _naming(policy: Policy, known: Known, name: str, verdict: Verdict) -> Latest | None:
    """The newest release, where the registry has one and it names a repository."""
    answer = newest(policy, known, name, verdict)
    if not isinstance(answer, Latest):
        return None
    verdict.counts["packages"] += 1
    if not answer.repository:
        verdict.counts["naming none"] += 1
        return None
    return answer


def _held(policy: Policy, homes: list[tuple[Half, RepoName]], latest: Latest, verdict: Verdict) -> None:
    named = RepoName.parse(latest.repository)
    found = home_of(homes, latest)
    if found is None:
        # Nobody can say which of them it is: one that the release names will do.
        if named is not None and any(named.key() == home.key() for _, home in homes):
            verdict.counts["naming their repository"] += 1
            return
        found = homes[0]
    half, home = found
    if named is not None and named.key() == home.key():
        verdict.counts["naming their repository"] += 1
        return
    mended = _names(half.member.url, home)
    former = named is not None and named.key() in {old.key() for old in former_names(half.summary)}
    remedy = (
        "Its manifest is right already: the next release mends it."
        if mended
        else "Set repository.url of its manifest to {home}, and release."
    )
    params: dict[str, Text] = {
        "package": policy.text(half.member.name),
        "version": Public(latest.version),
        "named": policy.text(latest.repository),
        "home": policy.text(str(home)),
    }
    verdict.hits.append(
        Hit(
            place=half.member.url_place if half.member.url and not mended else half.member.place,
            repository=half.summary.label,
            subject="published repository",
            package=f"npm:{half.member.name}",
            message="{package} {version} is published as from {named}, and stands in {home}"
            + (", which had that name once" if former else ""),
            remedy=remedy,
            params=params,
            severity=Severity.WARNING if mended or former else None,
            fold="mended" if mended else "former name" if former else "another repository",
            evidence=(_proof(policy, latest), *policy.evidence("open.repositories")),
        )
    )


def _names(url: str, home: RepoName) -> bool:
    named = RepoName.parse(url) if url else None
    return named is not None and named.key() == home.key()


def _used(policy: Policy, user: tuple[RepoSummary, Consumed], latest: Latest, verdict: Verdict) -> None:
    """A package that no audited repository holds: what it names must at least be open, and its pair where the scheme says."""
    named = RepoName.parse(latest.repository)
    if named is None:
        return
    summary, item = user
    name = item.package
    side = policy.side_of_repository(named)
    wanted = _wanted(policy, name)
    fits = side is Side.OPEN and (not wanted or named.key() in {repository.key() for repository in wanted})
    if fits:
        verdict.counts["naming their repository"] += 1
        return
    why = (
        "which policy calls private"
        if side is Side.PRIVATE
        else "which is no open repository by policy"
        if side is not Side.OPEN
        else "where the scheme wants {wanted}"
    )
    verdict.hits.append(
        Hit(
            place=item.place,
            repository=summary.label,
            subject="published repository",
            package=f"npm:{name}",
            message="{package} {version} is published as from {named}, " + why,
            remedy="Find out whose package it is before you use it: mend its repository field and release, or the policy.",
            params={
                "package": policy.text(name),
                "version": Public(latest.version),
                "named": policy.text(latest.repository),
                "wanted": policy.text(" or ".join(map(str, wanted))),
            },
            severity=None if side is Side.PRIVATE else Severity.WARNING,
            evidence=(
                _proof(policy, latest),
                *policy.evidence("private.repositories" if side is Side.PRIVATE else "open.repositories"),
            ),
        )
    )


def _wanted(policy: Policy, name: str) -> list[RepoName]:
    """The repositories that the scheme gives a package: its own, and every monorepo."""
    naming = policy.tables.naming
    stem = stem_of(naming.npm, name) if naming is not None else None
    if naming is None or stem is None or not naming.github:
        return []
    texts = [*filled(naming.github, stem), *(entry.repository for entry in naming.monorepo)]
    return [repository for text in texts if (repository := RepoName.parse(text)) is not None]


def _proof(policy: Policy, latest: Latest) -> Evidence:
    return Evidence(
        kind="registry",
        text="the registry's document of {package} {version} says: repository {named}",
        params={
            "package": policy.text(latest.package.name),
            "version": Public(latest.version),
            "named": policy.text(latest.repository),
        },
    )


RULE = FleetRule(
    id="repository-mismatch",
    summary="A published package whose repository field names another repository than its pair.",
    severity=Severity.ERROR,
    judge=judge,
)
