"""An entry of the baseline whose finding is not there any more."""

from __future__ import annotations

from bot.baseline import BASELINE_FILE
from bot.model import Evidence, Hit, Place, Severity, Verdict
from bot.policy import Policy
from bot.repo import Repo
from bot.rule import AskBaselineUse, BaselineUse, Known, Rule, RuleSide
from bot.text import Public

__all__ = ["RULE"]


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """What is mended is taken out, so that it cannot come back unseen."""
    if policy.assumed:
        # It was written by a policy that is not in force here: what is not found need not be mended.
        return Verdict(counts={"baseline entries": 0}, not_run="there is no policy file")
    use = known(AskBaselineUse())
    if not isinstance(use, BaselineUse):
        return Verdict(counts={"baseline entries": 0})
    verdict = Verdict(counts={"baseline entries": use.size})
    for index, entry in use.gone:
        place = Place(BASELINE_FILE, ("entries", index))
        params = {
            "rule": policy.text(entry.rule),
            "path": policy.text(entry.path),
            "count": Public(f"{entry.count:,}"),
        }
        what = "a finding" if entry.count == 1 else "{count} findings"
        verdict.hits.append(
            Hit(
                place=place,
                # How many belongs to it: one more that is mended is news.
                subject=f"{entry.rule} {entry.mark} {entry.path} {entry.count}",
                message=f"the baseline holds {what} of {{rule}} in {{path}} that {'is' if entry.count == 1 else 'are'} mended",
                remedy="Run `ringfence baseline write` and commit the file.",
                params=params,
                evidence=(Evidence(kind="source", text="the entry stands here", place=place),),
                fold="mended",
            )
        )
    return verdict


RULE = Rule(
    id="stale-baseline",
    summary="An entry of the baseline whose finding is mended.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
