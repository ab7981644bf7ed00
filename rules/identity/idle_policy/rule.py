"""What the policy says and nothing here answers to: mostly a slip of the pen, and a boundary that is not watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.model import REASONS, Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName, compile_pattern, matches_any, split_specifier
from bot.policy import Policy
from bot.repo import Repo
from bot.rule import Known, Rule, RuleSide
from bot.text import Public, Text

__all__ = ["RULE"]

_OWN = "ringfence.toml"
_ALIKE = 0.8  # difflib's ratio: `@titpap/*` and `@tiptap/*`, and few words that are two


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Hold the repository's own patterns to what is here, and the reasons that any policy allows to those there are."""
    verdict = Verdict(counts={"patterns": 0, "reasons": 0})
    tables = policy.tables
    if repo.manifests or repo.locks or repo.files:  # else there is nothing that could be called anything
        _packages_met(repo, policy, verdict)
        _members_met(repo, policy, verdict)
    for index, allowed in enumerate(tables.not_checked.allow):
        verdict.counts["reasons"] += 1
        reason = allowed.partition(":")[0]
        if reason not in REASONS:
            key = f"not_checked.allow.{index}"
            verdict.hits.append(_hit(policy, key, allowed, "no reason that this version gives", _near(reason, REASONS)))
    return verdict


def _packages_met(repo: Repo, policy: Policy, verdict: Verdict) -> None:
    tables = policy.tables
    for index, pattern in enumerate(tables.open.packages):
        key = f"open.packages.{index}"
        if PackageName.parse(pattern).ecosystem != "npm" or not (policy.assumed or _is_own(policy, key)):
            continue
        verdict.counts["patterns"] += 1
        if _is_met(repo, pattern):
            continue
        near = _near(pattern, _packages(repo, policy))
        if policy.assumed:  # given with --open, for this run over this repository: it has judged nothing
            verdict.not_checked.append(
                NotChecked(
                    reason="open-pattern",
                    subject=pattern,
                    detail="nothing here is called so: no package, dependency, lock entry or import",
                    remedy=f"Did you mean {near}?" if near else "Say with --open what is open here.",
                )
            )
        else:
            verdict.hits.append(_hit(policy, key, pattern, "no package, dependency, lock entry or import here", near))


def _members_met(repo: Repo, policy: Policy, verdict: Verdict) -> None:
    tables = policy.tables
    said = {
        f"{table}.{index}": pattern
        for table, patterns in (
            ("open.members", tables.open.members),
            ("open.published", tables.open.published),
            ("private.members", tables.private.members),
        )
        for index, pattern in enumerate(patterns)
        if _is_own(policy, f"{table}.{index}")
    }
    folders = _folders(repo) if said else set()
    for key, pattern in said.items():
        verdict.counts["patterns"] += 1
        wanted = compile_pattern(pattern)
        if not any(wanted.match(folder) is not None for folder in folders):
            verdict.hits.append(_hit(policy, key, pattern, "no directory here", _near(pattern, _directories(repo))))


def _is_own(policy: Policy, key: str) -> bool:
    """Whether the repository's own file says it. An organisation's speaks of many repositories, an overlay has no place."""
    return policy.places.get(key, Place("" if policy.places else _OWN)).path == _OWN


# -- packages ------------------------------------------------------------------------------------


def _is_met(repo: Repo, pattern: str) -> bool:
    wanted = compile_pattern(PackageName.parse(pattern).name)
    seen: set[str] = set()
    for name in _names(repo):
        if name not in seen and wanted.match(name) is not None:
            return True
        seen.add(name)
    # What a script runs: `npx @acme/cli`.
    fixed = wanted.text.partition("*")[0].partition("{")[0]
    return len(fixed) > 2 and any(fixed in script.text for m in repo.manifests for script in m.scripts)


def _names(repo: Repo) -> Iterator[str]:
    """Every package name that stands here, what is near at hand first."""
    yield from _declared(repo)
    for manifest in repo.manifests:
        yield from (override.target for override in manifest.overrides)
    for source in repo.sources.values():
        for found in source.imports:
            parts = split_specifier(found.specifier)
            if parts is not None:
                yield parts[0]
    for lock in repo.locks:
        yield from (entry.name for entry in lock.entries)


def _declared(repo: Repo) -> Iterator[str]:
    yield from (manifest.name for manifest in repo.manifests if manifest.name is not None)
    for manifest in repo.manifests:
        for declaration in manifest.declarations:
            yield declaration.name
            yield declaration.local


def _packages(repo: Repo, policy: Policy) -> set[str]:
    """Patterns that would meet something, save what the policy speaks of already."""
    tables = policy.tables
    spoken = tuple(PackageName.parse(p).name for p in (*tables.open.packages, *tables.private.packages))
    names = {name for name in _declared(repo) if matches_any(name, spoken) is None}
    return {f"{scope}/*" if (scope := PackageName.npm(name).scope) else name for name in names}


# -- directories ---------------------------------------------------------------------------------


def _folders(repo: Repo) -> set[str]:
    found: set[str] = set()
    for path in repo.paths:
        directory = path.rpartition("/")[0]
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    return found


def _directories(repo: Repo) -> set[str]:
    """Where package roots are, and the pattern for their folder."""
    roots = {root.directory for root in repo.roots if root.directory}
    return roots | {f"{root.rpartition('/')[0]}/*" for root in roots if "/" in root}


# -- words ---------------------------------------------------------------------------------------


def _near(said: str, known: Iterable[str]) -> str:
    """What was likely meant, or nothing."""
    from difflib import get_close_matches

    return "".join(get_close_matches(said, sorted(known), 1, _ALIKE))


def _hit(policy: Policy, key: str, said: str, nothing: str, near: str) -> Hit:
    place = policy.places.get(key, Place(_OWN))
    params: dict[str, Text] = {
        "said": policy.text(said),
        "nothing": Public(nothing),
        "near": policy.text(near),
        "table": Public(key.rpartition(".")[0]),
    }
    return Hit(
        place=place,
        subject=f"{key.rpartition('.')[0]} {said}",
        message="{said} in {table} matches {nothing}",
        remedy="Did you mean {near}?" if near else "Correct it, or delete it.",
        params=params,
        evidence=(Evidence(kind="policy", text="the policy says {said}", params=params, place=place),),
    )


RULE = Rule(
    id="idle-policy",
    summary="What the repository's policy says and nothing here answers to: a pattern, a directory, a reason.",
    side=RuleSide.BOTH,
    severity=Severity.WARNING,
    judge=judge,
)
