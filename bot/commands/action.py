"""`ringfence action`: what the GitHub Action runs. Its inputs come from the environment."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from bot.errors import RingfenceError, debugging
from bot.text import redact

if TYPE_CHECKING:
    from bot.action.inputs import Address, Inputs, Runner
    from bot.action.objects import Credentials, Judged
    from bot.commands.common import Document, Options
    from bot.event import Event
    from bot.model import NotChecked
    from bot.sources.gather import Gathered

__all__ = ["action"]

_WITHHELD = ("credentials", "rights", "not-found")
_CODES = {"pass": 0, "fail": 1, "incomplete": 2}


@click.command(
    epilog="""\b
Environment (the Action sets it from its inputs):
  RINGFENCE_POLICY, RINGFENCE_OVERLAY    a path, or owner/repo@ref:path
  RINGFENCE_TOKEN, RINGFENCE_APP_ID, RINGFENCE_APP_KEY
  RINGFENCE_FAIL_ON                      error, warning or note
  RINGFENCE_FORMATS                      annotations, summary, review, code-scanning; with commas between
  RINGFENCE_SARIF_FILE                   also write SARIF here
  RINGFENCE_COMMENT                      true or false
  RINGFENCE_WORKING_DIRECTORY            the folder to judge, where it is not the whole repository
and what every runner sets: GITHUB_EVENT_NAME, GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_SHA, ...
\b
Examples:
  uses: OWNER/ringfence@COMMIT     in a workflow; see docs/action.md
  ringfence check --base main      the same question on a workstation
\b
Exit codes: those of `ringfence check`.""",
)
def action() -> int:
    """Judge what a GitHub event brings, and show it where it happened."""
    from bot.action.faces import failed
    from bot.action.inputs import read_runner

    runner = read_runner(os.environ)
    try:
        return _run(runner)
    except RingfenceError as error:
        what = f"{error.where}: {error.what}" if error.where else error.what
        failed(runner, what, error.remedy or "")
        return 2
    except Exception as error:
        if debugging():
            raise
        failed(runner, f"a bug of Ringfence: {type(error).__name__}: {error}", "Please report it with this run's log.")
        return 70


def _run(runner: Runner) -> int:
    from bot.action.faces import outputs, say
    from bot.action.inputs import read_inputs
    from bot.action.objects import Credentials
    from bot.event import read_event

    inputs = read_inputs(os.environ)
    event = read_event(_payload(), os.environ)
    if event.skip:
        say(f"nothing to check: {event.skip}", level="notice")
        outputs(runner, {"verdict": "skipped"})
        return 0
    credentials = Credentials(os.environ)
    # What was read here counts; the plain check would look again.
    os.environ.pop("RINGFENCE_OVERLAY", None)
    runner.temp.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ringfence-", dir=runner.temp) as folder:
        return _judge(runner, inputs, event, credentials, Path(folder))


def _judge(runner: Runner, inputs: Inputs, event: Event, credentials: Credentials, folder: Path) -> int:
    from bot.action.faces import Shown, outputs, say, show
    from bot.action.objects import resolve
    from bot.commands import common
    from bot.rules import ALL
    from bot.sources.gather import Gathered, borrowable

    remote = credentials.remote(event.repository, app_first=False)
    gathered = Gathered(folder / "own" / event.repository.name, remote, borrow=borrowable(runner.workspace))
    judged = resolve(event, gathered, _policies(runner, inputs))
    at_head = judged.bare and not event.fork and not _is_elsewhere(runner, inputs)
    found = _Found(gathered, judged, at_head)
    root = _root(inputs, found)
    options = _options(runner, inputs, event, credentials, folder, found, root)
    run = common.check(options, ALL)
    for notice in run.notices:
        say(f"note: {notice}")
    shown = Shown(
        event=event,
        inputs=inputs,
        runner=runner,
        report=run.report,
        folder=root,
        judged=judged,
        requested=tuple(str(redact(sentence, run.private_names)) for sentence in run.requested),
        mended=run.mended,
    )
    written = show(shown, ALL, gathered, credentials)
    summary = run.report.summary
    values = {
        "verdict": run.report.verdict,
        "errors": str(summary.errors),
        "warnings": str(summary.warnings),
        "notes": str(summary.notes),
        "before": str(summary.before),
        "baseline": str(summary.baseline),
        "mended": str(run.mended),
        "cache": "true" if event.saves_cache else "false",
    }
    outputs(runner, values | written)
    return 70 if run.crashed else _CODES[run.report.verdict]


def _payload() -> object:
    path = os.environ["GITHUB_EVENT_PATH"]
    try:
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        raise RingfenceError(
            "the event's payload cannot be read", where="GITHUB_EVENT_PATH", remedy="Run it again."
        ) from None


class _Found(NamedTuple):
    """The commits, and where files of the repository are read that say how it is judged: where a change cannot move them, at
    the tip that is trusted. ``first``: the change brings the first policy, and is judged by it."""

    gathered: Gathered
    judged: Judged
    first: bool

    @property
    def trusted(self) -> str:
        return self.judged.trusted or self.judged.commit

    def read(self, path: str) -> bytes | None:
        data = self.gathered.read(self.trusted, path)
        return self.gathered.read(self.judged.commit, path) if data is None and self.first else data


def _inside(given: str, runner: Runner, what: str) -> str | None:
    """A path in the workspace as one of the repository; None for a file elsewhere on the runner."""
    from bot.names import join

    if os.path.isabs(given):
        if not _is_below(given, runner.workspace):
            return None
        given = os.path.relpath(given, runner.workspace)
    path = join("", given)
    if not path:
        # Where an overlay lies is nobody's business in a log.
        raise RingfenceError(
            "its path leads out of the repository", where=f"the input {what}", remedy="Name a file of the repository."
        )
    return path


def _policies(runner: Runner, inputs: Inputs) -> list[str]:
    """The paths of the repository that a policy may have."""
    from bot.sources.open import POLICY_FILE

    named = _inside(inputs.policy, runner, "policy") if isinstance(inputs.policy, str) else None
    in_folder = f"{inputs.folder}/{POLICY_FILE}" if inputs.folder else None
    return [path for path in (POLICY_FILE, in_folder, named) if path]


def _is_elsewhere(runner: Runner, inputs: Inputs) -> bool:
    """Whether the organisation's policy is no file of the repository."""
    given = inputs.policy
    return given is not None and (not isinstance(given, str) or _inside(given, runner, "policy") is None)


def _root(inputs: Inputs, found: _Found) -> str:
    """The folder to judge: a repository of its own where it has a policy of its own, as everywhere else."""
    from bot.sources.open import POLICY_FILE

    if not inputs.folder or found.read(f"{inputs.folder}/{POLICY_FILE}") is not None:
        return inputs.folder
    if not found.gathered.holds(found.judged.commit, inputs.folder):
        raise RingfenceError(
            f"there is no folder {inputs.folder!r} in the commit that is judged",
            where="the input working-directory",
            remedy="Name a folder of the repository.",
        )
    return ""


def _options(
    runner: Runner,
    inputs: Inputs,
    event: Event,
    credentials: Credentials,
    folder: Path,
    found: _Found,
    root: str,
) -> Options:
    from bot.action.gate import Gate
    from bot.commands.common import Options

    gathered, judged = found.gathered, found.judged
    overlay, unread, withheld = _overlay(runner, inputs, credentials, folder, found)
    gate = Gate(event, judged, gathered, root, credentials)
    return Options(
        path=gathered.path,
        folder=root,
        policy=_policy(runner, inputs, credentials, folder, found),
        overlay=overlay,
        revision=judged.commit,
        base=event.branch or None if event.change else None,
        against=judged.against or None,
        trusted=judged.trusted or None,
        first=not event.fork,
        pull=gate.answer if event.pull is not None or event.name == "merge_group" else None,
        unread=unread,
        # A fork is not given what would let it be read; it is read again when the change has been merged.
        allow=("no-overlay",) if withheld and not event.secrets else (),
        public=event.public,
        fail_on=inputs.fail_on,
    )


def _policy(runner: Runner, inputs: Inputs, credentials: Credentials, folder: Path, found: _Found) -> Document | None:
    """The organisation's policy."""
    from bot.action.objects import read_address
    from bot.commands.common import Document
    from bot.sources.open import POLICY_FILE

    given = inputs.policy
    if given is None:
        return None
    if not isinstance(given, str):
        return Document(name=str(given), data=read_address(given, credentials, folder / "policy"))
    path = _inside(given, runner, "policy")
    if path is None:
        return Document(name=given, data=_on_disk(given, "policy"))
    if path == POLICY_FILE and not inputs.folder:
        return None  # the repository's own, which is read anyway
    data = found.read(path)
    if data is None:
        raise RingfenceError(
            f"there is no file {path}",
            where=f"the input policy, at {found.trusted[:12]}",
            remedy="Commit it to the base branch.",
        )
    return Document(name=f"./{path}" if path == POLICY_FILE else path, data=data)


def _overlay(
    runner: Runner, inputs: Inputs, credentials: Credentials, folder: Path, found: _Found
) -> tuple[Document | None, tuple[NotChecked, ...], bool]:
    """The private overlay, or that it could not be read, and whether for want of a secret. Where it lies is nobody's business
    in a log."""
    from bot.action.objects import read_address
    from bot.commands.common import Document, no_overlay
    from bot.sources.mirror import MirrorError

    given: Address | str | None = inputs.overlay
    if given is None:
        return None, (), True
    withheld = False
    try:
        inside = _inside(given, runner, "overlay") if isinstance(given, str) else None
        if not isinstance(given, str):
            data = read_address(given, credentials, folder / "overlay")
        elif inside and (committed := found.read(inside)) is not None:
            data = committed
        elif inside and found.gathered.mode(found.judged.commit, inside.partition("/")[0]):
            raise RingfenceError("the branch that is trusted has no such file")
        else:
            # What the commit has nothing of, an earlier step has put there: a checkout of another repository, a secret.
            withheld = True
            data = _on_disk(os.path.join(runner.workspace, given), "overlay")
    except RingfenceError as error:
        reason = error.what if isinstance(given, str) else "it could not be read with the token that this run has"
        # What no token sees is "not found"; a server that stumbles, or a path that the repository lacks, is another matter.
        withheld |= isinstance(error, MirrorError) and error.kind in _WITHHELD
        return None, (no_overlay(reason),), withheld
    return Document(name="the overlay", data=data), (), False


def _on_disk(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RingfenceError(
            f"cannot read the {what}: {error.strerror}", where=f"the input {what}", remedy="Name a file that is there."
        ) from None


def _is_below(path: str, folder: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(folder)
