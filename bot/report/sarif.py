"""SARIF 2.1.0 (OASIS, 2020), in the shape that GitHub's code scanning takes.

What code scanning asks beyond the schema: every result has a message, a region with all four numbers and a relative
URI; every rule has a short and a full description of at most 1,024 characters and a help text; at most 25,000
results of a run are accepted and 5,000 shown, so the worst come first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from bot.model import Finding, LocatedEdit, Location, NotChecked, Report, Severity, next_step
from bot.pages import page, plain, sections
from bot.report.json_report import render_value
from bot.report.words import alike, decides, plural, worst_first
from bot.rule import Described, RuleSide

__all__ = ["render", "sarif", "uri"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"

MAX_RESULTS = 25_000
MAX_RELATED = 100
MAX_SNIPPET = 1_000
MAX_DESCRIPTION = 1_024
MAX_HELP = 10_000

_BASE = "%SRCROOT%"
_PROBLEM = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}

Node = dict[str, Any]


def render(report: Report, rules: Sequence[Described], *, waived: bool = True, folder: str = "") -> str:
    """The report as SARIF text. ``rules`` are all rules of the program, for their pages.

    Waived findings are suppressed results. Code scanning does not read suppressions and shows such results as
    open alerts: ``waived=False`` leaves them out. ``folder`` is where the judged root stands in its repository.
    """
    log = sarif(report, rules, waived=waived)
    if folder:
        _move(log, uri(folder) + "/")
    return render_value(log)


def _move(node: object, below: str) -> None:
    """Put every artifact below a folder."""
    if isinstance(node, dict):
        if node.get("uriBaseId") == _BASE:
            node["uri"] = below + node["uri"]
        for value in node.values():
            _move(value, below)
    elif isinstance(node, list):
        for value in node:
            _move(value, below)


def sarif(report: Report, rules: Sequence[Described], *, waived: bool = True) -> Node:
    """The report as a SARIF log, in plain dicts and lists."""
    described = {rule.id: _rule(rule) for rule in rules}
    named = [f.rule for f in report.findings] + [p.rule for p in (*report.not_checked, *report.allowed) if p.rule]
    for name in sorted(set(named) - set(described)):
        described[name] = _unknown_rule(name)
    index = {name: number for number, name in enumerate(described)}
    shown = worst_first(f for f in report.findings if waived or not f.waived)
    notifications = [_notification(kind, "error", index) for kind in alike(report.not_checked)]
    notifications += [_notification(kind, "note", index) for kind in alike(report.allowed)]
    if len(shown) > MAX_RESULTS:
        left_out = len(shown) - MAX_RESULTS
        notifications.append(
            {
                "level": "error",
                "message": {"text": f"{plural(left_out, 'result')} left out: code scanning takes {MAX_RESULTS:,}."},
                "descriptor": {"id": "too-many-results"},
            }
        )
        shown = shown[:MAX_RESULTS]
    driver: Node = {
        "name": "Ringfence",
        "version": report.version,
        "shortDescription": {"text": "Keeps an open-core boundary hard."},
        "rules": list(described.values()),
        "notifications": [_reason(name) for name in sorted({n["descriptor"]["id"] for n in notifications})],
    }
    if re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", report.version):
        driver["semanticVersion"] = report.version
    run: Node = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"ringfence/{report.revision}"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"description": {"text": "The root of what was judged."}}},
        "invocations": [
            {
                "executionSuccessful": not report.not_checked,
                "toolExecutionNotifications": notifications,
            }
        ],
        "results": [_result(finding, report, index) for finding in shown],
        "properties": {
            "repository": report.repository,
            "revision": report.revision,
            "verdict": report.verdict,
            "mode": report.mode,
            "notRun": {item.rule: item.reason for item in report.not_run},
            "judged": {count.rule: count.judged for count in report.counts},
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


# -- rules ---------------------------------------------------------------------------------------


def _rule(rule: Described) -> Node:
    text = page(rule)
    parts = sections(text)
    family = rule.judge.__module__.split(".")[-3:-2]
    return {
        "id": rule.id,
        # A name that is the id again is none.
        **({"name": _pascal(rule.id)} if "-" in rule.id else {}),
        "shortDescription": {"text": _cut(rule.summary, MAX_DESCRIPTION)},
        "fullDescription": {"text": _cut(_flat(parts.get("What it flags", "")) or rule.summary, MAX_DESCRIPTION)},
        "help": {"text": _cut(plain(text), MAX_HELP), "markdown": _cut(text, MAX_HELP)},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {
            "tags": list(dict.fromkeys(["open-core", *family, *_sides(rule.side)])),
            "precision": "very-high" if rule.severity is Severity.ERROR else "high",
            "problem.severity": _PROBLEM[rule.severity],
        },
    }


def _unknown_rule(name: str) -> Node:
    return {
        "id": name,
        "shortDescription": {"text": name},
        "fullDescription": {"text": name},
        "help": {"text": name},
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["open-core"], "precision": "high", "problem.severity": "warning"},
    }


def _reason(name: str) -> Node:
    text = f"Something could not be checked: {name}."
    return {
        "id": name,
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": f"{text} It fails the run unless the policy's not_checked.allow names the reason."},
    }


def _sides(side: RuleSide) -> list[str]:
    both = (RuleSide.OPEN, RuleSide.PRIVATE)
    return [s.value for s in both] if side is RuleSide.BOTH else [side.value]


def _pascal(rule_id: str) -> str:
    return "".join(part.capitalize() for part in rule_id.split("-"))


def _flat(markdown: str) -> str:
    return " ".join(plain(markdown, width=10_000).split())


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"


# -- results -------------------------------------------------------------------------------------


def _result(finding: Finding, report: Report, index: dict[str, int]) -> Node:
    result: Node = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": finding.severity.value,
        "kind": "fail",
        "message": {"text": _message("\n\n".join(filter(None, (finding.message, finding.remedy)))) or finding.rule},
        "locations": [{"physicalLocation": _physical(finding.location, finding.source)}],
        "partialFingerprints": {"ringfence/v1": finding.fingerprint},
        "properties": {
            key: value
            for key, value in (
                ("package", finding.package),
                ("subject", finding.subject),
                ("remedy", finding.remedy),
                ("next", finding.next or next_step(finding)),
                ("decides", decides(finding)),
            )
            if value != ""
        },
    }
    if report.base:
        result["baselineState"] = "new" if finding.introduced else "unchanged"
    related = [(r.text, r.location) for r in finding.related]
    related += [(f"{e.kind}: {e.text}", e.location) for e in finding.evidence if e.location is not None]
    if related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _physical(location), "message": {"text": _message(text) or "related"}}
            for number, (text, location) in enumerate(related[:MAX_RELATED], 1)
        ]
    if finding.waived:
        # The waiver stands in the policy file, not beside the code.
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding.waived}]
    if finding.edits and (fix := _fix(finding)):
        result["fixes"] = [fix]
    return result


def _fix(finding: Finding) -> Node | None:
    if any(not edit.location.line for edit in finding.edits):
        return None  # edits go together or not at all
    changes: dict[str, list[LocatedEdit]] = {}
    for edit in finding.edits:
        changes.setdefault(edit.path, []).append(edit)
    safe = all(edit.safe for edit in finding.edits)
    return {
        "description": {"text": "A safe fix." if safe else "A fix to be looked at first."},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(path),
                "replacements": [
                    {"deletedRegion": _region(edit.location), "insertedContent": {"text": edit.new}} for edit in edits
                ],
            }
            for path, edits in changes.items()
        ],
    }


def _physical(location: Location, source: str = "") -> Node:
    region = _region(location)
    physical: Node = {"artifactLocation": _artifact(location.path), "region": region}
    if source and location.line and region["endLine"] == region["startLine"]:
        marked = source[region["startColumn"] - 1 : region["endColumn"] - 1]
        if 0 < len(marked) <= MAX_SNIPPET:
            region["snippet"] = {"text": marked}
        if len(source) <= MAX_SNIPPET and marked:
            physical["contextRegion"] = {
                "startLine": location.line,
                "startColumn": 1,
                "endLine": location.line,
                "endColumn": len(source) + 1,
                "snippet": {"text": source},
            }
    return physical


def _region(location: Location) -> Node:
    """All four numbers, as code scanning wants them; the file as a whole is its first line."""
    line, column = max(location.line, 1), max(location.column, 1)
    end_line = max(location.end_line, line)
    end_column = max(location.end_column, 1 if end_line > line else column)
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _artifact(path: str) -> Node:
    return {"uri": uri(path), "uriBaseId": _BASE}


def uri(path: str) -> str:
    """A repository path as a relative URI reference: every byte that is no plain character percent-encoded."""
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = path.encode("utf-8", "backslashreplace")
    return quote(data, safe="/") or "."


def _message(text: str) -> str:
    # `[text](target)` in a message is a link: what comes from a repository must make none.
    return text.replace("](", "\\](")


def _notification(kind: Sequence[NotChecked], level: str, index: dict[str, int]) -> Node:
    problem = kind[0]
    text = ": ".join(filter(None, (problem.subject, problem.detail))) or problem.reason
    more = f"{len(kind) - 1:,} more {'is' if len(kind) == 2 else 'are'} alike." if len(kind) > 1 else ""
    notification: Node = {
        "level": level,
        "message": {"text": _message(" ".join(filter(None, (text, more, problem.remedy))))},
        "descriptor": {"id": problem.reason or "not-checked"},
    }
    if problem.rule:
        notification["associatedRule"] = {"id": problem.rule, "index": index[problem.rule]}
    places = dict.fromkeys((p.path, max(p.line, 1)) for p in kind if p.path)
    if places:
        notification["locations"] = [
            {"physicalLocation": _physical(Location(path=path, line=line, column=1))}
            for path, line in list(places)[:MAX_RELATED]
        ]
    return notification
