"""``package.json`` -> `Manifest`.

Source of the format: npm's documentation of ``package.json`` and, for what other package managers add, theirs: pnpm's
``pnpm`` table, yarn's ``resolutions``, bun's ``catalog`` and ``patchedDependencies``. Parsed as npm does: strict JSON, a BOM is
left out, the last of two equal keys wins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

from bot.errors import ReadError
from bot.facts.manifest import (
    Declaration,
    Manifest,
    Override,
    RepositoryField,
    Script,
    WorkspaceGlob,
)
from bot.model import Place
from bot.names import is_npm_name
from bot.readers.npm.overrides import (
    extensions,
    npm_overrides,
    peer_rules,
    pnpm_overrides,
    resolutions,
    string_items,
    table,
)
from bot.readers.npm.spec import classify

__all__ = ["declare", "parse_json_object", "read_package_json", "workspace_globs"]

DEPENDENCY_FIELDS = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")
_ENTRY_FIELDS = ("main", "module", "types", "typings")
_MAX_BYTES = 10 * 1024 * 1024
_MAX_DEPTH = 200


def read_package_json(path: str, data: bytes) -> Manifest:
    """Facts of one manifest. A value of the wrong type is left out; `ReadError` where the file is no JSON object."""
    root = parse_json_object(data)
    directory = path.rpartition("/")[0]
    name = _string(root, "name")
    declared = _declared(root)
    publish = table(root.get("publishConfig"))
    catalogs, catalog_fields = _catalogs(root)
    declarations = tuple(_declarations(path, root))
    return Manifest(
        path=path,
        directory=directory,
        name=name or None,
        version=_string(root, "version"),
        private=_is_truthy(root.get("private")),
        template=name is not None and _is_placeholder(name),
        bins=_bins(root.get("bin"), name),
        repository=_repository(root.get("repository")),
        access=_string(publish, "access"),
        publish_registry=_string(publish, "registry"),
        exports=root.get("exports"),
        imports=root.get("imports"),
        entry={field: value for field in _ENTRY_FIELDS if (value := _string(root, field)) is not None},
        files=_strings(root["files"]) if isinstance(root.get("files"), list) else None,
        package_manager=_string(root, "packageManager"),
        declarations=declarations,
        overrides=tuple(_overrides(path, root, declared)),
        workspaces=_workspaces(path, directory, root.get("workspaces")),
        catalogs=catalogs,
        catalog_fields=catalog_fields,
        scripts=tuple(
            Script(place=Place(path, ("scripts", key)), name=key, text=text)
            for key, text in string_items(root.get("scripts"))
        ),
        patched=(
            *string_items(root.get("patchedDependencies")),
            *string_items(table(root.get("pnpm")).get("patchedDependencies")),
        ),
        has_dependencies=bool(declarations),
    )


# -- JSON --------------------------------------------------------------------------------------


def parse_json_object(data: bytes) -> dict[str, object]:
    """A JSON object from a file's bytes, bounded in size and depth; `ReadError` otherwise."""
    if len(data) > _MAX_BYTES:
        raise ReadError("too-large", f"a manifest of {len(data) >> 20} MB; at most {_MAX_BYTES >> 20} MB are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReadError("not-utf8", f"byte {error.start} is not UTF-8", line=_line(data, error.start)) from None
    try:
        value = json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ReadError("malformed", f"not JSON: {error.msg}", line=error.lineno) from None
    except ValueError as error:
        raise ReadError("malformed", f"not JSON: {error}") from None
    except RecursionError:
        raise ReadError("too-deep", f"nested deeper than {_MAX_DEPTH} levels") from None
    if not isinstance(value, dict):
        raise ReadError("malformed", "not a JSON object")
    if data.count(b"[") + data.count(b"{") > _MAX_DEPTH and _depth(value) > _MAX_DEPTH:
        raise ReadError("too-deep", f"nested deeper than {_MAX_DEPTH} levels")
    return value


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


def _integer(digits: str) -> int | float:
    # Python refuses integers of thousands of digits; to npm every number is a double.
    return int(digits) if len(digits) < 20 else float(digits)


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, (dict, list))
        ]
    return depth


def _string(value: Mapping[str, object], key: str) -> str | None:
    found = value.get(key)
    return found if isinstance(found, str) else None


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _is_truthy(value: object) -> bool:
    # npm asks JavaScript: an empty object is true there.
    return bool(value) or isinstance(value, (dict, list))


# -- fields ------------------------------------------------------------------------------------

_MARKER = re.compile(r"(?<![A-Za-z0-9_])__[A-Za-z](?:[A-Za-z0-9-]|_(?!_))*__(?![A-Za-z0-9_])")


def _is_placeholder(name: str) -> bool:
    if _MARKER.search(name):
        return True
    return not is_npm_name(name) and any(marker in name for marker in "<>{}$%[]")


def _bins(value: object, name: str | None) -> dict[str, str]:
    if isinstance(value, str):
        return {name.rpartition("/")[2]: value} if name else {}
    return dict(string_items(value))


def _repository(value: object) -> RepositoryField | None:
    if isinstance(value, str):
        return RepositoryField(url=value)
    fields = table(value)
    url = _string(fields, "url")
    return None if url is None else RepositoryField(url=url, directory=_string(fields, "directory"))


def _declared(root: Mapping[str, object]) -> dict[str, str]:
    # What ``$name`` in an override stands for; a peer is asked last.
    found: dict[str, str] = {}
    for field in ("peerDependencies", "optionalDependencies", "dependencies", "devDependencies"):
        found.update(string_items(root.get(field)))
    return found


def _declarations(path: str, root: Mapping[str, object]) -> Iterator[Declaration]:
    meta = table(root.get("peerDependenciesMeta"))
    for field in DEPENDENCY_FIELDS:
        for local, spec in string_items(root.get(field)):
            optional = field == "optionalDependencies" or (
                field == "peerDependencies" and table(meta.get(local)).get("optional") is True
            )
            yield declare(Place(path, (field, local)), field, local, spec, optional=optional)


def declare(place: Place, field: str, local: str, spec: str, *, optional: bool = False) -> Declaration:
    """The declaration that ``"local": "spec"`` in a dependency field makes."""
    meant = classify(spec, local)
    name = meant.name or local
    return Declaration(
        place=place,
        ecosystem="npm",
        name=name,
        local=local,
        field=field,
        spec=spec,
        effective=meant.effective,
        kind=meant.kind,
        version=meant.version,
        alias=name != local or spec[:4].lower() == "npm:",
        optional=optional,
    )


def _overrides(path: str, root: Mapping[str, object], declared: Mapping[str, str]) -> Iterator[Override]:
    pnpm = table(root.get("pnpm"))
    yield from npm_overrides(path, ("overrides",), root.get("overrides"), declared)
    yield from resolutions(path, ("resolutions",), root.get("resolutions"), declared)
    yield from pnpm_overrides(path, "pnpm.overrides", ("pnpm", "overrides"), pnpm.get("overrides"), declared)
    for holder, prefix, pointer in ((root, "", ()), (pnpm, "pnpm.", ("pnpm",))):
        field = "packageExtensions"
        yield from extensions(path, prefix + field, (*pointer, field), holder.get(field))
        field = "peerDependencyRules"
        yield from peer_rules(path, prefix + field, (*pointer, field), holder.get(field))


def _workspaces(path: str, directory: str, value: object) -> tuple[WorkspaceGlob, ...]:
    if isinstance(value, dict):
        return workspace_globs(path, directory, ("workspaces", "packages"), value.get("packages"))
    return workspace_globs(path, directory, ("workspaces",), value)


def workspace_globs(
    path: str, directory: str, pointer: tuple[str | int, ...], value: object, *, groups: bool = False
) -> tuple[WorkspaceGlob, ...]:
    """The patterns of a list; an odd number of ``!`` before one negates it.

    With ``groups``, ``!(a)`` at the beginning is a wildcard (pnpm); npm takes it for a negation.
    """
    found: list[WorkspaceGlob] = []
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(item, str):
            continue
        pattern = item if groups and item.startswith("!(") else item.lstrip("!")
        negated = (len(item) - len(pattern)) % 2 == 1
        place = Place(path, (*pointer, index))
        found.append(WorkspaceGlob(place=place, directory=directory, pattern=pattern, negated=negated))
    return tuple(found)


def _catalogs(root: Mapping[str, object]) -> tuple[dict[str, dict[str, str]], dict[str, tuple[str, ...]]]:
    # bun takes catalogs beside the workspaces' patterns, else at the top.
    catalogs: dict[str, dict[str, str]] = {}
    fields: dict[str, tuple[str, ...]] = {}
    for holder, pointer in ((table(root.get("workspaces")), ("workspaces",)), (root, ())):
        named = table(holder.get("catalogs"))
        tables = [("default", (*pointer, "catalog"), holder.get("catalog"))]
        tables += [(name, (*pointer, "catalogs", name), value) for name, value in named.items()]
        for name, field, value in tables:
            if isinstance(value, dict) and name not in catalogs:
                catalogs[name] = dict(string_items(value))
                fields[name] = field
    return catalogs, fields
