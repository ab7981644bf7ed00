"""Workspace globs as plainly as they can be read: one pattern and one directory at a time. What the tests hold the fast ones to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.facts.manifest import WorkspaceGlob
from bot.link.globs import expand_braces

__all__ = ["Glob", "Rules"]

_MAX_GROUPS = 32
_MAX_NESTED = 5
_ANY = re.compile(".", re.DOTALL)
_SPECIAL = re.compile(r"[*?\[\\]|[!@+]\(")

# A node of a segment: a literal character, a class, or a group of alternatives with its operator.
_Node = tuple[str, object]
_Nodes = tuple[_Node, ...]


class Glob:
    """A compiled pattern, braces expanded; one that is too long covers nothing."""

    def __init__(self, pattern: str) -> None:
        self._alternatives = [_segments(text) for text in expand_braces(pattern if len(pattern) <= 2048 else "")]

    def match(self, path: str) -> bool:
        """Whether it covers a directory."""
        parts = path.split("/") if path else []
        return any(_match_segments(segments, parts) for segments in self._alternatives)

    def last_is_wild(self, path: str) -> bool | None:
        """How the alternative that covers a directory ends: in a wildcard (True) or literally (False). None where nothing
        covers it, or only what takes any number of folders."""
        parts = path.split("/") if path else []
        for segments in self._alternatives:
            if segments and "**" not in segments and _match_segments(segments, parts):
                return _SPECIAL.search(segments[-1]) is not None
        return None


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


# -- many patterns, as each package manager weighs them ---------------------------------------------

_LEADING = re.compile(r"^(?:\./|/)+")


def _absolute(directory: str, pattern: str) -> str:
    """The pattern from the repository's root."""
    pattern = _LEADING.sub("", pattern.strip().replace("\\", "/"))
    return f"{_escape(directory)}/{pattern}" if directory else pattern


def _escape(directory: str) -> str:
    return "".join(f"\\{char}" if char in "\\*?[]{}()!@+|" else char for char in directory)


class Rules:
    """Positive and negative patterns as one package manager weighs them."""

    def __init__(self, manager: str, globs: Iterable[WorkspaceGlob]) -> None:
        self.manager = manager
        positive: list[tuple[str, WorkspaceGlob]] = []
        negative: list[str] = []
        for glob in globs:
            if glob.pattern.startswith("/") and manager != "npm":
                continue  # an absolute path to all but npm
            pattern = _absolute(glob.directory, glob.pattern)
            if glob.negated:
                negative += [pattern] if manager != "yarn-v1" else []
                continue
            if manager == "npm":
                negative = [taken for taken in negative if not _covers(taken, pattern)]
            positive.append((pattern, glob))
        if manager == "npm":
            positive = [kept for kept in positive if not any(_covers(taken, kept[0]) for taken in negative)]
        self.positive = positive
        self.negative = negative

    def cover(self, directory: str) -> bool:
        """Whether a directory with a manifest is a member."""
        found = [pattern for pattern, _ in self.positive if Glob(pattern).match(directory)]
        if self.manager == "bun" and any(Glob(pattern).last_is_wild(directory) is False for pattern in found):
            return True  # bun takes nothing away from what is named literally
        return bool(found) and self._wanted(directory)

    def naming(self, directory: str) -> WorkspaceGlob | None:
        """The pattern that names a directory, literally or by a wildcard in its last segment."""
        if not self._wanted(directory):
            return None
        for pattern, glob in self.positive:
            if Glob(pattern).last_is_wild(directory) is not None:
                return glob
        return None

    def _wanted(self, directory: str) -> bool:
        looked = directory
        while looked:
            if any(Glob(pattern).match(looked) for pattern in self.negative):
                return False
            if self.manager != "yarn-berry":
                return True
            looked = looked.rpartition("/")[0]  # yarn leaves out what is below, too
        return True


def _covers(negative: str, positive: str) -> bool:
    """npm: whether a ``!`` pattern covers another pattern, read as if it were a path (one that ends in ``/``: only such)."""
    return Glob(negative).match(positive.strip("/")) and positive.endswith("/") >= negative.endswith("/")
