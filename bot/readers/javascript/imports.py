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
from bot.readers.javascript.candidates import EVERYTHING, MOCKS, candidates, decode

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


class _Use(msgspec.Struct, frozen=True):
    """What a string is used for."""

    kind: ImportKind
    names: tuple[str, ...] = ()
    types: bool = False


def parse_imports(path: str, data: bytes) -> ParsedImports:
    """The imports of a file, by its suffix (`SUFFIXES`).

    Raises `ReadError`: ``too-large`` (over `LIMIT`), ``unsupported-format`` (another suffix).
    """
    if len(data) > LIMIT:
        raise ReadError("too-large", f"{len(data)} bytes of source; {LIMIT} are read at most")
    suffix = path[path.rfind(".") :].lower()
    if suffix in sfc.SUFFIXES:
        return _parse_component(path.lower(), data)
    language = _LANGUAGE_OF.get(suffix)
    if language is None:
        raise ReadError("unsupported-format", f"no JavaScript or TypeScript by its suffix: {suffix}")
    parsed = _parse_script(data, language)
    if not _DECLARATIONS.search(path):
        return parsed
    return ParsedImports(tuple(_as_type(item) for item in parsed.imports), parsed.broken)


_DECLARATIONS = re.compile(r"\.d\.(?:[^./]+\.)?[cm]?ts\Z", re.IGNORECASE)


def _as_type(item: Import) -> Import:
    """A declaration file calls nothing, so that its ``import("x")`` is a type even where the tree is broken."""
    return msgspec.structs.replace(item, kind=ImportKind.TYPE, types=True) if item.kind is ImportKind.DYNAMIC else item


def _parse_component(path: str, data: bytes) -> ParsedImports:
    parts = sfc.component(path, data)
    found: dict[int, Import] = {}
    broken = parts.broken
    for start, end in parts.sources:
        source = decode(data[start:end].replace(b"\\", b"\\\\"))
        if source.startswith(".") or (path.endswith(".vue") and source and source[0] != "/" and ":" not in source):
            found[start] = Import(source, ImportKind.IMPORT, start, end)
    for script in parts.scripts:
        parsed = _parse_script(data[script.start : script.end], script.language)
        broken = broken or parsed.broken
        for item in parsed.imports:
            moved = msgspec.structs.replace(item, start=item.start + script.start, end=item.end + script.start)
            found[moved.start] = moved
    taken = [(script.start, script.end) for script in parts.scripts] + list(parts.comments)
    for item in candidates(data, EVERYTHING):
        if item.start in found or any(start <= item.start < end for start, end in taken):
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
    found = []
    comments = _Comments(data, typescript=language in ("ts", "tsx"))
    for string in strings:
        use = _use(root, string, data, comments, broken=broken)
        if use is None:
            continue
        specifier = string.specifier
        if use.kind is ImportKind.REFERENCE and not use.types and not re.match(r"\.\.?[/\\]|[/\\]|\w:", specifier):
            specifier = "./" + specifier
        types = use.types or use.kind in (ImportKind.TYPE, ImportKind.REFERENCE)
        found.append(Import(specifier, use.kind, string.start, string.end, use.names, types))
    return ParsedImports(tuple(found), broken)


def _tree(data: bytes, language: str) -> Node:
    """The best tree to be had: of the text as it is, or with masks over what the grammars lack."""
    grammars = ("js", "tsx") if language in ("js", "jsx") else (language,)
    first: Node | None = None
    for masked in (True, False) if _MISREAD.search(data) else (False, True):
        text = _mask(data) if masked else data
        for grammar in grammars:
            root = _parser(grammar).parse(text).root_node
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
        text[match.start() : match.end()] = b"_" * (match.end() - match.start())
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


def _use(root: Node, string: Import, data: bytes, comments: _Comments, *, broken: bool) -> _Use | None:
    node = root.descendant_for_byte_range(string.start - 1, string.end + 1)
    if node is None:
        return None
    if node.type in ("comment", "html_comment"):
        return comments.use(node, string)
    use = None
    if node.type in ("string", "template_string") and node.start_byte == string.start - 1:
        if node.end_byte != string.end + 1:
            return None
        use = _by_tree(node, data)
    elif node.type.endswith("identifier") and _text(node).startswith("______"):
        return _masked_import(node)
    elif not broken or node.type in ("string", "template_string", "regex", "string_fragment"):
        return None
    return _by_text(data, string) if use is None and broken else use


_WRAPPERS = ("parenthesized_expression", "as_expression", "satisfies_expression", "non_null_expression")


def _by_tree(node: Node, data: bytes) -> _Use | None:
    child, parent = node, node.parent
    while parent is not None and parent.type in _WRAPPERS:
        child, parent = parent, parent.parent
    if parent is None:
        return None
    match parent.type:
        case "import_statement":
            return _static_import(parent)
        case "import_require_clause":
            statement = parent.parent
            typed = statement is not None and any(part.type == "type" for part in statement.children)
            return _Use(ImportKind.REQUIRE, types=typed)
        case "export_statement":
            return _static_export(parent, data) if parent.child_by_field_name("source") == node else None
        case "arguments":
            return _argument(parent, child)
        case "array":
            outer = parent.parent
            use = _argument(outer, parent) if outer is not None and outer.type == "arguments" else None
            return _positive(node, use) if use is not None and use.kind is ImportKind.GLOB else None
    return None


def _text(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "surrogateescape") if node is not None else ""


def _name(node: Node | None) -> str:
    """An identifier, or the value of a string that stands for one."""
    text = _text(node)
    return decode(text[1:-1].encode("utf-8", "surrogateescape")) if text[:1] in ("'", '"') else text


def _static_import(statement: Node) -> _Use:
    names: list[str] = []
    typed: list[bool] = []
    for clause in statement.children:
        if clause.type in ("type", "typeof"):
            return _Use(ImportKind.TYPE, _use_names(statement), types=True)
        if clause.type != "import_clause":
            continue
        for part in clause.named_children:
            if part.type == "identifier":
                names.append("default")
                typed.append(False)
            elif part.type == "namespace_import":
                names.append("*")
                typed.append(False)
            elif part.type == "named_imports":
                for item in part.named_children:
                    if item.type == "import_specifier":
                        names.append(_name(item.child_by_field_name("name")))
                        typed.append(item.children[0].type in ("type", "typeof"))
    return _Use(ImportKind.IMPORT, _unique(names), types=bool(typed) and all(typed))


def _use_names(statement: Node) -> tuple[str, ...]:
    names: list[str] = []
    for clause in statement.children:
        if clause.type != "import_clause":
            continue
        for part in clause.named_children:
            if part.type == "identifier":
                names.append("default")
            elif part.type == "namespace_import":
                names.append("*")
            else:
                names += [_name(item.child_by_field_name("name")) for item in part.named_children]
    return _unique(names)


def _static_export(statement: Node, data: bytes) -> _Use:
    names: list[str] = []
    typed: list[bool] = []
    kind = ImportKind.EXPORT
    if re.compile(rb"export\s+type\b").match(data, statement.start_byte):
        kind = ImportKind.TYPE
    for part in statement.children:
        if part.type in ("*", "namespace_export"):
            names.append("*")
            typed.append(False)
        elif part.type == "export_clause":
            for item in part.named_children:
                if item.type == "export_specifier":
                    names.append(_name(item.child_by_field_name("name")))
                    typed.append(item.children[0].type == "type")
    return _Use(kind, _unique(names), types=kind is ImportKind.TYPE or (bool(typed) and all(typed)))


def _unique(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _argument(arguments: Node, child: Node) -> _Use | None:
    """The use of a string that is the first argument of a call."""
    if child.start_byte != next((p.start_byte for p in arguments.named_children if p.type != "comment"), -1):
        return None
    call = arguments.parent
    if call is None:
        return None
    if call.type == "new_expression":
        return _Use(ImportKind.URL) if _is_module_url(call, arguments) else None
    if call.type != "call_expression":
        return None
    callee = call.child_by_field_name("function")
    return _called(callee, call) if callee is not None else None


def _is_module_url(call: Node, arguments: Node) -> bool:
    rest = [part for part in arguments.named_children if part.type != "comment"]
    return (
        _text(call.child_by_field_name("constructor")) == "URL"
        and len(rest) > 1
        and re.sub(r"\s", "", _text(rest[1])) == "import.meta.url"
    )


def _called(callee: Node, call: Node) -> _Use | None:
    while callee.type in ("parenthesized_expression", "non_null_expression", "await_expression"):
        if not callee.named_children:
            return None
        callee = callee.named_children[-1]
    if callee.type == "import":
        if _is_type(call):
            return _Use(ImportKind.TYPE, _member_names(call), types=True)
        return _Use(ImportKind.DYNAMIC, _bound_names(call, awaited=True))
    if callee.type == "identifier":
        return _Use(ImportKind.REQUIRE, _bound_names(call, awaited=False)) if _text(callee) == "require" else None
    if callee.type != "member_expression":
        return None
    target, name = callee.child_by_field_name("object"), _text(callee.child_by_field_name("property"))
    if target is None:
        return None
    if name in ("glob", "globEager") and target.type == "meta_property":
        first = next((part for part in _arguments(call) if part.type != "comment"), None)
        return _positive(first, _Use(ImportKind.GLOB))
    if name == "resolve" and (target.type == "meta_property" or _text(target) == "require"):
        return _Use(ImportKind.RESOLVE)
    if name == "require" and _text(target) == "module":
        return _Use(ImportKind.REQUIRE, _bound_names(call, awaited=False))
    if name in MOCKS and _is_mocker(target, name):
        return _Use(ImportKind.MOCK)
    return None


def _arguments(call: Node) -> list[Node]:
    arguments = call.child_by_field_name("arguments")
    return arguments.named_children if arguments is not None else []


def _positive(node: Node | None, use: _Use) -> _Use | None:
    """A pattern that excludes imports nothing."""
    return None if _text(node)[1:2] == "!" else use


def _is_mocker(target: Node, name: str) -> bool:
    """``jest``, ``vi``, and chains of calls on them; for ``.module``, ``mock`` or ``t.mock``."""
    if name == "module":
        return re.fullmatch(r"(?:\w+\.)?mock", _text(target)) is not None
    inner: Node | None = target
    while inner is not None and inner.type in ("call_expression", "member_expression"):
        inner = inner.child_by_field_name("function") or inner.child_by_field_name("object")
    return _text(inner) in ("jest", "vi", "vitest")


def _masked_import(node: Node) -> _Use:
    """The use of an ``import("x")`` that a mask made an identifier."""
    if node.type == "identifier":
        outer = node.parent
        while outer is not None and outer.type in ("nested_identifier", "member_expression", "subscript_expression"):
            outer = outer.parent
        if outer is None or outer.type not in ("nested_type_identifier", "type_query"):
            return _Use(ImportKind.DYNAMIC, _bound_names(node, awaited=True))
    return _Use(ImportKind.TYPE, _member_names(node), types=True)


_TYPE_PLACES = ("constraint", "implements_clause", "extends_clause")


def _is_type(call: Node) -> bool:
    """Whether ``import("x")`` stands in a type."""
    node, parent = call, call.parent
    while parent is not None and parent.type in ("member_expression", "subscript_expression", "ERROR"):
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type in ("as_expression", "satisfies_expression"):
        return parent.named_children[-1] == node and parent.named_child_count > 1
    if parent.type == "type_assertion":
        return False
    return "type" in parent.type or parent.type in _TYPE_PLACES


def _member_names(call: Node) -> tuple[str, ...]:
    """``B`` of ``import("a").B``."""
    parent = call.parent
    if parent is None or parent.named_child_count < 2 or parent.named_children[0] != call:
        return ()
    if parent.type in ("member_expression", "nested_identifier"):
        return _unique([_text(parent.child_by_field_name("property"))])
    return _unique([_text(parent.child_by_field_name("name"))]) if parent.type == "nested_type_identifier" else ()


def _bound_names(call: Node, *, awaited: bool) -> tuple[str, ...]:
    """Names taken from a module's value: ``const {a, b: c} = require("x")``, ``require("x").a``."""
    node, parent, waits = call, call.parent, awaited
    while parent is not None and parent.type in ("await_expression", *_WRAPPERS):
        waits = waits and parent.type != "await_expression"
        node, parent = parent, parent.parent
    if parent is None or waits:
        return ()
    if parent.type == "member_expression":
        return _member_names(node)
    if parent.type == "variable_declarator":
        return _pattern_names(parent.child_by_field_name("name"))
    if parent.type == "assignment_expression":
        return _pattern_names(parent.child_by_field_name("left"))
    return ()


def _pattern_names(pattern: Node | None) -> tuple[str, ...]:
    if pattern is None or pattern.type != "object_pattern":
        return ()
    names: list[str] = []
    for part in pattern.named_children:
        match part.type:
            case "shorthand_property_identifier_pattern":
                names.append(_text(part))
            case "object_assignment_pattern":
                names.append(_text(part.child_by_field_name("left")))
            case "pair_pattern":
                key = part.child_by_field_name("key")
                names.append("*" if key is not None and key.type == "computed_property_name" else _name(key))
            case "rest_pattern":
                names.append("*")
    return _unique(names)


_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?(?:#![^\r\n]*+)?(?:\s++|//[^\r\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_DIRECTIVE = re.compile(rb"///\s*<reference\s[^>]*?\b(path|types)\s*=\s*[\"']\Z")
_JSDOC_FROM = re.compile(rb"@import\b([^@]*?)(?:\bfrom)?\s*[\"']\Z")
_JSDOC_CALL = re.compile(rb"\bimport\s*\(\s*[\"'`]\Z")
_TAG = re.compile(rb"@[A-Za-z]+\s*\{|[{}]|@(?:type|this|enum)[^\S\r\n]+[^{\s][^\r\n]*")


_TEMPLATE_DEFAULT = re.compile(rb"@template\b[^\r\n\[]*\[\s*[\w$]+\s*=([^\r\n]*)")


class _Comments:
    """What counts in the comments of one file: triple-slash directives before the first statement, and, in JavaScript,
    the types of JSDoc's tags. Each comment is read once."""

    def __init__(self, data: bytes, *, typescript: bool) -> None:
        self._data = data
        self._typescript = typescript
        self._head = -1
        self._start = -1
        self._spans: list[tuple[int, int]] = []

    def use(self, comment: Node, string: Import) -> _Use | None:
        data, start = self._data, comment.start_byte
        if data.startswith(b"///", start):
            directive = _DIRECTIVE.match(data, start, string.start)
            if directive is None:
                return None
            if self._head < 0:
                self._head = _HEAD.match(data).end()  # type: ignore[union-attr]  # it matches nothing too
            return _Use(ImportKind.REFERENCE, types=directive[1] == b"types") if string.end < self._head else None
        if self._typescript or not data.startswith(b"/**", start):
            return None
        tag = data.rfind(b"@import", max(start, string.start - 10_000), string.start)
        if tag >= 0 and (found := _JSDOC_FROM.match(data, tag, string.start)):
            return _Use(ImportKind.TYPE, _clause_names(found[1].decode("utf-8", "replace")), types=True)
        if not _JSDOC_CALL.search(data, max(start, string.start - 100), string.start):
            return None
        if self._start != start:
            self._start, self._spans = start, _tag_spans(data, start, comment.end_byte)
        at = bisect_right(self._spans, (string.start, len(data))) - 1
        if at < 0 or string.start >= self._spans[at][1]:
            return None
        member = _MEMBER.match(data, string.end + 1, comment.end_byte)
        return _Use(ImportKind.TYPE, (member[1].decode(),) if member else (), types=True)


_MEMBER = re.compile(rb"\s*\)\s*\.\s*([\w$]+)")


def _tag_spans(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """The insides of the braces that follow a tag: ``@type {...}``; ``@type`` may go without, to its line's end."""
    spans: list[tuple[int, int]] = []
    depth, opened = 0, -1
    for match in _TAG.finditer(data, start, end):
        token = match[0]
        if token == b"}":
            depth = max(0, depth - 1)
            if not depth and opened >= 0:
                spans.append((opened, match.start()))
                opened = -1
        elif token == b"{":
            depth += 1
        elif token.endswith(b"{"):
            if opened < 0:
                depth, opened = 0, match.end()
            depth += 1
        elif opened < 0:
            spans.append(match.span())
    if opened >= 0:
        spans.append((opened, end))
    spans += [match.span(1) for match in _TEMPLATE_DEFAULT.finditer(data, start, end)]
    return sorted(spans)


def _clause_names(clause: str) -> tuple[str, ...]:
    """Names of ``a, {b as c}, * as ns``, from its text."""
    names: list[str] = []
    outer, _, rest = clause.replace("*/", "").partition("{")
    for part in outer.split(","):
        text = part.strip(" \t\r\n")
        if text:
            names.append("*" if text.startswith("*") else "default")
    for part in rest.partition("}")[0].split(","):
        words = [word for word in part.split() if word != "*"]
        if words:
            names.append(words[1] if words[0] == "type" and len(words) > 1 and words[1] != "as" else words[0])
    return _unique(names)


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
_WINDOW = 1000


def _by_text(data: bytes, string: Import) -> _Use | None:
    """The use of a string by the text before it, where there is no tree to trust."""
    low = max(0, string.start - 1 - _WINDOW)
    before = data[low : string.start - 1]
    for pattern, kind in _TEXT_KINDS:
        found = pattern.search(before)
        if found is None:
            continue
        if kind is ImportKind.URL and not re.match(rb".\s*,\s*import\.meta\.url", data[string.end : string.end + 60]):
            return None
        if kind is ImportKind.DYNAMIC and _TYPE_BEFORE.search(before, 0, found.start()):
            return _Use(ImportKind.TYPE, types=True)
        return _Use(kind)
    if _IMPORT_BARE.search(before):
        return _Use(ImportKind.IMPORT)
    source = _FROM.search(before)
    if source is None:
        return None
    statements = list(_STATEMENT.finditer(before, 0, source.start()))
    if not statements:
        return None
    clause = before[statements[-1].end() : source.start()]
    typed = re.match(rb"\s+(?:type|typeof)\b(?!\s*(?:,|\Z))", clause) is not None
    kind = ImportKind.EXPORT if statements[-1][1] == b"export" else ImportKind.IMPORT
    names = _clause_names(re.sub(rb"^\s+type\b" if typed else rb"^", b"", clause).decode("utf-8", "replace"))
    return _Use(ImportKind.TYPE if typed else kind, names, types=typed)
