"""Every lock entry of an open package ends as verified, listed, failed or unknown."""

from __future__ import annotations

import base64

from bot.facts.lock import Lock, LockEntry, Source
from bot.facts.manifest import Kind
from bot.model import Evidence, Hit, NotChecked, Severity, Verdict
from bot.names import PackageName, registry_host
from bot.policy import Mirror, Policy, Side
from bot.repo import Repo
from bot.rule import Absent, AskVersion, Known, Released, Rule, RuleSide, Unknown
from bot.text import Public, Text

__all__ = ["RULE"]


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Hold every entry of every lock that serves a private manifest to the registry's own facts."""
    counts = dict.fromkeys(
        ("lock entries", "open", "verified", "listed", "failed", "unreleased", "unknown", "linked"), 0
    )
    verdict = Verdict(counts=counts)
    problems: dict[str, NotChecked] = {}
    opened: dict[str, bool] = {}
    for lock in _judged_locks(repo, policy):
        counts["lock entries"] += len(lock.entries)
        for entry in lock.entries:
            is_open = opened.get(entry.name)
            if is_open is None:
                is_open = opened[entry.name] = repo.is_open(policy, PackageName.npm(entry.name))
            if not is_open:
                continue
            counts["open"] += 1
            if entry.source is Source.REGISTRY or entry.source is Source.PATCH:
                outcome, hit = _against_registry(lock, entry, policy, known, problems)
            else:
                outcome, hit = _elsewhere(repo, policy, lock, entry)
            if outcome:
                counts[outcome] += 1
            if hit is not None:
                verdict.hits.append(hit)
    verdict.not_checked += problems.values()
    return verdict


def _judged_locks(repo: Repo, policy: Policy) -> list[Lock]:
    wanted = {
        id(lock)
        for directory, lock in repo.governs.items()
        if repo.side_of(policy, f"{directory}/package.json".lstrip("/")) is Side.PRIVATE
    }
    return [lock for lock in repo.locks if id(lock) in wanted]


def _against_registry(
    lock: Lock, entry: LockEntry, policy: Policy, known: Known, problems: dict[str, NotChecked]
) -> tuple[str, Hit | None]:
    package = PackageName.npm(entry.name)
    if entry.version is None:
        return "unknown", None
    answer = known(AskVersion(package, entry.version))
    subject = f"{package}@{entry.version}"
    if isinstance(answer, Unknown):
        problems[subject] = NotChecked(
            reason=answer.reason,
            subject=subject,
            detail=f"its integrity could not be compared: {answer.detail}",
            remedy="Run again when the registry answers.",
            path=lock.path,
        )
        return "unknown", None
    if isinstance(answer, Absent):
        return "unreleased", None  # `unreleased-pin` says so, at the place that has to change
    if not isinstance(answer, Released):
        return "", None  # not known yet
    if answer.mirrored and not any(mirror.enough for mirror in _mirrors(policy)):
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
    if entry.resolved and entry.integrity is None and entry.checksum is None:
        host = registry_host(entry.resolved)
        if host and host not in _hosts(policy, answer):
            return "failed", _hit(
                lock,
                entry,
                "{package}@{version} is locked from {host}, with no integrity to compare",
                "Install it from the registry, so that the lock records its integrity.",
                answer,
            )
    return "listed", None


def _mirrors(policy: Policy) -> tuple[Mirror, ...]:
    table = policy.tables.registry.get("npm")
    return table.mirrors if table else ()


def _hosts(policy: Policy, answer: Released) -> set[str]:
    table = policy.tables.registry.get("npm")
    urls = [answer.source, answer.tarball or ""]
    if table:
        urls += [table.url or "", *(mirror.url for mirror in table.mirrors)]
    return {registry_host(url) for url in urls} - {""}


def _same_integrity(locked: str | None, answer: Released) -> bool | None:
    """True or False where the two can be compared, None where they share no algorithm."""
    if not locked:
        return None
    registry: dict[str, set[str]] = {}
    for token in (answer.integrity or "").split():
        algorithm, _, digest = token.partition("-")
        registry.setdefault(algorithm, set()).add(digest.partition("?")[0])
    if answer.shasum:
        try:
            sha1 = base64.b64encode(bytes.fromhex(answer.shasum)).decode()
        except ValueError:
            sha1 = ""
        registry.setdefault("sha1", set()).add(sha1)
    compared: bool | None = None
    for algorithm in ("sha512", "sha384", "sha256", "sha1"):
        ours = {t.partition("-")[2].partition("?")[0] for t in locked.split() if t.startswith(algorithm + "-")}
        theirs = registry.get(algorithm)
        if ours and theirs:
            # A package manager checks the strongest algorithm that both sides know.
            compared = bool(ours & theirs)
            break
    return compared


def _elsewhere(repo: Repo, policy: Policy, lock: Lock, entry: LockEntry) -> tuple[str, Hit | None]:
    """An entry that is not from a registry: a workspace's own copy, a path, git, an archive."""
    asked = [
        declaration
        for manifest, declaration in repo.declarations()
        if declaration.local in (entry.alias, entry.name)
        and repo.governs.get(manifest.directory) is lock
        and repo.side_of(policy, manifest.path) is Side.PRIVATE
    ]
    if entry.source is Source.WORKSPACE:
        # What a private member pins as a version and gets from the workspace was never installed as released.
        pinned = [d for d in asked if d.kind is Kind.EXACT]
        if not pinned:
            return "linked", None
        return "failed", _hit(
            lock,
            entry,
            "{package} is declared as a version and locked to the workspace's own copy",
            "Take the open member out of the private workspace, or have the package manager prefer the registry.",
            None,
        )
    if any(d.kind in (Kind.PATH, Kind.GIT, Kind.URL, Kind.WORKSPACE) for d in asked):
        return "failed", None  # `side-door-source` says so, at the declaration
    if entry.source is Source.UNKNOWN:
        return "unknown", None
    return "failed", _hit(
        lock,
        entry,
        "{package} is locked from {resolved}, not from the registry",
        "Find what asks for it (it is no declaration of this repository) and pin a released version.",
        None,
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
        subject=entry.key,
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
