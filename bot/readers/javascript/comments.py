"""Imports that stand in comments: triple-slash directives and JSDoc's types."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from bot.facts.module import Import, ImportKind
from bot.readers.javascript.uses import Use

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Comments", "clause_names"]

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?(?:#![^\r\n]*+)?(?:\s++|//[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_DIRECTIVE = re.compile(rb"///\s*<reference\s[^>]*?\b(path|types)\s*=\s*[\"']\Z")
_JSDOC_FROM = re.compile(rb"@import\b([^@]*?)(?:\bfrom)?\s*[\"']\Z")
_JSDOC_CALL = re.compile(rb"\bimport\s*\(\s*[\"'`]\Z")
_TAG = re.compile(rb"@[A-Za-z]+\s*\{|[{}]|@(?:type|this|enum)[^\S\r\n]+[^{\s][^\r\n]*")


_TEMPLATE_DEFAULT = re.compile(rb"@template\b[^\r\n\[]*\[\s*[\w$]+\s*=([^\r\n]*)")


class Comments:
    """What counts in the comments of one file: triple-slash directives before the first statement, and, in JavaScript,
    the types of JSDoc's tags. Each comment is read once."""

    def __init__(self, data: bytes, *, typescript: bool) -> None:
        self._data = data
        self._typescript = typescript
        self._head = -1
        self._start = -1
        self._spans: list[tuple[int, int]] = []

    def use(self, comment: Node, string: Import) -> Use | None:
        data, start = self._data, comment.start_byte
        if data.startswith(b"///", start):
            directive = _DIRECTIVE.match(data, start, string.start)
            if directive is None:
                return None
            if self._head < 0:
                self._head = _HEAD.match(data).end()  # type: ignore[union-attr]  # it matches nothing too
            return Use(ImportKind.REFERENCE, types=directive[1] == b"types") if string.end < self._head else None
        if self._typescript or not data.startswith(b"/**", start):
            return None
        tag = data.rfind(b"@import", max(start, string.start - 10_000), string.start)
        if tag >= 0 and (found := _JSDOC_FROM.match(data, tag, string.start)):
            return Use(ImportKind.TYPE, clause_names(found[1].decode("utf-8", "replace")), types=True)
        if not _JSDOC_CALL.search(data, max(start, string.start - 100), string.start):
            return None
        if self._start != start:
            self._start, self._spans = start, _tag_spans(data, start, comment.end_byte)
        at = bisect_right(self._spans, (string.start, len(data))) - 1
        if at < 0 or string.start >= self._spans[at][1]:
            return None
        member = _MEMBER.match(data, string.end + 1, comment.end_byte)
        return Use(ImportKind.TYPE, (member[1].decode(),) if member else (), types=True)


_MEMBER = re.compile(rb"\s*\)\s*\.\s*([\w$]+)")


def _tag_spans(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """The insides of the braces that follow a tag: ``@type {...}``; ``@type`` may go without, to its line's end."""
    spans: list[tuple[int, int]] = []
    depth, opened = 0, -1
    for match in _TAG.finditer(data, start, end):
        token = match[0]
        if token == b"}":
            depth = max(0, depth - 1)
            if not depth and opened >= 0:
                spans.append((opened, match.start()))
                opened = -1
        elif token == b"{":
            depth += 1
        elif token.endswith(b"{"):
            if opened < 0:
                depth, opened = 0, match.end()
            depth += 1
        elif opened < 0:
            spans.append(match.span())
    if opened >= 0:
        spans.append((opened, end))
    spans += [match.span(1) for match in _TEMPLATE_DEFAULT.finditer(data, start, end)]
    return sorted(spans)


def clause_names(clause: str) -> tuple[str, ...]:
    """Names of ``a, {b as c}, * as ns``, from its text."""
    names: list[str] = []
    outer, _, rest = clause.replace("*/", "").partition("{")
    for part in outer.split(","):
        text = part.strip(" \t\r\n")
        if text:
            names.append("*" if text.startswith("*") else "default")
    for part in rest.partition("}")[0].split(","):
        words = [word for word in part.split() if word != "*"]
        if words:
            names.append(words[1] if words[0] == "type" and len(words) > 1 and words[1] != "as" else words[0])
    return tuple(dict.fromkeys(names))
