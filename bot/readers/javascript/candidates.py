"""The cheap filter in front of the parser: specifiers of a source file that may matter, and never one too few.

A file without any needle costs one search for all of them at once. Around each hit the filter looks back for an import context
(``from``, ``import``, ``require(``, ``jest.mock(`` ...); hits in comments and strings are reported too, since a
parser confirms later. What is over-approximated is the syntax only: the specifier is decoded and held to the needles.

Not seen, by this filter and by `bot.readers.javascript.imports` alike: specifiers put together at run time
(concatenation, ``${}``), callees under another name, identifiers written with escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bot.facts.module import Import, ImportKind

if TYPE_CHECKING:
    from hyperscan import Database

__all__ = ["EVERYTHING", "MOCKS", "Needles", "candidates", "climb", "decode", "in_context"]

# What ``jest``, ``vi`` and their kin call with a module's specifier.
MOCKS = (
    "mock",
    "doMock",
    "unmock",
    "doUnmock",
    "dontMock",
    "deepUnmock",
    "setMock",
    "requireActual",
    "requireMock",
    "importActual",
    "importMock",
    "createMockFromModule",
    "genMockFromModule",
    "unstable_mockModule",
    "unstable_unmockModule",
    "module",  # bun's and Node's mock.module()
)


class Needles(msgspec.Struct, frozen=True):
    """What to look for; build it once a run and use it for many files.

    ``scopes``: how specifiers begin (``b"@acme/"``, ``b"acme-"``, ``b"lodash"``); ``b""`` finds every specifier, ``b"@*/x"`` those that begin with
    ``x`` and those of any scope whose rest does. ``escape``: relative specifiers that, normalised, climb at
    least so many directories (0: every relative one). With ``escape >= 0`` also what may climb unseen:
    absolute paths, drive letters, ``file:`` URLs, and paths with a ``..`` that is not at their start
    or that is written with an escape, ``%2e`` or a backslash. -1: no paths at all.
    """

    scopes: tuple[bytes, ...] = ()
    escape: int = -1


EVERYTHING = Needles(scopes=(b"",), escape=0)

_QUOTES = b"\"'`"
_BODY = {
    0x22: re.compile(rb'(?:[^"\\\r\n]++|\\(?s:\r\n|.))*+(?=")'),
    0x27: re.compile(rb"(?:[^'\\\r\n]++|\\(?s:\r\n|.))*+(?=')"),
    0x60: re.compile(rb"(?:[^`\\]++|\\(?s:.))*+(?=`)"),
}
# What an import context may end with, before the quote and a space or not.
_BEFORE = rb"[\t\n\v\f\r\x20(=,\[mt/\x80-\xff]"
_ENDS_CONTEXT = frozenset(byte for byte in range(256) if re.match(_BEFORE, bytes((byte,))))
_ANY_QUOTE = re.compile(rb"[\"'`](?<=" + _BEFORE + rb".)(?<![^\s(=,\[mt/\x80-\xff] .)")


class _Hit(Enum):
    """What a match of the search says, by where it ends."""

    OPENED = 0  # a string began so many bytes before
    CLIMBS = 1  # the same, of a path that counts where it climbs far enough
    INSIDE = 2  # this is in a string, wherever it began
    SCOPE = 3  # a string may have begun so many bytes before
    NAMED = 4  # the same, or a scope ended there
    GLOB = 5


_UNUSUAL = re.compile(r"[\\%\t\r\n]")
_ANY_SCOPE = b"@*/"
_SCOPE_MAX = 216  # bytes; no npm name is longer
_SHORT, _FEW = 4, 32
# A file: URL without any slash is relative, and names nothing that a module could be.
_ABSOLUTE = re.compile(
    r"[/\\]|[A-Za-z]:[/\\]|[\x00-\x20]*[fF][iI][lL][eE]:(?:(?:\.\.)?[/\\]|.*(?:/\.\.|%2[eE]|\\))", re.DOTALL
)

_CALLEES = ("import", "require", "resolve", "URL", "glob", "globEager", "defer", "source", *MOCKS)
_BACK = 24  # bytes that hold the longest callee and one character before it
_CALLEE = re.compile(rb"(?:^|[^\w$])(?:" + "|".join(_CALLEES).encode() + rb")\Z", re.ASCII)
# `import.meta.glob`, whatever white space and comments stand around its dot.
_GAP = rb"(?:[\s\x80-\xff]|/\*(?:[^*]|\*(?!/))*+\*/|(?://|<!--|-->)(?:[^\r\n\xe2]|\xe2(?!\x80[\xa8\xa9]))*+)*+"
_GLOB = re.compile(rb"meta" + _GAP + rb"\??\." + _GAP + rb"glob")
# What no import context ends with: white space may hide a comment, `*/` ends one.
_NO_CONTEXT = frozenset(range(0x21, 0x80)) - frozenset(b"(=[,mt/")
_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$")
# What type arguments are made of, as far as they are easily read.
_OF_TYPES = _NAME | frozenset(b" \t.,:;?|&[]{}")
_TYPES_MAX = 500
_KEYWORD = re.compile(rb"(?:from|import)\Z")
_ATTRIBUTE = re.compile(rb"(?:^|[^\w$])(?:path|types|src)\Z", re.ASCII)

# What may stand before a specifier, roughly, so that it compiles fast: `in_context` looks closer. Most other calls are told
# by the last letter of the callee.
_OTHER = bytes(sorted(_NAME - {name.encode()[-1] for name in _CALLEES}))
_CONTEXT = rb"(?:[\t\n\v\f\r=,\[mt/\x80-\xff]|\x20\x20|[^" + _OTHER + rb"]\()\x20?"


def _opened(text: bytes, quotes: bytes = _QUOTES) -> bytes:
    """An expression for the begin of a string in an import context."""
    return _CONTEXT + b"[" + quotes + b"]" + text


# Relative paths, and what may climb unseen: an absolute path; a drive letter; a file: URL; a `..` segment that does not
# continue a run of them (./.. a/.. a../.. .//.. but not ../..), where a run may begin behind a quote that is in a string
# itself, or behind a webpack loader's `!`; a dot spelled in hex; tabs or newlines, which URL parsers drop.
_PATHS = (
    (_opened(rb"\."), _Hit.CLIMBS, 1),
    (_opened(rb"/"), _Hit.OPENED, 1),
    (_opened(rb"[A-Za-z]:/"), _Hit.OPENED, 3),
    (rb"[fF][iI][lL][eE]:/", _Hit.INSIDE, 0),
    (rb"(?:^|[^.]|(?:^|[^.])\.|(?:^|[^\"'`/.])\.\.|\.\.\.)/\.\.", _Hit.INSIDE, 0),
    (rb"[\"'`]\.\./\.\.", _Hit.INSIDE, 0),
    (rb"[!:]\.\./", _Hit.INSIDE, 0),
    (rb"%2[eE]", _Hit.INSIDE, 0),
    (_opened(rb"\.\.?/[^\"\\\t\r\n]*[\t\r\n]", b'"'), _Hit.INSIDE, 0),
    (_opened(rb"\.\.?/[^'\\\t\r\n]*[\t\r\n]", b"'"), _Hit.INSIDE, 0),
    (_opened(rb"\.\.?/[^`\\\t\r\n]*[\t\r\n]", b"`"), _Hit.INSIDE, 0),
)
_REFERENCE = re.compile(rb"\bpath\s*=\s*[\"']")


def climb(specifier: str) -> int | None:
    """How many directories a relative specifier climbs, 0 for ``./x``; None where its text does not show it.

    The text shows it when its ``..`` segments all stand at the start, unescaped. Bare specifiers give 0
    unless they hold a ``..`` segment; absolute paths, drive letters and ``file:`` URLs give None.
    """
    if specifier.startswith((".", "@")) and not _UNUSUAL.search(specifier):
        plain = specifier
        while plain.startswith("../"):
            plain = plain[3:]
        if ".." not in plain:
            return (len(specifier) - len(plain)) // 3
    if _ABSOLUTE.match(specifier):
        return None
    text = specifier.replace("\\", "/")  # as Windows reads it
    if text.startswith(("./", "../")):
        text = re.sub(r"[\t\r\n]", "", text)  # as URL parsers do
    text = re.sub("%2e", ".", text, flags=re.IGNORECASE)
    parts = text.split("/")
    count = 0
    while count < len(parts) and parts[count] == "..":
        count += 1
    if ".." in parts[count:] or (count and text != specifier):
        return None
    return count


def decode(raw: bytes) -> str:
    """The value of a string or template literal, from the bytes between its quotes.

    Bytes that are not UTF-8 come through as lone surrogates (``surrogateescape``).
    """
    text = raw.decode("utf-8", "surrogateescape")
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}|([0-3][0-7]{0,2}|[4-7][0-7]?)|(\r\n|.))", re.S
)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "\n": "", "\r": "", "\r\n": ""}
_SIMPLE |= {"\u2028": "", "\u2029": ""}


def _unescape(match: re.Match[str]) -> str:
    if plain := match[5]:
        return _SIMPLE.get(plain, plain)
    if octal := match[4]:
        return chr(int(octal, 8))
    code = int(match[1] or match[2] or match[3], 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def candidates(data: bytes, needles: Needles) -> tuple[Import, ...]:
    """Every specifier of a source file that the parser could report and that fits the needles, by offset.

    Kind `ImportKind.CANDIDATE`; ``start`` and ``end`` are the offsets that the parser gives. Never raises.
    """
    quotes, glob = _find(data, _plan(needles))
    if not quotes:
        return ()
    glob_at = first.start() if glob and (first := _GLOB.search(data)) is not None else len(data)
    found = []
    for quote in sorted(quotes):
        if not in_context(data, quote, glob_at):
            continue
        body = _BODY[data[quote]].match(data, quote + 1)
        if body is None or (data[quote] == 0x60 and b"${" in body[0]):
            continue
        specifier = decode(body[0])
        if _fits(specifier, needles) or (needles.escape == 0 and _names_path(data, quote)):
            found.append(Import(specifier, ImportKind.CANDIDATE, body.start(), body.end()))
    return tuple(found)


def _fits(specifier: str, needles: Needles) -> bool:
    if needles.escape >= 0:
        up = climb(specifier)
        if up is None or (up >= needles.escape and specifier.startswith(".")):
            return True
    if specifier.startswith(_scopes(needles)):
        return True
    return specifier.startswith("@") and specifier.partition("/")[2].startswith(_named(needles))


def _names_path(data: bytes, quote: int) -> bool:
    """Whether this may be the path of a triple-slash directive, which is relative without saying so."""
    return data[max(0, quote - 20) : quote].rstrip().endswith(b"=")


@lru_cache(maxsize=64)
def _scopes(needles: Needles) -> tuple[str, ...]:
    return tuple(scope.removeprefix(_ANY_SCOPE).decode("utf-8", "surrogateescape") for scope in needles.scopes)


@lru_cache(maxsize=64)
def _named(needles: Needles) -> tuple[str, ...]:
    found = (scope[len(_ANY_SCOPE) :] for scope in needles.scopes if scope.startswith(_ANY_SCOPE))
    return tuple(name.decode("utf-8", "surrogateescape") for name in found)


class _Plan(NamedTuple):
    search: Database | None  # None: every string is of interest
    hits: tuple[tuple[_Hit, int], ...]  # of the search's expressions
    climbs: bytes  # how a path begins that climbs far enough
    references: bool


@lru_cache(maxsize=64)
def _plan(needles: Needles) -> _Plan:
    climbs = b"../" * (needles.escape - 1) + b".." if needles.escape > 0 else b"."
    if b"" in needles.scopes or _ANY_SCOPE in needles.scopes:
        return _Plan(None, (), climbs, False)
    return _Plan(*_search(needles.scopes, needles.escape >= 0), climbs, needles.escape == 0)


@lru_cache(maxsize=8)
def _search(scopes: tuple[bytes, ...], paths: bool) -> tuple[Database, tuple[tuple[_Hit, int], ...]]:
    """All that is looked for, as one search; it is the same at each depth, since it takes its time to compile."""
    from hyperscan import Database

    wanted = [(b"glob(?:[^a]|$)", _Hit.GLOB, 0)]  # no global
    for scope in scopes:
        plain = scope.removeprefix(_ANY_SCOPE)
        text = plain[:_SCOPE_MAX]
        # With what stands before, less is found in vain; of thousands, plain text alone compiles at once.
        before = rb"[\"'`/]" if len(scopes) <= _FEW or len(text) < _SHORT else b""
        wanted.append((before + _literally(text), _Hit.SCOPE if plain == scope else _Hit.NAMED, len(text)))
    if paths:
        wanted += _PATHS
    database = Database()
    database.compile(expressions=[expression for expression, _, _ in wanted])
    return database, tuple((hit, back) for _, hit, back in wanted)


def _literally(text: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in text)


def _find(data: bytes, plan: _Plan) -> tuple[set[int], bool]:
    """Offsets of quotes that may open a string of interest, and whether the file says ``glob``."""
    if plan.search is None:
        return {match.start() for match in _ANY_QUOTE.finditer(data)}, True
    quotes: set[int] = set()
    inside: list[int] = []
    glob = False
    found: list[tuple[int, int]] = []
    plan.search.scan(data, match_event_handler=_note, context=found)
    for number, end in found:
        hit, back = plan.hits[number]
        if hit is _Hit.CLIMBS:
            if data.startswith(plan.climbs, end - back):
                quotes.add(end - back - 1)
        elif hit is _Hit.OPENED:
            quotes.add(end - back - 1)
        elif hit is _Hit.INSIDE:
            inside.append(end)
        elif hit is _Hit.GLOB:
            glob = True
        elif end > back:
            at = end - back
            before = data[at - 1]
            if before in _QUOTES:
                quotes.add(at - 1)
            elif hit is _Hit.NAMED and before == 0x2F:
                sign = data.rfind(b"@", max(1, at - _SCOPE_MAX), at)
                while sign > 0 and data[sign - 1] not in _QUOTES:
                    sign = data.rfind(b"@", max(1, at - _SCOPE_MAX), sign)
                if sign > 0:
                    quotes.add(sign - 1)
    if inside:
        quotes.update(_openings(data, sorted(inside)))
    if plan.references and b"reference" in data:
        quotes.update(match.end() - 1 for match in _REFERENCE.finditer(data))
    _find_escaped(data, quotes)
    return quotes, glob


def _note(number: int, _: int, end: int, __: int, found: object) -> None:
    found.append((number, end))  # type: ignore[attr-defined]


def _find_escaped(data: bytes, quotes: set[int]) -> None:
    """Strings with a backslash, where what stands before them may end an import context."""
    before, at = -2, data.find(b"\\")
    while at >= 0:
        # What follows a backslash opens nothing.
        for sort in (b'"', b"'", b"`") if at > before + 2 else ():
            quote = data.rfind(sort, before + 2, at)
            if quote > 0:
                last = data[quote - 1]
                if last == 0x20:
                    last = data[quote - 2]
                elif last == 0x28 and data[quote - 2] in _OTHER:
                    continue
                if last in _ENDS_CONTEXT:
                    quotes.add(quote)
        before, at = at, data.find(b"\\", at + 1)


def _openings(data: bytes, hits: list[int]) -> set[int]:
    """The quotes that may open the string around each hit: of each sort the last before it.

    An escaped quote opens nothing, and closes nothing either; strings with a backslash are found by
    `_find_escaped`.
    """
    found: set[int] = set()
    for sort in (b'"', b"'", b"`"):
        before, last = 0, -1
        for hit in hits:
            last = max(last, data.rfind(sort, before, hit))
            before = hit
            if last >= 0:
                found.add(last)
    return found


def in_context(data: bytes, quote: int, glob_at: int = 0) -> bool:
    """Whether a string that opens at ``quote`` may be a specifier, by what stands before it.

    ``glob_at`` is where the file first says ``meta.glob``: strings of an array after it may be patterns.
    """
    if quote > 1:
        code = quote if data[quote - 1] != 0x20 else quote - 1
        last = data[code - 1]
        if last in _NO_CONTEXT:
            return False
        if last in b"mt=,[":  # no comment, no call
            return _is_context(data, code, glob_at)
        if last == 0x28 and code > 1 and data[code - 2] in _NAME:  # a plain call, the usual case
            return _is_callee(data, code - 1)
    # Where a comment begins cannot be told backwards, so every beginning is tried; after many it is yes.
    todo, seen = [(quote, False)], {quote}
    while todo:
        end, in_call = todo.pop()
        if len(seen) > 200:
            return True
        code = _strip(data, end)
        if code:
            inner = _call_before(data, code) if in_call else (code - 1 if data[code - 1] == 0x28 else 0)
            if inner:
                todo.append((inner, True))
                seen.add(inner)
            elif _is_callee(data, code) if in_call else _is_context(data, code, glob_at):
                return True
        for at in _comment_starts(data, code, end):
            if at not in seen:
                seen.add(at)
                todo.append((at, in_call))
    return False


def _is_context(data: bytes, end: int, glob_at: int) -> bool:
    last = data[end - 1]
    if last in b"mt":
        return _KEYWORD.search(data, max(0, end - 6), end) is not None
    if last == 0x3D:  # =
        return _ATTRIBUTE.search(data[max(0, end - 20) : end - 1].rstrip()) is not None
    return last in b"[," and glob_at < end


def _call_before(data: bytes, end: int) -> int:
    """Where a callee goes on before ``((``, ``)(`` and ``?.(``; 0 when it is none of these."""
    if data[end - 1] in b"()":
        return end - 1
    return end - 2 if data.endswith(b"?.", 0, end) else 0


def _is_callee(data: bytes, end: int) -> bool:
    if data[end - 1] == 0x3E:  # type arguments: > but not =>
        return data[end - 2 : end - 1] != b"=" and _may_have_types(data, end)
    return _CALLEE.search(data, max(0, end - _BACK), end) is not None


def _may_have_types(data: bytes, end: int) -> bool:
    """Whether the type arguments that end here may be a callee's: not where they are plain and stand behind another name, all
    in one line, since a line that ends may end in a comment."""
    depth = 0
    for at in range(end - 1, max(0, end - _TYPES_MAX), -1):
        char = data[at]
        if char == 0x3C:  # <
            depth -= 1
            if not depth:
                name = at
                while data[name - 1 : name] in (b" ", b"\t"):
                    name -= 1
                return (
                    not name
                    or data[name - 1] not in _NAME
                    or _CALLEE.search(data, max(0, name - _BACK), name) is not None
                )
        elif char == 0x3E:  # >
            depth += 1
        elif char not in _OF_TYPES:
            return True
    return True


_SPACE = re.compile(
    rb"(?:[\s\x00]|\xc2\xa0|\xef\xbb\xbf|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80)*\Z"
)
_NEWLINE = re.compile(rb"[\r\n]|\xe2\x80[\xa8\xa9]")
_LINE_COMMENT = re.compile(rb"//|<!--")


def _strip(data: bytes, end: int) -> int:
    """``end`` without the white space before it."""
    while end:
        char = data[end - 1]
        if char in b" \t\r\n\v\f":
            end -= 1
        elif char >= 0x80 and (space := _SPACE.search(data, max(0, end - 3), end)) and space.start() < end:
            end = space.start()
        else:
            break
    return end


def _comment_starts(data: bytes, code: int, end: int) -> Iterator[int]:
    if data[max(0, code - 2) : code] == b"*/":
        floor = max(0, data.rfind(b"*/", 0, code - 2))
        at = data.rfind(b"/*", floor, code - 2)
        while at >= 0:
            yield at
            at = data.rfind(b"/*", floor, at)
    if _NEWLINE.search(data, code, end):
        line = max(data.rfind(b"\n", 0, code), data.rfind(b"\r", 0, code)) + 1
        for match in _LINE_COMMENT.finditer(data, line, code):
            yield match.start()
