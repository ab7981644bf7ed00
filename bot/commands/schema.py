"""`ringfence schema`: the JSON Schema of the policy file and of the JSON report, made from the types."""

from __future__ import annotations

import json
import re
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click
import msgspec

__all__ = ["schema", "schema_of"]

What = Literal["policy", "report", "audit"]
_TITLES = {"policy": "Ringfence policy", "report": "Ringfence report", "audit": "Ringfence audit"}


@click.command(
    epilog="""\b
Examples:
  ringfence schema > ringfence.schema.json     for an editor, or a check of its own
  ringfence schema report                      what `ringfence check --json` prints
  ringfence schema audit                       what `ringfence audit --json` prints
\b
In ringfence.toml, the line `#:schema ./ringfence.schema.json` tells editors where it is.""",
)
@click.argument("what", type=click.Choice(get_args(What)), default="policy")
def schema(what: What) -> None:
    """Print the JSON Schema (draft 2020-12) of the policy, of the report or of the audit.

    TOML's dates are texts of the form 2027-01-31 there. A repository's own file under an organisation's policy
    may leave [open] out, which the schema asks for.
    """
    click.echo(json.dumps(schema_of(what), indent=2, ensure_ascii=False))


def schema_of(what: What) -> dict[str, Any]:
    """The schema as JSON data. ``$id`` names it; nothing is to be fetched there."""
    if what == "policy":
        from bot.policy import PolicyTables

        return _schema(what, PolicyTables)
    if what == "audit":
        from bot.audit_report import Audit

        return _schema(what, Audit)
    from bot.model import Report

    return _schema(what, Report)


def _schema(what: What, root: type[msgspec.Struct]) -> dict[str, Any]:
    made = msgspec.json.schema(root)
    definitions: dict[str, dict[str, Any]] = made["$defs"]
    for table in _tables(root, {}):
        for name, keys in _named_keys(table).items():
            definitions[table.__name__]["properties"][name]["propertyNames"] = {"enum": keys}
    for definition in definitions.values():
        definition["description"] = _prose(definition.get("description", ""))
        if what == "policy":
            definition["properties"] = {name: _without_null(entry) for name, entry in definition["properties"].items()}
    top = definitions.pop(root.__name__)
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ringfence:schema:{what}:1",
        "title": _TITLES[what],
        **{key: value for key, value in top.items() if key != "title"},
        "$defs": definitions,
    }
    plain: dict[str, Any] = json.loads(json.dumps(whole))  # defaults are tuples
    return plain


def _tables(table: Any, seen: dict[Any, None]) -> dict[Any, None]:
    """Every struct that one is made of, itself first."""
    if isinstance(table, type) and issubclass(table, msgspec.Struct):
        if table not in seen:
            seen[table] = None
            for hint in get_type_hints(table).values():
                _tables(hint, seen)
    else:
        for inner in get_args(table):
            _tables(inner, seen)
    return seen


def _named_keys(table: type[msgspec.Struct]) -> dict[str, list[str]]:
    """The properties whose own keys are a fixed few: msgspec's schema leaves that out."""
    return {
        field.encode_name: list(get_args(get_args(hint)[0]))
        for field in msgspec.structs.fields(table)
        for hint in [get_type_hints(table)[field.name]]
        if get_origin(hint) is dict and get_origin(get_args(hint)[0]) is Literal
    }


def _without_null(entry: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: a key is there or it is not. Defaults of whole tables say nothing that their keys do not."""
    kept = {key: value for key, value in entry.items() if key not in ("anyOf", "default")}
    default = entry.get("default")
    if default is not None and not isinstance(default, dict):
        kept["default"] = default
    if "enum" in kept:
        kept["enum"] = [value for value in kept["enum"] if value is not None]
    choices = [choice for choice in entry.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **kept}
    return {**kept, "anyOf": choices} if choices else kept


def _prose(docstring: str) -> str:
    """A docstring as a description: one paragraph a line, plain backticks."""
    paragraphs = re.split(r"\n\s*\n", docstring.replace("``", "`"))
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
