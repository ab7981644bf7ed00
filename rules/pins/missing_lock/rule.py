"""An installable root that consumes open packages and has no lockfile."""

from __future__ import annotations

from bot.facts.manifest import Kind, Manifest
from bot.model import Evidence, Hit, Severity, Verdict
from bot.names import PackageName
from bot.policy import Policy, Side
from bot.repo import Repo
from bot.rule import Known, Rule, RuleSide
from bot.text import Public

__all__ = ["RULE"]


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Every private manifest that asks for an open package must be governed by a lockfile."""
    verdict = Verdict(counts={"manifests": 0})
    # A lock that could not be read is there all the same: that it was not checked is said elsewhere.
    unread = {path.rpartition("/")[0] for path in repo.unread_locks}
    missing: dict[str, list[tuple[Manifest, PackageName]]] = {}
    for manifest in repo.manifests:
        path = manifest.path
        if manifest.template or repo.side_of(policy, path) is not Side.PRIVATE:
            continue
        wanted = [
            PackageName(d.ecosystem, d.name)
            for d in manifest.declarations
            if d.field != "peerDependencies"
            and d.kind is not Kind.WORKSPACE
            and repo.is_open(policy, PackageName(d.ecosystem, d.name))
        ]
        if not wanted:
            continue
        verdict.counts["manifests"] += 1
        if manifest.directory not in repo.governs and manifest.directory not in unread:
            root = repo.root_of(path)
            # A member's lock is its workspace root's: one missing lock is one finding.
            home = root.workspace if root.directory == manifest.directory and root.workspace is not None else None
            if home not in unread:
                missing.setdefault(manifest.directory if home is None else home, []).append((manifest, wanted[0]))
    for directory, group in sorted(missing.items()):
        home_manifest = repo.manifest_at(directory) or group[0][0]
        params = {
            "package": Public(str(group[0][1])),
            "manifest": Public(home_manifest.path),
            "count": Public(str(len(group))),
        }
        consumer = group[0][0]
        declared = next(d for d in consumer.declarations if d.name == group[0][1].name)
        verdict.hits.append(
            Hit(
                place=declared.place,
                subject=directory or ".",
                package=f"{group[0][1].ecosystem}:{group[0][1].name}",
                message="{package} is installed from {manifest} without a lockfile",
                remedy="Commit the lockfile that the package manager writes (check that no .gitignore hides it).",
                params=params,
                evidence=(
                    Evidence(kind="declaration", text="{package} is declared", params=params, place=declared.place),
                    Evidence(
                        kind="repository",
                        text="git tracks no lockfile at or above {manifest} that covers it",
                        params=params,
                    ),
                ),
            )
        )
    return verdict


RULE = Rule(
    id="missing-lock",
    summary="An installable root that consumes open packages and has no lockfile.",
    side=RuleSide.PRIVATE,
    severity=Severity.ERROR,
    judge=judge,
)
