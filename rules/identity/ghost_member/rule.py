"""A directory that a workspace glob covers and that has no manifest."""

from __future__ import annotations

from collections import Counter

from bot.model import Evidence, Hit, Place, Severity, Verdict
from bot.policy import Policy
from bot.repo import Repo
from bot.rule import Known, Rule, RuleSide
from bot.text import Public

__all__ = ["RULE"]

# So many ghosts of one pattern are one finding with a list.
_SHARED = 5


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Every directory that the workspace globs cover is a member, or it is a ghost."""
    members = sum(1 for root in repo.roots if root.directory)
    verdict = Verdict(counts={"members": members, "ghosts": len(repo.ghosts)})
    alike = Counter(glob.place for _, glob in repo.ghosts)
    for directory, glob in repo.ghosts:
        shared = alike[glob.place] >= _SHARED
        params = {"directory": policy.text(directory), "pattern": Public(glob.pattern)}
        verdict.hits.append(
            Hit(
                place=glob.place,
                subject=directory,
                message="{directory} is covered by the workspace pattern {pattern} and has no package.json",
                remedy="Delete {directory}, move it out of the pattern, or give it a manifest.",
                params=params,
                # All of them point at the pattern: where each stands is what the list has to say.
                related=(("without a package.json", Place(directory)),) if shared else (),
                fold=f"{glob.place.path} {glob.pattern}" if shared else "",
                evidence=(
                    Evidence(kind="declaration", text="{pattern} covers {directory}", params=params, place=glob.place),
                ),
            )
        )
    return verdict


RULE = Rule(
    id="ghost-member",
    summary="A directory that a workspace glob covers and that has no manifest.",
    side=RuleSide.BOTH,
    severity=Severity.WARNING,
    judge=judge,
)
