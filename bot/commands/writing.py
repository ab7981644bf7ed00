"""How verbs write files: of the working tree, and reports."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bot.errors import RingfenceError

__all__ = ["replace", "write_report"]


def replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, never through a symbolic link; the mode of one that is there is kept.

    Raises `RingfenceError`.
    """
    temporary = None
    try:
        mode = path.stat(follow_symlinks=False).st_mode & 0o7777 if os.path.lexists(path) else 0o644
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".ringfence-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise RingfenceError(
            f"cannot write: {error.strerror}", where=str(path), remedy="Nothing was lost: the file is as it was."
        ) from None


def write_report(output: Path, parts: Iterable[str]) -> None:
    """Write a report, part by part, in UTF-8. Raises `RingfenceError`."""
    try:
        with output.open("w", encoding="utf-8", newline="\n", errors="backslashreplace") as file:
            file.writelines(parts)
    except OSError as error:
        raise RingfenceError(
            f"cannot write the report: {error.strerror}",
            where=str(output),
            remedy="Name a file in a folder that is there.",
        ) from None
