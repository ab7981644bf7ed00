"""What the last run over a repository judged, and whether it still holds.

A judgement is a function of the program, the policy, what is tracked, and what the registry says. Where all of these are the
same but for source files whose candidate imports say the same as before, so does the judgement: its places in those files are
moved, and nothing is loaded or judged again. Whatever differs otherwise is judged from the start.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from bot.engine import Fetch, Judged, Places
from bot.errors import ReadError
from bot.factcache import FactCache
from bot.facts.module import Import
from bot.load import SOURCE_MAX, UTF16, Content, Loaded, Scanned, content_kind, grammars, is_source
from bot.model import Count, Evidence, Hit, NotChecked, NotRun, Place, Severity
from bot.names import PackageName
from bot.policy import Policy, Waiver
from bot.repo import Repo
from bot.rule import AskCommitted, AskPackage, AskParsed, AskPublished, AskVersion, Key, ParsedFile, Rule
from bot.sources.base import MissingObjectError, Source, State, TooLargeError

__all__ = ["LastRun", "Recalled"]

_CHANGED_MAX = 1000  # beyond that it is cheaper to judge from the start
_OID = 20


class _Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question to the outside: the one member that is there says which."""

    version: AskVersion | None = None
    package: AskPackage | None = None
    published: AskPublished | None = None
    committed: AskCommitted | None = None

    @classmethod
    def of(cls, key: Key) -> _Asked | None:
        if isinstance(key, AskVersion):
            return cls(version=key)
        if isinstance(key, AskPackage):
            return cls(package=key)
        if isinstance(key, AskPublished):
            return cls(published=key)
        return cls(committed=key) if isinstance(key, AskCommitted) else None

    def key(self) -> Key | None:
        return self.version or self.package or self.published or self.committed


class _KeptHit(msgspec.Struct, frozen=True, array_like=True):
    rule: str
    severity: Severity
    hit: Hit
    waiver: int  # its index in the policy, -1 for none


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``imports`` are each source file's candidates, ``parsed`` digests of what a parser made of the files that it was
    asked for, ``documents`` digests of those manifests and locks that differ from what is committed."""

    state: bytes
    listing: bytes
    oids: bytes
    dirty: tuple[str, ...]
    documents: dict[str, bytes]
    scopes: tuple[bytes, ...]
    roots: tuple[str, ...]
    links: tuple[str, ...]
    imports: dict[str, msgspec.Raw]
    parsed: dict[str, bytes]
    asked: tuple[_Asked, ...]
    answers: bytes
    hits: tuple[_KeptHit, ...]
    not_checked: tuple[NotChecked, ...]
    not_run: tuple[NotRun, ...]
    counts: tuple[Count, ...]
    closed: tuple[str, ...]
    files: int
    ignored: int
    places: Places


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement that still holds. ``places`` are the positions that it took in files that are the same."""

    judged: Judged
    files: int
    ignored: int
    parsed: int
    places: Places


class LastRun:
    """The memory of one repository's runs under one policy.

    ``inputs`` is whatever else the judgement is a function of: the documents of the policy, the options, the day.
    """

    def __init__(
        self, cache: FactCache, source: Source, policy: Policy, rules: Sequence[Rule], inputs: Iterable[bytes]
    ) -> None:
        self._cache = cache
        self._source = source
        self._policy = policy
        self._rules = {rule.id: rule for rule in rules}
        self._state: State | None = source.state()
        parts = [
            program().encode(),
            source.label.encode(errors="surrogateescape"),
            str(source.identity).encode(errors="surrogateescape"),
            str(source.folder).encode(errors="surrogateescape"),
            str(policy.today).encode(),
            *(rule.id.encode() for rule in rules),
            *inputs,
        ]
        self._key = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()

    # -- recall ------------------------------------------------------------------------------

    def recall(self, fetch: Fetch, closed: Callable[[Collection[str]], None]) -> Recalled | None:
        """The last run's judgement, where it holds. ``fetch`` answers what the last run asked of the outside, once
        ``closed`` has been told which members' names are not to be asked for."""
        kept = self._kept()
        if kept is None or self._state is None:
            return None
        changed = self._changed(kept, self._state)
        if changed is None or len(changed) > _CHANGED_MAX:
            return None
        depth_of = Scanned(scopes=kept.scopes, roots=kept.roots, links=kept.links).depth_of()
        moves: dict[str, _Moves] = {}
        for path in changed:
            found = self._compared(path, kept, depth_of)
            if found is None:
                return None
            moves[path] = found
        keys = [key for asked in kept.asked if (key := asked.key()) is not None]
        judged = self._judged(kept, moves)
        if judged is None:
            return None
        closed(kept.closed)
        if keys and _digest_of(keys, fetch(keys)) != kept.answers:
            return None
        return Recalled(
            judged=judged,
            files=kept.files,
            ignored=kept.ignored,
            parsed=len(kept.parsed),
            places=kept.places.without(moves),
        )

    def _kept(self) -> _Kept | None:
        if self._state is None:
            return None
        raw = self._cache.snapshot(self._key)
        if raw is None:
            return None
        try:
            return msgspec.msgpack.decode(raw, type=_Kept)
        except (msgspec.MsgspecError, TypeError):  # whatever stands there, it can be judged again
            return None

    def _changed(self, kept: _Kept, state: State) -> list[str] | None:
        """The paths whose content may differ from what it was; None where what is tracked is not the same."""
        changed = {*kept.dirty, *state.dirty}
        if kept.state != state.digest:
            listing, oids, paths = _listed(self._source)
            if listing != kept.listing or len(oids) != len(kept.oids):
                return None
            if oids != kept.oids:
                changed.update(
                    path
                    for path, begin in zip(paths, range(0, len(oids), _OID), strict=True)
                    if oids[begin : begin + _OID] != kept.oids[begin : begin + _OID]
                )
        return sorted(changed)

    def _compared(self, path: str, kept: _Kept, depth_of: Callable[[str], int]) -> _Moves | None:
        """How a changed file's candidates moved; None where they say something else, or where it is no source file."""
        kind = content_kind(path, self._policy)
        if kind is Content.NONE:
            return _Moves()
        try:
            data = self._source.read(path)
        except (MissingObjectError, TooLargeError):
            return None
        if kind is Content.DOCUMENT:
            return _Moves() if kept.documents.get(path) == _digest(data) else None
        if len(data) > SOURCE_MAX or data.startswith(UTF16):
            return None
        from bot.readers.javascript.candidates import Needles, candidates

        needles = Needles(scopes=kept.scopes, escape=depth_of(path))
        now = candidates(data, needles) if is_source(path, data) else ()
        before = msgspec.msgpack.decode(kept.imports[path], type=tuple[Import, ...]) if path in kept.imports else ()
        if [(i.specifier, i.end - i.start) for i in now] != [(i.specifier, i.end - i.start) for i in before]:
            return None
        if path in kept.parsed and kept.parsed[path] != _parsed(path, data, now):
            return None
        return _Moves([(old.start, old.end, new.start - old.start) for old, new in zip(before, now, strict=True)])

    def _judged(self, kept: _Kept, moves: Mapping[str, _Moves]) -> Judged | None:
        hits: list[tuple[Rule, Severity, Hit]] = []
        waived: dict[int, Waiver] = {}
        try:
            for index, item in enumerate(kept.hits):
                hits.append((self._rules[item.rule], item.severity, _moved(item.hit, moves)))
                if item.waiver >= 0:
                    waived[index] = self._policy.tables.waiver[item.waiver]
        except LookupError:  # a place that moved otherwise than its imports
            return None
        if any(problem.path in moves for problem in kept.not_checked):
            return None
        return Judged(
            hits=hits,
            waived=waived,
            not_checked=list(kept.not_checked),
            not_run=list(kept.not_run),
            counts=list(kept.counts),
        )

    # -- keep --------------------------------------------------------------------------------

    def keep(self, loaded: Loaded, judged: Judged, places: Places) -> None:
        """Remember a run. What cannot be remembered is judged again next time."""
        state = self._state
        if state is None or not self._cache.is_kept or judged.crashed or len(state.dirty) > _CHANGED_MAX:
            return
        waivers = self._policy.tables.waiver
        repo = loaded.repo
        if not (repo.files or repo.manifests or repo.locks):
            return  # what is said of it depends on files that git does not track
        asked: list[_Asked] = []
        keys: list[Key] = []
        parsed: dict[str, bytes] = {}
        for key, answer in judged.facts.items():
            question = _Asked.of(key)
            if question is not None:
                asked.append(question)
                keys.append(key)
            elif isinstance(key, AskParsed):
                found = repo.sources.get(key.path)
                parsed[key.path] = _digest_parsed(answer, found.imports if found is not None else ())
        documents: dict[str, bytes] = {}
        for path in state.dirty:
            if content_kind(path, self._policy) is Content.DOCUMENT:
                try:
                    documents[path] = _digest(self._source.read(path))
                except (MissingObjectError, TooLargeError):
                    return
        listing, oids, _ = _listed(self._source)
        encoder = msgspec.msgpack.Encoder()
        try:
            kept = _Kept(
                state=state.digest,
                listing=listing,
                oids=oids,
                dirty=state.dirty,
                documents=documents,
                scopes=loaded.scanned.scopes,
                roots=loaded.scanned.roots,
                links=loaded.scanned.links,
                imports={path: msgspec.Raw(encoder.encode(found.imports)) for path, found in repo.sources.items()},
                parsed=parsed,
                asked=tuple(asked),
                answers=_digest_of(keys, judged.facts),
                hits=tuple(
                    _KeptHit(
                        rule.id, severity, hit, waivers.index(judged.waived[index]) if index in judged.waived else -1
                    )
                    for index, (rule, severity, hit) in enumerate(judged.hits)
                ),
                not_checked=tuple(judged.not_checked),
                not_run=tuple(judged.not_run),
                counts=tuple(judged.counts),
                closed=_closed(repo, self._policy),
                files=repo.files,
                ignored=loaded.ignored,
                places=places,
            )
            self._cache.put_snapshot(self._key, encoder.encode(kept))
        except (UnicodeEncodeError, TypeError, OverflowError):
            return  # a name that is not UTF-8


# -- places that moved ---------------------------------------------------------------------------


class _Moves(msgspec.Struct, frozen=True):
    """Where a file's candidates stood, and by how many bytes each moved."""

    spans: list[tuple[int, int, int]] = []

    def of(self, place: Place) -> Place:
        """Where a place inside a candidate is now. Raises `LookupError` for any other range."""
        if place.start < 0:
            return place
        index = bisect_right(self.spans, place.start, key=lambda span: span[0]) - 1
        if index >= 0:
            start, end, by = self.spans[index]
            if start <= place.start and place.end <= end:
                return msgspec.structs.replace(place, start=place.start + by, end=place.end + by)
        raise LookupError(place.path)


def _moved(hit: Hit, moves: Mapping[str, _Moves]) -> Hit:
    def now(place: Place) -> Place:
        return moves[place.path].of(place) if place.path in moves else place

    def link(evidence: Evidence) -> Evidence:
        return evidence if evidence.place is None else msgspec.structs.replace(evidence, place=now(evidence.place))

    places = [hit.place, *(place for _, place in hit.related), *(edit.place for edit in hit.edits)]
    places += [evidence.place for evidence in hit.evidence if evidence.place is not None]
    if not any(place.path in moves for place in places):
        return hit
    return msgspec.structs.replace(
        hit,
        place=now(hit.place),
        related=tuple((text, now(place)) for text, place in hit.related),
        evidence=tuple(map(link, hit.evidence)),
        edits=tuple(msgspec.structs.replace(edit, place=now(edit.place)) for edit in hit.edits),
    )


def _closed(repo: Repo, policy: Policy) -> tuple[str, ...]:
    """The names of members that no registry is asked for, though they look like open packages."""
    names = [root.manifest.name for root in repo.roots if root.manifest is not None and root.manifest.name]
    return tuple(sorted({name for name in names if not repo.is_open(policy, PackageName.npm(name))}))


# -- digests -------------------------------------------------------------------------------------


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]


def _digest_of(keys: Sequence[Key], answers: Mapping[Key, object]) -> bytes:
    encoder = msgspec.msgpack.Encoder(order="deterministic")
    return _digest(b"".join(encoder.encode((key, answers.get(key))) for key in keys))


def _parsed(path: str, data: bytes, found: Sequence[Import]) -> bytes:
    from bot.readers.javascript.imports import parse_imports

    try:
        parsed = parse_imports(path, data)
    except ReadError:
        return b""
    return _digest_parsed(ParsedFile(path=path, imports=parsed.imports, broken=parsed.broken), found)


def _digest_parsed(answer: object, found: Sequence[Import]) -> bytes:
    """What a parser made of a file, without positions: each import goes with the candidate that stands where it does."""
    if not isinstance(answer, ParsedFile):
        return b""
    numbers = {candidate.start: number for number, candidate in enumerate(found)}
    said = [(numbers.get(i.start, -1), i.specifier, i.kind, i.names, i.types) for i in answer.imports]
    return _digest(repr((answer.broken, said)).encode(errors="surrogateescape"))


def _listed(source: Source) -> tuple[bytes, bytes, list[str]]:
    """A digest of every tracked path and of what is no plain file, the blob ids in that order, and the paths of these."""
    entries = source.entries()
    plain = [path for path, _, kind, executable in entries if kind == "file" and not executable]
    other = [
        f"{path}\0{kind}\0{executable}\0{'' if kind == 'file' else oid}"
        for path, oid, kind, executable in entries
        if kind != "file" or executable
    ]
    whole = "\0".join([*plain, "", *other]).encode(errors="surrogateescape")
    files = [entry for entry in entries if entry.kind == "file"]
    oids = "".join([entry.oid[: 2 * _OID] or "0" * 2 * _OID for entry in files])
    return _digest(whole), bytes.fromhex(oids), [entry.path for entry in files]


def program() -> str:
    """A digest of the program's own files: whatever changes in it, everything is judged again."""
    import bot.rules

    folders = [os.path.dirname(__file__), *bot.rules.__path__]
    parts: set[str] = set()  # in a wheel the rules stand among the rest, and are seen twice
    while folders:
        with os.scandir(folders.pop()) as children:
            for child in children:
                if child.name.endswith(".py"):
                    status = child.stat()
                    parts.add(f"{child.path}:{status.st_size}:{status.st_mtime_ns}")
                elif child.name not in ("__pycache__", "cases") and child.is_dir():
                    folders.append(child.path)
    return _digest("\n".join(sorted(parts)).encode(errors="surrogateescape")).hex() + grammars()
