"""`ringfence baseline`: write down what is there today, and take out what is mended."""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.errors import ReadError, RingfenceError
from bot.text import printable

if TYPE_CHECKING:
    from bot.baseline import Baseline

__all__ = ["baseline"]


@click.group(
    epilog="""\b
Examples:
  ringfence baseline write    write the first one; later, take out what is mended
  ringfence baseline show     how many findings, by rule and file""",
)
def baseline() -> None:
    """Keep the findings of today apart, so that a repository can begin: the baseline can only shrink."""


@baseline.command(
    epilog="""\b
Examples:
  ringfence baseline write                    write the first one; later, take out what is mended
  ringfence baseline write --dry-run          say what would change
  ringfence baseline write --grow --reason 'floating-tool is new, see our ticket 88'
\b
The file is ringfence-baseline.json, to be committed. Exit codes: 0 written, or nothing to do (--json says
"changed": false); 2 bad usage, or policy grants no baseline; 70 a bug of Ringfence.""",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="The organisation's policy.")
@click.option(
    "--overlay", type=click.Path(path_type=Path), metavar="FILE", help="Its private overlay (or $RINGFENCE_OVERLAY)."
)
@click.option("--open", "open_patterns", multiple=True, metavar="PATTERN", help="Open packages, instead of a policy.")
@click.option("--grow", is_flag=True, help="Also add findings that are not in it yet.")
@click.option("--reason", default="", metavar="TEXT", help="Why it grows; it is written down in the file.")
@click.option("--offline", is_flag=True, help="Ask no registry: use what the cache has.")
@click.option("--dry-run", is_flag=True, help="Say what would change and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def write(
    path: Path,
    policy: Path | None,
    overlay: Path | None,
    open_patterns: tuple[str, ...],
    grow: bool,
    reason: str,
    offline: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Judge the working tree at PATH and write its baseline.

    The first time every finding goes in. From then on what is mended is taken out, what has moved is followed, and nothing
    is added without --grow and a --reason.
    """
    from bot.baseline import BASELINE_FILE, Baseline, written
    from bot.baseline import write as as_bytes
    from bot.commands import common
    from bot.commands.writing import replace
    from bot.rule import AskBaselineUse, BaselineUse
    from bot.rules import ALL
    from bot.sources.open import root_of_path

    if grow and not reason.strip():
        raise click.UsageError("A baseline grows with a reason: add --reason TEXT.")
    if reason and not grow:
        raise click.UsageError("--reason goes with --grow: nothing is added without it.")
    options = common.Options(
        path=path,
        policy=policy,
        overlay=overlay,
        open_patterns=open_patterns,
        offline=offline,
        disk=True,
        public=common.in_public(),
        progress=sys.stderr.isatty(),
    )
    run = common.check(options, ALL)
    target = root_of_path(path) / BASELINE_FILE
    if not run.grants_baseline:
        raise RingfenceError(
            "policy grants no baseline",
            where="gate.repository_may",
            remedy="Ask who keeps the policy for `baseline` there, or mend what is found.",
        )
    if run.baseline is None and os.path.lexists(target):
        read_file(target)  # says what is wrong with it
        raise RingfenceError(
            "the baseline is there and was not read", where=BASELINE_FILE, remedy="Add it to git, or delete it."
        )
    found = [(rule.id, hit) for index, (rule, _, hit) in enumerate(run.judged.hits) if index not in run.judged.waived]
    use = run.judged.facts.get(AskBaselineUse())
    gone = use.gone if isinstance(use, BaselineUse) else ()
    first = run.baseline is None
    after = written(
        run.baseline or Baseline(),
        found,
        {index: entry.count for index, entry in gone},
        add=first or grow,
        reason=None if first else reason.strip(),
        today=datetime.datetime.now(datetime.UTC).date(),
    )
    data = as_bytes(after.baseline)
    changed = data != (target.read_bytes() if target.is_file() else None)
    changed = changed and not (first and not after.added)
    if changed and not dry_run:
        replace(target, data)
    if as_json:
        said = {
            "changed": changed and not dry_run,
            "file": BASELINE_FILE,
            "size": after.baseline.size,
            "added": after.added,
            "taken_out": after.taken_out,
            "not_added": after.not_added,
        }
        click.echo(json.dumps(said, indent=2))
    else:
        _say(target, after.baseline.size, after.added, after.taken_out, changed, dry_run)
        if after.not_added:
            see = common.again_of(path, policy, open_patterns).check_command()
            what = (
                "1 finding is not in it: mend it"
                if after.not_added == 1
                else f"{after.not_added:,} findings are not in it: mend them"
            )
            click.echo(f"  {what} (`{see}` shows which), or add with --grow --reason TEXT.")
        elif changed and not dry_run:
            click.echo("  Commit it.")
    for problem in run.report.not_checked:
        click.echo(printable(f"not checked: {problem.subject}: {problem.detail}"), err=True)
    return 70 if run.crashed else 0


def _say(target: Path, size: int, added: int, taken_out: int, changed: bool, dry_run: bool) -> None:
    wrote = ("would write" if dry_run else "wrote") if changed else "nothing to do:"
    click.echo(f"{wrote} {target.name}: {size:,} in it, {added:,} added, {taken_out:,} taken out")


@baseline.command(
    epilog="""\b
Examples:
  ringfence baseline show          how many findings, by rule and file, and when it grew
  ringfence baseline show --json   for a program: every entry""",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(path: Path, as_json: bool) -> None:
    """Show the baseline of the working tree at PATH, without judging anything."""
    from bot.baseline import BASELINE_FILE
    from bot.sources.open import root_of_path

    if not path.is_dir():
        raise RingfenceError(
            "there is no such folder", where=str(path), remedy="Name a folder that holds a repository."
        )
    target = root_of_path(path) / BASELINE_FILE
    if not os.path.lexists(target):
        if as_json:
            click.echo(json.dumps({"file": BASELINE_FILE, "size": 0, "entries": [], "grown": []}, indent=2))
        else:
            click.echo("there is no baseline: nothing is kept apart")
        return
    found = read_file(target)
    if as_json:
        entries = [
            {"rule": entry.rule, "path": entry.path, "mark": entry.mark, "count": entry.count}
            for entry in found.entries
        ]
        grown = [{"on": growth.on, "by": growth.by, "reason": growth.reason} for growth in found.grown]
        click.echo(
            json.dumps({"file": BASELINE_FILE, "size": found.size, "entries": entries, "grown": grown}, indent=2)
        )
        return
    rules: dict[str, Counter[str]] = {}
    for entry in found.entries:
        rules.setdefault(entry.rule, Counter())[entry.path] += entry.count
    for rule, paths in sorted(rules.items(), key=lambda item: (-item[1].total(), item[0])):
        click.echo(printable(f"{rule}  {paths.total():,}"))
        for name, count in sorted(paths.items()):
            click.echo(printable(f"  {count:>5,}  {name}"))
    for growth in found.grown:
        click.echo(printable(f"grew by {growth.by:,} on {growth.on}: {growth.reason}"))
    click.echo(f"{found.size:,} in all")


def read_file(path: Path) -> Baseline:
    """A baseline on disk. Raises `RingfenceError`."""
    from bot.baseline import read
    from bot.sources.base import MissingObjectError, TooLargeError
    from bot.sources.checkout import read_beneath

    try:
        return read(read_beneath(str(path.parent), path.name))
    except ReadError as error:
        where = f"{path.name}:{error.line}" if error.line else path.name
        raise RingfenceError(error.detail, where=where, remedy=error.remedy) from None
    except (MissingObjectError, TooLargeError) as error:
        raise RingfenceError(
            f"the baseline cannot be read: {error}", where=path.name, remedy="It is one small file."
        ) from None
