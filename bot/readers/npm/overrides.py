"""Overrides in all their spellings, and the other tables that package managers share between JSON and YAML.

Values are taken as they come out of the parser: what has the wrong type is left out, the rest stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.facts.manifest import Kind, Override
from bot.model import Place
from bot.readers.npm.spec import classify, split_name

__all__ = [
    "extensions",
    "npm_overrides",
    "override_target",
    "peer_rules",
    "pnpm_overrides",
    "resolutions",
    "string_items",
    "table",
]

_EXTENSION_FIELDS = ("dependencies", "optionalDependencies", "peerDependencies")


def table(value: object) -> Mapping[str, object]:
    """The value where it is an object with string keys, else an empty one."""
    if type(value) is not dict:
        return {}
    for key in value:
        if type(key) is not str:
            return {k: v for k, v in value.items() if type(k) is str}
    return value


def string_items(value: object) -> Iterator[tuple[str, str]]:
    """Key and value of an object's string members."""
    for key, item in table(value).items():
        if isinstance(item, str):
            yield key, item


def npm_overrides(
    path: str, pointer: tuple[str, ...], value: object, declared: Mapping[str, str]
) -> Iterator[Override]:
    """npm's nested ``overrides``. ``declared`` answers ``$name``: the manifest's own specifiers."""
    yield from _nested(path, pointer[-1], pointer, (), value, declared)


def _nested(
    path: str,
    field: str,
    pointer: tuple[str, ...],
    keys: tuple[str, ...],
    value: object,
    declared: Mapping[str, str],
) -> Iterator[Override]:
    for key, item in table(value).items():
        inner = (*pointer, key)
        if isinstance(item, str):
            named = keys if key == "." and keys else (*keys, key)
            target = split_name(named[-1])[0]
            yield _override(path, inner, field, ">".join(named), target, item, declared)
        elif isinstance(item, dict):
            yield from _nested(path, field, inner, (*keys, key), item, declared)


def pnpm_overrides(
    path: str, field: str, pointer: tuple[str, ...], value: object, declared: Mapping[str, str]
) -> Iterator[Override]:
    """pnpm's flat overrides: ``parent@range>child@range``."""
    for selector, spec in string_items(value):
        yield _override(path, (*pointer, selector), field, selector, override_target(selector), spec, declared)


def override_target(selector: str) -> str:
    """The package that a flat selector changes: ``b`` in ``a@1>b@2``."""
    # The delimiter is a ">" that follows neither a space nor another operator: foo@>1>bar.
    for index in range(len(selector) - 1, 0, -1):
        if selector[index] == ">" and selector[index - 1] not in " |@":
            return split_name(selector[index + 1 :].strip())[0]
    return split_name(selector.strip())[0]


def resolutions(path: str, pointer: tuple[str, ...], value: object, declared: Mapping[str, str]) -> Iterator[Override]:
    """yarn's ``resolutions``: ``a/**/b``, ``@s/a@npm:1/b``."""
    for selector, spec in string_items(value):
        # pnpm and bun read this table as well, so pnpm's selectors are met here too.
        target = override_target(selector) if ">" in selector else _yarn_target(selector)
        yield _override(path, (*pointer, selector), pointer[-1], selector, target, spec, declared)


def _yarn_target(selector: str) -> str:
    # What follows an "@" may hold slashes only in the last place: read names from the left.
    parts = selector.split("/")
    index, name = 0, selector
    while index < len(parts):
        scoped = parts[index].startswith("@") and index + 1 < len(parts)
        text = "/".join(parts[index : index + 2]) if scoped else parts[index]
        name, asked = split_name(text)
        if asked is not None and ":" in asked and not asked.startswith("npm:"):
            break
        index += 2 if scoped else 1
    return name


def _override(
    path: str,
    pointer: tuple[str | int, ...],
    field: str,
    selector: str,
    target: str,
    spec: str,
    declared: Mapping[str, str],
) -> Override:
    meant = declared.get(spec[1:], spec) if spec.startswith("$") else spec
    return Override(
        place=Place(path, pointer),
        field=field,
        selector=selector,
        target=target,
        spec=spec,
        kind=classify(meant, target).kind,
    )


def extensions(path: str, field: str, pointer: tuple[str, ...], value: object) -> Iterator[Override]:
    """``packageExtensions``: one for the package that is extended (with an empty ``spec``), one for each dependency it gets."""
    for selector, extension in table(value).items():
        yield Override(
            place=Place(path, (*pointer, selector), key=True),
            field=field,
            selector=selector,
            target=split_name(selector)[0],
            spec="",
            kind=Kind.UNKNOWN,
        )
        for kind in _EXTENSION_FIELDS:
            for name, spec in string_items(table(extension).get(kind)):
                inner = (*pointer, selector, kind, name)
                yield _override(path, inner, field, f"{selector}>{name}", name, spec, {})


def peer_rules(path: str, field: str, pointer: tuple[str, ...], value: object) -> Iterator[Override]:
    """pnpm's ``peerDependencyRules``: which versions a peer may have, and which may be missing."""
    rules = table(value)
    for selector, spec in string_items(rules.get("allowedVersions")):
        inner = (*pointer, "allowedVersions", selector)
        yield _override(path, inner, f"{field}.allowedVersions", selector, override_target(selector), spec, {})
    for kind in ("ignoreMissing", "allowAny"):
        names = rules.get(kind)
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str):
                yield _override(path, (*pointer, kind, index), f"{field}.{kind}", name, name, "*", {})
