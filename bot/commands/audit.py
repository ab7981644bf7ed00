"""`ringfence audit`: judge many repositories and the fleet that they are; in one piece, or in shards and a merge."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.errors import RingfenceError
from bot.model import Severity

if TYPE_CHECKING:
    from bot.commands.auditing import Merged
    from bot.commands.common import Options
    from bot.targets import Inventory
    from bot.trend import Previous

__all__ = ["audit"]

_JOBS_MAX = 256  # as many as GitHub Actions runs of one matrix


class _Audit(click.Group):
    """``audit FOLDER`` is ``audit run FOLDER``: the plain form needs no word of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Audit, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def audit() -> None:
    """Judge many repositories and the fleet that they are."""


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that a run and a merge have in common."""
    options = [
        click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="The organisation's policy."),
        click.option(
            "--overlay",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Its private overlay (or $RINGFENCE_OVERLAY).",
        ),
        click.option(
            "--open", "open_patterns", multiple=True, metavar="PATTERN", help="Open packages, instead of a policy file."
        ),
        click.option("--rule", "only", multiple=True, metavar="ID", help="Run only this rule."),
        click.option("--offline", is_flag=True, help="Ask no registry: use what the cache has."),
        click.option("--no-cache", is_flag=True, help="Neither read nor write the cache of facts."),
        click.option(
            "--format",
            "format_",
            type=click.Choice(["terminal", "json", "sarif", "markdown", "html"]),
            default="terminal",
            show_default=True,
        ),
        click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="Write the report to this file; SARIF, and a shard's findings, need it (SARIF: a folder).",
        ),
        click.option(
            "--fail-on",
            type=click.Choice(["error", "warning", "note"]),
            default="error",
            show_default=True,
            help="What fails the run.",
        ),
        click.option(
            "--public/--private",
            "public",
            default=None,
            help="Leave private names and repositories out (the default where $CI is set).",
        ),
        click.option(
            "--previous",
            type=click.Path(path_type=Path),
            metavar="AUDIT.json",
            help="The last audit's JSON report, to hold baselines against (default: what the cache remembers).",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Show every finding, and how much every fleet rule judged."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _which(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which repositories are meant."""
    command = click.option(
        "--repos-from",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Repositories, one a line: a path, or owner/name on GitHub.",
    )(command)
    command = click.option(
        "--org",
        "organisations",
        multiple=True,
        is_flag=False,
        flag_value="",
        metavar="[ORG]",
        help="Every repository of an organisation on GitHub; without a name, of those in the policy.",
    )(command)
    return click.argument("folder", type=click.Path(path_type=Path), required=False)(command)


@audit.command(
    "run",
    epilog="""\b
Examples:
  ringfence audit ~/work --policy acme.toml          every checkout below a folder, in one report
  ringfence audit ~/work --open '@acme/*'            without a policy file: says what it assumes
  ringfence audit --org acme --policy acme.toml      every repository of an organisation on GitHub
  ringfence audit --repos-from list.txt --policy acme.toml --format markdown
  ringfence audit ~/work --policy acme.toml --format html -o audit.html  one page, with pictures and filters
  ringfence audit ~/work --policy acme.toml --format sarif -o sarif/     one file a repository
\b
In pieces, on several machines:
  ringfence audit plan --repos-from list.txt --shards 8                  the matrix, as JSON
  ringfence audit --repos-from list.txt --policy acme.toml --shard 3/8 -o shard-3.json
  ringfence audit merge shard-*.json --policy acme.toml                  judges the fleet
\b
Exit codes: 0 pass; 1 a failing finding; 2 something was not audited or could not be checked and
policy does not allow it, or bad usage; 70 a bug of Ringfence. A shard's own exit code is 0 when it was
written to its end: what it found is for the merge.""",
)
@_which
@_shared
@click.option("--shard", metavar="I/N", help="Judge only this part of the repositories, for a merge.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="1: judge one repository after the other.")
def run_(
    folder: Path | None,
    repos_from: Path | None,
    organisations: tuple[str, ...],
    shard: str | None,
    jobs: int | None,
    output: Path | None,
    format_: str,
    as_json: bool,
    previous: Path | None,
    verbose: bool,
    **given: Any,
) -> int:
    """Judge every repository below FOLDER at its HEAD, and the fleet that they are.

    FOLDER holds checkouts or bare repositories: its children, and one level deeper owner/name. What is not committed is not
    judged (`check` does that). An organisation's repositories are judged at their default branch, with the token in GITHUB_TOKEN
    or GH_TOKEN, or an App's in RINGFENCE_APP_ID and RINGFENCE_APP_KEY. A repository whose HEAD did not move since the last audit costs no reading, and is judged
    anew against today's registry and policy.
    """
    import tempfile
    import time

    from bot.commands.auditing import audit_shard, merge

    began = time.monotonic()
    options = _options(folder, **given)
    last = _last(previous)
    part = _part(shard)
    if part is not None and output is None:
        raise click.UsageError("--shard needs --output FILE: what it finds is for `ringfence audit merge`.")
    format_ = _format("json" if as_json else format_, output if part is None else None)
    inventory = _inventory(folder, repos_from, organisations, options)
    if part is not None:
        assert output is not None  # noqa: S101  (checked above)
        audit_shard(options, inventory, output, shard=part[0], shards=part[1], jobs=jobs)
        click.echo(f"shard {shard} written to {output}", err=True)
        return 0
    with tempfile.TemporaryDirectory(prefix="ringfence-") as scratch:
        whole = Path(scratch) / "audit.json"
        audit_shard(options, inventory, whole, jobs=jobs)
        merged = merge([whole], options, shards=False, began=began, last=last)
        return _show(merged, options, format_, output, verbose=verbose)


@audit.command(
    "merge",
    epilog="""\b
Examples:
  ringfence audit merge shard-*.json --policy acme.toml
  ringfence audit merge shard-*.json --policy acme.toml --format json -o audit.json
\b
Repositories of a shard that is missing or was interrupted are reported as not audited: exit code 2.""",
)
@click.argument("shards", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SHARD.json...")
@_shared
def merge_(
    shards: tuple[Path, ...],
    output: Path | None,
    format_: str,
    as_json: bool,
    previous: Path | None,
    verbose: bool,
    **given: Any,
) -> int:
    """Judge the fleet over what the shards of one audit found, and make one report.

    The policy must be the shards' own: judged by another, a shard's repositories count as not audited.
    """
    import time

    from bot.commands.auditing import merge

    began = time.monotonic()
    options = _options(None, **given)
    format_ = _format("json" if as_json else format_, output)
    merged = merge(shards, options, shards=True, began=began, last=_last(previous))
    return _show(merged, options, format_, output, verbose=verbose)


@audit.command(
    "plan",
    epilog="""\b
Examples:
  ringfence audit plan --repos-from list.txt --shards 8
  ringfence audit plan ~/work --per-shard 100
\b
It prints {"shard": ["1/8", "2/8", ...]}: a matrix for GitHub Actions (strategy.matrix with fromJSON).""",
)
@_which
@click.option("--shards", type=click.IntRange(1, _JOBS_MAX), metavar="N", help="How many shards.")
@click.option(
    "--per-shard",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="K",
    help="Without --shards: about how many repositories each.",
)
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="The policy that names --org's.")
def plan_(
    folder: Path | None,
    repos_from: Path | None,
    organisations: tuple[str, ...],
    shards: int | None,
    per_shard: int,
    policy: Path | None,
) -> None:
    """Print the matrix of a sharded audit as JSON. A repository's shard depends on its name and on the number alone."""
    import json

    from bot.commands.common import Options

    inventory = _inventory(folder, repos_from, organisations, Options(policy=policy, progress=sys.stderr.isatty()))
    number = shards or min(-(-len(inventory.targets) // per_shard), _JOBS_MAX) or 1
    click.echo(json.dumps({"shard": [f"{index}/{number}" for index in range(1, number + 1)]}))


def _options(folder: Path | None, **given: Any) -> Options:
    from bot.commands.common import Options, in_public
    from bot.sources.open import POLICY_FILE

    policy: Path | None = given["policy"]
    if policy is None and not given["open_patterns"] and folder is not None and (folder / POLICY_FILE).is_file():
        policy = folder / POLICY_FILE
    return Options(
        policy=policy,
        overlay=given["overlay"],
        open_patterns=given["open_patterns"],
        only=given["only"],
        offline=given["offline"],
        cache=not given["no_cache"],
        public=in_public(given["public"]),
        progress=sys.stderr.isatty(),
        fail_on=Severity(given["fail_on"]),
    )


def _inventory(
    folder: Path | None, repos_from: Path | None, organisations: tuple[str, ...], options: Options
) -> Inventory:
    from bot.targets import folder_inventory, listed_inventory

    if sum(given is not None for given in (folder, repos_from)) + bool(organisations) != 1:
        raise click.UsageError("Name a folder of checkouts, a list with --repos-from, or an organisation with --org.")
    if folder is not None:
        return folder_inventory(folder)
    from bot.commands.auditing import organisation_policy
    from bot.commands.forge import Forges, owners_of

    def say(what: str) -> None:
        if options.progress:
            click.echo(what, err=True)

    forges = Forges(say)
    if repos_from is not None:
        return listed_inventory(repos_from, forges.named)
    if "" in organisations and options.policy is None:
        raise click.UsageError("--org without a name needs --policy FILE, which names the organisations.")
    policy = organisation_policy(options)[0] if "" in organisations else None
    return forges.organisations(owners_of(organisations, policy))


def _last(report: Path | None) -> Previous | None:
    if report is None:
        return None
    from bot.trend import previous

    return previous(report)


def _part(shard: str | None) -> tuple[int, int] | None:
    if shard is None:
        return None
    index, slash, count = shard.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise click.UsageError(f"--shard {shard}: it is I/N, with I from 1 to N.")
    return int(index), int(count)


def _format(format_: str, output: Path | None) -> str:
    if format_ == "sarif" and (output is None or output.is_file()):
        raise click.UsageError("--format sarif needs --output DIR: code scanning takes one file a repository.")
    return format_


def _show(merged: Merged, options: Options, format_: str, output: Path | None, *, verbose: bool) -> int:
    if format_ == "sarif":
        assert output is not None  # noqa: S101  (checked before)
        written = _write_sarif(merged, output)
        click.echo(f"{merged.head.verdict}: {written} files written to {output}", err=True)
    else:
        colour = (
            (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR")))
            and output is None
            and format_ == "terminal"
            and not os.environ.get("NO_COLOR")
        )
        text = _rendered(merged, format_, verbose=verbose, colour=colour)
        if output is None:
            for part in text:
                click.echo(part, nl=False, color=colour or None)
        else:
            from bot.commands.writing import write_report

            write_report(output, text)
            click.echo(f"{merged.head.verdict}: report written to {output}", err=True)
    if merged.crashed:
        return 70
    return {"pass": 0, "fail": 1, "incomplete": 2}[merged.head.verdict]


def _rendered(merged: Merged, format_: str, *, verbose: bool, colour: bool) -> Iterable[str]:
    """The report in parts: a thousand repositories are not held at once."""
    if format_ == "json":
        from bot.report.audit_json import render as render_json

        return render_json(merged.head, merged.repositories())
    if format_ == "markdown":
        from bot.report.audit_markdown import render as render_markdown

        return render_markdown(merged.head, merged.repositories())
    if format_ == "html":
        from datetime import UTC, datetime

        from bot.report.audit_html import render as render_html
        from bot.rules import LISTED

        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return render_html(merged.head, merged.repositories(), rules={r.id: r.summary for r in LISTED}, made=made)
    from bot.report.audit_terminal import render as render_terminal

    width = shutil.get_terminal_size((100, 24)).columns
    return render_terminal(merged.head, merged.repositories, colour=colour, width=width, verbose=verbose)


def _write_sarif(merged: Merged, folder: Path) -> int:
    """One file a repository, fleet findings with those of their repository."""
    import msgspec

    from bot.audit_report import FleetFinding
    from bot.commands.writing import write_report
    from bot.report.sarif import render
    from bot.rules import LISTED

    fleet: dict[str, list[FleetFinding]] = {}
    for item in merged.head.fleet:
        fleet.setdefault(item.repository, []).append(item)
    written = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RingfenceError(f"cannot make the folder: {error.strerror}", where=str(folder)) from None
    for repository in merged.repositories():
        if repository.report is None:
            continue
        found = (*repository.report.findings, *(item.finding for item in fleet.get(repository.label, ())))
        report = msgspec.structs.replace(repository.report, findings=found)
        write_report(folder / (_file_name(repository.label) + ".sarif"), [render(report, LISTED, waived=False)])
        written += 1
    return written


def _file_name(label: str) -> str:
    """A label as a file's name: ``acme/core`` is ``acme+core``."""
    from urllib.parse import quote

    return quote(label.strip("./").replace("/", "+"), safe="+@ ", errors="backslashreplace") or "repository"
