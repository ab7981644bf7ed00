"""`ringfence explain`: a rule's page, or the chain of evidence behind a finding."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from bot.errors import RingfenceError
from bot.fleet import FleetRule
from bot.model import Again, Finding, Location, Report
from bot.rule import Described, Rule

__all__ = ["Explained", "explain", "explain_finding", "explain_rule", "look_up"]

Explained = Rule | FleetRule | list[Finding]

_FINGERPRINT = re.compile(r"[0-9a-f]{6,16}")


@click.command(
    epilog="""\b
Examples:
  ringfence explain                      the rules
  ringfence explain floating-pin         what it flags, and how to mend it
  ringfence explain 3f2a9c               what made a finding so
  ringfence explain 3f2a9c --rev HEAD~2  the same for a commit""",
)
@click.argument("target", metavar="[RULE|FINGERPRINT]", required=False)
@click.option("--path", type=click.Path(path_type=Path), default=".", help="The repository a fingerprint belongs to.")
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="The organisation's policy.")
@click.option(
    "--overlay", type=click.Path(path_type=Path), metavar="FILE", help="Its private overlay (or $RINGFENCE_OVERLAY)."
)
@click.option("--open", "open_patterns", multiple=True, metavar="PATTERN", help="Open packages, instead of a policy.")
@click.option("--rev", "revision", metavar="REV", help="Judge a commit instead of the working tree.")
@click.option("--base", metavar="REF", help="The base that the check was held against.")
@click.option("--offline", is_flag=True, help="Ask no registry: use what the cache has.")
@click.option(
    "--public/--private", "public", default=None, help="Leave private names out (the default where $CI is set)."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def explain(
    target: str | None,
    path: Path,
    policy: Path | None,
    overlay: Path | None,
    open_patterns: tuple[str, ...],
    revision: str | None,
    base: str | None,
    offline: bool,
    public: bool | None,
    as_json: bool,
) -> None:
    """Explain a rule, or the finding with this FINGERPRINT (6 digits are enough).

    A finding is explained by checking PATH again: message, source line, every fact that made it so with its
    place, the remedy, and the edits that would mend it.
    """
    from bot.rules import ALL, LISTED

    # A rule's page needs nothing of what a check needs.
    def again() -> Again:
        from bot.commands.common import again_of

        return again_of(path, policy, open_patterns, revision, base)

    def check() -> Report:
        from bot.commands import common

        options = common.Options(
            path=path,
            policy=policy,
            overlay=overlay,
            open_patterns=open_patterns,
            revision=revision,
            base=base,
            offline=offline,
            public=common.in_public(public),
            progress=sys.stderr.isatty(),
            again=again(),
        )
        return common.check(options, ALL).report

    from bot.commands.rules import rows, table, wants_colour

    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    colour = wants_colour()
    if target is None:
        if as_json:
            _json({"rules": rows(LISTED)})
        else:
            click.echo(table(rows(LISTED), width=width, colour=colour), nl=False, color=colour)
            click.echo("\nringfence explain RULE prints one's page.")
        return
    found = look_up(target, LISTED, check)
    if isinstance(found, Rule | FleetRule):
        if as_json:
            _json(_rule_value(found))
        else:
            click.echo(explain_rule(found, colour=colour, width=width), nl=False, color=colour)
    elif as_json:
        from bot.report.json_report import with_next

        _json({"findings": [with_next(finding) for finding in found]})
    else:
        click.echo(explain_finding(found, LISTED, colour=colour, width=width, again=again()), nl=False, color=colour)


def look_up(target: str, rules: Sequence[Rule | FleetRule], check: Callable[[], Report]) -> Explained:
    """The rule with this id, or the findings of a check with this fingerprint (alike findings share one).

    ``check`` is called for fingerprints only. Raises `RingfenceError` when neither is there, or when the
    first digits fit several fingerprints.
    """
    for rule in rules:
        if rule.id == target:
            return rule
    wanted = target.strip().lower()
    if not _FINGERPRINT.fullmatch(wanted):
        if re.fullmatch(r"[0-9a-f]{1,5}", wanted):
            raise RingfenceError(
                f"{wanted!r} is too short for a fingerprint", remedy="Give at least 6 of its 16 hexadecimal digits."
            )
        from difflib import get_close_matches

        near = get_close_matches(wanted.replace("_", "-"), [rule.id for rule in rules], 3, 0.5)
        hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise RingfenceError(
            f"there is no rule {target!r}",
            remedy=f"{hint}ringfence rules lists them; a finding is named by its fingerprint.",
        )
    findings = check().findings
    found = [finding for finding in findings if finding.fingerprint.startswith(wanted)]
    marks = sorted({finding.fingerprint for finding in found})
    if len(marks) > 1:
        raise RingfenceError(
            f"{len(marks)} fingerprints begin with {wanted}: {', '.join(marks[:5])}", remedy="Give more digits."
        )
    if not found:
        raise RingfenceError(
            f"no finding of this check has the fingerprint {wanted}",
            remedy=f"The check found {len(findings):,}: it may be mended, or belong to another revision "
            "or policy (--rev, --policy, --open, --base).",
        )
    return found


def explain_rule(rule: Described, *, colour: bool, width: int) -> str:
    """A rule's page as text."""
    from bot.pages import page, plain
    from bot.report.terminal import Painter

    paint = Painter(colour)

    def style(kind: str, text: str) -> str:
        if kind == "heading":
            return paint(text, bold=True)
        if kind == "bold":
            return paint(text, bold=True)
        if kind == "block":
            return paint(text, "cyan")
        return paint(text, "cyan") if colour else f"`{text}`"

    facts = f"side: {rule.side.value}; severity: {rule.severity.value} unless policy says otherwise"
    return plain(page(rule), width=width, style=style) + "\n" + paint(facts, dim=True) + "\n"


def explain_finding(
    findings: Sequence[Finding],
    rules: Sequence[Described],
    *,
    colour: bool,
    width: int,
    again: Again = Again(),  # noqa: B008  (it is frozen)
) -> str:
    """Findings of one fingerprint, each with its chain of evidence, its remedy and its edits as a diff."""
    from bot.report.words import guarded

    parts = [_finding(finding, rules, colour, width, again) for finding in findings]
    return guarded("\n\n".join("\n".join(part) for part in parts)) + "\n"


def _finding(finding: Finding, rules: Sequence[Described], colour: bool, width: int, again: Again) -> list[str]:
    from bot.model import next_step
    from bot.report.terminal import Painter, source_block, wrapped
    from bot.report.words import position
    from bot.text import printable

    paint = Painter(colour)
    fg = {"error": "red", "warning": "yellow", "note": "cyan"}[finding.severity.value]
    head = f"{finding.severity.value}[{printable(finding.rule)}]"
    out = wrapped(
        printable(finding.message),
        width,
        first=paint(head, fg, bold=True) + " ",
        first_width=len(head) + 1,
        rest="    ",
    )
    out += source_block(finding, paint, width, note=finding.fingerprint)
    summary = next((rule.summary for rule in rules if rule.id == finding.rule), "")
    if summary:
        out += ["", paint("The rule", bold=True)]
        out += wrapped(f"{summary} (ringfence explain {printable(finding.rule)})", width, first="  ", rest="  ")
    out += ["", paint("What made it so", bold=True)]
    for number, link in enumerate(finding.evidence, 1):
        lead = f"  {number}. {printable(link.kind)}: "
        out += wrapped(
            printable(link.text),
            width,
            first=f"  {number}. {paint(printable(link.kind), 'blue', bold=True)}: ",
            first_width=len(lead),
            rest="     ",
        )
        if link.location is not None:
            out.append(f"     {paint('-->', 'blue', bold=True)} {position(link.location)}")
    if not finding.evidence:
        out.append("  nothing but the place itself")
    for related in finding.related:
        out += wrapped(
            f"{printable(related.text)} ({position(related.location)})", width, first="  see: ", rest="     "
        )
    out += ["", paint("What to do", bold=True)]
    if finding.remedy:
        out += wrapped(printable(finding.remedy), width, first="  ", rest="  ")
    step = finding.next or next_step(finding, again)
    mend = again.fix_command("--unsafe", "--only", finding.fingerprint)
    if step.startswith("ringfence explain ") and finding.edits and mend is not None:
        # Here is where it is looked at: what comes after.
        step = f"{mend}, when the edits below are right"
    if step != finding.remedy and not step.startswith("ringfence explain "):
        out += wrapped(printable(step), width, first="  next: ", rest="  ")
    if finding.waived:
        out += wrapped(printable(finding.waived), width, first="  waived: ", rest="  ")
    if not finding.introduced:
        out.append("  It was there before (the base or the baseline has it), and does not decide.")
    if finding.edits:
        out += ["", paint("The edits", bold=True)]
        for edit in finding.edits:
            kind = "safe" if edit.safe else "to be looked at first"
            out.append(f"  {paint('@@', 'cyan')} {position(edit.location)} ({kind})")
            old, new = _lines_of(finding, edit.location, edit.old, edit.new)
            out += [paint(f"  - {printable(line)}", "red") for line in old]
            out += [paint(f"  + {printable(line)}", "green") for line in new]
    return out


def _lines_of(finding: Finding, location: Location, old: str, new: str) -> tuple[list[str], list[str]]:
    """The edited line before and after where the report has it, else the replaced text alone."""
    if (
        finding.source
        and len(finding.source) <= 500
        and (location.path, location.line) == (finding.location.path, finding.location.line)
        and location.end_line in (0, location.line)
    ):
        begin, end = location.column - 1, location.end_column - 1
        if finding.source[begin:end] == old:
            return [finding.source], (finding.source[:begin] + new + finding.source[end:]).splitlines()
    return old.splitlines(), new.splitlines()


def _rule_value(rule: Described) -> dict[str, object]:
    from bot.pages import page, sections

    text = page(rule)
    return {
        "id": rule.id,
        "side": rule.side.value,
        "severity": rule.severity.value,
        "summary": rule.summary,
        "sections": sections(text),
        "page": text,
    }


def _json(value: object) -> None:
    from bot.report.json_report import render_value

    click.echo(render_value(value), nl=False)
