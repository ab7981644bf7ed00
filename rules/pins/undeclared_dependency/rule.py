"""An import of an open package that no manifest in charge declares."""

from __future__ import annotations

from collections import Counter

from bot.facts.manifest import Manifest
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName, split_specifier
from bot.policy import Policy
from bot.repo import Repo, mapped_imports
from bot.rule import PENDING, AskParsed, Known, Rule, RuleSide, Unknown
from bot.text import Public

__all__ = ["RULE"]

# How many import sites one finding shows.
_SHOWN = 5
_TABLES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
# So many manifests that lack the same package are one finding with a list.
_SHARED = 5


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """For every import of an open package, find the declaration that makes it installable."""
    verdict = Verdict(counts={"candidate imports": 0, "confirmed": 0, "without a manifest": 0})
    undeclared: dict[tuple[str, str], list[Place]] = {}
    rootwards: set[tuple[str, str]] = set()
    for path in sorted(repo.sources):
        manifest = _in_charge(repo, path)
        if manifest is not None and manifest.template:
            continue  # nobody installs it as it stands
        for candidate in repo.sources[path].imports:
            parts = split_specifier(candidate.specifier)
            if parts is None or not repo.is_open(policy, PackageName.npm(parts[0])):
                continue
            local = parts[0]
            if manifest is None:
                verdict.counts["without a manifest"] += 1
                continue
            verdict.counts["candidate imports"] += 1
            if _own_name(repo, path, local):
                continue
            declaration = repo.declared(manifest.directory, local)
            home = repo.root_of(path)
            if declaration is not None and (declaration.path.rpartition("/")[0] or not home.directory):
                continue
            parsed = known(AskParsed(path))
            if parsed is PENDING:
                continue
            if isinstance(parsed, Unknown):
                verdict.not_checked.append(
                    NotChecked(reason=parsed.reason, subject=path, detail=parsed.detail, path=path)
                )
                break
            if parsed.of_package(candidate.start) is None:  # type: ignore[union-attr]
                continue
            verdict.counts["confirmed"] += 1
            key = (manifest.path, local)
            undeclared.setdefault(key, []).append(Place(path, start=candidate.start, end=candidate.end))
            if declaration is not None:
                rootwards.add(key)
    for manifest in repo.manifests:
        if manifest.imports is not None and not manifest.template:
            _mapped(repo, policy, manifest, undeclared, rootwards, verdict.counts)
    by_path = {manifest.path: manifest for manifest in repo.manifests}
    alike = Counter((key[1], key in rootwards) for key in undeclared)
    for key, places in sorted(undeclared.items()):
        path, local = key
        root_only = key in rootwards
        # What many manifests lack is one trouble: the root or a preset provides it.
        shared = alike[local, root_only] >= _SHARED
        verdict.hits.append(_hit(by_path[path], local, places, root_only=root_only, shared=shared))
    return verdict


def _mapped(
    repo: Repo,
    policy: Policy,
    manifest: Manifest,
    undeclared: dict[tuple[str, str], list[Place]],
    rootwards: set[tuple[str, str]],
    counts: dict[str, int],
) -> None:
    """What a manifest's own ``imports`` maps to: Node reads it as an import by the package itself."""
    for place, specifier in mapped_imports(manifest):
        parts = split_specifier(specifier)
        if parts is None or not repo.is_open(policy, PackageName.npm(parts[0])):
            continue
        counts["candidate imports"] += 1
        declaration = repo.declared(manifest.directory, parts[0])
        nested = bool(repo.root_of(manifest.path).directory)
        if _own_name(repo, manifest.path, parts[0]) or (
            declaration is not None and (declaration.path.rpartition("/")[0] or not nested)
        ):
            continue
        counts["confirmed"] += 1
        undeclared.setdefault((manifest.path, parts[0]), []).append(place)
        if declaration is not None:
            rootwards.add((manifest.path, parts[0]))


def _in_charge(repo: Repo, path: str) -> Manifest | None:
    """The nearest manifest that could declare something: `{"type": "module"}` in a folder of the package cannot."""
    manifest = repo.manifest_of(path)
    root = repo.root_of(path).directory
    while manifest is not None and manifest.directory not in ("", root):
        if manifest.name is not None or manifest.has_dependencies:
            break
        manifest = repo.manifest_of(manifest.directory)
    return manifest


def _own_name(repo: Repo, path: str, local: str) -> bool:
    """A package may import itself by its own name: Node resolves that through its exports."""
    manifest = _in_charge(repo, path)
    root = repo.root_of(path).manifest
    return any(found is not None and found.name == local for found in (manifest, root))


def _place(manifest: Manifest) -> Place:
    """Where it could be declared: at the first table of dependencies that there is, else at the package's name."""
    there = {declaration.field for declaration in manifest.declarations}
    table = next((field for field in _TABLES if field in there), None)
    return Place(manifest.path, ("name",)) if table is None else Place(manifest.path, (table,), key=True)


def _hit(manifest: Manifest, local: str, places: list[Place], *, root_only: bool, shared: bool) -> Hit:
    params = {
        "package": Public(local),
        "manifest": Public(manifest.path),
        "count": Public(f"{len(places)} times" if len(places) > 1 else "once"),
    }
    message = "{package} is imported {count} and {manifest} does not declare it"
    if root_only:
        message += ": only the workspace root does"
    return Hit(
        place=_place(manifest),
        subject=local,
        package=f"npm:{local}",
        message=message,
        remedy="Declare {package} in {manifest}, with one released version.",
        params=params,
        severity=Severity.NOTE if root_only else None,
        related=() if shared else tuple(("imported here", place) for place in places[:_SHOWN]),
        evidence=(
            Evidence(kind="source", text="{package} is imported here", params=params, place=places[0]),
            Evidence(
                kind="declaration", text="{manifest} has no such dependency", params=params, place=Place(manifest.path)
            ),
        ),
        fold=(f"{local} in the root" if root_only else local) if shared else "",
    )


RULE = Rule(
    id="undeclared-dependency",
    summary="An import of an open package that neither the member's manifest nor the workspace root declares.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
