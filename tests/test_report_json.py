"""JSON: the model exactly, valid by its own schema, decodable, the same twice, and with a next step."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Finding, LocatedEdit, Location, NotChecked, Report, Severity, Summary, next_step
from bot.report.json_report import render
from bot.text import Private

text = st.text(st.characters(exclude_categories=()), max_size=20)
reports = st.builds(
    Report,
    version=st.just("0.1.0"),
    repository=text,
    revision=text,
    mode=st.just("enforce"),
    verdict=st.sampled_from(["pass", "fail", "incomplete"]),
    findings=st.lists(
        st.builds(
            Finding,
            rule=text,
            severity=st.sampled_from(Severity),
            location=st.builds(Location, path=text, line=st.integers(0, 9)),
            message=text,
            remedy=text,
            fingerprint=text,
            source=text,
            waived=text,
        ),
        max_size=3,
    ).map(tuple),
    not_checked=st.lists(st.builds(NotChecked, reason=text, subject=text, detail=text), max_size=2).map(tuple),
    summary=st.just(Summary()),
)
schema = jsonschema_rs.validator_for(msgspec.json.schema(Report))


def finding(**changes: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "floating-pin",
        "severity": Severity.ERROR,
        "location": Location(path="package.json", line=3, column=12),
        "message": "wrong",
        "remedy": "Write 1.2.3.",
        "fingerprint": "0123456789abcdef",
    }
    return Finding(**(known | changes))


def edit(safe: bool) -> LocatedEdit:
    return LocatedEdit(path="a", start=0, end=1, old="a", new="b", safe=safe, location=Location(path="a"))


@settings(deadline=None)
@given(reports)
def test_any_report_is_valid_and_comes_back(made: Report) -> None:
    said = render(made)
    assert said == render(made)
    value = json.loads(said.encode())
    assert schema.is_valid(value), [error.message for error in schema.iter_errors(value)]
    back = msgspec.json.decode(said, type=Report)
    assert len(back.findings) == len(made.findings)
    try:
        made.repository.encode()
    except UnicodeEncodeError:
        assert "\\ud" in back.repository
    else:
        assert back.repository == made.repository


def test_it_is_the_report_and_nothing_else() -> None:
    one = finding(source="  x", next="do this")
    made = Report(
        version="1", repository="a/b", revision="", mode="enforce", verdict="fail", findings=(one,), summary=Summary()
    )
    assert msgspec.json.decode(render(made), type=Report) == made
    assert render(made).startswith('{\n  "schema": 1,\n  "version": "1",\n')
    assert render(made).endswith("}\n")


def test_the_next_step_can_be_followed() -> None:
    assert next_step(finding(edits=(edit(True), edit(True)))) == "ringfence fix --only 0123456789abcdef"
    assert next_step(finding(edits=(edit(True), edit(False)))) == "ringfence explain 0123456789abcdef"
    assert next_step(finding()) == "Write 1.2.3."
    assert next_step(finding(remedy="")) == "ringfence explain 0123456789abcdef"
    assert "waived" in next_step(finding(waived="until 2.1", edits=(edit(True),)))
    made = Report(
        version="1",
        repository="a/b",
        revision="",
        mode="enforce",
        verdict="fail",
        findings=(finding(),),
        summary=Summary(),
    )
    assert json.loads(render(made))["findings"][0]["next"] == "Write 1.2.3."


def test_parameters_of_what_was_not_checked_stay_inside() -> None:
    problem = NotChecked(reason="x", subject="s", detail="d", params={"name": Private("secret-product")})
    made = Report(
        version="1",
        repository="a/b",
        revision="",
        mode="enforce",
        verdict="incomplete",
        not_checked=(problem,),
        allowed=(problem,),
        summary=Summary(),
    )
    assert "secret-product" not in render(made)
