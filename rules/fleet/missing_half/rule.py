"""An open repository without its published package, or a published package without its repository."""

from __future__ import annotations

from bot.facts.summary import Member, RepoSummary
from bot.fleet import Fleet, FleetRule, newest, stem_of
from bot.model import Evidence, Hit, Place, Severity, Verdict
from bot.names import PackageName, RepoName, compile_pattern
from bot.policy import Naming, Policy
from bot.rule import Absent, Known, Latest
from bot.text import Public, Text

__all__ = ["RULE"]


def judge(fleet: Fleet, policy: Policy, known: Known) -> Verdict:
    """Ask for the package of every open repository, and for the repository of every open package that policy or a
    repository names."""
    verdict = Verdict(
        counts={"open repositories": 0, "their packages": 0, "packages of others": 0, "of repositories not audited": 0}
    )
    for summary in fleet.summaries:
        members = [m for m in summary.members if m.is_open and not m.private and m.version]
        if members and not summary.archived:
            verdict.counts["open repositories"] += 1
            _unpublished(policy, known, summary, members, verdict)
    listed = _listed(policy)
    for name in sorted({*fleet.consumed(), *listed}):
        if not fleet.is_held(name):
            verdict.counts["packages of others"] += 1
            _homeless(fleet, policy, known, name, listed.get(name), verdict)
    return verdict


def _listed(policy: Policy) -> dict[str, Place | None]:
    """The open packages that policy names one by one, with the place of the list."""
    packages = [PackageName.parse(pattern) for pattern in policy.tables.open.packages]
    place = policy.places.get("open.packages")
    return {p.name: place for p in packages if p.ecosystem == "npm" and not any(char in p.name for char in "*?{")}


# -- a repository without its package -----------------------------------------------------------


def _unpublished(policy: Policy, known: Known, summary: RepoSummary, members: list[Member], verdict: Verdict) -> None:
    """What is the repository's half of a pair must be there; of other members one is enough, since examples and helpers
    often forget to say that they are private."""
    absent: list[tuple[Member, Absent]] = []
    there = False
    answered = 0
    for member in members:
        verdict.counts["their packages"] += 1
        answer = newest(policy, known, member.name, verdict)
        answered += answer is not None
        there = there or isinstance(answer, Latest)
        if isinstance(answer, Absent) and answer.what == "package":
            absent.append((member, answer))
    naming = policy.tables.naming
    for member, answer in absent:
        half = member.published or (naming is not None and _is_half(naming, summary, member))
        if not half and (there or answered < len(members)):
            continue
        where = summary.repository or summary.label
        params: dict[str, Text] = {"package": policy.text(member.name), "where": policy.text(where)}
        verdict.hits.append(
            Hit(
                place=member.place,
                repository=summary.label,
                subject="unpublished package",
                package=f"npm:{member.name}",
                message="{package} stands open in {where}, and the public registry does not have it",
                remedy='Publish it, or set "private": true when strangers are not meant to install it.',
                params=params,
                fold="unpublished package",
                evidence=(
                    Evidence(
                        kind="registry",
                        text="the registry has no such package ({source})",
                        params={"source": Public(answer.source)},
                    ),
                    *policy.evidence("open.packages", "open.published" if member.published else "naming.github"),
                ),
            )
        )


def _is_half(naming: Naming, summary: RepoSummary, member: Member) -> bool:
    """Whether the scheme makes this member the open half: of its repository, or as a member of a monorepo."""
    stem = stem_of(naming.npm, member.name)
    if stem is None:
        return False
    if not member.directory or len(summary.members) == 1:
        return bool(summary.repository) and stem_of(naming.github, summary.repository) == stem
    home = RepoName.parse(summary.repository)
    for entry in naming.monorepo:
        wanted = RepoName.parse(entry.repository)
        if home is not None and wanted is not None and wanted.key() == home.key():
            found = compile_pattern(entry.member).match(member.directory)
            if found is not None and found.get("x", "").lower() == stem:
                return True
    return False


# -- a package without its repository ------------------------------------------------------------


def _homeless(fleet: Fleet, policy: Policy, known: Known, name: str, listed: Place | None, verdict: Verdict) -> None:
    """Judged where somebody declares it, or policy does: what a lock alone brings along is another release's affair."""
    users = [(summary.label, item.place) for summary, item in fleet.consumers(name) if item.members]
    if not users and listed is not None:
        users = [("", listed)]
    if not users:
        return
    latest = newest(policy, known, name, verdict)
    if not isinstance(latest, Latest) or latest.deprecated:
        return
    params: dict[str, Text] = {
        "package": policy.text(name),
        "version": Public(latest.version),
        "named": policy.text(latest.repository or "none"),
    }
    named = RepoName.parse(latest.repository) if latest.repository else None
    home = fleet.repository(named) if named is not None else None
    if home is not None:
        message = "{package} {version} is published as from {named}, and nothing there has that name"
        if home.unread:
            return  # what could not be read may be its manifest
    elif not latest.repository and not fleet.partial:
        message = "{package} {version} is published, names no repository, and no audited repository holds it"
    elif named is not None and (named.host, named.owner.lower()) in fleet.complete and named.key() not in fleet.known:
        message = "{package} {version} is published as from {named}, and there is no such repository"
    else:
        verdict.counts["of repositories not audited"] += 1
        return
    label, place = users[0]
    verdict.hits.append(
        Hit(
            place=place,
            repository=label,
            subject="package without a repository",
            package=f"npm:{name}",
            message=message,
            remedy="Bring its source back to where strangers can read it, or deprecate the package and move on.",
            params=params,
            evidence=(
                Evidence(
                    kind="registry",
                    text="the registry's document of {package} {version} says: repository {named}",
                    params=params,
                ),
                *policy.evidence("open.packages"),
            ),
        )
    )


RULE = FleetRule(
    id="missing-half",
    summary="An open repository without its published package, or a published package without its repository.",
    severity=Severity.WARNING,
    judge=judge,
)
