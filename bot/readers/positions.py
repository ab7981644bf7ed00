"""Lines and columns of places, found late: for findings only.

JSON, YAML and yarn's own format are scanned along the way to a place (`bot.readers.flow_places`, `bot.readers.block_places`):
a lock may have 20 MB. TOML is parsed by tree-sitter, once a file.
"""

from __future__ import annotations

import bisect
import re

from bot.model import Location, Place
from bot.readers.block_places import Found, YamlPlaces, YarnPlaces
from bot.readers.flow_places import JSON, Container, bracket_end, inner, scan

__all__ = ["Located", "locate", "span"]

_BOM = b"\xef\xbb\xbf"
_Pointer = tuple[str | int, ...]
_TOML_LOCKS = ("uv.lock", "poetry.lock", "Pipfile")


class Located:
    """One file's bytes, with what is needed to find places in it, made when first asked for."""

    def __init__(self, data: bytes, path: str) -> None:
        self._data = data
        self._path = path
        self._starts: list[int] | None = None
        self._format = _format_of(path, data)
        self._containers: dict[int, Container | None] = {}
        self._yaml: YamlPlaces | None = None
        self._yarn: YarnPlaces | None = None
        self._toml: dict[_Pointer, tuple[tuple[int, int], tuple[int, int]]] | None = None

    def locate(self, place: Place) -> Location:
        """Where a place stands. A pointer that leads nowhere gives its longest part that is there, else (in JSON) the
        document's first key, else the file.

        What is more than a scalar is shown by its key: its text may be pages long.
        """
        region = self._region(place)
        if region is None:
            return Location(path=place.path)
        line, column = self._position(region[0])
        end_line, end_column = self._position(region[1])
        return Location(path=place.path, line=line, column=column, end_line=end_line, end_column=end_column)

    def span(self, place: Place) -> tuple[int, int] | None:
        """Byte offsets of the text inside a value's quotes (of the key's, with ``key``); None when it is not there."""
        if place.start >= 0:
            return (place.start, place.end) if place.start <= place.end <= len(self._data) else None
        found = self._find(place.pointer) if place.pointer else None
        if found is None or found.depth < len(place.pointer):
            return None
        return found.key if place.key else found.value

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

    # -- pointers to offsets ---------------------------------------------------------------

    def _region(self, place: Place) -> tuple[int, int] | None:
        if place.start >= 0:
            end = min(max(place.start, place.end), len(self._data))
            return min(place.start, end), end
        if not place.pointer:
            return None
        found = self._find(place.pointer)
        if found is None:
            return self._first_key() if self._format == "json" else None
        by_key = place.key or found.container or found.depth < len(place.pointer)
        return found.key if by_key and found.key is not None else found.value

    def _find(self, pointer: _Pointer) -> Found | None:
        if self._format == "yaml":
            self._yaml = self._yaml or YamlPlaces(self._data)
            return self._yaml.find(pointer)
        if self._format == "yarn":
            self._yarn = self._yarn or YarnPlaces(self._data)
            return self._yarn.find(pointer)
        return self._find_toml(pointer) if self._format == "toml" else self._find_json(pointer)

    def _find_json(self, pointer: _Pointer) -> Found | None:
        at = self._container(-1)
        found: Found | None = None
        for depth, part in enumerate(pointer, start=1):
            item = None
            if at is not None and at.members is not None and isinstance(part, str):
                item = at.members.get(part)
            elif at is not None and at.items is not None and isinstance(part, int) and 0 <= part < len(at.items):
                item = at.items[part]
            if item is None:
                return found
            container = self._data[item.start : item.start + 1] in (b"{", b"[")
            # An object in a list has no key: it is shown by its opening bracket.
            in_list = at is not None and at.items is not None
            key = (item.start, item.start + 1) if in_list and container else (item.key_start, item.key_end)
            found = Found(depth, key, inner(self._data, item.start, item.end), container)
            at = self._container(item.start) if container and depth < len(pointer) else None
        return found

    def _first_key(self) -> tuple[int, int] | None:
        """What a document begins with, for what is missing in it: a package.json mostly begins with its name."""
        root = self._container(-1)
        first = min(root.members.values(), default=None) if root is not None and root.members else None
        return None if first is None else (first.key_start, first.key_end)

    def _container(self, start: int) -> Container | None:
        if start not in self._containers:
            at = start
            if start < 0:
                opening = _JSON_START.match(self._data)
                at = opening.end() if opening else len(self._data)
            self._containers[start] = scan(self._data, at, JSON)
        return self._containers[start]

    def _find_toml(self, pointer: _Pointer) -> Found | None:
        if self._toml is None:
            self._toml = _toml_regions(self._data)
        for depth in range(len(pointer), 0, -1):
            found = self._toml.get(pointer[:depth])
            if found is not None:
                start, end = found[1]
                return Found(
                    depth, found[0], _toml_inner(self._data, start, end), self._data[start : start + 1] in b"[{"
                )
        return None


def locate(place: Place, data: bytes) -> Location:
    """`Located.locate` for one place."""
    return Located(data, place.path).locate(place)


def span(place: Place, data: bytes) -> tuple[int, int] | None:
    """`Located.span` for one place."""
    return Located(data, place.path).span(place)


# White space, a byte order mark and comments before the document.
_JSON_START = re.compile(rb"(?:[\s\xef\xbb\xbf]|//[^\n]*+|/\*.*?\*/)*+", re.DOTALL)
_BERRY = re.compile(rb"^__metadata:", re.MULTILINE)


def _format_of(path: str, data: bytes) -> str:
    name = path.rpartition("/")[2]
    if name.endswith(".toml") or name in _TOML_LOCKS:
        return "toml"
    if name == "yarn.lock":
        return "yaml" if _BERRY.search(data) else "yarn"
    return "yaml" if name.endswith((".yaml", ".yml")) else "json"


# -- TOML --------------------------------------------------------------------------------------

_TOML_TOKEN = re.compile(
    rb'"""(?:[^"\\]|\\.|"(?!""))*+"""|\'\'\'(?:[^\']|\'(?!\'\'))*+\'\'\'|"(?:[^"\\\n]|\\.)*+"|\'[^\'\n]*+\'|[^\s,\]}#=]++',
    re.DOTALL,
)


def _toml_regions(data: bytes) -> dict[_Pointer, tuple[tuple[int, int], tuple[int, int]]]:
    """Of every pointer its key's text and its value's, quotes included."""
    from bot.toml_places import spots

    bom = len(_BOM) if data.startswith(_BOM) else 0
    starts = [bom, *(found.end() for found in re.finditer(rb"\n", data))]
    regions: dict[_Pointer, tuple[tuple[int, int], tuple[int, int]]] = {}
    for pointer, spot in spots(data[bom:]).items():
        key = _toml_token(data, starts[spot.key[0]] + spot.key[1])
        regions[pointer] = inner(data, *key), _toml_token(data, starts[spot.value[0]] + spot.value[1])
    return regions


def _toml_token(data: bytes, start: int) -> tuple[int, int]:
    if data[start : start + 1] in (b"[", b"{"):
        return start, bracket_end(data, start, JSON)
    found = _TOML_TOKEN.match(data, start)
    return (start, start) if found is None else found.span()


def _toml_inner(data: bytes, start: int, end: int) -> tuple[int, int]:
    if end - start >= 6 and data[start : start + 3] in (b'"""', b"'''"):
        return start + 3, end - 3
    return inner(data, start, end)
