"""The real Action, run by act, with the real program against a GitHub on loopback."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.act import Ran, action_folder, run_action
from tests.action import Stage, payload_of_pull
from tests.github_fake import GitHubFake, Pull
from tests.registry.loopback import LoopbackRegistry
from tests.world import as_bytes, git, product, stock

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'


@pytest.fixture
def action(tmp_path: Path) -> Path:
    """The Action as it stands, set up with the program under test: its own set-up has a test of its own."""
    folder = action_folder(tmp_path / "action")
    (folder / "scripts/setup").write_text("#!/usr/bin/env bash\n")
    program = folder / ".venv/bin/ringfence"
    program.parent.mkdir(parents=True)
    real = Path(sys.executable).with_name("ringfence")
    program.write_text(f'#!/usr/bin/env bash\nexec {shlex.quote(str(real))} "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture
def stage(github_fake: GitHubFake, registry: LoopbackRegistry, tmp_path: Path) -> Stage:
    github_fake.world.organization("acme")
    files = {path: as_bytes(content) for path, content in product(registry, stock(registry)).items()}
    return Stage(github_fake, github_fake.world.repository("acme/shop", files), tmp_path / "runner")


def act(action: Path, stage: Stage, made: Pull, event: str, token: str, **inputs: str) -> Ran:
    target = event == "pull_request_target"
    stage.checkout(str(stage.repo.head()) if target else stage.merge_of(made))
    git(stage.workspace, "remote", "set-url", "origin", "https://github.com/acme/shop")
    environment = stage.fake.environment() | {"NO_PROXY": "127.0.0.1"}
    payload: dict[str, Any] = payload_of_pull(stage.fake, stage.repo, made)
    return run_action(
        action,
        stage.workspace,
        stage.folder / "act",
        event,
        payload,
        inputs={"token": token, **inputs},
        environment=environment,
    )


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
def test_a_pull_request_is_judged_and_told(action: Path, stage: Stage, event: str) -> None:
    stage.repo.commit({"src/new.js": DEEP}, branch="$(touch${IFS}pwned)", parents=[str(stage.repo.head())])
    made = stage.fake.world.pull(stage.repo, "$(touch${IFS}pwned)", author="ann", title="::error::x `touch pwned`")
    job = stage.fake.world.job_token(stage.repo, {"contents": "read", "pull_requests": "write"})
    ran = act(action, stage, made, event, job)
    assert ran.code != 0
    assert ran.step("Judge") == "Failure", ran.log
    assert {name: ran.outputs[name] for name in ("verdict", "errors", "before", "mended")} == {
        "verdict": "fail",
        "errors": "1",
        "before": "0",
        "mended": "0",
    }
    assert Path(ran.outputs["report"]).name == "ringfence-report.json"
    assert "ringfence deep-import" in ran.log
    (comment,) = made.comments
    assert "src/new.js:1" in comment.body
    assert job not in ran.log.replace("***", "")
    assert not list(stage.folder.rglob("pwned"))
    assert not list(action.rglob("pwned"))


def test_a_clean_one_passes_with_a_token_that_may_only_read(action: Path, stage: Stage) -> None:
    fork = stage.fake.world.fork(stage.repo, "mallory")
    fork.commit({"src/new.js": "export {}\n"}, branch="fine", parents=[str(stage.repo.head())])
    made = stage.fake.world.pull(stage.repo, "fine", head_repo=fork, author="mallory")
    ran = act(action, stage, made, "pull_request", stage.fake.world.job_token(stage.repo, {"contents": "read"}))
    assert ran.step("Judge") == "Success", ran.log
    assert ran.outputs["verdict"] == "pass"
    assert stage.fake.writes() == []
