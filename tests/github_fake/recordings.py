"""GitHub's own answers, as PyGithub recorded them: ``tests/ReplayData`` of its source distribution.

They are fetched by pip when a test first needs them, by the version and hash that this project pins, and are never part of it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Recorded", "fetch", "read"]

_REQUIREMENTS = Path(__file__).parent.parent.parent / "requirements/run.txt"
# An exchange is ten lines; PyGithub's tests/Framework.py writes them.
_LINES = 10


class Recorded(NamedTuple):
    """One exchange. ``year`` is the answer's; 0 where it has no date. Header names are in lower case."""

    file: str
    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: str
    year: int


def fetch(folder: Path) -> Path:
    """The source distribution's archive, in a folder that lasts."""
    found = sorted(folder.glob("pygithub-*.tar.gz"))
    if found:
        return found[0]
    pinned = re.search(r"^pygithub==(?:.*\\\n)*.*", _REQUIREMENTS.read_text(), re.MULTILINE)
    assert pinned is not None
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:  # another worker may do the same meanwhile
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text(pinned[0] + "\n")
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pygithub"]
        subprocess.run([*command, "--require-hashes", "-r", str(wanted), "--dest", scratch], check=True, cwd=scratch)
        archive = next(Path(scratch).glob("pygithub-*.tar.gz"))
        archive.replace(folder / archive.name)
    return folder / archive.name


def read(archive: Path) -> Iterator[Recorded]:
    """Every exchange in it."""
    with tarfile.open(archive) as packed:
        for member in packed:
            if "/tests/ReplayData/" in member.name and member.name.endswith(".txt"):
                data = packed.extractfile(member)
                assert data is not None
                name = member.name.rpartition("/")[2].removesuffix(".txt")
                yield from _exchanges(name, data.read().decode(errors="replace").split("\n"))


def _exchanges(name: str, lines: list[str]) -> Iterator[Recorded]:
    index = 0
    while index + _LINES <= len(lines):
        if lines[index] not in ("http", "https"):
            index += 1
            continue
        _, method, _, _, path, _, _, status, headers, body = lines[index : index + _LINES]
        index += _LINES
        try:
            pairs: list[tuple[str, Any]] = ast.literal_eval(headers)
            said = {key.lower(): str(value) for key, value in pairs}
        except (ValueError, SyntaxError):
            continue
        year = re.search(r"\b20\d\d\b", said.get("date", ""))
        yield Recorded(name, method, path.removeprefix("/api/v3"), int(status), said, body, int(year[0]) if year else 0)
