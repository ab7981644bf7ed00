"""Edits of one finding as whole lines: what a diff shows and what a suggested change replaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bot.fix import applies, written
from bot.model import Finding, LocatedEdit

__all__ = ["Lines", "diff", "replaced"]

_CONTEXT = 2


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Whole lines of a file that edits replace: ``first`` to ``last``, counted from 1, both included.

    Lines are what git calls so (a line feed ends one) and stand here without it; a carriage return before it stays.
    """

    path: str
    first: int
    last: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()


def replaced(finding: Finding, files: Mapping[str, bytes]) -> tuple[Lines, ...]:
    """The lines that the edits of a finding replace, in order; none where they cannot be applied to ``files`` as they are."""
    if not applies(finding, files):
        return ()
    by_path: dict[str, list[LocatedEdit]] = {}
    for edit in finding.edits:
        by_path.setdefault(edit.path, []).append(edit)
    return tuple(lines for path, edits in sorted(by_path.items()) for lines in _of_file(path, edits, files[path]))


def _of_file(path: str, edits: Sequence[LocatedEdit], data: bytes) -> list[Lines]:
    groups: list[tuple[int, int, list[LocatedEdit]]] = []
    for edit in sorted({(e.start, e.end, e.new): e for e in edits}.values(), key=lambda e: (e.start, e.end)):
        begin = data.rfind(b"\n", 0, edit.start) + 1
        # An edit that takes a line's own line feed touches the next line too, unless it puts one there or takes it all.
        text = written(edit)
        ended = text.endswith("\n") or (not text and edit.start == begin)
        whole = ended and edit.end > edit.start and data[edit.end - 1 : edit.end] == b"\n"
        end = edit.end if whole else _line_end(data, edit.end)
        if groups and begin < groups[-1][1]:
            start, reached, together = groups[-1]
            groups[-1] = (start, max(reached, end), [*together, edit])
        else:
            groups.append((begin, end, [edit]))
    out: list[Lines] = []
    done = 0
    for (begin, end, together), (following, _, _) in zip(groups, [*groups[1:], (len(data), 0, [])], strict=True):
        after = bytearray(data[begin:end])
        for edit in reversed(together):
            after[edit.start - begin : edit.end - begin] = written(edit).encode()
        first = data.count(b"\n", 0, begin) + 1
        lines = _lines(data[begin:end])
        out.append(
            Lines(
                path=path,
                first=first,
                last=first + len(lines) - 1,
                before=lines,
                after=_lines(bytes(after)),
                above=_lines(data[max(_up(data, begin), done) : begin]),
                below=_lines(data[end : min(_down(data, end), following)]),
            )
        )
        done = min(_down(data, end), following)
    return out


def _line_end(data: bytes, offset: int) -> int:
    return data.find(b"\n", offset) + 1 or len(data)


def _up(data: bytes, begin: int) -> int:
    for _ in range(_CONTEXT):
        if begin > 0:
            begin = data.rfind(b"\n", 0, begin - 1) + 1
    return begin


def _down(data: bytes, end: int) -> int:
    for _ in range(_CONTEXT):
        if end < len(data):
            end = _line_end(data, end)
    return end


def _lines(data: bytes) -> tuple[str, ...]:
    text = data.decode("utf-8", errors="replace")
    return tuple(text.removesuffix("\n").split("\n")) if text else ()


def diff(parts: Sequence[Lines]) -> str:
    """A unified diff for a reader, two lines of context around each part; carriage returns are left out."""
    out: list[str] = []
    path = None
    moved = 0
    for part in parts:
        if part.path != path:
            path, moved = part.path, 0
            out += [f"--- a/{path}", f"+++ b/{path}"]
        old, new = len(part.before), len(part.after)
        around = len(part.above) + len(part.below)
        start = part.first - len(part.above)
        out.append(f"@@ -{start},{old + around} +{start + moved},{new + around} @@")
        out += [
            sign + line.removesuffix("\r")
            for sign, lines in ((" ", part.above), ("-", part.before), ("+", part.after), (" ", part.below))
            for line in lines
        ]
        moved += new - old
    return "\n".join(out)
