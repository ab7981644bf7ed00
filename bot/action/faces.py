"""What the Action shows, and where: on the pull request, in the run's summary and log, in files and outputs.

Nothing here changes the verdict. What cannot be shown is said in what can.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bot.action.gate import pull_request
from bot.action.inputs import Inputs, Runner
from bot.action.objects import Credentials, Judged
from bot.errors import RingfenceError
from bot.event import Event
from bot.model import Report
from bot.report.github import command
from bot.report.words import guarded, plural
from bot.rule import Rule
from bot.sources.gather import Gathered
from bot.text import printable

if TYPE_CHECKING:
    from bot.github.pulls import PullRequest
    from bot.report.context import Context

__all__ = ["Shown", "failed", "outputs", "say", "show"]

# GitHub takes a step's summary of 1 MiB and shows none that is larger.
_SUMMARY_MAX = 1_000_000
_PATIENCE = 60.0  # seconds that a comment may wait for a rate limit


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be shown of one run."""

    event: Event
    inputs: Inputs
    runner: Runner
    report: Report
    folder: str
    judged: Judged
    requested: tuple[str, ...]
    mended: int


def show(shown: Shown, rules: Sequence[Rule], gathered: Gathered, credentials: Credentials) -> dict[str, str]:
    """Show it everywhere that the inputs ask for; the paths of the files that were written, by their output's name."""
    from bot.report.context import Context
    from bot.report.json_report import render as render_json

    event, report = shown.event, shown.report
    edited = {edit.path for finding in report.findings for edit in finding.edits}
    files = {path: gathered.read(shown.judged.commit, _from_top(shown, path)) for path in sorted(edited)}
    context = Context(
        folder=shown.folder,
        blob=f"{shown.runner.server}/{event.repository.owner}/{event.repository.name}/blob/{shown.judged.commit}",
        run=shown.runner.run,
        mended=shown.mended,
        requested=shown.requested,
        files={path: data for path, data in files.items() if data is not None},
    )
    written = {"report": str(_in_temp(shown.runner, "ringfence-report.json", render_json(report)))}
    left_out: list[str] = []
    sarif = _sarif(shown, rules)
    if shown.inputs.sarif_file:
        written["sarif"] = str(_in_workspace(shown.runner, shown.inputs.sarif_file, sarif))
    if "code-scanning" in shown.inputs.formats:
        left_out += _uploaded(shown, sarif, credentials)
    left_out += _on_the_pull_request(shown, context, gathered, credentials)
    if "summary" in shown.inputs.formats:
        _append_summary(shown, msgspec.structs.replace(context, left_out=tuple(left_out)))
    _log(shown, left_out)
    return written


def _from_top(shown: Shown, path: str) -> str:
    return f"{shown.folder}/{path}" if shown.folder else path


# -- files -----------------------------------------------------------------------------------------


def _sarif(shown: Shown, rules: Sequence[Rule]) -> str:
    from bot.report.sarif import render

    return render(shown.report, rules, waived=False, folder=shown.folder)


def _in_temp(runner: Runner, name: str, text: str) -> Path:
    """A file in a folder of its own: one job may judge several times."""
    folder = Path(tempfile.mkdtemp(prefix="ringfence-", dir=runner.temp))
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="\n", errors="backslashreplace")
    return path


def _in_workspace(runner: Runner, name: str, text: str) -> Path:
    """A file where the workflow wants it. The workspace may hold a hostile tree: no link of it is followed."""
    workspace = Path(os.path.realpath(runner.workspace))
    path = Path(os.path.normpath(workspace / name))
    try:
        if path.is_relative_to(workspace) and (Path(os.path.realpath(path.parent)) != path.parent or path.is_symlink()):
            raise RingfenceError("it lies behind a symbolic link", where="the input sarif-file", remedy="Name another.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n", errors="backslashreplace")
    except OSError as error:
        raise RingfenceError(
            f"cannot write it: {error.strerror}", where="the input sarif-file", remedy="Name a file in a folder."
        ) from None
    return path


# -- on GitHub -------------------------------------------------------------------------------------


def _on_the_pull_request(shown: Shown, context: Context, gathered: Gathered, credentials: Credentials) -> list[str]:
    """The review and the comment; what could not be shown there, a sentence each."""
    event = shown.event
    if event.pull is None or not event.name.startswith("pull_request"):
        return []
    wanted = [
        name
        for name, is_wanted in (
            ("the review with suggested changes", "review" in shown.inputs.formats),
            ("the comment", shown.inputs.comment),
        )
        if is_wanted
    ]
    if wanted and not event.can_write:
        return [f"{' and '.join(wanted)}: the token of a fork's pull request, or of Dependabot's, may only read"]
    left_out: list[str] = []
    try:
        pull = pull_request(event, credentials, wait=_PATIENCE)
    except RingfenceError as error:
        return [f"{' and '.join(wanted)}: {error.what}"] if wanted else []
    if "review" in shown.inputs.formats:
        try:
            _review(shown, context, gathered, pull)
        except RingfenceError as error:
            left_out.append(f"the review with suggested changes: {error.what}")
    if shown.inputs.comment:
        try:
            _comment(shown, msgspec.structs.replace(context, left_out=tuple(left_out)), pull)
        except RingfenceError as error:
            left_out.append(f"the comment: {error.what}")
    return left_out


def _comment(shown: Shown, context: Context, pull: PullRequest) -> None:
    from bot.report.comment import comment, marker

    report = shown.report
    # Nothing to say and nothing said before: no comment is made for that.
    silent = report.verdict == "pass" and not shown.mended and not shown.requested
    silent = silent and not any(finding.introduced and not finding.waived for finding in report.findings)
    pull.put_comment(marker(shown.folder), comment(report, context=context), create=not silent)


def _review(shown: Shown, context: Context, gathered: Gathered, pull: PullRequest) -> None:
    from bot.github.pulls import ReviewComment
    from bot.report.review import hunks, review

    head = shown.event.pull.head if shown.event.pull is not None else ""
    safe = [
        finding
        for finding in shown.report.findings
        if finding.introduced and not finding.waived and finding.edits and all(edit.safe for edit in finding.edits)
    ]
    if not safe or not head:
        return
    gathered.need(head)
    # A line of the merge is a line of the head only where the file is the same in both.
    same = {path: data for path, data in context.files.items() if gathered.read(head, _from_top(shown, path)) == data}
    made = review(
        shown.report,
        context=msgspec.structs.replace(context, files=same),
        hunks=hunks(pull.diff()),
        posted=pull.said(),
    )
    if made is not None:
        comments = [
            ReviewComment(path=each.path, body=each.body, line=each.line, start_line=each.start_line)
            for each in made.comments
        ]
        pull.review(head, made.body, comments)


def _uploaded(shown: Shown, sarif: str, credentials: Credentials) -> list[str]:
    from bot.github.client import connect
    from bot.github.pulls import upload_sarif

    event = shown.event
    commit, ref = shown.judged.commit, os.environ.get("GITHUB_REF", "")
    if event.pull is not None and event.name.startswith("pull_request"):
        merged = commit != event.pull.head
        ref = f"refs/pull/{event.pull.number}/{'merge' if merged else 'head'}"
    try:
        client = connect(
            event.repository.host,
            environment=credentials.environment(app_first=False),
            permissions={"metadata": "read", "security_events": "write"},
        )
        upload_sarif(client, event.repository, commit=commit, ref=ref, sarif=sarif)
    except RingfenceError as error:
        return [f"the upload to code scanning: {error.what}"]
    return []


# -- in the run ------------------------------------------------------------------------------------


def _append_summary(shown: Shown, context: Context) -> None:
    from bot.report.markdown import summary

    if shown.runner.summary is not None:
        text = summary(shown.report, context=context, limit=_SUMMARY_MAX)
        with shown.runner.summary.open("a", encoding="utf-8", newline="\n", errors="backslashreplace") as file:
            file.write(text + "\n")


def _log(shown: Shown, left_out: Sequence[str]) -> None:
    """The log: annotations, and every finding; without annotations, the findings as on a terminal."""
    remarks = [*shown.judged.notes, *(f"left out: {text}" for text in left_out)]
    if shown.mended:
        remarks.append(f"this change mends {plural(shown.mended, 'finding')}")
    remarks += shown.requested
    if "annotations" in shown.inputs.formats:
        from bot.report.github import render

        sys.stdout.write(render(shown.report, folder=shown.folder, remarks=remarks))
    else:
        from bot.report.terminal import render as render_terminal

        sys.stdout.write(render_terminal(shown.report, width=120))
        for remark in remarks:
            say(remark)
    sys.stdout.flush()


def say(text: str, *, level: str = "") -> None:
    """A line of the log, as an annotation where ``level`` is one."""
    line = command(level, {"title": "ringfence"}, text) if level else guarded(printable(text))
    sys.stdout.write(line + "\n")


def failed(runner: Runner, what: str, remedy: str) -> None:
    """Nothing could be judged: an annotation, a summary and the outputs say so."""
    from bot.report.escape import prose

    say(f"{what}\n{remedy}" if remedy else what, level="error")
    if runner.summary is not None:
        with runner.summary.open("a", encoding="utf-8", newline="\n", errors="backslashreplace") as file:
            file.write(f"## Ringfence: incomplete\n\n{prose(what)}\n\n{prose(remedy)}\n")
    outputs(runner, {"verdict": "incomplete"})


def outputs(runner: Runner, values: Mapping[str, str]) -> None:
    """Set the step's outputs. Their values are ours, and hold no line end."""
    if runner.output is not None:
        with runner.output.open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{name}={printable(value)}\n" for name, value in values.items())
