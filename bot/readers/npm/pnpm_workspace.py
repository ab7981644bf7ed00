"""``pnpm-workspace.yaml`` -> `PnpmWorkspace`.

Source of the format: pnpm's documentation of ``pnpm-workspace.yaml`` (members, catalogs and, since pnpm 10, its settings).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from bot.errors import ReadError
from bot.facts.manifest import Override, PnpmWorkspace
from bot.readers.npm.lock_text import bounded_brackets
from bot.readers.npm.overrides import extensions, peer_rules, pnpm_overrides, string_items, table
from bot.readers.npm.package_json import workspace_globs
from bot.readers.npm.spec import classify

__all__ = ["parse_yaml_mapping", "read_pnpm_workspace", "yaml_catalogs"]

_MAX_BYTES = 10 * 1024 * 1024


def read_pnpm_workspace(path: str, data: bytes) -> PnpmWorkspace:
    """Facts of one ``pnpm-workspace.yaml``; an empty file is an empty workspace. `ReadError` where it is no YAML mapping."""
    root = parse_yaml_mapping(data)
    directory = path.rpartition("/")[0]
    catalogs, fields = yaml_catalogs(root)
    return PnpmWorkspace(
        path=path,
        directory=directory,
        workspaces=workspace_globs(path, directory, ("packages",), root.get("packages"), groups=True),
        catalogs=catalogs,
        catalog_fields=fields,
        overrides=tuple(_overrides(path, root, catalogs)),
        patched=tuple(string_items(root.get("patchedDependencies"))),
    )


def _overrides(path: str, root: Mapping[str, object], catalogs: Mapping[str, Mapping[str, str]]) -> Iterator[Override]:
    for override in pnpm_overrides(path, "overrides", ("overrides",), root.get("overrides"), {}):
        catalog = override.spec.removeprefix("catalog:").strip() or "default"
        asked = catalogs.get(catalog, {}).get(override.target) if override.spec.startswith("catalog:") else None
        yield (
            override if asked is None else msgspec.structs.replace(override, kind=classify(asked, override.target).kind)
        )
    yield from extensions(path, "packageExtensions", ("packageExtensions",), root.get("packageExtensions"))
    yield from peer_rules(path, "peerDependencyRules", ("peerDependencyRules",), root.get("peerDependencyRules"))


def yaml_catalogs(root: Mapping[str, object]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Catalogs by name, and for each the top-level key that holds it: ``catalog`` or ``catalogs``."""
    catalogs: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for name, value in table(root.get("catalogs")).items():
        if isinstance(value, dict):
            catalogs[name] = dict(string_items(value))
            fields[name] = "catalogs"
    if isinstance(root.get("catalog"), dict):
        catalogs["default"] = dict(string_items(root["catalog"]))
        fields["default"] = "catalog"
    return catalogs, fields


_AT_LINE = re.compile(r"at line ([0-9]+)")


def parse_yaml_mapping(data: bytes) -> Mapping[str, object]:
    """The first document of a YAML file, bounded in size, depth and aliases; an empty file is an empty mapping."""
    import ryaml

    if len(data) > _MAX_BYTES:
        raise ReadError("too-large", f"a file of {len(data) >> 20} MB; at most {_MAX_BYTES >> 20} MB are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReadError("not-utf8", f"byte {error.start} is not UTF-8", line=line) from None
    bounded_brackets(text)
    try:
        documents = ryaml.loads_all(text.removeprefix("\ufeff"))  # type: ignore[attr-defined]
    except (ValueError, TypeError) as error:
        message = str(error)
        if "recursion limit" in message:
            raise ReadError("too-deep", "nested too deeply") from None
        if "repetition limit" in message:
            raise ReadError("too-large", "its aliases expand without bound") from None
        found = _AT_LINE.search(message)
        raise ReadError("malformed", f"not YAML: {message}", line=int(found[1]) if found else None) from None
    value = documents[0] if documents else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ReadError("malformed", "not a YAML mapping")
    return table(value)
