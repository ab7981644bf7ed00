"""The command line: verbs, exit codes, and the one place that turns errors into words.

Exit codes: 0 clean or nothing to do; 1 a failing finding; 2 something that policy does not allow could not be
checked, or bad usage; 70 a bug of ours.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import os
import sys
from typing import NoReturn

import click

from bot import __version__
from bot.errors import RingfenceError, debugging
from bot.text import printable

__all__ = ["BUG", "FAIL", "INCOMPLETE", "OK", "main"]

OK, FAIL, INCOMPLETE, BUG = 0, 1, 2, 70

# verb -> (module, summary): a verb's module is imported when it is used, so that `--help` stays quick.
_VERBS = {
    "audit": "Judge many repositories and the fleet that they are.",
    "check": "Judge a repository against its policy and the public registry.",
    "explain": "Show a rule's page, or the evidence behind a finding.",
    "fix": "Apply the safe edits of findings to the working tree.",
    "baseline": "Keep the findings of today apart: it can only shrink.",
    "init": "Look at a repository and write its first policy.",
    "rules": "List the rules.",
    "schema": "Print the JSON Schema of the policy, the report or the audit.",
    "selftest": "Prove that every rule can fire and can be silent.",
}
# Verbs that people do not type.
_QUIET = ("action",)


class _Verbs(click.Group):
    """Verbs that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in (*_VERBS, *_QUIET):
            return None
        command: click.Command = getattr(importlib.import_module(f"bot.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(_VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in (*_VERBS, *_QUIET) and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _VERBS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else " ringfence --help lists the verbs."
            raise click.UsageError(f"There is no verb {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"ringfence {__version__}")
        ctx.exit()


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  ringfence check                    judge the repository you stand in
  ringfence check --open '@acme/*'   without any policy file
  ringfence explain deep-import      what a rule means
\b
Exit codes: 0 clean; 1 a failing finding; 2 not everything could be checked, or bad usage; 70 a bug.""",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
def ringfence() -> None:
    """Keeps an open-core boundary hard: a private product uses its open core only as a stranger could."""


def main() -> None:
    """The console script: run, and turn every error into words and an exit code."""
    # What is made at a start stays: to look for garbage in it costs milliseconds. A check is of one repository: what little
    # there is in cycles may wait for its end.
    gc.set_threshold(0 if sys.argv[1:2] == ["check"] else 50_000)
    # Closed streams are None: what is said goes nowhere, and the exit code says the rest.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Programs read UTF-8; a letter that a terminal cannot say is no bug.
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    try:
        code = run(sys.argv[1:])
    except OSError:
        if debugging():
            raise
        code = INCOMPLETE  # not even what is wrong can be said
    _end(code)


def _end(code: int) -> NoReturn:
    """End the process as it stands: to take apart, object by object, what a large repository became takes a tenth of the time."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run the program on arguments; the exit code."""
    try:
        result = ringfence.main(args=arguments, prog_name="ringfence", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else OK
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        error.show()
        return INCOMPLETE
    except click.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return INCOMPLETE
    except RingfenceError as error:
        click.echo("error: " + printable(str(error), newline=True), err=True)
        return INCOMPLETE
    except BrokenPipeError:
        # The reader went away (`| head`): nothing to say to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if debugging():
            raise
        if isinstance(error, OSError) and error.filename is None:
            # Nothing but standard output is written to without a name.
            click.echo(f"error: cannot write the output: {error.strerror}", err=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return INCOMPLETE
        click.echo(
            f"error: a bug of Ringfence: {type(error).__name__}: {printable(str(error))}\n"
            "  Please report it with the command you ran; RINGFENCE_DEBUG=1 shows the traceback.",
            err=True,
        )
        return BUG
