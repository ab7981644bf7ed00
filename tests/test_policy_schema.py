"""The JSON Schema of the policy: what a foreign validator says about what `load_policy` says."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from bot.commands.schema import schema_of
from bot.model import Finding, Location, Report, Severity, Summary


def _module(name: str) -> ModuleType:
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_files = _module("test_policy_file")
COMPLETE: str = _files.COMPLETE
MISTAKES: list[tuple[str, str]] = _files.MISTAKES
VALIDATOR = jsonschema_rs.Draft202012Validator(schema_of("policy"), validate_formats=True)

# What a schema cannot see: sameness, what rules there are, and what a pattern would match.
BEYOND = {
    "is in open.packages too",
    "is in open.members too",
    "is in open.repositories too",
    "says the same as",
    "there is no rule",
    '"{x}" matches every package',
    "is a scope, not a package",
    "is no name that a Python package can have",
    "unbalanced brace",
    "alternatives in braces",
    "a brace that is no placeholder",
    "patterns cannot be negated",
    "three stars in a row",
    "more than 8 wildcards",
    "begins with no host",
    "names a host where the owner stands",
    "is no address",
    "the address holds",
}


def as_json(text: str) -> Any:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value

    return plain(tomllib.loads(text))


def test_it_is_a_draft_2020_12_schema() -> None:
    for what in ("policy", "report"):
        schema = schema_of(what)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["$id"].startswith("urn:ringfence:schema:")
        jsonschema_rs.meta.validate(schema)


def test_every_key_is_described() -> None:
    schema = schema_of("policy")
    tables = {"": schema, **schema["$defs"]}
    bare = [
        f"{name}.{key}"
        for name, table in tables.items()
        for key, entry in table["properties"].items()
        if "description" not in entry and not entry.get("$ref")
    ]
    assert bare == []
    assert all(table["description"] and "``" not in table["description"] for table in tables.values())
    assert "null" not in json.dumps(schema)


def test_the_complete_example_is_valid() -> None:
    VALIDATOR.validate(as_json(COMPLETE))


def test_the_documented_example_is_valid() -> None:
    page = Path(__file__).parent.parent / "docs" / "policy.md"
    blocks = [block.split("```")[0] for block in page.read_text(encoding="utf-8").split("```toml\n")[1:]]
    assert blocks
    for text in blocks:
        VALIDATOR.validate(as_json(text))


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_it_refuses_what_the_types_refuse(text: str, message: str) -> None:
    try:
        data = as_json(text)
    except tomllib.TOMLDecodeError:
        return
    assert not VALIDATOR.is_valid(data) or any(known in message for known in BEYOND)


def test_what_is_beyond_it_is_beyond_it() -> None:
    seen = {
        known
        for text, message in MISTAKES
        for known in BEYOND
        if known in message and VALIDATOR.is_valid(as_json(text))
    }
    assert seen == BEYOND


def test_a_report_fits_its_schema() -> None:
    finding = Finding(
        rule="deep-import",
        severity=Severity.ERROR,
        location=Location(path="a.ts", line=1, column=2, end_line=1, end_column=3),
        message="m",
        remedy="r",
        fingerprint="0" * 16,
    )
    report = Report(
        version="0",
        repository="a/b",
        revision="",
        mode="enforce",
        verdict="fail",
        findings=(finding,),
        summary=Summary(),
    )
    validator = jsonschema_rs.Draft202012Validator(schema_of("report"))
    data = json.loads(msgspec.json.encode(report))
    validator.validate(data)
    data["findings"][0]["severity"] = "fatal"
    assert not validator.is_valid(data)


def test_the_command_prints_it() -> None:
    for arguments, what in (([], "policy"), (["policy"], "policy"), (["report"], "report")):
        run = subprocess.run(
            [sys.executable, "-c", "from bot.cli import main; main()", "schema", *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(run.stdout) == schema_of(what)  # type: ignore[arg-type]
