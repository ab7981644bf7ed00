"""The trend of baselines: how many findings they hold over an audit's repositories, and how many they held the last time.

The last sizes come from a report that is named, or from the cache, which remembers the last audit of the same folder, list or
organisations. An audit that is merged again is still held against the one before it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bot.audit_report import BaselineSize, BaselineTrend
from bot.errors import RingfenceError

__all__ = ["LastSizes", "Previous", "previous", "trend"]

Sizes = Mapping[str, int | None]  # findings by label; None where nobody can say. What is not among them holds none


def trend(now: Sizes, before: Sizes | None) -> BaselineTrend:
    """Today's sizes, held against those of the last audit. ``now`` has every repository that should be audited; ``before`` is
    None where there was no last audit."""
    rows: list[BaselineSize] = []
    for label in sorted({*now, *(before or {})}):
        size, was = now.get(label, 0), None if before is None else before.get(label, 0)
        if size or was or (size is None and was is None):
            rows.append(BaselineSize(label=label, size=size, before=was, gone=label not in now))
    return BaselineTrend(
        size=sum(row.size or 0 for row in rows),
        holders=sum(bool(row.size) for row in rows),
        change=None if before is None else sum(row.change or 0 for row in rows),
        not_compared=0 if before is None else sum(row.change is None for row in rows),
        repositories=tuple(rows),
    )


# -- the last audit, from its report -------------------------------------------------------------


class Previous(msgspec.Struct, frozen=True):
    """What a report knows. ``public``: of repositories that are not public it gives no names, so nothing is known of them."""

    sizes: Sizes
    public: bool = False


class _NotAudited(msgspec.Struct):
    label: str


class _Report(msgspec.Struct, tag="audit", tag_field="kind"):
    """The part of an audit's JSON that matters here."""

    baseline: BaselineTrend
    public: bool = False
    not_audited: list[_NotAudited] = []


def previous(path: Path) -> Previous:
    """The sizes in an audit's JSON report. Raises `RingfenceError`."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=_Report)
    except OSError as error:
        raise RingfenceError(
            f"cannot read the last audit: {error.strerror}",
            where=str(path),
            remedy="Leave --previous out the first time.",
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise RingfenceError(
            "this is no report of an audit with the sizes of baselines",
            where=str(path),
            remedy="ringfence audit --format json -o FILE writes one.",
        ) from None
    sizes: dict[str, int | None] = {item.label: None for item in report.not_audited}
    for row in report.baseline.repositories:
        if not row.gone and not row.hidden:
            sizes[row.label] = row.size if row.size is not None else row.before
    return Previous(sizes, report.public)


# -- the last audit, from the cache --------------------------------------------------------------


class _Kept(msgspec.Struct):
    """``at``: when the last audit's last shard began, in seconds since 1970. ``before``: the sizes of the audit before it."""

    at: float
    sizes: dict[str, int | None]
    before: dict[str, int | None] | None = None
    schema: int = 1


class LastSizes:
    """The sizes of the last audit of one scope. Whatever goes wrong with it, there was no last audit."""

    def __init__(self, folder: Path, scope: str) -> None:
        self._file = folder / f"{hashlib.sha256(scope.encode(errors='surrogateescape')).hexdigest()[:16]}.json"
        try:
            kept = msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            kept = None
        self._kept = kept if kept is not None and kept.schema == 1 else None

    def before(self, began: float) -> Sizes | None:
        """The sizes of the last audit before one whose first shard began then."""
        if self._kept is None:
            return None
        return self._kept.sizes if began > self._kept.at else self._kept.before

    def keep(self, began: float, at: float, now: Sizes) -> None:
        """Remember an audit whose first shard ``began`` and whose last one began ``at``. What is not known of a repository
        today is what was known."""
        if self._kept is not None and at < self._kept.at:
            return
        before = self.before(began)
        known = {label: size if size is not None else (before or {}).get(label) for label, size in now.items()}
        kept = _Kept(
            at=at,
            sizes={label: size for label, size in known.items() if size != 0},
            before=None if before is None else dict(before),
        )
        half = self._file.with_suffix(f".{os.getpid()}")
        try:
            data = msgspec.json.encode(kept)
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
            os.replace(half, self._file)
        except (OSError, UnicodeEncodeError):
            return
