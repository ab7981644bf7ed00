"""A source, the readers and the fact cache -> one `Repo`, with what could not be read."""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from importlib.util import find_spec
from typing import TYPE_CHECKING

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
from bot.names import PackageName, compile_pattern, matches_any
from bot.policy import Policy, Side
from bot.readers.npm import LOCK_NAMES, lock_reader
from bot.repo import Repo
from bot.sources.base import Entry, Source

if TYPE_CHECKING:
    from bot.readers.javascript.candidates import Needles
    from bot.readers.javascript.imports import ParsedImports

__all__ = [
    "SOURCE_MAX",
    "SOURCE_SUFFIXES",
    "UTF16",
    "Content",
    "Loaded",
    "Progress",
    "Scanned",
    "content_kind",
    "grammars",
    "is_source",
    "load",
    "parse_many",
]

Progress = Callable[[str, int, int], None]

SOURCE_SUFFIXES = (
    ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte", ".astro",
    ".JS", ".JSX", ".MJS", ".CJS", ".TS", ".TSX", ".MTS", ".CTS",
)  # fmt: skip
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # how a file in UTF-16 begins, to the TypeScript compiler too
# A file without a suffix is a script where its first line says so.
_RUN_BY = re.compile(rb"#!(?=[^\r\n]*\b(?:node|nodejs|bun|deno|tsx|ts-node|zx)\b)")
_FIRST_LINE = 128
SOURCE_MAX = 20 * 1024 * 1024
_PART = 256  # source files that a process looks at in one go
_FACT_TYPES = Manifest | PnpmWorkspace | Lock


class Scanned(msgspec.Struct, frozen=True, kw_only=True):
    """What source files were scanned for: names beginning with one of ``scopes``, and paths that leave the package root.

    ``roots`` are the package roots' directories, ``links`` the symbolic links that an import may go through.
    """

    scopes: tuple[bytes, ...] = ()
    roots: tuple[str, ...] = ("",)
    links: tuple[str, ...] = ()

    def depth_of(self) -> Callable[[str], int]:
        """How many consecutive ``../`` leave a file's package root, as a function of its path."""
        return _depths(self.roots, self.links)


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a source became."""

    repo: Repo
    not_checked: tuple[NotChecked, ...] = ()
    ignored: int = 0
    scanned: Scanned = Scanned()


class Content(Enum):
    """What a tracked file's bytes are read for."""

    SOURCE = "source"
    DOCUMENT = "document"
    NONE = "none"


def content_kind(path: str, policy: Policy) -> Content:
    """What a tracked file's bytes are read for, by its path."""
    if _installed(path) or matches_any(path, policy.tables.ignore.paths):
        return Content.NONE
    if path.endswith(SOURCE_SUFFIXES) or "." not in _base(path):
        return Content.SOURCE  # without a suffix it may be a script
    return Content.DOCUMENT if _is_document(path) else Content.NONE


def _is_document(path: str) -> bool:
    name = _base(path)
    return name in _DOCUMENTS or name in LOCK_NAMES or path == _LERNA or _is_rush(path)


def load(source: Source, policy: Policy, cache: FactCache, progress: Progress | None = None) -> Loaded:
    """Read a source. One bad file is one `NotChecked`; the rest is read."""
    entries = [entry for entry in source.entries() if "node_modules/" not in entry.path or not _installed(entry.path)]
    ignore = policy.tables.ignore.paths
    problems: list[NotChecked] = []

    documents: list[Entry] = []
    sources: list[Entry] = []
    scripts: list[Entry] = []
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
        if _is_document(entry.path):
            if entry.kind == "file":
                documents.append(entry)
            elif not matches_any(entry.path, ignore):
                problems.append(_linked(entry))
        elif "." not in name and entry.kind == "file" and (entry.executable or _in_bin(entry.path)):
            scripts.append(entry)
        elif (_is_unread_lock(name) or (python and _is_python(name))) and not matches_any(entry.path, ignore):
            problems.append(_unsupported(entry.path, name))
    paths = {entry.path for entry in entries if entry.kind == "file"}
    left_out = _ignored(paths, ignore)
    documents = [entry for entry in documents if not matches_any(entry.path, ignore)]
    problems += [_unsupported(path, _base(path)) for path in _unread_manifests(paths) if path not in left_out]

    first = [entry for entry in documents if _base(entry.path) not in LOCK_NAMES]
    fresh: dict[bytes, _FACT_TYPES] = {}
    facts = _read_documents(source, first, cache, problems, fresh)
    manifests = [_installable(fact) for fact in facts if isinstance(fact, Manifest)]
    workspaces = [fact for fact in facts if isinstance(fact, PnpmWorkspace)]
    pnpm = tuple(fact for fact in workspaces if fact.path != _LERNA)
    sides = policy.tables
    linked = link_members(
        manifests,
        pnpm,
        paths,
        listed=(*sides.open.members, *sides.private.members),
        published=sides.open.published,
        lerna=[glob for fact in workspaces if fact.path == _LERNA for glob in fact.workspaces],
    )

    locks: tuple[Lock, ...] = ()

    def read_locks() -> None:
        nonlocal locks
        rest = [entry for entry in documents if _base(entry.path) in LOCK_NAMES]
        found = _read_documents(source, rest, cache, problems, fresh)
        locks = tuple(fact for fact in found if isinstance(fact, Lock))
        _keep(cache, fresh)

    scanned = Scanned(
        scopes=_needles(policy, linked.manifests, _private_members(source, policy, linked.roots)),
        roots=tuple(root.directory for root in linked.roots),
        links=tuple(entry.path for entry in entries if entry.kind == "link" and _is_importable(entry.path)),
    )
    # Source files need the package roots and no locks: other processes look at them while this one reads the locks.
    found = _scan(source, [*sources, *scripts], scanned, policy, cache, problems, progress, read_locks)
    bare = {m.directory for m in linked.manifests if not m.has_dependencies}
    governs = govern([m.directory for m in linked.manifests], locks, linked.roots, bare, paths)
    repo = Repo(
        identity=source.identity,
        folder=source.folder,
        revision=source.revision,
        paths=frozenset(paths - left_out),
        links={entry.path: entry.kind for entry in entries if entry.kind != "file"},
        manifests=tuple(linked.manifests),
        pnpm_workspaces=pnpm,
        locks=locks,
        unread_locks=frozenset(
            p.path for p in problems if _base(p.path) in LOCK_NAMES or _is_unread_lock(_base(p.path))
        ),
        roots=tuple(linked.roots),
        governs=governs,
        ghosts=_ghosts(linked.ghosts, ignore),
        sources=found,
        files=sum(1 for entry in sources if entry.path not in left_out) + sum(s.path in found for s in scripts),
    )
    if not (manifests or workspaces or locks or repo.files or problems):
        problems.append(_nothing(source, len(left_out)))
    # What policy leaves out need not be readable.
    problems = [problem for problem in problems if not problem.path or not matches_any(problem.path, ignore)]
    return Loaded(repo=repo, not_checked=tuple(problems), ignored=len(left_out), scanned=scanned)


def _in_bin(path: str) -> bool:
    return path.startswith("bin/") or "/bin/" in path


def _nothing(source: Source, ignored: int) -> NotChecked:
    """A repository in which no rule finds anything: it is not clean, it was not judged."""
    unseen = source.unseen()
    detail = "there is no package.json, lockfile or source file here"
    remedy = "Name the folder that holds the repository, or allow this in [not_checked], knowing it."
    if ignored:
        detail += f"; the policy ignores {_files(ignored)}"
        remedy = "Narrow [ignore] in the policy, or allow this in [not_checked], knowing it."
    elif unseen.untracked:
        detail = detail.replace("there is", "git tracks") + f"; {_files(unseen.untracked)} here it does not track"
        remedy = "Add what belongs to the repository (git add), and run again."
    elif unseen.absent:
        detail += f"; {_files(unseen.absent)} of HEAD not on disk"
        remedy = "Check out what is missing (git status says what), or judge the commit: --rev HEAD."
    return NotChecked(reason="nothing-to-judge", subject="the repository", detail=detail, remedy=remedy)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _is_importable(link: str) -> bool:
    """Whether a symbolic link may stand for a folder of sources or for a source file, by its name alone."""
    name = _base(link)
    return name.endswith(SOURCE_SUFFIXES) or ("." not in name and not name.isupper())


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _ignored(paths: set[str], patterns: tuple[str, ...]) -> set[str]:
    """The paths that policy leaves out."""
    found: set[str] = set()
    for pattern in patterns:
        found.update(filter(compile_pattern(pattern).regex.fullmatch, paths))
    return found


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
    "shrinkwrap.yaml": "pnpm's old lockfile is not read: let a pnpm of today write pnpm-lock.yaml.",
    "package.yaml": "Only package.json is read: write the manifest as JSON.",
    "package.json5": "Only package.json is read: write the manifest as JSON.",
}
_UNREAD_MANIFESTS = ("package.yaml", "package.json5")
_BRANCH_LOCK = re.compile(r"pnpm-lock\..+\.yaml")
_LERNA = "lerna.json"
_RUSH_PNPM = re.compile(r"common/config/(?:rush|subspaces/[^/]+)/pnpm-config\.json")
_PYTHON = re.compile(
    r"pyproject\.toml|requirements[\w.-]*\.(?:txt|in)|setup\.cfg|uv\.lock|poetry\.lock|pdm\.lock|pylock[\w.-]*\.toml|Pipfile(?:\.lock)?"
)


def _is_python(name: str) -> bool:
    return _PYTHON.fullmatch(name) is not None


def _is_unread_lock(name: str) -> bool:
    return (name in _UNREAD and name not in _UNREAD_MANIFESTS) or _BRANCH_LOCK.fullmatch(name) is not None


def _unread_manifests(paths: set[str]) -> list[str]:
    """``package.yaml`` and ``package.json5``, which pnpm alone reads, and only where there is no ``package.json``."""
    found = [path for path in paths if path.endswith(_UNREAD_MANIFESTS) and _base(path) in _UNREAD_MANIFESTS]
    if not found or not any(_base(path).startswith(("pnpm-workspace.", "pnpm-lock.", "shrinkwrap.")) for path in paths):
        return []  # other tools (Haskell's hpack) call their manifest package.yaml, too
    return sorted(path for path in found if path.rpartition("package.")[0] + "package.json" not in paths)


def _unsupported(path: str, name: str) -> NotChecked:
    if _BRANCH_LOCK.fullmatch(name):
        remedy = "A branch's lockfile is not read: let pnpm merge it into pnpm-lock.yaml."
    else:
        remedy = _UNREAD.get(
            name, "Python's manifests and locks are not read yet: allow this in [not_checked], knowing it."
        )
    return NotChecked(
        reason="unsupported-format",
        subject=name,
        detail=f"{path} is in a format that this version does not read",
        remedy=remedy,
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


def _read_lerna(path: str, data: bytes) -> _FACT_TYPES:
    from bot.readers.npm.lerna import read_lerna

    return read_lerna(path, data)


def _is_rush(path: str) -> bool:
    return path == "rush.json" or _RUSH_PNPM.fullmatch(path) is not None


def _read_rush(path: str, data: bytes) -> _FACT_TYPES:
    from bot.readers.npm.rush import read_rush, read_rush_pnpm

    return read_rush(path, data) if path == "rush.json" else read_rush_pnpm(path, data)


def _reader_of(path: str) -> Callable[[str, bytes], _FACT_TYPES] | None:
    if _is_rush(path):
        return _read_rush
    name = _base(path)
    return _read_lerna if path == _LERNA else _DOCUMENTS.get(name) or lock_reader(name)


def _read_documents(
    source: Source,
    documents: list[Entry],
    cache: FactCache,
    problems: list[NotChecked],
    fresh: dict[bytes, _FACT_TYPES],
) -> list[_FACT_TYPES]:
    """The facts of manifests and locks. ``fresh`` is given those that the cache lacks."""
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
    for path, data in source.read_many([entry.path for entry in documents if entry.path not in facts]):
        found = _read_document(path, data)
        if found is None or isinstance(found, ReadError):
            problems.append(_missing(path) if found is None else _unread(path, found))
            continue
        facts[path] = found
        if path in keys:
            fresh[keys[path]] = found
    return [facts[entry.path] for entry in documents if entry.path in facts]


def _keep(cache: FactCache, fresh: Mapping[bytes, _FACT_TYPES]) -> None:
    """Keep facts. Not everything that JSON can say fits the cache: that is read again the next time."""
    if fresh and cache.is_kept:
        cache.put_many([(key, encoded) for key, fact in fresh.items() if (encoded := _encoded_fact(fact))])


def _read_document(path: str, data: bytes | None) -> _FACT_TYPES | ReadError | None:
    """A file's fact, or what is wrong with it; None for a file that is not there."""
    reader = _reader_of(path)
    if data is None or reader is None:
        return None
    try:
        return reader(path, data)
    except ReadError as error:
        return error


def _encoded_fact(fact: _FACT_TYPES) -> bytes:
    try:
        return msgspec.msgpack.encode(_Fact.of(fact))
    except (UnicodeEncodeError, TypeError, OverflowError):
        return b""


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
    scanned: Scanned,
    policy: Policy,
    cache: FactCache,
    problems: list[NotChecked],
    progress: Progress | None,
    meanwhile: Callable[[], None],
) -> dict[str, SourceFile]:
    """Candidate imports of every source file that has any and that policy does not ignore, by path."""
    if not files:
        meanwhile()
        return {}
    scopes, depth_of = scanned.scopes, scanned.depth_of()
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
    bare: set[str] = set()  # without a suffix that says what they are
    folder, depth = "", depth_of("")
    for path, oid, _, _ in files:
        here = path.rpartition("/")[0]
        if here != folder:  # what lies in one folder mostly comes in one go
            folder, depth = here, depth_of(path)
        mark = ""
        if not path.endswith(SOURCE_SUFFIXES):
            bare.add(path)
            mark = "#"
        if oid:
            # The same bytes are no script where no suffix says so, unless their first line does.
            key = f"{oid}{depth}{mark}"
            if key in clean:
                still.append(key)
            elif (known := kept.hits.get(key)) is not None:
                found[path] = hits[key] = known
            elif key in same:
                same[key].append(path)
            else:
                same[key] = [path]
                unread[path] = (key, depth)
        else:
            unread[path] = ("", depth)

    needles = _needles_of(scopes, {depth for _, depth in unread.values()})

    order = list(unread)

    def look(numbers: Sequence[int]) -> bytes:
        """What is in some files, as plain values: (number, size where it is unread, -1 or `_WIDE`, candidates)."""
        from bot.readers.javascript.candidates import candidates

        number_of = {order[number]: number for number in numbers}
        if bare:
            number_of = {path: n for path, n in number_of.items() if path not in bare or _may_be_source(source, path)}
        seen: list[tuple[int, int, list[tuple[str, int, int]]]] = []
        for path, data in source.read_many(number_of):
            if path in bare and not is_source(path, data or b""):
                continue
            if data is None or len(data) > SOURCE_MAX:
                seen.append((number_of[path], -1 if data is None else len(data), []))
            elif data.startswith(UTF16):
                plain = data.decode("utf-16", "replace").encode(errors="surrogatepass")
                if candidates(plain, needles[unread[path][1]]):
                    seen.append((number_of[path], _WIDE, []))
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
                problems += [_unlooked(other, size) for other in paths]
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
    return {path: SourceFile(path, imports) for path, imports in found.items() if not matches_any(path, ignore)}


def is_source(path: str, data: bytes) -> bool:
    """Whether a file is JavaScript: its suffix says so, or its first line where it has none."""
    return path.endswith(SOURCE_SUFFIXES) or _RUN_BY.match(data) is not None


def _may_be_source(source: Source, path: str) -> bool:
    """Whether a file without a suffix is worth reading: its first bytes may say so."""
    head = source.head(path, _FIRST_LINE)
    return head is None or _RUN_BY.match(head) is not None


_WIDE = -2  # for the size of a file in UTF-16 that imports something of interest


def _unlooked(path: str, size: int) -> NotChecked:
    if size == _WIDE:
        remedy = "Save it as UTF-8, or ignore the path in the policy."
        return _unread(path, ReadError("not-utf8", "a source file in UTF-16 is not read", remedy=remedy))
    return _missing(path) if size < 0 else _unread(path, ReadError("too-large", f"a source file of {size >> 20} MB"))


def _needles_of(scopes: tuple[bytes, ...], depths: set[int]) -> dict[int, Needles]:
    """What to look for in files at each depth."""
    if not depths:
        return {}
    from bot.readers.javascript.candidates import Needles

    return {depth: Needles(scopes=scopes, escape=depth) for depth in depths}


def parse_many(
    source: Source, paths: Sequence[str], cache: FactCache
) -> Iterator[tuple[str, ParsedImports | ReadError]]:
    """Source files as a parser sees them, in no order, from the cache where it has them. The largest had better come first.

    A `ReadError` stands for what cannot be read; its reason may be ``missing-object`` too.
    """
    from bot.readers.javascript.imports import ParsedImports

    version = reader_version("readers/javascript", "facts") + grammars()
    oids = {entry.path: entry.oid for entry in source.entries()}
    keys = {
        # The suffix says which language it is; the rest of the path is no part of what is parsed.
        path: hashlib.sha256(
            f"parsed\0{version}\0{oids[path]}\0{_base(path)}".encode(errors="surrogateescape")
        ).digest()
        for path in paths
        if oids.get(path)
    }
    kept = cache.get_many(keys.values())
    decoder = msgspec.msgpack.Decoder(ParsedImports)
    left: list[str] = []
    for path in paths:
        try:
            yield path, decoder.decode(kept[keys[path]])
        except (KeyError, msgspec.MsgspecError, TypeError):
            left.append(path)

    def parse(paths: Sequence[str]) -> bytes:
        return marshal.dumps([(path, *_parsed(path, data)) for path, data in source.read_many(paths)])

    fresh: list[tuple[bytes, bytes]] = []
    for answer in in_parts(parse, left, 1):
        for path, trouble, imports, broken in marshal.loads(answer):  # noqa: S302  (what `parse` said)
            if trouble is not None:
                yield path, ReadError(*trouble)
                continue
            found = ParsedImports(tuple(Import(text, ImportKind(kind), *rest) for text, kind, *rest in imports), broken)
            if path in keys:
                with contextlib.suppress(UnicodeEncodeError):
                    fresh.append((keys[path], msgspec.msgpack.encode(found)))
            yield path, found
    if fresh:
        cache.put_many(fresh)


def grammars() -> str:
    """The parser's and the grammars' own versions, told by their files."""
    found = [find_spec(name) for name in ("tree_sitter", "tree_sitter_javascript", "tree_sitter_typescript")]
    files = [os.stat(spec.origin) for spec in found if spec is not None and spec.origin is not None]
    return "".join(f" {file.st_size}:{file.st_mtime_ns}" for file in files)


_Plain = tuple[str, str, int, int, tuple[str, ...], bool]


def _parsed(path: str, data: bytes | None) -> tuple[tuple[str, str] | None, list[_Plain], bool]:
    from bot.readers.javascript.imports import parse_imports

    if data is None:
        return ("missing-object", "the file cannot be read"), [], False
    try:
        found = parse_imports(path, data)
    except ReadError as error:
        return (error.reason, error.detail), [], False
    plain = [(i.specifier, i.kind.value, i.start, i.end, i.names, i.types) for i in found.imports]
    return None, plain, found.broken


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


def _private_members(source: Source, policy: Policy, roots: Iterable[Root]) -> Iterable[str]:
    """The names of members that policy calls private, whatever they are, where something open could import them."""
    sides = [(root.package, policy.side_of_root(source.identity, root.directory, root.package)) for root in roots]
    if all(policy.counts_as(side) is Side.PRIVATE for _, side in sides):
        return ()
    return [package.name for package, side in sides if side is Side.PRIVATE and package is not None and package.name]


def _needles(policy: Policy, manifests: Iterable[Manifest], private: Iterable[str] = ()) -> tuple[bytes, ...]:
    """What to look for: the literal beginnings of open and private package names, private members' names, and aliases
    of open packages. A pattern that begins with a wildcard has no literal beginning: every specifier may match it."""
    patterns = [*policy.tables.open.packages, *policy.tables.private.packages, *policy.tables.private.names]
    found = {_literal(PackageName.parse(p).name) for p in patterns if PackageName.parse(p).ecosystem == "npm"}
    found.update(private)
    # A word of `private.names` makes a package private in whatever scope.
    found.update(f"@*/{name}" for name in map(_literal, policy.tables.private.names) if name and "/" not in name)
    for manifest in manifests:
        for declaration in manifest.declarations:
            if (
                declaration.alias
                and declaration.local
                and policy.side_of_package(PackageName.npm(declaration.name)) is Side.OPEN
                and declaration.local != declaration.name
            ):
                found.add(declaration.local)
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


def _depths(roots: Iterable[str], links: Iterable[str] = ()) -> Callable[[str], int]:
    """How many consecutive ``../`` leave a file's package root: its folders below it, plus one. 0 (every relative
    specifier counts) where another package root lies inside, since a path may then lead into it; a symbolic link likewise."""
    directories = set(roots)
    holders: set[str] = set()
    for link in links:
        above = link.rpartition("/")[0]
        while above and above not in directories:
            above = above.rpartition("/")[0]
        holders.add(above)
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
