"""Where everything of a picture of the boundary stands: a `Card` -> boxes and lines with coordinates.

Pure, and without a browser: widths of text are estimated on the wide side. The picture is narrow, so that a phone shows it at
full size. What is open stands on the left, who uses it on the right, and each line between says the version. Users beyond the first
few are told together, those of one side and version in one box.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from bot.report.boundary import Card, Edge
from bot.report.terminal import cells
from bot.report.words import plural
from bot.text import printable

__all__ = ["WIDTH", "Box", "Drawing", "Line", "draw", "lines_of", "versions_text", "width_of"]

WIDTH = 380
_LEFT, _LEFT_END = 1, 121
_TRUNK = 133
_RIGHT, _RIGHT_END = 251, WIDTH - 1
_ROOM = 104  # for text in a box
_GAP = 10
_LINE = 16  # from one line of text to the next
_PAD = 12
_BOLD = 14.3  # names are bold, and 13 wide: about what that is in the widest of usual fonts
_SMALL = 12.0
_VERSION = 13  # letters of a fixed width that a line has room for
_SHOWN = 6  # users with a box of their own
_GROUPS = 3  # boxes that tell of many

_WIDE = frozenset("mwMWGOQ@%")
_NARROW = frozenset("iljtfrI.,:;'|!()[]-/ ")


class Box(NamedTuple):
    """A repository, or many. ``kind`` is ``open``, ``private``, ``unmatched`` or ``ghost``. ``names`` are lines, ``meta`` a line below
    them. ``title`` is everything, for who points at it; ``label`` leads to its findings where it is one repository."""

    x: int
    y: int
    width: int
    height: int
    kind: str
    names: tuple[tuple[int, str], ...]
    meta: str
    meta_y: int
    title: str
    label: str = ""


class Line(NamedTuple):
    """From a user to what it uses. ``kind`` is ``door``, ``other``, ``clean``, ``none`` (it uses nothing) or ``unknown``.

    ``version`` stands on the line, ``badge`` below it, in a pill ``badge_width`` wide."""

    path: str
    y: int
    kind: str
    version: str
    badge: str
    badge_width: int
    title: str


class Drawing(NamedTuple):
    """A picture, `WIDTH` wide. ``label_x`` is the middle of what stands on lines."""

    height: int
    label_x: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    title: str
    description: str


class _User(NamedTuple):
    kind: str
    side: str
    names: tuple[str, ...]
    meta: str
    version: str
    badge: str
    title: str
    label: str = ""


def draw(card: Card, owner: str = "") -> Drawing:
    """The picture of a card. ``owner`` (``acme/``) is what all names begin with and none needs to say."""
    users = _users(card, owner)
    heights = [_height(user) for user in users]
    total = sum(heights) + _GAP * (len(heights) - 1) if heights else 0
    left = _left(card, owner)
    left_height = _height(left)
    height = max(total, left_height)
    left_y = 1 + (min(height, 2 * left_height) - left_height) // 2 if total > left_height else 1
    at = 1 + max(0, left_height - total) // 2
    boxes = [_box(left, _LEFT, left_y, _LEFT_END - _LEFT)]
    middle = left_y + left_height // 2
    lines = []
    for user, tall in zip(users, heights, strict=True):
        boxes.append(_box(user, _RIGHT, at, _RIGHT_END - _RIGHT))
        y = at + tall // 2
        lines.append(
            Line(
                _path(middle, y),
                y,
                user.kind,
                user.version,
                user.badge,
                int(width_of(user.badge, 12.4)) + 26,
                user.title,
            )
        )
        at += tall + _GAP
    # Doors are drawn last: where lines share their beginning, theirs is seen.
    order = {"door": 3, "other": 2, "clean": 1}
    lines.sort(key=lambda line: order.get(line.kind, 0))
    return Drawing(
        height=height + 2,
        label_x=(_TRUNK + 6 + _RIGHT) // 2,
        boxes=tuple(boxes),
        lines=tuple(lines),
        title=f"Who uses {printable(card.title)}",
        description=_description(card),
    )


def _path(start: int, end: int) -> str:
    """From the left box along a trunk to a user: straight, or round two corners."""
    if start == end:
        return f"M{_LEFT_END} {start}H{_RIGHT}"
    down = 1 if end > start else -1
    bend = min(8, abs(end - start) // 2)
    return (
        f"M{_LEFT_END} {start}H{_TRUNK - bend}Q{_TRUNK} {start} {_TRUNK} {start + down * bend}"
        f"V{end - down * bend}Q{_TRUNK} {end} {_TRUNK + bend} {end}H{_RIGHT}"
    )


def _left(card: Card, owner: str) -> _User:
    if not card.open:
        title = f"{card.missing}: {', '.join(map(printable, card.packages))}".strip(": ")
        return _User("", "ghost", lines_of(printable(card.title)), card.missing, "", "", title)
    names = lines_of(_short(card.open[0], owner))
    if len(card.open) > 1:
        names = (
            _cut(_short(card.open[0], owner), _ROOM, _BOLD),
            _cut("and " + _short(card.open[1], owner), _ROOM, _BOLD),
        )
    if len(card.open) > 2:
        names = (names[0], f"and {len(card.open) - 1} more")
    packages = printable(card.packages[0]) if len(card.packages) == 1 else plural(len(card.packages), "package")
    title = ", ".join(map(printable, card.open)) + f": {packages} {printable(card.version)}".rstrip()
    meta = f"open {printable(card.version)}".rstrip() if len(card.packages) < 2 else packages
    return _User("", "open", names, meta, "", "", title, card.open[0] if len(card.open) == 1 else "")


def _users(card: Card, owner: str) -> list[_User]:
    if not card.edges:
        return [_User("none", "ghost", ("nobody",), "uses it here", "", "", "nobody uses it here")]
    shown = card.edges if len(card.edges) <= _SHOWN + 1 else card.edges[:_SHOWN]
    users = [_single(edge, owner) for edge in shown]
    return users + _grouped(card.edges[len(shown) :], owner)


def _single(edge: Edge, owner: str) -> _User:
    side = (
        "within itself"
        if edge.within
        else "private half"
        if edge.half
        else edge.side
        if edge.side != "unmatched"
        else "neither side"
    )
    return _User(
        kind=_kind(edge),
        side=edge.side,
        names=lines_of(_short(edge.label, owner)),
        meta=side,
        version=versions_text(edge),
        badge=_badge(edge),
        title=f"{printable(edge.label)} ({side}): {_sentence(edge)}",
        label=edge.label if edge.known else "",
    )


def _grouped(edges: Sequence[Edge], owner: str) -> list[_User]:
    groups: dict[tuple[str, str, str], list[Edge]] = {}
    for edge in edges:
        groups.setdefault((_kind(edge), edge.side, versions_text(edge)), []).append(edge)
    rank = {"door": 0, "other": 1}
    order = sorted(groups.items(), key=lambda item: (rank.get(item[0][0], 2), item[0][1] != "private", -len(item[1])))
    users = [_group(kind, side, version, many, owner) for (kind, side, version), many in order[:_GROUPS]]
    rest = [edge for _, many in order[_GROUPS:] for edge in many]
    if rest:
        kind = min((_kind(edge) for edge in rest), key=lambda k: rank.get(k, 2))
        sides = {edge.side for edge in rest}
        versions = {versions_text(edge) for edge in rest}
        words = versions.pop() if len(versions) == 1 else f"{len(versions)} versions"
        users.append(_group(kind, sides.pop() if len(sides) == 1 else "unmatched", words, rest, owner))
    return users


def _group(kind: str, side: str, version: str, edges: Sequence[Edge], owner: str) -> _User:
    if len(edges) == 1:
        return _single(edges[0], owner)
    doors, others = sum(e.trouble.doors for e in edges), sum(e.trouble.others for e in edges)
    badge = _doors_text(doors) if doors else plural(others, "finding") if others else ""
    names = ", ".join(printable(edge.label) for edge in edges[:20]) + (" …" if len(edges) > 20 else "")
    meta = side if side != "unmatched" else "of either side"
    return _User(
        kind, side, (f"{len(edges):,} more",), meta, version, badge, f"{names}: {version or 'no version known'}"
    )


def _kind(edge: Edge) -> str:
    if edge.trouble.doors:
        return "door"
    if edge.trouble.others:
        return "other"
    if edge.uses:
        return "clean"
    return "none" if edge.known else "unknown"


def versions_text(edge: Edge) -> str:
    """What stands on the line: a version, or how many of what."""
    versions = sorted({version for _, each in edge.uses for version in each})
    if not edge.uses:
        return "" if edge.trouble.doors or edge.trouble.others else "not used" if edge.known else "not shown"
    packages = f"{len(edge.uses)} packages" if len(edge.uses) > 1 else ""
    if not versions:
        return packages or "no version"
    if len(versions) == 1 and not packages:
        text = printable(versions[0])
        return text if cells(text) <= _VERSION else _begun(text)
    return packages or f"{len(versions)} versions"


def _begun(text: str) -> str:
    """As much of the beginning as a line has room for."""
    while cells(text) >= _VERSION:
        text = text[:-1]
    return text + "…"


def _badge(edge: Edge) -> str:
    if edge.trouble.doors:
        return _doors_text(edge.trouble.doors)
    if edge.trouble.others:
        return plural(edge.trouble.others, "finding")
    return f"{edge.trouble.waived} waived" if edge.trouble.waived else ""


def _doors_text(number: int) -> str:
    return plural(number, "side door") if number < 10 else f"{number:,} doors"


def _sentence(edge: Edge) -> str:
    uses = "; ".join(
        f"{printable(package)} {', '.join(map(printable, versions)) or 'at no known version'}"
        for package, versions in edge.uses[:8]
    )
    if len(edge.uses) > 8:
        uses += f" and {len(edge.uses) - 8} more"
    found = [
        plural(number, what)
        for number, what in ((edge.trouble.doors, "side door"), (edge.trouble.others, "other finding"))
        if number
    ]
    if edge.trouble.waived:
        found.append(f"{edge.trouble.waived} waived")
    return ": ".join(
        filter(None, (uses or ("uses none of it" if edge.known else "what it uses is not shown"), ", ".join(found)))
    )


def _description(card: Card) -> str:
    said = [_sentence_of(edge) for edge in card.edges[:_SHOWN]]
    if len(card.edges) > _SHOWN:
        said.append(f"and {len(card.edges) - _SHOWN} more")
    where = ", ".join(map(printable, card.open)) or card.missing
    return f"Open side: {where}. Users: {'; '.join(said) or 'none'}. The table below says the same."


def _sentence_of(edge: Edge) -> str:
    version, badge = versions_text(edge), _badge(edge)
    return " ".join(filter(None, (printable(edge.label), version, f"({badge})" if badge else "")))


# -- boxes and text ------------------------------------------------------------------------------


def _height(user: _User) -> int:
    return 2 * _PAD + _LINE * (len(user.names) + 1) - 4


def _box(user: _User, x: int, y: int, width: int) -> Box:
    first = y + _PAD + 11
    return Box(
        x=x,
        y=y,
        width=width,
        height=_height(user),
        kind=user.side,
        names=tuple((first + _LINE * number, text) for number, text in enumerate(user.names)),
        meta=_cut(user.meta, _ROOM - 16, _SMALL),
        meta_y=first + _LINE * len(user.names),
        title=user.title,
        label=user.label,
    )


def _short(label: str, owner: str) -> str:
    return printable(label.removeprefix(owner) if owner and label != owner else label)


def lines_of(name: str, room: float = _ROOM, size: float = _BOLD) -> tuple[str, ...]:
    """A name on at most two lines, broken behind punctuation where it has some; what has no room ends in ``…``."""
    if width_of(name, size) <= room:
        return (name,)
    pieces = re.findall(r"[^/\-_.\s]*[/\-_.\s]+|[^/\-_.\s]+", name) or [name]
    first, taken = "", list[int]()
    while pieces and width_of(first + pieces[0], size) <= room:
        first += pieces.pop(0)
        taken.append(len(first))
    if len(taken) > 1 and len("".join(pieces)) < 3:  # a letter alone on its line is lost
        pieces.insert(0, first[taken[-2] :])
        first = first[: taken[-2]]
    if not first:
        first, pieces = _split(name, room, size)
    rest = "".join(pieces)
    return (first, _cut(rest, room, size)) if rest else (first,)


def _split(name: str, room: float, size: float) -> tuple[str, list[str]]:
    count = 1
    while width_of(name[: count + 1], size) <= room:
        count += 1
    return name[:count], [name[count:]]


def _cut(text: str, room: float, size: float) -> str:
    """The text, or its beginning and its end with ``…`` between: ends of names tell them apart."""
    if width_of(text, size) <= room:
        return text
    keep = len(text) - 1
    while keep > 2 and width_of(text[: keep // 2] + "…" + text[len(text) - (keep - keep // 2) :], size) > room:
        keep -= 1
    return text[: keep // 2] + "…" + text[len(text) - (keep - keep // 2) :]


def width_of(text: str, size: float) -> float:
    """About how wide a text is in a sans-serif font of this size, rather too wide than too narrow."""
    total = 0.0
    for char in text:
        if char in _NARROW:
            total += 0.37
        elif char in _WIDE:
            total += 0.87
        elif unicodedata.east_asian_width(char) in "WF":
            total += 1.0
        else:
            total += 0.61
    return total * size
