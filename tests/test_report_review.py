"""Suggested changes, applied as GitHub applies them: what comes out is what `ringfence fix` writes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.fix import plan
from bot.model import Finding, LocatedEdit, Location, Severity
from bot.report.context import Context
from bot.report.patch import diff, replaced
from bot.report.review import Hunk, ReviewComment, hunks, review
from tests.gfm import seen
from tests.test_report_markdown import MANIFEST, edit, finding, report

WHOLE = [Hunk(1, 10_000)]


def applied(data: bytes, comments: list[ReviewComment]) -> bytes:
    """The file after every suggestion was accepted; lines end as the file's own do."""
    lines = data.split(b"\n")
    ending = b"\r" if b"\r\n" in data else b""
    for comment in sorted(comments, key=lambda c: -c.line):
        (block,) = seen(comment.body).blocks
        assert seen(comment.body).of("pre") == [{"lang": "suggestion"}]
        new = [line.encode() + ending for line in block.split("\n")[:-1]]
        lines[(comment.start_line or comment.line) - 1 : comment.line] = new
    return b"\n".join(lines)


def edit_at(path: str, data: bytes, start: int, end: int, new: str) -> LocatedEdit:
    return LocatedEdit(
        path=path,
        start=start,
        end=end,
        old=data[start:end].decode("utf-8", "surrogateescape"),
        new=new,
        safe=True,
        location=Location(path=path),
    )


line = st.text(st.sampled_from("ab`\t '\"~<-@ #é漢"), max_size=8)


@settings(deadline=None, max_examples=200)
@given(st.lists(line, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]), st.data())
def test_what_is_accepted_is_what_fix_writes(lines: list[str], ending: str, data: st.DataObject) -> None:
    text = ending.join(lines) + ending
    raw = text.encode()
    spots = sorted({len(text[:at].encode()) for at in range(len(text)) if text[at] not in "\r\n"} | {0})
    start = data.draw(st.sampled_from(spots))
    end = data.draw(st.sampled_from([at for at in spots if at >= start]))
    new = data.draw(st.lists(line, min_size=1, max_size=3).map(ending.join))
    one = finding(edits=(edit_at("src/a.ts", raw, start, end, new),))
    made = review(report(one), context=Context(files={"src/a.ts": raw}), hunks={"src/a.ts": WHOLE})
    wanted = plan([one], {"src/a.ts": raw})
    assert made is not None
    after = wanted.changes[0].after if wanted.changes else raw
    assert applied(raw, list(made.comments)) == after


def test_a_whole_line_is_taken_away() -> None:
    raw = b"a\nb\nc\n"
    for new, block in (("", ""), ("\n", "\n"), ("x\ny\n", "x\ny\n")):
        one = finding(edits=(edit_at("a.ts", raw, 2, 4, new),))
        made = review(report(one), context=Context(files={"a.ts": raw}), hunks={"a.ts": WHOLE})
        assert made is not None
        assert seen(made.comments[0].body).blocks == [block]
        assert applied(raw, list(made.comments)) == raw[:2] + new.encode() + raw[4:]
        assert (made.comments[0].start_line, made.comments[0].line) == (None, 2)


def test_edits_of_one_line_are_one_suggestion_and_of_several_lines_belong_together() -> None:
    raw = b'{"a": "^1", "b": "^2"}\n{}\n{"c": "^3"}\n'
    edits = tuple(
        edit_at("p.json", raw, raw.index(old), raw.index(old) + 2, new)
        for old, new in ((b"^3", "3.0.0"), (b"^1", "1.0.0"), (b"^2", "2.0.0"))
    )
    one = finding(edits=edits)
    made = review(report(one), context=Context(files={"p.json": raw}), hunks={"p.json": WHOLE})
    assert made is not None
    assert [(c.line, c.start_line, c.key) for c in made.comments] == [
        (1, None, f"{one.fingerprint}.0"),
        (3, None, f"{one.fingerprint}.1"),
    ]
    assert "This is change 1 of 2 that belong together" in made.comments[0].body
    assert applied(raw, list(made.comments)) == b'{"a": "1.0.0", "b": "2.0.0"}\n{}\n{"c": "3.0.0"}\n'


@pytest.mark.parametrize(("first", "last", "offered"), [(4, 4, True), (1, 6, True), (1, 3, False), (5, 9, False)])
def test_no_suggestion_where_the_line_is_not_in_the_diff(first: int, last: int, offered: bool) -> None:
    one = finding(edits=(edit(),))
    context = Context(files={"package.json": MANIFEST})
    assert bool(review(report(one), context=context, hunks={"package.json": [Hunk(first, last)]})) == offered
    assert review(report(one), context=context, hunks={"other.json": WHOLE}) is None


def test_half_a_fix_is_no_suggestion() -> None:
    lock = b'{"packages": {"": {"dependencies": {"@acme/core": "^1.2.0"}}}}\n'
    one = finding(edits=(edit(), edit("package-lock.json", lock)))
    files = {"package.json": MANIFEST, "package-lock.json": lock}
    assert review(report(one), context=Context(files=files), hunks={"package.json": WHOLE}) is None
    both = review(report(one), context=Context(files=files), hunks=dict.fromkeys(files, WHOLE))
    assert both is not None
    assert [c.path for c in both.comments] == ["package-lock.json", "package.json"]


def test_a_region_must_stand_in_one_hunk() -> None:
    raw = b"a\nb\nc\nd\n"
    one = finding(edits=(edit_at("a.ts", raw, 2, 5, "x"),))
    context = Context(files={"a.ts": raw})
    assert review(report(one), context=context, hunks={"a.ts": [Hunk(1, 2), Hunk(3, 4)]}) is None
    made = review(report(one), context=context, hunks={"a.ts": [Hunk(2, 3)]})
    assert made is not None
    assert (made.comments[0].start_line, made.comments[0].line) == (2, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"introduced": False},
        {"waived": "until 2.1"},
        {"private": True},
        {"edits": (msgspec.structs.replace(edit(), safe=False),)},
        {"edits": (msgspec.structs.replace(edit(), old="^9"),)},
        {"edits": ()},
    ],
)
def test_what_is_not_suggested(changes: dict[str, object]) -> None:
    context = Context(files={"package.json": MANIFEST})
    one = finding(**({"edits": (edit(),)} | changes))
    assert review(report(one), context=context, hunks={"package.json": WHOLE}) is None


@pytest.mark.parametrize("odd", ["\u202e", "\x1b", "\x00", "\u2028", "\ufeff", "\r"])
def test_a_line_that_cannot_be_shown_as_it_is_is_not_suggested(odd: str) -> None:
    raw = MANIFEST.replace(b'"@acme/core"', f'"@acme/core{odd}x"'.encode())
    one = finding(edits=(edit(data=raw),))
    assert review(report(one), context=Context(files={"package.json": raw}), hunks={"package.json": WHOLE}) is None
    latin = MANIFEST.replace(b"core", b"c\xf6re")
    one = finding(edits=(edit(data=latin),))
    assert review(report(one), context=Context(files={"package.json": latin}), hunks={"package.json": WHOLE}) is None


def test_nothing_is_said_twice() -> None:
    """A second push: the keys of the comments that are there already decide, as often as a finding is there."""
    raw = b'{"a": {"@acme/core": "^1"},\n"b": {"@acme/core": "^1"},\n"c": {"@acme/core": "^1"}}\n'
    places = [at for at in range(len(raw)) if raw.startswith(b"^1", at)]

    def alike(number: int) -> Finding:
        return finding(
            location=Location(path="p.json", line=number + 1, column=1, end_line=number + 1),
            fingerprint="00000000000000aa",
            edits=(edit_at("p.json", raw, places[number], places[number] + 2, "1.0.0"),),
        )

    context, shown = Context(files={"p.json": raw}), {"p.json": WHOLE}
    first = review(report(alike(0), alike(1)), context=context, hunks=shown)
    assert first is not None
    bodies = [c.body for c in first.comments]
    assert len(bodies) == 2
    assert review(report(alike(0), alike(1)), context=context, hunks=shown, posted=bodies) is None
    again = review(report(alike(0), alike(1), alike(2)), context=context, hunks=shown, posted=bodies)
    assert again is not None
    assert [c.line for c in again.comments] == [3]
    other = review(
        report(alike(0)), context=context, hunks=shown, posted=["LGTM", "<!-- ringfence:suggestion ff.0 -->"]
    )
    assert other is not None


def test_a_review_is_not_endless() -> None:
    raw = b"".join(b'{"@acme/core": "^1"}\n' for _ in range(30))
    found = [finding(n + 1, edits=(edit_at("p.json", raw, 16 + n * 21, 18 + n * 21, "1.0.0"),)) for n in range(30)]
    made = review(report(*found), context=Context(files={"p.json": raw}), hunks={"p.json": WHOLE}, most=20)
    assert made is not None
    assert len(made.comments) == 20
    assert made.body.startswith("Ringfence suggests 20 changes for findings of this change.")
    assert "10 more findings could be mended so" in made.body


def test_paths_are_from_the_top_of_the_repository() -> None:
    one = finding(edits=(edit(),))
    context = Context(files={"package.json": MANIFEST}, folder="apps/web")
    made = review(report(one), context=context, hunks={"apps/web/package.json": WHOLE})
    assert made is not None
    assert made.comments[0].path == "apps/web/package.json"


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from("`|\\<>[]()!#@*_-~:&;a1 \n"), max_size=20), st.sampled_from(Severity))
def test_no_text_of_a_stranger_means_anything(said: str, severity: Severity) -> None:
    one = finding(message=said, remedy=said, rule=said, severity=severity, edits=(edit(),))
    made = review(report(one), context=Context(files={"package.json": MANIFEST}), hunks={"package.json": WHOLE})
    assert made is not None
    found = seen(made.comments[0].body)
    assert set(found.names) <= {"p", "code", "strong", "pre"}
    assert found.second_look == {}
    assert found.names.count("pre") == 1
    assert len(found.comments) == 1


# -- diffs ---------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> bytes:
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    names = ("-c", "user.name=t", "-c", "user.email=t@a.example", "-c", "core.quotePath=true")
    return subprocess.run(
        ["git", *names, *arguments], cwd=folder, env=environment, capture_output=True, check=True
    ).stdout


def commit(folder: Path, files: dict[str, bytes | None]) -> str:
    for name, data in files.items():
        path = folder / os.fsdecode(os.fsencode(name))
        if data is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x", "--allow-empty")
    return git(folder, "rev-parse", "HEAD").decode().strip()


def test_hunks_are_those_of_git(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    numbers = b"".join(b"%d\n" % n for n in range(1, 41))
    before: dict[str, bytes | None] = {
        "a.ts": numbers,
        "gone.ts": b"x\n",
        "sql": b"-- one\n-- two\n-- three\n++ four\n" + numbers,
        "binary": b"\0\1",
        "old name": numbers,
        'ö\t"\\ b/x.ts': b"x\n",
        "end": b"a\nb",
    }
    base = commit(tmp_path, before)
    after: dict[str, bytes | None] = {
        "a.ts": numbers.replace(b"\n2\n", b"\n2\n2a\n").replace(b"\n30\n", b"\n"),
        "gone.ts": None,
        "sql": b"-- one\n++ b/evil\n@@ -1,2 +3,400 @@\ndiff --git a/x b/x\n-- three\n++ four\n"
        + numbers.replace(b"\n30\n", b"\n30!\n"),
        "binary": b"\0\2",
        "old name": None,
        "new name": numbers.replace(b"\n20\n", b"\n20!\n"),
        'ö\t"\\ b/x.ts': b"x\ny\n",
        "end": b"a\nc",
        "new": b"only\n",
        "empty": b"",
    }
    head = commit(tmp_path, after)
    found = hunks(git(tmp_path, "diff", "-M", base, head))
    assert found == {
        "a.ts": (Hunk(1, 6), Hunk(28, 33)),
        "sql": (Hunk(1, 7), Hunk(33, 39)),
        "new name": (Hunk(17, 23),),
        'ö\t"\\ b/x.ts': (Hunk(1, 2),),
        "end": (Hunk(1, 2),),
        "new": (Hunk(1, 1),),
    }
    for path, ranges in found.items():
        lines = (tmp_path / path).read_bytes().split(b"\n")
        assert all(1 <= hunk.first <= hunk.last <= len(lines) for hunk in ranges)


def test_hunks_of_a_name_that_is_no_text(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    base = commit(tmp_path, {"x": b"x\n"})
    (tmp_path / os.fsdecode(b"c\xf6re")).write_bytes(b"1\n")
    head = commit(tmp_path, {})
    assert hunks(git(tmp_path, "diff", base, head)) == {"c\udcf6re": (Hunk(1, 1),)}


@pytest.mark.parametrize("junk", [b"", b"@@ -1 +1 @@\n+x", b"+++ \n@@ -1 +1 @@\n", b"\xff\n+++ b/a\n@@ -0,0 +1,2 @@\n"])
def test_hunks_of_junk_are_no_error(junk: bytes) -> None:
    assert all(hunk.first <= hunk.last for ranges in hunks(junk).values() for hunk in ranges)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["a", "b", "", "\tc"]), min_size=3, max_size=20), st.data())
def test_a_diff_applies(tmp_path_factory: pytest.TempPathFactory, lines: list[str], data: st.DataObject) -> None:
    """The diff that a reader sees is one that git applies, and then the file is what `ringfence fix` writes."""
    raw = ("\n".join(lines) + "\n").encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw) - 1), min_size=2, max_size=6)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    edits = tuple(
        edit_at("a.ts", raw, start, end, data.draw(st.sampled_from(["x", "x\ny", "z\n"]))) for start, end in pairs
    )
    one = finding(edits=edits)
    shown = diff(replaced(one, {"a.ts": raw}))
    wanted = plan([one], {"a.ts": raw})
    folder = tmp_path_factory.mktemp("apply")
    (folder / "a.ts").write_bytes(raw)
    subprocess.run(
        ["git", "apply", "--unidiff-zero", "-"],
        cwd=folder,
        input=shown.encode() + b"\n",
        check=True,
        capture_output=True,
    )
    assert (folder / "a.ts").read_bytes() == (wanted.changes[0].after if wanted.changes else raw)
