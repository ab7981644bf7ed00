"""Policy files -> the policy in force, or every error at once, each with file, line and column.

Three files may speak: the organisation's, its private overlay, and the repository's own. The first that is there of
organisation and repository is the base. The overlay, and a repository's file under an organisation's, may only
tighten it: `_STRATEGIES` says for each key what that means.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import inspect

from bot.errors import RingfenceError
from bot.model import Place
from bot.names import PackageName, RepoName
from bot.patterns import common_text
from bot.policy import Open, Policy, PolicyTables, repository_matches
from bot.policy_checks import (
    CHECKS,
    Show,
    package_pattern,
    quoted,
    same_package,
    same_path,
    same_repository,
)
from bot.text import printable
from bot.toml_places import Pointer, Spot, spots

__all__ = ["MAX_POLICY", "PolicyError", "Problem", "load_policy"]

MAX_POLICY = 1024 * 1024
# More than anyone reads, and a bound on the work that a hostile file can cause.
_PROBLEMS_MAX = 100
_DEPTH_MAX = 32


class Problem(NamedTuple):
    """One thing that is wrong with a policy. ``line`` and ``column`` count from 1; 0: the file as a whole."""

    path: str
    line: int
    column: int
    key: str
    what: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        key = f" {self.key}:" if self.key else ""
        return f"{place}:{key} {self.what}. {self.remedy}"


class PolicyError(RingfenceError):
    """Everything that is wrong with the policy, one problem a line, in the order of the files and their lines."""

    def __init__(self, problems: tuple[Problem, ...], *, more: bool = False) -> None:
        lines = [str(problem) for problem in problems]
        if more:
            lines.append("and more.")
        super().__init__("\n".join(lines))
        self.problems = problems


def load_policy(
    *,
    repository_file: tuple[str, bytes] | None,
    organisation_file: tuple[str, bytes] | None,
    overlay_file: tuple[str, bytes] | None,
    open_patterns: tuple[str, ...] = (),
    rule_ids: Collection[str],
    identity: RepoName | None,
    vouched: bool = False,
    today: datetime.date | None = None,
    folder: str = "",
) -> Policy:
    """The policy in force for one repository (in ``folder``, for messages). Raises `PolicyError` with everything that is wrong.

    Files are pairs of a label, which stands in messages and places, and bytes. The overlay's label and what it says
    appear in no message but its own errors, and there without its values.
    ``rule_ids`` may map each id to its default `Severity`; with ids alone, a severity that the organisation does not set
    counts as ``error``, which a repository cannot raise.
    ``open_patterns`` stand in for a policy file; together with one they are refused.
    ``vouched``: the repository's file is not that of whoever is judged by it (it is that of a base). Otherwise it names no
    variable whose value would be sent away.
    """
    problems = _Problems()
    levels = dict(rule_ids) if isinstance(rule_ids, Mapping) else dict.fromkeys(rule_ids, "error")
    organisation = problems.document("organisation", organisation_file)
    repository = problems.document("repository", repository_file)
    overlay = problems.document("overlay", overlay_file)
    given = [document for document in (organisation, overlay, repository) if document is not None]
    base = organisation or repository
    for document in given:
        document.read(problems, levels, whole=document is base)

    merged = _Merged(problems, levels, identity)
    assumed: tuple[str, ...] = ()
    if base is not None:
        merged.begin(base)
        if base is repository and not vouched:
            merged.withhold_tokens(base)
        if open_patterns:
            what = f"it stands beside a policy file, {printable(base.label)}"
            problems.add_at("--open", 0, 0, what, "Leave --open out; [open].packages says what is open.")
    elif open_patterns:
        _check_open(open_patterns, problems)
        merged.tree["open"] = {"packages": list(open_patterns)}
        assumed = _assumed(open_patterns)
    else:
        remedy = "Write one with `ringfence init`, or say what is open with --open '@scope/*'."
        what = f"there is no policy in {printable(folder)}" if folder else "there is no policy"
        problems.add_at("ringfence.toml", 0, 0, what, remedy)
    if overlay is not None:
        merged.tighten(overlay)
    if organisation is not None and repository is not None:
        merged.tighten(repository)
    merged.contradictions()
    private_names = _private_names(overlay, problems) if overlay is not None else ()
    problems.settle()

    try:
        tables = msgspec.convert(merged.tree, PolicyTables)
    except msgspec.ValidationError as error:  # the walk below missed something that the types forbid
        raise PolicyError((Problem(base.label if base else "--open", 0, 0, "", str(error), "Mend it."),)) from None
    return Policy(
        tables=tables,
        places=_Places(merged.origins),
        private_names=private_names,
        own_names=merged.words_of(repository) if organisation is not None else (),
        assumed=assumed,
        overlay=overlay is not None,
        notes=tuple(merged.notes),
        today=today or datetime.datetime.now(datetime.UTC).date(),
    )


# -- without a file ----------------------------------------------------------------------------


def _check_open(patterns: tuple[str, ...], problems: _Problems) -> None:
    for pattern in patterns:
        flaw = package_pattern(pattern, quoted)
        if flaw is not None:
            problems.add_at("--open", 0, 0, *flaw)


def _assumed(patterns: tuple[str, ...]) -> tuple[str, ...]:
    names = [printable(pattern) for pattern in patterns]
    said = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return (
        f"for want of a policy {said} {'is' if len(names) == 1 else 'are'} open, everything else is private",
        "no package is private by name: an open one that uses it is found only inside a workspace",
        "open packages are pinned to one exact version",
        "a subpath of a package without an exports map is a warning",
        "no naming scheme is set",
    )


# -- documents and problems --------------------------------------------------------------------


class _Document(msgspec.Struct, kw_only=True, eq=False):
    """One policy file. ``tree`` is what it says, without what is wrong; a list item that is wrong is None."""

    label: str
    data: bytes
    role: str
    tree: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def show(self) -> Show:
        return (lambda _: "this value") if self.role == "overlay" else quoted

    def read(self, problems: _Problems, levels: Mapping[str, str], *, whole: bool) -> None:
        """Parse and check it. ``whole``: it is the policy, not an addition to one."""
        raw = _parse(self, problems)
        if raw is None:
            return
        try:
            self.tree = _Walk(self, problems, levels, whole=whole).table(raw)
        except _EnoughError:
            return

    def position(self, pointer: Pointer) -> tuple[int, int]:
        """Line and column, from 1, of what a pointer leads to."""
        return _line_of_pointer(spots(self.data), self.data.split(b"\n"), pointer, key=False)

    def name(self, pointer: Pointer) -> str:
        """A dotted key for a message. Of the overlay, names that it chose itself stay unsaid."""
        parts = [str(part) for part in pointer]
        if self.role == "overlay":
            known = _known_keys()
            parts = [
                part if isinstance(key, int) or key in known else "…" for part, key in zip(parts, pointer, strict=True)
            ]
        return printable(".".join(part if len(part) <= 80 else part[:77] + "..." for part in parts))


class _Problems:
    """Collects what is wrong, and finds lines and columns once, at the end."""

    def __init__(self) -> None:
        self._documents: list[_Document] = []
        self._loose: list[Problem] = []
        self._keyed: list[tuple[_Document, Pointer, bool, str, str]] = []

    @property
    def full(self) -> bool:
        return len(self._loose) + len(self._keyed) > _PROBLEMS_MAX

    def document(self, role: str, file: tuple[str, bytes] | None) -> _Document | None:
        if file is None:
            return None
        document = _Document(label=file[0], data=file[1].removeprefix(b"\xef\xbb\xbf"), role=role)
        self._documents.append(document)
        return document

    def add(self, document: _Document, pointer: Pointer, what: str, remedy: str, *, key: bool = False) -> None:
        """``key``: the key itself is wrong, not its value."""
        if not self.full:
            self._keyed.append((document, pointer, key, what, remedy))

    def add_at(self, path: str, line: int, column: int, what: str, remedy: str) -> None:
        """For a file that cannot be parsed, and for the command line."""
        if not self.full:
            self._loose.append(Problem(printable(path), line, column, "", what, remedy))

    def settle(self) -> None:
        """Raise what there is."""
        found = list(self._loose)
        for document in self._documents:
            mine = [entry[1:] for entry in self._keyed if entry[0] is document]
            if mine:
                places = spots(document.data)
                rows = document.data.split(b"\n")
                for pointer, key, what, remedy in mine:
                    line, column = _line_of_pointer(places, rows, pointer, key=key)
                    found.append(Problem(printable(document.label), line, column, document.name(pointer), what, remedy))
        if found:
            order = {printable(document.label): index for index, document in enumerate(self._documents)}
            found.sort(key=lambda problem: (order.get(problem.path, -1), problem.line, problem.column))
            raise PolicyError(tuple(dict.fromkeys(found[:_PROBLEMS_MAX])), more=len(found) > _PROBLEMS_MAX)


def _line_of_pointer(
    places: Mapping[Pointer, Spot], rows: list[bytes], pointer: Pointer, *, key: bool
) -> tuple[int, int]:
    """Line and column in code points, from 1, of what a pointer leads to or of what is nearest; else 0, 0."""
    spot = places.get(pointer)
    row, offset = (spot.key if key else spot.value) if spot is not None else (-1, 0)
    while row < 0 and pointer:
        pointer = pointer[:-1]
        if pointer in places:
            row, offset = places[pointer].key
    return (row + 1, len(rows[row][:offset].decode(errors="replace")) + 1) if row >= 0 else (0, 0)


class _Places(Mapping[str, Place]):
    """Dotted key -> the place that set it. A place is a pointer, so nothing is parsed for it."""

    def __init__(self, origins: Mapping[Pointer, tuple[_Document, Pointer]]) -> None:
        self._origins = {
            ".".join(map(str, pointer)): (document.label, there)
            for pointer, (document, there) in origins.items()
            if document.role != "overlay"
        }

    def __getitem__(self, key: str) -> Place:
        label, pointer = self._origins[key]
        return Place(label, pointer)

    def __iter__(self) -> Iterator[str]:
        return iter(self._origins)

    def __len__(self) -> int:
        return len(self._origins)


# -- bytes -> TOML -----------------------------------------------------------------------------

# tomllib's work is quadratic in the length of a dotted key; no policy needs a long one.
# (The lookbehinds keep the search itself linear.)
_PART: Final = r"""(?:(?<![\w-])[\w-]+|(?<!\\)"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*\."""
_DEEP_KEY: Final = rf"{_PART}(?:[ \t]*{_PART}){{{_DEPTH_MAX}}}"
_AT: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def _parse(document: _Document, problems: _Problems) -> dict[str, Any] | None:
    data = document.data
    if len(data) > MAX_POLICY:
        problems.add_at(
            document.label, 0, 0, f"a policy file of {len(data):,} bytes", "A policy fits in 1 MB: shorten it."
        )
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        problems.add_at(document.label, line, column, "the file is not UTF-8 here", "Save it as UTF-8.")
        return None
    dotted = any(line.count(".") > _DEPTH_MAX for line in text.split("\n"))
    deep = re.search(_DEEP_KEY, text, re.ASCII) if dotted else None
    if deep is not None:
        problems.add_at(document.label, *_line_of(text, deep.start()), "a dotted key is too long", "Shorten it.")
        return None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        at = _AT.search(said)
        line, column = (int(at[1]), int(at[2])) if at and at[1] else _line_of(text, len(text.rstrip()))
        what = "" if document.role == "overlay" else ": " + printable(said[: at.start()] if at else said)[:200]
        problems.add_at(document.label, line, column, f"this is not TOML{what}", _toml_remedy(text, line))
    except RecursionError:
        problems.add_at(document.label, 0, 0, "lists or tables are nested too deeply", "A policy needs three levels.")
    except ValueError:  # an integer of thousands of digits
        problems.add_at(document.label, 0, 0, "a number is too long", "Shorten it.")
    return None


def _line_of(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def _toml_remedy(text: str, line: int) -> str:
    lines = text.split("\n")
    said = lines[line - 1] if line <= len(lines) else ""
    if re.match(r"\s*[\w.-]+\s*:", said):
        return "TOML writes `key = value`."
    if re.match(r"\s*[\w.-]+\s*=\s*[A-Za-z@*./-]", said) and not re.search(r"=\s*(?:true|false)\b", said):
        return "TOML puts texts in quotes."
    return "Mend the file's syntax on this line or the one before."


# -- TOML -> what the types allow --------------------------------------------------------------


@lru_cache(maxsize=64)
def _fields(table: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {entry.encode_name: entry for entry in msgspec.structs.fields(table)}


@lru_cache(maxsize=256)
def _node(table: type[msgspec.Struct], key: str) -> inspect.Type:
    """The type of one key. To look at all of them at once would take longer than everything else here."""
    return inspect.type_info(_fields(table)[key].type)


@lru_cache(maxsize=1)
def _tables_by_key() -> Mapping[str, tuple[str, ...]]:
    """Key -> the dotted tables that have it, to tell where a misplaced key belongs."""
    found: dict[str, list[str]] = {}

    def visit(node: inspect.StructType, path: str) -> None:
        for entry in node.fields:
            found.setdefault(entry.encode_name, []).append(path)
            inner = _plain(entry.type)[0]
            dotted = f"{path}.{entry.encode_name}".lstrip(".")
            if isinstance(inner, inspect.StructType):
                visit(inner, dotted)
            elif isinstance(inner, inspect.DictType | inspect.VarTupleType):
                item = _plain(inner.value_type if isinstance(inner, inspect.DictType) else inner.item_type)[0]
                if isinstance(item, inspect.StructType):
                    visit(item, f"{dotted}.*")

    whole = inspect.type_info(PolicyTables)
    if isinstance(whole, inspect.StructType):
        visit(whole, "")
    return {key: tuple(paths) for key, paths in found.items()}


@lru_cache(maxsize=1)
def _known_keys() -> frozenset[str]:
    return frozenset(_tables_by_key()) | {"npm", "pypi", "name", "email"}


class _Said(NamedTuple):
    """What the metadata of a type says: which check it wants, its description, and its expression ("" for none)."""

    kind: str
    description: str
    pattern: str


def _plain(node: inspect.Type) -> tuple[inspect.Type, _Said]:
    """A type without its metadata and without None, which TOML cannot say."""
    kind, description, pattern = "", "", ""
    while True:
        if isinstance(node, inspect.Metadata):
            kind = kind or str((node.extra or {}).get("kind", ""))
            said = node.extra_json_schema or {}
            if (node.extra or {}).get("kind"):
                description = str(said.get("description", ""))
            pattern = pattern or str(said.get("pattern", ""))
            node = node.type
        elif isinstance(node, inspect.UnionType):
            node = next(inner for inner in node.types if not isinstance(inner, inspect.NoneType))
        else:
            return node, _Said(kind, description, pattern)


_WRONG: Final = object()


class _EnoughError(Exception):
    """More is wrong than anyone reads."""


class _Walk:
    """One pass over a parsed file, leaf by leaf; what is wrong is noted and left out."""

    def __init__(self, document: _Document, problems: _Problems, levels: Mapping[str, str], *, whole: bool) -> None:
        self._document = document
        self._problems = problems
        self._levels = levels
        self._whole = whole

    def table(self, raw: dict[str, Any]) -> dict[str, Any]:
        return self._struct(raw, PolicyTables, ())

    def _bad(self, pointer: Pointer, what: str, remedy: str, *, key: bool = False) -> object:
        self._problems.add(self._document, pointer, what, remedy, key=key)
        if self._problems.full:
            raise _EnoughError
        return _WRONG

    def _show(self, value: object) -> str:
        if self._document.role == "overlay":
            return "this value"
        if isinstance(value, str):
            return quoted(value)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float | datetime.date | datetime.time):
            return _short(value)
        return _kind_of(value)

    def _struct(self, raw: dict[str, Any], table: type[msgspec.Struct], pointer: Pointer) -> dict[str, Any]:
        fields = _fields(table)
        kept: dict[str, Any] = {}
        for key, value in raw.items():
            here = (*pointer, key)
            if key not in fields:
                self._unknown(here, list(fields))
                continue
            found = self._value(value, _node(table, key), here)
            if found is not _WRONG:
                kept[key] = found
        for key, entry in fields.items():
            if entry.required and key not in raw and (self._whole or pointer not in ((), ("open",))):
                self._missing(key, pointer)
        return kept

    def _missing(self, key: str, pointer: Pointer) -> None:
        if pointer:
            what, remedy = f"`{key}` is missing", f"Write `{key} = ...` in this table."
            if pointer == ("open",):
                remedy = 'Write which packages are open: packages = ["@acme/*"].'
            self._bad(pointer, what, remedy, key=True)
        else:
            self._bad(
                (),
                f"the table [{key}] is missing",
                'Write [open] and packages = ["@acme/*"], or name the organisation\'s policy with --policy.',
            )

    def _unknown(self, pointer: Pointer, known: list[str]) -> None:
        key = str(pointer[-1])
        inside = pointer[:-1]
        table = _generic(inside)
        # The overlay may have put a private name where a key belongs.
        said = (
            f"there is no key `{printable(key)[:80]}` here"
            if self._document.role != "overlay"
            else "there is no such key"
        )
        others = [path for path in _tables_by_key().get(key, ()) if path != table]
        near = _near(key.replace("-", "_"), known)
        if others and "" in others and inside:
            remedy = f"`{key}` belongs at the top of the file, before the first [table]."
        elif near:
            remedy = f"Did you mean `{near}`?"
        elif others:
            remedy = f"`{key}` belongs in [{others[0].replace('.*', '')}]."
        else:
            remedy = f"Known keys: {', '.join(known)}."
        self._bad(pointer, said, remedy, key=True)

    def _value(self, raw: Any, node: inspect.Type, pointer: Pointer) -> Any:
        plain, said = _plain(node)
        match plain:
            case inspect.StructType():
                if isinstance(raw, dict):
                    return self._struct(raw, plain.cls, pointer)
                return self._wrong_type(raw, "a table", pointer)
            case inspect.DictType():
                return self._dict(raw, plain, pointer)
            case inspect.VarTupleType():
                return self._list(raw, plain, pointer)
            case inspect.LiteralType():
                return self._literal(raw, plain.values, pointer)
            case inspect.DateType():
                return self._date(raw, pointer)
            case inspect.BoolType():
                return raw if isinstance(raw, bool) else self._wrong_type(raw, "true or false", pointer)
            case inspect.IntType():
                return self._integer(raw, plain, pointer)
            case inspect.StrType():
                return self._text(raw, plain, said, pointer)
        raise TypeError(f"a policy type that nothing reads: {plain!r}")

    def _wrong_type(self, raw: object, wanted: str, pointer: Pointer) -> object:
        key = pointer[-1]
        remedy = f"Write {wanted}."
        if wanted == "a table":
            remedy = f"Write it as a table: [{_header(pointer)}]."
        elif wanted == "a text":
            remedy = (
                "Put it in quotes." if isinstance(raw, int | float | datetime.date) else "Write one text in quotes."
            )
        elif wanted == "a list" and isinstance(raw, str) and isinstance(key, str):
            remedy = f"Put it in brackets: {key} = [{self._show(raw) if self._document.role != 'overlay' else '...'}]."
        elif wanted == "a list of tables":
            remedy = f"Write each one under its own [[{_header(pointer)}]]."
        elif wanted == "true or false":
            remedy = "Write true or false, without quotes."
        return self._bad(pointer, f"{wanted} is needed here, not {_kind_of(raw)}", remedy)

    def _dict(self, raw: Any, node: inspect.DictType, pointer: Pointer) -> Any:
        if not isinstance(raw, dict):
            return self._wrong_type(raw, "a table", pointer)
        kept: dict[str, Any] = {}
        key_type, said = _plain(node.key_type)
        for key, value in raw.items():
            here = (*pointer, key)
            if isinstance(key_type, inspect.LiteralType):
                if key not in key_type.values:
                    self._unknown(here, [str(value) for value in key_type.values])
                    continue
            elif not self._checked(key, said, here, key=True):
                continue
            found = self._value(value, node.value_type, here)
            if found is not _WRONG:
                kept[key] = found
        return kept

    def _list(self, raw: Any, node: inspect.VarTupleType, pointer: Pointer) -> Any:
        if not isinstance(raw, list):
            tables = isinstance(_plain(node.item_type)[0], inspect.StructType)
            return self._wrong_type(raw, "a list of tables" if tables else "a list", pointer)
        if node.min_length is not None and len(raw) < node.min_length:
            return self._bad(pointer, f"{len(raw) or 'nothing'} in the list", f"Write at least {node.min_length}.")
        items = [self._value(item, node.item_type, (*pointer, index)) for index, item in enumerate(raw)]
        return [None if item is _WRONG else item for item in items]

    def _literal(self, raw: Any, values: tuple[object, ...], pointer: Pointer) -> Any:
        if any(type(raw) is type(value) and raw == value for value in values):
            return raw
        if pointer == ("schema",):
            what = f"this version of Ringfence does not read schema {self._show(raw)}"
            return self._bad(pointer, what, "Write schema = 1, or use a newer Ringfence.")
        choices = ", ".join(f'"{value}"' for value in values)
        remedy = f"Write one of {choices}."
        if isinstance(raw, str):
            near = _near(raw, [str(value) for value in values])
            if near:
                remedy = f'Did you mean "{near}"? {remedy}'
        elif raw is False and "off" in values:
            remedy = f'Did you mean "off"? {remedy}'
        return self._bad(pointer, f"{self._show(raw)} is not known here", remedy)

    def _date(self, raw: Any, pointer: Pointer) -> Any:
        if isinstance(raw, datetime.datetime):
            return self._bad(pointer, "a date is needed here, without a time", f"Write {raw.date().isoformat()}.")
        if isinstance(raw, datetime.date):
            return raw
        if isinstance(raw, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", raw, re.ASCII):
            try:
                return datetime.date.fromisoformat(raw)
            except ValueError:
                return self._bad(pointer, f"{self._show(raw)} is no day of the calendar", "Write a date as 2027-01-31.")
        return self._bad(pointer, f"a date is needed here, not {_kind_of(raw)}", "Write it as 2027-01-31.")

    def _integer(self, raw: Any, node: inspect.IntType, pointer: Pointer) -> Any:
        if isinstance(raw, bool) or not isinstance(raw, int):
            return self._wrong_type(raw, "a whole number", pointer)
        if node.ge is not None and raw < node.ge:
            return self._bad(pointer, f"{self._show(raw)} is too small", f"Write {node.ge} or more.")
        if raw > 1_000_000:
            return self._bad(pointer, f"{self._show(raw)} is too large", "Write a smaller number.")
        return raw

    def _text(self, raw: Any, node: inspect.StrType, said: _Said, pointer: Pointer) -> Any:
        if not isinstance(raw, str):
            return self._wrong_type(raw, "a text", pointer)
        if not raw and (said.kind or node.min_length):
            return self._bad(pointer, "an empty text", "Write something, or leave it out.")
        if not self._checked(raw, said, pointer):
            return _WRONG
        if said.pattern and re.search(said.pattern, raw) is None:
            return self._bad(pointer, f"{self._show(raw)} is not what belongs here", said.description)
        return raw

    def _checked(self, raw: str, said: _Said, pointer: Pointer, *, key: bool = False) -> bool:
        if said.kind == "rule":
            return self._rule(raw, pointer, key=key)
        check = CHECKS.get(said.kind)
        flaw = check(raw, self._document.show) if check is not None else None
        if flaw is not None:
            self._bad(pointer, *flaw, key=key)
        return flaw is None

    def _rule(self, raw: str, pointer: Pointer, *, key: bool) -> bool:
        if raw in self._levels:
            return True
        near = _near(raw.replace("_", "-"), list(self._levels))
        remedy = f"Did you mean `{near}`? " * bool(near) + "`ringfence rules` lists them."
        self._bad(pointer, f"there is no rule {self._show(raw)}", remedy, key=key)
        return False


def _near(word: str, known: list[str]) -> str:
    """The known word that was likely meant, or nothing."""
    if len(word) > 40:
        return ""
    from difflib import get_close_matches

    return "".join(get_close_matches(word.lower(), known, 1, 0.65))


def _short(value: object) -> str:
    try:
        text = str(value)
    except ValueError:  # an integer beyond what Python prints
        return "this number"
    return text if len(text) <= 80 else text[:77] + "..."


def _kind_of(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
    return "a date or time"


def _generic(pointer: Pointer) -> str:
    """``("waiver", 0)`` -> ``waiver.*``: the table as `_tables_by_key` names it."""
    parts = ["*" if isinstance(part, int) else part for part in pointer]
    if len(parts) == 2 and parts[0] in ("registry", "repository"):
        parts[1] = "*"
    return ".".join(parts)


def _header(pointer: Pointer) -> str:
    return printable(".".join(part for part in pointer if isinstance(part, str)))[:80]


# -- several files -> one ----------------------------------------------------------------------

# From lax to strict.
_LADDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "mode": ("observe", "enforce"),
    "unmatched": ("open", "private"),
    "pins.form": ("locked", "exact"),
    "pins.signature": ("ignore", "when-offered", "required"),
    "pins.provenance": ("ignore", "when-offered", "required"),
    "reach.no_exports_map": ("off", "warn", "error"),
    "reach.members": ("loose", "strict"),
    "rules.*": ("off", "note", "warning", "error"),
}

# What a repository's own file, and what the overlay, may do to a key that the base sets:
# ``keep`` nothing, ``raise`` climb its ladder, ``join`` add to the list, ``close`` add to the list what the base does not call
# open, ``word`` add words that make nothing private that the base calls open, ``shrink`` leave only some of the list,
# ``fill`` say what is not said yet, ``set`` say anything, ``less`` a smaller number, ``longer`` a longer span,
# ``waive`` and ``ignore`` join where `gate.repository_may` grants it.
_STRATEGIES: Final[Mapping[str, tuple[str, str]]] = {
    "schema": ("keep", "keep"),
    "mode": ("raise", "raise"),
    "unmatched": ("raise", "raise"),
    "open.packages": ("keep", "keep"),
    "open.repositories": ("keep", "keep"),
    "open.members": ("keep", "keep"),
    "open.published": ("keep", "keep"),
    "private.packages": ("close", "join"),
    "private.repositories": ("close", "join"),
    "private.members": ("close", "join"),
    "private.names": ("word", "join"),
    "private.categories": ("shrink", "join"),
    "naming.local": ("fill", "fill"),
    "naming.github": ("fill", "fill"),
    "naming.npm": ("fill", "fill"),
    "naming.pypi": ("fill", "fill"),
    "naming.bin": ("fill", "fill"),
    "naming.downstream.local": ("fill", "fill"),
    "naming.downstream.github": ("fill", "fill"),
    "naming.monorepo": ("fill", "fill"),
    "pins.form": ("raise", "raise"),
    "pins.minimum_age": ("longer", "longer"),
    "pins.signature": ("raise", "raise"),
    "pins.provenance": ("raise", "raise"),
    "pins.train": ("shrink", "join"),
    "reach.no_exports_map": ("raise", "raise"),
    "reach.members": ("raise", "raise"),
    "reach.internal": ("join", "join"),
    "reach.internal_conditions": ("join", "join"),
    "reach.generated": ("shrink", "join"),
    "reach.core_sources": ("set", "set"),
    "data.one_database": ("join", "join"),
    "data.owner": ("join", "join"),
    "data.contract": ("join", "join"),
    "registry.*.url": ("keep", "keep"),
    "registry.*.mirrors": ("keep", "join"),
    "rules.*": ("raise", "raise"),
    "not_checked.allow": ("shrink", "shrink"),
    "ignore.paths": ("ignore", "join"),
    "gate.approvers": ("keep", "join"),
    "gate.waiver_days_max": ("less", "less"),
    "gate.repository_may": ("shrink", "shrink"),
    "waiver": ("waive", "join"),
    "upstream.from": ("keep", "keep"),
    "upstream.draft": ("keep", "keep"),
    "upstream.open_max": ("less", "less"),
    "upstream.isolation": ("keep", "keep"),
    "upstream.trailers": ("keep", "join"),
    "upstream.author.*": ("keep", "keep"),
}
_FREE_KEYS: Final = ("rules", "registry", "upstream.author")


@lru_cache(maxsize=1)
def _defaults() -> Mapping[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(PolicyTables(open=Open(packages=()))))
    return found


def _leaves(tree: Mapping[str, Any], pointer: Pointer = ()) -> Iterator[tuple[Pointer, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*pointer, key))
        else:
            yield (*pointer, key), value


def _strategy_key(pointer: Pointer) -> str:
    """``("rules", "deep-import")`` -> ``rules.*``: the key of `_STRATEGIES`."""
    parts = [str(part) for part in pointer]
    for free in _FREE_KEYS:
        depth = free.count(".") + 1
        if ".".join(parts[:depth]) == free and len(parts) > depth:
            parts[depth] = "*"
    return ".".join(parts)


class _Merged:
    """The policy as it grows. ``origins`` says for each key and list item which file set it, and where."""

    def __init__(self, problems: _Problems, levels: Mapping[str, str], identity: RepoName | None) -> None:
        self.tree: dict[str, Any] = {}
        self.origins: dict[Pointer, tuple[_Document, Pointer]] = {}
        self.notes: list[str] = []
        self._problems = problems
        self._levels = levels
        self._identity = identity
        self._base: _Document | None = None
        self._before: dict[str, Any] = {}

    # -- the base --------------------------------------------------------------------------------

    def begin(self, document: _Document) -> None:
        """The file that the others may only tighten, with what it says of this one repository."""
        self._base = document
        self.tree = _copy(document.tree)
        self._record((), document, (), self.tree)
        for key, table in self._own_tables(document):
            for leaf, value in _leaves(table):
                self._put(leaf, value, document, ("repository", key, *leaf))

    def _own_tables(self, document: _Document) -> list[tuple[str, dict[str, Any]]]:
        if self._identity is None:
            return []
        tables: dict[str, dict[str, Any]] = document.tree.get("repository", {})
        return [(key, table) for key, table in tables.items() if repository_matches(self._identity, key)]

    def withhold_tokens(self, document: _Document) -> None:
        """Have the mirrors of a file that anybody may have written asked anonymously."""
        for ecosystem, table in self.tree.get("registry", {}).items():
            for index, mirror in enumerate(table.get("mirrors", [])):
                if mirror is not None and mirror.pop("token_env", None) is not None:
                    self._forget(("registry", ecosystem, "mirrors", index, "token_env"))
                    label = printable(document.label)
                    self.notes.append(
                        f"the mirror {printable(mirror.get('url', ''))} is asked without its token: {label} may be anybody's; "
                        f"to vouch for it, name it with --policy, or a --base that has it"
                    )

    # -- the others ------------------------------------------------------------------------------

    def tighten(self, document: _Document) -> None:
        """Lay the overlay, or a repository's own file, over what is there."""
        side = 1 if document.role == "overlay" else 0
        self._before = {key: _copy(self.tree.get(key, {})) for key in ("open", "private")}
        for leaf, value in _leaves(document.tree):
            if leaf[0] == "repository":
                if side == 0:
                    self._refuse(document, leaf, "[repository] tables are the organisation's")
                continue
            getattr(self, "_" + _STRATEGIES[_strategy_key(leaf)][side])(leaf, value, document, leaf)
        if side:
            for key, table in self._own_tables(document):
                for leaf, value in _leaves(table):
                    self._raise(leaf, value, document, ("repository", key, *leaf))

    def _refuse(self, document: _Document, there: Pointer, what: str, remedy: str = "") -> None:
        self._problems.add(document, there, what, remedy or f"Leave it out here: {self._base_label()} decides it.")

    def _base_label(self) -> str:
        return printable(self._base.label) if self._base is not None else "the policy"

    def _whose(self, document: _Document) -> str:
        return "the overlay" if document.role == "overlay" else "a repository's own file"

    def _now(self, pointer: Pointer) -> Any:
        """The value in force, defaults included; None when nothing says."""
        for tree in (self.tree, _defaults()):
            value: Any = tree
            for part in pointer:
                value = value.get(part) if isinstance(value, Mapping) else None
            if value is not None:
                return value
        return None

    def _keep(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        now = self._now(pointer)
        if isinstance(value, list):
            extra = [index for index, item in enumerate(value) if item is not None and item not in (now or [])]
            for index in extra:
                what = f"{self._whose(document)} may not add to {_dotted(pointer)}"
                if pointer[0] == "open":
                    what = f"{self._whose(document)} may not widen the open side"
                self._refuse(document, (*there, index), what)
        elif value != now:
            self._refuse(document, there, f"{self._whose(document)} may not change {_dotted(pointer)}")

    def _raise(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        ladder = _LADDERS[_strategy_key(pointer)]
        now = self._now(pointer)
        if now is None and pointer[0] == "rules":
            now = str(self._levels.get(str(pointer[1]), "error"))
        if ladder.index(value) < ladder.index(now):
            least = ", ".join(f'"{step}"' for step in ladder[ladder.index(now) :])
            what = f"{document.show(value)} is laxer than what is in force"
            self._refuse(document, there, what, f"Write {least} here, or leave it out: it may only be raised.")
        elif value != now or pointer not in self.origins:
            self._put(pointer, value, document, there)

    def _join(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        for index, item in enumerate(value):
            if item is None:
                continue
            into = self._list(pointer)
            plain = not isinstance(item, dict | list)
            if plain and item in into:
                continue
            into.append(_copy(item))
            self._record((*pointer, len(into) - 1), document, (*there, index), item)
            self.origins.setdefault(pointer, (document, there))

    def _close(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        fine: list[Any] = []
        for index, item in enumerate(value):
            taken = item is not None and not self._problems.full and self._takes_away(str(pointer[-1]), (item,))
            if taken:
                what = f"{document.show(item)} takes away what {self._base_label()} calls open"
                self._refuse(document, (*there, index), what, "Leave it out here, or have it called private there.")
            fine.append(None if taken else item)
        self._join(pointer, fine, document, there)

    def _word(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        for index, word in enumerate(value):
            # `Policy.side_of_package` finds a word as a whole name, or beside a dot of one.
            if word is not None and self._takes_away("packages", (word, f"@*/{word}")):
                line, column = document.position((*there, index))
                self.notes.append(
                    f"{document.show(word)} makes no package private that {self._base_label()} calls open "
                    f"({printable(document.label)}:{line}:{column}); no registry is asked for one of that name"
                )
        self._join(pointer, value, document, there)

    def _takes_away(self, key: str, patterns: tuple[str, ...]) -> bool:
        """Whether something that one of these patterns means is open by the other files, and not private."""
        tables = [self._before["open"], self._before["private"]]
        opened, private = (tuple(item for item in table.get(key, []) if item is not None) for table in tables)
        words = [word for word in tables[1].get("names", []) if word is not None]
        if key == "members":
            opened += tuple(item for item in tables[0].get("published", []) if item is not None)
        elif key == "repositories":
            patterns, opened, private = (tuple(map(same_repository, them)) for them in (patterns, opened, private))
            private += tuple(f"{owner}/{word.lower()}" for word in words for owner in ("*", "*/*"))
        else:
            private += tuple(name for word in words for name in (word, f"@*/{word}"))
            patterns, opened, private = (tuple(map(same_package, them)) for them in (patterns, opened, private))
        return any(common_text(pattern, opened, private) is not None for pattern in patterns)

    def _shrink(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        now = self._now(pointer) or []
        wider = [index for index, item in enumerate(value) if item is not None and not _covered(item, now)]
        for index in wider:
            self._refuse(document, (*there, index), f"{self._whose(document)} may only shorten {_dotted(pointer)}")
        if not wider:
            self._forget(pointer)
            self._put(pointer, value, document, there)

    def _fill(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        if self._now(pointer):
            self._keep(pointer, value, document, there)
        else:
            self._put(pointer, value, document, there)

    def _set(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        self._put(pointer, value, document, there)

    def _less(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        now = self._now(pointer)
        if now is not None and value > now:
            self._refuse(document, there, f"{document.show(str(value))} is more than what is in force")
        else:
            self._put(pointer, value, document, there)

    def _longer(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        now = self._now(pointer)
        if now is not None and _hours(value) < _hours(now):
            self._refuse(document, there, f"{document.show(value)} is shorter than what is in force")
        else:
            self._put(pointer, value, document, there)

    def _waive(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        self._granted("waive", "waivers have", "waiver has", pointer, value, document, there)

    def _ignore(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        self._granted("ignore", "ignored paths have", "ignored path has", pointer, value, document, there)

    def _granted(
        self, right: str, many: str, one: str, pointer: Pointer, value: Any, document: _Document, there: Pointer
    ) -> None:
        # What the repository's own file says of `gate` never widens this, so the order of keys does not matter.
        if right in self._now(("gate", "repository_may")):
            self._join(pointer, value, document, there)
        elif value:
            said = one if len(value) == 1 else many
            self.notes.append(
                f"{len(value)} {said} no effect in {printable(document.label)}: "
                f"the organisation's policy does not grant `{right}` in gate.repository_may"
            )

    def words_of(self, document: _Document | None) -> tuple[str, ...]:
        """The words of `private.names` that are in no other file."""
        words = self.tree.get("private", {}).get("names", [])
        return tuple(word for index, word in enumerate(words) if self.origins["private", "names", index][0] is document)

    # -- the tree --------------------------------------------------------------------------------

    def _table(self, pointer: Pointer) -> dict[str, Any]:
        table = self.tree
        for part in pointer:
            table = table.setdefault(str(part), {})
        return table

    def _list(self, pointer: Pointer) -> list[Any]:
        found: list[Any] = self._table(pointer[:-1]).setdefault(str(pointer[-1]), [])
        return found

    def _put(self, pointer: Pointer, value: Any, document: _Document, there: Pointer) -> None:
        self._table(pointer[:-1])[str(pointer[-1])] = _copy(value)
        self._record(pointer, document, there, value)

    def _record(self, pointer: Pointer, document: _Document, there: Pointer, value: Any) -> None:
        if pointer:
            self.origins[pointer] = (document, there)
        if isinstance(value, dict):
            for key, inner in value.items():
                self._record((*pointer, key), document, (*there, key), inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self._record((*pointer, index), document, (*there, index), inner)

    def _forget(self, pointer: Pointer) -> None:
        for known in [known for known in self.origins if known[: len(pointer)] == pointer]:
            del self.origins[known]

    # -- what cannot all be so -------------------------------------------------------------------

    def contradictions(self) -> None:
        """The same pattern on both sides, and the same waiver twice."""
        for key, same in (("packages", same_package), ("repositories", same_repository), ("members", same_path)):
            self._both_sides(key, same)
        seen: dict[tuple[object, object, object], int] = {}
        for index, waiver in enumerate(self.tree.get("waiver", [])):
            if waiver is None or "rule" not in waiver:
                continue
            mark = (waiver["rule"], waiver.get("path"), waiver.get("package"))
            if mark in seen:
                document, there = self.origins["waiver", index]
                first, where = self.origins["waiver", seen[mark]]
                other = first.name(where) if first.role != "overlay" or document.role == "overlay" else "another"
                whose = f" of {printable(first.label)}" if first is not document and first.role != "overlay" else ""
                what = f"this waiver says the same as {other}{whose}"
                self._problems.add(document, there, what, "Keep one of them.", key=True)
            seen.setdefault(mark, index)

    def _both_sides(self, key: str, same: Callable[[str], str]) -> None:
        opened: dict[str, int] = {}
        for index, pattern in enumerate(self.tree.get("open", {}).get(key, [])):
            if pattern is not None:
                opened.setdefault(same(pattern), index)
        for index, pattern in enumerate(self.tree.get("private", {}).get(key, [])):
            if pattern is None or same(pattern) not in opened:
                continue
            document, there = self.origins["private", key, index]
            what = f"{document.show(pattern)} is in open.{key} too"
            self._problems.add(document, there, what, "Take it out of one of the two.")


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _covered(item: Any, now: list[Any]) -> bool:
    """Whether a list already says this; for reasons, ``a`` says ``a:b``."""
    return item in now or (isinstance(item, str) and ":" in item and item.partition(":")[0] in now)


def _hours(span: str) -> int:
    number, unit = span.split(" ")
    return int(number) * {"hour": 1, "day": 24, "week": 168}[unit.removesuffix("s")]


def _dotted(pointer: Pointer) -> str:
    return printable(".".join(map(str, pointer)))


# -- names that must not be printed --------------------------------------------------------------

_FORGES: Final = frozenset(("github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "sr.ht"))
_LITERAL_MIN: Final = 3
# A repository's name alone, without its owner, says little when it is `api` or `docs`.
_NAME_MIN: Final = 5


def _private_names(overlay: _Document, problems: _Problems) -> tuple[str, ...]:
    """What of the overlay's names, packages and repositories is recognised in text, as literal words.

    A package pattern is known by what stands before its first wildcard (its scope in the forms that URLs and
    configuration give it), a repository pattern by ``owner/`` and what follows, by its name where that is long enough, and by
    a host of its own.
    """
    private = overlay.tree.get("private", {})
    found: dict[str, None] = {}
    for word in private.get("names", []):
        if word is not None:
            found[word] = None
    for key, literals in (("packages", _package_literals), ("repositories", _repository_literals)):
        for index, pattern in enumerate(private.get(key, [])):
            if pattern is None:
                continue
            words = [word for word in literals(pattern) if len(word) >= _LITERAL_MIN]
            found.update(dict.fromkeys(words))
            if not words:
                problems.add(
                    overlay,
                    ("private", key, index),
                    "too little of this pattern is literal to recognise the name in a text",
                    "Begin it with at least three characters that are no wildcard.",
                )
    for key, table in overlay.tree.get("repository", {}).items():
        if isinstance(table, dict):
            found.update(dict.fromkeys(word for word in _repository_literals(key) if len(word) >= _LITERAL_MIN))
    return tuple(found)


_WILD: Final = re.compile(r"\*+|\?|\{\w+\}")


def _longest(pattern: str) -> str:
    return max(_WILD.split(pattern), key=len)


def _package_literals(pattern: str) -> list[str]:
    package = PackageName.parse(pattern)
    if package.ecosystem == "pypi":
        literal = _longest(package.name)
        return [literal, literal.replace("-", "_")]
    if not package.name.startswith("@"):
        return [_longest(package.name)]
    scope, _, rest = package.name.partition("/")
    if _WILD.search(scope):
        return [word for word in (_longest(scope[1:]), _longest(rest)) if len(word) >= _NAME_MIN]
    head = _WILD.split(rest)[0]
    plain = scope[1:]
    words = [f"@{plain}/{head}", f"%40{plain}/{head}", f"@{plain}%2f{head}", f"%40{plain}%2f{head}"]
    # The whole scope is private: `@scope:registry=` in a configuration names it too.
    return [*words, f"@{plain}:"] if not head else words


def _repository_literals(pattern: str) -> list[str]:
    parts = pattern.split("/")
    host = parts[0].lower() if len(parts) == 3 else ""
    owner, name = parts[-2], parts[-1]
    head = _WILD.split(name)[0]
    words = [word for word in (_longest(name),) if len(word) >= _NAME_MIN]
    if _WILD.search(owner):
        return words + [word for word in (_longest(owner),) if len(word) >= _NAME_MIN]
    if host and host not in _FORGES:
        return [*words, host, f"{host}/{owner}/{head}"]
    return [*words, f"{owner}/{head}"]
