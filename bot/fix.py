"""Edits -> changed bytes. Pure: what is written, and whether, is the command's."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence

import msgspec

from bot.model import Finding, LocatedEdit

__all__ = ["Change", "Plan", "Skipped", "diff", "plan"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One file before and after."""

    path: str
    before: bytes
    after: bytes


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A finding whose edits are not applied, and why."""

    fingerprint: str
    rule: str
    path: str
    reason: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What applying edits would change: files, the findings that are mended by it, and those left out."""

    changes: tuple[Change, ...]
    mended: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def plan(findings: Sequence[Finding], files: Mapping[str, bytes], *, unsafe: bool = False) -> Plan:
    """Plan the edits of findings over files as they are on disk.

    All edits of one finding are taken or none. One that would touch what another has taken is left for
    the next run, unless both say the same.
    """
    taken: dict[str, dict[tuple[int, int], str]] = {}
    mended: list[str] = []
    skipped: list[Skipped] = []
    for finding in findings:
        if not finding.edits:
            continue
        reason = _refusal(finding, files, taken, unsafe=unsafe)
        if reason:
            skipped.append(
                Skipped(fingerprint=finding.fingerprint, rule=finding.rule, path=finding.location.path, reason=reason)
            )
            continue
        for edit in finding.edits:
            taken.setdefault(edit.path, {})[edit.start, edit.end] = _written(edit)
        mended.append(finding.fingerprint)
    changes = []
    for path, edits in sorted(taken.items()):
        before = files[path]
        after = bytearray(before)
        for (start, end), text in sorted(edits.items(), reverse=True):
            after[start:end] = text.encode()
        if bytes(after) != before:
            changes.append(Change(path=path, before=before, after=bytes(after)))
    return Plan(changes=tuple(changes), mended=tuple(mended), skipped=tuple(skipped))


def _refusal(
    finding: Finding, files: Mapping[str, bytes], taken: Mapping[str, Mapping[tuple[int, int], str]], *, unsafe: bool
) -> str:
    if finding.waived:
        return "waived"
    if not unsafe and not all(edit.safe for edit in finding.edits):
        return "unsafe: ask for it with --unsafe"
    for edit in finding.edits:
        data = files.get(edit.path)
        if data is None:
            return f"{edit.path} cannot be read"
        if not _still_there(data[edit.start : edit.end], edit):
            return f"{edit.path} does not say {edit.old!r} there any more"
        for (start, end), text in taken.get(edit.path, {}).items():
            overlap = start < edit.end and edit.start < end
            if overlap and ((start, end) != (edit.start, edit.end) or text != _written(edit)):
                return "another finding changes the same place: run again"
    return ""


def _is_json(path: str) -> bool:
    return path.endswith((".json", ".jsonc", "bun.lock"))


def _still_there(found: bytes, edit: LocatedEdit) -> bool:
    text = found.decode("utf-8", errors="surrogateescape")
    if text == edit.old:
        return True
    if _is_json(edit.path):
        try:
            return bool(json.loads(f'"{text}"') == edit.old)
        except ValueError:
            return False
    return False


def _written(edit: LocatedEdit) -> str:
    return json.dumps(edit.new, ensure_ascii=False)[1:-1] if _is_json(edit.path) else edit.new


def diff(change: Change) -> str:
    """A unified diff of one change, for a person to read."""
    before = change.before.decode("utf-8", errors="replace").splitlines(keepends=True)
    after = change.after.decode("utf-8", errors="replace").splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, f"a/{change.path}", f"b/{change.path}", n=2)
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
