"""Where values stand in JSON, in JSON with comments and trailing commas, and in YAML's flow style (``{a: [b]}``).

One container is scanned at a time, and what lies deeper is stepped over: a lock of 20 MB costs two passes, and no tree of it
is ever built. Broken text gives what was seen before the break.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

__all__ = ["JSON", "YAML", "Container", "Dialect", "Item", "bracket_end", "inner", "scan", "unquote"]


class Item(NamedTuple):
    """A member of a container, as byte offsets: its key's text without quotes (the item itself in a list), and its value
    with quotes and brackets."""

    key_start: int
    key_end: int
    start: int
    end: int


class Container(NamedTuple):
    """What an object or a list holds; one of both is None. The last of equal keys counts. ``end`` is behind its bracket."""

    members: dict[str, Item] | None
    items: list[Item] | None
    end: int


class Dialect(NamedTuple):
    """Tokens of a notation: ``token`` takes one at a position, ``skip`` only those that tell where brackets match.

    Where there are ``plain`` ones, they take a usual member or item of a container whole: a member's ``key``, the ``value``, and
    the comma or the closing bracket behind it.
    """

    token: re.Pattern[bytes]
    skip: re.Pattern[bytes]
    plain: tuple[re.Pattern[bytes], re.Pattern[bytes]] | None = None


# A quote or a comment that nothing closes is a token of its own, at which scanning ends: looking for its end again and
# again would take quadratic time.
_DOUBLE = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SINGLE = rb"'[^'\\]*+(?:\\.[^'\\]*+)*+'"
_COMMENT = rb"//[^\n]*+|/\*(?:.*?\*/)?"
_SPACE = rb"[\s\xef\xbb\xbf]*+"


def _nested(levels: int) -> bytes:
    """A list or an object that holds no more than so many levels of others."""
    within = rb"[^\"'{}\[\]/]++|" + _DOUBLE + rb"|" + _SINGLE + rb"|//[^\n]*+|/\*.*?\*/|/(?![/*])"
    return rb"[{\[](?:" + within + (rb"|" + _nested(levels - 1) if levels else b"") + rb")*+[}\]]"


_VALUE = rb"(?P<value>" + _DOUBLE + rb"|[^\s\"'{}\[\],:/]++|" + _nested(3) + rb")" + _SPACE + rb"[,}\]]"
JSON = Dialect(
    plain=(
        re.compile(_SPACE + rb"(?P<key>" + _DOUBLE + rb")" + _SPACE + rb":" + _SPACE + _VALUE, re.DOTALL),
        re.compile(_SPACE + _VALUE, re.DOTALL),
    ),
    token=re.compile(
        rb"[\s\xef\xbb\xbf]*+(?:"
        + _DOUBLE
        + rb"|"
        + _SINGLE
        + rb"|[{}\[\],:]|"
        + _COMMENT
        + rb"|[^\s\"'{}\[\],:/]++|.)",
        re.DOTALL,
    ),
    skip=re.compile(_DOUBLE + rb"|" + _SINGLE + rb"|[{}\[\]]|" + _COMMENT + rb"|[\"']", re.DOTALL),
)
_YAML_PLAIN = (
    rb"(?:[^\s,\[\]{}:#\"']|:(?![\s,\[\]{}\"']))"
    rb"(?:[^\s,\[\]{}:]|:(?![\s,\[\]{}])|[ \t]++(?![\s#]|:[\s,\[\]{}]))*+"
)
_YAML_TOKEN = rb"\s*+(?:" + _DOUBLE + rb"|'[^']*+(?:''[^']*+)*+'|[{}\[\],]|#[^\n]*+|" + _YAML_PLAIN + rb"|:|.)"
YAML = Dialect(token=re.compile(_YAML_TOKEN, re.DOTALL), skip=re.compile(_YAML_TOKEN, re.DOTALL))
_UNCLOSED = (b'"', b"'", b"/*")


def scan(data: bytes, start: int, dialect: Dialect) -> Container | None:
    """The members of the container whose bracket stands at ``start``; None where none does."""
    opening = data[start : start + 1]
    if opening not in (b"{", b"["):
        return None
    members: dict[str, Item] = {}
    items: list[Item] = []
    key: tuple[int, int] | None = None
    awaits_value = opening == b"["
    at = start + 1
    plain = dialect.plain[awaits_value] if dialect.plain is not None else None
    while plain is not None and (found := plain.match(data, at)) is not None:
        begin, end = found.span("value")
        if awaits_value:
            items.append(Item(*inner(data, begin, end), begin, end))
        else:
            opened, closed = found.span("key")
            name = data[opened + 1 : closed - 1]
            text = _text(data, opened, closed) if b"\\" in name else name.decode("utf-8", "surrogateescape")
            members[text] = Item(opened + 1, closed - 1, begin, end)
        at = found.end()
        if data[at - 1] != 0x2C:  # a comma
            return Container(None, items, at) if awaits_value else Container(members, None, at)
    while (found := dialect.token.match(data, at)) is not None:
        at = found.end()
        token = found[0].lstrip(b" \t\r\n\v\f\xef\xbb\xbf")
        begin = at - len(token)
        first = token[:1]
        if token in _UNCLOSED:
            break
        if first in b"}]":
            if key is not None:
                members.setdefault(_text(data, *key), Item(*inner(data, *key), at - 1, at - 1))
            break
        if token == b",":
            if key is not None:  # YAML: a key without a value
                members[_text(data, *key)] = Item(*inner(data, *key), begin, begin)
            key, awaits_value = None, opening == b"["
        elif token == b":":
            awaits_value = key is not None or opening == b"["
        elif token.startswith((b"//", b"/*")) or (first == b"#" and dialect is YAML):
            continue
        elif not awaits_value:
            key = key or (begin, at)
        else:
            if first in b"{[":
                at = bracket_end(data, begin, dialect)
            if opening == b"[":
                items.append(Item(*inner(data, begin, at), begin, at))
            elif key is not None:
                members[_text(data, *key)] = Item(*inner(data, *key), begin, at)
            key, awaits_value = None, False
    return Container(members, None, at) if opening == b"{" else Container(None, items, at)


def bracket_end(data: bytes, start: int, dialect: Dialect) -> int:
    """The offset behind the bracket that closes the one at ``start``; the end of the data where none does."""
    depth = 0
    for found in dialect.skip.finditer(data, start):
        token = found[0].lstrip()
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return found.end()
        elif token in _UNCLOSED:
            break
    return len(data)


def inner(data: bytes, start: int, end: int) -> tuple[int, int]:
    """A token's range without its quotes."""
    quoted = end - start >= 2 and data[start : start + 1] in (b'"', b"'") and data[start] == data[end - 1]
    return (start + 1, end - 1) if quoted else (start, end)


def unquote(token: bytes) -> str:
    """The text that a token means: escapes of JSON in double quotes, a doubled quote in single ones."""
    text = token.decode("utf-8", errors="surrogateescape")
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    if "\\" not in text:
        return text[1:-1]
    try:
        return str(json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return text[1:-1]


def _text(data: bytes, start: int, end: int) -> str:
    return unquote(data[start:end])
