"""A manifest and the lock that governs it disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bot.facts.lock import Lock
from bot.facts.manifest import Override
from bot.link.drift import Drift, drift, drift_of_root, stale_members
from bot.link.locks import rivals as beside
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.policy import Policy
from bot.repo import Repo
from bot.rule import Known, Rule, RuleSide
from bot.text import Public, Text

__all__ = ["RULE"]

# So many alike in one lock, that a frozen install accepts, are one finding with a list.
_SHARED = 5

_MESSAGES = {
    "member-missing": "{lock} does not know the member {package}",
    "member-stale": "{lock} still holds the member {package}, which is gone",
    "member-name": "{lock} calls this member {found}, and its manifest {wanted}",
    "member-version": "{lock} has {package} at version {found}, and its manifest at {wanted}",
    "dependency-missing": "{package} is declared ({wanted}) and not in {lock}",
    "dependency-extra": "{lock} holds {package} ({found}) for this manifest, which does not declare it",
    "dependency-field": "{package} is declared in {wanted}, and {lock} has it in {found}",
    "specifier": "{package} is declared as {wanted}, and {lock} was made for {found}",
    "unsatisfied": "{package} is declared as {wanted}, and {lock} has {found}",
    "override": "the override of {package} is {wanted}, and {lock} was made with {found}",
    "catalog": "the catalog entry of {package} is {wanted}, and {lock} was made with {found}",
}


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Compare every manifest with its lock, as the package manager's own frozen install does, and more closely."""
    verdict = Verdict(counts={"manifests": 0, "locks": 0, "locks that govern nothing": 0, "refused": 0, "accepted": 0})
    rivals = {id(rival): found[0] for found in beside(repo.locks, repo.roots).values() for rival in found[1:]}
    governed: dict[int, list[str]] = {}
    for directory, lock in sorted(repo.governs.items()):
        governed.setdefault(id(lock), []).append(directory)
    for lock in repo.locks:
        directories = governed.get(id(lock))
        if directories is None:
            verdict.counts["locks that govern nothing"] += 1
            preferred = repo.governs.get(lock.directory)
            if preferred is not None and preferred.directory != lock.directory:
                if found := _compared(repo, lock, [lock.directory]):
                    verdict.hits.append(_unread(lock, preferred, found[0]))
                continue
            preferred = rivals.get(id(lock))
            # Where the manifest names its package manager, that one reads its own lock and no other; where there is none,
            # nothing is installed.
            beside_it = repo.manifest_at(lock.directory)
            if preferred is not None and beside_it is not None and not _manager(repo, lock.directory):
                found = _compared(repo, lock, governed.get(id(preferred), []))
                if found:
                    verdict.hits.append(_stale(lock, preferred, found[0]))
            continue
        verdict.counts["locks"] += 1
        if _is_hooked(lock):
            # Nothing of the repository is executed, so nobody here knows what the hook makes of the manifests.
            verdict.not_checked.append(
                NotChecked(
                    reason="manifest-hook",
                    subject=lock.path,
                    detail="a .pnpmfile rewrote the manifests before this lock was made, so the two cannot be compared",
                    remedy="Say in package.json what the hook says, or allow the reason in the policy.",
                    path=lock.path,
                )
            )
            continue
        found = _compared(repo, lock, [*directories, *_doubly_locked(repo, lock)], verdict.counts)
        verdict.counts["refused"] += sum(item.refused for item in found)
        verdict.counts["accepted"] += sum(not item.refused for item in found)
        verdict.hits += _hits(lock, found, policy)
    return verdict


def _is_hooked(lock: Lock) -> bool:
    return "pnpmfileChecksum" in lock.settings


def _manager(repo: Repo, directory: str) -> str | None:
    """The package manager that the nearest manifest names."""
    while True:
        manifest = repo.manifest_at(directory)
        if manifest is not None and manifest.package_manager:
            return manifest.package_manager
        if not directory:
            return None
        directory = directory.rpartition("/")[0]


def _doubly_locked(repo: Repo, lock: Lock) -> list[str]:
    """Members with a lock of their own that their workspace's lock records too."""
    if not lock.records_importers:
        return []
    recorded = {importer.directory for importer in lock.importers}
    return sorted(
        root.directory
        for root in repo.roots
        if root.directory in recorded
        and root.workspace == lock.directory
        and root.directory != lock.directory
        and root.directory in repo.governs
        and repo.governs[root.directory] is not lock
    )


def _compared(repo: Repo, lock: Lock, directories: list[str], counts: dict[str, int] | None = None) -> list[Drift]:
    """What is different between a lock and the manifests in some directories, and between it and its root."""
    if _is_hooked(lock):
        return []
    versions = {r.manifest.name: r.manifest.version for r in repo.roots if r.manifest and r.manifest.name}
    overrides, catalogs = _of_root(repo, lock)
    found: list[Drift] = []
    for directory in directories:
        manifest = repo.manifest_at(directory)
        if manifest is None or manifest.template:
            continue
        if not manifest.has_dependencies and repo.root_of(manifest.path).directory != directory:
            continue  # a marker such as {"type": "module"} is no member that a lock would know
        if counts is not None:
            counts["manifests"] += 1
        found += drift(lock, manifest, manifest.declarations, versions, overrides)
    found += drift_of_root(
        lock, repo.manifest_at(lock.directory), overrides, catalogs, manager=_manager(repo, lock.directory)
    )
    found += stale_members(lock, {manifest.directory for manifest in repo.manifests})
    return found


def _stale(lock: Lock, preferred: Lock, first: Drift) -> Hit:
    params: dict[str, Text] = {"lock": Public(lock.path), "preferred": Public(preferred.path)}
    return Hit(
        place=Place(lock.path),
        subject="governs nothing",
        message="{lock} does not fit the manifest, and governs nothing: {preferred} does",
        remedy="Delete the lockfile that is not used, or name the package manager in `packageManager`.",
        params=params,
        severity=Severity.WARNING,
        related=(("does not fit", first.manifest),),
        evidence=(
            Evidence(kind="lock", text="two lockfiles stand side by side", params=params, place=Place(preferred.path)),
        ),
    )


def _unread(lock: Lock, preferred: Lock, first: Drift) -> Hit:
    params: dict[str, Text] = {"lock": Public(lock.path), "preferred": Public(preferred.path)}
    return Hit(
        place=Place(lock.path),
        subject="read by nobody",
        fold="locks that no install reads",
        message="{lock} does not fit the manifest, and no install in the workspace reads it: {preferred} governs",
        remedy="Delete it. Where this member is also installed on its own, bring it up to date instead.",
        params=params,
        severity=Severity.WARNING,
        related=(("does not fit", first.manifest),),
        evidence=(
            Evidence(kind="lock", text="the workspace's lock stands here", params=params, place=Place(preferred.path)),
        ),
    )


def _of_root(repo: Repo, lock: Lock) -> tuple[list[Override], Mapping[str, Mapping[str, str]]]:
    """What the root of a lock says about overrides and catalogs, in its manifest and its workspace file."""
    overrides: list[Override] = []
    catalogs: dict[str, Mapping[str, str]] = {}
    manifest = repo.manifest_at(lock.directory)
    if manifest is not None:
        overrides += manifest.overrides
        catalogs |= manifest.catalogs
    for workspace in repo.pnpm_workspaces:
        if workspace.directory == lock.directory:
            overrides += workspace.overrides
            catalogs |= workspace.catalogs
    return overrides, catalogs


def _hits(lock: Lock, found: list[Drift], policy: Policy) -> list[Hit]:
    accepted = Counter(item.what for item in found if not item.refused)
    return [_hit(lock, item, policy, shared=not item.refused and accepted[item.what] >= _SHARED) for item in found]


def _hit(lock: Lock, item: Drift, policy: Policy, *, shared: bool) -> Hit:
    params: dict[str, Text] = {
        "package": policy.text(item.package),
        "wanted": policy.text(item.wanted or "nothing"),
        "found": policy.text(item.found or "nothing"),
        "lock": Public(lock.path),
    }
    gone = item.what == "member-stale"  # its manifest is not there: nothing can point at it
    remedy = "Run the package manager's install and commit {lock}."
    remedy += " A frozen install refuses this." if item.refused else " A frozen install accepts it all the same."
    place = item.lock if gone else item.manifest
    return Hit(
        place=place,
        subject=f"{item.what} {item.package}",
        package=f"npm:{item.package}" if item.what not in ("member-stale", "member-missing") else "",
        message=_MESSAGES[item.what],
        remedy=remedy,
        params=params,
        severity=None if item.refused else Severity.WARNING,
        related=(("in the lock", item.lock),) if place is not item.lock and item.lock.pointer else (),
        fold=f"{item.what} in {lock.path}" if shared else "",
        evidence=(
            Evidence(
                kind="declaration",
                text="there is no such manifest" if gone else "the manifest says {wanted}",
                params=params,
                place=None if gone else item.manifest,
            ),
            Evidence(kind="lock", text="the lock says {found}", params=params, place=item.lock or Place(lock.path)),
        ),
    )


RULE = Rule(
    id="lock-drift",
    summary="A manifest and its lockfile that disagree: name, version, range, a member missing from the lock.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
