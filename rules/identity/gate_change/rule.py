"""A pull request that changes what judges it, without the approval that policy names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import msgspec

from bot.baseline import BASELINE_FILE, Baseline, grown
from bot.baseline import read as read_baseline
from bot.errors import ReadError
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.policy import Policy
from bot.repo import Repo
from bot.rule import (
    Approval,
    AskApproval,
    AskChanged,
    AskWorkflows,
    Changed,
    ChangedFile,
    Known,
    Rule,
    RuleSide,
    Unknown,
)
from bot.rules.identity.gate_change.workflows import ActionFiles, Side, document_of, is_workflow, runs_ringfence
from bot.text import Private, Public, Text

__all__ = ["RULE"]

_POLICY_FILE = "ringfence.toml"
# A larger file is no policy that is read: it is compared as it is.
_SIZE_MAX = 1024 * 1024
# A policy's address after the repository's name: `@ref:path`, or `:path`.
_ADDRESS = re.compile(r"(?:@[^@:]+)?:([^:]+)")


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Every file of the gate that a pull request changes is cleared by an approver, or it is a finding."""
    workflows = known(AskWorkflows())
    if not isinstance(workflows, Changed):
        return _not_known(workflows)
    if workflows.files is None:
        return Verdict(not_run="no pull request is judged")
    before, after = (Side({file.path: getattr(file, side) for file in workflows.files}) for side in ("before", "after"))
    names, used = before.gate()
    others = set(_policies(repo, policy))
    changed = known(
        AskChanged(
            paths=(_POLICY_FILE, BASELINE_FILE),
            files=tuple(sorted(others | used.files)),
            folders=tuple(sorted(used.folders)),
        )
    )
    if not isinstance(changed, Changed) or changed.files is None:
        return _not_known(changed)
    own = next((file for file in changed.files if file.path == _in(changed, _POLICY_FILE)), None)
    decides = policy.places.get("open.packages")
    if own is not None and own.before is None and decides is not None and decides.path == _POLICY_FILE:
        return Verdict(not_run="this change brings the first policy")

    policies = {_in(changed, _POLICY_FILE), *others}
    looked = {file.path: file for file in (*workflows.files, *changed.files) if file.before != file.after}

    def moves(file: ChangedFile) -> bool:
        if file.path == _in(changed, BASELINE_FILE):
            return _baseline_grows(file)
        if file.path in policies:
            return _tables(file.before) != _tables(file.after)
        return _moves(file, used) or _takes_a_name(file.path, before, after, names)

    moved = [looked[path] for path in sorted(looked) if moves(looked[path])]
    verdict = Verdict(counts={"changed files looked at": len(looked), "of the gate": len(moved)})
    if not moved:
        return verdict
    approvers = policy.tables.gate.approvers
    answers = [known(AskApproval(approver)) for approver in approvers]
    if any(isinstance(answer, Approval) and answer.by for answer in answers):
        verdict.counts["cleared"] = len(moved)
        return verdict
    unknown = [(index, answer) for index, answer in enumerate(answers) if isinstance(answer, Unknown)]
    if unknown:
        verdict.not_checked = [_unknown_approver(index, answer, policy) for index, answer in unknown]
    elif all(isinstance(answer, Approval) for answer in answers):
        verdict.hits = [_hit(file, changed, policy) for file in moved]
    return verdict


def _in(changed: Changed, path: str) -> str:
    return f"{changed.folder}/{path}" if changed.folder else path


def _not_known(answer: object) -> Verdict:
    return Verdict(
        not_checked=[_unknown("what the pull request changes", answer)] if isinstance(answer, Unknown) else []
    )


def _policies(repo: Repo, policy: Policy) -> Iterator[str]:
    """The organisation's policy may lie in the repository, too; the Action was told where, by path or by address."""
    own = str(repo.identity) if repo.identity is not None else None
    for label in {place.path for place in policy.places.values()} - {_POLICY_FILE}:
        yield label.removeprefix("./")
        if own is not None and label.lower().startswith(own.lower()):
            address = _ADDRESS.fullmatch(label[len(own) :])
            if address is not None:
                yield address[1]


def _moves(file: ChangedFile, used: ActionFiles) -> bool:
    """Whether a changed workflow or action moves the gate: comments and the order of keys do not."""
    concerns = used.holds(file.path) or (
        AskWorkflows.means(file.path)
        and file.path.startswith(".github/")
        and (runs_ringfence(file.before) or runs_ringfence(file.after))
    )
    if not concerns or not AskWorkflows.means(file.path):
        return concerns
    return document_of(file.before) != document_of(file.after)


def _takes_a_name(path: str, before: Side, after: Side, names: frozenset[str]) -> bool:
    """Whether a change brings, into another workflow, a job that is called like the gate's: its check would pass for it."""
    if not is_workflow(path):
        return False
    now = after.called(path, names)
    return now is not None and now != before.called(path, names)


def _baseline_grows(file: ChangedFile) -> bool:
    try:
        after = None if file.after is None else read_baseline(file.after)
    except ReadError:
        return True
    try:
        before = None if file.before is None else read_baseline(file.before)
    except ReadError:
        before = Baseline()
    return grown(before, after) > 0


def _tables(data: bytes | None) -> object:
    """A policy file as data; its bytes where it is no TOML."""
    if data is None or len(data) > _SIZE_MAX:
        return data
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return data


def _hit(file: ChangedFile, changed: Changed, policy: Policy) -> Hit:
    approvers = policy.tables.gate.approvers
    prefix = f"{changed.folder}/" if changed.folder else ""
    inside = file.path.startswith(prefix)
    shown = _shown(policy)
    params: dict[str, Text] = shown | {
        "path": policy.text(file.path),
        "verb": Public("removes" if file.after is None else "adds" if file.before is None else "changes"),
    }
    named = " or ".join(f"{{{name}}}" for name in shown)
    nowhere = "the private overlay sets gate.approvers" if approvers else "the policy sets no gate.approvers"
    return Hit(
        place=Place(file.path.removeprefix(prefix) if inside else _POLICY_FILE),
        subject=file.path,
        message="this pull request {verb} {path}, which judges it, and nobody whom policy names has approved it as it stands"
        if approvers
        else "this pull request {verb} {path}, which judges it, and policy names nobody to approve that",
        remedy=f"Ask {named} for an approval: it runs the check again. An earlier commit's approval does not count."
        if approvers
        else "Name approvers in [gate] of the policy.",
        params=params,
        severity=None if approvers else Severity.NOTE,
        evidence=policy.evidence("gate.approvers") or (Evidence(kind="policy", text=nowhere),),
    )


def _shown(policy: Policy) -> dict[str, Text]:
    """Who may approve, each by itself: some may be known to the private overlay alone."""
    return {
        f"approver{index}": policy.said_by(f"gate.approvers.{index}", approver)
        for index, approver in enumerate(policy.tables.gate.approvers)
    }


def _unknown_approver(index: int, answer: Unknown, policy: Policy) -> NotChecked:
    approver, name = policy.tables.gate.approvers[index], f"approver{index}"
    problem, shown = _unknown(approver, answer), _shown(policy)[name]
    if isinstance(shown, Public):
        return problem
    told = any(part.lower() in answer.detail.lower() for part in approver.removeprefix("@").split("/"))
    params = {name: shown, "detail": Private(answer.detail) if told else policy.text(answer.detail)}
    return msgspec.structs.replace(problem, subject=f"{{{name}}}", detail="{detail}", params=params)


def _unknown(what: str, answer: Unknown) -> NotChecked:
    return NotChecked(
        reason=answer.reason,
        subject=what,
        detail=answer.detail,
        remedy="Give the Action a token that may read it (a team's members: an App with the organisation permission "
        "`members: read`), or name users in gate.approvers.",
    )


RULE = Rule(
    id="gate-change",
    summary="A pull request that changes Ringfence's workflow, policy, waivers or baseline without the approval that policy names.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
