"""What must hold for every file of the project."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Spelled in pieces, so that this file does not hold what it looks for.
_HOSTS = [
    r"registry\.(?:npm" + r"js|yarn" + r"pkg)\.",
    r"(?:^|[^a-z])py" + r"pi\.org",
    r"python" + r"hosted\.org",
    r"deb\.debian" + r"\.org",
]
_SECRETS = [
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"AKIA[0-9A-Z]{16}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY",
]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in os.fsdecode(listed.stdout).split("\0") if name and (ROOT / name).is_file()]


def _lines_with(patterns: list[str]) -> list[str]:
    wanted = re.compile("|".join(patterns).encode())
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _tracked()
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1)
        if wanted.search(line)
    ]


def test_no_file_names_a_registry_host() -> None:
    assert len(_tracked()) > 100  # the listing itself works
    assert _lines_with(_HOSTS) == []


def test_the_pattern_would_see_a_host() -> None:
    host = "https://registry." + "npm" + "js.org/x"
    assert any(re.search(pattern, host) for pattern in _HOSTS)


def test_no_file_holds_a_secret_or_a_path_of_a_machine() -> None:
    home = re.escape(str(Path.home()))
    assert _lines_with(_SECRETS) == []
    assert _lines_with([re.escape(str(ROOT)) + r"(?![\w-])", home + "/"]) == [] or str(ROOT) == "/"


def test_every_rule_has_a_page_and_cases_on_both_sides() -> None:
    from bot.cases import cases_of
    from bot.pages import page
    from bot.rules import ACROSS, ALL, LISTED

    assert {rule.id: rule.severity for rule in LISTED if rule not in ALL} == dict(ACROSS)
    ids = [rule.id for rule in LISTED]
    assert len(ids) == len(set(ids)) >= 18
    for rule in LISTED:
        text = page(rule)
        for section in ("## What it flags", "## Why it matters", "## How to mend it", "## What it leaves alone"):
            assert section in text, f"{rule.id}: {section}"
        cases = list(cases_of(rule))
        assert any(case.bad for case in cases), rule.id
        assert any(not case.bad for case in cases), rule.id


def test_the_readme_lists_every_rule() -> None:
    from bot.rules import LISTED

    readme = (ROOT / "README.md").read_text()
    for rule in LISTED:
        assert f"| `{rule.id}` | {rule.summary} |" in readme


def _reasons(tree: ast.AST) -> Iterator[str]:
    """The reasons that a module spells out where it says that something was not checked."""
    places = {"NotChecked": None, "Unknown": None, "ReadError": 0}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in places:
            index = places[node.func.id]
            said = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            if index is not None and len(node.args) > index:
                said.append(node.args[index])
            yield from (item.value for item in said if isinstance(item, ast.Constant) and isinstance(item.value, str))


def test_every_reason_is_known_and_documented() -> None:
    """A policy that allows one that nobody gives is told so: the list must be whole."""
    from bot.model import REASONS

    code = [path for folder in ("bot", "rules") for path in (ROOT / folder).rglob("*.py")]
    given = {reason for path in code for reason in _reasons(ast.parse(path.read_text()))}
    assert len(given) > 15
    assert given - REASONS == set(), "add it to REASONS and to docs/policy.md"
    documented = (ROOT / "docs/policy.md").read_text()
    assert [reason for reason in sorted(REASONS) if f"`{reason}`" not in documented] == []
