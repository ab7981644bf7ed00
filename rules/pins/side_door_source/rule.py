"""A source of an open package that a stranger could not use."""

from __future__ import annotations

from collections.abc import Iterator

from bot.doors import Door, Way, door, override_door, overrides_in_force, packed
from bot.facts.lock import Lock, LockEntry, Source
from bot.facts.manifest import Declaration, Kind, Override
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName
from bot.policy import Policy, Side
from bot.repo import Repo
from bot.rule import AskCommitted, Committed, Known, Rule, RuleSide
from bot.text import Public, Text

__all__ = ["RULE"]

_WORDS = {
    Way.PATH: "a path on this machine",
    Way.GIT: "a git repository",
    Way.URL: "an archive at a URL",
    Way.WORKSPACE: "the workspace's own copy",
}
# How many places that use a disguised copy a finding lists.
_SHOWN = 10
# Archives in such folders of an open repository are what its tests unpack.
_FIXTURES = frozenset({"__tests__", "test", "tests", "fixtures", "__fixtures__", "examples"})


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Judge the source of every declaration and override that means an open package, by its name or by where it points."""
    verdict = Verdict(counts={"declarations": 0, "overrides": 0, "archives": 0})
    for manifest, declaration in repo.declarations():
        named = repo.is_open(policy, PackageName(declaration.ecosystem, declaration.name))
        if not named and declaration.kind in (Kind.EXACT, Kind.RANGE, Kind.TAG) and not declaration.alias:
            continue
        found = door(repo, policy, manifest, declaration)
        verdict.counts["declarations"] += named or found is not None
        if found is not None:
            verdict.hits.append(_hit(repo, declaration, found, policy, known))
        elif named and declaration.kind in (Kind.UNKNOWN, Kind.CATALOG):
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
    for override in overrides_in_force(repo):
        verdict.counts["overrides"] += repo.is_open(policy, PackageName.npm(override.target))
        found = override_door(repo, policy, override)
        if found is not None:
            verdict.hits.append(_override_hit(override, found, policy))
    verdict.hits += _disguised(repo, policy)
    for path in sorted(p for p in repo.paths if p.endswith((".tgz", ".tar.gz"))):
        archived = packed(path.rpartition("/")[2], policy)
        if archived is None:
            continue
        if repo.side_of(policy, path) is Side.OPEN and not _FIXTURES.isdisjoint(path.split("/")):
            continue
        verdict.counts["archives"] += 1
        verdict.hits.append(
            Hit(
                place=Place(path),
                subject=path.rpartition("/")[2],
                package=f"npm:{archived}",
                message="a packed copy of {package} is committed",
                remedy="Delete it, and install the released package from the registry.",
                params={"package": Public(archived)},
            )
        )
    return verdict


def _disguised(repo: Repo, policy: Policy) -> Iterator[Hit]:
    """Private members under the name of a package that a lock of this repository has from the registry.

    Such a member is no open package, and no rule asks for its name: without a word, neither would be judged.
    """
    members = {
        root.package.name: root.manifest
        for root in repo.roots
        if root.manifest is not None and root.package is not None
        if root.manifest.private and not root.manifest.template
        if policy.side_of_package(root.package) is Side.OPEN and not repo.is_open(policy, root.package)
        if repo.side_of(policy, root.manifest.path) is Side.PRIVATE
    }
    released: dict[str, tuple[Lock, LockEntry]] = {}
    for lock in repo.locks if members else ():
        for entry in lock.entries:
            if entry.name in members and entry.source is Source.REGISTRY:
                released.setdefault(entry.name, (lock, entry))
    for name, (lock, entry) in released.items():
        params: dict[str, Text] = {"package": policy.text(name), "lock": Public(lock.path)}
        consumers = [
            declaration.place
            for _, declaration in repo.declarations()
            if declaration.name == name and declaration.kind in (Kind.WORKSPACE, Kind.PATH)
        ]
        yield Hit(
            place=Place(members[name].path, ("name",)),
            subject=f"disguised {name}",
            message="{package} is a private member here, and {lock} has a package of that name from the registry: "
            "nobody can tell a copy from the released one",
            remedy="Delete the copy and pin the released version, or give the member a name of its own. "
            "Where the name is private, say so in [private] packages.",
            params=params,
            related=(
                ("from the registry", lock.place(entry)),
                *(("the workspace's own is used here", place) for place in consumers[:_SHOWN]),
            ),
            evidence=(
                Evidence(
                    kind="lock", text="{lock} has {package} from the registry", params=params, place=lock.place(entry)
                ),
                *policy.evidence("open.packages"),
            ),
        )


def _words(found: Door, spec: str, policy: Policy) -> tuple[str, str, dict[str, Text]]:
    """Message, remedy and parameters for what a door leads to."""
    params: dict[str, Text] = {
        "package": policy.text(str(found.package)),
        "spec": policy.text(spec),
        "other": policy.text(found.other),
    }
    if found.way is Way.ALIAS:
        return (
            "{package} is answered by another package, {other}",
            "Pin a released version of {package} itself.",
            params,
        )
    if found.way is Way.LINKED:
        return (
            "{package} is pinned to {spec}, and the workspace's own copy answers",
            "Take the open member out of the private workspace, or have the package manager prefer the registry.",
            params,
        )
    params["what"] = Public(_WORDS[found.way])
    return (
        "{package} comes from {what} ({spec}), which a stranger does not have",
        "Pin a released version of {package}.",
        params,
    )


def _hit(repo: Repo, declaration: Declaration, found: Door, policy: Policy, known: Known) -> Hit:
    message, remedy, params = _words(found, declaration.effective, policy)
    severity = None
    if found.way is Way.PATH:
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
        place=declaration.catalog_place or declaration.place,
        subject=f"{declaration.field}.{declaration.local} {declaration.effective}",
        package=f"{found.package.ecosystem}:{found.package.name}" if repo.is_open(policy, found.package) else "",
        message=message,
        remedy=remedy,
        params=params,
        severity=severity,
        evidence=(
            Evidence(
                kind="declaration", text="{package} is declared as {spec}", params=params, place=declaration.place
            ),
            *(_link(repo, declaration, policy) if found.way is Way.LINKED else ()),
        ),
    )


def _link(repo: Repo, declaration: Declaration, policy: Policy) -> tuple[Evidence, ...]:
    """The member that answers a pin, and the lock that makes it so."""
    pin = repo.pin(declaration.path, declaration.local)
    if pin is None or pin.root is None or pin.root.manifest is None or pin.lock is None:
        return ()
    manifest = pin.root.manifest
    params = {"member": policy.text(manifest.path), "version": policy.text(manifest.version or "no version")}
    member = Evidence(
        kind="repository",
        text="the workspace has it at {version} in {member}",
        params=params,
        place=Place(manifest.path, ("version",) if manifest.version else ("name",)),
    )
    lock = Evidence(kind="lock", text="the lock links it", place=pin.lock.place(pin.entry) if pin.entry else None)
    if pin.entry is None:
        text = "{lock} is a lock of yarn 1, which links a member that satisfies what is asked for"
        lock = Evidence(kind="lock", text=text, params={"lock": Public(pin.lock.path)}, place=Place(pin.lock.path))
    return member, lock


def _override_hit(override: Override, found: Door, policy: Policy) -> Hit:
    message, _, params = _words(found, override.spec, policy)
    return Hit(
        place=override.place,
        subject=f"{override.field}.{override.selector} {override.spec}",
        package=f"npm:{found.package.name}",
        message="overridden: " + message,
        remedy="Take the override out; what is missing upstream has to be released there.",
        params=params,
        evidence=(
            Evidence(
                kind="declaration", text="{package} is overridden with {spec}", params=params, place=override.place
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
