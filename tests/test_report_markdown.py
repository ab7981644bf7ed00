"""The faces on a pull request: what they say, what they leave out, and what no stranger's text makes of them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Count, Finding, LocatedEdit, Location, NotChecked, NotRun, Report, Severity, Summary
from bot.report import github
from bot.report.comment import comment, marker
from bot.report.context import Context
from bot.report.markdown import summary
from tests.gfm import Seen, seen
from tests.test_report_escape import HOSTILE, without_ticks, words

BLOB = "https://git.example/acme/web/blob/0a1b"
RUN = "https://git.example/acme/web/actions/runs/7"
MANIFEST = b'{\n  "name": "web",\n  "dependencies": {\n    "@acme/core": "^1.2.0"\n  }\n}\n'


def edit(path: str = "package.json", data: bytes = MANIFEST, old: str = "^1.2.0", new: str = "1.2.3") -> LocatedEdit:
    start = data.index(old.encode())
    return LocatedEdit(
        path=path, start=start, end=start + len(old.encode()), old=old, new=new, safe=True, location=Location(path=path)
    )


def finding(number: int = 4, **changes: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "floating-pin",
        "severity": Severity.ERROR,
        "location": Location(path="package.json", line=number, column=19, end_line=number, end_column=27),
        "message": "@acme/core is declared as ^1.2.0: a range, not one version",
        "remedy": "Write 1.2.3, the version that the lock chose.",
        "fingerprint": f"{number:016x}",
    }
    return Finding(**(known | changes))


def report(*found: Finding, **changes: Any) -> Report:
    counts = {s: sum(f.severity is s and f.introduced and not f.waived for f in found) for s in Severity}
    known: dict[str, Any] = {
        "version": "1",
        "repository": "acme/web",
        "revision": "",
        "mode": "enforce",
        "verdict": "fail" if counts[Severity.ERROR] else "pass",
        "findings": found,
        "counts": (Count(rule="floating-pin", judged={"declarations": 12}),),
        "summary": Summary(
            errors=counts[Severity.ERROR],
            warnings=counts[Severity.WARNING],
            notes=counts[Severity.NOTE],
            before=sum(not f.introduced for f in found),
            waived=sum(bool(f.waived) for f in found),
        ),
    }
    return Report(**(known | changes))


# -- what strangers write ------------------------------------------------------------------------

text = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), max_size=3).map(" ".join),
    st.text(st.sampled_from("`|\\<>[]()!#@*_-~:&;a1 \n\r\t"), max_size=12),
)
locations = st.builds(Location, path=text, line=st.integers(0, 9), column=st.integers(0, 9), end_line=st.integers(0, 9))
hexes = st.text(st.sampled_from("0123456789abcdef"), min_size=16, max_size=16)
findings = st.builds(
    Finding,
    rule=text,
    severity=st.sampled_from(Severity),
    location=locations,
    message=text,
    remedy=text,
    fingerprint=hexes,
    waived=st.sampled_from(["", "", "@team"]),
    introduced=st.sampled_from([True, True, False]),
)
problems = st.builds(NotChecked, reason=text, subject=text, detail=text, remedy=text, rule=text, path=text)
reports = st.builds(
    Report,
    version=st.just("1"),
    repository=text,
    revision=text,
    base=text,
    mode=st.sampled_from(["enforce", "observe"]),
    verdict=st.sampled_from(["pass", "fail", "incomplete"]),
    assumed=st.lists(text, max_size=2).map(tuple),
    findings=st.lists(findings, max_size=8).map(tuple),
    not_checked=st.lists(problems, max_size=5).map(tuple),
    allowed=st.lists(problems, max_size=2).map(tuple),
    not_run=st.lists(st.builds(NotRun, rule=text, reason=text), max_size=2).map(tuple),
    counts=st.lists(
        st.builds(Count, rule=text, judged=st.dictionaries(text, st.integers(0, 9), max_size=2)), max_size=2
    ).map(tuple),
    summary=st.just(Summary(errors=1, before=1, waived=2)),
)
contexts = st.builds(
    Context,
    folder=st.sampled_from(["", "apps/web"]),
    blob=st.sampled_from(["", BLOB]),
    run=st.sampled_from(["", RUN]),
    mended=st.integers(0, 3),
    requested=st.lists(text, max_size=2).map(tuple),
    left_out=st.lists(text, max_size=2).map(tuple),
)


def assert_harmless(found: Seen, told: int) -> None:
    """Nothing but our own elements, and nothing for GitHub's filters to find."""
    assert found.second_look == {}
    ours = {"p", "code", "ul", "li", "strong", "details", "summary", "pre", "a"}
    ours |= {"table", "thead", "tbody", "tr", "th", "td", "h2", "h3", "h4"}
    assert set(found.names) <= ours
    for attributes in found.of("a"):
        assert set(attributes) == {"href"}
        assert str(attributes["href"]).startswith((BLOB + "/", RUN))
    for name in ("code", "ul", "p", "details"):
        assert all(attributes == {} for attributes in found.of(name))
    assert found.names.count("h2") + found.names.count("h3") <= 1
    assert found.names.count("h4") <= min(told, 5)


@settings(deadline=None, max_examples=200)
@given(reports, contexts)
def test_no_text_of_a_stranger_means_anything(made: Report, context: Context) -> None:
    told = sum(f.introduced and not f.waived for f in made.findings)
    found = seen(summary(made, context=context))
    assert_harmless(found, 0)
    assert found.comments == []
    widths = {len(row) for row in found.rows}
    assert widths <= {2, 4}
    rows = [row for row in found.rows if len(row) == 4][1:]
    # Cells too many would be dropped without a word: what the last ones say shows that there are none.
    wanted = [
        without_ticks(words(f.message) + words(f.remedy)).replace("\\|", "\\\\x7c")
        for f in made.findings
        if f.introduced and not f.waived
    ]
    assert sorted(without_ticks(row[2] + row[3]) for row in rows) == sorted(wanted)

    body = comment(made, context=context)
    assert body.startswith(marker(context.folder) + "\n")
    found = seen(body)
    assert_harmless(found, told)
    assert len(found.comments) == 1
    assert found.names.count("details") == found.names.count("summary")


@settings(deadline=None, max_examples=60)
@given(reports, contexts, st.integers(4_000, 9_000))
def test_a_limit_is_kept_and_what_is_left_out_is_counted(made: Report, context: Context, limit: int) -> None:
    many = msgspec.structs.replace(
        made, findings=made.findings * 40, not_checked=made.not_checked[:1], allowed=(), assumed=(), not_run=()
    )
    context = msgspec.structs.replace(context, requested=(), left_out=())
    told = [f for f in many.findings if f.introduced and not f.waived]
    for face, heading in ((summary, 4), (comment, None)):
        said = face(many, context=context, limit=limit)
        assert len(said.encode("utf-8", "backslashreplace")) <= limit
        found = seen(said)
        if heading:
            shown = max(sum(len(row) == heading for row in found.rows) - 1, 0)
        else:
            shown = found.names.count("h4") + said.count("<details><summary><code>")
        left = re.search(r"([\d,]+) more findings? do(?:es)? not fit here", found.text)
        assert shown + (int(left[1].replace(",", "")) if left else 0) == len(told)


# -- what they say -------------------------------------------------------------------------------


def test_the_worst_stay_when_not_all_fit() -> None:
    many = [finding(n, severity=Severity.WARNING) for n in range(100, 300)] + [finding(n) for n in range(300, 303)]
    said = comment(report(*many), limit=5_000)
    assert [line[:12] for line in said.splitlines() if line.startswith("####")][:4] == ["#### error: "] * 3 + [
        "#### warning"
    ]
    assert re.search(r"\n1\d\d more findings do not fit here \(1\d\d warnings\); `ringfence check` shows all\.\n", said)


def test_a_comment_gives_reason_remedy_and_diff() -> None:
    one = finding(edits=(edit(),))
    said = comment(report(one), context=Context(files={"package.json": MANIFEST}, blob=BLOB, run=RUN))
    found = seen(said)
    assert "`@acme/core` is declared as `^1.2.0`: a range, not one version" in said
    assert "**Mend it:** Write `1.2.3`, the version that the lock chose." in said
    assert found.blocks == [
        "--- a/package.json\n+++ b/package.json\n@@ -2,5 +2,5 @@\n"
        '   "name": "web",\n   "dependencies": {\n-    "@acme/core": "^1.2.0"\n+    "@acme/core": "1.2.3"\n   }\n }\n'
    ]
    assert {str(a["href"]) for a in found.of("a")} == {BLOB + "/package.json#L4", RUN}
    assert f"`ringfence fix --only {one.fingerprint}` mends it." in said
    assert "`ringfence fix` mends 1 of 1 finding in a checkout" in said


def test_a_diff_is_shown_only_where_the_file_still_says_so() -> None:
    one = finding(edits=(edit(),))
    assert seen(comment(report(one), context=Context(files={"package.json": MANIFEST[1:]}))).blocks == []
    assert seen(comment(report(one), context=Context())).blocks == []
    long = MANIFEST.replace(b'"web"', b'"web", "x": "' + b"x" * 500 + b'"')
    assert (
        seen(comment(report(finding(edits=(edit(data=long),))), context=Context(files={"package.json": long}))).blocks
        == []
    )


def test_the_first_five_stand_open() -> None:
    said = comment(report(*[finding(n) for n in range(1, 9)]))
    found = seen(said)
    assert found.names.count("h4") == 5
    assert found.names.count("details") == 3 + 1
    assert (
        "<details><summary><code>error</code> <code>floating-pin</code> at <code>package.json:6:19</code></summary>"
        in said
    )


def test_clean_is_collapsed_and_says_what_it_mends() -> None:
    old = finding(introduced=False)
    context = Context(
        mended=3, requested=("a waiver for deep-import is requested",), left_out=("No review: it is a fork.",)
    )
    said = comment(report(old, base="main", assumed=("a waiver for deep-import is requested",)), context=context)
    lines = said.splitlines()
    assert lines[0] == marker()
    assert (
        lines[1]
        == "<details><summary>Ringfence: pass, nothing found that decides, 3 findings mended, 1 waiver requested</summary>"
    )
    assert lines[-1] == "</details>"
    assert "This change mends 3 findings." in said
    assert "1 finding was there before and does not decide (held against main)." in said
    assert said.count("a waiver for deep-import is requested") == 1
    assert "- No review: it is a fork." in said
    assert "Next" not in said


def test_what_is_not_checked_is_never_collapsed_away() -> None:
    problems = tuple(
        NotChecked(reason="malformed", subject=f"{n}.json", detail="not JSON", remedy="Mend it.") for n in range(5)
    )
    made = report(not_checked=problems, verdict="incomplete")
    for said in (comment(made), summary(made)):
        assert re.search(r"^#+ Ringfence: incomplete, nothing found, 5 not checked$", said, re.MULTILINE)
        assert "- malformed: `0.json`, `1.json`, `2.json` and 2 more: not JSON. Mend it." in said
    # In observe mode it passes, and still shows.
    assert "<details><summary>Ringfence" not in comment(report(not_checked=problems, mode="observe"))


def test_the_summary_is_a_table_of_what_decides_worst_first() -> None:
    made = report(
        finding(9, severity=Severity.NOTE),
        finding(8, severity=Severity.WARNING),
        finding(7),
        finding(6, introduced=False),
        finding(5, waived="later"),
        not_run=(NotRun(rule="fleet", reason="only in an audit"),),
        allowed=(NotChecked(reason="no-overlay", subject="names", detail="a fork"),),
    )
    said = summary(made, context=Context(folder="apps/web", blob=BLOB))
    found = seen(said)
    rows = [row for row in found.rows if len(row) == 4]
    assert [row[:2] for row in rows] == [
        ["Where", "Rule"],
        ["package.json:7:19", "error floating-pin"],
        ["package.json:8:19", "warning floating-pin"],
        ["package.json:9:19", "note floating-pin"],
    ]
    assert str(found.of("a")[0]["href"]) == BLOB + "/apps/web/package.json#L7"
    assert "1 finding was there before and does not decide." in said
    assert "1 finding is waived." in said
    assert ["floating-pin", "12 declarations"] in found.rows
    assert "Not run: fleet (only in an audit)" in found.text
    assert "Not checked, and allowed to stay so: no-overlay (1), the first names" in found.text


def test_a_comment_is_found_by_its_folder() -> None:
    assert marker("apps/web/") == marker("apps/web") != marker("")
    assert re.fullmatch(r"<!-- ringfence:comment [0-9a-f]{12} -->", marker("-->\udc80"))


def test_the_face_of_check(tmp_path: Path) -> None:
    import sys

    (tmp_path / "package.json").write_text(
        '{"name": "@acme-internal/web", "private": true, "dependencies": {"@acme/core": "^1.0.0"}}'
    )
    out = tmp_path / "out"
    ringfence = Path(sys.executable).with_name("ringfence")
    command = [str(ringfence), "check", str(tmp_path), "--open", "@acme/*", "--offline", "--no-cache"]
    done = subprocess.run(
        [*command, "--format", "markdown", "-o", str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert out.read_text().startswith("## Ringfence: fail, ")
    assert "`floating-pin`" in out.read_text()
    code = "import sys; from bot.cli import run; run(sys.argv[1:]); print('jinja2' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-P", "-c", code, *command[1:]], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "False", "a check that shows no Markdown pays for no templates"


def test_the_log_says_what_was_left_out() -> None:
    said = github.render(report(), remarks=("No comment: the token\n::error::x may only read.",))
    assert "No comment: the token\\n::error::x may only read." in said.splitlines()


def test_the_schema_of_the_report_is_untouched() -> None:
    # Context is no part of the report: what programs read stays as it is.
    assert "left_out" not in json.dumps(msgspec.json.schema(Report))


@pytest.mark.parametrize("face", [summary, comment])
def test_an_empty_report(face: Any) -> None:
    assert "nothing found" in face(report(counts=()))
