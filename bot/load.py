"""A source, the readers and the fact cache -> one `Repo`, with what could not be read."""

from __future__ import annotations

import hashlib
import marshal
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from bot.errors import ReadError
from bot.factcache import FactCache, reader_version
from bot.facts.lock import Lock
from bot.facts.manifest import Manifest, PnpmWorkspace, WorkspaceGlob
from bot.facts.module import Import, ImportKind, SourceFile
from bot.facts.root import Root
from bot.halves import in_parts
from bot.link.locks import govern
from bot.link.members import link_members
from bot.model import NotChecked
from bot.names import PackageName, matches_any
from bot.policy import Policy, Side
from bot.readers.javascript.candidates import Needles, candidates
from bot.readers.npm import LOCK_NAMES, lock_reader
from bot.repo import Repo
from bot.sources.base import Entry, Source

__all__ = ["SOURCE_SUFFIXES", "Loaded", "Progress", "load"]

Progress = Callable[[str, int, int], None]

SOURCE_SUFFIXES = (
    ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte", ".astro",
)  # fmt: skip
_SOURCE_MAX = 20 * 1024 * 1024
_PART = 256  # source files that a process looks at in one go
_FACT_TYPES = Manifest | PnpmWorkspace | Lock


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a source became."""

    repo: Repo
    not_checked: tuple[NotChecked, ...] = ()
    ignored: int = 0


def load(source: Source, policy: Policy, cache: FactCache, progress: Progress | None = None) -> Loaded:
    """Read a source. One bad file is one `NotChecked`; the rest is read."""
    entries = [entry for entry in source.entries() if "node_modules/" not in entry.path or not _installed(entry.path)]
    ignore = policy.tables.ignore.paths
    problems: list[NotChecked] = []

    documents: list[Entry] = []
    sources: list[Entry] = []
    python = any(PackageName.parse(pattern).ecosystem == "pypi" for pattern in policy.tables.open.packages)
    for entry in entries:
        if entry.kind == "file" and entry.path.endswith(SOURCE_SUFFIXES):
            sources.append(entry)
            continue
        if entry.kind == "unreadable":
            if not matches_any(entry.path, ignore):
                problems.append(_missing(entry.path))
            continue
        name = entry.path.rpartition("/")[2]
        if name in _DOCUMENTS or name in LOCK_NAMES:
            if entry.kind == "file":
                documents.append(entry)
            elif not matches_any(entry.path, ignore):
                problems.append(_linked(entry))
        elif (name in _UNREAD or (python and _is_python(name))) and not matches_any(entry.path, ignore):
            problems.append(_unsupported(entry.path, name))
    ignored = len(documents)
    documents = [entry for entry in documents if not matches_any(entry.path, ignore)]
    ignored -= len(documents)

    first = [entry for entry in documents if _base(entry.path) not in LOCK_NAMES]
    facts = _read_documents(source, first, cache, problems)
    manifests = [_installable(fact) for fact in facts if isinstance(fact, Manifest)]
    pnpm = tuple(fact for fact in facts if isinstance(fact, PnpmWorkspace))
    paths = {entry.path for entry in entries if entry.kind == "file"}
    linked = link_members(manifests, pnpm, paths)

    locks: tuple[Lock, ...] = ()

    def read_locks() -> None:
        nonlocal locks
        rest = [entry for entry in documents if _base(entry.path) in LOCK_NAMES]
        locks = tuple(fact for fact in _read_documents(source, rest, cache, problems) if isinstance(fact, Lock))

    # Source files need the package roots and no locks: other processes look at them while this one reads the locks.
    found, left_out = _scan(
        source, sources, linked.roots, linked.manifests, policy, cache, problems, progress, read_locks
    )
    bare = {m.directory for m in linked.manifests if not m.has_dependencies}
    governs = govern([m.directory for m in linked.manifests], locks, linked.roots, bare)
    repo = Repo(
        identity=source.identity,
        folder=source.folder,
        revision=source.revision,
        paths=frozenset(paths),
        links={entry.path: entry.kind for entry in entries if entry.kind != "file"},
        manifests=tuple(linked.manifests),
        pnpm_workspaces=pnpm,
        locks=locks,
        unread_locks=frozenset(p.path for p in problems if p.path.rpartition("/")[2] in LOCK_NAMES | _UNREAD.keys()),
        roots=tuple(linked.roots),
        governs=governs,
        ghosts=_ghosts(linked.ghosts, ignore),
        sources=found,
        files=len(sources),
    )
    return Loaded(repo=repo, not_checked=tuple(problems), ignored=ignored + left_out)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _ghosts(
    ghosts: Iterable[tuple[str, WorkspaceGlob]], ignore: tuple[str, ...]
) -> tuple[tuple[str, WorkspaceGlob], ...]:
    return tuple(
        ghost for ghost in ghosts if not matches_any(ghost[0] + "/", ignore) and not matches_any(ghost[0], ignore)
    )


# What other tools keep their dependencies in, and what to do about it.
_UNREAD = {
    "deno.lock": "Deno's lockfile is not read: pin open packages in a package.json with a lockfile of its own.",
    "vlt-lock.json": "vlt's lockfile is not read: keep a package-lock.json beside it.",
}
_PYTHON = re.compile(
    r"pyproject\.toml|requirements[\w.-]*\.(?:txt|in)|setup\.cfg|uv\.lock|poetry\.lock|pdm\.lock|pylock[\w.-]*\.toml|Pipfile(?:\.lock)?"
)


def _is_python(name: str) -> bool:
    return _PYTHON.fullmatch(name) is not None


def _unsupported(path: str, name: str) -> NotChecked:
    return NotChecked(
        reason="unsupported-format",
        subject=name,
        detail=f"{path} is in a format that this version does not read",
        remedy=_UNREAD.get(
            name, "Python's manifests and locks are not read yet: allow this in [not_checked], knowing it."
        ),
        path=path,
    )


def _linked(entry: Entry) -> NotChecked:
    return NotChecked(
        reason="symbolic-link",
        subject=entry.path,
        detail="it is a symbolic link, and links are never followed",
        remedy="Commit the file itself, or ignore the path in the policy.",
        path=entry.path,
    )


def _installable(manifest: Manifest) -> Manifest:
    """A repository's own manifest is installed as it stands, however much its name looks like a template's."""
    return (
        msgspec.structs.replace(manifest, template=False) if manifest.template and not manifest.directory else manifest
    )


# -- manifests and locks -----------------------------------------------------------------------


def _read_manifest(path: str, data: bytes) -> _FACT_TYPES:
    from bot.readers.npm.package_json import read_package_json

    return read_package_json(path, data)


def _read_pnpm_workspace(path: str, data: bytes) -> _FACT_TYPES:
    from bot.readers.npm.pnpm_workspace import read_pnpm_workspace

    return read_pnpm_workspace(path, data)


def _read_yarnrc(path: str, data: bytes) -> _FACT_TYPES:
    from bot.readers.npm.yarnrc import read_yarnrc

    return read_yarnrc(path, data)


_DOCUMENTS: dict[str, Callable[[str, bytes], _FACT_TYPES]] = {
    "package.json": _read_manifest,
    "pnpm-workspace.yaml": _read_pnpm_workspace,
    ".yarnrc.yml": _read_yarnrc,
}


def _reader_of(path: str) -> Callable[[str, bytes], _FACT_TYPES] | None:
    name = path.rpartition("/")[2]
    return _DOCUMENTS.get(name) or lock_reader(name)


def _read_documents(
    source: Source, documents: list[Entry], cache: FactCache, problems: list[NotChecked]
) -> list[_FACT_TYPES]:
    version = reader_version("readers/npm", "facts")
    keys = {
        # A fact carries its path, so the path is part of what it is a function of.
        entry.path: hashlib.sha256(f"{version}\0{entry.oid}\0{entry.path}".encode(errors="surrogateescape")).digest()
        for entry in documents
        if entry.oid
    }
    kept = cache.get_many(keys.values())
    decoder = msgspec.msgpack.Decoder(_Fact)
    facts: dict[str, _FACT_TYPES] = {}
    for path, key in keys.items():
        if key in kept:
            try:
                facts[path] = decoder.decode(kept[key]).fact()
            except (msgspec.MsgspecError, TypeError):  # whatever stands there, it can be read again
                continue
    encoder = msgspec.msgpack.Encoder()
    fresh: list[tuple[bytes, bytes]] = []
    for path, data in source.read_many([entry.path for entry in documents if entry.path not in facts]):
        read = _reader_of(path)
        if data is None:
            problems.append(_missing(path))
            continue
        if read is None:
            continue
        try:
            facts[path] = fact = read(path, data)
        except ReadError as error:
            problems.append(_unread(path, error))
            continue
        if path in keys:
            try:
                fresh.append((keys[path], encoder.encode(_Fact.of(fact))))
            except (UnicodeEncodeError, TypeError, OverflowError):
                continue  # not everything that JSON can say fits the cache: read it again next time
    if fresh:
        cache.put_many(fresh)
    return [facts[entry.path] for entry in documents if entry.path in facts]


class _Fact(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cached fact: the one member that is there says of which type it is."""

    manifest: Manifest | None = None
    pnpm: PnpmWorkspace | None = None
    lock: Lock | None = None

    @classmethod
    def of(cls, fact: _FACT_TYPES) -> _Fact:
        if isinstance(fact, Manifest):
            return cls(manifest=fact)
        return cls(pnpm=fact) if isinstance(fact, PnpmWorkspace) else cls(lock=fact)

    def fact(self) -> _FACT_TYPES:
        found = self.manifest or self.pnpm or self.lock
        if found is None:
            raise msgspec.ValidationError("an empty fact")
        return found


def _installed(path: str) -> bool:
    return path.startswith("node_modules/") or "/node_modules/" in path


def _missing(path: str) -> NotChecked:
    return NotChecked(
        reason="missing-object",
        subject=path,
        detail="its content cannot be had (a partial clone, a link in its path, no permission, or too large)",
        remedy="Fetch it, or ignore the path in the policy.",
        path=path,
    )


def _unread(path: str, error: ReadError) -> NotChecked:
    return NotChecked(
        reason=error.reason,
        subject=path,
        detail=error.detail,
        remedy=error.remedy or "Mend the file, or ignore the path in the policy.",
        path=path,
        line=error.line or 0,
    )


# -- source files ------------------------------------------------------------------------------


class _Scan(msgspec.Struct, array_like=True):
    """A repository's last scan: which blobs, at which depth, hold no needle, and what the others hold."""

    clean: str
    hits: dict[str, tuple[Import, ...]]


def _scan(
    source: Source,
    files: list[Entry],
    roots: Iterable[Root],
    manifests: Iterable[Manifest],
    policy: Policy,
    cache: FactCache,
    problems: list[NotChecked],
    progress: Progress | None,
    meanwhile: Callable[[], None],
) -> tuple[dict[str, SourceFile], int]:
    """Candidate imports of every source file that has any, by path; and how many such files policy ignores."""
    scopes = _needles(policy, manifests)
    depth_of = _depths(list(roots))
    version = reader_version("readers/javascript", "facts")
    digest = hashlib.sha256(b"\0".join([version.encode(), source.label.encode(errors="replace"), *scopes])).digest()
    kept = _Scan("", {})
    raw = cache.snapshot(digest)
    if raw is not None:
        try:
            kept = msgspec.msgpack.decode(raw, type=_Scan)
        except (msgspec.MsgspecError, TypeError):  # whatever stands there, it can be read again
            kept = _Scan("", {})
    clean = set(kept.clean.split("\n")) if kept.clean else set()

    found: dict[str, tuple[Import, ...]] = {}
    still: list[str] = []
    hits: dict[str, tuple[Import, ...]] = {}
    unread: dict[str, tuple[str, int]] = {}
    same: dict[str, list[str]] = {}  # of files with the same bytes only the first is read
    for path, oid, _ in files:
        depth = depth_of(path)
        if oid:
            key = f"{oid}{depth}"
            if key in clean:
                still.append(key)
                continue
            known = kept.hits.get(key)
            if known is not None:
                found[path] = hits[key] = known
                continue
            copies = same.setdefault(key, [])
            copies.append(path)
            if len(copies) == 1:
                unread[path] = (key, depth)
        else:
            unread[path] = ("", depth)

    needles = {depth: Needles(scopes=scopes, escape=depth) for depth in {depth for _, depth in unread.values()}}

    order = list(unread)

    def look(numbers: Sequence[int]) -> bytes:
        """What is in some files, as plain values: (number, size where it is unread or -1, candidates)."""
        number_of = {order[number]: number for number in numbers}
        seen: list[tuple[int, int, list[tuple[str, int, int]]]] = []
        for path, data in source.read_many(number_of):
            if data is None or len(data) > _SOURCE_MAX:
                seen.append((number_of[path], -1 if data is None else len(data), []))
            elif imports := candidates(data, needles[unread[path][1]]):
                seen.append((number_of[path], 0, [(item.specifier, item.start, item.end) for item in imports]))
        return marshal.dumps((len(numbers), seen))

    done = 0
    skipped: set[str] = set()
    for answer in in_parts(look, range(len(order)), _PART, meanwhile):
        count, seen = marshal.loads(answer)  # noqa: S302  (what `look` said in a process of ours)
        done += count
        if progress is not None:
            progress("reading source files", done, len(order))
        for number, size, imports in seen:
            path = order[number]
            paths = same.get(unread[path][0], [path])
            if size:
                skipped.add(path)
                large = ReadError("too-large", f"a source file of {size >> 20} MB")
                problems += [_missing(other) if size < 0 else _unread(other, large) for other in paths]
            else:
                hit = tuple(Import(text, ImportKind.CANDIDATE, start, end) for text, start, end in imports)
                found.update(dict.fromkeys(paths, hit))
    changed = False
    for path, (key, _) in unread.items():
        if key and path not in skipped:
            changed = True
            if path in found:
                hits[key] = found[path]
            else:
                still.append(key)
    if changed:
        cache.put_snapshot(digest, _encoded(still, hits))
    ignore = policy.tables.ignore.paths
    judged = {path: SourceFile(path, imports) for path, imports in found.items() if not matches_any(path, ignore)}
    return judged, len(found) - len(judged)


def _encoded(clean: list[str], hits: dict[str, tuple[Import, ...]]) -> bytes:
    try:
        return msgspec.msgpack.encode(_Scan("\n".join(clean), hits))
    except UnicodeEncodeError:  # a specifier that is not UTF-8: its file is read again next time
        sound = {key: imports for key, imports in hits.items() if all(_is_text(item.specifier) for item in imports)}
        return msgspec.msgpack.encode(_Scan("\n".join(clean), sound))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _needles(policy: Policy, manifests: Iterable[Manifest]) -> tuple[bytes, ...]:
    """What to look for: the literal beginnings of open and private package names, and aliases of open packages."""
    patterns = [*policy.tables.open.packages, *policy.tables.private.packages, *policy.tables.private.names]
    found = {_literal(PackageName.parse(p).name) for p in patterns if PackageName.parse(p).ecosystem == "npm"}
    for manifest in manifests:
        for declaration in manifest.declarations:
            if (
                declaration.alias
                and policy.side_of_package(PackageName.npm(declaration.name)) is Side.OPEN
                and declaration.local != declaration.name
            ):
                found.add(declaration.local)
    found.discard("")
    shortest = sorted(found, key=len)
    return tuple(
        name.encode(errors="surrogatepass")
        for index, name in enumerate(shortest)
        if not any(name.startswith(other) for other in shortest[:index])
    )


def _literal(pattern: str) -> str:
    for index, char in enumerate(pattern):
        if char in "*?{":
            return pattern[:index]
    return pattern


def _depths(roots: list[Root]) -> Callable[[str], int]:
    """How many consecutive ``../`` leave a file's package root: its folders below it, plus one. 0 (every relative
    specifier counts) where another package root lies inside, since a path may then lead into it."""
    directories = {root.directory for root in roots}
    holders: set[str] = set()
    for inner in directories:
        outer = inner
        while outer:
            outer = outer.rpartition("/")[0]
            if outer in directories:
                holders.add(outer)
    by_directory: dict[str, int] = {}

    def depth_of_directory(directory: str) -> int:
        known = by_directory.get(directory)
        if known is not None:
            return known
        if directory in directories or not directory:
            depth = 0 if directory in holders else 1
        else:
            parent = depth_of_directory(directory.rpartition("/")[0])
            depth = parent and parent + 1
        by_directory[directory] = depth
        return depth

    return lambda path: depth_of_directory(path.rpartition("/")[0])
