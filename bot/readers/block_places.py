"""Where values stand in YAML's block style and in yarn 1's lockfile, found by indentation.

Only the blocks on the way to a place are looked into, each once. (The tree-sitter grammar of YAML counts rows in 16 bits and
gives up on a lock of more than 32,767 lines.)
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from bot.readers.flow_places import YAML, Container, bracket_end, inner, scan, unquote

__all__ = ["Found", "YamlPlaces", "YarnPlaces"]

_Range = tuple[int, int]


class Found(NamedTuple):
    """How far a pointer led: ``depth`` parts of it, to a ``key`` (in a list: the item's beginning) and a ``value``, both byte
    ranges without quotes; ``container`` tells whether the value is more than a scalar."""

    depth: int
    key: _Range | None
    value: _Range
    container: bool


class _Node(NamedTuple):
    """A value: where its text begins and ends, of what kind it is, and the column of a block."""

    kind: str
    start: int
    end: int
    column: int = 0


class _Entry(NamedTuple):
    key: _Range
    value: int
    end: int
    explicit: bool


_DOCUMENT = re.compile(rb"^---(?=[ \t\r\n]|\Z)|^\.\.\.[ \t]*\r?$", re.MULTILINE)
_CONTENT = re.compile(rb"^[ ]*(?=[^\s#])", re.MULTILINE)
_QUOTED_KEY = re.compile(rb"(\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\"|'[^']*+(?:''[^']*+)*+')[ \t]*:(?=[ \t\r\n]|\Z)", re.DOTALL)
_QUOTED = re.compile(rb"\"[^\"\\]*+(?:\\.[^\"\\]*+)*+\"|'[^']*+(?:''[^']*+)*+'", re.DOTALL)
_COLON = re.compile(rb":(?=[ \t\r\n]|\Z)|[ \t]#|\n")
_PROPERTY = re.compile(rb"(?:[&!][^\s,\[\]{}]*[ \t]*)*")
_REST = re.compile(rb"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_PLAIN_END = re.compile(rb"[ \t]+#|[ \t]*\r?(?:\n|\Z)")
_SEPARATOR = re.compile(rb"[ \t]*")


class YamlPlaces:
    """Places in one YAML file. Of several documents the last that has all of a pointer counts."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        starts = [found.end() for found in _DOCUMENT.finditer(data)]
        marks = [found.start() for found in _DOCUMENT.finditer(data)]
        begin = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        self._documents = list(zip([begin, *starts], [*marks, len(data)], strict=True))
        self._roots: dict[int, _Node | None] = {}
        self._maps: dict[int, dict[str, _Entry]] = {}
        self._lists: dict[int, list[_Entry]] = {}
        self._flows: dict[int, Container | None] = {}

    def find(self, pointer: tuple[str | int, ...]) -> Found | None:
        """How far a pointer leads; None where not even its first part is there."""
        best: Found | None = None
        for start, end in reversed(self._documents):
            found = self._find_in(start, end, pointer)
            if found is not None and found.depth == len(pointer):
                return found
            if found is not None and (best is None or found.depth > best.depth):
                best = found
        return best

    def _find_in(self, start: int, end: int, pointer: tuple[str | int, ...]) -> Found | None:
        if start not in self._roots:
            self._roots[start] = self._value(start, end, inline=True)
        node = self._roots[start]
        found: Found | None = None
        for depth, part in enumerate(pointer, start=1):
            step = self._child(node, part) if node is not None else None
            if step is None:
                return found
            key, node = step
            value = (node.start, node.end)
            found = Found(depth, key, value, node.kind != "scalar")
        return found

    def _child(self, node: _Node, part: str | int) -> tuple[_Range, _Node] | None:
        if node.kind == "flow":
            return self._flow_child(node, part)
        if node.kind == "map":
            if node.start not in self._maps:
                self._maps[node.start] = self._map(node)
            entry = self._maps[node.start].get(str(part))
        elif node.kind == "list" and isinstance(part, int):
            if node.start not in self._lists:
                self._lists[node.start] = self._list(node)
            entries = self._lists[node.start]
            entry = entries[part] if 0 <= part < len(entries) else None
        else:
            return None
        if entry is None:
            return None
        inline = node.kind == "list" or entry.explicit
        value = self._value(entry.value, entry.end, inline=inline) or _Node("scalar", entry.value, entry.value)
        # A list's item has no key: a scalar is its own, a block is shown by its dash.
        own = node.kind == "list" and value.kind == "scalar"
        return (value.start, value.end) if own else entry.key, value

    def _flow_child(self, node: _Node, part: str | int) -> tuple[_Range, _Node] | None:
        if node.start not in self._flows:
            self._flows[node.start] = scan(self._data, node.start, YAML)
        flow = self._flows[node.start]
        item = None
        if flow is not None and flow.members is not None:
            item = flow.members.get(str(part))
        elif flow is not None and flow.items is not None and isinstance(part, int) and 0 <= part < len(flow.items):
            item = flow.items[part]
        if item is None:
            return None
        start, end = inner(self._data, item.start, item.end)
        kind = "flow" if self._data[item.start : item.start + 1] in (b"{", b"[") else "scalar"
        return (item.key_start, item.key_end), _Node(kind, start, end)

    # -- blocks ----------------------------------------------------------------------------

    def _entries(self, node: _Node) -> list[int]:
        """Where lines begin that stand at a block's own column."""
        line = re.compile(rb"\n {%d}(?=[^\s#])" % node.column)
        return [node.start, *(found.end() for found in line.finditer(self._data, node.start, node.end))]

    def _map(self, node: _Node) -> dict[str, _Entry]:
        data = self._data
        heads: list[tuple[str, _Range, int, int, bool]] = []
        waiting: tuple[str, _Range, int] | None = None
        for at in self._entries(node):
            if _is_item(data, at):
                continue  # a list at the column of its key
            if data[at : at + 1] == b":" and waiting is not None:
                heads.append((*waiting[:2], at + 1, waiting[2], True))
                waiting = None
            elif data[at : at + 1] == b"?" and data[at + 1 : at + 2] in (b" ", b"\t"):
                waiting = self._long_key(at, node.end)
            elif (key := self._key(at, node.end)) is not None:
                heads.append((unquote(data[key[0] : key[1]]), inner(data, key[0], key[1]), key[2], at, False))
        ends = [*(head[3] for head in heads), node.end][1:]
        return {
            text: _Entry(key, value, end, explicit)
            for (text, key, value, _, explicit), end in zip(heads, ends, strict=True)
        }

    def _long_key(self, at: int, end: int) -> tuple[str, _Range, int]:
        """``? key``, whose value follows a ``:`` at the same column."""
        data = self._data
        separator = _SEPARATOR.match(data, at + 1)
        start = separator.end() if separator else at + 1
        quoted = _QUOTED.match(data, start, end)
        stop = quoted.end() if quoted else self._plain_end(start, end)
        return unquote(data[start:stop]), inner(data, start, stop), at

    def _key(self, at: int, end: int) -> tuple[int, int, int] | None:
        """A key at an offset: its range, quotes included, and the offset behind its colon."""
        data = self._data
        if data[at : at + 1] in (b'"', b"'"):
            quoted = _QUOTED_KEY.match(data, at, end)
            return None if quoted is None else (*quoted.span(1), quoted.end())
        if data[at : at + 1] in (b"{", b"[", b"|", b">", b"%", b"@", b"`"):
            return None
        colon = _COLON.search(data, at, end)
        if colon is None or colon[0] != b":":
            return None
        return at, at + len(data[at : colon.start()].rstrip()), colon.end()

    def _list(self, node: _Node) -> list[_Entry]:
        starts = [at for at in self._entries(node) if _is_item(self._data, at)]
        return [_Entry((at, at + 1), at + 1, end, True) for at, end in pairwise([*starts, node.end])]

    # -- values ----------------------------------------------------------------------------

    def _value(self, at: int, end: int, *, inline: bool) -> _Node | None:
        """The value behind a colon or a dash; ``inline`` where a block may begin on the same line."""
        data = self._data
        at = self._separated(at, end)
        at = _PROPERTY.match(data, at, end).end()  # type: ignore[union-attr]
        if _REST.match(data, at, end) is not None:
            return self._block_value(at, end)
        if inline:
            return self._content(at, end)
        return self._inline(at, end)

    def _block_value(self, at: int, end: int) -> _Node | None:
        """The value that begins on a later line."""
        data = self._data
        line = _REST.match(data, at, end)
        if line is not None:
            at = line.end()
        found = _CONTENT.search(data, at, end)
        return None if found is None else self._content(found.end(), end)

    def _content(self, at: int, end: int) -> _Node:
        """What begins at an offset, a block included."""
        data = self._data
        if _is_item(data, at):
            return _Node("list", at, self._trimmed(at, end), self._column(at))
        explicit = data[at : at + 1] == b"?" and data[at + 1 : at + 2] in (b" ", b"\t")
        if explicit or self._key(at, end) is not None:
            return _Node("map", at, self._trimmed(at, end), self._column(at))
        return self._inline(_PROPERTY.match(data, at, end).end(), end)  # type: ignore[union-attr]

    def _inline(self, at: int, end: int) -> _Node:
        data = self._data
        first = data[at : at + 1]
        if first in (b"{", b"["):
            return _Node("flow", at, min(bracket_end(data, at, YAML), end))
        if first in (b'"', b"'"):
            quoted = _QUOTED.match(data, at, end)
            if quoted is not None:
                return _Node("scalar", at + 1, quoted.end() - 1)
        if first in (b"|", b">"):
            return _Node("scalar", at, self._trimmed(at, end))
        return _Node("scalar", at, self._plain_end(at, end))

    def _plain_end(self, at: int, end: int) -> int:
        found = _PLAIN_END.search(self._data, at, end)
        return found.start() if found is not None else end

    def _separated(self, at: int, end: int) -> int:
        found = _SEPARATOR.match(self._data, at, end)
        return found.end() if found is not None else at

    def _trimmed(self, start: int, end: int) -> int:
        while end > start and self._data[end - 1 : end].isspace():
            end -= 1
        return end

    def _column(self, at: int) -> int:
        line = self._data.rfind(b"\n", 0, at) + 1
        if line == 0 and self._data.startswith(b"\xef\xbb\xbf"):
            line = 3
        return at - line


def _is_item(data: bytes, at: int) -> bool:
    return data[at : at + 1] == b"-" and data[at + 1 : at + 2] in (b" ", b"\t", b"\r", b"\n", b"")


# -- yarn 1 ------------------------------------------------------------------------------------

_YARN_KEY = re.compile(rb"^(?![\s#])([^\n]+?):[ \t]*\r?$", re.MULTILINE)
_YARN_FIELD = re.compile(
    rb"^( +)(\"(?:[^\"\\\n]|\\.)*+\"|[^\s:\"]+)(?::[ \t]*|[ \t]+([^\r\n]*?)[ \t]*)\r?$", re.MULTILINE
)


class YarnPlaces:
    """Places in a yarn 1 lockfile: ``(entry key, field)`` or ``(entry key, "dependencies", name)``. The key is the key line
    without its colon, with or without its quotes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._entries: dict[str, tuple[_Range, int]] = {}
        found = list(_YARN_KEY.finditer(data))
        ends = [*(line.start() for line in found), len(data)][1:]
        for line, end in zip(found, ends, strict=True):
            raw = line[1].decode("utf-8", errors="surrogateescape")
            self._entries[raw] = self._entries[raw.replace('"', "")] = (line.span(1), end)

    def find(self, pointer: tuple[str | int, ...]) -> Found | None:
        """How far a pointer leads; None where there is no such entry."""
        entry = self._entries.get(str(pointer[0]))
        if entry is None:
            return None
        (start, stop), end = entry
        found = Found(1, inner(self._data, start, stop), inner(self._data, start, stop), container=True)
        indent, at = 0, stop
        for depth, part in enumerate(pointer[1:], start=2):
            line = self._field(str(part), at, end, indent)
            if line is None:
                return found
            key = inner(self._data, *line.span(2))
            value = inner(self._data, *line.span(3)) if line[3] is not None else key
            found = Found(depth, key, value, container=line[3] is None)
            indent, at = len(line[1]), line.end()
        return found

    def _field(self, name: str, start: int, end: int, above: int) -> re.Match[bytes] | None:
        level = 0
        for line in _YARN_FIELD.finditer(self._data, start, end):
            level = level or len(line[1])
            if len(line[1]) <= above:
                return None
            if len(line[1]) == level and unquote(line[2]) == name:
                return line
        return None
