"""What a string in a syntax tree of tree-sitter is used for.

A string is known by its path: the nodes from the root down to it. Paths are made in one walk, since asking a node for
its parent costs as much as the tree is deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from bot.facts.module import Import, ImportKind
from bot.readers.javascript.candidates import MOCKS, decode

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["MASK", "Use", "Uses", "paths"]

MASK = b"_"  # fills the place of an ``import("x")`` that the grammar could not read


class Use(msgspec.Struct, frozen=True):
    """What a string is used for; the fields are those of `Import`."""

    kind: ImportKind
    names: tuple[str, ...] = ()
    types: bool = False


def paths(root: Node, strings: Iterable[Import]) -> Iterator[tuple[Import, list[Node]]]:
    """For every string, which come by offset, the nodes that span it and its quotes, from the root down.

    The list is the same one each time, changed.
    """
    cursor = root.walk()
    path = [root]
    for string in strings:
        low, high = string.start - 1, string.end + 1
        while len(path) > 1 and not (path[-1].start_byte <= low and high <= path[-1].end_byte):
            cursor.goto_parent()
            path.pop()
        while cursor.goto_first_child_for_byte(low) is not None:
            node = cursor.node
            if node is None or node.start_byte > low or node.end_byte < high:
                cursor.goto_parent()
                break
            path.append(node)
        yield string, path


_WRAPPERS = ("parenthesized_expression", "as_expression", "satisfies_expression", "non_null_expression")
_MEMBERS = ("member_expression", "subscript_expression", "nested_identifier")
_TYPE_PLACES = ("constraint", "implements_clause", "extends_clause")


class Uses:
    """The uses of one file's strings. ``data`` is the file as it was written, the tree may come of a masked text."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._mockers: dict[int, bool] = {}

    def of(self, path: list[Node]) -> Use | None:
        """The use of the string, or of the masked ``import("x")``, that ends the path; None where it has none."""
        node = path[-1]
        if node.type not in ("string", "template_string"):
            return _masked_import(path, len(path) - 1)
        at = len(path) - 2
        while at > 0 and path[at].type in _WRAPPERS:
            at -= 1
        parent = path[at]
        match parent.type:
            case "import_statement":
                return _static_import(parent)
            case "import_require_clause":
                return Use(ImportKind.REQUIRE, types=any(part.type == "type" for part in path[at - 1].children))
            case "export_statement":
                return self._static_export(parent) if parent.child_by_field_name("source") == node else None
            case "arguments":
                return self._argument(path, at)
            case "array":
                use = self._argument(path, at - 1) if path[at - 1].type == "arguments" else None
                return use if use is not None and use.kind is ImportKind.GLOB and not _excludes(node) else None
        return None

    def _static_export(self, statement: Node) -> Use:
        names: list[str] = []
        typed: list[bool] = []
        for part in statement.children:
            if part.type in ("*", "namespace_export"):
                names.append("*")
                typed.append(False)
            elif part.type == "export_clause":
                for item in part.named_children:
                    if item.type == "export_specifier":
                        names.append(_name(item.child_by_field_name("name")))
                        typed.append(item.children[0].type == "type")
        # Asked of the text, since a mask may have taken the word away.
        if _EXPORT_TYPE.match(self._data, statement.start_byte):
            return Use(ImportKind.TYPE, _unique(names), types=True)
        return Use(ImportKind.EXPORT, _unique(names), types=bool(typed) and all(typed))

    def _argument(self, path: list[Node], at: int) -> Use | None:
        """The use of a string that is (in) the first argument of a call; ``path[at]`` are the arguments."""
        first = next(_arguments(path[at]), None)
        call = path[at - 1]
        if first is None or first.start_byte != path[at + 1].start_byte or at < 1:
            return None
        if call.type == "new_expression":
            return Use(ImportKind.URL) if _is_module_url(call, path[at]) else None
        if call.type != "call_expression":
            return None
        callee = call.child_by_field_name("function")
        while callee is not None and callee.type in (
            "parenthesized_expression",
            "non_null_expression",
            "await_expression",
        ):
            callee = callee.named_child(callee.named_child_count - 1)
        if callee is None:
            return None
        if callee.type == "import":
            if _is_type(path, at - 1):
                return Use(ImportKind.TYPE, _member_names(path, at - 1), types=True)
            return Use(ImportKind.DYNAMIC, _bound_names(path, at - 1, awaited=True))
        if callee.type == "identifier":
            bound = _text(callee) == "require"
            return Use(ImportKind.REQUIRE, _bound_names(path, at - 1, awaited=False)) if bound else None
        return self._method(path, at, callee, first) if callee.type == "member_expression" else None

    def _method(self, path: list[Node], at: int, callee: Node, first: Node) -> Use | None:
        target, name = callee.child_by_field_name("object"), _text(callee.child_by_field_name("property"))
        if target is None:
            return None
        if name in ("glob", "globEager") and target.type == "meta_property":
            return None if _excludes(first) else Use(ImportKind.GLOB)
        if name == "resolve" and (target.type == "meta_property" or _text(target) == "require"):
            return Use(ImportKind.RESOLVE)
        if name == "require" and _text(target) == "module":
            return Use(ImportKind.REQUIRE, _bound_names(path, at - 1, awaited=False))
        if name == "module":
            return Use(ImportKind.MOCK) if re.fullmatch(r"(?:\w+\.)?mock", _text(target)) else None
        return Use(ImportKind.MOCK) if name in MOCKS and self._is_mocker(target) else None

    def _is_mocker(self, target: Node) -> bool:
        """``jest``, ``vi``, and chains of calls on them. Each link is looked at once."""
        links: list[int] = []
        inner: Node | None = target
        while inner is not None and inner.type in ("call_expression", "member_expression"):
            if inner.id in self._mockers:
                break
            links.append(inner.id)
            inner = inner.child_by_field_name("function") or inner.child_by_field_name("object")
        known = self._mockers.get(inner.id) if inner is not None else None
        answer = known if known is not None else _text(inner) in ("jest", "vi", "vitest")
        self._mockers.update(dict.fromkeys(links, answer))
        return answer


_EXPORT_TYPE = re.compile(rb"export\s+type\b")


def _text(node: Node | None) -> str:
    """A node's text; empty for one that is too long to be a name."""
    if node is None or node.end_byte - node.start_byte > 1000:
        return ""
    return (node.text or b"").decode("utf-8", "surrogateescape")


def _name(node: Node | None) -> str:
    """An identifier, or the value of a string that stands for one."""
    text = _text(node)
    return decode(text[1:-1].encode("utf-8", "surrogateescape")) if text[:1] in ("'", '"') else text


def _unique(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _static_import(statement: Node) -> Use:
    names: list[str] = []
    typed: list[bool] = []
    whole = False
    for clause in statement.children:
        if clause.type in ("type", "typeof"):
            whole = True
        if clause.type != "import_clause":
            continue
        for part in clause.named_children:
            if part.type == "named_imports":
                for item in part.named_children:
                    if item.type == "import_specifier":
                        names.append(_name(item.child_by_field_name("name")))
                        typed.append(item.children[0].type in ("type", "typeof"))
            elif part.type in ("identifier", "namespace_import"):
                names.append("default" if part.type == "identifier" else "*")
                typed.append(False)
    kind = ImportKind.TYPE if whole else ImportKind.IMPORT
    return Use(kind, _unique(names), types=whole or (bool(typed) and all(typed)))


def _arguments(arguments: Node) -> Iterator[Node]:
    """One after another, since a long list is asked for its first alone."""
    cursor = arguments.walk()
    more = cursor.goto_first_child()
    while more:
        part = cursor.node
        if part is not None and part.is_named and part.type != "comment":
            yield part
        more = cursor.goto_next_sibling()


def _is_module_url(call: Node, arguments: Node) -> bool:
    if _text(call.child_by_field_name("constructor")) != "URL":
        return False
    parts = _arguments(arguments)
    next(parts)
    return re.sub(r"\s", "", _text(next(parts, None))) == "import.meta.url"


def _excludes(pattern: Node) -> bool:
    """A glob that begins with ``!`` imports nothing."""
    return (pattern.text or b"")[1:2] == b"!" if pattern.type in ("string", "template_string") else False


def _masked_import(path: list[Node], at: int) -> Use:
    if path[at].type == "identifier":
        outer = at - 1
        while outer > 0 and path[outer].type in _MEMBERS:
            outer -= 1
        if path[outer].type not in ("nested_type_identifier", "type_query"):
            return Use(ImportKind.DYNAMIC, _bound_names(path, at, awaited=True))
    return Use(ImportKind.TYPE, _member_names(path, at), types=True)


def _is_type(path: list[Node], at: int) -> bool:
    """Whether the ``import("x")`` that is ``path[at]`` stands in a type."""
    outer = at - 1
    while outer > 0 and path[outer].type in (*_MEMBERS, "ERROR"):
        outer -= 1
    parent = path[outer]
    if parent.type in ("as_expression", "satisfies_expression"):
        return parent.named_child_count > 1 and parent.named_child(0) != path[outer + 1]
    return parent.type != "type_assertion" and ("type" in parent.type or parent.type in _TYPE_PLACES)


def _member_names(path: list[Node], at: int) -> tuple[str, ...]:
    """``B`` of ``import("a").B``, whose object is ``path[at]``."""
    parent = path[at - 1]
    if at < 1 or parent.named_child_count < 2 or parent.named_child(0) != path[at]:
        return ()
    if parent.type in ("member_expression", "nested_identifier"):
        return _unique([_text(parent.child_by_field_name("property"))])
    return _unique([_text(parent.child_by_field_name("name"))]) if parent.type == "nested_type_identifier" else ()


def _bound_names(path: list[Node], at: int, *, awaited: bool) -> tuple[str, ...]:
    """Names taken from a module's value: ``const {a, b: c} = require("x")``, ``require("x").a``."""
    outer, waits = at - 1, awaited
    while outer > 0 and path[outer].type in ("await_expression", *_WRAPPERS):
        waits = waits and path[outer].type != "await_expression"
        outer -= 1
    parent = path[outer]
    if waits:
        return ()
    if parent.type == "member_expression":
        return _member_names(path, outer + 1)
    if parent.type == "variable_declarator":
        return _pattern_names(parent.child_by_field_name("name"))
    return _pattern_names(parent.child_by_field_name("left")) if parent.type == "assignment_expression" else ()


def _pattern_names(pattern: Node | None) -> tuple[str, ...]:
    if pattern is None or pattern.type != "object_pattern":
        return ()
    names: list[str] = []
    for part in pattern.named_children:
        match part.type:
            case "shorthand_property_identifier_pattern":
                names.append(_text(part))
            case "object_assignment_pattern":
                names.append(_text(part.child_by_field_name("left")))
            case "pair_pattern":
                key = part.child_by_field_name("key")
                names.append("*" if key is not None and key.type == "computed_property_name" else _name(key))
            case "rest_pattern":
                names.append("*")
    return _unique(names)
