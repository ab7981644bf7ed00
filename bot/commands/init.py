"""`ringfence init`: look at a repository and write its first policy."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from bot.errors import RingfenceError
from bot.text import printable

__all__ = ["init"]


@click.command(
    epilog="""\b
Examples:
  ringfence init                        guess the open scope from names, dependencies and origin
  ringfence init --open '@acme/*'       say it
  ringfence init ../shop --stdout       show the file, write nothing
\b
The file says what `ringfence check --open PATTERN` would assume, and suggests the rest in comments: no
verdict changes by writing it, except that fixtures and templates are left out. Exit codes: 0 written; 2 it cannot tell, or a file is there.""",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option(
    "--open", "open_patterns", multiple=True, metavar="PATTERN", help="Open packages: '@acme/*', 'pypi:acme-*'."
)
@click.option("--stdout", is_flag=True, help="Print the file instead of writing it.")
@click.option("--force", is_flag=True, help="Replace a ringfence.toml that is there.")
def init(path: Path, open_patterns: tuple[str, ...], stdout: bool, force: bool) -> None:
    """Look at a repository and write its first ringfence.toml."""
    from bot.factcache import FactCache
    from bot.init import first_policy
    from bot.load import load
    from bot.policy import Open, Policy, PolicyTables
    from bot.sources.git import ignoring
    from bot.sources.open import POLICY_FILE, open_source

    source = open_source(path)
    try:
        target = Path(source.label) / POLICY_FILE
        if not stdout and not force and os.path.lexists(target):
            raise RingfenceError(
                "there is a policy already", where=str(target), remedy="Edit it, or replace it with --force."
            )
        # No pattern, no policy: nothing of it is asked but manifests and names.
        repo = load(source, Policy(tables=PolicyTables(open=Open(packages=()))), FactCache(None)).repo
    finally:
        source.close()
    first = first_policy(repo, open_patterns)
    if stdout:
        click.echo(first.text, nl=False)
        return
    _write(target, first.text, force=force)
    named = printable(", ".join(first.patterns))
    because = f" ({first.guessed})" if first.guessed else ""
    click.echo(f"wrote {printable(str(target))}: open is {named}{because}")
    click.echo("  Read it, then run `ringfence check`.")
    hidden = ignoring(target.parent, target.name)
    if hidden:
        click.echo(f"  git ignores it ({printable(hidden)}): `git add -f {target.name}` puts it in the repository.")


def _write(target: Path, text: str, *, force: bool) -> None:
    """The whole file or nothing; never through a symbolic link."""
    try:
        if not force:
            with target.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
            return
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=target.parent, delete=False
        ) as beside:
            beside.write(text)
        os.chmod(beside.name, 0o644)
        os.replace(beside.name, target)
    except OSError as error:
        raise RingfenceError(
            f"cannot write it: {error.strerror}", where=str(target), remedy="Print it with --stdout."
        ) from None
