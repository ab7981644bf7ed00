"""Suggested changes: a review whose comments mend findings on lines of the diff, said once and not on every push."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from bot.model import Finding, Report
from bot.report.context import Context
from bot.report.escape import Markdown, block
from bot.report.markdown_templates import fill, told
from bot.report.patch import Lines, replaced
from bot.report.words import plural

__all__ = ["Hunk", "Review", "ReviewComment", "hunks", "review"]

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_KEY = re.compile(r"<!-- ringfence:suggestion ([0-9a-f]+\.\d+) -->")
_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}


class Hunk(msgspec.Struct, frozen=True):
    """Lines of the new file that one hunk of a diff shows, both ends included: GitHub takes comments there only."""

    first: int
    last: int


class ReviewComment(msgspec.Struct, frozen=True, kw_only=True):
    """One comment of a review, as the REST API names its fields (``side`` and ``start_side`` are always ``RIGHT``).

    ``start_line`` is None for a single line. ``key`` stands hidden in ``body``.
    """

    path: str
    body: str
    line: int
    start_line: int | None = None
    key: str = ""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A review to post with ``event: COMMENT``."""

    body: str
    comments: tuple[ReviewComment, ...]


def hunks(patch: bytes) -> dict[str, tuple[Hunk, ...]]:
    """Path from the top of the repository -> hunks, from a unified diff as git writes it (``git diff BASE HEAD``).

    Quoted names are unquoted. Files that are gone, binary or only renamed have none.
    """
    found: dict[str, list[Hunk]] = {}
    path: str | None = None
    old = new = 0
    for line in patch.split(b"\n"):
        if old > 0 or new > 0:
            # Inside a hunk a line may look like a header: the counts say where it ends.
            old -= line[:1] in (b" ", b"-", b"")
            new -= line[:1] in (b" ", b"+", b"")
        elif line.startswith(b"diff "):
            path = None
        elif line.startswith(b"+++ "):
            path = _name(line[4:])
        elif path is not None and (head := _HUNK.match(line)):
            old, new = (1 if count is None else int(count) for count in (head[1], head[3]))
            first = int(head[2])
            if new:
                found.setdefault(path, []).append(Hunk(first, first + new - 1))
    return {name: tuple(ranges) for name, ranges in found.items()}


def _name(field: bytes) -> str | None:
    """The name after ``+++``: with ``b/`` before it, quoted as C where git must, and a tab behind where it has spaces."""
    text = field.decode("utf-8", "surrogateescape").removesuffix("\r").removesuffix("\t")
    if text == "/dev/null":
        return None
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        raw = re.sub(
            rb"\\(?:([0-7]{3})|(.))",
            lambda m: bytes([int(m[1], 8) & 255 if m[1] else _ESCAPES.get(m[2].decode("latin-1"), m[2][0])]),
            text[1:-1].encode("utf-8", "surrogateescape"),
        )
        text = raw.decode("utf-8", "surrogateescape")
    return text.removeprefix("b/")


def review(
    report: Report,
    *,
    context: Context,
    hunks: Mapping[str, Sequence[Hunk]],
    posted: Iterable[str] = (),
    most: int = 20,
) -> Review | None:
    """Suggestions for the safe edits of findings that decide, where every edit of a finding stands on lines of the diff.

    ``posted`` are the bodies of the review comments that we left on this pull request before: what they suggest is not said
    again. None when there is nothing new to suggest. At most ``most`` comments; the body says how many findings are left.
    """
    known = Counter(key for body in posted for key in _KEY.findall(body))
    seen: Counter[str] = Counter()
    comments: list[ReviewComment] = []
    left = 0
    for finding in told(report):
        parts = _suggestable(finding, context, hunks)
        if not parts:
            continue
        # Findings that are alike share a fingerprint: of those the first are the ones that were told before.
        seen[finding.fingerprint] += 1
        if known[f"{finding.fingerprint}.0"] >= seen[finding.fingerprint]:
            continue
        if len(comments) + len(parts) > most:
            left += 1
            continue
        comments += [_comment(finding, part, index, len(parts), context) for index, part in enumerate(parts)]
    if not comments:
        return None
    more = f"{plural(left, 'more finding')} could be mended so: push these, and they follow." if left else ""
    body = fill("review.md", count=Markdown(plural(len(comments), "change")), more=more)
    return Review(body=body, comments=tuple(comments))


def _suggestable(finding: Finding, context: Context, hunks: Mapping[str, Sequence[Hunk]]) -> tuple[Lines, ...]:
    """The parts of a finding's edit, if each of them can be suggested: half a fix is none."""
    if not finding.edits or finding.private or not all(edit.safe for edit in finding.edits):
        return ()
    parts = replaced(finding, context.files)
    for part in parts:
        shown = hunks.get(context.from_top(part.path), ())
        if not part.before or not any(hunk.first <= part.first and part.last <= hunk.last for hunk in shown):
            return ()
        # A suggestion is put into the file letter by letter: what cannot be shown as it is, is not suggested.
        if not all(_plain(line) for line in (*part.before, *part.after)):
            return ()
    return parts


def _plain(line: str) -> bool:
    return "\ufffd" not in line and all(piece.isprintable() for piece in line.removesuffix("\r").split("\t"))


def _comment(finding: Finding, part: Lines, index: int, total: int, context: Context) -> ReviewComment:
    key = f"{finding.fingerprint}.{index}"
    # GitHub ends the lines as the file does. No line at all takes the lines away; an empty one is an empty line.
    lines = [line.removesuffix("\r") for line in part.after]
    body = fill(
        "suggestion.md",
        finding=finding,
        number=index + 1,
        total=total,
        suggestion=block("\n".join(lines), "suggestion") if lines else Markdown("```suggestion\n```"),
        key=Markdown(f"<!-- ringfence:suggestion {key} -->"),
    )
    return ReviewComment(
        path=context.from_top(part.path),
        body=body,
        line=part.last,
        start_line=part.first if part.first < part.last else None,
        key=key,
    )
