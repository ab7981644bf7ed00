"""The cheap filter in front of the parser: specifiers of a source file that may matter, and never one too few.

A file without any needle costs a few `bytes.find`. Around each hit the filter looks back for an import context
(``from``, ``import``, ``require(``, ``jest.mock(`` ...); hits in comments and strings are reported too, since a
parser confirms later. What is over-approximated is the syntax only: the specifier is decoded and held to the needles.

Not seen, by this filter and by `bot.readers.javascript.imports` alike: specifiers put together at run time
(concatenation, ``${}``), callees under another name, identifiers written with escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from bot.facts.module import Import, ImportKind

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
_BEFORE = rb"[\s(=,\[mt/\x80-\xff]"
# Every quote that something which may end an import context stands before.
_ANY_QUOTE = re.compile(rb"[\"'`](?<=" + _BEFORE + rb".)(?<![^\s(=,\[mt/\x80-\xff] .)")


def _folded(quote: bytes) -> bytes:
    """After the slash of an opening ``"./`` or ``"../``: a tab or newline before the string's end."""
    rest = rb"[^" + quote + rb"\\\t\r\n]*+[\t\r\n]"
    return rb"(?<=" + quote + rb"\./)" + rest + rb"|(?<=" + quote + rb"\.\./)" + rest


# One pass over the slashes: an absolute path after what may end an import context; a `..` segment that does not continue
# a run of them (./.. a/.. .//.. but not ../..) or that stands behind a webpack loader's `!`; a drive letter; a file: URL;
# a relative path with tabs or newlines, which URL parsers drop.
_SLASH = re.compile(
    rb"/(?:(?<=" + _BEFORE + rb"[\"'`]/)(?<![^\s(=,\[mt/\x80-\xff] [\"'`]/)"
    rb"|\.\.(?<!(?<!\.)\.\./\.\.)"
    rb"|(?<=\./)(?:(?<=[!:]\.\./)|" + b"|".join(map(_folded, (b'"', b"'", b"`"))) + rb")"
    rb"|(?<=:/)(?:(?<=[\"'`][A-Za-z]:/)|(?<=[fF][iI][lL][eE]:/)))"
)
_PERCENT_DOT = re.compile(rb"%2[eE]")
_UNUSUAL = re.compile(r"[\\%\t\r\n]")
_ANY_SCOPE = b"@*/"
_SCOPE_MAX = 216  # no npm name is longer
_STEM = 2  # a scope's @ and one letter are no help
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
_USUAL = (b" from ", b" require(", b"=require(", b"import(")
# What no import context ends with: white space may hide a comment, `*/` ends one.
_NO_CONTEXT = frozenset(bytes((byte,)) for byte in range(0x21, 0x80) if chr(byte) not in "(=[,mt/")
_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$")
_KEYWORD = re.compile(rb"(?:from|import)\Z")
_ATTRIBUTE = re.compile(rb"(?:^|[^\w$])(?:path|types|src)\Z", re.ASCII)

# A string with a backslash in an import context, read from its first backslash backwards (so that a literal leads the
# expression, and each byte is read once). What stands between the quote and the callee is left to `in_context`.
_BEFORE_QUOTE = (
    rb"(?=[\s\x80-\xff]*+(?:morf|tropmi|[(=,\[]|/\*)"
    rb"|[ \t\v\f\x80-\xa7\xaa-\xff]*+[\r\n\xa8\xa9][\s\x80-\xff]*+[^\r\n]*?(?://|--!<))"
)
_BACKSLASHED = {
    b'"': re.compile(rb"\\[^\"\\\r\n]*+\"" + _BEFORE_QUOTE),
    b"'": re.compile(rb"\\[^'\\\r\n]*+'" + _BEFORE_QUOTE),
    b"`": re.compile(rb"\\[^`\\]*+`" + _BEFORE_QUOTE),
}
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
    quotes = _find(data, _plan(needles))
    if not quotes:
        return ()
    glob = _GLOB.search(data) if b"glob" in data else None
    glob_at = glob.start() if glob is not None else len(data)
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
    every: bool
    prefixes: tuple[tuple[bytes, tuple[bytes, ...]], ...]  # beginnings of specifiers, by what several of them share
    quoted: tuple[bytes, ...]  # the same, quote included
    paths: bool
    references: bool
    named: frozenset[bytes]  # those of the beginnings that may stand after a scope


@lru_cache(maxsize=64)
def _plan(needles: Needles) -> _Plan:
    quoted: tuple[bytes, ...] = ()
    named = frozenset(scope[len(_ANY_SCOPE) :] for scope in needles.scopes if scope.startswith(_ANY_SCOPE))
    prefixes = tuple(dict.fromkeys(scope.removeprefix(_ANY_SCOPE) for scope in needles.scopes))
    if needles.escape in (0, 1):
        dots = b".." if needles.escape else b"."
        quoted = tuple(bytes((quote,)) + dots for quote in _QUOTES)
    elif needles.escape > 1:
        prefixes += (b"../" * (needles.escape - 1) + b"..",)
    return _Plan(b"" in needles.scopes, _by_stem(prefixes), quoted, needles.escape >= 0, needles.escape == 0, named)


def _by_stem(prefixes: tuple[bytes, ...]) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
    """Prefixes under a beginning they share: where that is missing, none of them is looked for."""
    groups: list[tuple[bytes, tuple[bytes, ...]]] = []
    for prefix in sorted(prefixes):
        stem, members = groups[-1] if groups else (b"", ())
        shared = next(
            (i for i, (a, b) in enumerate(zip(stem, prefix, strict=False)) if a != b), min(len(stem), len(prefix))
        )
        if shared > _STEM:
            groups[-1] = (stem[:shared], (*members, prefix))
        else:
            groups.append((prefix, (prefix,)))
    return tuple(groups)


def _find(data: bytes, plan: _Plan) -> set[int]:
    """Offsets of quotes that may open a string of interest."""
    if plan.every:
        return {match.start() for match in _ANY_QUOTE.finditer(data)}
    quotes: set[int] = set()
    for stem, prefixes in plan.prefixes:
        first = data.find(stem)
        if first < 0:
            continue
        for prefix in prefixes:
            at = data.find(prefix, first)
            named = prefix in plan.named
            while at >= 0:
                if at and data[at - 1] in _QUOTES:
                    quotes.add(at - 1)
                elif named and data[at - 1 : at] == b"/":
                    sign = data.rfind(b"@", max(1, at - _SCOPE_MAX), at)
                    if sign > 0 and data[sign - 1] in _QUOTES:
                        quotes.add(sign - 1)
                at = data.find(prefix, at + 1)
    for opening in plan.quoted:
        at = data.find(opening)
        while at >= 0:
            quotes.add(at)
            at = data.find(opening, at + 1)
    if plan.paths:
        _find_paths(data, quotes)
    if plan.references and b"reference" in data:
        quotes.update(match.end() - 1 for match in _REFERENCE.finditer(data))
    if b"\\" in data:
        size = len(data)
        backwards = data[::-1]
        for sort, pattern in _BACKSLASHED.items():
            if sort in data:
                quotes.update(size - match.end() for match in pattern.finditer(backwards))
    return quotes


def _find_paths(data: bytes, quotes: set[int]) -> None:
    """Absolute paths, URLs, and paths whose ``..`` is not at the start or not written plainly."""
    hits = []
    for match in _SLASH.finditer(data):
        at = match.start()
        if data[at - 1] in _QUOTES and at:
            quotes.add(at - 1)
        else:
            hits.append(at)
    if b"%" in data:
        hits += [match.start() for match in _PERCENT_DOT.finditer(data)]
    if hits:
        quotes.update(_openings(data, sorted(hits)))


def _openings(data: bytes, hits: list[int]) -> set[int]:
    """The quotes that may open the string around each hit: of each sort the last before it.

    An escaped quote opens nothing, and closes nothing either; strings with a backslash are found by
    `_BACKSLASHED`.
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
    if data.endswith(_USUAL, 0, quote):
        return True
    before = data[quote - 1 : quote]
    if (data[quote - 2 : quote - 1] if before == b" " else before) in _NO_CONTEXT and quote > 1:
        return False
    if before == b"(" and data[quote - 2] in _NAME and quote > 1:  # a plain call, the usual case
        return _is_callee(data, quote - 1)
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
        return data[end - 2 : end - 1] != b"="
    return _CALLEE.search(data, max(0, end - _BACK), end) is not None


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
