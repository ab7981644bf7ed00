"""Annotations: escaped as GitHub's own toolkit does, and no line of a log that a repository could have written."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Finding, Location, NotChecked, Related, Report, Severity, Summary
from bot.report import github
from bot.report.terminal import render as render_terminal
from bot.report.words import guarded

ORACLE = Path(__file__).parent / "oracle"

HOSTILE = [
    "::error::x",
    "  ::stop-commands::x",
    "\t::add-mask::e",
    "##[add-mask]x",
    "a ##[group]b",
    "a\n::error::x",
    "\r\n::set-output name=x::y",
    "\x0b::error::x",
    "\u2028::error::x",
    "\u00a0::error::x",
    "\ufeff::error::x",
    "\x1b[1m::error::x",
    "##vso[task.setvariable]x",
    "%0A::error::x",
    "100%",
    "a,b:c",
    "::",
    "",
]
text = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()), max_size=12))
locations = st.builds(
    Location,
    path=text,
    line=st.integers(0, 50),
    column=st.integers(0, 9),
    end_line=st.integers(0, 50),
    end_column=st.integers(0, 9),
)
findings = st.builds(
    Finding,
    rule=text,
    severity=st.sampled_from(Severity),
    location=locations,
    message=text,
    remedy=text,
    fingerprint=st.just("0123456789abcdef"),
    source=text,
    related=st.lists(st.builds(Related, text=text, location=locations), max_size=1).map(tuple),
    waived=text,
    introduced=st.booleans(),
)
problems = st.builds(NotChecked, reason=text, subject=text, detail=text, remedy=text, rule=text, path=text)
reports = st.builds(
    Report,
    version=st.just("1"),
    repository=text,
    revision=text,
    base=text,
    mode=st.sampled_from(["enforce", "observe"]),
    verdict=st.just("fail"),
    assumed=st.lists(text, max_size=1).map(tuple),
    findings=st.lists(findings, max_size=14).map(tuple),
    not_checked=st.lists(problems, max_size=7).map(tuple),
    allowed=st.lists(problems, max_size=1).map(tuple),
    summary=st.just(Summary(before=1, waived=2)),
)


def runner(line: str) -> tuple[str, dict[str, str], str] | None:
    """A log line as actions/runner reads it: ``(command, properties, data)``, or None when it is only a line.

    Written from the behaviour of `ActionCommand`: white space is trimmed, ``::`` begins a command, the next ``::``
    ends its head; ``##[`` anywhere begins one of the old syntax.
    """
    trimmed = line.lstrip()
    if trimmed.startswith("::") and (end := trimmed.find("::", 2)) >= 0:
        name, _, said = trimmed[2:end].partition(" ")
        properties = {}
        for pair in filter(None, said.split(",")):
            key, _, value = pair.partition("=")
            for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
                value = value.replace(code, char)
            properties[key.strip()] = value
        data = trimmed[end + 2 :]
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            data = data.replace(code, char)
        return name, properties, data
    if "##[" in line:
        return "##[", {}, line
    return None


def report(*found: Finding, **changes: Any) -> Report:
    known: dict[str, Any] = {
        "version": "1",
        "repository": "a/b",
        "revision": "",
        "mode": "enforce",
        "verdict": "fail",
        "findings": found,
        "summary": Summary(errors=len(found)),
    }
    return Report(**(known | changes))


def finding(number: int = 0, **changes: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "floating-pin",
        "severity": Severity.ERROR,
        "location": Location(path="package.json", line=number, column=12, end_line=number, end_column=20),
        "message": "wrong",
        "remedy": "mend it",
        "fingerprint": "0123456789abcdef",
    }
    return Finding(**(known | changes))


def commands(said: str) -> list[tuple[str, dict[str, str], str]]:
    return [found for line in said.splitlines() if (found := runner(line)) is not None]


@settings(deadline=None, max_examples=100)
@given(reports)
def test_no_line_is_a_command_but_ours(made: Report) -> None:
    said = github.render(made, everything=True)
    # Only line feeds part lines, whatever else a reader may take for a break.
    assert said.splitlines() == said.split("\n")[:-1]
    allowed = {"error", "warning", "notice", "group", "endgroup"}
    found = commands(said)
    assert {name for name, _, _ in found} <= allowed
    for level in ("error", "warning", "notice"):
        assert sum(name == level for name, _, _ in found) <= 10
    names = [name for name, _, _ in found if name in ("group", "endgroup")]
    assert names in ([], ["group", "endgroup"])
    for name, properties, _ in found:
        if name in ("error", "warning", "notice"):
            assert set(properties) <= {"file", "line", "endLine", "col", "endColumn", "title"}


@settings(deadline=None, max_examples=100)
@given(reports, st.booleans(), st.booleans())
def test_no_line_of_the_terminal_face_is_a_command(made: Report, colour: bool, verbose: bool) -> None:
    said = render_terminal(made, colour=colour, verbose=verbose, everything=True, width=80)
    without = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert commands(said) == []
    assert commands(without) == [], "a log viewer may drop colours first"
    assert all(char.isprintable() or char == "\n" for char in without)


@given(text)
def test_guarded_changes_nothing_else(said: str) -> None:
    if all(runner(line) is None for line in said.splitlines()) and "##" not in said and "::" not in said:
        assert guarded(said) == said


def test_escaping_is_that_of_the_toolkit() -> None:
    cases = [
        ("error", {"file": "a, b:c%.json", "line": "3", "title": "x"}, "100% sure\nsecond: line, %0A"),
        ("notice", {"title": "ringfence"}, "::error::no"),
        ("warning", {"file": "src/漢字.ts", "col": "", "title": "t"}, ""),
        ("error", {}, "bare"),
    ]
    script = """
      const {issueCommand} = require('@actions/core/lib/command');
      for (const [n, p, m] of JSON.parse(process.argv[1])) issueCommand(n, p, m);
    """
    node = subprocess.run(["node", "-e", script, json.dumps(cases)], cwd=ORACLE, capture_output=True, check=True)
    theirs = node.stdout.decode().splitlines()
    # With nothing but empty properties the toolkit leaves a space behind.
    assert [github.command(*case) for case in cases] == theirs


def test_the_ten_worst_of_each_level_and_a_word_about_the_rest() -> None:
    errors = [finding(i) for i in range(1, 13)]
    notes = [finding(i, severity=Severity.NOTE) for i in range(1, 12)]
    said = github.render(report(*notes, *errors))
    found = commands(said)
    assert [name for name, _, _ in found] == ["error"] * 10 + ["notice"] * 10 + ["group", "endgroup"]
    assert [p["line"] for name, p, _ in found if name == "error"] == [str(i) for i in range(1, 11)]
    name, _, data = found[19]
    assert (name, data) == ("notice", "4 more findings not shown as annotations: all 23 are in this step's log")
    assert said.count("package.json:12:12 wrong") == 1, "the log has what the annotations leave out"
    assert said.splitlines()[-1].startswith("FAIL 23 errors")


def test_an_annotation_holds_place_and_remedy() -> None:
    one = finding(
        message="50% of it", location=Location(path="a,b/c:d.json", line=2, column=3, end_line=2, end_column=9)
    )
    first = github.render(report(one), folder="apps/web/").splitlines()[0]
    assert first == (
        "::error file=apps/web/a%2Cb/c%3Ad.json,line=2,endLine=2,col=3,endColumn=9,title=ringfence floating-pin"
        "::50%25 of it%0Amend it"
    )
    spread = finding(location=Location(path="a", line=2, column=3, end_line=4, end_column=9))
    assert commands(github.render(report(spread)))[0][1] == {
        "file": "a",
        "line": "2",
        "endLine": "4",
        "title": "ringfence floating-pin",
    }
    whole = finding(location=Location(path="a"))
    assert set(commands(github.render(report(whole)))[0][1]) == {"file", "title"}


def test_what_was_not_checked_is_an_error_and_never_crowded_out() -> None:
    problem = NotChecked(reason="malformed", subject="a.json", detail="not JSON", remedy="Mend it.")
    many = [finding(i) for i in range(1, 20)]
    said = github.render(report(*many, not_checked=(problem, problem)))
    first = commands(said)[0]
    assert first[0] == "error"
    assert first[2] == "2 things could not be checked: malformed (2)\na.json: not JSON\nMend it."
    assert said.count("not checked (malformed): a.json: not JSON; 1 more alike: a.json\n") == 1
    several = [msgspec.structs.replace(problem, subject=f"{number}.json") for number in range(14)]
    said = github.render(report(not_checked=tuple(several)))
    assert said.count("not JSON;") == 1
    assert "0.json: not JSON; 13 more alike: 1.json, 2.json," in said
    assert "9.json, 10.json and 3 more" in said
    observed = github.render(report(not_checked=(problem,), mode="observe", verdict="pass"))
    assert commands(observed)[0][0] == "warning"


def test_what_does_not_decide_is_no_annotation() -> None:
    said = github.render(report(finding(1, introduced=False), finding(2, waived="until 2.1")))
    assert commands(said) == []
