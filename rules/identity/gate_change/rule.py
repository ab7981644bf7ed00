"""A pull request that changes what judges it, without the approval that policy names."""

from __future__ import annotations

import re
import tomllib

from bot.baseline import BASELINE_FILE, Baseline, grown
from bot.baseline import read as read_baseline
from bot.errors import ReadError
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.policy import Policy
from bot.readers.files.workflow import Workflow, read_workflow
from bot.repo import Repo
from bot.rule import Approval, AskApproval, AskChanged, Changed, ChangedFile, Known, Rule, RuleSide, Unknown
from bot.text import Public, Text

__all__ = ["RULE"]

_POLICY_FILE = "ringfence.toml"
# A larger file is no workflow that GitHub runs, and no policy that is read: it is compared as it is.
_SIZE_MAX = 1024 * 1024
_WORKFLOWS = (
    ".github/workflows/*.yml",
    ".github/workflows/*.yaml",
    ".github/actions/**/action.yml",
    ".github/actions/**/action.yaml",
)
_USES = re.compile(r"/ringfence(?:[/@:.-]|$)", re.IGNORECASE)
_RUNS = re.compile(r"(?<![\w-])ringfence(?![\w-]|\.toml)", re.IGNORECASE)


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Every file of the gate that a pull request changes is cleared by an approver, or it is a finding."""
    # The organisation's policy may lie in the repository, too; the Action was told where.
    others = {place.path.removeprefix("./") for place in policy.places.values() if place.path != _POLICY_FILE}
    changed = known(AskChanged(paths=(_POLICY_FILE, BASELINE_FILE), patterns=(*sorted(others), *_WORKFLOWS)))
    if not isinstance(changed, Changed):
        problem = [_unknown("what the pull request changes", changed)] if isinstance(changed, Unknown) else []
        return Verdict(not_checked=problem)
    if changed.files is None:
        return Verdict(not_run="no pull request is judged")
    own = next((file for file in changed.files if file.path == _in(changed, _POLICY_FILE)), None)
    decides = policy.places.get("open.packages")
    if own is not None and own.before is None and decides is not None and decides.path == _POLICY_FILE:
        return Verdict(not_run="this change brings the first policy")

    policies = {_in(changed, _POLICY_FILE), *others}
    moved = [file for file in changed.files if _moves(file, policies, _in(changed, BASELINE_FILE))]
    verdict = Verdict(counts={"changed files looked at": len(changed.files), "of the gate": len(moved)})
    if not moved:
        return verdict
    approvers = policy.tables.gate.approvers
    answers = {approver: known(AskApproval(approver)) for approver in approvers}
    if any(isinstance(answer, Approval) and answer.by for answer in answers.values()):
        verdict.counts["cleared"] = len(moved)
        return verdict
    unknown = [(approver, answer) for approver, answer in answers.items() if isinstance(answer, Unknown)]
    if unknown:
        verdict.not_checked = [_unknown(approver, answer) for approver, answer in unknown]
    elif all(isinstance(answer, Approval) for answer in answers.values()):
        verdict.hits = [_hit(file, changed, policy) for file in moved]
    return verdict


def _in(changed: Changed, path: str) -> str:
    return f"{changed.folder}/{path}" if changed.folder else path


def _moves(file: ChangedFile, policies: set[str], baseline: str) -> bool:
    """Whether a changed file moves the gate: comments and the order of keys do not, and a baseline may shrink."""
    if file.path == baseline:
        return _baseline_grows(file)
    if file.path in policies:
        return _tables(file.before) != _tables(file.after)
    before, after = _workflow(file.before), _workflow(file.after)
    return (_runs_ringfence(before) or _runs_ringfence(after)) and _document(before) != _document(after)


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


def _workflow(data: bytes | None) -> Workflow | bytes | None:
    if data is None or len(data) > _SIZE_MAX:
        return data
    try:
        return read_workflow(data)
    except ReadError:
        return data


def _document(workflow: Workflow | bytes | None) -> object:
    return workflow.document if isinstance(workflow, Workflow) else workflow


def _runs_ringfence(workflow: Workflow | bytes | None) -> bool:
    if isinstance(workflow, bytes):  # no YAML of ours: a mention is enough
        return b"ringfence" in workflow.lower()
    return workflow is not None and (
        any(_USES.search(name) for name in workflow.uses) or any(_RUNS.search(script) for script in workflow.runs)
    )


def _hit(file: ChangedFile, changed: Changed, policy: Policy) -> Hit:
    approvers = policy.tables.gate.approvers
    prefix = f"{changed.folder}/" if changed.folder else ""
    inside = file.path.startswith(prefix)
    params: dict[str, Text] = {
        "path": policy.text(file.path),
        "approvers": policy.text(" or ".join(approvers)),
        "verb": Public("removes" if file.after is None else "adds" if file.before is None else "changes"),
    }
    return Hit(
        place=Place(file.path.removeprefix(prefix) if inside else _POLICY_FILE),
        subject=file.path,
        message="this pull request {verb} {path}, which judges it, and nobody whom policy names has approved it as it stands"
        if approvers
        else "this pull request {verb} {path}, which judges it, and policy names nobody to approve that",
        remedy="Ask {approvers} for an approval: it runs the check again. An earlier commit's approval does not count."
        if approvers
        else "Name approvers in [gate] of the policy.",
        params=params,
        severity=None if approvers else Severity.NOTE,
        evidence=policy.evidence("gate.approvers")
        or (Evidence(kind="policy", text="the policy sets no gate.approvers"),),
    )


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
