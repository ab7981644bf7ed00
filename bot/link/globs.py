"""Workspace globs: which directories patterns cover.

The language is the one that npm (minimatch), pnpm (picomatch), yarn and bun share: ``*``, ``?``, ``[a-z]``, ``{a,b}``, ``{1..3}``,
``@(a|b)``, ``!(a)``, ``?(a)``, ``*(a)``, ``+(a)`` within a segment, ``**`` across segments. A wildcard at a segment's
beginning takes no dot.

All patterns are looked up at once, one name of a path after the other. Patterns that begin alike share steps; the steps that a folder
reaches make a state, and where a name leads from a state is worked out once. So a directory costs little more than its names,
however many patterns there are. One segment is matched by a regular expression that never goes back, or by
following sets of positions: no pattern can make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Ending", "Globs", "expand_braces"]

_MAX_PATTERN = 2048
_MAX_EXPANSIONS = 512
_MAX_GROUPS = 32
_MAX_NESTED = 5
_ANY = re.compile(".", re.DOTALL)
_SPECIAL = re.compile(r"[*?\[\\]|[!@+]\(")

# A node of a segment: a literal character, a class, or a group of alternatives with its operator.
_Node = tuple[str, object]
_Nodes = tuple[_Node, ...]


class Ending(NamedTuple):
    """How a pattern covers a directory: the pattern's index, and which of its alternatives does (braces expanded).

    ``sized`` alternatives hold no ``**``; ``wild`` ones end in a segment that is no plain name.
    """

    pattern: int
    alternative: int
    sized: bool
    wild: bool


class Globs:
    """Patterns, in their order. One that is too long covers nothing. ``deepest`` is the most segments of a sized ending's path."""

    __slots__ = ("_start", "_states", "deepest")

    def __init__(self, patterns: Iterable[str]) -> None:
        rests: list[_Rest] = []
        self.deepest = 0
        for index, pattern in enumerate(patterns):
            for number, text in enumerate(expand_braces(pattern if len(pattern) <= _MAX_PATTERN else "")):
                segments = _segments(text)
                if segments:
                    if "**" not in segments:
                        self.deepest = max(self.deepest, len(segments))
                    wild = _SPECIAL.search(segments[-1]) is not None
                    rests.append((segments, 0, Ending(index, number, "**" not in segments, wild)))
        self._states: dict[frozenset[_Step], _State] = {}
        self._start = self._state({_Step(rests)})

    def endings(self, path: str) -> tuple[Ending, ...]:
        """How the patterns cover a directory (relative, POSIX; ``""`` is the base itself), in their order."""
        state = self._start
        for name in path.split("/") if path else ():
            following = state.following.get(name)
            if following is None:
                following = self._state({found for step in state.steps for found in step.after(name)})
                state.following[name] = following
            state = following
            if not state.steps:
                break
        return state.endings

    def match(self, path: str) -> bool:
        """Whether any pattern covers a directory."""
        return bool(self.endings(path))

    def _state(self, steps: set[_Step]) -> _State:
        steps |= {step.deep for step in steps if step.deep is not None}  # `**` may take nothing
        key = frozenset(steps)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(steps)
        return state


# An alternative: its segments, how many of them are behind us, and its ending.
_Rest = tuple[tuple[str, ...], int, Ending]


class _State:
    """All steps that a folder reaches, and the states that names in it lead to, as far as somebody asked."""

    __slots__ = ("endings", "following", "steps")

    def __init__(self, steps: Iterable[_Step]) -> None:
        self.steps = tuple(steps)
        self.endings = tuple(sorted(ending for step in self.steps for ending in step.endings))
        self.following: dict[str, _State] = {}


class _Step:
    """What alternatives that are alike so far still ask for. It is sorted by next segment when somebody gets here."""

    __slots__ = ("_begins", "_closes", "_named", "_others", "_repeats", "_unsorted", "deep", "endings")

    def __init__(self, rests: Iterable[_Rest], *, repeats: bool = False) -> None:
        self.endings: list[Ending] = []
        self._repeats = repeats  # behind `**`: a name leads here again
        self._unsorted: list[_Rest] = []
        deep: list[_Rest] = []
        for segments, done, ending in rests:
            if done == len(segments):
                self.endings.append(ending)
            elif segments[done] == "**":
                deep.append((segments, done + 1, ending))
            else:
                self._unsorted.append((segments, done, ending))
        self.deep = _Step(deep, repeats=True) if deep else None  # two `**` never follow each other
        self._named: dict[str, _Step] = {}
        # By what a name begins or ends with, by its length: of many patterns, few are tried.
        self._begins: dict[int, dict[str, list[tuple[_Matcher, _Step]]]] = {}
        self._closes: dict[int, dict[str, list[tuple[_Matcher, _Step]]]] = {}
        self._others: list[tuple[_Matcher, _Step]] = []

    def after(self, name: str) -> Iterator[_Step]:
        """The steps that a name leads to."""
        if self._unsorted:
            self._sort()
        if self._repeats and not name.startswith("."):
            yield self
        if name in self._named:
            yield self._named[name]
        for matches, step in self._others:
            if matches(name):
                yield step
        for size, begins in self._begins.items():
            for matches, step in begins.get(name[:size], ()):
                if matches(name):
                    yield step
        for size, closes in self._closes.items():
            for matches, step in closes.get(name[-size:], ()):
                if matches(name):
                    yield step

    def _sort(self) -> None:
        named: dict[str, list[_Rest]] = {}
        wild: dict[str, list[_Rest]] = {}
        for segments, done, ending in self._unsorted:
            name = _segment(segments[done]).name
            alike = wild.setdefault(segments[done], []) if name is None else named.setdefault(name, [])
            alike.append((segments, done + 1, ending))
        self._unsorted = []
        self._named = {name: _Step(rests) for name, rests in named.items()}
        for text, rests in wild.items():
            segment = _segment(text)
            test = (segment.matches, _Step(rests))
            if segment.begins:
                self._begins.setdefault(len(segment.begins), {}).setdefault(segment.begins, []).append(test)
            elif segment.closes:
                self._closes.setdefault(len(segment.closes), {}).setdefault(segment.closes, []).append(test)
            else:
                self._others.append(test)


def _segments(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for part in text.split("/"):
        if part == ".." and found and found[-1] not in ("..", "**"):
            found.pop()
        elif part not in ("", ".") and not (part == "**" and found and found[-1] == "**"):
            found.append(part)
    return tuple(found)


# -- one segment -------------------------------------------------------------------------------

_Matcher = Callable[[str], bool]


class _Segment(NamedTuple):
    """One segment of a pattern: the one ``name`` that it takes, or what names must begin and close with, and the test for them."""

    name: str | None
    begins: str = ""
    closes: str = ""
    matches: _Matcher = bool


@lru_cache(maxsize=4096)
def _segment(pattern: str) -> _Segment:
    nodes = _parse(pattern)
    begins = _literal(nodes)
    if len(begins) == len(nodes):
        return _Segment(begins)
    return _Segment(None, begins, _literal(nodes[::-1])[::-1], _matcher(nodes))


def _literal(nodes: _Nodes) -> str:
    found = ""
    for kind, value in nodes:
        if kind != "char":
            break
        found += str(value)
    return found


def _matcher(nodes: _Nodes) -> _Matcher:
    dotted = nodes[0] == ("char", ".")
    regex = _regex(nodes)
    if regex is not None:
        fullmatch = regex.fullmatch
        return lambda name: (dotted or not name.startswith(".")) and fullmatch(name) is not None
    return lambda name: (dotted or not name.startswith(".")) and len(name) in _follow(nodes, name, {0}, {})


def _regex(nodes: _Nodes) -> re.Pattern[str] | None:
    """A segment without groups. What stands between two ``*`` has one length, so that its first place is as good as any."""
    pieces = [""]
    for kind, value in nodes:
        if kind == "any":
            pieces.append("")
        elif kind == "char":
            pieces[-1] += re.escape(str(value))
        elif isinstance(value, re.Pattern):
            pieces[-1] += value.pattern
        else:
            return None
    first, *middle = pieces
    if not middle:
        return re.compile(first, re.DOTALL)
    *between, last = middle
    return re.compile(f"{first}{''.join(f'(?>.*?{piece})' for piece in between)}.*{last}", re.DOTALL)


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
