"""Text of strangers in Markdown, held to GitHub's own renderer: it shows what it says, and nothing of it means anything."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Location
from bot.report import escape
from bot.text import printable
from tests.gfm import seen

HOSTILE = [
    "@acme/core",
    "@team",
    "fixes #12",
    "closes a/b#3",
    "GH-12",
    "0123456789abcdef0123456789abcdef01234567",
    "defaced",
    "https://a.example/x?y",
    "www.a.example",
    "WWW.",
    "it's-www.",
    "mailto: me",
    "me@a.example",
    "mailto:me@a.example",
    "[a](https://b.example)",
    "![a](https://b.example/c.png)",
    "[a]: https://b.example",
    "<https://b.example>",
    "<img src=x onerror=alert(1)>",
    "<!-- x -->",
    "-->",
    "</details>",
    "<details open>",
    "</code></pre>",
    "<?x?>",
    "<![CDATA[",
    "&lt;b&gt;",
    "&#64;acme",
    "# h",
    "===",
    "---",
    "***",
    "* a",
    "- [ ] a",
    "1. a",
    "1) a",
    "> a",
    "    a",
    "\ta",
    "```",
    "````suggestion",
    "~~~",
    "`",
    "``",
    "`a",
    "a` `b",
    "|",
    "||",
    "^1 || ^2",
    "\\|",
    "\\\\|",
    "\\`",
    "\\",
    "| a | b |\n|---|---|\n| c | d |",
    "a\n\n# b",
    "a\r\n- b",
    "a\r\rb",
    "*a*",
    "__a__",
    "~~a~~",
    "a_b_c",
    ":smile:",
    ":+1:",
    "a:b:c",
    "$x$",
    "[^1]",
    "\u202eabc",
    "\u2066x\u2069",
    "\u200b",
    "\x00",
    "\x1b[31m",
    "\udc80",
    "\ufeff",
    "e\u0301",
    "漢字",
    "שלום",
    "🎉",
    "it's",
    "(see",
    '"private": true',
    "12 of 1,209",
    "2.",
    "0.34",
    "...",
    "!",
    "!`a`",
    "a!",
    "[",
    "]",
    "](x)",
    "  ",
    "",
]
text = st.one_of(
    st.lists(st.sampled_from(HOSTILE), max_size=5).map(" ".join),
    st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join),
    st.text(st.sampled_from("`|\\<>[]()!#@*_-~:&;=.'\"0a1 \n\r\t"), max_size=24),
    st.text(st.characters(exclude_categories=()), max_size=16),
)
_TIMES = settings(deadline=None, max_examples=400)


def words(said: str) -> str:
    """As a reader sees it: what cannot be printed spelled out, one space between words."""
    return " ".join(printable(word) for word in said.split())


def without_ticks(said: str) -> str:
    return re.sub(r"[`\s]", "", said)


@_TIMES
@given(text)
def test_prose_shows_what_it_says_and_means_nothing(said: str) -> None:
    for before in ("", "- ", "#### "):
        found = seen(before + escape.prose(said, most=10_000))
        assert set(found.names) <= {"p", "code", "ul", "li", "h4"}, found.names
        assert found.comments == []
        assert found.second_look == {}
        # Ticks that come in pairs are taken as the code that they mean.
        assert without_ticks(found.text) == without_ticks(words(said))
        if "`" not in said:
            assert " ".join(found.text.split()) == words(said)


@_TIMES
@given(text)
def test_code_shows_every_letter(said: str) -> None:
    found = seen(f"x {escape.code(said, most=10_000)} y")
    assert set(found.names) <= {"p", "code"}
    assert found.second_look == {}
    shown = printable(said)
    assert found.text.strip() == f"x {shown} y".strip()
    # A code span stands wherever there is something to show.
    assert ("code" in found.names) == bool(said)


@_TIMES
@given(text, text)
def test_a_row_of_a_table_stays_one(one: str, two: str) -> None:
    table = f"| a | b | c |\n| --- | --- | --- |\n| {escape.code(one, table=True)} | {escape.cell(two)} | end |\n"
    found = seen(table)
    assert set(found.names) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert [len(row) for row in found.rows] == [3, 3]
    assert found.rows[1][2] == "end"
    assert found.second_look == {}
    assert found.rows[1][0].strip() == printable(one).replace("\\|", "\\\\x7c").strip()


@_TIMES
@given(text)
def test_code_in_a_line_of_html(said: str) -> None:
    found = seen(f"<details><summary>a {escape.html_code(said)} b</summary>\n\nbody\n\n</details>\n")
    assert set(found.names) <= {"details", "summary", "code", "p"}
    assert found.second_look == {}
    assert found.text.startswith(f"a {printable(said)} b")


@_TIMES
@given(st.lists(text, max_size=4).map("\n".join), st.sampled_from(["", "diff", "suggestion"]))
def test_a_block_shows_its_lines(said: str, info: str) -> None:
    found = seen(f"before\n\n{escape.block(said, info)}\n\nafter\n")
    assert found.names == ["p", "pre", "code", "p"]
    assert found.second_look == {}
    wanted = "\n".join("\t".join(printable(part) for part in line.split("\t")) for line in said.split("\n"))
    assert found.blocks == [wanted + "\n"]
    assert found.of("pre") == [{"lang": info} if info else {}]


@pytest.mark.parametrize("said", ["```", "a\n```\nb", "````\n```", "```diff", "   ```", "~~~", "a ``` b"])
def test_no_line_ends_a_block(said: str) -> None:
    for info in ("", "suggestion"):
        found = seen(f"{escape.block(said, info)}\n\nafter\n")
        assert found.blocks == [said + "\n"]
        assert found.names == ["pre", "code", "p"]


@_TIMES
@given(text, text, st.integers(0, 9), st.integers(0, 9), st.integers(0, 2))
def test_a_place_links_to_its_file_and_to_nothing_else(label: str, path: str, line: int, end: int, column: int) -> None:
    location = Location(path=path, line=line, end_line=end, end_column=column)
    blob = "https://git.example/a/b/blob/abc"
    found = seen(f"at {escape.link(label, blob, path, location)} x")
    assert set(found.names) <= {"p", "a", "code"}
    links = [attributes["href"] for attributes in found.of("a")]
    assert len(links) == bool(path)
    assert all(str(href).startswith(blob + "/") for href in links)
    plain = seen(f"at {escape.link(label, '', path, location)} x")
    assert "a" not in plain.names
    assert seen(str(escape.link("x", "javascript:alert(1)//", "a", Location(path="a")))).of("a") == []


def test_a_place_names_the_lines_of_its_region() -> None:
    def target(**region: int) -> str:
        made = escape.link("x", "https://h/o/r/blob/c", "a b/#1?.ts", Location(path="p", **region))
        return str(seen(made).of("a")[0]["href"])

    base = "https://h/o/r/blob/c/a%20b/%231%3F.ts"
    assert target() == base
    assert target(line=3, end_line=3, end_column=9) == base + "#L3"
    assert target(line=3, end_line=5, end_column=9) == base + "#L3-L5"
    assert target(line=3, end_line=4, end_column=1) == base + "#L3"


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("@acme/core is declared as ^1.2.0: a range", "`@acme/core` is declared as `^1.2.0`: a range"),
        ("a range, not one version (see `yarn install`).", "a range, not one version (see `yarn install`)."),
        ("12 of 1,209 don't fit", "12 of 1,209 don't fit"),
        ("2.", "2\\."),
        ('Add "private": true to "package.json".', 'Add "private": true to "`package.json`".'),
        ("a`b", "``a`b``"),
        ("`a``b`", "```a``b```"),
        ("x:`a`b", "x: `a` b"),
    ],
)
def test_sentences_read_as_written(said: str, made: str) -> None:
    assert escape.prose(said) == made


def test_what_is_long_is_cut() -> None:
    assert escape.prose("word " * 1000, most=12) == "word word w…"
    assert escape.code("x" * 1000, most=5) == "`xxxx…`"
    assert escape.html_code("&" * 10, most=3) == "<code>&amp;&amp;…</code>"


def test_the_filters_of_the_test_would_see_them() -> None:
    loud = "@team fixes #12 me@a.example :smile: 0123456789abcdef www.a.example\n\n<b>x</b> ![a](b)"
    found = seen(loud)
    assert set(found.second_look) == {"mention", "issue", "emoji", "commit"}, "addresses are links by now"
    assert {"a", "b", "img"} <= set(found.names)


@pytest.mark.parametrize("value", ["text", "", None, True, 3, escape.Markdown])
def test_a_template_shows_nothing_that_no_filter_has_seen(value: object) -> None:
    from bot.report.markdown_templates import _environment

    with pytest.raises(TypeError, match="nothing has escaped"):
        _environment().from_string("{{ value }}").render(value=value)
