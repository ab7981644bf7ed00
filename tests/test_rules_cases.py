"""The rules' shipped cases, with the sample policy and with the policies of other shapes of organisation."""

from __future__ import annotations

import tomllib

import msgspec
import pytest

from bot.cases import Case, cases_of, run_case
from bot.commands.selftest import SAMPLE
from bot.policy import Policy, PolicyTables
from bot.rules import ALL, FLEET, LISTED

CASES = [case for rule in LISTED for case in cases_of(rule)]

# Other organisations: exact unscoped names; a prefix; strict where the sample is loose.
POLICIES = {
    "sample": SAMPLE,
    "names": '[open]\npackages = ["strapi", "@strapi/*"]\n',
    "prefix": '[open]\npackages = ["n8n-*"]\n[private]\npackages = ["@n8n-hosted/*"]\n',
    "strict": '[open]\npackages = ["@elastic/*"]\n[pins]\nform = "locked"\n[reach]\nmembers = "strict"\nno_exports_map = "error"\n',
}


def _policy(text: str) -> Policy:
    return Policy(tables=msgspec.convert(tomllib.loads(text), PolicyTables))


@pytest.mark.parametrize("shape", POLICIES)
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.rule}/{c.name}")
def test_case(case: Case, shape: str) -> None:
    outcome = run_case(case, ALL, _policy(POLICIES[shape]), FLEET)
    assert outcome.status != "failed", outcome.detail
    if shape == "sample":
        assert outcome.status == "passed", f"with the sample policy every case applies: {outcome.detail}"


def test_a_case_that_expects_wrongly_fails() -> None:
    """The runner itself can be red: a bad case that does not fire, a good one that does, a wrong line."""
    policy = _policy(SAMPLE)
    body = '-- package.json --\n{ "name": "c", "private": true, "dependencies": { "%{core}": "^1.0.0" } }\n'
    wrong_line = Case(rule="floating-pin", name="bad/x", bad=True, text='expect = ["package.json:7"]\n' + body)
    silent = Case(rule="missing-lock", name="good/x", bad=False, text=body)
    unread = Case(rule="floating-pin", name="good/y", bad=False, text="-- package.json --\n{ broken\n")
    assert [run_case(case, ALL, policy).status for case in (wrong_line, silent, unread)] == ["failed"] * 3
