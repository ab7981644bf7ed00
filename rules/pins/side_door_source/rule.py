"""A source of an open package that a stranger could not use."""

from __future__ import annotations

import re

from bot.facts.lock import Source
from bot.facts.manifest import Declaration, Kind, Manifest
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName, RepoName, compile_pattern, join
from bot.policy import Policy, Side
from bot.repo import Repo, Root
from bot.rule import AskCommitted, Committed, Known, Rule, RuleSide
from bot.text import Public

__all__ = ["RULE"]

_WORDS = {
    Kind.PATH: "a path on this machine",
    Kind.GIT: "a git repository",
    Kind.URL: "an archive at a URL",
    Kind.WORKSPACE: "the workspace's own copy",
}
_ARCHIVE = re.compile(r"(?P<stem>.+?)-v?(?P<version>\d+\.\d+\.\d+.*)\.(?:tgz|tar\.gz)")


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Judge the source of every declaration that means an open package, by its name or by where it points."""
    verdict = Verdict(counts={"declarations": 0, "archives": 0})
    for manifest, declaration in repo.declarations():
        package = _meant(repo, policy, declaration)
        if package is None:
            continue
        verdict.counts["declarations"] += 1
        if declaration.kind in (Kind.UNKNOWN, Kind.CATALOG):
            pin = repo.pin(declaration.path, declaration.local)
            if pin is not None and pin.entry is not None and pin.entry.source is Source.REGISTRY:
                continue  # a protocol of some plug-in: the lock says that it means a version at the registry
            what = "unknown-protocol" if declaration.kind is Kind.UNKNOWN else "unresolved-catalog"
            verdict.not_checked.append(
                NotChecked(
                    reason=what,
                    subject=f"{declaration.path}: {declaration.local}",
                    detail=f"nobody here knows what {declaration.spec!r} installs",
                    remedy="Declare a released version.",
                    path=declaration.path,
                )
            )
        elif declaration.kind in _WORDS and not _inside(repo, policy, manifest, declaration):
            verdict.hits.append(_hit(declaration, package, known))
    for path in sorted(p for p in repo.paths if p.endswith((".tgz", ".tar.gz"))):
        found = _packed(path, policy)
        if found is not None and repo.side_of(policy, path) is Side.PRIVATE:
            verdict.counts["archives"] += 1
            verdict.hits.append(
                Hit(
                    place=Place(path),
                    subject=path.rpartition("/")[2],
                    package=f"npm:{found}",
                    message="a packed copy of {package} is committed",
                    remedy="Delete it, and install the released package from the registry.",
                    params={"package": Public(found)},
                )
            )
    return verdict


def _meant(repo: Repo, policy: Policy, declaration: Declaration) -> PackageName | None:
    """The open package that a declaration means, if it means one."""
    package = PackageName(declaration.ecosystem, declaration.name)
    if repo.is_open(policy, package):
        return package
    if declaration.kind is Kind.GIT:
        repository = RepoName.parse(declaration.effective)
        if repository is not None and policy.side_of_repository(repository) is Side.OPEN:
            return package
    if declaration.kind is Kind.PATH:
        target = declaration.effective.partition(":")[2] if ":" in declaration.effective else declaration.effective
        inside = join(declaration.path.rpartition("/")[0], target)
        last = target.rstrip("/").rpartition("/")[2]
        naming, sources = policy.tables.naming, policy.tables.reach.core_sources
        # Only folders outside the repository stand for another repository's checkout.
        if inside is None and (
            (sources and compile_pattern(sources.rpartition("/")[2]).match(last))
            or (naming and any(p != "{x}" and compile_pattern(p).match(last) for p in naming.local))
        ):
            return package
    return None


def _target(repo: Repo, declaration: Declaration) -> Root | None:
    """The package root of this repository that a path or workspace declaration leads to."""
    if declaration.kind is Kind.WORKSPACE:
        return repo.root_named(declaration.name)
    if declaration.kind is Kind.PATH:
        path = declaration.effective.partition(":")[2] if ":" in declaration.effective else declaration.effective
        directory = join(declaration.path.rpartition("/")[0], path)
        if directory is not None and repo.manifest_at(directory) is not None:
            return repo.root_of(f"{directory}/package.json" if directory else "package.json")
    return None


def _inside(repo: Repo, policy: Policy, manifest: Manifest, declaration: Declaration) -> bool:
    """A link between siblings of one side: the workspace protocol always, a path where nobody else will install it."""
    target = _target(repo, declaration)
    if target is None:
        return False
    same = repo.side_of(policy, declaration.path) is repo.side_of(
        policy, f"{target.directory}/package.json".lstrip("/")
    )
    if not same:
        return False
    # `file:` is published as it stands; a stranger has no such folder.
    unpublished = manifest.private or declaration.field == "devDependencies"
    return declaration.kind is Kind.WORKSPACE or unpublished


def _packed(path: str, policy: Policy) -> str | None:
    """The open package that ``npm pack`` would have named an archive for: ``acme-core-1.2.3.tgz``."""
    found = _ARCHIVE.fullmatch(path.rpartition("/")[2])
    if found is None:
        return None
    for pattern in policy.tables.open.packages:
        name = PackageName.parse(pattern)
        scope = name.scope
        if scope and found["stem"].startswith(scope[1:] + "-"):
            candidate = f"{scope}/{found['stem'][len(scope) :]}"
            if policy.side_of_package(PackageName.npm(candidate)) is Side.OPEN:
                return candidate
    return None


def _hit(declaration: Declaration, package: PackageName, known: Known) -> Hit:
    params = {
        "package": Public(str(package)),
        "spec": Public(declaration.effective),
        "what": Public(_WORDS[declaration.kind]),
    }
    place = declaration.catalog_place or declaration.place
    severity = None
    remedy = "Pin a released version of {package}."
    if declaration.kind is Kind.PATH:
        # Work in progress on a workstation stays possible; in a commit the same line is an error.
        head = known(AskCommitted(declaration.path))
        if (
            isinstance(head, Committed)
            and head.declarations is not None
            and not any(d.local == declaration.local and d.spec == declaration.spec for d in head.declarations)
        ):
            severity = Severity.WARNING
            remedy = "Fine while you work on it; before you commit, pin a released version of {package}."
    return Hit(
        place=place,
        subject=f"{declaration.field}.{declaration.local}",
        package=f"{package.ecosystem}:{package.name}",
        message="{package} comes from {what} ({spec}), which a stranger does not have",
        remedy=remedy,
        params=params,
        severity=severity,
        evidence=(
            Evidence(
                kind="declaration", text="{package} is declared as {spec}", params=params, place=declaration.place
            ),
        ),
    )


RULE = Rule(
    id="side-door-source",
    summary="A source of an open package that a stranger could not use: a path, git, a URL, a packed copy.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
