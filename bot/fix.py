"""Edits -> changed bytes. Pure: what is written, and whether, is the command's."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence

import msgspec

from bot.model import Finding, LocatedEdit
from bot.text import printable

__all__ = ["Change", "Plan", "Skipped", "applies", "diff", "plan", "shown", "written"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


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
            taken.setdefault(edit.path, {})[edit.start, edit.end] = written(edit)
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


def applies(finding: Finding, files: Mapping[str, bytes]) -> bool:
    """Whether all edits of a finding, safe or not, can be applied to these files as they are."""
    return bool(finding.edits) and not _refusal(finding, files, {}, unsafe=True)


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
            if overlap and ((start, end) != (edit.start, edit.end) or text != written(edit)):
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


def written(edit: LocatedEdit) -> str:
    """The text that an edit puts into its file: inside a JSON string as JSON spells it."""
    return json.dumps(edit.new, ensure_ascii=False)[1:-1] if _is_json(edit.path) else edit.new


def diff(change: Change) -> str:
    """A unified diff of one change, for a person to read."""
    name = printable(change.path)
    lines = difflib.unified_diff(_lines(change.before), _lines(change.after), f"a/{name}", f"b/{name}", n=2)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(data: bytes) -> list[str]:
    # As git sees lines: nothing but a line feed ends one.
    *whole, last = data.decode("utf-8", errors="replace").split("\n")
    return [line + "\n" for line in whole] + ([last] if last else [])


def shown(patch: str, *, terminal: bool) -> str:
    """A diff that cannot steer what shows it: a log (which still can be applied as a patch) or a terminal."""
    lines = []
    for line in patch.split("\n"):
        body = line.removesuffix("\r")
        if terminal:
            lines.append("\t".join(printable(part) for part in body.split("\t")))
        else:
            lines.append(_CONTROL.sub(lambda found: printable(found[0]), body) + line[len(body) :])
    return "\n".join(lines)
