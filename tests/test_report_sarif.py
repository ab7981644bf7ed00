"""SARIF: valid by the published schema for any report, and in the shape that code scanning asks beyond it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.model import (
    Count,
    Evidence,
    Finding,
    Hit,
    LocatedEdit,
    Location,
    NotChecked,
    NotRun,
    Place,
    Related,
    RenderedEvidence,
    Report,
    Severity,
    Summary,
    Verdict,
)
from bot.policy import Policy
from bot.repo import Repo
from bot.report import sarif as face
from bot.rule import Known, Rule, RuleSide

SCHEMA = Path(__file__).parent / "oracle/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"

HOSTILE = [
    "::error::x",
    "[click](javascript:alert(1))",
    "](1)",
    "\x1b]0;t\x07",
    "a\r\nb",
    "{0} {x}",
    "%SRCROOT%/../..",
    "\ud800",
    "\udc80bad",
    "\u202e",
    "https://evil.example.test/a b",
    "a:b",
    "//host/x",
    "漢字",
    "",
]
text = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()), max_size=30))
number = st.integers(0, 2**31)
locations = st.builds(Location, path=text, line=number, column=number, end_line=number, end_column=number)
edits = st.builds(
    LocatedEdit, path=text, start=number, end=number, old=text, new=text, safe=st.booleans(), location=locations
)
fingerprints = st.text("0123456789abcdef", min_size=16, max_size=16)
findings = st.builds(
    Finding,
    rule=st.sampled_from(["floating-pin", "deep-import", "not-a-rule"]),
    severity=st.sampled_from(Severity),
    location=locations,
    message=text,
    remedy=text,
    fingerprint=fingerprints,
    package=text,
    subject=text,
    introduced=st.booleans(),
    source=text,
    related=st.lists(st.builds(Related, text=text, location=locations), max_size=2).map(tuple),
    evidence=st.lists(
        st.builds(
            RenderedEvidence, kind=st.sampled_from(["lock", "policy"]), text=text, location=st.none() | locations
        ),
        max_size=2,
    ).map(tuple),
    edits=st.lists(edits, max_size=2).map(tuple),
    waived=text,
)
problems = st.builds(NotChecked, reason=text, subject=text, detail=text, remedy=text, rule=text, path=text, line=number)
reports = st.builds(
    Report,
    version=st.sampled_from(["0.1.0", "0", "1.0.0-rc.1"]),
    repository=text,
    revision=text,
    base=text,
    mode=st.sampled_from(["enforce", "observe"]),
    verdict=st.sampled_from(["pass", "fail", "incomplete"]),
    findings=st.lists(findings, max_size=4).map(tuple),
    not_checked=st.lists(problems, max_size=2).map(tuple),
    allowed=st.lists(problems, max_size=2).map(tuple),
    not_run=st.lists(st.builds(NotRun, rule=text, reason=text), max_size=1).map(tuple),
    counts=st.lists(st.builds(Count, rule=text, judged=st.dictionaries(text, number, max_size=2)), max_size=1).map(
        tuple
    ),
    summary=st.just(Summary()),
)


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Nothing."""
    return Verdict(
        hits=[Hit(place=Place("x"), subject="", message="", remedy="", evidence=(Evidence(kind="lock", text=""),))]
    )


RULES = tuple(
    Rule(id=name, summary="A summary.", side=RuleSide.BOTH, severity=severity, judge=judge)
    for name, severity in (("floating-pin", Severity.ERROR), ("deep-import", Severity.NOTE))
)


@pytest.fixture(scope="module")
def valid() -> Any:
    assert SCHEMA.is_file(), "npm ci in tests/oracle brings the SARIF schema"
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    # A stray bracket makes this pattern no regular expression; the property is one that we do not write.
    for name in ("run", "toolComponent"):
        del schema["definitions"][name]["properties"]["language"]["pattern"]
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def report(*found: Finding, **changes: Any) -> Report:
    known: dict[str, Any] = {
        "version": "0.1.0",
        "repository": "acme/shop",
        "revision": "abc",
        "mode": "enforce",
        "verdict": "fail",
        "findings": found,
        "summary": Summary(),
    }
    return Report(**(known | changes))


def finding(**changes: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "floating-pin",
        "severity": Severity.ERROR,
        "location": Location(path="package.json", line=3, column=12, end_line=3, end_column=20),
        "message": "wrong",
        "remedy": "mend it",
        "fingerprint": "0123456789abcdef",
    }
    return Finding(**(known | changes))


def github_accepts(log: dict[str, Any]) -> None:
    """What code scanning's documentation marks as required, and its limits."""
    assert log["version"] == "2.1.0"
    assert log["$schema"]
    assert len(log["runs"]) <= 20
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"]
        assert len(run["results"]) <= 25_000
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)
        for rule in driver["rules"]:
            assert rule["id"]
            assert 0 < len(rule["shortDescription"]["text"]) <= 1024
            assert 0 < len(rule["fullDescription"]["text"]) <= 1024
            assert rule["help"]["text"]
            assert len(rule.get("name", "")) <= 255
            assert len(rule["properties"]["tags"]) <= 10
            assert rule["properties"]["precision"] in ("very-high", "high", "medium", "low")
            assert rule["properties"]["problem.severity"] in ("error", "warning", "recommendation")
        for result in run["results"]:
            assert result["message"]["text"]
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["partialFingerprints"]
            # The action that uploads computes this one from the source, unless it is there.
            assert "primaryLocationLineHash" not in result["partialFingerprints"]
            assert len(result["locations"]) == 1
            assert len(result.get("relatedLocations", [])) <= 100
            for place in [*result["locations"], *result.get("relatedLocations", [])]:
                physical = place["physicalLocation"]
                link = physical["artifactLocation"]["uri"]
                assert link
                assert ":" not in link, "a scheme: the URI would be absolute"
                region = physical["region"]
                begin = (region["startLine"], region["startColumn"])
                assert (1, 1) <= begin <= (region["endLine"], region["endColumn"])
                assert region["endColumn"] >= 1
            assert "](" not in result["message"]["text"].replace("\\](", "")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(reports)
def test_any_report_is_valid_and_acceptable(valid: Any, made: Report) -> None:
    log = json.loads(face.render(made, RULES).encode())
    errors = [f"{error.instance_path}: {error.message}" for error in valid.iter_errors(log)]
    assert not errors
    github_accepts(log)


def test_region_snippet_and_fingerprint() -> None:
    one = finding(
        source='  "core": "^1.2.3",',
        location=Location(path="a b/ü#?.json", line=3, column=11, end_line=3, end_column=19),
    )
    result = face.sarif(report(one), RULES)["runs"][0]["results"][0]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["region"] == {
        "startLine": 3,
        "startColumn": 11,
        "endLine": 3,
        "endColumn": 19,
        "snippet": {"text": '"^1.2.3"'},
    }
    assert physical["artifactLocation"] == {"uri": "a%20b/%C3%BC%23%3F.json", "uriBaseId": "%SRCROOT%"}
    assert result["partialFingerprints"] == {"ringfence/v1": "0123456789abcdef"}
    assert "baselineState" not in result
    assert "suppressions" not in result


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_uri_gives_the_bytes_back(path: str) -> None:
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return
    assert unquote_to_bytes(face.uri(path)) == data


def test_baseline_waivers_and_file_level() -> None:
    old = finding(introduced=False, rule="deep-import", severity=Severity.NOTE)
    waived = finding(waived="until 2.1", location=Location(path="x"))
    log = face.sarif(report(old, waived, finding(), base="main"), RULES)
    results = log["runs"][0]["results"]
    assert [r.get("baselineState") for r in results] == ["new", "new", "unchanged"]
    assert "suppressions" not in results[0]
    assert results[1]["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "until 2.1"}]
    region = results[1]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1}
    assert len(face.sarif(report(old, waived), RULES, waived=False)["runs"][0]["results"]) == 1


def test_what_was_not_checked_is_said() -> None:
    problem = NotChecked(
        reason="malformed", subject="a.json", detail="not JSON", path="a.json", line=4, rule="deep-import"
    )
    log = face.sarif(report(not_checked=(problem,), allowed=(problem,), verdict="incomplete"), RULES)
    invocation = log["runs"][0]["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert [n["level"] for n in invocation["toolExecutionNotifications"]] == ["error", "note"]
    first = invocation["toolExecutionNotifications"][0]
    assert first["associatedRule"] == {"id": "deep-import", "index": 1}
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] == 4
    assert face.sarif(report(), RULES)["runs"][0]["invocations"][0]["executionSuccessful"] is True
    alike = tuple(msgspec.structs.replace(problem, path=f"{number}.json") for number in range(150))
    log = face.sarif(report(not_checked=alike, verdict="incomplete"), RULES)
    [only] = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert only["message"]["text"] == "a.json: not JSON 149 more are alike."
    places = [place["physicalLocation"]["artifactLocation"]["uri"] for place in only["locations"]]
    assert places == [f"{number}.json" for number in range(100)]


def test_too_many_results_keep_the_errors(valid: Any) -> None:
    notes = [finding(severity=Severity.NOTE, rule="deep-import", message=str(i)) for i in range(25_000)]
    log = face.sarif(report(*notes, finding(location=Location(path="zzz"))), RULES)
    run = log["runs"][0]
    assert len(run["results"]) == 25_000
    assert run["results"][0]["level"] == "error"
    assert "1 result left out" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert valid.is_valid(log)


def test_fixes_go_together_or_not_at_all() -> None:
    def edit(**changes: Any) -> LocatedEdit:
        place = Location(path="package.json", line=3, column=11, end_line=3, end_column=19)
        known: dict[str, Any] = {
            "path": "package.json",
            "start": 1,
            "end": 9,
            "old": "a",
            "new": "b",
            "safe": True,
            "location": place,
        }
        return LocatedEdit(**(known | changes))

    both = finding(edits=(edit(), edit(path="other.json", location=Location(path="other.json", line=1, column=1))))
    fixes = face.sarif(report(both), RULES)["runs"][0]["results"][0]["fixes"]
    assert [c["artifactLocation"]["uri"] for c in fixes[0]["artifactChanges"]] == ["package.json", "other.json"]
    lost = finding(edits=(edit(), edit(location=Location(path="other.json"))))
    assert "fixes" not in face.sarif(report(lost), RULES)["runs"][0]["results"][0]


def test_every_real_rule_is_described(valid: Any) -> None:
    from bot.rules import ALL

    log = face.sarif(report(), ALL)
    assert valid.is_valid(log)
    github_accepts(log)
    for rule in log["runs"][0]["tool"]["driver"]["rules"]:
        assert not rule["help"]["markdown"].endswith("…"), f"{rule['id']}: its page is longer than is shown"
