"""Lines and columns of places, found late: for findings only.

JSON (with comments and trailing commas, as in ``bun.lock``) and TOML are parsed by tree-sitter, once a file; YAML and
yarn's own format are walked by their indentation, which is all that machine-written locks need and which a 20 MB file can afford.
"""

from __future__ import annotations

import bisect
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from bot.model import Location, Place

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Located", "locate", "span"]

_BOM = b"\xef\xbb\xbf"


class _Region(NamedTuple):
    """A byte range of a file: the inner text of a value or key."""

    start: int
    end: int


class Located:
    """One file's bytes, with what is needed to find places in it, made when first asked for."""

    def __init__(self, data: bytes, path: str) -> None:
        self._data = data
        self._path = path
        self._starts: list[int] | None = None
        self._root: Node | None = None
        self._tables: dict[int, dict[str, Node]] = {}
        self._toml: dict[tuple[str | int, ...], tuple[_Region, _Region]] | None = None

    def locate(self, place: Place) -> Location:
        """Where a place stands. A pointer that leads nowhere gives its longest part that is there, else the file."""
        region = self._region(place)
        if region is None:
            return Location(path=place.path)
        line, column = self._position(region.start)
        end_line, end_column = self._position(region.end)
        return Location(path=place.path, line=line, column=column, end_line=end_line, end_column=end_column)

    def span(self, place: Place) -> tuple[int, int] | None:
        """Byte offsets of the text inside a value's quotes (of the key's, with ``key``); None when it is not there."""
        if place.start >= 0:
            return (place.start, place.end) if place.end <= len(self._data) else None
        found, missing = self._walk(place)
        return None if found is None or missing else (found.start, found.end)

    def line(self, number: int) -> str:
        """A line's text, without its end. Undecodable bytes become replacement characters."""
        starts = self._line_starts()
        if not 0 < number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self._data)
        text = self._data[starts[number - 1] : end].removeprefix(_BOM if number == 1 else b"")
        return text.decode("utf-8", errors="replace").rstrip("\r\n")

    # -- offsets to lines ------------------------------------------------------------------

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *(found.end() for found in re.finditer(rb"\n", self._data))]
            if len(self._starts) > 1 and self._starts[-1] == len(self._data):
                self._starts.pop()
        return self._starts

    def _position(self, offset: int) -> tuple[int, int]:
        starts = self._line_starts()
        row = bisect.bisect_right(starts, offset) - 1
        before = self._data[starts[row] : offset].removeprefix(_BOM if row == 0 else b"")
        return row + 1, len(before.decode("utf-8", errors="replace")) + 1

    def _region(self, place: Place) -> _Region | None:
        if place.start >= 0:
            end = min(max(place.start, place.end), len(self._data))
            return _Region(min(place.start, end), end)
        return self._walk(place)[0]

    def _walk(self, place: Place) -> tuple[_Region | None, bool]:
        """The region of the longest part of a pointer that is there, and whether a rest was missing."""
        if not place.pointer:
            return None, False
        name = self._path.rpartition("/")[2]
        if name.endswith(".toml"):
            return self._walk_toml(place)
        if name.endswith((".yaml", ".yml")) or (name == "yarn.lock" and b"__metadata:" in self._data[:4096]):
            return _walk_yaml(self._data, place)
        if name == "yarn.lock":
            return _walk_yarn(self._data, place)
        return self._walk_json(place)

    # -- JSON ------------------------------------------------------------------------------

    def _walk_json(self, place: Place) -> tuple[_Region | None, bool]:
        node = self._document()
        region: _Region | None = None
        for depth, part in enumerate(place.pointer):
            last = depth == len(place.pointer) - 1
            if isinstance(part, int):
                items = [child for child in node.named_children if child.type not in ("comment", "ERROR")]
                if node.type != "array" or not 0 <= part < len(items):
                    return region, True
                node = items[part]
            else:
                pair = self._table(node).get(part) if node.type == "object" else None
                value = pair.child_by_field_name("value") if pair is not None else None
                key = pair.child_by_field_name("key") if pair is not None else None
                if value is None or key is None:
                    return region, True
                if last and place.key:
                    return _inner(key), False
                # An object is shown by its key: its text may be pages long.
                region = _inner(key)
                node = value
        if node.type in ("object", "array") and region is not None:
            return region, False
        return _inner(node), False

    def _document(self) -> Node:
        if self._root is None:
            import tree_sitter_json
            from tree_sitter import Language, Parser

            document = Parser(Language(tree_sitter_json.language())).parse(self._data).root_node
            values = [child for child in document.named_children if child.type not in ("comment", "ERROR")]
            self._root = values[0] if values else document
        return self._root

    def _table(self, node: Node) -> dict[str, Node]:
        if node.id not in self._tables:
            table: dict[str, Node] = {}
            for pair in node.named_children:
                key = pair.child_by_field_name("key") if pair.type == "pair" else None
                if key is not None:
                    table[_string(key)] = pair  # the last of equal keys wins, as in JSON.parse
            self._tables[node.id] = table
        return self._tables[node.id]

    # -- TOML ------------------------------------------------------------------------------

    def _walk_toml(self, place: Place) -> tuple[_Region | None, bool]:
        if self._toml is None:
            self._toml = _toml_regions(self._data)
        for length in range(len(place.pointer), 0, -1):
            found = self._toml.get(place.pointer[:length])
            if found is not None:
                whole = length == len(place.pointer)
                return (found[0] if place.key and whole else found[1]), not whole
        return None, True


def locate(place: Place, data: bytes) -> Location:
    """`Located.locate` for one place."""
    return Located(data, place.path).locate(place)


def span(place: Place, data: bytes) -> tuple[int, int] | None:
    """`Located.span` for one place."""
    return Located(data, place.path).span(place)


def _inner(node: Node) -> _Region:
    if node.type == "string" and node.end_byte - node.start_byte >= 2:
        return _Region(node.start_byte + 1, node.end_byte - 1)
    return _Region(node.start_byte, node.end_byte)


def _string(node: Node) -> str:
    raw = node.text or b""
    text = raw.decode("utf-8", errors="surrogateescape")
    if "\\" not in text:
        return text[1:-1]
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _toml_regions(data: bytes) -> dict[tuple[str | int, ...], tuple[_Region, _Region]]:
    from bot.toml_places import spots

    bom = len(_BOM) if data.startswith(_BOM) else 0
    body = data[bom:]
    starts = [0, *(found.end() for found in re.finditer(rb"\n", body))]
    regions: dict[tuple[str | int, ...], tuple[_Region, _Region]] = {}
    for pointer, spot in spots(body).items():
        regions[pointer] = (
            _toml_token(data, starts[spot.key[0]] + spot.key[1] + bom),
            _toml_token(data, starts[spot.value[0]] + spot.value[1] + bom),
        )
    return regions


_TOML_TOKEN = re.compile(rb"\"((?:[^\"\\\n]|\\.)*)\"|'([^'\n]*)'|[^\s,\]}#=]+|.?")


def _toml_token(data: bytes, start: int) -> _Region:
    found = _TOML_TOKEN.match(data, start)
    if found is None:
        return _Region(start, start)
    group = 1 if found[1] is not None else 2 if found[2] is not None else 0
    return _Region(found.start(group), found.end(group))


# -- YAML and yarn, by indentation -------------------------------------------------------------


def _walk_yaml(data: bytes, place: Place) -> tuple[_Region | None, bool]:
    """Of several documents the last that has the pointer counts: a lock's own comes after its environment's."""
    bounds = [0, *(found.end() for found in re.finditer(rb"^---[ \t]*\r?$", data, re.MULTILINE)), len(data)]
    best: _Region | None = None
    for start, end in sorted(pairwise(bounds), reverse=True):
        found, missing = _walk_block(data, start, end, place)
        if found is not None and not missing:
            return found, False
        best = best or found
    return best, True


def _walk_block(data: bytes, start: int, end: int, place: Place) -> tuple[_Region | None, bool]:
    region: _Region | None = None
    indent = -1
    for depth, part in enumerate(place.pointer):
        last = depth == len(place.pointer) - 1
        if isinstance(part, int):
            found = _yaml_item(data, start, end, part)
            if found is None:
                return region, True
            region, start, end = found
            continue
        line = _yaml_key(data, start, end, indent, part)
        if line is None:
            return region, True
        key = _Region(*_yaml_text(line))
        indent = len(line["indent"])
        value = line.span("value")
        region = key
        if last and not place.key and value[0] >= 0 and data[value[0] : value[1]].strip():
            return _yaml_value(data, *value), False
        start = line.end()
        end = _block_end(data, start, end, indent)
    return region, False


def _yaml_text(line: re.Match[bytes]) -> tuple[int, int]:
    for group in ("double", "single", "plain"):
        if line[group] is not None:
            return line.span(group)
    return line.span()


def _yaml_key(data: bytes, start: int, end: int, above: int, key: str) -> re.Match[bytes] | None:
    """The line of a key among the direct children of a block."""
    wanted = key.encode("utf-8", errors="surrogateescape")
    escaped = re.escape(wanted)
    pattern = re.compile(
        rb"^(?P<indent> *)(?:\? )?(?:\"(?P<double>" + escaped + rb")\"|'(?P<single>" + re.escape(wanted.replace(b"'", b"''")) + rb")'|(?P<plain>"
        + escaped + rb"))[ \t]*(?::(?:[ \t]+(?P<value>[^\n]*?))?)?[ \t]*\r?$",
        re.MULTILINE,
    )  # fmt: skip
    first = re.compile(rb"^( *)[^\s#]", re.MULTILINE).search(data, start, end)
    if first is None or len(first[1]) <= above:
        return None
    level = len(first[1])
    for found in pattern.finditer(data, start, end):
        if len(found["indent"]) == level:
            return found
    return None


def _block_end(data: bytes, start: int, end: int, indent: int) -> int:
    """Where the block of a key at an indentation ends. A list may stand at the key's own indentation."""
    following = re.compile(rb"^ {0," + str(indent).encode() + rb"}(?![ #\r\n-])[^\s]", re.MULTILINE).search(
        data, start, end
    )
    return following.start() if following is not None else end


def _yaml_item(data: bytes, start: int, end: int, index: int) -> tuple[_Region, int, int] | None:
    first = re.compile(rb"^( *)- ", re.MULTILINE).search(data, start, end)
    if first is None:
        return None
    items = list(re.compile(rb"^" + first[1] + rb"- +", re.MULTILINE).finditer(data, start, end))
    if not 0 <= index < len(items):
        return None
    stop = items[index + 1].start() if index + 1 < len(items) else end
    line_end = data.find(b"\n", items[index].end(), stop)
    region = _yaml_value(data, items[index].end(), stop if line_end < 0 else line_end)
    return region, items[index].end(), stop


def _yaml_value(data: bytes, start: int, end: int) -> _Region:
    """The inner text of a scalar in a line: without quotes, comment and end of line."""
    text = data[start:end]
    for quote in (b'"', b"'"):
        if text.startswith(quote):
            close = text.find(quote, 1)
            return _Region(start + 1, start + (close if close > 0 else len(text)))
    comment = re.search(rb"\s+#", text)
    kept = (text[: comment.start()] if comment else text).rstrip()
    return _Region(start, start + len(kept))


def _walk_yarn(data: bytes, place: Place) -> tuple[_Region | None, bool]:
    """yarn 1: an entry's key line, and fields below it."""
    key = str(place.pointer[0]).encode("utf-8", errors="surrogateescape")
    found = re.compile(rb"^" + re.escape(key) + rb":[ \t]*\r?$", re.MULTILINE).search(data)
    if found is None:
        return None, True
    region = _Region(found.start(), found.start() + len(key))
    start, end = found.end(), _block_end(data, found.end(), len(data), 0)
    for part in place.pointer[1:]:
        name = re.escape(str(part).encode("utf-8", errors="surrogateescape"))
        line = re.compile(rb"^ +\"?(" + name + rb")\"?(?:[ \t]+([^\n]*?))?:?\r?$", re.MULTILINE).search(
            data, start, end
        )
        if line is None:
            return region, True
        region = _Region(*line.span(1))
        if part == place.pointer[-1] and line[2] and not place.key:
            return _yaml_value(data, *line.span(2)), False
        start = line.end()
    return region, False
