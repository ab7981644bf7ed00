"""Workspace globs: which directories a pattern covers.

The language is the one that npm (minimatch), pnpm (picomatch), yarn and bun share: ``*``, ``?``, ``[a-z]``, ``{a,b}``, ``{1..3}``,
``@(a|b)``, ``!(a)``, ``?(a)``, ``*(a)``, ``+(a)`` within a segment, ``**`` across segments. A wildcard at a segment's
beginning takes no dot. Matching follows sets of positions, so that no pattern can make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

__all__ = ["Glob", "compile_glob", "expand_braces"]

_MAX_PATTERN = 2048
_MAX_EXPANSIONS = 512
_MAX_GROUPS = 32
_MAX_NESTED = 5
_ANY = re.compile(".", re.DOTALL)
_SPECIAL = re.compile(r"[*?\[\\]|[!@+]\(")

# A node of a segment: a literal character, a class, or a group of alternatives with its operator.
_Node = tuple[str, object]
_Nodes = tuple[_Node, ...]


class _Alternative:
    """A pattern without braces. What it begins with literally, and how many segments it takes, rule most paths out."""

    __slots__ = ("prefix", "segments", "size")

    def __init__(self, text: str) -> None:
        self.segments = _segments(text)
        self.size = -1 if "**" in self.segments else len(self.segments)
        literal: list[str] = []
        for segment in self.segments:
            if _SPECIAL.search(segment):
                break
            literal.append(segment)
        self.prefix = "/".join(literal)

    def match(self, path: str, parts: list[str]) -> bool:
        if not path.startswith(self.prefix) or (self.size >= 0 and self.size != len(parts)):
            return False
        return _match_segments(self.segments, parts)


class Glob:
    """A compiled pattern, braces expanded."""

    __slots__ = ("_alternatives",)

    def __init__(self, pattern: str) -> None:
        self._alternatives = tuple(_Alternative(text) for text in expand_braces(pattern))

    def match(self, path: str) -> bool:
        """Whether it covers a directory (relative, POSIX; ``""`` is the base itself)."""
        parts = path.split("/") if path else []
        return any(alternative.match(path, parts) for alternative in self._alternatives)

    def last_is_wild(self, path: str) -> bool | None:
        """How the alternative that covers a directory ends: in a wildcard (True) or literally (False). None where nothing
        covers it, or only what takes any number of folders (``**``)."""
        parts = path.split("/") if path else []
        for alternative in self._alternatives:
            if alternative.size > 0 and alternative.match(path, parts):
                return _SPECIAL.search(alternative.segments[-1]) is not None
        return None


@lru_cache(maxsize=1024)
def compile_glob(pattern: str) -> Glob:
    """Compile a pattern; one that is too long covers nothing."""
    return Glob(pattern if len(pattern) <= _MAX_PATTERN else "")


def _segments(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for part in text.split("/"):
        if part == ".." and found and found[-1] not in ("..", "**"):
            found.pop()
        elif part not in ("", ".") and not (part == "**" and found and found[-1] == "**"):
            found.append(part)
    return tuple(found)


def _match_segments(segments: tuple[str, ...], parts: list[str]) -> bool:
    """Rows of a table: which numbers of parts are reachable after each segment."""
    if not segments:
        return False
    reached = {0}
    for segment in segments:
        following: set[int] = set()
        if segment == "**":
            for start in reached:
                following.add(start)
                for index in range(start, len(parts)):
                    if parts[index].startswith("."):
                        break
                    following.add(index + 1)
        else:
            following = {index + 1 for index in reached if index < len(parts) and _match_segment(segment, parts[index])}
        reached = following
        if not reached:
            return False
    return len(parts) in reached


# -- one segment -------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def _match_segment(pattern: str, text: str) -> bool:
    if pattern == "*":
        return not text.startswith(".")
    nodes = _parse(pattern)
    if text.startswith(".") and not (nodes and nodes[0] == ("char", ".")):
        return False
    return len(text) in _follow(nodes, text, {0}, {})


_Memo = dict[tuple[int, int], frozenset[int]]


def _follow(nodes: _Nodes, text: str, starts: set[int], memo: _Memo) -> set[int]:
    for kind, value in nodes:
        if not starts:
            return starts
        if kind == "char":
            starts = {index + 1 for index in starts if text.startswith(str(value), index)}
        elif kind == "any":
            starts = set(range(min(starts), len(text) + 1))
        elif isinstance(value, re.Pattern):
            starts = {index + 1 for index in starts if value.match(text, index)}
        elif isinstance(value, tuple):
            starts = _follow_group(kind, value, text, starts, memo)
    return starts


def _follow_group(
    operator: str, alternatives: tuple[_Nodes, ...], text: str, starts: set[int], memo: _Memo
) -> set[int]:
    def once(begin: int) -> frozenset[int]:
        # A group is followed once from each position: groups in groups stay cheap.
        key = (id(alternatives), begin)
        if key not in memo:
            memo[key] = frozenset().union(*(_follow(nodes, text, {begin}, memo) for nodes in alternatives))
        return memo[key]

    if operator == "!":
        return {end for begin in starts for end in range(begin, len(text) + 1) if end not in once(begin)}
    found = {end for begin in starts for end in once(begin)}
    fresh = found if operator in "*+" else set()
    while fresh:
        fresh = {end for begin in fresh for end in once(begin)} - found
        found |= fresh
    return found | starts if operator in "*?" else found


class _UnbalancedError(Exception):
    """A group that nothing closes, or nested beyond reason: its characters stand for themselves."""


@lru_cache(maxsize=4096)
def _parse(pattern: str) -> _Nodes:
    try:
        return _parse_nodes(pattern, 0, 0, groups=pattern.count("(") <= _MAX_GROUPS)[0]
    except _UnbalancedError:
        return _parse_nodes(pattern, 0, 0, groups=False)[0]


def _parse_nodes(pattern: str, index: int, depth: int, *, groups: bool) -> tuple[_Nodes, int]:
    """Nodes up to the end, or (within a group) up to ``|`` or ``)``."""
    nodes: list[_Node] = []
    while index < len(pattern):
        char = pattern[index]
        if depth and char in "|)":
            break
        if groups and char in "!@?*+" and pattern.startswith("(", index + 1):
            alternatives, index = _parse_group(pattern, index + 2, depth + 1)
            nodes.append((char, alternatives))
        elif char == "*":
            if not nodes or nodes[-1][0] != "any":
                nodes.append(("any", None))
            index += 1
        elif char == "?":
            nodes.append(("class", _ANY))
            index += 1
        elif char == "[" and (found := _parse_class(pattern, index)) is not None:
            nodes.append(("class", found[0]))
            index = found[1]
        elif char == "\\" and index + 1 < len(pattern):
            nodes.append(("char", pattern[index + 1]))
            index += 2
        else:
            nodes.append(("char", char))
            index += 1
    return tuple(nodes), index


def _parse_group(pattern: str, index: int, depth: int) -> tuple[tuple[_Nodes, ...], int]:
    if depth > _MAX_NESTED:
        raise _UnbalancedError
    alternatives: list[_Nodes] = []
    while True:
        nodes, index = _parse_nodes(pattern, index, depth, groups=True)
        alternatives.append(nodes)
        if index >= len(pattern):
            raise _UnbalancedError
        index += 1
        if pattern[index - 1] == ")":
            return tuple(alternatives), index


def _parse_class(pattern: str, index: int) -> tuple[re.Pattern[str], int] | None:
    end = pattern.find("]", index + 2)
    if end < 0:
        return None
    inner = pattern[index + 1 : end]
    negated = inner[:1] in ("!", "^")
    body = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner[1:] if negated else inner)
    try:
        return re.compile(f"[{'^' if negated else ''}{body}]"), end + 1
    except re.error:
        return None


# -- braces ------------------------------------------------------------------------------------


def expand_braces(pattern: str) -> Iterator[str]:
    """``{a,b}/{1..2}`` -> ``a/1``, ``a/2``, ``b/1``, ``b/2``; at most 512 of them."""
    waiting, given = [pattern], 0
    while waiting and given < _MAX_EXPANSIONS:
        text = waiting.pop()
        found = _first_braces(text)
        if found is None:
            given += 1
            yield text
            continue
        start, end, choices = found
        waiting += [text[:start] + choice + text[end:] for choice in reversed(choices[:_MAX_EXPANSIONS])]


_SEQUENCE = re.compile(r"(-?[0-9]{1,6})\.\.(-?[0-9]{1,6})")


def _first_braces(text: str) -> tuple[int, int, list[str]] | None:
    """The innermost first group that has a comma or is a sequence: its range and its choices."""
    opened: list[tuple[int, list[int]]] = []
    for index, char in enumerate(text):
        if char == "{":
            opened.append((index, []))
        elif char == "," and opened:
            opened[-1][1].append(index)
        elif char == "}" and opened:
            start, commas = opened.pop()
            if commas:
                cuts = [start, *commas, index]
                return start, index + 1, [text[a + 1 : b] for a, b in pairwise(cuts)]
            if found := _SEQUENCE.fullmatch(text[start + 1 : index]):
                low, high = int(found[1]), int(found[2])
                step = 1 if high >= low else -1
                numbers = range(low, high + step, step)[:_MAX_EXPANSIONS]
                return start, index + 1, [str(number) for number in numbers]
    return None
