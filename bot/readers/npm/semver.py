"""npm's versions and ranges, with the answers of npm's own `semver` package (7.x).

The grammar is that of "Ranges" in the documentation of node-semver, desugared in the order in which that
package does it, since the order shows in what is valid (``^x.5`` is, ``1.x.5`` is not). Strict parsing, as
``semver.satisfies(version, range)`` without options. Nothing here raises: what is no version satisfies nothing, and
what is no range is satisfied by nothing. Versions longer than 256 characters, and numbers
beyond 2**53 - 1, are invalid, as they are to npm. One limit is ours: a range has at most 65,536 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = [
    "compare",
    "intersects",
    "is_exact",
    "is_prerelease",
    "max_satisfying",
    "satisfies",
    "valid",
    "valid_range",
]

_MAX_LENGTH: Final = 256
_MAX_NUMBER: Final = 2**53 - 1
_MAX_RANGE: Final = 65_536

# JavaScript's white space: neither Python's str.strip() nor its \s are the same set.
_SPACE: Final = "\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_STRIP: Final = (
    "\t\n\v\f\r \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_SPACES: Final = re.compile(f"[{_SPACE}]+")

_NUMBER: Final = r"(?:0|[1-9][0-9]{0,256})"
_WORD: Final = r"[0-9]{0,256}[A-Za-z-][A-Za-z0-9-]{0,250}"
_PRE: Final = rf"(?:{_WORD}|{_NUMBER})(?:\.(?:{_WORD}|{_NUMBER}))*"
_LOOSE_PRE: Final = rf"(?:{_WORD}|[0-9]{{1,256}})(?:\.(?:{_WORD}|[0-9]{{1,256}}))*"
_BUILD: Final = r"\+[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
_PART: Final = rf"({_NUMBER}|[xX*])"
_PARTIAL: Final = rf"[v= ]*{_PART}(?:\.{_PART}(?:\.{_PART}(?:-({_PRE}))?)?)?"
_LOOSE_FULL: Final = rf"[0-9]{{1,256}}\.[0-9]{{1,256}}\.[0-9]{{1,256}}(?:-?{_LOOSE_PRE})?"

_VERSION: Final = re.compile(rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRE}))?(?:{_BUILD})?")
_LOOSE_VERSION: Final = re.compile(
    rf"[v={_SPACE}]*([0-9]{{1,256}})\.([0-9]{{1,256}})\.([0-9]{{1,256}})(?:-?({_LOOSE_PRE}))?(?:{_BUILD})?"
)
_PLAIN: Final = re.compile(r"([\^~]?)(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,14})")
_ARCHIVE: Final = re.compile(r"\.(?:tgz|tar\.gz|tar)\Z", re.I | re.A)


class _Version(NamedTuple):
    numbers: tuple[int, int, int]
    pre: tuple[int | str, ...]

    @property
    def text(self) -> str:
        release = "{}.{}.{}".format(*self.numbers)
        return f"{release}-{'.'.join(map(str, self.pre))}" if self.pre else release


class _Comparator(NamedTuple):
    operator: str  # "", "<", "<=", ">", ">="; "" is equality
    version: _Version


# A range is a list of alternatives, each a list of comparators that must all hold; an empty one is `*`.
_Alternatives = tuple[tuple[_Comparator, ...], ...]


class _InvalidRangeError(Exception):
    pass


def valid(version: str) -> str | None:
    """The version as npm writes it (no ``v``, no build metadata), or None: ``semver.valid``, strict."""
    parsed = _parse(version)
    return parsed.text if parsed else None


def is_exact(spec: str) -> str | None:
    """The one version that a dependency's spec asks for, or None: what npm-package-arg calls type ``version``.

    Loose, as there: ``1.2.3``, ``=1.2.3``, `` =v1.2.3 `` and ``1.2.3beta`` are exact.
    """
    text = spec.strip(_STRIP)
    found = _LOOSE_VERSION.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    # npm takes a name that ends like an archive for a file, whatever stands before it.
    parsed = _version_of(found) if found and not _ARCHIVE.search(spec) else None
    return parsed.text if parsed else None


def is_prerelease(version: str) -> bool:
    """Whether this is a version with a prerelease part."""
    parsed = _parse(version)
    return parsed is not None and bool(parsed.pre)


def compare(a: str, b: str) -> int:
    """-1, 0 or 1 as ``a`` is older than, equal to or newer than ``b``; build metadata does not count.

    What is no version is older than every version (npm throws there), and ordered by its text.
    """
    left, right = _parse(a), _parse(b)
    if left is None or right is None:
        return (left is not None) - (right is not None) or (a > b) - (a < b)
    return _compare(left, right)


def satisfies(version: str, range: str, *, prerelease: bool = False) -> bool:
    """Whether a version is in a range: ``semver.satisfies``. ``prerelease`` is its ``includePrerelease``."""
    if not prerelease:
        plain = _satisfies_plain(version, range)
        if plain is not None:
            return plain
    parsed = _parse(version)
    alternatives = _parse_range(range, prerelease)
    return parsed is not None and alternatives is not None and _in_range(parsed, alternatives, prerelease)


def valid_range(range: str) -> bool:
    """Whether npm reads this as a range: ``semver.validRange``. The empty string is ``*``."""
    return _parse_range(range, False) is not None


def intersects(a: str, b: str) -> bool:
    """Whether some version may be in both ranges: ``semver.intersects``. False where one of them is no range (npm throws).

    A limit of ours: of texts longer than 256 characters it says that they do.
    """
    if max(len(a), len(b)) > _MAX_LENGTH:
        return True
    left, right = _parse_range(a, False), _parse_range(b, False)
    if left is None or right is None:
        return False
    possible = [comparators for comparators in map(_whole, right) if _is_possible(comparators)]
    return any(
        all(_meet(one, other) for one in comparators for other in against)
        for comparators in map(_whole, left)
        if _is_possible(comparators)
        for against in possible
    )


def max_satisfying(versions: Iterable[str], range: str, *, prerelease: bool = False) -> str | None:
    """The newest of the versions that are in a range, as given; the first of equals; None when there is none."""
    alternatives = _parse_range(range, prerelease)
    if alternatives is None:
        return None
    best: tuple[str, _Version] | None = None
    for version in versions:
        parsed = _parse(version)
        if parsed and _in_range(parsed, alternatives, prerelease) and (best is None or _compare(best[1], parsed) < 0):
            best = (version, parsed)
    return best[0] if best else None


# -- versions ------------------------------------------------------------------------------


def _satisfies_plain(version: str, range: str) -> bool | None:
    """The answer for a plain release and ``1.2.3``, ``^1.2.3`` or ``~1.2.3``: nearly all of a lockfile. None: ask
    the grammar."""
    wanted = _PLAIN.fullmatch(range)
    found = _PLAIN.fullmatch(version) if wanted else None
    if wanted is None or found is None or found[1]:
        return None
    low = (int(wanted[2]), int(wanted[3]), int(wanted[4]))
    have = (int(found[2]), int(found[3]), int(found[4]))
    if not wanted[1]:
        return have == low
    if have < low:
        return False
    if wanted[1] == "~":
        return have[:2] == low[:2]
    fixed = 1 if low[0] else 2 if low[1] else 3
    return have[:fixed] == low[:fixed]


def _parse(version: str) -> _Version | None:
    return _parse_short(version) if len(version) <= _MAX_LENGTH else None


@lru_cache(maxsize=8192)
def _parse_short(version: str) -> _Version | None:
    found = _VERSION.fullmatch(version.strip(_STRIP))
    return _version_of(found) if found else None


def _version_of(found: re.Match[str]) -> _Version | None:
    numbers = (int(found[1]), int(found[2]), int(found[3]))
    if max(numbers) > _MAX_NUMBER:
        return None
    pre = tuple(
        int(part) if part.isdigit() and int(part) < _MAX_NUMBER else part
        for part in (found[4] or "").split(".")
        if part
    )
    return _Version(numbers, pre)


def _compare(a: _Version, b: _Version) -> int:
    if a.numbers != b.numbers:
        return 1 if a.numbers > b.numbers else -1
    if not a.pre or not b.pre:
        return (not a.pre) - (not b.pre)
    for left, right in zip(a.pre, b.pre, strict=False):
        if left != right or type(left) is not type(right):
            return _compare_identifiers(left, right)
    return (len(a.pre) > len(b.pre)) - (len(a.pre) < len(b.pre))


def _compare_identifiers(left: int | str, right: int | str) -> int:
    """Numbers before words; a number too large for JavaScript is compared as the float that JavaScript makes of it."""
    left_number, right_number = str(left).isdigit(), str(right).isdigit()
    if left_number != right_number:
        return -1 if left_number else 1
    if left_number:
        return (float(left) > float(right)) - (float(left) < float(right))
    return (str(left) > str(right)) - (str(left) < str(right))


# -- ranges --------------------------------------------------------------------------------

_HYPHEN: Final = re.compile(rf" ?({_PARTIAL}) - ({_PARTIAL}) ?")
_OPERATOR: Final = re.compile(rf"([<>]?[v= ]*+)({_LOOSE_FULL}|{_PARTIAL})?")
_SPACE_AFTER: Final = re.compile(r"\A( ?+[<>]?+=?+) ")
_CARET: Final = re.compile(rf"\^{_PARTIAL}")
_TILDE: Final = re.compile(rf"~>?{_PARTIAL}")
_XRANGE: Final = re.compile(rf"([<>]?=?){_PARTIAL}")
_STAR: Final = re.compile(r"[<>]?=?\*")
_COMPARATOR: Final = re.compile(r"([<>]?=?)(v?[0-9].*)")
_BUILDS: Final = re.compile(_BUILD)


def _in_range(version: _Version, alternatives: _Alternatives, prerelease: bool) -> bool:
    return any(_in_set(version, comparators, prerelease) for comparators in alternatives)


def _in_set(version: _Version, comparators: tuple[_Comparator, ...], prerelease: bool) -> bool:
    for operator, bound in comparators:
        order = _compare(version, bound)
        if not (order == 0 if "<" not in operator and ">" not in operator else _holds(operator, order)):
            return False
    # A prerelease is in a range only if the range names a prerelease of the same release.
    return prerelease or not version.pre or any(b.pre and b.numbers == version.numbers for _, b in comparators)


def _holds(operator: str, order: int) -> bool:
    return (order == 0 and operator.endswith("=")) or order == (1 if operator[0] == ">" else -1)


def _whole(comparators: tuple[_Comparator, ...]) -> tuple[_Comparator | None, ...]:
    """Comparators as npm keeps them: None for the one that everything meets, and alone the one that nothing does."""
    return next(((one,) for one in comparators if _is_nothing(one)), comparators or (None,))


def _is_possible(comparators: tuple[_Comparator | None, ...]) -> bool:
    return all(_meet(one, other) for i, one in enumerate(comparators) for other in comparators[:i])


def _meet(a: _Comparator | None, b: _Comparator | None) -> bool:
    """Whether two comparators can hold at once, as npm's ``Comparator.intersects`` has it."""
    if a is None:
        return True
    if not a.operator:
        return _in_set(a.version, (b,) if b else (), False)
    if b is None:
        return True
    if not b.operator:
        return _in_set(b.version, (a,), False)
    if any(one.operator == "<" and one.version.numbers == (0, 0, 0) for one in (a, b)):
        return False
    if a.operator[0] == b.operator[0]:
        return True
    order = _compare(a.version, b.version)
    if order == 0:
        return a.operator.endswith("=") and b.operator.endswith("=")
    return a.operator[0] == (">" if order < 0 else "<")


def _parse_range(text: str, prerelease: bool) -> _Alternatives | None:
    if len(text) <= _MAX_LENGTH:
        return _parse_short_range(text, prerelease)
    # Long ones are rare, and a cache of them would be large.
    return _alternatives(text, prerelease) if len(text) <= _MAX_RANGE else None


@lru_cache(maxsize=4096)
def _parse_short_range(text: str, prerelease: bool) -> _Alternatives | None:
    return _alternatives(text, prerelease)


def _alternatives(text: str, prerelease: bool) -> _Alternatives | None:
    try:
        sets = [_comparators(part.strip(" "), prerelease) for part in _SPACES.sub(" ", text.strip(_STRIP)).split("||")]
    except _InvalidRangeError:
        return None
    # As npm does: alternatives that nothing satisfies go, and `*` makes the others superfluous. The latter shows:
    # `* || 1.0.0-rc.1` does not hold for 1.0.0-rc.1.
    sets = [found for found in sets if not any(map(_is_nothing, found))] or sets[:1]
    return ((),) if len(sets) > 1 and () in sets else tuple(sets)


def _is_nothing(comparator: _Comparator) -> bool:
    return comparator.operator == "<" and comparator.version == ((0, 0, 0), (0,))


def _comparators(text: str, prerelease: bool) -> tuple[_Comparator, ...]:
    """The comparators of one alternative, its sugar taken away."""
    zero = "-0" if prerelease else ""
    text = _BUILDS.sub("", text)
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen:
        text = _hyphen(hyphen, zero)
    text = _OPERATOR.sub(_without_space, text)
    text = text.replace("~> ", "~").replace("~ ", "~").replace("^ ", "^")
    found: list[_Comparator] = []
    for word in dict.fromkeys(text.split(" ")):
        for plain in _desugar(_BUILDS.sub("", word, count=1), zero).split(" "):
            if plain in ("", f">=0.0.0{zero}"):
                continue
            found.append(_comparator(plain))
    return tuple(found)


def _comparator(text: str) -> _Comparator:
    found = _COMPARATOR.fullmatch(text)
    version = _parse(found[2]) if found else None
    if found is None or version is None:
        raise _InvalidRangeError
    return _Comparator("" if found[1] == "=" else found[1], version)


def _without_space(found: re.Match[str]) -> str:
    """``> 1.2`` -> ``>1.2``: one space between an operator and what follows it goes."""
    if found[2] is None:
        return found[0]
    return _SPACE_AFTER.sub(r"\1", found[1], count=1) + found[2] if " " in found[1] else found[0]


def _is_x(part: str | None) -> bool:
    return part is None or part in "xX*"


def _next(part: str | None) -> int:
    return int(part or 0) + 1


def _hyphen(found: re.Match[str], zero: str) -> str:
    """``1.2 - 3`` -> ``>=1.2.0 <4.0.0-0``."""
    low, a, b, c, pre, high, x, y, z, high_pre = found.groups()
    if _is_x(a):
        left = ""
    elif _is_x(b):
        left = f">={a}.0.0{zero}"
    elif _is_x(c):
        left = f">={a}.{b}.0{zero}"
    else:
        left = f">={low}" if pre else f">={low}{zero}"
    if _is_x(x):
        right = ""
    elif _is_x(y):
        right = f"<{_next(x)}.0.0-0"
    elif _is_x(z):
        right = f"<{x}.{_next(y)}.0-0"
    elif high_pre:
        right = f"<={x}.{y}.{z}-{high_pre}"
    else:
        right = f"<{x}.{y}.{_next(z)}-0" if zero else f"<={high}"
    return f"{left} {right}".strip(" ")


def _desugar(word: str, zero: str) -> str:
    """Caret, tilde and x-ranges as plain comparators with full versions."""
    if found := _CARET.fullmatch(word):
        return _caret(*found.groups(), zero=zero)
    if found := _TILDE.fullmatch(word):
        return _tilde(*found.groups(), zero=zero)
    if found := _XRANGE.fullmatch(word):
        word = _xrange(word, *found.groups()[:4], zero=zero)
    return _STAR.sub("", word, count=1)


def _caret(a: str, b: str | None, c: str | None, pre: str | None, *, zero: str) -> str:
    if _is_x(a):
        return ""
    if _is_x(b):
        return f">={a}.0.0{zero} <{_next(a)}.0.0-0"
    if _is_x(c):
        high = f"{a}.{_next(b)}.0" if a == "0" else f"{_next(a)}.0.0"
        return f">={a}.{b}.0{zero} <{high}-0"
    if a != "0":
        high = f"{_next(a)}.0.0"
    else:
        high = f"0.0.{_next(c)}" if b == "0" else f"0.{_next(b)}.0"
    return f">={a}.{b}.{c}{f'-{pre}' if pre else ''} <{high}-0"


def _tilde(a: str, b: str | None, c: str | None, pre: str | None, *, zero: str) -> str:
    if _is_x(a):
        return ""
    if _is_x(b):
        return f">={a}.0.0{zero} <{_next(a)}.0.0-0"
    low = f"{a}.{b}.0{zero}" if _is_x(c) else f"{a}.{b}.{c}{f'-{pre}' if pre else ''}"
    return f">={low} <{a}.{_next(b)}.0-0"


def _xrange(word: str, operator: str, a: str, b: str | None, c: str | None, *, zero: str) -> str:
    if (_is_x(a) and not _is_x(b)) or (_is_x(b) and not _is_x(c)):
        return word  # 1.x.5 is no range
    if not _is_x(c):
        return word
    if operator == "=":
        operator = ""
    if _is_x(a):
        return "<0.0.0-0" if operator in ("<", ">") else "*"
    major, minor = int(a), 0 if _is_x(b) else int(b or 0)
    following = f"{major + 1}.0.0" if _is_x(b) else f"{major}.{minor + 1}.0"
    if not operator:
        return f">={major}.{minor}.0{zero} <{following}-0"
    if operator == ">":
        return f">={following}{zero}"
    if operator == "<=":
        return f"<{following}-0"
    return f"{operator}{major}.{minor}.0{'-0' if operator == '<' else zero}"
