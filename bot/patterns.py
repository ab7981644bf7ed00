"""Policy's patterns: how they match, and whether one can mean what others mean.

``*`` stays within one segment, ``**`` crosses segments, ``?`` is one character, ``{x}`` captures a text that is not empty
and stays within one segment. ``**/`` where a segment begins is any number of folders, none included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

__all__ = ["Pattern", "common_text", "compile_pattern", "matches_any", "placeholders"]

_TOKEN: Final = re.compile(
    r"(?P<deep>(?<![^/])\*\*/)|(?P<any>\*\*)|(?P<star>\*)|(?P<one>\?)|\{(?P<name>[a-z][a-zA-Z0-9_]*)\}|(?P<char>.)",
    re.DOTALL,
)
_GAPS: Final = ("deep", "any", "star", "name")
_CROSSING: Final = ("deep", "any")
_REPEATED_MAX: Final = 4096  # characters: longer than any path that a file system takes

_Token = tuple[str, str]


class Pattern(NamedTuple):
    """A compiled name or path pattern."""

    text: str
    regex: re.Pattern[str]

    def match(self, text: str) -> Mapping[str, str] | None:
        """The captured placeholders (empty when there are none), or None when it does not match."""
        found = self.regex.fullmatch(text)
        return found.groupdict() if found else None

    def fill(self, values: Mapping[str, str]) -> str:
        """The pattern with its placeholders replaced."""
        return re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], m[0]), self.text)


def _tokens(text: str) -> list[_Token]:
    return [(found.lastgroup or "", found[found.lastgroup or 0]) for found in _TOKEN.finditer(text)]


def placeholders(text: str) -> list[str]:
    """The names of a pattern's placeholders, as often as they stand there."""
    return [value for kind, value in _tokens(text) if kind == "name"]


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> Pattern:
    """Compile a policy pattern. A placeholder repeated must match the same text.

    Matching takes time in proportion to the text, whatever the pattern. Only a repeated placeholder's grows with the square,
    so that such a pattern matches no text of more than 4,096 characters.
    """
    tokens = _tokens(text)
    names = [value for kind, value in tokens if kind == "name"]
    expression = _linear(tokens) if len(set(names)) == len(names) else _backtracking(tokens)
    return Pattern(text, re.compile(expression, re.DOTALL))


def _literal(token: _Token) -> str:
    return re.escape(token[1]) if token[0] == "char" else "[^/]"


def _gap(token: _Token, *, shortest: bool = False) -> str:
    kind, name = token
    inner = "[^/]*" if kind == "star" else f"(?P<{name}>[^/]+{'?' * shortest})"
    return inner + "?" * (shortest and kind == "star")


def _linear(tokens: Iterable[_Token]) -> str:
    """An expression that never tries twice.

    Between two gaps stands a chunk of fixed length. Its first place is as good as any later one: the gap that follows takes
    up the difference. So each gap with its chunk is atomic, and takes as little as it can; only the last gap, whose
    chunk ends the text, takes what is left. That holds within a segment for ``*`` and across segments for ``**``, whose
    chunks and inner gaps are atomic together. ``**/`` begins at a segment, so that whatever comes before it ends with one.
    """
    blocks: list[list[tuple[_Token, str]]] = [[(("", ""), "")]]
    for token in tokens:
        if token[0] in _CROSSING:
            blocks.append([(token, "")])
        elif token[0] in _GAPS:
            blocks[-1].append((token, ""))
        else:
            gap, chunk = blocks[-1][-1]
            blocks[-1][-1] = gap, chunk + _literal(token)
    return "".join(_block(block, last=block is blocks[-1]) for block in blocks)


def _block(block: Sequence[tuple[_Token, str]], *, last: bool) -> str:
    """A gap that crosses segments (none in the first block), its chunk, and gaps within a segment with theirs."""
    ((crossing, _), chunk), *inner = block
    if crossing == "any" and inner:
        # `.*` is any folders and the beginning of a segment: a chunk that a segment lacks is looked for there once.
        crossing, chunk, inner = "deep", "", [(("star", ""), chunk), *inner]
    atomic = [f"(?>{_gap(gap, shortest=True)}{after})" for gap, after in (inner[:-1] if last else inner)]
    body = chunk + "".join(atomic)
    if last:
        return {"": "", "any": ".*", "deep": "(?:.*/)?"}[crossing] + body + "".join(_gap(g) + c for g, c in inner[-1:])
    return {"": body, "any": f"(?>.*?{body})", "deep": f"(?>(?:.*?/)??{body})"}[crossing]


def _backtracking(tokens: Iterable[_Token]) -> str:
    """An expression that tries every text for a placeholder that comes again."""
    out: list[str] = [f"(?!.{{{_REPEATED_MAX + 1}}})"]
    seen: set[str] = set()
    for token in tokens:
        kind, value = token
        if kind in _CROSSING:
            out.append(".*" if kind == "any" else "(?:.*/)?")
        elif kind == "name" and value in seen:
            out.append(f"(?P={value})")
        else:
            seen.add(value)
            out.append(_gap(token, shortest=True) if kind in _GAPS else _literal(token))
    return "".join(out)


def matches_any(text: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that matches, or None."""
    for pattern in patterns:
        if compile_pattern(pattern).match(text) is not None:
            return pattern
    return None


# -- what patterns have in common ------------------------------------------------------------------

_OTHER: Final = "\N{REPLACEMENT CHARACTER}"  # stands for every character that no pattern names
_STEPS_MAX: Final = 2_000

# A state of an automaton: on a character of a kind, to a state. Kinds are a character itself, "one" (no slash), "any".
_Moves = list[list[tuple[str, int]]]


def common_text(pattern: str, among: Iterable[str], outside: Iterable[str]) -> str | None:
    """A text that a pattern and one of ``among`` match and none of ``outside`` does; None where there is none.

    A repeated placeholder counts as several different ones, which errs towards finding a text. So does giving up on patterns
    that would take too long: then the pattern itself is the answer.
    """
    head = _head(pattern)
    near = [p for p in among if _head(p).startswith(head) or head.startswith(_head(p))]
    if not near:
        return None
    but = [p for p in outside if len(set(names := placeholders(p))) == len(names)]
    but = [p for p in but if _head(p).startswith(head) or head.startswith(_head(p))]
    automata = [_Automaton([pattern]), _Automaton(near), _Automaton(but)]
    letters = sorted({kind for automaton in automata for kind in automaton.letters} | {"/", _OTHER})
    start = tuple(automaton.start for automaton in automata)
    texts = {start: ""}
    todo = [start]
    for states in todo:
        wanted, others, refused = states
        if automata[0].ends in wanted and automata[1].ends in others and automata[2].ends not in refused:
            return texts[states].replace(_OTHER, "x")
        for letter in letters:
            following = tuple(a.step(s, letter) for a, s in zip(automata, states, strict=True))
            if following[0] and following[1] and following not in texts:
                texts[following] = texts[states] + letter
                todo.append(following)
        if len(todo) > _STEPS_MAX:
            return pattern
    return None


def _head(pattern: str) -> str:
    """What stands before the first wildcard."""
    return "".join(value for _, value in _until_gap(_tokens(pattern)))


def _until_gap(tokens: Iterable[_Token]) -> Iterable[_Token]:
    for token in tokens:
        if token[0] != "char":
            return
        yield token


class _Automaton:
    """Several patterns as one automaton without a state of its own: `step` is given a set of states and gives one."""

    ends: Final = -1

    def __init__(self, patterns: Iterable[str]) -> None:
        self._moves: _Moves = []
        self._free: list[list[int]] = []
        starts = [self._add(_tokens(pattern)) for pattern in patterns]
        self.letters = {kind for moves in self._moves for kind, _ in moves} - {"one", "any"}
        self.start = self._closed(starts)

    def _state(self) -> int:
        self._moves.append([])
        self._free.append([])
        return len(self._moves) - 1

    def _add(self, tokens: Sequence[_Token]) -> int:
        first = here = self._state()
        for index, (kind, value) in enumerate(tokens):
            following = self.ends if index == len(tokens) - 1 else self._state()
            if kind == "char":
                self._moves[here].append((value, following))
            elif kind == "one":
                self._moves[here].append(("one", following))
            elif kind == "name":
                self._moves[here] += [("one", here), ("one", following)]
            elif kind == "deep":
                inside = self._state()
                self._free[here] += [inside, following]
                self._moves[inside] += [("any", inside), ("/", following)]
            else:
                self._moves[here].append(("any" if kind == "any" else "one", here))
                self._free[here].append(following)
            here = following
        return first if tokens else self.ends

    def _closed(self, states: Iterable[int]) -> frozenset[int]:
        found = set(states)
        todo = list(found)
        for state in todo:
            new = [free for free in self._free[state] if free not in found] if state != self.ends else []
            found.update(new)
            todo += new
        return frozenset(found)

    def step(self, states: frozenset[int], letter: str) -> frozenset[int]:
        """Where a letter leads."""
        kinds = {letter, "any"} if letter == "/" else {letter, "one", "any"}
        moves = chain.from_iterable(self._moves[state] for state in states if state != self.ends)
        return self._closed(target for kind, target in moves if kind in kinds)
