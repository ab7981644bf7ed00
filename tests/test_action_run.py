"""The real `action.yml`, run by act: what reaches the program, what comes back, when a cache is touched."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.act import Ran, action_folder, git, run_action

PUSH: dict[str, Any] = {
    "ref": "refs/heads/main",
    "repository": {"default_branch": "main", "name": "web", "full_name": "acme/web", "owner": {"login": "acme"}},
}
PULL: dict[str, Any] = {
    "action": "opened",
    "number": 7,
    "pull_request": {
        "number": 7,
        "head": {"ref": "evil", "sha": "1" * 40},
        "base": {"ref": "main", "sha": "2" * 40},
    },
    "repository": PUSH["repository"],
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A private product with a range, and files that set-up must not read."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "package.json").write_text(
        '{"name": "@acme-internal/web", "private": true, "dependencies": {"@acme/core": "^1.0.0"}}\n'
    )
    (folder / "ringfence.toml").write_text('schema = 1\n[open]\npackages = ["@acme/*"]\n')
    for name in ("sitecustomize.py", "usercustomize.py", "pip.py", "venv.py", "click.py", "sys.py", "setuptools.py"):
        (folder / name).write_text("raise SystemExit('EXECUTED')\n")
    for name in ("bot", "pip"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('EXECUTED')\n")
    (folder / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:1/\n")
    (folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'bot'\nbackend-path = ['.']\n"
    )
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def stubbed(tmp_path: Path) -> Path:
    """The Action with a program in its place that writes down what it was given and then runs the real `check`."""
    folder = action_folder(tmp_path / "action")
    (folder / "scripts" / "setup").write_text('#!/usr/bin/env bash\necho "set up in $PWD"\n')
    program = folder / ".venv" / "bin" / "ringfence"
    program.parent.mkdir(parents=True)
    real = Path(sys.executable).with_name("ringfence")
    program.write_text(
        "#!/usr/bin/env bash\n"
        f"{shlex.quote(sys.executable)} -I -c "
        '\'import json, os, sys; json.dump({"env": dict(os.environ), "argv": sys.argv[1:], "cwd": os.getcwd()}, open(os.environ["SEEN"], "w"))\' "$@"\n'
        'printf "verdict=fail\\nerrors=1\\nwarnings=2\\nnotes=3\\nbefore=4\\nbaseline=6\\nmended=5\\nreport=/r.json\\nsarif=/s.sarif\\n" >> "$GITHUB_OUTPUT"\n'
        f"exec {shlex.quote(str(real))} check --offline --no-cache --format github\n"
    )
    program.chmod(0o755)
    return folder


def run(
    stubbed: Path, repository: Path, event: str, payload: dict[str, Any], **more: Any
) -> tuple[Ran, dict[str, Any]]:
    seen = stubbed.parent / "seen.json"
    ran = run_action(
        stubbed, repository, stubbed.parent / "work", event, payload, environment={"SEEN": str(seen)}, **more
    )
    return ran, json.loads(seen.read_text()) if seen.exists() else {}


def test_a_push_is_judged(stubbed: Path, repository: Path) -> None:
    ran, seen = run(stubbed, repository, "push", PUSH)
    assert ran.code != 0, "a failing finding fails the job"
    assert ran.step("Judge") == "Failure", ran.log
    assert any("floating-pin" in line for line in ran.log.splitlines())
    assert f"set up in {ran.action}" in ran.lines(), "set-up runs in the action's own folder"
    assert seen["argv"] == ["action"]
    assert seen["cwd"] == str(ran.workspace)
    assert ran.outputs == {
        "verdict": "fail",
        "errors": "1",
        "warnings": "2",
        "notes": "3",
        "before": "4",
        "baseline": "6",
        "mended": "5",
        "report": "/r.json",
        "sarif": "/s.sarif",
    }
    assert "EXECUTED" not in ran.log


def test_inputs_are_text_and_nothing_else(stubbed: Path, repository: Path) -> None:
    hostile = "$(touch pwned) `touch pwned`; touch pwned # ' \" \\ é %0A ::error::x"
    inputs = dict.fromkeys(
        ("policy", "overlay", "fail-on", "formats", "sarif-file", "comment", "working-directory"), hostile
    )
    ran, seen = run(
        stubbed, repository, "push", PUSH, inputs=inputs | {"app-id": "12", "app-key": "a\nb\n", "token": "t"}
    )
    for name in inputs:
        assert seen["env"]["RINGFENCE_" + name.upper().replace("-", "_")] == hostile
    assert seen["env"]["RINGFENCE_APP_ID"] == "12"
    assert seen["env"]["RINGFENCE_APP_KEY"] == "a\nb\n"
    assert seen["env"]["RINGFENCE_TOKEN"] == "t"
    assert not list(ran.workspace.glob("pwned"))
    assert not list(ran.action.glob("pwned"))
    assert seen["env"]["PYTHONSAFEPATH"] == "1"


def test_defaults(stubbed: Path, repository: Path) -> None:
    ran, seen = run(stubbed, repository, "push", PUSH)
    given = {name: value for name, value in seen["env"].items() if name.startswith("RINGFENCE_")}
    assert given.pop("RINGFENCE_CACHE").endswith("/ringfence-cache")
    assert not Path(seen["env"]["RINGFENCE_CACHE"]).is_relative_to(ran.workspace)
    for name in ("RINGFENCE_TEST_OUTPUTS", "RINGFENCE_TEST_CHECKOUT"):
        given.pop(name)
    assert given.pop("RINGFENCE_TOKEN"), "the job's own token"
    assert given == {
        "RINGFENCE_POLICY": "",
        "RINGFENCE_OVERLAY": "",
        "RINGFENCE_APP_ID": "",
        "RINGFENCE_APP_KEY": "",
        "RINGFENCE_FAIL_ON": "error",
        "RINGFENCE_FORMATS": "annotations,summary,review",
        "RINGFENCE_SARIF_FILE": "",
        "RINGFENCE_COMMENT": "true",
        "RINGFENCE_WORKING_DIRECTORY": "",
    }


@pytest.mark.parametrize(
    ("event", "payload", "read", "written"),
    [
        ("push", PUSH, True, True),
        ("push", PUSH | {"ref": "refs/heads/topic"}, False, False),
        ("schedule", {"schedule": "1 2 * * *"}, True, True),
        ("pull_request", PULL, False, False),
        ("pull_request_review", PULL | {"review": {"state": "approved"}}, False, False),
        ("pull_request_target", PULL, True, False),
    ],
    ids=["push", "push-topic", "schedule", "pull_request", "review", "pull_request_target"],
)
def test_a_cache_is_touched_where_the_default_branch_is_the_scope(
    stubbed: Path, repository: Path, event: str, payload: dict[str, Any], read: bool, written: bool
) -> None:
    ran, seen = run(stubbed, repository, event, payload)
    assert seen, ran.log
    assert ("stand-in for actions/cache/restore" in ran.lines()) == read
    assert ("stand-in for actions/cache/save" in ran.lines()) == written


def test_python_is_set_up_where_there_is_none(stubbed: Path, repository: Path) -> None:
    ran, _ = run(stubbed, repository, "push", PUSH)
    assert "stand-in for actions/setup-python" not in ran.lines()
    (stubbed / "scripts" / "find-python").write_text("#!/usr/bin/env bash\nexit 2\n")
    ran, seen = run(stubbed, repository, "push", PUSH)
    assert "stand-in for actions/setup-python" in ran.lines()
    assert seen


def test_the_real_set_up(tmp_path: Path, repository: Path) -> None:
    """Pinned, hashed packages into the action's own folder, beside a checkout that would like to be imported."""
    action = action_folder(tmp_path / "action")
    ran = run_action(action, repository, tmp_path / "work", "push", PUSH)
    assert ran.step("Set Ringfence up") == "Success", ran.log
    assert "EXECUTED" not in ran.log
    assert "No such file or directory" not in ran.log, "the program is where the last step looks for it"
    assert git(ran.workspace, "status", "--porcelain", "--ignored") == "", "nothing is written into the checkout"
