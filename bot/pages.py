"""The page of a rule: finding it beside the rule's code, and reading the small Markdown it is written in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.resources import files

from bot.rule import Described

__all__ = ["SECTIONS", "page", "plain", "sections"]

# What every page says, in this order.
SECTIONS = ("What it flags", "Why it matters", "How to mend it", "What it leaves alone")

Style = Callable[[str, str], str]


def page(rule: Described) -> str:
    """A rule's ``page.md``, beside the module of its ``judge``; its summary alone where there is none yet."""
    package = rule.judge.__module__.rpartition(".")[0]
    try:
        return files(package).joinpath("page.md").read_text(encoding="utf-8")
    except (FileNotFoundError, ModuleNotFoundError, ValueError):
        return f"# {rule.id}\n\n{rule.summary}\n"


def sections(text: str) -> dict[str, str]:
    """The page's sections by heading (``## How to mend it`` -> ``How to mend it``), without those that are empty."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not fenced:
            current = found.setdefault(line[3:].strip(), [])
        else:
            current.append(line)
    return {heading: body for heading, lines in found.items() if (body := "\n".join(lines).strip())}


def plain(text: str, *, width: int = 80, style: Style | None = None) -> str:
    """Markdown as text for a terminal: paragraphs and lists wrapped, code left as it stands.

    It knows what our pages use: headings, paragraphs, lists, fenced code, ``code``, ``**bold**``, links and
    tables (kept as they are). ``style(kind, text)`` paints ``heading``, ``code``, ``block`` and ``bold``.
    """
    paint: Style = style or (lambda kind, value: f"`{value}`" if kind == "code" else value)
    out: list[str] = []
    for kind, lines in _blocks(text):
        if out and kind != "item":
            out.append("")
        if kind == "code":
            out += ["    " + paint("block", line) for line in lines]
        elif kind == "table":
            out += lines
        elif kind == "heading":
            out.append(paint("heading", lines[0]))
        else:
            body = " ".join(line.strip() for line in lines)
            marker = re.match(r"(\s*)([-*]|\d+\.)\s+", lines[0]) if kind in ("item", "first-item") else None
            if marker:
                first = f"{marker[1]}  {marker[2]} "
                body = body[len(marker[0].lstrip()) :]
                out += _wrap(body, width, first, " " * len(first), paint)
            else:
                out += _wrap(body, width, "", "", paint)
    return "\n".join(out) + "\n"


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    kind, lines, fenced, listed = "", list[str](), False, False
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        if stripped.startswith("```"):
            if fenced or lines:
                yield kind, lines
            fenced = not fenced
            kind, lines, listed = ("code" if fenced else ""), [], False
        elif fenced:
            lines.append(line)
        elif heading := re.match(r"#{1,6}\s+(.*)", line):
            if lines:
                yield kind, lines
            yield "heading", [heading[1]]
            kind, lines, listed = "", [], False
        elif re.match(r"\s*([-*]|\d+\.)\s+\S", line):
            if lines:
                yield kind, lines
            # Items of one list stand together; a list is parted from what is before it.
            kind, lines = ("item" if listed else "first-item"), [line]
            listed = True
        elif not stripped:
            if lines:
                yield kind, lines
            kind, lines = "", []
        else:
            if not lines:
                kind, listed = ("table" if stripped.startswith("|") else "text"), False
            lines.append(line)
    if lines:
        yield kind, lines


_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)\s]+)\)|(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])")


def _wrap(text: str, width: int, first: str, rest: str, paint: Style) -> list[str]:
    """Wrap by what is seen: a styled word counts without its codes."""
    words: list[tuple[str, int]] = []
    for word in _words(text):
        seen = _INLINE.sub(lambda m: f"`{m[1]}`" if m[1] else m[2] or m[5] or f"{m[3]} ({m[4]})", word)
        shown = _INLINE.sub(lambda m: _painted(m, paint), word)
        words.append((shown, len(seen)))
    lines: list[str] = []
    line, used = first, len(first)
    empty = True
    for shown, size in words:
        if not empty and used + 1 + size > width:
            lines.append(line)
            line, used, empty = rest, len(rest), True
        line, used = (line + shown, used + size) if empty else (f"{line} {shown}", used + 1 + size)
        empty = False
    return [*lines, line]


def _painted(found: re.Match[str], paint: Style) -> str:
    code, bold, link, target, emphasis = found.groups()
    if code:
        return paint("code", code)
    if bold or emphasis:
        return paint("bold", bold or emphasis)
    return f"{link} ({target})"


def _words(text: str) -> list[str]:
    """Split at spaces, but not within code, bold text or a link, with the punctuation that clings to it."""
    protected = _INLINE.sub(lambda m: m[0].replace(" ", "\0"), text)
    return [word.replace("\0", " ") for word in protected.split()]
