"""What JavaScript and TypeScript files import, by tree-sitter; Vue, Svelte and Astro through `sfc`.

The cheap filter names every string that stands where a specifier may; the syntax tree then says of each what it is.
Where the tree has errors, and in the places that the grammar is known to misread, the text before the string
decides instead.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from bot.errors import ReadError
from bot.facts.module import Import, ImportKind
from bot.readers.javascript import sfc
from bot.readers.javascript.budget import Budget, parse_within
from bot.readers.javascript.candidates import EVERYTHING, MOCKS, candidates
from bot.readers.javascript.comments import Comments, clause_names
from bot.readers.javascript.uses import MASK, Use, Uses, paths

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

__all__ = ["LIMIT", "SUFFIXES", "ParsedImports", "parse_imports"]

LIMIT = 20 * 1024 * 1024  # bytes of a file

_LANGUAGE_OF = {
    ".js": "js",
    ".jsx": "js",
    ".mjs": "js",
    ".cjs": "js",
    ".ts": "ts",
    ".mts": "ts",
    ".cts": "ts",
    ".tsx": "tsx",
}
SUFFIXES = (*_LANGUAGE_OF, *sfc.SUFFIXES)


class ParsedImports(msgspec.Struct, frozen=True):
    """Imports in the file's order. ``broken``: the tree had errors, so that some rest on the text alone."""

    imports: tuple[Import, ...]
    broken: bool


def parse_imports(path: str, data: bytes) -> ParsedImports:
    """The imports of a file, by its suffix (`SUFFIXES`); without one it is a script, and its first line says what runs it.

    Raises `ReadError`: ``too-large`` (over `LIMIT`), ``too-deep`` (its tree takes more than `bot.readers.javascript.budget`
    allows), ``unsupported-format`` (another suffix).
    """
    if len(data) > LIMIT:
        raise ReadError("too-large", f"{len(data)} bytes of source; {LIMIT} are read at most")
    name = path.rpartition("/")[2]
    suffix = name[name.rfind(".") :].lower() if "." in name else ".ts" if _TYPED.match(data) else ".js"
    if suffix in sfc.SUFFIXES:
        return _parse_component(path.lower(), data)
    language = _LANGUAGE_OF.get(suffix)
    if language is None:
        raise ReadError("unsupported-format", f"no JavaScript or TypeScript by its suffix: {suffix}")
    parsed = _parse_script(data, language)
    if not _DECLARATIONS.search(path):
        return parsed
    return ParsedImports(tuple(_as_type(item) for item in parsed.imports), parsed.broken)


_TYPED = re.compile(rb"#![^\r\n]*\b(?:bun|deno|tsx|ts-node)\b")
_DECLARATIONS = re.compile(r"\.d\.(?:[^./]+\.)?[cm]?ts\Z", re.IGNORECASE)


def _as_type(item: Import) -> Import:
    """A declaration file calls nothing, so that its ``import("x")`` is a type even where the tree is broken."""
    return msgspec.structs.replace(item, kind=ImportKind.TYPE, types=True) if item.kind is ImportKind.DYNAMIC else item


def _parse_component(path: str, data: bytes) -> ParsedImports:
    parts = sfc.component(path, data)
    found: dict[int, Import] = {}
    broken = parts.broken
    for start, end in parts.sources:
        source = data[start:end].decode("utf-8", "surrogateescape")
        if source.startswith(".") or (path.endswith(".vue") and source and source[0] != "/" and ":" not in source):
            found[start] = Import(source, ImportKind.IMPORT, start, end)
    for script in parts.scripts:
        parsed = _parse_script(data[script.start : script.end], script.language)
        broken = broken or parsed.broken
        for item in parsed.imports:
            moved = msgspec.structs.replace(item, start=item.start + script.start, end=item.end + script.start)
            found[moved.start] = moved
    taken = sorted([(script.start, script.end) for script in parts.scripts] + list(parts.comments))
    for item in candidates(data, EVERYTHING):
        at = bisect_right(taken, (item.start, len(data))) - 1
        if item.start in found or (at >= 0 and item.start < taken[at][1]):
            continue
        use = _by_text(data, item)
        if use is not None and use.kind not in (ImportKind.IMPORT, ImportKind.EXPORT, ImportKind.TYPE):
            found[item.start] = msgspec.structs.replace(item, kind=use.kind)
    return ParsedImports(tuple(found[start] for start in sorted(found)), broken)


def _parse_script(data: bytes, language: str) -> ParsedImports:
    strings = candidates(data, EVERYTHING)
    if not strings:
        return ParsedImports((), False)
    root = _tree(data, language)
    broken = root.has_error
    uses, comments = Uses(data), Comments(data, typescript=language in ("ts", "tsx"))
    found = []
    for string, path in paths(root, strings):
        node = path[-1]
        exact = node.start_byte == string.start - 1 and node.end_byte == string.end + 1
        use = None
        if node.type in ("comment", "html_comment"):
            use = comments.use(node, string)
        elif (exact and node.type in ("string", "template_string")) or _is_mask(node):
            use = uses.of(path) or (_by_text(data, string) if broken else None)
        elif broken and node.type not in ("string", "template_string", "regex", "string_fragment"):
            use = _by_text(data, string)
        if use is None:
            continue
        specifier = string.specifier
        if use.kind is ImportKind.REFERENCE and not use.types and not _PATH.match(specifier):
            specifier = "./" + specifier
        types = use.types or use.kind is ImportKind.REFERENCE
        found.append(Import(specifier, use.kind, string.start, string.end, use.names, types))
    return ParsedImports(tuple(found), broken)


_PATH = re.compile(r"\.\.?[/\\]|[/\\]|[A-Za-z]:")


def _is_mask(node: Node) -> bool:
    return (
        node.type.endswith("identifier") and node.end_byte - node.start_byte > 8 and not (node.text or b"").strip(MASK)
    )


def _tree(data: bytes, language: str) -> Node:
    """The best tree to be had: of the text as it is, or with masks over what the grammars lack."""
    budget = Budget()
    grammars = ("js", "tsx") if language in ("js", "jsx") else (language,)
    first: Node | None = None
    for masked in (True, False) if _MISREAD.search(data) else (False, True):
        text = _mask(data) if masked else data
        for grammar in grammars:
            root = parse_within(budget, _parser(grammar), text).root_node
            if not root.has_error:
                return root
            if not masked:
                first = first or root
    assert first is not None  # noqa: S101 - both lists are fixed, and each has an unmasked round
    return first


# The grammars (typescript 0.23, javascript 0.25) lack `export type *`, `export import a = require()`, deferred and source
# phase imports, variance annotations, default functions without a body, and most of what may follow `import("a")` in
# a type. Masks keep every offset.
_INNER = rb"(?:\s|/\*(?:[^*]|\*(?!/)){0,500}+\*/|//[^\r\n]{0,500}+[\r\n])*+"
_MISREAD = re.compile(rb"<\s*(?:typeof\s+)?import\s*\(")
_BLANKED = re.compile(
    rb"\bexport\s+(?P<type>type)\s*\*|\b(?P<export>export)\s+import\s+(?:type\s+)?[\w$]+\s*=\s*require\b"
    rb"|\bimport\s+(?P<defer>defer)\s*\*|\bimport\s+(?P<source>source)\s+(?!from\b)[\w$]+\s+from\b"
    rb"|\bimport\s+(?P<source_from>source)\s+from\s+from\b|\bimport\s*(?P<phase>\.\s*(?:defer|source))\s*\("
    rb"|[<,]" + _INNER + rb"(?P<variance>(?:in\s+)?out|in)(?=\s+[A-Za-z_$][\w$]*\s*(?:[,>=]|extends\b))"
)
_DEFAULT_FUNCTION = re.compile(rb"\bexport\s+(default\s+function)\s*\(")
_IMPORT_CALL = re.compile(
    rb"(?<![\w$.])import" + _INNER + rb"\(" + _INNER + rb"(?:\"[^\"\\\r\n]*+\"|'[^'\\\r\n]*+')" + _INNER + rb",?\s*\)"
)


def _mask(data: bytes) -> bytes:
    """The same text, byte for byte as long, without what the grammars lack."""
    text = bytearray(data)
    for match in _BLANKED.finditer(data):
        start, end = match.span(match.lastgroup or 0)
        text[start:end] = b" " * (end - start)
    for match in _DEFAULT_FUNCTION.finditer(data):
        text[match.start(1) : match.end(1)] = b"function _".ljust(match.end(1) - match.start(1))
    for match in _IMPORT_CALL.finditer(data):
        text[match.start() : match.end()] = MASK * (match.end() - match.start())
    return bytes(text)


@lru_cache(maxsize=3)
def _parser(language: str) -> Parser:
    from tree_sitter import Language, Parser

    if language in ("js", "jsx"):
        import tree_sitter_javascript

        return Parser(Language(tree_sitter_javascript.language()))
    import tree_sitter_typescript

    if language == "ts":
        return Parser(Language(tree_sitter_typescript.language_typescript()))
    return Parser(Language(tree_sitter_typescript.language_tsx()))


# What stands before a specifier, by its text alone.
_GAP = rb"(?:\s|/\*(?:[^*]|\*(?!/))*\*/|//[^\r\n]*[\r\n])*"
_TEXT_KINDS = (
    (
        re.compile(rb"(?<![\w$.])(?:import(?:\s*\.\s*(?:defer|source))?)" + _GAP + rb"\(" + _GAP + rb"\Z"),
        ImportKind.DYNAMIC,
    ),
    (re.compile(rb"(?<![\w$.])(?:module\.)?require(?:\?\.)?" + _GAP + rb"\(" + _GAP + rb"\Z"), ImportKind.REQUIRE),
    (re.compile(rb"(?<![\w$.])(?:require|import\.meta)\.resolve\s*\(" + _GAP + rb"\Z"), ImportKind.RESOLVE),
    (re.compile(rb"\bimport\.meta\.glob(?:Eager)?\s*(?:<[^;]*>)?\s*\(\s*\[?\s*\Z"), ImportKind.GLOB),
    (
        re.compile(rb"\.\s*(?:" + "|".join(MOCKS).encode() + rb")\s*(?:<[^;]*>)?\s*\(" + _GAP + rb"\Z"),
        ImportKind.MOCK,
    ),
    (re.compile(rb"\bnew\s+URL\s*\(" + _GAP + rb"\Z"), ImportKind.URL),
)
_IMPORT_BARE = re.compile(rb"(?<![\w$.])import\s*\Z")
_FROM = re.compile(rb"(?<![\w$.])from" + _GAP + rb"\Z")
_STATEMENT = re.compile(rb"(?<![\w$.])(import|export)\b")
_TYPE_BEFORE = re.compile(rb"(?:[:<|&,]|\btypeof|\bkeyof|\bextends|\bimplements|\bas)\s*\Z")
_WINDOW, _NEAR = 1000, 200  # bytes looked at, with comments and without


def _by_text(data: bytes, string: Import) -> Use | None:
    """The use of a string by the text before it, where there is no tree to trust."""
    low = max(0, string.start - 1 - _WINDOW)
    before = data[low : string.start - 1]
    near = before[-_NEAR:]
    call = before if b"*/" in near or b"//" in near else near
    for pattern, kind in _TEXT_KINDS:
        found = pattern.search(call)
        if found is None:
            continue
        if kind is ImportKind.URL and not re.match(rb".\s*,\s*import\.meta\.url", data[string.end : string.end + 60]):
            return None
        if kind is ImportKind.DYNAMIC and _TYPE_BEFORE.search(call, 0, found.start()):
            return Use(ImportKind.TYPE, types=True)
        return Use(kind)
    if _IMPORT_BARE.search(before):
        return Use(ImportKind.IMPORT)
    source = _FROM.search(before)
    if source is None:
        return None
    statements = list(_STATEMENT.finditer(before, 0, source.start()))
    if not statements:
        return None
    clause = before[statements[-1].end() : source.start()]
    typed = re.match(rb"\s+(?:type|typeof)\b(?!\s*(?:,|\Z))", clause) is not None
    kind = ImportKind.EXPORT if statements[-1][1] == b"export" else ImportKind.IMPORT
    names = clause_names(re.sub(rb"^\s+type\b" if typed else rb"^", b"", clause).decode("utf-8", "replace"))
    return Use(ImportKind.TYPE if typed else kind, names, types=typed)
