"""What GitHub makes of Markdown: its own renderer's HTML, read as its later filters read it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

__all__ = ["Seen", "seen"]

# What GitHub's filters look for in text that is not code: mentions, references, addresses, commits, emoji, keywords.
SECOND_LOOK = {
    "mention": re.compile(r"@[A-Za-z0-9]"),
    "issue": re.compile(r"(?:#|\bgh-)\d", re.IGNORECASE),
    "address": re.compile(r"://|\bwww\.|\w@\w|\b(?:mailto|xmpp):", re.IGNORECASE),
    "commit": re.compile(r"\b[0-9a-f]{7,40}\b", re.IGNORECASE),
    "emoji": re.compile(r":[\w+-]+:"),
}
_VOID = {"br", "hr", "img", "input"}


@dataclass
class Seen:
    """A rendered text: its elements with their attributes, its text, and its text outside code and links."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    text: str = ""
    blocks: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    loud: str = ""

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.elements]

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]

    @property
    def second_look(self) -> dict[str, str]:
        """What GitHub's filters would make something of."""
        return {name: found[0] for name, pattern in SECOND_LOOK.items() if (found := pattern.search(self.loud))}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen = Seen()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "tr":
            self.seen.rows.append([])
        if tag in ("td", "th"):
            self.seen.rows[-1].append("")
        if tag == "pre":
            self.seen.blocks.append("")
        self.seen.loud += " " if tag not in ("em", "strong", "del") else ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.seen.text += data
        if "pre" in self.open:
            self.seen.blocks[-1] += data
        if ("td" in self.open or "th" in self.open) and self.seen.rows:
            self.seen.rows[-1][-1] += data
        if not {"code", "pre", "a"} & set(self.open):
            self.seen.loud += data

    def handle_comment(self, data: str) -> None:
        self.seen.comments.append(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a processing instruction: {data}")


def html(text: str) -> str:
    """GitHub flavoured HTML, raw HTML kept, so that it can be seen."""
    made: str = cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)
    return made


def seen(text: str) -> Seen:
    """What a reader sees of Markdown."""
    reader = _Reader()
    reader.feed(html(text))
    reader.close()
    assert not reader.open, f"left open: {reader.open}"
    return reader.seen
