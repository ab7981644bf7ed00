"""A written exception that no longer holds, or was never whole."""

from __future__ import annotations

from bot.model import Evidence, Hit, Place, Severity, Verdict
from bot.names import compile_pattern
from bot.policy import Policy, Waiver
from bot.repo import Repo
from bot.rule import AskWaiverUse, Known, Rule, RuleSide, WaiverUse
from bot.text import Public, Text

__all__ = ["RULE"]


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Every waiver has a reason, an owner and a day on which it ends, and covers something."""
    verdict = Verdict(counts={"waivers": len(policy.tables.waiver)})
    for index, waiver in enumerate(policy.tables.waiver):
        if index in policy.leaving:
            continue
        place = policy.places.get(f"waiver.{index}", Place("ringfence.toml"))
        found = _trouble(index, waiver, place, repo, policy, known)
        if found is not None:
            message, remedy = found
            params = _params(index, waiver, policy)
            verdict.hits.append(
                Hit(
                    place=place,
                    subject=f"{waiver.rule} {waiver.path or '*'} {waiver.package or '*'}",
                    message=message,
                    remedy=remedy,
                    params=params,
                    evidence=(
                        Evidence(kind="policy", text="the waiver for {rule} stands here", params=params, place=place),
                    ),
                )
            )
    return verdict


def _trouble(
    index: int, waiver: Waiver, place: Place, repo: Repo, policy: Policy, known: Known
) -> tuple[str, str] | None:
    missing = [
        name
        for name, value in (
            ("reason", waiver.reason.strip()),
            ("owner", waiver.owner.strip()),
            ("expires", waiver.expires),
        )
        if not value
    ]
    if missing:
        return (
            f"the waiver for {{rule}} lacks {' and '.join(missing)}, so it does not count",
            f"Write {'it' if len(missing) == 1 else 'them'} down, or delete the waiver.",
        )
    if waiver.expires is not None and waiver.expires < policy.today:
        return (
            "the waiver for {rule} expired on {expires}",
            "Mend what it covers and delete it; renew it only with a new reason.",
        )
    longest = policy.tables.gate.waiver_days_max
    if longest is not None and waiver.expires is not None and (waiver.expires - policy.today).days > longest:
        return (
            "the waiver for {rule} runs until {expires}, longer than the {longest} days that policy allows",
            "Choose an earlier day.",
        )
    # An organisation's waivers, and its overlay's, speak of many repositories; only the repository's own must cover something here.
    if place.path == "ringfence.toml" and not policy.is_overlaid(f"waiver.{index}"):
        use = known(AskWaiverUse(index))
        if isinstance(use, WaiverUse) and use.judged and not use.matched:
            if waiver.path is not None and not _is_somewhere(repo, waiver.path):
                folder = _is_somewhere(repo, f"{waiver.path}/**")
                return (
                    "the waiver for {rule} speaks of {path}, and no file here is called so",
                    "Write {path}/** for what lies in that folder."
                    if folder
                    else "Correct the path, or delete the waiver.",
                )
            return "the waiver for {rule} covers nothing any more", "Delete it."
    return None


def _is_somewhere(repo: Repo, pattern: str) -> bool:
    wanted = compile_pattern(pattern)
    return any(wanted.match(path) is not None for path in repo.paths)


def _params(index: int, waiver: Waiver, policy: Policy) -> dict[str, Text]:
    return {
        "rule": Public(waiver.rule),
        "path": policy.said_by(f"waiver.{index}", waiver.path or "everything"),
        "expires": Public(str(waiver.expires)),
        "longest": Public(str(policy.tables.gate.waiver_days_max)),
    }


RULE = Rule(
    id="waiver",
    summary="A waiver that has expired, covers nothing, is too long, or lacks reason or owner.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
