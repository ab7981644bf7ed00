"""The file that an audit writes as it goes: one JSON value a line, so that what an interrupted run had done is there to read.

    {"kind": "shard", ...}          which shard of how many, under which policy, and all repositories of the audit
    {"kind": "audited", ...}        one repository: its facts and its report
    {"kind": "not-audited", ...}    one that could not be judged
    {"kind": "end", ...}            nothing is missing

Lines are appended whole, several processes at once. A file without its last line is of a run that was interrupted.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from bot.audit_report import NotAudited
from bot.errors import RingfenceError
from bot.facts.summary import RepoSummary
from bot.fleet_engine import Standing
from bot.model import Report
from bot.report.json_report import encoded

__all__ = ["Audited", "Line", "ShardEnd", "ShardHead", "ShardWriter", "read_line", "read_shard", "run_id", "shard_of"]

SCHEMA = 1
_RUN_LASTS = 24 * 3600.0


def run_id(environment: Mapping[str, str]) -> str:
    """``RINGFENCE_RUN``, else GitHub's number of the workflow's run, which is the same for all its jobs and when some of them run
    again; empty where neither is set."""
    return environment.get("RINGFENCE_RUN") or environment.get("GITHUB_RUN_ID") or ""


def shard_of(label: str, count: int) -> int:
    """Which of ``count`` shards (from 1) a repository belongs to: the same on every machine, whatever else is there."""
    return zlib.crc32(label.lower().encode(errors="surrogateescape")) % count + 1


class ShardHead(msgspec.Struct, frozen=True, kw_only=True, tag="shard", tag_field="kind"):
    """``shard`` and ``shards`` count from 1. ``policy`` is the organisation's policy's digest, ``inventory`` the labels of all
    repositories of the audit (not of this shard alone), ``repositories`` what they are called on their forge where that is
    known beforehand, ``visibility`` what `NotAudited.visibility` says of those, ``complete`` the owners (host, owner) whose repositories are all among them, ``scope`` what was asked
    for, ``begun`` when, in seconds since 1970, ``run`` what all shards of one audit have in common (`run_id`)."""

    schema: int = SCHEMA
    version: str
    shard: int = 1
    shards: int = 1
    policy: str
    inventory: tuple[str, ...]
    repositories: dict[str, str] = {}
    visibility: dict[str, str] = {}
    complete: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    scope: str = ""
    begun: float = 0.0
    run: str = ""

    def is_of(self, other: ShardHead) -> bool:
        """Whether both are of one audit. Two without a run's id are where a day is not between them."""
        if self.run or other.run:
            return self.run == other.run
        return abs(self.begun - other.begun) < _RUN_LASTS


class Audited(msgspec.Struct, frozen=True, kw_only=True, tag="audited", tag_field="kind"):
    """One repository. ``baseline``: its size; None where it cannot be read. ``crashed``: a rule of ours failed on it."""

    facts: RepoSummary
    report: Report
    standing: Standing = Standing()
    baseline: int | None = 0
    unchanged: bool = False
    crashed: bool = False

    @property
    def label(self) -> str:
        return self.facts.label


class ShardEnd(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="kind"):
    """Everything was judged."""

    notices: tuple[str, ...] = ()


Value = ShardHead | Audited | NotAudited | ShardEnd
_DECODER: msgspec.json.Decoder[Value] = msgspec.json.Decoder(Value)


class Line(NamedTuple):
    """A value with where its line stands in the file, in bytes."""

    value: Value
    offset: int
    size: int


class ShardWriter:
    """Appends values to a new file, each in one write."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RingfenceError(
                f"cannot write the shard: {error.strerror}", where=str(path), remedy="Name a file that can be written."
            ) from None
        self._path = path

    def write(self, value: Value) -> None:
        """Append one value. Raises `RingfenceError` when the disk is full."""
        data = encoded(value) + b"\n"
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            written, why = 0, error.strerror
        else:
            why = "the disk is full"
        if written != len(data):
            raise RingfenceError(f"cannot write the shard: {why}", where=str(self._path))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_shard(path: Path) -> Iterator[Line]:
    """The values of a shard, until its end or the first line that is broken. Raises `OSError`."""
    with open(path, "rb") as file:
        offset = 0
        for line in file:
            try:
                value = _DECODER.decode(line)
            except msgspec.MsgspecError:
                return
            yield Line(value, offset, len(line))
            offset += len(line)


def read_line(path: Path, offset: int, size: int) -> Value:
    """One value again."""
    with open(path, "rb") as file:
        file.seek(offset)
        return _DECODER.decode(file.read(size))
