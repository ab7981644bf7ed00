"""Node's ``exports`` and ``imports``: what a package lets a stranger reach, and under which conditions.

`resolve_exports` and `resolve_imports` are PACKAGE_EXPORTS_RESOLVE, PACKAGE_IMPORTS_RESOLVE and
PACKAGE_TARGET_RESOLVE of "Resolution Algorithm Specification" in Node's ESM documentation, over parsed JSON alone.
Where Node's code and its documentation differ, the code decides: empty path segments pass, and a trailing slash
passes through a pattern. `legal_subpath` asks the question a rule has: could anyone but the package's own
organisation import this?
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from bot.facts.manifest import Manifest
from bot.names import split_specifier

__all__ = [
    "KNOWN_CONDITIONS",
    "Legal",
    "LegalKind",
    "Outcome",
    "Resolution",
    "Usage",
    "always_leads_to",
    "legal_subpath",
    "package_json",
    "resolve_exports",
    "resolve_imports",
    "suggest",
]

Usage = Literal["import", "require", "type", "any"]


class Outcome(StrEnum):
    """What a map says of one subpath. ``BARE`` (of ``imports`` alone): the target is another package."""

    TARGET = "target"
    BARE = "bare"
    NOT_EXPORTED = "not-exported"
    INVALID = "invalid"


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """One resolution, with what led to it.

    ``target`` is the target as the map says it, its ``*`` filled in: ``./dist/x.js`` (or ``dep/x``, of outcome
    ``BARE``). ``file`` is the file that Node would open, relative to the package, POSIX, without ``./``.
    ``key`` is the map's key that matched (``.`` for a map without subpaths), ``pointer`` leads from the map to the
    value that decided, ``conditions`` are the conditions on that way. ``reason`` is why there is no target:
    ``no-key``, ``null-target``, ``no-condition``; ``mixed-keys``, ``numeric-key``, ``invalid-target``,
    ``invalid-subpath``, ``encoded-separator``, ``malformed-encoding``, ``too-deep``, ``too-large``,
    ``too-long``.
    """

    outcome: Outcome
    target: str | None = None
    file: str | None = None
    key: str | None = None
    pointer: tuple[str | int, ...] = ()
    conditions: tuple[str, ...] = ()
    reason: str = ""


# -- the algorithm -------------------------------------------------------------------------

_MAX_DEPTH: Final = 100  # of nested conditions and arrays; real maps have five
_MAX_NODES: Final = 2000  # values under one key; real ones have twenty
_MAX_TARGET: Final = 8192  # characters of a target, filled in

_NODE_MODULES: Final = "".join(
    re.escape(char) if char == "_" else f"(?:{char}|%{ord(char):02x}|%{ord(char.upper()):02x})"
    for char in "node_modules"
).replace("_", "(?:_|%5f)")
_BAD_SEGMENT: Final = re.compile(rf"(?:^|[\\/])(?:(?:\.|%2e){{1,2}}|{_NODE_MODULES})(?:[\\/]|\Z)", re.I | re.A)
_ENCODED_SEPARATOR: Final = re.compile(r"%2f|%5c", re.I | re.A)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-f]{2})", re.I | re.A)
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.I | re.A)
_C0_AND_SPACE: Final = "".join(map(chr, range(0x21)))


class _InvalidError(Exception):
    """An error that ends the resolution; Node's ERR_INVALID_PACKAGE_CONFIG and ERR_INVALID_MODULE_SPECIFIER."""

    def __init__(self, reason: str, pointer: tuple[str | int, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pointer = pointer


class _InvalidTargetError(_InvalidError):
    """ERR_INVALID_PACKAGE_TARGET, which an array of targets passes over."""


class _Found(msgspec.Struct, frozen=True):
    """``text`` is the filled target; None is a ``null`` target (no condition that applies is plain ``None``)."""

    text: str | None
    file: str | None
    bare: bool
    pointer: tuple[str | int, ...]
    conditions: tuple[str, ...]


class _Walk(msgspec.Struct, frozen=True):
    """What stays the same while one target is taken apart. ``star`` is what ``*`` stands for, None without one."""

    accepts: Callable[[str], bool]
    star: str | None
    imports: bool

    def target(self, value: object, pointer: tuple[str | int, ...], conditions: tuple[str, ...]) -> _Found | None:
        """PACKAGE_TARGET_RESOLVE."""
        if isinstance(value, str):
            return self._string(value, pointer, conditions)
        if isinstance(value, list):
            return self._array(value, pointer, conditions)
        if isinstance(value, dict):
            if any(_is_index(key) for key in value):
                raise _InvalidError("numeric-key", pointer)
            for key, inner in value.items():
                if key == "default" or self.accepts(key):
                    found = self.target(inner, (*pointer, key), (*conditions, key))
                    if found is not None:
                        return found
            return None
        if value is None:
            return _Found(None, None, False, pointer, conditions)
        raise _InvalidTargetError("invalid-target", pointer)

    def _array(
        self, values: list[object], pointer: tuple[str | int, ...], conditions: tuple[str, ...]
    ) -> _Found | None:
        if not values:
            return _Found(None, None, False, pointer, conditions)
        last: _Found | _InvalidTargetError | None = None
        for index, value in enumerate(values):
            try:
                found = self.target(value, (*pointer, index), conditions)
            except _InvalidTargetError as error:
                last = error
                continue
            if found is None:
                continue
            if found.text is not None:
                return found
            last = found
        if isinstance(last, _InvalidTargetError):
            raise last
        return last

    def _string(self, value: str, pointer: tuple[str | int, ...], conditions: tuple[str, ...]) -> _Found:
        if len(value) + value.count("*") * len(self.star or "") > _MAX_TARGET:
            raise _InvalidError("too-long", pointer)
        filled = value if self.star is None else value.replace("*", self.star)
        if not value.startswith("./"):
            if not self.imports or value.startswith(("../", "/")) or _URL.match(value):
                raise _InvalidTargetError("invalid-target", pointer)
            if split_specifier(filled) is None:
                raise _InvalidError("invalid-target", pointer)
            return _Found(filled, None, True, pointer, conditions)
        if _BAD_SEGMENT.search(value[2:]) or _path(value).partition("/")[0] == "..":
            raise _InvalidTargetError("invalid-target", pointer)
        if self.star is not None and _BAD_SEGMENT.search(self.star):
            raise _InvalidError("invalid-subpath", pointer)
        path = _path(filled)
        if _ENCODED_SEPARATOR.search(path):
            raise _InvalidError("encoded-separator", pointer)
        return _Found(filled, _decoded(path, pointer), False, pointer, conditions)


def _path(target: str) -> str:
    """The path of a target as the URL parser sees it, relative to the package: still percent-encoded."""
    text = re.sub(r"[\t\n\r]", "", target.strip(_C0_AND_SPACE))
    text = re.split(r"[?#]", text, maxsplit=1)[0].replace("\\", "/")
    if not re.search(r"/(?:\.|%2e){1,2}(?:/|\Z)|//", text, re.I | re.A):
        return text.removeprefix("./")
    text = re.sub(r"(?<=/)(?:\.|%2e){1,2}(?=/|\Z)", lambda dots: re.sub("%2e", ".", dots[0], flags=re.I), text)
    slash = "/" if text.endswith("/") else ""
    return posixpath.normpath(text) + slash


def _decoded(path: str, pointer: tuple[str | int, ...]) -> str:
    if "%" not in path:
        return path
    if _BAD_ESCAPE.search(path):
        raise _InvalidError("malformed-encoding", pointer)
    try:
        return unquote_to_bytes(path.encode("utf-8", "surrogatepass")).decode("utf-8")
    except UnicodeDecodeError:
        raise _InvalidError("malformed-encoding", pointer) from None


def _is_index(key: str) -> bool:
    """Whether a key is an array index to Node: JavaScript would put it before every other, whatever its place."""
    if not key[:1].isdigit() or not key.isascii() or len(key) > 24:
        return False
    try:
        number = float(key)
    except ValueError:
        return False
    return number < 0xFFFF_FFFF and repr(number).removesuffix(".0") == key


def _matching_key(table: Mapping[str, object], name: str, *, exports: bool) -> tuple[str, str | None] | None:
    """The key for a subpath and what its ``*`` stands for: the exact one, else the most specific pattern."""
    if name in table and "*" not in name and not (exports and name.endswith("/")):
        return name, None
    best: tuple[int, int] = (-1, -1)
    found: tuple[str, str] | None = None
    for key in table:
        at = key.find("*")
        if at < 0 or not name.startswith(key[:at]) or len(name) < len(key) or key.find("*", at + 1) >= 0:
            continue
        trailer = key[at + 1 :]
        if name.endswith(trailer) and (at, len(key)) > best:
            best = (at, len(key))
            found = (key, name[at : len(name) - len(trailer)])
    return found


def _subpaths(exports: object) -> tuple[dict[str, object], bool]:
    """The map by subpath, and whether it was written without subpaths (a single target for ``.``)."""
    if isinstance(exports, (str, list)):
        return {".": exports}, True
    if not isinstance(exports, dict):
        return {}, False  # to Node a map without entries
    dotted = sum(key.startswith(".") for key in exports)
    if dotted and dotted < len(exports):
        raise _InvalidError("mixed-keys")
    if exports and not dotted:
        return {".": exports}, True
    return exports, False


class _Selected(msgspec.Struct, frozen=True):
    """The part of a map that answers for one subpath: chosen once, resolved under many sets of conditions."""

    key: str
    value: object
    star: str | None
    names: frozenset[str]  # every condition in the value
    imports: bool
    sugar: bool

    def resolve(self, conditions: Collection[str]) -> Resolution:
        """The outcome under these conditions."""
        start = () if self.sugar else (self.key,)
        accepts = conditions if isinstance(conditions, (frozenset, set)) else frozenset(conditions)
        try:
            found = _Walk(accepts.__contains__, self.star, self.imports).target(self.value, start, ())
        except _InvalidError as error:
            return Resolution(outcome=Outcome.INVALID, key=self.key, pointer=error.pointer, reason=error.reason)
        if found is None or found.text is None:
            return Resolution(
                outcome=Outcome.NOT_EXPORTED,
                key=self.key,
                pointer=found.pointer if found else start,
                conditions=found.conditions if found else (),
                reason="null-target" if found else "no-condition",
            )
        return Resolution(
            outcome=Outcome.BARE if found.bare else Outcome.TARGET,
            target=found.text,
            file=found.file,
            key=self.key,
            pointer=found.pointer,
            conditions=found.conditions,
        )


def _select(table: Mapping[str, object], name: str, *, imports: bool, sugar: bool = False) -> _Selected | Resolution:
    match = _matching_key(table, name, exports=not imports)
    if match is None:
        return Resolution(outcome=Outcome.NOT_EXPORTED, reason="no-key")
    key, star = match
    try:
        names = frozenset(_names_in(table[key]))
    except _InvalidError as error:
        return Resolution(outcome=Outcome.INVALID, key=key, pointer=() if sugar else (key,), reason=error.reason)
    return _Selected(key, table[key], star, names, imports, sugar)


def _names_in(value: object) -> Iterator[str]:
    """The condition names in a value; raises where it is too deep or too large to be resolved many times."""
    level, count = [value], 0
    for _ in range(_MAX_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                yield from item
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return
        count += len(inner)
        if count > _MAX_NODES:
            raise _InvalidError("too-large")
        level = inner
    raise _InvalidError("too-deep")


def _select_export(exports: object, subpath: str) -> _Selected | Resolution:
    try:
        table, sugar = _subpaths(exports)
    except _InvalidError as error:
        return Resolution(outcome=Outcome.INVALID, reason=error.reason)
    return _select(table, subpath, imports=False, sugar=sugar)


def resolve_exports(exports: object, subpath: str, conditions: Collection[str]) -> Resolution:
    """What an ``exports`` map (parsed JSON) gives for a subpath (``.`` or ``./x``) under conditions.

    ``default`` always applies. Never raises; outcomes are ``TARGET``, ``NOT_EXPORTED`` and ``INVALID``.
    """
    selected = _select_export(exports, subpath)
    return selected if isinstance(selected, Resolution) else selected.resolve(conditions)


def resolve_imports(imports: object, specifier: str, conditions: Collection[str]) -> Resolution:
    """What an ``imports`` map (parsed JSON) gives for a specifier (``#x``) under conditions; like `resolve_exports`.

    ``BARE`` targets are specifiers of packages, or of Node's own modules without ``node:``. ``#/x`` is a name like any
    other, as in Node since its pull request 60864 and in the bundlers; before, it was an error.
    """
    if specifier == "#" or not specifier.startswith("#") or specifier.endswith("/"):
        return Resolution(outcome=Outcome.INVALID, reason="invalid-subpath")
    selected = _select(imports if isinstance(imports, dict) else {}, specifier, imports=True)
    return selected if isinstance(selected, Resolution) else selected.resolve(conditions)


# -- what a stranger may import ------------------------------------------------------------

# Who sets what: Node, then bundlers, then the runtimes of the WinterTC registry of runtime keys and the community
# conditions of Node's and webpack's documentation. Each environment is tried with `import` and with `require`.
_NODE: Final = frozenset({"node", "module-sync", "node-addons"})
_ENVIRONMENTS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("node", _NODE),
    ("bundler", frozenset({"module", "node"})),
    ("browser", frozenset({"module", "browser"})),
    ("bun", frozenset({"bun", "node", "module"})),
    ("deno", frozenset({"deno", "node", "module"})),
    ("react-native", frozenset({"react-native"})),
    ("react-native-web", frozenset({"react-native", "browser", "module"})),
    ("worker", frozenset({"worker", "browser", "module"})),
    ("workerd", frozenset({"workerd", "worker", "module", "browser"})),
    ("edge-light", frozenset({"edge-light", "worker", "module", "browser"})),
    ("react-server", frozenset({"react-server", "module", "node"})),
    ("electron", frozenset({"electron", "module", "node"})),
    ("webpack", frozenset({"webpack", "module", "browser"})),
    *(
        (name, frozenset({name, "module", "browser"}))
        for name in (
            *("azion", "edge-routine", "fastly", "lagon", "moddable", "netlify", "wasmer", "worklet"),
            *("asset", "less", "sass", "script", "solid", "style", "stylus", "svelte"),
        )
    ),
)
_LOADERS: Final = ("import", "require")
_MODES: Final = ("", "development", "production")

KNOWN_CONDITIONS: Final[frozenset[str]] = frozenset(
    {"default", "types", *_LOADERS, *_MODES[1:]}.union(*(names for _, names in _ENVIRONMENTS))
)
"""The conditions that a stranger's tools set by themselves. ``types@RANGE`` is TypeScript's too."""


_MAX_TRIED: Final = 32  # conditions of a package's own that are tried one by one


class LegalKind(StrEnum):
    """What the map says to a stranger. ``NO_MAP``: there is no ``exports``, any file can be had."""

    EXPORTED = "exported"
    NOT_EXPORTED = "not-exported"
    INVALID = "invalid"
    NO_MAP = "no-map"


class Legal(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a stranger may use a subpath, and what a rule needs to say why.

    ``legal`` is the verdict for the usage asked about (true of ``NO_MAP``: policy judges that). ``resolution`` is the
    one that decided, ``via`` names its environment and loader (``node import``, ``browser require``, ``types
    import``). ``types_only``: only TypeScript's ``types`` resolves it; legal for a type, an error at run time.
    ``only_under`` are conditions outside `KNOWN_CONDITIONS` of which each (or all together) would resolve it: what
    only the organisation's own builds set. ``missing_file``: exported, and the package has no such file.
    ``legacy_folder``: a folder mapping (``"./features/"``) covers it, which Node 17 and later ignore and some
    bundlers honour. ``manifest_file``: it is ``./package.json``, which tools read from disk. ``exists`` answers for
    ``NO_MAP`` alone: whether Node or TypeScript would find a file; None when the files are not known.
    """

    kind: LegalKind
    legal: bool
    subpath: str
    resolution: Resolution | None = None
    via: str = ""
    types_only: bool = False
    only_under: tuple[str, ...] = ()
    missing_file: bool = False
    legacy_folder: bool = False
    manifest_file: bool = False
    exists: bool | None = None


def package_json(manifest: Manifest) -> dict[str, object]:
    """The fields of a manifest of the repository's own tree that `legal_subpath` and `suggest` look at."""
    fields: dict[str, object] = {**manifest.entry}
    if manifest.exports is not None:
        fields["exports"] = manifest.exports
    return fields


def legal_subpath(
    manifest: Mapping[str, object], subpath: str, *, files: Collection[str] | None, usage: Usage
) -> Legal:
    """Judge a subpath (``.`` or ``./x``, perhaps with ``?query``) of a package.

    ``manifest`` is its parsed ``package.json``; ``files`` the paths in it, relative and POSIX (None: not known).
    """
    subpath = re.split(r"[?#]", subpath, maxsplit=1)[0]
    exports = manifest.get("exports")
    if exports is None:
        return Legal(
            kind=LegalKind.NO_MAP,
            legal=True,
            subpath=subpath,
            manifest_file=subpath == "./package.json",
            exists=None if files is None else _found_without_map(manifest, subpath, files, usage) is not None,
        )
    selected = _select_export(exports, subpath)
    if isinstance(selected, Resolution):
        return _refused(subpath, selected, (), legacy_folder=_legacy_folder(exports, subpath))
    first: Resolution | None = None
    missing: tuple[Resolution, str] | None = None
    missing_types_only = False
    for types in (False, True):
        if types and missing and usage in _LOADERS:
            break
        for via, conditions in _condition_sets(selected.names, types=types, usage=usage):
            found = selected.resolve(conditions)
            first = first or found
            if found.file is not None:
                types_only = types and (missing is None or missing_types_only)
                if files is None or _is_there(found.file, files, usage):
                    return _exported(subpath, found, via, usage, types_only=types_only)
                if missing is None:
                    missing, missing_types_only = (found, via), types
    if missing:
        return _exported(subpath, *missing, usage, types_only=missing_types_only, missing_file=True)
    assert first is not None  # noqa: S101  there is always the set for Node's own conditions
    return _refused(subpath, first, _only_under(selected), legacy_folder=_legacy_folder(exports, subpath))


def _refused(subpath: str, first: Resolution, only_under: tuple[str, ...], *, legacy_folder: bool) -> Legal:
    return Legal(
        kind=LegalKind.INVALID if first.outcome is Outcome.INVALID else LegalKind.NOT_EXPORTED,
        legal=False,
        subpath=subpath,
        resolution=first,
        only_under=only_under,
        legacy_folder=legacy_folder,
        manifest_file=subpath == "./package.json",
    )


def _exported(
    subpath: str, found: Resolution, via: str, usage: Usage, *, types_only: bool, missing_file: bool = False
) -> Legal:
    return Legal(
        kind=LegalKind.EXPORTED,
        legal=not types_only or usage in ("type", "any"),
        subpath=subpath,
        resolution=found,
        via=via,
        types_only=types_only,
        missing_file=missing_file,
        manifest_file=subpath == "./package.json",
    )


def _condition_sets(names: frozenset[str], *, types: bool, usage: Usage) -> tuple[tuple[str, frozenset[str]], ...]:
    """The sets that strangers' tools use, as far as they differ on these names; the first is Node's."""
    known = names & KNOWN_CONDITIONS
    versioned = sorted(name for name in names if name.startswith("types@")) if types else []
    return _known_sets(known.union(versioned[:_MAX_TRIED]), types, usage == "require")


@lru_cache(maxsize=1024)
def _known_sets(names: frozenset[str], types: bool, require_first: bool) -> tuple[tuple[str, frozenset[str]], ...]:
    sets: dict[frozenset[str], str] = {}
    typed = {"types", *(name for name in names if name.startswith("types@"))} if types else set()
    for environment, base in _ENVIRONMENTS:
        for mode in _MODES:
            for loader in reversed(_LOADERS) if require_first else _LOADERS:
                label = f"types {loader}" if types else f"{environment} {loader}"
                sets.setdefault(names & {*base, *typed, loader, mode}, label + (f" {mode}" if mode else ""))
    return tuple((label, conditions) for conditions, label in sets.items())


def _only_under(selected: _Selected) -> tuple[str, ...]:
    """The unknown conditions that would resolve a subpath: those that do alone, else the ones on the way together."""
    unknown = sorted(
        name
        for name in selected.names
        if name not in KNOWN_CONDITIONS and not name.startswith("types@") and not _is_index(name)
    )
    bases = [frozenset({loader, "types", *_NODE}) for loader in _LOADERS]
    alone = tuple(
        name
        for name in (unknown if len(unknown) <= _MAX_TRIED else ())
        if any(selected.resolve(base | {name}).file is not None for base in bases)
    )
    if alone or not unknown:
        return alone
    for base in bases:
        together = selected.resolve(base.union(unknown))
        if together.file is not None:
            return tuple(name for name in together.conditions if name in unknown)
    return ()


def _legacy_folder(exports: object, subpath: str) -> bool:
    """Whether a folder mapping, removed in Node 17, covers a subpath."""
    if not isinstance(exports, dict):
        return False
    keys = [key for key in exports if key.startswith(".") and key.endswith("/") and subpath.startswith(key)]
    if not keys:
        return False
    target = exports[max(keys, key=len)]
    return any(leaf.startswith("./") and leaf.endswith("/") for leaf in _leaves(target))


# -- files ---------------------------------------------------------------------------------

_DECLARED: Final = re.compile(r"\.(?:([mc]?)jsx?|json)\Z")
_CODE: Final = ("", ".js", ".json", ".node")
_TYPED: Final = (".ts", ".tsx", ".d.ts", ".mts", ".cts", ".d.mts", ".d.cts")


def _is_there(file: str, files: Collection[str], usage: Usage) -> bool:
    """Whether a target is a file; for a type also what TypeScript finds beside it (``x.js`` -> ``x.d.ts``)."""
    if file in files:
        return True
    found = _DECLARED.search(file) if usage == "type" else None
    if found is None:
        return False
    stem, kind = file[: found.start()], found[1] or ""
    return any(stem + end in files for end in (f".d.{kind}ts", f".{kind}ts", ".tsx", f".d{found[0]}.ts"))


def _found_without_map(
    manifest: Mapping[str, object], subpath: str, files: Collection[str], usage: Usage
) -> str | None:
    """The file of a package without ``exports``: Node's legacy look-up, then what TypeScript adds to it."""
    try:
        path = _decoded(_path(subpath), ()).rstrip("/") if subpath != "." else ""
    except _InvalidError:
        return None
    typed = usage in ("type", "any")
    entries = ("types", "typings", "main", "module") if usage == "type" else ("main", "module", "types", "typings")
    starts = [path]
    if not path:
        named = [value for field in entries if isinstance(value := manifest.get(field), str)]
        starts = [posixpath.normpath(value) for value in named if value] + [""]
    for start in starts:
        for candidate in _looked_up(start, typed=typed or not path):
            if candidate in files:
                return candidate
    if not typed:
        return None
    for mapped in _types_versions(manifest.get("typesVersions"), path or "index"):
        for candidate in _looked_up(posixpath.normpath(mapped), typed=True):
            if candidate in files:
                return candidate
    return None


def _looked_up(path: str, *, typed: bool) -> Iterator[str]:
    """What a path without ``exports`` may name: the file, with an extension, an index, a folder's own manifest."""
    ends = (*_CODE, *_TYPED) if typed else _CODE
    if path:
        yield from (path + end for end in ends)
        if typed and (found := _DECLARED.search(path)):
            yield path[: found.start()] + f".d.{found[1] or ''}ts"
        yield f"{path}/package.json"
    prefix = f"{path}/" if path else ""
    yield from (f"{prefix}index{end}" for end in ends[1:])


def _types_versions(value: object, path: str) -> Iterator[str]:
    """The paths that TypeScript's ``typesVersions`` gives for a path, whatever the compiler's version."""
    for table in value.values() if isinstance(value, dict) else ():
        if not isinstance(table, dict):
            continue
        match = _matching_key(table, path, exports=False)
        targets = table[match[0]] if match else None
        for target in targets if isinstance(targets, list) else ():
            if match and isinstance(target, str):
                yield target.replace("*", match[1] or "")


# -- the public name of a deep path --------------------------------------------------------

_MAX_SUGGESTIONS: Final = 8
_EXTENSIONS: Final = (".js", ".mjs", ".cjs", ".json", ".node", ".d.ts", ".d.mts", ".d.cts", ".ts", ".tsx", ".jsx")


def suggest(
    manifest: Mapping[str, object], subpath: str, files: Collection[str] | None, *, usage: Usage = "any"
) -> tuple[str, ...]:
    """The public subpaths that lead to the very file a deep path names, the best first; nothing near or alike.

    ``./dist/foo.js`` and ``./dist/foo`` give ``./foo`` where the map says ``"./foo": "./dist/foo.js"`` under any
    condition that strangers' tools set with that usage: what only ``require`` reaches is no help to an ``import``, nor
    are types to either. Those that Node's own conditions reach come first. Without ``exports``, ``main`` and its
    kin make ``.`` of their file.
    """
    subpath = re.split(r"[?#]", subpath, maxsplit=1)[0]
    try:
        wanted = _named_files(_decoded(_path(subpath), ()), files) if subpath.startswith("./") else ()
        exports = manifest.get("exports")
        if not wanted or subpath == "./":
            return ()
        if exports is None:
            entries = [manifest.get(field) for field in ("main", "module", "types", "typings")]
            main = {posixpath.normpath(entry) for entry in entries if isinstance(entry, str) and entry}
            named = {file for entry in main for file in _named_files(entry, files)} if main else {"index.js"}
            return (".",) if named.intersection(wanted[:1] if files is not None else wanted) else ()
        table, _ = _subpaths(exports)
    except _InvalidError:
        return ()
    public: dict[str, int] = {}
    tried: set[str] = set()
    for name, file in _public_names(table, wanted):
        if name == subpath or name in tried:
            continue
        tried.add(name)
        rank = _reaches(exports, name, file, usage)
        if rank is not None:
            public[name] = rank
        if len(tried) >= 8 * _MAX_SUGGESTIONS:
            break
    return tuple(sorted(public, key=lambda name: (public[name], len(name), name))[:_MAX_SUGGESTIONS])


def always_leads_to(
    manifest: Mapping[str, object], public: str, subpath: str, files: Collection[str] | None, *, usage: Usage
) -> bool:
    """Whether a public subpath is the file that a deep one names under all conditions that strangers' tools set with that
    usage and that resolve it: then one may stand for the other. For a type, a declaration is the file that it declares.
    """
    subpath = re.split(r"[?#]", subpath, maxsplit=1)[0]
    try:
        wanted = set(_named_files(_decoded(_path(subpath), ()), files))
    except _InvalidError:
        return False
    exports = manifest.get("exports")
    reached: set[str] = set()
    if exports is None:
        # Without a map Node opens `main`, and bundlers `module`.
        fields = ("types", "typings") if usage == "type" else ("main", "module")
        entries = [entry for field in fields if isinstance(entry := manifest.get(field), str) and entry]
        reached = {posixpath.normpath(entry) for entry in entries} or {"index.js"}
        reached = {file for entry in reached for file in _named_files(entry, files)[:1]}
    else:
        selected = _select_export(exports, public)
        if isinstance(selected, Resolution):
            return False
        for via, conditions in _condition_sets(selected.names, types=usage == "type", usage=usage):
            if usage not in _LOADERS or usage in via.split():
                file = selected.resolve(conditions).file
                reached.update([file] if file is not None else [])
    if usage == "type":
        reached, wanted = ({_UNTYPED.sub("", file) for file in group} for group in (reached, wanted))
    return len(reached) == 1 and reached <= wanted


_UNTYPED: Final = re.compile(r"(?:\.d)?\.[mc]?[jt]sx?\Z")


def _named_files(path: str, files: Collection[str] | None) -> tuple[str, ...]:
    """The file that a path names: itself, or with the first extension that there is a file for."""
    ends = ("", *_EXTENSIONS)
    candidates = [path + end for end in ends] if not path.endswith("/") else []
    if files is None:
        # The stem of a path that has an extension is no other file's name: x.js is never x.js.js.
        return (path,) if path.endswith(_EXTENSIONS) else tuple(candidates)
    candidates += [f"{path.rstrip('/')}/index{end}" for end in _EXTENSIONS]
    present = [candidate for candidate in candidates if candidate in files]
    return tuple(present[:1])


def _leaves(value: object, depth: int = 0) -> Iterator[str]:
    """Every target string in a value of a map."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)) and depth <= _MAX_DEPTH:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner, depth + 1)


def _public_names(table: Mapping[str, object], wanted: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Subpaths with a target that is one of these files; for a pattern the key with its ``*`` found."""
    for key, value in table.items():
        for leaf in _leaves(value):
            if len(leaf) > _MAX_TARGET:
                continue
            target = _path(leaf)
            if "*" not in key:
                for file in wanted:
                    if target == file or ("%" in target and unquote(target) == file):
                        yield key, file
            elif "*" in target:
                for file in wanted:
                    star = _star_of(target, file)
                    if star is not None:
                        yield key.replace("*", star), file


def _star_of(target: str, file: str) -> str | None:
    """What ``*`` stands for where a target names a file; each ``*`` in it stands for the same."""
    stars = target.count("*")
    length, rest = divmod(len(file) - len(target) + stars, stars)
    if length < 1 or rest:
        return None
    at = target.find("*")
    star = file[at : at + length]
    return star if target.replace("*", star) == file else None


def _reaches(exports: object, name: str, file: str, usage: Usage) -> int | None:
    """How ordinary the conditions are under which a public subpath leads to a file (0 is Node's own); None: none do."""
    selected = _select_export(exports, name)
    if isinstance(selected, Resolution):
        return None
    sets = _condition_sets(selected.names, types=False, usage=usage)
    if usage not in _LOADERS:
        sets += _condition_sets(selected.names, types=True, usage=usage)
    for rank, (via, conditions) in enumerate(sets):
        if (usage not in _LOADERS or usage in via.split()) and selected.resolve(conditions).file == file:
            return rank
    return None
