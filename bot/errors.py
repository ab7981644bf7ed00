"""What can go wrong, in words: what happened, where, and what to do."""

from __future__ import annotations

import os

__all__ = ["ReadError", "RingfenceError", "debugging"]


class RingfenceError(Exception):
    """An error for the user, shown without a traceback.

    ``where`` is a place (``file:line`` or a command), ``remedy`` one sentence that says what to do.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  {self.remedy}" if self.remedy else head


class ReadError(Exception):
    """One file that a reader cannot make facts of; the engine turns it into one `NotChecked`.

    ``reason`` is a stable code as in policy's ``not_checked.allow``: ``malformed``,
    ``unsupported-format``, ``too-large``, ``too-deep``, ``not-utf8``.
    """

    def __init__(self, reason: str, detail: str, *, line: int | None = None, remedy: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.line = line
        self.remedy = remedy


def debugging() -> bool:
    """Whether the user wants to see where a bug of ours struck: it is then raised, not told in one line."""
    return bool(os.environ.get("RINGFENCE_DEBUG"))
