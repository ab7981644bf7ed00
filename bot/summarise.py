"""A repository's facts and policy -> its summary for the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bot.facts.lock import Source
from bot.facts.manifest import Kind
from bot.facts.summary import Consumed, Member, RepoInfo, RepoSummary, Sighting
from bot.model import Location, NotChecked, Place
from bot.names import PackageName, is_npm_name, split_specifier
from bot.policy import Policy, Side
from bot.repo import Repo, is_published

__all__ = ["summarise"]

_UNREAD_KEPT = 5

Locate = Callable[[Place], tuple[Location, str]]


def summarise(
    repo: Repo,
    policy: Policy,
    problems: Iterable[NotChecked],
    locate: Locate,
    *,
    label: str,
    info: RepoInfo | None = None,
) -> RepoSummary:
    """What an audit keeps of one repository. ``locate`` gives a place's location and line; ``problems`` are what loading
    could not read."""
    members = tuple(_members(repo, policy))
    names = {member.name for member in members}
    consumes = tuple(_consumed(repo, policy, names))
    root = Place("") if not repo.roots else Place(repo.roots[0].manifest.path if repo.roots[0].manifest else "")
    places = [root, *(m.place for m in members), *(m.url_place for m in members if m.url), *(c.place for c in consumes)]
    return RepoSummary(
        label=label,
        repository=str(repo.identity or ""),
        folder=repo.folder or "",
        head=repo.revision,
        side=_side(repo, policy).value,
        info=info,
        manifests=sum(not manifest.template for manifest in repo.manifests),
        members=members,
        others=tuple(
            sorted(
                {
                    m.name
                    for m in repo.manifests
                    if m.name and m.name not in names and policy.side_of_package(PackageName.npm(m.name)) is Side.OPEN
                }
            )
        ),
        consumes=consumes,
        unread=tuple(sorted({p.path for p in problems if p.path and not p.rule}))[:_UNREAD_KEPT],
        sightings=tuple(Sighting(place, *locate(place)) for place in dict.fromkeys(places) if place.path),
    )


def _side(repo: Repo, policy: Policy) -> Side:
    return repo.stated_side(policy, repo.roots[0]) if repo.roots else policy.side_of_repository(repo.identity)


def _members(repo: Repo, policy: Policy) -> Iterable[Member]:
    for root in repo.roots:
        manifest = root.manifest
        if manifest is None or not manifest.name or manifest.template:
            continue
        field = manifest.repository
        yield Member(
            name=manifest.name,
            version=manifest.version or "",
            directory=root.directory,
            path=manifest.path,
            side=repo.stated_side(policy, root).value,
            private=manifest.private,
            published=is_published(policy, root),
            bins=tuple(sorted(manifest.bins)),
            url=field.url if field else "",
            url_directory=(field.directory or "") if field else "",
        )


def _consumed(repo: Repo, policy: Policy, own: set[str]) -> Iterable[Consumed]:
    """Every open package that a manifest, a lock or an import names, but for the repository's own."""
    first: dict[str, Place] = {}
    locked: dict[str, set[str]] = {}
    exact: dict[str, set[str]] = {}
    specs: dict[str, set[str]] = {}
    members: dict[str, set[str]] = {}

    def is_foreign(name: str) -> bool:
        package = PackageName.npm(name)
        # What its own policy calls private is told to nobody, the fleet's registry requests included.
        return (
            name not in own and is_npm_name(name) and repo.is_open(policy, package) and not policy.is_disputed(package)
        )

    for manifest, declaration in repo.declarations():
        name = declaration.name
        if declaration.ecosystem != "npm" or not is_foreign(name):
            continue
        first.setdefault(name, declaration.place)
        specs.setdefault(name, set()).add(declaration.spec)
        members.setdefault(name, set()).add(manifest.directory)
        if declaration.kind is Kind.EXACT and declaration.version:
            exact.setdefault(name, set()).add(declaration.version)
    for lock in repo.locks:
        for entry in lock.entries:
            if entry.source is not Source.WORKSPACE and is_foreign(entry.name):
                first.setdefault(entry.name, lock.place(entry))
                if entry.version and entry.source in (Source.REGISTRY, Source.PATCH, Source.URL):
                    locked.setdefault(entry.name, set()).add(entry.version)
    for path, source in sorted(repo.sources.items()):
        for item in source.imports:
            found = split_specifier(item.specifier)
            if found is not None and found[0] not in first and is_foreign(found[0]) and not repo.in_template(path):
                first[found[0]] = Place(path, start=item.start, end=item.end)
    for name in sorted(first):
        yield Consumed(
            package=name,
            versions=tuple(sorted(locked.get(name) or exact.get(name) or ())),
            specs=tuple(sorted(specs.get(name, ()))),
            members=len(members.get(name, ())),
            place=first[name],
        )
