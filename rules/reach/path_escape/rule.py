"""A relative or absolute specifier that leads outside its package's side."""

from __future__ import annotations

import re

from bot.facts.module import Import
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import join
from bot.policy import Policy, Side
from bot.repo import Repo, Root
from bot.rule import PENDING, AskParsed, Known, Rule, RuleSide, Unknown
from bot.text import Public

__all__ = ["RULE"]

# A leading slash mostly means the web root to a bundler; these are folders of a machine.
_MACHINE = re.compile(r"file:|[A-Za-z]:[\\/]|\\\\|/(?:home|Users|root|usr|opt|tmp|var|etc|mnt|srv|private|Volumes)/")


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Follow every specifier that can leave its package root; parse only where one does."""
    verdict = Verdict(counts={"candidate paths": 0, "confirmed": 0})
    for path in sorted(repo.sources):
        for candidate in repo.sources[path].imports:
            specifier = candidate.specifier
            relative = specifier.startswith((".", "!."))
            if not relative and not _MACHINE.match(specifier):
                continue
            verdict.counts["candidate paths"] += 1
            found = _escape(repo, policy, path, specifier.lstrip("!"), relative=relative)
            if found is None:
                continue
            parsed = known(AskParsed(path))
            if parsed is PENDING:
                continue
            if isinstance(parsed, Unknown):
                verdict.not_checked.append(
                    NotChecked(reason=parsed.reason, subject=path, detail=parsed.detail, path=path)
                )
                break
            confirmed = next((i for i in parsed.imports if i.start == candidate.start), None)  # type: ignore[union-attr]
            if confirmed is not None:
                verdict.counts["confirmed"] += 1
                verdict.hits.append(_hit(path, confirmed, found, policy))
    return verdict


class _Outside:
    """Where a specifier leads: ``target`` is None for a place outside the repository."""

    def __init__(self, home: Root, target: Root | None, *, across: bool) -> None:
        self.home = home
        self.target = target
        self.across = across


def _escape(repo: Repo, policy: Policy, path: str, specifier: str, *, relative: bool) -> _Outside | None:
    home = repo.root_of(path)
    if not relative:
        return _Outside(home, None, across=True)
    bare = specifier.partition("?")[0]
    target = join(path.rpartition("/")[0], bare)
    if target is None:
        return _Outside(home, None, across=True)
    there = repo.root_of(target + "/")
    if there.directory == home.directory:
        return None
    here_side, there_side = repo.side_of(policy, path), repo.side_of(policy, target + "/")
    if "" in (there.directory, home.directory):
        # The repository's own folder holds the tooling that members share: only a side that policy states counts.
        stated = {policy.side_of_root(repo.identity, r.directory, r.package) for r in (home, there)}
        return _Outside(home, there, across=True) if stated == {Side.OPEN, Side.PRIVATE} else None
    return _Outside(home, there, across=here_side is not there_side)


def _hit(path: str, found: Import, outside: _Outside, policy: Policy) -> Hit:
    params = {
        "specifier": policy.text(found.specifier),
        "home": policy.text(outside.home.label),
        "target": policy.text(outside.target.label if outside.target else ""),
    }
    severity = None
    if outside.target is None:
        message = "{specifier} leads out of the repository"
        remedy = "Import the released package by its name, or bring what you need into this repository."
    elif outside.across:
        message = "{specifier} leads from {home} across the boundary into the source of {target}"
        remedy = "Pin a released version of {target} and import it by its name."
    else:
        message = "{specifier} leads from {home} into the source of {target}"
        remedy = "Declare {target} and import it by its name, through its exports."
        if policy.tables.reach.members == "loose":
            severity = Severity.WARNING
    package = outside.target.package if outside.target else None
    return Hit(
        place=Place(path, start=found.start, end=found.end),
        subject=found.specifier,
        package=f"npm:{package.name}" if package else "",
        message=message,
        remedy=remedy,
        params=params,
        severity=severity,
        evidence=(
            Evidence(
                kind="source",
                text="{specifier} is used here ({kind})",
                params=params | {"kind": Public(found.kind.value)},
                place=Place(path, start=found.start, end=found.end),
            ),
            *policy.evidence("reach.members", "private.members", "open.members"),
        ),
    )


RULE = Rule(
    id="path-escape",
    summary="A relative or absolute specifier that leads outside.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
