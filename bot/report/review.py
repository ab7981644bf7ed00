"""Suggested changes: a review whose comments mend findings on lines of the diff, said once and not on every push."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from bot.model import Report
from bot.report.context import Context

__all__ = ["Hunk", "Review", "ReviewComment", "hunks", "review"]


class Hunk(msgspec.Struct, frozen=True):
    """Lines of the new file that one hunk of a diff shows, both ends included: GitHub takes comments there only."""

    first: int
    last: int


class ReviewComment(msgspec.Struct, frozen=True, kw_only=True):
    """One comment of a review, as the REST API names its fields (``side`` is always ``RIGHT``).

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

    Quoted names are unquoted. Files that are gone or binary have none. For the ``patch`` field of GitHub's list of files put
    ``+++ b/PATH`` before it, or take `hunks_of`.
    """
    raise NotImplementedError


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
    again. None when there is nothing new to suggest. At most ``most`` comments; the body says how many are left.
    """
    raise NotImplementedError
