"""A private product's declaration of an open package that is not one exact version."""

from __future__ import annotations

from typing import Literal

from bot.facts.lock import Lock, LockedDependency, Source
from bot.facts.manifest import Declaration, Kind, Manifest
from bot.model import Edit, Evidence, Hit, Place, Severity, Verdict
from bot.names import PackageName
from bot.policy import Policy, Side
from bot.repo import Pin, Repo
from bot.rule import Absent, AskVersion, Known, Released, Rule, RuleSide
from bot.text import Public

__all__ = ["RULE"]

Standing = Literal["released", "unsure", "none"]
_REMEDIES: dict[Standing, str] = {
    "released": "Pin {locked}, the version that the lock chose.",
    "unsure": "Pin {locked}, the version that the lock chose, if the registry has it.",
    "none": "Pin a released version.",
}

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
        verdict.hits.append(_hit(repo, manifest, declaration, package, locked, pin, policy, known))
    return verdict


def _hit(
    repo: Repo,
    manifest: Manifest,
    declaration: Declaration,
    package: PackageName,
    locked: str | None,
    pin: Pin | None,
    policy: Policy,
    known: Known,
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
    standing = _standing(policy, declaration, package, locked, pin, known)
    return Hit(
        place=place,
        # A catalog's line is the same finding whichever member uses it.
        subject=".".join(map(str, place.pointer))
        if declaration.catalog_place is not None
        else f"{declaration.field}.{declaration.local}",
        package=f"{package.ecosystem}:{package.name}",
        message="{package} is declared as {spec}: {what}, not one version",
        remedy=_REMEDIES[standing],
        params=params,
        evidence=tuple(evidence),
        edits=_edits(repo, manifest, declaration, locked, pin, sure=standing == "released")
        if standing in ("released", "unsure")
        else (),
    )


def _standing(
    policy: Policy, declaration: Declaration, package: PackageName, locked: str | None, pin: Pin | None, known: Known
) -> Standing:
    """Whether the version that the lock chose is one to pin: from the registry, in the range, and released."""
    from bot.readers.npm.semver import satisfies

    if not locked or pin is None or pin.entry is None or pin.entry.name != package.name:
        return "none"
    if pin.entry.source is not Source.REGISTRY:
        return "none"
    if declaration.kind is Kind.RANGE and not satisfies(locked, _range(declaration)):
        return "none"
    answer = known(AskVersion(package, locked))
    if isinstance(answer, Absent):
        return "none"
    if isinstance(answer, Released) and (not answer.mirrored or policy.mirror_is_enough(package.ecosystem)):
        return "released" if declaration.kind is not Kind.UNKNOWN else "unsure"
    return "unsure"


def _range(declaration: Declaration) -> str:
    """The range alone, out of ``npm:name@range``."""
    spec = declaration.effective
    if spec[:4].lower() != "npm:":
        return spec
    inner = spec[4:]
    at = inner.rfind("@")
    return inner[at + 1 :] if at > 0 else "*" if inner.startswith(declaration.name) else inner


def _edits(
    repo: Repo, manifest: Manifest, declaration: Declaration, locked: str | None, pin: Pin | None, *, sure: bool
) -> tuple[Edit, ...]:
    """The pin in the manifest, with the specifier that the lock remembers changed along.

    Safe only where the lock's own record is one value that changes with it; elsewhere the package
    manager has to write its lock again.
    """
    if not locked or pin is None or pin.lock is None:
        return ()
    spec = declaration.spec
    new = f"npm:{declaration.name}@{locked}" if declaration.alias and spec.startswith("npm:") else locked
    place = declaration.place
    # Beside a second lock, nobody knows which one an install reads.
    directory = pin.lock.directory
    locks = [lock.path for lock in repo.locks if lock.directory == directory]
    locks += [path for path in repo.unread_locks if path.rpartition("/")[0] == directory]
    safe = sure and len(locks) == 1
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
