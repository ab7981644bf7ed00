"""Every lock entry of an open package ends as verified, listed, failed or unknown."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote

from bot.doors import door, override_door, overrides_in_force
from bot.facts.lock import Lock, LockEntry, Source
from bot.facts.manifest import Kind, Manifest
from bot.link.locks import index, resolve
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName, registry_host
from bot.policy import Policy, Side
from bot.repo import Repo
from bot.rule import Absent, AskVersion, Known, Released, Rule, RuleSide, Unknown
from bot.text import Public, Text

__all__ = ["RULE"]


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Hold every entry of every lock that serves, or lies beside, a private manifest to the registry's own facts."""
    counts = dict.fromkeys(
        ("lock entries", "open", "verified", "listed", "failed", "unreleased", "unknown", "linked"), 0
    )
    verdict = Verdict(counts=counts)
    problems: dict[str, NotChecked] = {}
    names = repo.open_names(policy)

    def is_open(name: str) -> bool:
        return name in names or repo.is_open(policy, PackageName.npm(name))

    for lock, manifests in _judged_locks(repo, policy):
        counts["lock entries"] += len(lock.every)
        asked: _Asked | None = None
        for entry in lock.every:
            if entry.name not in names:
                continue
            counts["open"] += 1
            outcome: str
            hit: Hit | None
            bundler = _bundler(lock, entry) if entry.bundled else None
            if bundler is not None and not is_open(bundler.name):
                outcome, hit = "failed", _packed_hit(policy, lock, entry, bundler)
            elif entry.source is Source.REGISTRY or entry.source is Source.PATCH:
                outcome, hit = _against_registry(lock, entry, policy, known, problems)
            else:
                asked = asked or _Asked(repo, policy, lock, manifests)
                outcome, hit = _elsewhere(lock, entry, asked, problems)
            if outcome:
                counts[outcome] += 1
            if hit is not None:
                verdict.hits.append(hit)
        for name, entry, place in _foreign(lock, is_open):
            counts["open"] += 1
            counts["failed"] += 1
            asked = asked or _Asked(repo, policy, lock, manifests)
            if not asked.through_door(entry, name):
                verdict.hits.append(_foreign_hit(policy, name, entry, place))
    verdict.not_checked += problems.values()
    return verdict


def _judged_locks(repo: Repo, policy: Policy) -> Iterator[tuple[Lock, list[Manifest]]]:
    """The locks that serve a private manifest, those beside them, and on the private side those that serve nothing; each
    with the manifests that an install from it would read."""
    serving: dict[str, list[Manifest]] = {}
    private: set[str] = set()
    for directory, lock in repo.governs.items():
        manifest = repo.manifest_at(directory)
        if manifest is not None:
            serving.setdefault(lock.directory, []).append(manifest)
            if repo.side_of(policy, manifest.path) is Side.PRIVATE:
                private.add(lock.directory)
    for lock in repo.locks:
        serves = lock.directory in serving
        if lock.directory in private or (not serves and repo.side_of(policy, lock.path) is Side.PRIVATE):
            yield lock, serving.get(lock.directory, [])


class _Asked:
    """What the manifests of a lock ask for: ``pinned`` are the keys of entries that a private manifest pins to a version."""

    def __init__(self, repo: Repo, policy: Policy, lock: Lock, manifests: list[Manifest]) -> None:
        self.pinned: set[str] = set()
        self._names: set[str] = set()
        self._keys: set[str] = set()
        for manifest in manifests:
            if manifest.template:
                continue
            private = repo.side_of(policy, manifest.path) is Side.PRIVATE
            for declaration in manifest.declarations:
                pinned = private and declaration.kind is Kind.EXACT
                through = door(repo, policy, manifest, declaration) is not None
                if not pinned and not through:
                    continue
                reached = resolve(lock, manifest.directory, manifest.name, declaration.local, declaration)
                if pinned and reached is not None:
                    self.pinned.add(reached.key)
                if through:
                    if reached is not None:
                        self._keys.add(reached.key)
                    else:
                        self._names.add(declaration.local)
        for override in overrides_in_force(repo):
            at = override.place.path.rpartition("/")[0]
            if at == lock.directory and override_door(repo, policy, override) is not None:
                self._names.add(override.target)

    def through_door(self, entry: LockEntry, name: str) -> bool:
        """Whether `side-door-source` says so already, at the declaration or override that has to change."""
        return entry.key in self._keys or name in self._names


def _foreign(lock: Lock, is_open: Callable[[str], bool]) -> Iterator[tuple[str, LockEntry, Place]]:
    """Open names that a lock has answered by another package, which is not open: the name, that package, the place."""
    for entry in lock.every:
        names: Iterable[str] = () if entry.alias is None else (entry.alias,)
        if "," in entry.key and lock.format.startswith("yarn"):
            from bot.readers.npm.yarn_v1 import descriptors, local_name

            names = {local_name(one) for one in descriptors(entry.key)}
        for name in names:
            if name != entry.name and is_open(name) and not is_open(entry.name):
                yield name, entry, lock.place(entry)
    if lock.format != "pnpm":
        return
    # pnpm's entries do not know under which names they are installed.
    entries = index(lock).entries
    for importer in lock.importers:
        for asked in importer.dependencies:
            found = entries.get(asked.entry or "")
            # A linked folder's own name is in no pnpm lock.
            if found is None or found.alias is not None or found.name == asked.name:
                continue
            if is_open(asked.name) and not is_open(found.name):
                yield asked.name, found, Place(lock.path, asked.pointer)
    for entry in lock.entries:
        for name, key in entry.dependencies.items():
            found = entries.get(key)
            if found is not None and found.name != name and is_open(name) and not is_open(found.name):
                yield name, found, lock.place(entry)


def _bundler(lock: Lock, entry: LockEntry) -> LockEntry | None:
    """The package whose tarball an npm entry comes in; None where a package root packs it for others to install."""
    entries = index(lock).entries | {older.key: older for older in lock.older}
    above = entry
    while above.bundled:
        outer = entries.get(above.key.rpartition("/node_modules/")[0])
        if outer is None:
            return None
        above = outer
    return above


def _against_registry(
    lock: Lock, entry: LockEntry, policy: Policy, known: Known, problems: dict[str, NotChecked]
) -> tuple[str, Hit | None]:
    package = PackageName.npm(entry.name)
    if entry.version is None:
        problems[f"{lock.path}: {entry.key}"] = _unknown_source(lock, entry)
        return "unknown", None
    answer = known(AskVersion(package, entry.version))
    subject = f"{package}@{entry.version}"
    if isinstance(answer, Unknown):
        problems[subject] = NotChecked(
            reason=answer.reason,
            subject=subject,
            detail=f"its integrity could not be compared: {answer.detail}",
            remedy=answer.remedy,
            path=lock.path,
        )
        return "unknown", None
    if isinstance(answer, Absent):
        return "unreleased", None  # `unreleased-pin` says so, at the place that has to change
    if not isinstance(answer, Released):
        return "", None  # not known yet
    if answer.mirrored and not policy.mirror_is_enough("npm"):
        problems[subject] = NotChecked(
            reason="mirrored",
            subject=subject,
            detail="only a mirror answered, and policy does not call a mirror enough",
            remedy="Run where the public registry can be reached, or set enough = true for the mirror.",
            path=lock.path,
        )
        return "unknown", None
    same = _same_integrity(entry.integrity, answer)
    if same:
        return "verified", None
    if same is False:
        return "failed", _hit(
            lock,
            entry,
            "{package}@{version} is locked with another integrity than the registry's",
            "Delete this entry and install again from the registry; if it comes back, find out who serves it.",
            answer,
        )
    # Nothing that could be compared: then it has to come from the registry's own address for that package.
    if entry.resolved:
        host = registry_host(entry.resolved)
        if host and host not in _hosts(policy, answer):
            return "failed", _hit(
                lock,
                entry,
                "{package}@{version} is locked from {host}, with no integrity to compare",
                "Install it from the registry, so that the lock records its integrity.",
                answer,
            )
        if host and entry.resolved != answer.tarball and _is_other_archive(entry.resolved, entry.name, entry.version):
            return "failed", _hit(
                lock,
                entry,
                "{package}@{version} is locked to another archive ({resolved}), with no integrity to compare",
                "Install it from the registry, so that the lock records its integrity.",
                answer,
            )
    return "listed", None


def _is_other_archive(url: str, name: str, version: str) -> bool:
    """Whether an archive's address names another package or version; one that names none may be anybody's."""
    path = unquote(url.partition("?")[0].partition("#")[0])
    if not path.endswith(".tgz") or "/-/" not in path:
        return False
    bare = name.rpartition("/")[2]
    # A version's build metadata is in no archive's name.
    files = {f"{bare}-{said}.tgz" for said in (version, version.partition("+")[0])}
    return f"/{name}/-/" not in path or path.rpartition("/")[2] not in files


def _hosts(policy: Policy, answer: Released) -> set[str]:
    table = policy.tables.registry.get("npm")
    urls = [answer.source, answer.tarball or ""]
    if table:
        urls += [table.url or "", *(mirror.url for mirror in table.mirrors)]
    return {registry_host(url) for url in urls} - {""}


# How package managers read an integrity (https://github.com/npm/ssri), white space being JavaScript's.
_SPACE = re.compile("[\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+")
_DIGEST = re.compile(r"([a-z0-9]+)-([^?]+)(?:\?.*)?")
# From the strongest (`DEFAULT_PRIORITY`).
_STRENGTH = ("sha512", "sha384", "sha256", "sha224", "sha1", "whirlpool", "md5")


def _same_integrity(locked: str | None, answer: Released) -> bool | None:
    """True or False where the two can be compared, None where the registry does not offer the algorithm that counts.

    A package manager checks the strongest algorithm in the lock alone, and takes any one of its digests: each has to be
    the registry's.
    """
    if not locked:
        return None
    if locked.startswith("sha512-") and locked in (answer.integrity or "").split():
        return True  # as nearly all are: the strongest algorithm, and the same digest
    registry = _digests(answer.integrity or "")
    if answer.shasum and re.fullmatch(r"[0-9a-fA-F]{40}", answer.shasum):
        sha1 = base64.b64encode(bytes.fromhex(answer.shasum)).decode()
        registry.setdefault("sha1", set()).add(sha1)
    ours = _digests(locked)
    for algorithm in _STRENGTH:
        if algorithm in ours:
            return ours[algorithm] <= registry[algorithm] if algorithm in registry else None
    return None


def _digests(integrity: str) -> dict[str, set[str]]:
    """Algorithm -> the digests, in base64, that an integrity names under it."""
    found: dict[str, set[str]] = {}
    for token in _SPACE.split(integrity):
        if (parts := _DIGEST.fullmatch(token)) is not None:
            found.setdefault(parts[1], set()).add(parts[2])
    return found


def _elsewhere(lock: Lock, entry: LockEntry, asked: _Asked, problems: dict[str, NotChecked]) -> tuple[str, Hit | None]:
    """An entry that is not from a registry: a workspace's own copy, a path, git, an archive."""
    names = {entry.name, entry.alias or entry.name}
    if entry.source is Source.UNKNOWN:
        problems[f"{lock.path}: {entry.key}"] = _unknown_source(lock, entry)
        return "unknown", None
    if any(asked.through_door(entry, name) for name in names):
        return "failed", None
    if entry.source is Source.WORKSPACE:
        # What a private member pins as a version and gets from the workspace was never installed as released.
        if entry.key not in asked.pinned:
            return "linked", None
        return "failed", _hit(
            lock,
            entry,
            "{package} is declared as a version and locked to the workspace's own copy",
            "Take the open member out of the private workspace, or have the package manager prefer the registry.",
            None,
        )
    return "failed", _hit(
        lock,
        entry,
        "{package} is locked from {resolved}, not from the registry",
        "Find what asks for it (it is no declaration of this repository) and pin a released version.",
        None,
    )


def _unknown_source(lock: Lock, entry: LockEntry) -> NotChecked:
    return NotChecked(
        reason="unknown-source",
        subject=f"{lock.path}: {entry.key}",
        detail=f"nobody here knows where {entry.name} is installed from ({entry.resolved or 'the lock does not say'})",
        remedy="Install it from the registry.",
        path=lock.path,
    )


def _foreign_hit(policy: Policy, name: str, entry: LockEntry, place: Place) -> Hit:
    params: dict[str, Text] = {
        "package": Public(name),
        "other": policy.text(entry.name),
        "version": policy.text(entry.version or "?"),
    }
    return Hit(
        place=place,
        subject=f"{entry.key} as {name} {entry.name}@{entry.version or ''}",
        package=f"npm:{name}",
        message="{package} is locked to another package, {other}@{version}",
        remedy="Find what asks for {other} under this name, and pin a released version of {package} itself.",
        params=params,
        evidence=(Evidence(kind="lock", text="the lock answers {package} with {other}", params=params, place=place),),
    )


def _packed_hit(policy: Policy, lock: Lock, entry: LockEntry, bundler: LockEntry) -> Hit:
    params: dict[str, Text] = {
        "package": Public(entry.name),
        "version": Public(entry.version or "?"),
        "other": policy.text(bundler.name),
    }
    place = lock.place(entry)
    return Hit(
        place=place,
        subject=f"{entry.key} {entry.version or ''} in {bundler.name}@{bundler.version or ''}",
        package=f"npm:{entry.name}",
        message="{package}@{version} comes packed inside {other}, not from the registry",
        remedy="Use a release of {other} that declares {package} instead of packing it, or do without.",
        params=params,
        evidence=(
            Evidence(
                kind="lock", text="the lock says that {package} is in the bundle of {other}", params=params, place=place
            ),
            Evidence(kind="lock", text="{other} is locked here", params=params, place=lock.place(bundler)),
        ),
    )


def _hit(lock: Lock, entry: LockEntry, message: str, remedy: str, answer: Released | None) -> Hit:
    params: dict[str, Text] = {
        "package": Public(entry.name),
        "version": Public(entry.version or "?"),
        "resolved": Public(entry.resolved or entry.key),
        "host": Public(registry_host(entry.resolved or "")),
        "locked": Public(entry.integrity or "no integrity"),
        "registry": Public((answer.integrity or answer.shasum or "none") if answer else ""),
        "source": Public(answer.source if answer else ""),
    }
    evidence = [Evidence(kind="lock", text="the lock says {locked}", params=params, place=lock.place(entry))]
    if answer is not None:
        evidence.append(Evidence(kind="registry", text="the registry says {registry} ({source})", params=params))
    return Hit(
        place=lock.place(entry),
        # What is locked is part of it: another poison in the place of a known one is a new finding.
        subject=f"{entry.key} {entry.version or ''} {entry.integrity or registry_host(entry.resolved or '') or entry.resolved or ''}",
        package=f"npm:{entry.name}",
        message=message,
        remedy=remedy,
        params=params,
        evidence=tuple(evidence),
    )


RULE = Rule(
    id="lock-source",
    summary="A lock entry of an open package whose content is not the registry's.",
    side=RuleSide.PRIVATE,
    severity=Severity.ERROR,
    judge=judge,
)
