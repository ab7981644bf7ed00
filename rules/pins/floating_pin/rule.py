"""A private product's declaration of an open package that is not one exact version."""

from __future__ import annotations

from bot.facts.lock import Lock, LockedDependency
from bot.facts.manifest import Declaration, Kind, Manifest
from bot.model import Edit, Evidence, Hit, Place, Severity, Verdict
from bot.names import PackageName
from bot.policy import Policy, Side
from bot.repo import Pin, Repo
from bot.rule import Known, Rule, RuleSide
from bot.text import Public

__all__ = ["RULE"]

_FLOATING = {Kind.RANGE: "a range", Kind.TAG: "a dist-tag", Kind.UNKNOWN: "a protocol that only the lock resolves"}


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Judge every declaration of an open package on the private side; peers may be ranges."""
    verdict = Verdict(counts={"declarations": 0})
    catalogs: set[Place] = set()
    for manifest, declaration in repo.declarations():
        if declaration.field == "peerDependencies" or repo.side_of(policy, declaration.path) is not Side.PRIVATE:
            continue
        package = PackageName(declaration.ecosystem, declaration.name)
        if not repo.is_open(policy, package):
            continue
        verdict.counts["declarations"] += 1
        if declaration.kind not in _FLOATING:
            continue
        pin = repo.pin(declaration.path, declaration.local)
        locked = pin.version if pin and pin.entry and pin.root is None else None
        if policy.tables.pins.form == "locked" and locked and declaration.kind is not Kind.TAG:
            continue
        if declaration.kind is Kind.UNKNOWN and not locked:
            continue  # `side-door-source` says that nobody here knows what it installs
        if declaration.catalog_place is not None:
            # One catalog line serves many members: it is one finding.
            if declaration.catalog_place in catalogs:
                continue
            catalogs.add(declaration.catalog_place)
        verdict.hits.append(_hit(manifest, declaration, package, locked, pin, policy))
    return verdict


def _hit(
    manifest: Manifest,
    declaration: Declaration,
    package: PackageName,
    locked: str | None,
    pin: Pin | None,
    policy: Policy,
) -> Hit:
    params = {
        "package": Public(str(package)),
        "spec": Public(declaration.effective),
        "what": Public(_FLOATING[declaration.kind]),
        "locked": Public(locked or ""),
    }
    evidence = [
        Evidence(kind="declaration", text="{package} is declared as {spec}", params=params, place=declaration.place)
    ]
    if locked and pin and pin.lock and pin.entry:
        evidence.append(
            Evidence(kind="lock", text="the lock chose {locked}", params=params, place=pin.lock.place(pin.entry))
        )
    evidence += policy.evidence("pins.form")
    place = declaration.catalog_place or declaration.place
    return Hit(
        place=place,
        subject=f"{declaration.field}.{declaration.local}",
        package=f"{package.ecosystem}:{package.name}",
        message="{package} is declared as {spec}: {what}, not one version",
        remedy="Pin {locked}, the version that the lock chose." if locked else "Pin one released version.",
        params=params,
        evidence=tuple(evidence),
        edits=_edits(manifest, declaration, locked, pin),
    )


def _edits(manifest: Manifest, declaration: Declaration, locked: str | None, pin: Pin | None) -> tuple[Edit, ...]:
    """The pin in the manifest, with the specifier that the lock remembers changed along.

    Safe only where the lock's own record is one value that changes with it; elsewhere the package
    manager has to write its lock again.
    """
    if not locked or pin is None or pin.lock is None:
        return ()
    spec = declaration.spec
    new = f"npm:{declaration.name}@{locked}" if declaration.alias and spec.startswith("npm:") else locked
    place = declaration.place
    safe = True
    edits: list[Edit] = []
    if declaration.catalog_place is not None:
        place, spec, safe = declaration.catalog_place, declaration.effective, False
    recorded = _recorded(pin.lock, manifest.directory, declaration)
    if recorded is not None and recorded.spec == spec:
        edits.append(Edit(place=Place(pin.lock.path, recorded.pointer), old=spec, new=new, safe=safe))
    else:
        safe = False
    return (Edit(place=place, old=spec, new=new, safe=safe), *edits)


def _recorded(lock: Lock, directory: str, declaration: Declaration) -> LockedDependency | None:
    if lock.format not in ("npm", "pnpm", "bun"):
        return None
    for importer in lock.importers:
        if importer.directory == directory:
            for dependency in importer.dependencies:
                if dependency.name == declaration.local and dependency.field == declaration.field:
                    return dependency
    return None


RULE = Rule(
    id="floating-pin",
    summary="A private product's declaration of an open package that is not one exact version.",
    side=RuleSide.PRIVATE,
    severity=Severity.ERROR,
    judge=judge,
)
