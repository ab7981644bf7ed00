"""`ringfence fix`: apply the edits of findings to the working tree."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bot.errors import RingfenceError
from bot.text import printable, redact

__all__ = ["fix"]


@click.command(
    epilog="""\b
Examples:
  ringfence fix --dry-run                 show the diff of every safe edit, change nothing
  ringfence fix --yes                     apply them
  ringfence fix --only 3f2a9c1b7d405e68   the edits of one finding
  ringfence fix --unsafe --rule floating-pin
\b
Exit codes: 0 applied, or shown alone, or nothing to do (--json says "changed"); 2 bad usage or an unreadable
repository; 70 a bug of Ringfence.""",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="The organisation's policy.")
@click.option(
    "--overlay", type=click.Path(path_type=Path), metavar="FILE", help="Its private overlay (or $RINGFENCE_OVERLAY)."
)
@click.option("--open", "open_patterns", multiple=True, metavar="PATTERN", help="Open packages, instead of a policy.")
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Only this rule's edits.")
@click.option("--only", multiple=True, metavar="FINGERPRINT", help="Only this finding's edits.")
@click.option("--unsafe", is_flag=True, help="Also edits that need another step, or that may change behaviour.")
@click.option("--dry-run", is_flag=True, help="Show the diff and change nothing.")
@click.option(
    "-y",
    "--yes",
    is_flag=True,
    help="Apply without asking; where there is no terminal to ask at, nothing is changed without it.",
)
@click.option("--offline", is_flag=True, help="Ask no registry: use what the cache has.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def fix(
    path: Path,
    policy: Path | None,
    overlay: Path | None,
    open_patterns: tuple[str, ...],
    rules: tuple[str, ...],
    only: tuple[str, ...],
    unsafe: bool,
    dry_run: bool,
    yes: bool,
    offline: bool,
    as_json: bool,
) -> int:
    """Show the safe edits of all findings as a diff, and apply them to the working tree at PATH."""
    from bot.commands import common
    from bot.commands.writing import replace
    from bot.fix import diff, plan, shown
    from bot.report.words import decides, plural
    from bot.rules import ALL
    from bot.sources.checkout import read_beneath
    from bot.sources.open import root_of_path

    again = common.again_of(path, policy, open_patterns)
    options = common.Options(
        path=path,
        policy=policy,
        overlay=overlay,
        open_patterns=open_patterns,
        only=rules,
        offline=offline,
        disk=True,
        public=common.in_public(),
        progress=sys.stderr.isatty(),
    )
    run = common.check(options, ALL)
    for mark in only:
        if not any(f.fingerprint.startswith(mark) for f in run.report.findings):
            raise RingfenceError(
                f"no finding of this check has the fingerprint {mark}",
                remedy=f"{again.check_command()} shows those that are there; it may be mended already.",
            )
    wanted = [f for f in run.report.findings if not only or any(f.fingerprint.startswith(mark) for mark in only)]
    root = root_of_path(path)
    files: dict[str, bytes] = {}
    for edited in sorted({edit.path for finding in wanted for edit in finding.edits}):
        try:
            files[edited] = read_beneath(str(root), edited)
        except Exception as error:
            raise RingfenceError(f"cannot read it: {error}", where=edited, remedy="Mend the working tree.") from None
    planned = plan(wanted, files, unsafe=unsafe)
    patch = str(redact("".join(diff(change) for change in planned.changes), run.private_names))
    apply = bool(planned.changes) and not dry_run and yes
    asked = False
    if not as_json:
        click.echo(shown(patch, terminal=sys.stdout.isatty()), nl=False)
        for skipped in planned.skipped:
            click.echo(printable(f"left out: {skipped.rule} in {skipped.path}: {skipped.reason}"), err=True)
        if planned.changes and not dry_run and not yes and sys.stdin.isatty() and sys.stdout.isatty():
            asked = True
            apply = click.confirm(f"Change {plural(len(planned.changes), 'file')}?")
    if apply:
        for change in planned.changes:
            replace(root / change.path, change.after)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "changed": apply,
                    "files": [change.path for change in planned.changes],
                    "mended": list(planned.mended),
                    "skipped": [
                        {"fingerprint": s.fingerprint, "rule": s.rule, "path": s.path, "reason": s.reason}
                        for s in planned.skipped
                    ],
                    "diff": patch,
                },
                indent=2,
            )
        )
    else:
        files_said = plural(len(planned.changes), "file")
        if not planned.changes:
            said = "nothing to do: no finding has an edit to apply"
        elif apply:
            said = f"changed {files_said}"
        elif asked:
            said = "changed nothing"
        else:
            said = f"would change {files_said}" + ("" if dry_run else "; add --yes to apply")
        left = sum(decides(f) and f.fingerprint not in planned.mended for f in run.report.findings)
        if left and not only and not rules:
            said += f"; {plural(left, 'finding')} {'is' if left == 1 else 'are'} left for your own hand: {again.check_command()}"
        click.echo(said, err=True)
    return 70 if run.crashed else 0
