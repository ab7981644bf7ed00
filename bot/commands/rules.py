"""`ringfence rules`: list the rules with the severity in force."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from bot.rule import Described

__all__ = ["rows", "rules", "table", "wants_colour"]


@click.command(
    epilog="""\b
Examples:
  ringfence rules                    with the severities of the policy here, if there is one
  ringfence rules --json
  ringfence explain floating-pin     what one of them means""",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="The organisation's policy.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def rules(path: Path, policy: Path | None, as_json: bool) -> None:
    """List the rules: id, the side they judge, the severity in force at PATH, and what they flag."""
    from bot.report.json_report import render_value
    from bot.rules import ALL, LISTED
    from bot.sources.open import folder_at, has_policy

    severities: dict[str, str] | None = None
    folder = folder_at(path)
    if policy is not None or has_policy(folder):
        from bot.commands.common import Options, open_repo

        opened = open_repo(Options(path=path, policy=policy), ALL)
        severities = {rule.id: str(opened.policy.severity(rule.id, rule.severity) or "off") for rule in LISTED}
        opened.source.close()
    listed = rows(LISTED, severities)
    if as_json:
        click.echo(render_value({"policy": severities is not None, "rules": listed}), nl=False)
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        click.echo(table(listed, width=width, colour=wants_colour()), nl=False, color=True)


def wants_colour() -> bool:
    """Whether standard output is to be coloured: on a terminal or by ``FORCE_COLOR``, never with ``NO_COLOR``."""
    return (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")


def rows(every: Sequence[Described], severities: dict[str, str] | None = None) -> list[dict[str, str]]:
    """One row a rule. ``severities`` are those in force by rule id (``off`` included); without, the defaults."""
    return [
        {
            "id": rule.id,
            "side": rule.side.value,
            "severity": (severities or {}).get(rule.id, rule.severity.value),
            "default_severity": rule.severity.value,
            "summary": rule.summary,
        }
        for rule in every
    ]


def table(listed: Sequence[dict[str, str]], *, width: int, colour: bool = False) -> str:
    """The rows in columns, the summaries wrapped; a severity that policy changed is marked ``*``."""
    from bot.report.terminal import Painter, wrapped

    paint = Painter(colour)
    wide = max([len(row["id"]) for row in listed], default=2)
    lines = [paint(f"{'rule':<{wide}}  {'side':<7}  {'severity':<8}  what it flags", bold=True)]
    colours = {"error": "red", "warning": "yellow", "note": "cyan"}
    indent = wide + 21
    changed = False
    for row in listed:
        mark = "*" if row["severity"] != row["default_severity"] else ""
        changed = changed or bool(mark)
        severity = paint(f"{row['severity'] + mark:<8}", colours.get(row["severity"]))
        lines += wrapped(
            row["summary"],
            width,
            first=f"{row['id']:<{wide}}  {row['side']:<7}  {severity}  ",
            first_width=indent,
            rest=" " * indent,
        )
    if changed:
        lines.append("* by policy")
    return "\n".join(lines) + "\n"
