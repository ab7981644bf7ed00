"""GitHub's own OpenAPI description (npm ``@octokit/openapi``), as a judge of requests and answers.

The description is OpenAPI 3.0. Two things are changed on the way to JSON Schema: ``nullable`` becomes a null type, and the format
``uri`` is advice (GitHub's own examples have relative ones).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from tests.github_fake.tables import unlisted

__all__ = ["Description", "Operation", "load"]

_FILE = Path(__file__).parent.parent / "oracle/node_modules/@octokit/openapi/generated/api.github.com.json"
_FORMATS = {name: lambda _: True for name in ("uri", "uri-template", "email", "hostname")}
# Parameters that hold slashes: everything to the end of the path, or to what the template has after them.
_GREEDY = {"path", "ref", "basehead", "branch"}
_ROOT = "urn:github"
# Beside /compare/{basehead}, for old clients of the npm package alone.
_OLD = ("/repos/{owner}/{repo}/compare/{base}...{head}",)


@dataclass(frozen=True)
class Operation:
    """One method of one path. ``path`` is the description's template."""

    method: str
    path: str
    spec: Mapping[str, Any]


@dataclass
class Description:
    """The description with its validators, each made when first used."""

    document: Mapping[str, Any]
    _validators: dict[str, Any] = field(default_factory=dict)
    _registry: Any = None

    def __post_init__(self) -> None:
        self._paths = [(t, _regex(t), spec) for t, spec in self.document["paths"].items() if t not in _OLD]
        # The template with the most words of its own is meant: pulls/comments before pulls/{pull_number}.
        self._paths.sort(key=lambda row: -len(re.sub(r"\{.*?\}", "", row[0])))

    # Requests

    def operation(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation that a request means, with its path's parameters."""
        for template, regex, spec in self._paths:
            found = regex.fullmatch(path)
            if found and method.lower() in spec:
                own = dict(spec[method.lower()])
                own["parameters"] = [*spec.get("parameters", ()), *own.get("parameters", ())]
                return Operation(method, template, own), {k: unquote(v) for k, v in found.groupdict().items()}
        return None

    def request_faults(self, operation: Operation, query: Mapping[str, list[str]], body: Any) -> list[str]:
        """What is wrong with a request; empty when nothing is."""
        faults: list[str] = []
        known = {p["name"]: p for p in map(self.resolve, operation.spec["parameters"]) if p["in"] == "query"}
        for name, values in query.items():
            if name not in known:
                faults.append(f"the query parameter {name!r} is not known")
                continue
            schema = known[name]["schema"]
            for value in values:
                faults += self._judge(f"{operation.path}?{name}", schema, _coerced(value, self.resolve(schema)))
        faults += [
            f"the query parameter {n!r} is missing" for n, p in known.items() if p.get("required") and n not in query
        ]
        wanted = operation.spec.get("requestBody")
        if body is None:
            if wanted and wanted.get("required"):
                faults.append("the body is missing")
        elif wanted is None:
            faults.append("a body where none is known")
        else:
            content = self.resolve(wanted)["content"]
            key = f"{operation.method} {operation.path} body"
            faults += self._judge(key, content["application/json"]["schema"], body)
        return faults

    # Answers

    def answer_schema(self, operation: Operation, status: int) -> Any:
        """The schema of an answer's body; None for an answer without one. Raises `LookupError` where nothing lists it."""
        listed = operation.spec["responses"].get(str(status))
        if listed is not None:
            content = self.resolve(listed).get("content", {})
            for kind, holder in content.items():
                if "json" in kind:
                    return holder["schema"]
            return None
        row = unlisted(status)
        if row is None:
            raise LookupError(f"{operation.method} {operation.path} has no answer {status}, and no table allows it")
        return {"$ref": f"#/components/schemas/{row.schema}"}

    def answer_faults(self, operation: Operation, status: int, body: Any) -> list[str]:
        """What is wrong with an answer; empty when nothing is."""
        try:
            schema = self.answer_schema(operation, status)
        except LookupError as error:
            return [str(error)]
        if schema is None:
            return [] if body is None else [f"a body with {status} where none is known"]
        if body is None and status in (301, 307):
            return []
        return self._judge(f"{operation.method} {operation.path} {status}", schema, body)

    def filled(self, schema: Any, value: Any) -> Any:
        """A value with the properties that its schema requires and it lacks, each empty, zero, false or null."""
        schema = self._flat(schema)
        if isinstance(value, list):
            return [self.filled(schema.get("items", {}), item) for item in value]
        if not isinstance(value, dict):
            return value
        properties = schema.get("properties", {})
        out = {name: self.filled(properties.get(name, {}), item) for name, item in value.items()}
        for name in schema.get("required", ()):
            if name not in out:
                out[name] = self._neutral(properties.get(name, {}))
        return out

    def _neutral(self, schema: Any) -> Any:
        schema = self._flat(schema)
        if schema.get("nullable"):
            return None
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if kind == "object":
            return self.filled(schema, {})
        if kind == "string":
            return {"date-time": "2026-01-01T00:00:00Z", "uri": "http://127.0.0.1/"}.get(schema.get("format", ""), "")
        return {"array": [], "boolean": False, "integer": schema.get("minimum", 0), "number": 0}[kind]

    def _flat(self, schema: Any) -> Any:
        """A schema with its reference followed, ``allOf`` joined, and of ``anyOf`` and ``oneOf`` the choice that asks for least."""
        schema = dict(self.resolve(schema))
        for part in schema.pop("allOf", ()):
            inner = self._flat(part)
            schema = {
                **inner,
                **schema,
                "properties": {**inner.get("properties", {}), **schema.get("properties", {})},
                "required": [*inner.get("required", ()), *schema.get("required", ())],
            }
        for choice in ("anyOf", "oneOf"):
            options = schema.pop(choice, None)
            if options and "properties" not in schema:
                schema = {**min(map(self._flat, options), key=lambda each: len(each.get("required", ()))), **schema}
        return schema

    # Both

    def resolve(self, schema: Any) -> Any:
        """What a ``$ref`` points at; anything else as it is."""
        while isinstance(schema, Mapping) and "$ref" in schema:
            found: Any = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            schema = found
        return schema

    def _judge(self, key: str, schema: Any, value: Any) -> list[str]:
        validator = self._validators.get(key)
        if validator is None:
            if self._registry is None:
                components = {"components": {"schemas": _plain(self.document["components"]["schemas"])}}
                self._registry = jsonschema_rs.Registry([(_ROOT, components)])
            validator = self._validators[key] = jsonschema_rs.Draft202012Validator(
                _plain(schema), registry=self._registry, validate_formats=True, formats=_FORMATS
            )
        return [
            f"{key}: /{'/'.join(map(str, e.instance_path))}: {e.message[:300]}" for e in validator.iter_errors(value)
        ]


@lru_cache(maxsize=1)
def load() -> Description:
    """The description, read once a process."""
    return Description(json.loads(_FILE.read_bytes()))


def _regex(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{([\w-]+)\}", template)
    out = [re.escape(parts[0])]
    for name, after in zip(parts[1::2], parts[2::2], strict=True):
        out.append(f"(?P<{name.replace('-', '_')}>{'.+' if name in _GREEDY else '[^/]+'}){re.escape(after)}")
    return re.compile("".join(out))


def _plain(schema: Any) -> Any:
    """OpenAPI 3.0 to JSON Schema: ``nullable`` to a null type, references to the registered document."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    out = {key: _plain(value) for key, value in schema.items() if key not in ("example", "examples", "nullable")}
    if isinstance(out.get("$ref"), str):
        return {"$ref": _ROOT + out["$ref"]}
    if schema.get("nullable") is True:
        if isinstance(out.get("enum"), list):
            out["enum"] = [*out["enum"], None]
        if isinstance(out.get("type"), str):
            out["type"] = [out["type"], "null"]
        if any(name in out for name in ("anyOf", "oneOf", "allOf")):
            return {"anyOf": [out, {"type": "null"}]}
    return out


def _coerced(text: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "integer" and text.lstrip("-").isdigit():
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
