"""The baseline: findings that a repository had when it began, written down and committed, so that it can begin today.

It is one JSON file at the repository's root, one entry a line, so that diffs and merges stay readable::

    {
      "schema": 1,
      "entries": [
        {"rule": "deep-import", "path": "src/old.js", "mark": "07a351fcc88629f5", "count": 2}
      ],
      "grown": [
        {"on": "2026-11-28", "by": 2, "reason": "the new rule floating-tool"}
      ]
    }

``mark`` is 16 hex digits of rule, package and subject: a finding's fingerprint without its path. The path says where
the finding stood when it was written down; a file that moves takes its entries along. What speaks of a private name is marked
by its rule alone: a hash of the name would let whoever guesses it make sure.
Everything here is a function of its arguments.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from bot.errors import ReadError
from bot.model import Hit
from bot.text import Private

__all__ = [
    "BASELINE_FILE",
    "NEVER",
    "Baseline",
    "Entry",
    "Growth",
    "Match",
    "Written",
    "grown",
    "mark",
    "match",
    "read",
    "write",
    "written",
]

BASELINE_FILE = "ringfence-baseline.json"

# The rules that watch the gate itself: what they find is never folded away.
NEVER = frozenset({"gate-change", "stale-baseline", "waiver"})

_SIZE_MAX = 20 * 1024 * 1024
_AGAIN = "Take one side of a conflict as it is, then run `ringfence baseline write`."


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many findings of one rule that are alike, in one file."""

    rule: str
    path: str
    mark: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    count: Annotated[int, Meta(ge=1)] = 1


class Growth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day (ISO 8601) on which the baseline grew by so many findings, and why."""

    on: str
    by: Annotated[int, Meta(ge=1)]
    reason: str


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as it stands. ``schema`` is the version of its format."""

    schema: Annotated[int, Meta(ge=1, le=1)] = 1
    entries: tuple[Entry, ...] = ()
    grown: tuple[Growth, ...] = ()

    @property
    def size(self) -> int:
        """How many findings it holds."""
        return sum(entry.count for entry in self.entries)


# -- the file ------------------------------------------------------------------------------------


def read(data: bytes) -> Baseline:
    """The baseline in a file's bytes. Raises `ReadError`."""
    import json

    if len(data) > _SIZE_MAX:
        raise ReadError("too-large", "the baseline is too large", remedy="It holds at most 20 MB.")
    try:
        # Not msgspec's decoder: a path may hold a byte that is no text, and JSON can say it.
        return msgspec.convert(json.loads(data.decode("utf-8-sig")), Baseline)
    except UnicodeDecodeError:
        raise ReadError("not-utf8", "the baseline is not UTF-8", remedy=_AGAIN) from None
    except RecursionError:
        raise ReadError("too-deep", "the baseline is nested too deeply", remedy=_AGAIN) from None
    except (ValueError, msgspec.ValidationError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise ReadError("malformed", f"the baseline cannot be read: {error}", line=line, remedy=_AGAIN) from None


def write(baseline: Baseline) -> bytes:
    """The file's bytes: entries in order of rule, path and mark, those that are alike as one."""
    import json

    counted: Counter[tuple[str, str, str]] = Counter()
    for entry in baseline.entries:
        counted[entry.rule, entry.path, entry.mark] += entry.count
    entries = [
        {"rule": rule, "path": path, "mark": made} | ({"count": count} if count > 1 else {})
        for (rule, path, made), count in sorted(counted.items())
    ]
    grown = [{"on": growth.on, "by": growth.by, "reason": growth.reason} for growth in baseline.grown]
    lists = {"entries": entries} | ({"grown": grown} if grown else {})
    parts = ['  "schema": 1']
    for name, items in lists.items():
        lines = ",\n".join(f"    {json.dumps(item)}" for item in items)
        parts.append(f'  "{name}": [\n{lines}\n  ]' if items else f'  "{name}": []')
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


# -- what it covers ------------------------------------------------------------------------------


def mark(rule: str, hit: Hit) -> str:
    """What an entry knows a finding by: never its path, its line, its words or a private name."""
    return _marks(rule, hit)[0]


def _marks(rule: str, hit: Hit) -> tuple[str, str]:
    """A finding's mark, and the one that it has where the private overlay is there and here is not, or the other way round."""

    def hashed(*parts: str) -> str:
        return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]

    plain, private = hashed(rule, hit.package, hit.subject), hashed(rule, "", "[private]")
    is_private = any(isinstance(value, Private) for value in hit.params.values())
    return (private, plain) if is_private else (plain, private)


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """``covered`` maps an index into the hits to the index of its entry; ``left`` an entry's index to how many of its
    findings are not there any more."""

    covered: Mapping[int, int]
    left: Mapping[int, int]


def match(baseline: Baseline, hits: Iterable[tuple[str, Hit]]) -> Match:
    """Which findings (with their rules) a baseline covers, each entry as often as it counts.

    First those that stand where they stood, then those that have moved.
    """
    left = Counter({index: entry.count for index, entry in enumerate(baseline.entries)})
    here: dict[tuple[str, str, str], list[int]] = {}
    anywhere: dict[tuple[str, str], list[int]] = {}
    for index, entry in enumerate(baseline.entries):
        if entry.rule not in NEVER:
            here.setdefault((entry.rule, entry.mark, entry.path), []).append(index)
            anywhere.setdefault((entry.rule, entry.mark), []).append(index)
    covered: dict[int, int] = {}

    def take(number: int, entries: Sequence[int]) -> bool:
        for index in entries:
            if left[index] > 0:
                left[index] -= 1
                covered[number] = index
                return True
        return False

    found = [(number, rule, hit, _marks(rule, hit)) for number, (rule, hit) in enumerate(hits)]
    for which in (0, 1):
        for number, rule, hit, marks in found:
            if number not in covered:
                take(number, here.get((rule, marks[which], hit.place.path), ()))
        for number, rule, _, marks in found:
            if number not in covered:
                take(number, anywhere.get((rule, marks[which]), ()))
    return Match(covered=covered, left={index: count for index, count in sorted(left.items()) if count})


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A baseline to write: ``added`` and ``taken_out`` findings, and ``not_added`` ones that it does not hold."""

    baseline: Baseline
    added: int
    taken_out: int
    not_added: int


def written(
    before: Baseline,
    hits: Sequence[tuple[str, Hit]],
    gone: Mapping[int, int],
    *,
    add: bool,
    reason: str | None,
    today: datetime.date,
) -> Written:
    """What a baseline becomes: without what is ``gone`` (index of an entry, how many), with what has moved where it is now.

    ``add``: with the findings that it does not hold, for a ``reason`` that is written down (None for the first baseline).
    """
    matched = match(before, hits)
    entries: list[Entry] = []
    for number, index in matched.covered.items():
        rule, hit = hits[number]
        entries.append(Entry(rule=rule, path=hit.place.path, mark=before.entries[index].mark))
    # What is not there and was not judged fully stays: nobody knows yet.
    for index, count in matched.left.items():
        if kept := count - gone.get(index, 0):
            entries.append(msgspec.structs.replace(before.entries[index], count=kept))
    new = [
        Entry(rule=rule, path=hit.place.path, mark=mark(rule, hit))
        for number, (rule, hit) in enumerate(hits)
        if number not in matched.covered and rule not in NEVER
    ]
    growth = Growth(on=today.isoformat(), by=len(new), reason=reason) if add and new and reason is not None else None
    return Written(
        baseline=Baseline(
            entries=tuple(entries + (new if add else [])),
            grown=before.grown + ((growth,) if growth is not None else ()),
        ),
        added=len(new) if add else 0,
        taken_out=sum(gone.values()),
        not_added=0 if add else len(new),
    )


def grown(before: Baseline | None, after: Baseline | None) -> int:
    """How many findings a baseline holds that it did not hold before, wherever they stood: 0 for one that only shrinks."""
    return (_counted(after) - _counted(before)).total()


def _counted(baseline: Baseline | None) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()
    for entry in baseline.entries if baseline is not None else ():
        counted[entry.rule, entry.mark] += entry.count
    return counted
