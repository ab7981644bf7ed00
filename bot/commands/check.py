"""`ringfence check`: judge one repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from bot.model import Report, Severity

__all__ = ["check"]


@click.command(
    epilog="""\b
Examples:
  ringfence check                              the repository you stand in, by its ringfence.toml
  ringfence check ../shop --open '@acme/*'     without a policy file: says what it assumed
  ringfence check --base origin/main           decide by what the change since then introduces
  ringfence check --rev v2.1 --format json     a commit, without a checkout, for a program to read
  ringfence check --limit 20                   the worst twenty, and how many more there are
  ringfence check --format sarif -o out.sarif  for code scanning
\b
Exit codes: 0 pass; 1 a failing finding; 2 something that policy does not allow could not be
checked, or bad usage; 70 a bug of Ringfence.""",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="The organisation's policy.")
@click.option(
    "--overlay", type=click.Path(path_type=Path), metavar="FILE", help="Its private overlay (or $RINGFENCE_OVERLAY)."
)
@click.option(
    "--open", "open_patterns", multiple=True, metavar="PATTERN", help="Open packages, instead of a policy file."
)
@click.option("--rev", "revision", metavar="REV", help="Judge a commit instead of the working tree.")
@click.option("--base", metavar="REF", help="Decide by what is new since REF; fold the rest away.")
@click.option("--rule", "only", multiple=True, metavar="ID", help="Run only this rule.")
@click.option("--offline", is_flag=True, help="Ask no registry: use what the cache has.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache of facts.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["terminal", "json", "sarif", "github", "markdown"]),
    default="terminal",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the report here, not to standard output.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note"]),
    default="error",
    show_default=True,
    help="What fails the run.",
)
@click.option(
    "--public/--private", "public", default=None, help="Leave private names out (the default where $CI is set)."
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Show the worst N findings on the terminal and say how many more there are; 0, the default, shows all.",
)
@click.option("--all", "everything", is_flag=True, help="Also show what was there before the base, and what is waived.")
@click.option("-v", "--verbose", is_flag=True, help="Every finding in full, and how much every rule judged.")
def check(
    path: Path,
    policy: Path | None,
    overlay: Path | None,
    open_patterns: tuple[str, ...],
    revision: str | None,
    base: str | None,
    only: tuple[str, ...],
    offline: bool,
    no_cache: bool,
    format_: str,
    as_json: bool,
    output: Path | None,
    fail_on: str,
    public: bool | None,
    limit: int,
    everything: bool,
    verbose: bool,
) -> int:
    """Judge the repository at PATH against its policy and the public registry.

    PATH's git work tree is judged as it stands on disk, and only what git tracks. A folder that holds a
    ringfence.toml of its own is judged by itself.
    """
    from bot.sources.open import open_source

    if not path.exists() and (":" in str(path) or str(path).startswith("@")):
        raise click.UsageError(f"There is no folder {str(path)!r}; a pattern goes after --open.")
    format_ = "json" if as_json else format_
    if limit and format_ != "terminal":
        raise click.UsageError(f"--limit is for the terminal: a report as {format_} holds every finding.")
    source = open_source(path, revision=revision)  # git lists what there is while the rest of the program is imported
    from bot.commands import common
    from bot.rules import ALL

    options = common.Options(
        path=path,
        policy=policy,
        overlay=overlay,
        open_patterns=open_patterns,
        revision=revision,
        base=base,
        offline=offline,
        cache=not no_cache,
        only=only,
        public=common.in_public(public),
        progress=sys.stderr.isatty(),
        fail_on=Severity(fail_on),
        again=common.again_of(path, policy, open_patterns, revision, base),
    )
    run = common.check(options, ALL, source)
    for notice in run.notices:
        click.echo(f"note: {notice}", err=True)
    wanted = sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))
    colour = wanted and output is None and format_ == "terminal" and not os.environ.get("NO_COLOR")
    text = _render(run.report, format_, path, limit=limit, everything=everything, verbose=verbose, colour=colour)
    if output is None:
        click.echo(text, nl=not text.endswith("\n"), color=colour or None)
    else:
        from bot.commands.writing import write_report

        write_report(output, [text])
        click.echo(f"{run.report.verdict}: report written to {output}", err=True)
    if run.crashed:
        return 70
    return {"pass": 0, "fail": 1, "incomplete": 2}[run.report.verdict]


def _render(
    report: Report, format_: str, path: Path, *, limit: int, everything: bool, verbose: bool, colour: bool
) -> str:
    if format_ == "json":
        from bot.report.json_report import render as render_json

        return render_json(report)
    if format_ == "sarif":
        from bot.report.sarif import render as render_sarif
        from bot.rules import ALL

        # Code scanning shows suppressed results as open alerts: what is waived goes in only when asked for.
        return render_sarif(report, ALL, waived=everything, folder=_folder(path))
    if format_ == "github":
        from bot.report.github import render as render_github

        return render_github(report, everything=everything, folder=_folder(path))
    if format_ == "markdown":
        from bot.report.context import Context
        from bot.report.markdown import summary

        return summary(report, context=Context(folder=_folder(path)))
    from bot.report.terminal import render as render_terminal

    return render_terminal(
        report, colour=colour, width=_width(), verbose=verbose, everything=everything, limit=limit or None
    )


def _width() -> int:
    """The terminal's columns, by the rules of `shutil.get_terminal_size`, without the archive formats that it imports."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 100  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 100


def _folder(path: Path) -> str:
    """Where the judged root stands in its git work tree: GitHub wants paths from the top."""
    from bot.sources.git import repository_of
    from bot.sources.open import root_of_path

    top = repository_of(path.resolve())
    folder = root_of_path(path).relative_to(top).as_posix() if top else "."
    return "" if folder == "." else folder
