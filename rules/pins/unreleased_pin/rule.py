"""A pinned or locked version that the public registry does not have."""

from __future__ import annotations

from bot.facts.lock import Source
from bot.facts.manifest import Declaration, Kind
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName
from bot.policy import Policy
from bot.repo import Repo
from bot.rule import PENDING, Absent, AskPackage, AskVersion, Known, PackageFacts, Released, Rule, RuleSide, Unknown
from bot.text import Public

__all__ = ["RULE"]

# How many released versions a remedy names.
_SHOWN = 5


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Ask for every exact version, declared or locked, of an open package."""
    verdict = Verdict(counts={"declarations": 0, "lock entries": 0})
    declared: dict[tuple[PackageName, str], list[Place]] = {}
    for _, declaration in repo.declarations():
        package = PackageName(declaration.ecosystem, declaration.name)
        if declaration.version is None or declaration.kind is not Kind.EXACT or not repo.is_open(policy, package):
            continue
        if _is_siblings(repo, policy, declaration):
            continue
        verdict.counts["declarations"] += 1
        place = declaration.catalog_place or declaration.place
        places = declared.setdefault((package, declaration.version), [])
        if place not in places:
            places.append(place)
    locked: dict[tuple[PackageName, str], list[Place]] = {}
    names = repo.open_names(policy)
    for lock in repo.locks:
        for entry in lock.every:
            if entry.name not in names or entry.version is None or entry.source is not Source.REGISTRY:
                continue
            verdict.counts["lock entries"] += 1
            locked.setdefault((PackageName.npm(entry.name), entry.version), []).append(lock.place(entry))

    for package, version in dict.fromkeys([*declared, *locked]):
        enough = policy.mirror_is_enough(package.ecosystem)
        answer = known(AskVersion(package, version))
        if isinstance(answer, Unknown):
            verdict.not_checked.append(
                NotChecked(
                    reason=answer.reason,
                    subject=f"{package}@{version}",
                    detail=f"nobody could say whether it was released: {answer.detail}",
                    remedy=answer.remedy,
                )
            )
        elif isinstance(answer, Released | Absent) and answer.mirrored and not enough:
            verdict.not_checked.append(
                NotChecked(
                    reason="mirrored",
                    subject=f"{package}@{version}",
                    detail="only a mirror answered, and policy does not call a mirror enough",
                    remedy="Run where the public registry can be reached, or set enough = true for the mirror.",
                )
            )
        elif isinstance(answer, Absent):
            places = declared.get((package, version)) or locked[package, version]
            others = locked.get((package, version), []) if (package, version) in declared else []
            verdict.hits += [_hit(package, version, place, others, answer, known) for place in places]
    return verdict


def _is_siblings(repo: Repo, policy: Policy, declaration: Declaration) -> bool:
    """Whether the workspace itself answers: a member of the same workspace and side that has that very version.

    Such siblings may be unreleased: a release train.
    """
    from bot.readers.npm.semver import satisfies

    sibling = repo.root_named(declaration.name)
    if sibling is None or sibling.manifest is None or declaration.version is None:
        return False
    if sibling.workspace is None or repo.workspace_of(declaration.path) != sibling.workspace:
        return False
    there = f"{sibling.directory}/package.json" if sibling.directory else "package.json"
    if repo.side_of(policy, declaration.path) is not repo.side_of(policy, there):
        return False
    return satisfies(sibling.manifest.version or "", declaration.version)


def _hit(package: PackageName, version: str, place: Place, others: list[Place], answer: Absent, known: Known) -> Hit:
    remedy = "Release it first, or pin a version that is released."
    params = {"package": Public(str(package)), "version": Public(version)}
    if answer.what == "package":
        message = "{package} is not on the public registry at all, so {version} cannot be installed by a stranger"
        remedy = "Publish the package first, or correct its name."
    else:
        message = "{package}@{version} is not on the public registry"
        facts = known(AskPackage(package))
        if facts is not PENDING and isinstance(facts, PackageFacts) and facts.versions:
            params["released"] = Public(", ".join(reversed(facts.versions[-_SHOWN:])))
            remedy = "Pin a released version (newest first: {released}), or release this one first."
    return Hit(
        place=place,
        subject=f"{package}@{version}",
        package=f"{package.ecosystem}:{package.name}",
        message=message,
        remedy=remedy,
        params=params,
        related=tuple(("locked here", other) for other in others),
        evidence=(
            Evidence(kind="declaration", text="{package} is pinned to {version} here", params=params, place=place),
            Evidence(
                kind="registry",
                text="the registry has no such {what} ({source})",
                params={"what": Public(answer.what), "source": Public(answer.source)},
            ),
        ),
    )


RULE = Rule(
    id="unreleased-pin",
    summary="A pinned or locked version of an open package that the public registry does not have.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
