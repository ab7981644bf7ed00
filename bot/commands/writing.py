"""How a verb writes a file of the working tree."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bot.errors import RingfenceError

__all__ = ["replace"]


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
