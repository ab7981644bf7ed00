"""Text of strangers in GitHub's Markdown: shown as it is, and nothing of it means anything.

GitHub renders CommonMark with its extensions, and then looks through the text of the result for mentions, issue references,
addresses, commits, closing keywords and emoji. A backslash does not stop that second look; code does. So every word that is
not plainly a word stands in a code span, and code spans are what names, versions and paths want to be anyway.
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote

from bot.model import Location
from bot.text import printable

__all__ = ["Markdown", "address", "block", "cell", "clipped", "code", "html_code", "link", "prose"]

# Letters of any script, perhaps with inner hyphens or apostrophes.
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# Numbers as a sentence has them.
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})*|\d{1,6}(?:\.\d\d)?")
# What may be the name of a commit, though it be a word.
_COMMIT = re.compile(r"[0-9a-fA-F]{7,}")
# What begins an address where a point or a colon follows.
_ADDRESS = re.compile(r"\b(?:www|mailto|xmpp)\Z", re.IGNORECASE)
_TICKED = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_OPENING, _CLOSING = "\"'(“‘", "\"')”’.,;:!?…"
_RUN = re.compile(r"`+")


class Markdown(str):
    """Text that is Markdown of ours: a template shows nothing else."""

    __slots__ = ()


def clipped(text: str, most: int) -> str:
    """At most ``most`` characters; a longer text ends in ``…``."""
    return text if len(text) <= most else text[: most - 1] + "…"


def code(text: str, *, most: int = 300, table: bool = False) -> Markdown:
    """A code span that shows the text literally, on one line; an empty text is nothing.

    In a table the parser looks for ``|`` before it looks for code: there it stands with a backslash, or spelled out where
    a backslash is before it already.
    """
    said = clipped(printable(text), most)
    if not said:
        return Markdown()
    if table:
        said = said.replace("\\|", "\\\\x7c").replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in _RUN.findall(said)), default=0))
    # One space on either side is taken away again, where not all is space.
    pad = " " if said[0] in "` " or said[-1] in "` " else ""
    if not said.strip(" "):
        pad = ""
    return Markdown(f"{fence}{pad}{said}{pad}{fence}")


def prose(text: str, *, most: int = 1200, table: bool = False) -> Markdown:
    """A sentence on one line: plain words as words, all else (names, paths, versions, addresses) as code."""
    text = clipped(text, most)
    out, at = "", 0
    for ticked in _TICKED.finditer(text):
        out = _joined(out, _words(text[at : ticked.start()], table))
        out = _joined(out, code(" ".join(ticked[2].split()), table=table))
        at = ticked.end()
    return Markdown(_joined(out, _words(text[at:], table)).strip(" "))


def _joined(left: str, right: str) -> str:
    """Two texts one after the other, a space between them but before and behind punctuation that hugs."""
    hug = not left or not right or " " in (left[-1], right[0]) or left[-1] in _OPENING or right[0] in _CLOSING
    return left + ("" if hug else " ") + right


def _words(text: str, table: bool) -> str:
    """The words of a text that holds no code, with a space at either end where the text has one."""
    if not text:
        return ""
    said = " ".join(_piece(word, table) for word in text.split())
    return " " * text[0].isspace() + said + " " * (bool(said) and text[-1].isspace())


def cell(text: str, *, most: int = 600) -> Markdown:
    """`prose` for a cell of a table."""
    return prose(text, most=most, table=True)


def _piece(text: str, table: bool) -> str:
    core = text.lstrip(_OPENING)
    before = text[: len(text) - len(core)]
    core = core.rstrip(_CLOSING)
    after = text[len(before) + len(core) :]
    if _WORD.fullmatch(core) and not _COMMIT.fullmatch(core) and not _ADDRESS.search(core):
        said = core
    elif not core:
        said = ""
    elif _NUMBER.fullmatch(core):
        # A number with a point or a bracket begins a list, at the start of a line.
        said, after = core, "".join(_guarded(char) for char in after)
    else:
        said = code(core, table=table)
    return before + said + after


def _guarded(char: str) -> str:
    return "\\" + char if char.isascii() else char


def html_code(text: str, *, most: int = 300) -> Markdown:
    """Code for a line of raw HTML (a ``<summary>``), where Markdown is not read."""
    said = html.escape(clipped(printable(text), most))
    return Markdown(f"<code>{said}</code>" if said else "")


def block(text: str, info: str = "") -> Markdown:
    """A fenced block that shows lines literally, behind a fence longer than any of theirs; ``info`` is ours.

    All but tabs and line feeds that could steer what shows it is spelled out.
    """
    lines = ["\t".join(printable(part) for part in line.split("\t")) for line in text.split("\n")]
    fence = "`" * max(3, 1 + max((len(run) for run in _RUN.findall(text)), default=0))
    return Markdown("\n".join([fence + info, *lines, fence]))


def address(url: str) -> Markdown:
    """The target of a link, with nothing in it that Markdown could read; nothing where it is no web address."""
    return Markdown(quote(url, safe="/:?=%") if url.startswith(("https://", "http://")) else "")


def link(label: str, blob: str, path: str, location: Location, *, table: bool = False) -> Markdown:
    """A place as code, linked to its lines where ``blob`` (`bot.report.context.Context.blob`) is known."""
    said = code(label, table=table)
    where = address(blob)
    if not where or not location.path:
        return said
    target = where + "/" + quote(path.encode("utf-8", "surrogateescape"), safe="/")
    if location.line:
        target += f"#L{location.line}"
        # The end is exclusive: a region that ends before the first column of a line does not hold it.
        last = location.end_line - (location.end_column == 1)
        target += f"-L{last}" if last > location.line else ""
    return Markdown(f"[{said}]({target})")
