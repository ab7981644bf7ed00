"""`ringfence selftest`: a gate that cannot fire reports a clean tree, so prove that it can."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import click

__all__ = ["selftest"]

# Every key that a case may need, for a run without a policy.
SAMPLE = """
[open]
packages = ["@acme/*"]
repositories = ["acme/*"]
members = ["apps/*"]
published = ["apps/*"]
[private]
packages = ["@acme-internal/*"]
repositories = ["acme/platform-*", "acme-internal/*"]
members = ["platform/*"]
names = ["platform-todos"]
[naming]
local = ["open-{x}", "{x}"]
github = ["acme/{x}"]
npm = ["@acme/{x}"]
bin = ["{x}", "{x}-mcp", "{x}-serve"]
[naming.downstream]
local = ["platform-{x}"]
github = ["acme/platform-{x}"]
[[naming.monorepo]]
repository = "acme/apps"
member = "apps/{x}"
[gate]
waiver_days_max = 90
"""


@click.command(
    epilog="""\b
Examples:
  ringfence selftest                     every rule, with the policy in force here (or a sample)
  ringfence selftest --rule deep-import -v
\b
Exit codes: 0 every case passed; 1 a case failed; 2 bad usage.""",
)
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="The organisation's policy.")
@click.option("--open", "open_patterns", multiple=True, metavar="PATTERN", help="Open packages, instead of a policy.")
@click.option("--rule", "only", multiple=True, metavar="ID", help="Only this rule.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("-v", "--verbose", is_flag=True, help="Every case, not only those that failed.")
def selftest(
    path: Path, policy: Path | None, open_patterns: tuple[str, ...], only: tuple[str, ...], as_json: bool, verbose: bool
) -> int:
    """Run every rule against its shipped bad and good cases, with the policy in force."""
    import msgspec

    from bot.cases import cases_of, run_case
    from bot.commands.common import Options, open_repo
    from bot.errors import RingfenceError
    from bot.policy import Policy, PolicyTables
    from bot.rules import ALL, FLEET, LISTED
    from bot.sources.open import folder_at, has_policy

    unknown = [rule for rule in only if rule not in {r.id for r in LISTED}]
    if unknown:
        raise RingfenceError(f"there is no rule {unknown[0]!r}", remedy="ringfence rules lists them.")
    folder = folder_at(path)
    if policy or open_patterns or has_policy(folder):
        options = Options(path=path, policy=policy, open_patterns=open_patterns)
        in_force = open_repo(options, ALL).policy
        said = "the policy in force"
    else:
        in_force = Policy(tables=msgspec.convert(tomllib.loads(SAMPLE), PolicyTables))
        said = "a sample policy (there is none here)"
    rows: list[dict[str, object]] = []
    failed = 0
    for rule in LISTED:
        if only and rule.id not in only:
            continue
        outcomes = [run_case(case, ALL, in_force, FLEET) for case in cases_of(rule)]
        bad = [o for o in outcomes if o.case.bad]
        good = [o for o in outcomes if not o.case.bad]
        broken = [o for o in outcomes if o.status == "failed"]
        # A rule that has no case to fire on proves nothing.
        proven = any(o.status == "passed" for o in bad) or (bad and all(o.status == "not applicable" for o in bad))
        failed += bool(broken) or not proven
        rows.append(
            {
                "rule": rule.id,
                "fired": sum(o.status == "passed" for o in bad),
                "silent": sum(o.status == "passed" for o in good),
                "not_applicable": [f"{o.case.name}: {o.detail}" for o in outcomes if o.status == "not applicable"],
                "failed": [f"{o.case.name}: {o.detail}" for o in broken] + ([] if proven else ["no bad case fired"]),
                "cases": [{"name": o.case.name, "status": o.status, "detail": o.detail} for o in outcomes],
            }
        )
    if as_json:
        click.echo(json.dumps({"policy": said, "passed": not failed, "rules": rows}, indent=2))
        return 1 if failed else 0
    click.echo(f"with {said}")
    for row in rows:
        unproven = not row["fired"] and not row["failed"]  # no case of it fits this policy
        mark = (
            click.style("FAIL", fg="red") if row["failed"] else " -- " if unproven else click.style(" ok ", fg="green")
        )
        click.echo(f"{mark} {row['rule']:<24} fired on {row['fired']}, silent on {row['silent']}")
        for line in row["failed"]:  # type: ignore[attr-defined]
            click.echo(f"       {line}")
        for line in row["not_applicable"]:  # type: ignore[attr-defined]
            click.echo(f"       not applicable: {line}")
        if verbose:
            for case in row["cases"]:  # type: ignore[attr-defined]
                click.echo(f"       {case['status']}: {case['name']}")
    idle = sum(not row["fired"] and not row["failed"] for row in rows)
    what = "1 rule" if len(rows) == 1 else f"{len(rows)} rules"
    click.echo(f"{what}, {failed} failed" + (f", {idle} not proven: no case fits this policy" if idle else ""))
    return 1 if failed else 0
