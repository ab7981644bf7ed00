"""`ringfence explain` and `ringfence rules`: pages, chains of evidence, and what a wrong name gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot import cli
from bot.commands.explain import explain as command
from bot.commands.explain import explain_finding, explain_rule, look_up
from bot.commands.rules import rows, table
from bot.commands.rules import rules as rules_command
from bot.errors import RingfenceError
from bot.model import (
    Finding,
    LocatedEdit,
    Location,
    Related,
    RenderedEvidence,
    Report,
    Severity,
    Summary,
    Verdict,
)
from bot.pages import SECTIONS, page, plain, sections
from bot.policy import Policy
from bot.repo import Repo
from bot.rule import Known, Rule, RuleSide
from bot.rules import ALL, LISTED


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Nothing."""
    return Verdict()


RULES = tuple(
    Rule(id=name, summary=f"What {name} flags.", side=RuleSide.PRIVATE, severity=severity, judge=judge)
    for name, severity in (("floating-pin", Severity.ERROR), ("deep-import", Severity.NOTE))
)
PLACE = Location(path="package.json", line=3, column=13, end_line=3, end_column=21)


def finding(**changes: Any) -> Finding:
    known: dict[str, Any] = {
        "rule": "floating-pin",
        "severity": Severity.ERROR,
        "location": PLACE,
        "message": "core is a range",
        "remedy": "Write 1.2.4.",
        "fingerprint": "0123456789abcdef",
        "source": '    "core": "^1.2.0",',
    }
    return Finding(**(known | changes))


FULL = finding(
    evidence=(
        RenderedEvidence(kind="declaration", text='package.json says "^1.2.0"', location=PLACE),
        RenderedEvidence(kind="registry", text="the registry has 1.2.4"),
        RenderedEvidence(kind="policy", text="pins.form is exact", location=Location(path="p.toml", line=9, column=1)),
    ),
    related=(Related(text="pinned here", location=Location(path="a.lock", line=8, column=1)),),
    edits=(
        LocatedEdit(path="package.json", start=9, end=17, old='"^1.2.0"', new='"1.2.4"', safe=True, location=PLACE),
        LocatedEdit(
            path="b.json",
            start=9,
            end=17,
            old="x\ny",
            new="",
            safe=False,
            location=Location(path="b.json", line=1, column=1),
        ),
    ),
)


def reporting(*found: Finding) -> Any:
    return lambda: Report(
        version="1", repository="a/b", revision="", mode="enforce", verdict="fail", findings=found, summary=Summary()
    )


def never() -> Report:
    raise AssertionError("a rule's page needs no check")


def test_a_rule_is_found_without_a_check() -> None:
    assert look_up("deep-import", RULES, never) is RULES[1]


def test_a_fingerprint_by_its_first_digits() -> None:
    other = finding(fingerprint="fedcba9876543210")
    assert look_up("012345", RULES, reporting(FULL, other)) == [FULL]
    assert look_up("FEDCBA9876543210", RULES, reporting(FULL, other)) == [other]
    alike = finding(location=Location(path="package.json", line=9))
    assert look_up("0123456789abcdef", RULES, reporting(FULL, alike)) == [FULL, alike]


@pytest.mark.parametrize(
    ("target", "found", "says"),
    [
        ("deep-imports", (), "Did you mean 'deep-import'"),
        ("floating_pin", (), "Did you mean 'floating-pin'"),
        ("zzz", (), "ringfence rules lists them"),
        ("01234", (), "at least 6"),
        ("abcdef", (FULL,), "The check found 1"),
        ("012345", (FULL, finding(fingerprint="0123450000000000")), "Give more digits"),
    ],
)
def test_what_is_not_there(target: str, found: tuple[Finding, ...], says: str) -> None:
    with pytest.raises(RingfenceError) as caught:
        look_up(target, RULES, reporting(*found))
    assert says in str(caught.value)


def test_the_chain_of_evidence() -> None:
    said = explain_finding([FULL], RULES, colour=False, width=80)
    assert said == (
        "error[floating-pin] core is a range\n"
        " --> package.json:3:13  0123456789abcdef\n"
        '3 | "core": "^1.2.0",\n'
        "  |         ^^^^^^^^\n"
        "\n"
        "The rule\n"
        "  What floating-pin flags. (ringfence explain floating-pin)\n"
        "\n"
        "What made it so\n"
        '  1. declaration: package.json says "^1.2.0"\n'
        "     --> package.json:3:13\n"
        "  2. registry: the registry has 1.2.4\n"
        "  3. policy: pins.form is exact\n"
        "     --> p.toml:9:1\n"
        "  see: pinned here (a.lock:8:1)\n"
        "\n"
        "What to do\n"
        "  Write 1.2.4.\n"
        "  next: ringfence fix --unsafe --only 0123456789abcdef, when the edits below are\n"
        "  right\n"
        "\n"
        "The edits\n"
        "  @@ package.json:3:13 (safe)\n"
        '  -     "core": "^1.2.0",\n'
        '  +     "core": "1.2.4",\n'
        "  @@ b.json:1:1 (to be looked at first)\n"
        "  - x\n"
        "  - y\n"
    )
    assert explain_finding([FULL, FULL], RULES, colour=False, width=80).count("What made it so") == 2


def test_a_hidden_line_and_hostile_words() -> None:
    private = finding(private=True, source="", message="::error::x \x1b[2J", remedy="", waived="until\n::error::x")
    said = explain_finding([private], RULES, colour=False, width=80)
    assert "\x1b" not in said
    assert not any(line.lstrip().startswith("::") for line in said.splitlines())
    assert "^" not in said


def test_commands_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = CliRunner()
    monkeypatch.chdir(tmp_path)
    listed = run.invoke(rules_command, ["--json"])
    assert listed.exit_code == 0
    assert [row["id"] for row in json.loads(listed.output)["rules"]] == [rule.id for rule in LISTED]
    assert json.loads(listed.output)["policy"] is False
    said = run.invoke(command, [ALL[0].id])
    assert said.exit_code == 0
    assert ALL[0].id in said.output
    value = json.loads(run.invoke(command, [ALL[0].id, "--json"]).output)
    assert value["id"] == ALL[0].id
    assert value["page"] == page(ALL[0])
    assert "\x1b" not in said.output
    every = run.invoke(command, [])
    assert all(rule.id in every.output for rule in ALL)
    assert json.loads(run.invoke(command, ["--json"]).output)["rules"]
    assert "Examples:" in run.invoke(command, ["--help"]).output
    assert "Examples:" in run.invoke(rules_command, ["--help"]).output


def test_an_unknown_name_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", ALL[0].id + "x"]) == 2
    assert f"Did you mean '{ALL[0].id}'" in capsys.readouterr().err


def test_the_table_says_what_policy_changed() -> None:
    listed = rows(RULES, {"floating-pin": "off", "deep-import": "note"})
    said = table(listed, width=60)
    assert "off*" in said
    assert "note*" not in said
    assert said.endswith("* by policy\n")
    assert rows(RULES)[0] == {
        "id": "floating-pin",
        "side": "private",
        "severity": "error",
        "default_severity": "error",
        "summary": "What floating-pin flags.",
    }


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_every_rule_has_its_page(rule: Rule) -> None:
    text = page(rule)
    found = sections(text)
    assert tuple(name for name in found if name in SECTIONS) == SECTIONS, f"{rule.id}: the page's sections"
    said = explain_rule(rule, colour=False, width=80)
    for heading in SECTIONS:
        assert f"\n{heading}\n" in said
    assert not any(line.startswith("#") for line in said.splitlines())


def test_markdown_as_text() -> None:
    text = """# deep-import

Some `code with spaces` and **bold words**, *weight*, 2 * 3 * 4, and a
[link](https://example.test/x).

## Why

- one that is long enough to be wrapped at forty columns
- two
  goes on
1. first

```toml
# not a heading
[open]   packages = ["@acme/*"]
```

| a | b |
|---|---|
| 1 | 2 |

last
"""
    assert plain(text, width=40) == (
        "deep-import\n"
        "\n"
        "Some `code with spaces` and bold words,\n"
        "weight, 2 * 3 * 4, and a\n"
        "link (https://example.test/x).\n"
        "\n"
        "Why\n"
        "\n"
        "  - one that is long enough to be\n"
        "    wrapped at forty columns\n"
        "  - two goes on\n"
        "  1. first\n"
        "\n"
        "    # not a heading\n"
        '    [open]   packages = ["@acme/*"]\n'
        "\n"
        "| a | b |\n"
        "|---|---|\n"
        "| 1 | 2 |\n"
        "\n"
        "last\n"
    )
    assert set(sections(text)) == {"Why"}
    assert "# not a heading" in sections(text)["Why"]


def test_a_rule_without_a_page_has_its_summary() -> None:
    assert page(RULES[0]) == "# floating-pin\n\nWhat floating-pin flags.\n"
