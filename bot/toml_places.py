"""Where things stand in a TOML file: for error messages only, since `tomllib` gives no positions."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Pointer", "Spot", "spots"]

Pointer = tuple[str | int, ...]
_SPOTS_MAX = 50_000


class Spot(NamedTuple):
    """Row and byte offset in it, both from 0, of a key and of its value. They are the same for list items."""

    key: tuple[int, int]
    value: tuple[int, int]


def spots(data: bytes) -> dict[Pointer, Spot]:
    """Every key, table and list item of a TOML 1.0 document (UTF-8, no BOM) by its pointer: keys and indexes.

    Of a very large document, the first ones.
    """
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    tree = Parser(Language(tree_sitter_toml.language())).parse(data)
    return _Walk().document(tree.root_node)


class _Walk:
    def __init__(self) -> None:
        self._found: dict[Pointer, Spot] = {}
        self._counts: dict[Pointer, int] = {}

    def document(self, root: Node) -> dict[Pointer, Spot]:
        for node in root.children:
            if len(self._found) > _SPOTS_MAX:
                break
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node)
        return self._found

    def _table(self, node: Node) -> None:
        header = next((child for child in node.children if child.type.endswith("_key")), None)
        if header is None:
            return
        at = _at(node)
        names = list(_names(header))
        pointer = (*self._enter(names[:-1], at), names[-1])
        if node.type == "table_array_element":
            self._found.setdefault(pointer, Spot(at, at))
            index = self._counts.get(pointer, 0)
            self._counts[pointer] = index + 1
            pointer = (*pointer, index)
        self._found.setdefault(pointer, Spot(at, at))
        for child in node.children:
            if child.type == "pair":
                self._pair(child, pointer)

    def _enter(self, names: list[str], at: tuple[int, int]) -> Pointer:
        # ``[a.b]`` after ``[[a]]`` speaks of the newest ``a``.
        pointer: Pointer = ()
        for name in names:
            pointer = (*pointer, name)
            self._found.setdefault(pointer, Spot(at, at))
            if pointer in self._counts:
                pointer = (*pointer, self._counts[pointer] - 1)
        return pointer

    def _pair(self, node: Node, prefix: Pointer) -> None:
        if len(node.children) < 3:
            return
        # Key, "=", value, and sometimes the comment behind it.
        key, value = node.children[0], node.children[2]
        at = _at(key)
        names = list(_names(key))
        pointer = prefix
        for name in names[:-1]:
            pointer = (*pointer, name)
            self._found.setdefault(pointer, Spot(at, at))
        pointer = (*pointer, names[-1]) if names else pointer
        self._found[pointer] = Spot(at, _at(value))
        self._value(value, pointer)

    def _value(self, node: Node, pointer: Pointer) -> None:
        if node.type == "array":
            items = [child for child in node.children if child.type not in ("[", "]", ",", "comment")]
            for index, item in enumerate(items[:_SPOTS_MAX]):
                at = _at(item)
                self._found[(*pointer, index)] = Spot(at, at)
                self._value(item, (*pointer, index))
        elif node.type == "inline_table":
            for child in node.children:
                if child.type == "pair":
                    self._pair(child, pointer)


def _at(node: Node) -> tuple[int, int]:
    row, column = node.start_point
    return row, column


def _names(node: Node) -> Iterator[str]:
    """The parts of a key: the grammar nests dotted keys to the left."""
    if node.type == "dotted_key":
        for child in node.children:
            yield from _names(child)
    elif node.type == "bare_key":
        yield (node.text or b"").decode(errors="replace")
    elif node.type == "quoted_key":
        text = (node.text or b"").decode(errors="replace")
        try:
            yield str(tomllib.loads(f"key = {text}")["key"])
        except (tomllib.TOMLDecodeError, KeyError):
            yield text
