"""The terminal face: looked at as text, with places underlined where they are."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion

from bot.model import (
    Count,
    Finding,
    LocatedEdit,
    Location,
    NotChecked,
    NotRun,
    Related,
    Report,
    Severity,
    Summary,
)
from bot.report.terminal import Painter, cells, render, source_block, wrapped


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


def finding(**changes: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "floating-pin",
        "severity": Severity.ERROR,
        "location": Location(path="package.json", line=12, column=19, end_line=12, end_column=27),
        "message": "@acme/core is declared as ^1.2.0, which is not one exact version",
        "remedy": 'Write the version that the lockfile pins: "1.2.4".',
        "fingerprint": "0123456789abcdef",
    }
    return Finding(**(known | changes))


def marked(line: str, column: int, end: int, width: int = 80, end_line: int = 7) -> tuple[str, str]:
    """The shown line, and the text over the carets."""
    one = finding(source=line, location=Location(path="x", line=7, column=column, end_line=end_line, end_column=end))
    _, shown, carets = source_block(one, Painter(False), width)
    prefix = "7 | "
    assert shown.startswith(prefix)
    assert carets.startswith("  | ")
    shown, carets = shown[len(prefix) :], carets[len(prefix) :]
    assert cell_len(shown) <= width - len(prefix)
    assert cell_len(carets) <= width - len(prefix)
    begin, size = len(carets) - len(carets.lstrip()), len(carets.strip())
    over, position = "", 0
    for char in shown:
        if begin <= position < begin + size:
            over += char
        position += cell_len(char)
    return shown, over


def test_the_place_is_under_the_carets() -> None:
    line = '    "@acme/core": "^1.2.0",'
    assert marked(line, 19, 27) == ('"@acme/core": "^1.2.0",', '"^1.2.0"')
    assert marked("\tx\t= require('@acme/core/in')", 14, 28)[1] == "'@acme/core/in"
    assert marked("const 漢字 = '漢字/内部'; // 漢", 12, 19)[1] == "'漢字/内部'"
    assert marked("e\u0301e\u0301 'abc'", 6, 11)[1] == "'abc'"
    assert marked("a\x1b[31m 'abc'", 7, 12) == ("a\\x1b[31m 'abc'", " 'abc")
    assert marked("abc", 9, 12) == ("abc", "")
    assert marked("ab\tc", 4, 5) == ("ab  c", "c")
    assert marked("'spread", 1, 3, end_line=9)[1] == "'spread"


def test_a_long_line_is_cut_around_the_place() -> None:
    for before, after in ((0, 5000), (5000, 0), (5000, 5000), (40, 40), (3, 200)):
        line = "a" * before + "'../../core'" + "b" * after
        shown, over = marked(line, before + 1, before + 13, width=60)
        assert over == "'../../core'"
        assert shown.startswith("…") == (before > 20)
        assert shown.endswith("…") == (after > 20)
    shown, over = marked("x" * 30 + "'" + "y" * 5000 + "'", 31, 5033, width=60)
    assert set(over) <= {"'", "y", "…"}
    shown, over = marked("漢" * 4000, 2001, 2003, width=61)
    assert over == "漢漢"


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=()), max_size=150),
    st.integers(1, 160),
    st.integers(0, 160),
    st.integers(40, 100),
)
def test_any_source_line_fits(line: str, column: int, end: int, width: int) -> None:
    one = finding(source=line, location=Location(path="x", line=7, column=column, end_line=7, end_column=end))
    for shown in source_block(one, Painter(False), width):
        assert shown.isprintable()
        assert cells(shown) <= width


# Scripts whose widths no edition of Unicode has changed.
_RANGES = (
    (0x20, 0x7E),
    (0xA1, 0xAC),
    (0x100, 0x36F),
    (0x3041, 0x3096),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xFF01, 0xFF60),
)


@given(st.text(st.one_of([st.characters(min_codepoint=low, max_codepoint=high) for low, high in _RANGES])))
def test_widths_are_those_of_rich(said: str) -> None:
    assert cells(said) == cell_len(said)


@given(st.lists(st.text("abcd漢", min_size=1, max_size=12)), st.integers(20, 60))
def test_wrapping_keeps_every_word(words: list[str], width: int) -> None:
    lines = wrapped(" ".join(words), width, first="help: ", rest="      ")
    assert " ".join(lines).split() == ["help:", *words]
    assert all(cell_len(line) <= width for line in lines if len(line.split()) > 2)


def sample() -> Report:
    """One of everything."""
    place = Location(path="package.json", line=12, column=19, end_line=12, end_column=27)
    edit = LocatedEdit(
        path="package.json", start=200, end=208, old='"^1.2.0"', new='"1.2.4"', safe=True, location=place
    )
    shown = [
        finding(source='    "@acme/core": "^1.2.0",', edits=(edit,)),
        finding(
            rule="deep-import",
            location=Location(path="src/app/cart.ts", line=3, column=23, end_line=3, end_column=51),
            message="@acme/core 1.4.2 does not export ./internal/parse",
            remedy='Import parse from "@acme/core" instead.',
            source='import { parse } from "@acme/core/internal/parse";',
            fingerprint="aaaabbbbccccdddd",
            related=(Related(text="this version is pinned here", location=Location(path="a.lock", line=44, column=3)),),
        ),
        finding(
            rule="deep-import",
            severity=Severity.WARNING,
            location=Location(path="src/app/cart.ts", line=90, column=5, end_line=90, end_column=7),
            message="a warning in the same file",
            remedy="",
            source="    漢字 = 1",
            fingerprint="1111222233334444",
        ),
        finding(
            rule="missing-lock",
            location=Location(path="apps/web"),
            message="apps/web consumes open packages and has no lockfile",
            remedy="Commit the lockfile that npm install writes.",
            fingerprint="7777222233334444",
        ),
        finding(introduced=False, fingerprint="5555222233334444", message="an old one"),
        finding(waived="until core 2.1 exports the parser", fingerprint="6666222233334444", message="a waived one"),
    ]
    unreachable = tuple(
        NotChecked(
            reason="registry-unreachable",
            subject=f"@acme/core@1.{i}.0",
            detail="the registry did not answer in 10 s",
            remedy="Run it again; --offline uses the cache.",
            rule="unreleased-pin",
        )
        for i in range(5)
    )
    return report(
        *shown,
        base="origin/main",
        assumed=("@acme/* is open", "everything else is private"),
        not_checked=(
            *unreachable,
            NotChecked(reason="malformed", subject="x/package.json", detail="not JSON", path="x/package.json", line=4),
        ),
        allowed=(NotChecked(reason="no-overlay", subject="the private overlay", detail="was not given"),),
        not_run=(
            NotRun(rule="naming-pair", reason="the policy sets no naming scheme"),
            NotRun(rule="fresh-release", reason="off by policy"),
        ),
        counts=(
            Count(rule="floating-pin", judged={"declarations": 88, "ranges": 1}),
            Count(rule="lock-source", judged={"lock entries": 1209, "verified": 1190}),
            Count(rule="deep-import", judged={"imports": 474, "declarations": 80}),
            Count(rule="waiver", judged={"waivers": 0}),
            Count(rule="naming-pair", judged={}),
        ),
        summary=Summary(errors=3, warnings=1, waived=1, before=412, files=2314, parsed=12, requests=37, seconds=0.42),
    )


@pytest.mark.parametrize("width", [80, 200])
def test_looks(snapshot: SnapshotAssertion, width: int) -> None:
    assert render(sample(), width=width) == snapshot


def test_looks_with_everything(snapshot: SnapshotAssertion) -> None:
    said = render(sample(), width=80, verbose=True, everything=True)
    assert said == snapshot


def test_colour_only_adds_colour() -> None:
    for options in ({}, {"verbose": True, "everything": True}):
        coloured = render(sample(), colour=True, **options)  # type: ignore[arg-type]
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(sample(), **options)  # type: ignore[arg-type]
        assert "\x1b[31m" in coloured
    assert "\x1b" not in render(sample())


def test_the_summary_says_what_was_judged() -> None:
    last = render(sample(), width=200).splitlines()[-1]
    assert last == (
        "FAIL 3 errors, 1 warning in 3 files, 6 not checked; 3 of 5 rules had something to judge: 2,314 source files, "
        "1,209 lock entries, 474 imports, 88 declarations in 0.42 s; 37 registry requests"
    )
    clean = report(verdict="pass", summary=Summary(seconds=0.1))
    assert render(clean) == "PASS nothing found; nothing was judged in 0.10 s\n"
    assert (
        render(report(finding(), mode="observe", verdict="pass"), width=200)
        .splitlines()[-1]
        .startswith("OBSERVED 1 error in ")
    )


def test_old_and_waived_findings_are_folded_until_asked_for() -> None:
    said = render(sample())
    assert "412 findings were there before origin/main and do not decide; --all shows them" in said
    assert "1 finding waived; --all shows it" in said
    assert "an old one" not in said
    assert "a waived one" not in said
    asked = render(sample(), everything=True)
    assert "an old one (there before origin/main)" in asked
    assert "a waived one (waived: until core 2.1 exports the parser)" in " ".join(asked.split())
    assert asked.index("which is not one exact") < asked.index("an old one")


def test_four_hundred_findings_are_brief_and_all_there() -> None:
    many = [
        finding(
            location=Location(path=f"p{i % 20}/package.json", line=i + 1, column=2, end_line=i + 1, end_column=4),
            message=f"@acme/p{i} is declared as a range",
            source="x" * 10,
            fingerprint=f"{i:016x}",
            severity=Severity.ERROR if i % 4 else Severity.WARNING,
        )
        for i in range(400)
    ]
    said = render(report(*many), width=100)
    assert len(said.splitlines()) < 550
    for i in range(400):
        assert f"@acme/p{i} is" in said
    levels = re.findall(r"^(error|warning)\[", said, re.MULTILINE)
    assert levels.count("error") == 300
    limited = render(report(*many), width=100, limit=5)
    assert "395 more findings not shown (--limit 0 shows all)" in limited
    assert limited.count("error[") == 5


def test_findings_that_say_the_same_are_told_once_with_their_places() -> None:
    alike = [finding(location=Location(path=f"m{i:02}.ts", line=3, column=1)) for i in range(25)]
    said = render(report(*alike), width=100)
    assert said.count("error[") == 1
    assert "the same at 24 more places: m01.ts:3:1" in said
    assert "and 14 more (-v lists them)" in said
    assert "m24.ts:3:1" in render(report(*alike), verbose=True)


def test_of_many_places_of_one_finding_some_are_shown() -> None:
    places = tuple(Related(text=f"m{number}", location=Location(path=f"m{number}/x", line=2)) for number in range(40))
    said = render(report(finding(related=places)), width=100)
    assert "note: m9 (m9/x:2:1)" in said
    assert "m10/x" not in said
    assert "note: and 30 more places (-v lists them)" in said
    assert "m39/x" in render(report(finding(related=places)), width=100, verbose=True)


def test_what_was_not_checked_for_one_reason_is_told_once_with_its_places() -> None:
    problems = tuple(
        NotChecked(
            reason="no-version",
            subject=f"@acme/core/s{number}",
            detail="no lock says which version",
            remedy="Declare it.",
            rule="deep-import",
            path=f"src/{number:02}.ts",
        )
        for number in range(25)
    )
    other = NotChecked(reason="no-version", subject="@acme/x/y", detail="no lock says which x", path="a.ts")
    said = render(report(not_checked=(*problems, other), verdict="incomplete"), width=100)
    assert said.count("no lock says which version") == 1
    assert "@acme/core/s0: no lock says which version (src/00.ts) [deep-import]" in said
    assert "24 more alike: @acme/core/s1 (src/01.ts)," in said
    assert "and 21 more (-v lists them)" in " ".join(said.split())
    assert "@acme/x/y: no lock says which x (a.ts)" in said
    assert "no-version (26)" in said
    assert "26 not checked" in said
    whole = render(report(not_checked=(*problems, other), verdict="incomplete"), width=100, verbose=True)
    assert "src/24.ts" in whole
    assert "-v lists" not in whole


def test_files_with_errors_come_first() -> None:
    warned = finding(severity=Severity.WARNING, location=Location(path="a.json", line=1, column=1))
    failed = finding(location=Location(path="z.json", line=1, column=1))
    said = render(report(warned, failed))
    assert said.index("── z.json") < said.index("── a.json")
