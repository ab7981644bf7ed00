"""An installable root that consumes open packages and has no lockfile."""

from __future__ import annotations

from bot.facts.manifest import Declaration, Kind, Manifest
from bot.link.locks import home_of
from bot.model import Evidence, Hit, Place, Severity, Verdict
from bot.names import PackageName
from bot.policy import Policy, Side
from bot.repo import Repo
from bot.rule import Known, Rule, RuleSide
from bot.text import Public

__all__ = ["RULE"]

# How many consumers one finding shows.
_SHOWN = 5


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Every private manifest that asks for an open package must be governed by a lockfile."""
    verdict = Verdict(counts={"manifests": 0})
    # A lock that could not be read is there all the same: that it was not checked is said elsewhere.
    unread = {home_of(path.rpartition("/")[0]) for path in repo.unread_locks}
    missing: dict[str, list[tuple[Manifest, Declaration]]] = {}
    for manifest in repo.manifests:
        path = manifest.path
        if manifest.template or repo.side_of(policy, path) is not Side.PRIVATE:
            continue
        wanted = [
            d
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
    verdict.hits = [_hit(repo, directory, consumers) for directory, consumers in sorted(missing.items())]
    return verdict


def _hit(repo: Repo, directory: str, consumers: list[tuple[Manifest, Declaration]]) -> Hit:
    own = next((declaration for manifest, declaration in consumers if manifest.directory == directory), None)
    home = repo.manifest_at(directory)
    if own is not None:
        place = own.place
    elif home is not None:
        # Nothing in it is wrong; its workspace's patterns are why it is concerned.
        place = home.workspaces[0].place if home.workspaces else Place(home.path, ("name",) if home.name else ())
    else:
        file = next((w.path for w in repo.pnpm_workspaces if w.directory == directory), consumers[0][0].path)
        place = Place(file)
    shown = own or consumers[0][1]
    params = {
        "package": Public(shown.name),
        "manifest": Public(place.path),
        "count": Public(f"{len(consumers)} members" if len(consumers) > 1 else consumers[0][0].path),
    }
    message = "{package} is installed from {manifest} without a lockfile"
    if own is None or len(consumers) > 1:
        message = "{manifest} has no lockfile, and {count} install {package} or other open packages"
        if len(consumers) == 1:
            message = "{manifest} has no lockfile, and {count} installs {package}"
    return Hit(
        place=place,
        # The path alone says which lock is missing: what is installed without it changes from day to day.
        subject=".",
        message=message,
        remedy="Commit the lockfile that the package manager writes (check that no .gitignore hides it).",
        params=params,
        related=tuple(
            (f"{declaration.name} is declared", declaration.place)
            for _, declaration in consumers[:_SHOWN]
            if declaration.place != place
        ),
        evidence=(
            Evidence(kind="declaration", text="{package} is declared", params=params, place=shown.place),
            Evidence(
                kind="repository",
                text="git tracks no lockfile at or above {manifest} that covers it",
                params=params,
            ),
        ),
    )


RULE = Rule(
    id="missing-lock",
    summary="An installable root that consumes open packages and has no lockfile.",
    side=RuleSide.PRIVATE,
    severity=Severity.ERROR,
    judge=judge,
)
