"""The Action's program in a test: a repository on the fake GitHub, an event, the runner's environment."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.github_fake import GitHubFake, Pull, Repo
from tests.world import Outcome, git, ringfence

__all__ = ["Ran", "Stage", "payload_of_pull"]

RECORDED = Path(__file__).parent / "oracle/node_modules/@octokit/webhooks-examples/api.github.com/index.json"


def recorded(name: str, **wanted: Any) -> dict[str, Any]:
    """A copy of the first payload that GitHub was recorded to send for an event, with these values."""
    events = json.loads(RECORDED.read_text())
    examples = next(event["examples"] for event in events if event["name"] == name)
    return next(
        copy.deepcopy(payload)
        for payload in examples
        if all(payload.get(key) == value for key, value in wanted.items())
    )


def repository(repo: Repo) -> dict[str, Any]:
    return {
        "full_name": repo.full_name,
        "name": repo.name,
        "private": repo.private,
        "default_branch": repo.default_branch,
    }


def payload_of_pull(fake: GitHubFake, repo: Repo, pull: Pull, *, action: str = "synchronize") -> dict[str, Any]:
    """A recorded payload of a pull request, made to speak of this one as it is now."""
    head = fake.world.head_of(repo, pull)
    payload = recorded("pull_request", action="synchronize")
    payload |= {"action": action, "number": pull.number}
    payload["repository"] |= repository(repo)
    payload["sender"]["login"] = pull.author.login
    payload["pull_request"] |= {"number": pull.number, "state": pull.state, "title": pull.title, "body": pull.body}
    payload["pull_request"]["user"]["login"] = pull.author.login
    theirs = repository(pull.head_repo) if pull.head_repo is not None else None
    payload["pull_request"]["head"] |= {"ref": pull.head, "sha": head, "repo": theirs}
    payload["pull_request"]["base"] |= {"ref": pull.base, "sha": repo.head(pull.base), "repo": repository(repo)}
    return payload


@dataclass(frozen=True)
class Ran:
    """One run of the Action's program."""

    outcome: Outcome
    outputs: Mapping[str, str]
    summary: str

    @property
    def code(self) -> int:
        return self.outcome.code

    @property
    def log(self) -> str:
        return self.outcome.out

    @property
    def report(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(Path(self.outputs["report"]).read_text())
        return value

    @property
    def annotations(self) -> list[str]:
        """The log's workflow commands."""
        return [line for line in self.log.splitlines() if line.startswith("::") and "group" not in line[:12]]


class Stage:
    """A runner with a workspace, for one repository."""

    def __init__(self, fake: GitHubFake, repo: Repo, folder: Path) -> None:
        self.fake = fake
        self.repo = repo
        self.folder = folder
        self.workspace = folder / "workspace"
        self.workspace.mkdir(parents=True)
        self._runs = 0

    def checkout(self, commit: str, *, depth: int = 1) -> None:
        """What actions/checkout leaves of a commit."""
        git(self.workspace, "init", "--quiet")
        git(self.workspace, "remote", "add", "origin", f"{self.fake.url}/{self.repo.full_name}")
        source = str(self.repo.git.path)
        git(
            self.workspace,
            "fetch",
            "--quiet",
            "--no-tags",
            f"--depth={depth}",
            f"file://{source}",
            f"+{commit}:refs/remotes/pull/merge",
        )
        git(self.workspace, "checkout", "--quiet", "--force", "refs/remotes/pull/merge")

    def merge_of(self, pull: Pull) -> str:
        """The merge commit that GitHub made of a pull request."""
        self.fake.world.refresh(self.repo, pull)
        return str(self.repo.git.ref(f"refs/pull/{pull.number}/merge"))

    def on_pull(self, pull: Pull, *, event: str = "pull_request", action: str = "synchronize", **more: str) -> Ran:
        """A run for a pull request as it is now."""
        target = event == "pull_request_target"
        merge = self.merge_of(pull)
        payload = payload_of_pull(self.fake, self.repo, pull, action=action)
        return self.run(
            event,
            payload,
            GITHUB_SHA=str(self.repo.head(pull.base)) if target else merge,
            GITHUB_REF=f"refs/heads/{pull.base}" if target else f"refs/pull/{pull.number}/merge",
            GITHUB_ACTOR=pull.author.login,
            **more,
        )

    def run(self, event: str, payload: object, **more: str) -> Ran:
        """One run of ``ringfence action``."""
        self._runs += 1
        here = self.folder / f"run{self._runs}"
        here.mkdir()
        (here / "event.json").write_text(json.dumps(payload))
        for name in ("output", "summary"):
            (here / name).touch()
        environment = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(here / "event.json"),
            "GITHUB_REPOSITORY": self.repo.full_name,
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(here / "output"),
            "GITHUB_STEP_SUMMARY": str(here / "summary"),
            "GITHUB_RUN_ID": "4711",
            "GITHUB_SHA": str(self.repo.head()),
            "GITHUB_REF": f"refs/heads/{self.repo.default_branch}",
            "GITHUB_ACTOR": "sam",
            "RUNNER_TEMP": str(here / "temp"),
            **self.fake.environment(),
            **more,
        }
        (here / "temp").mkdir()
        before = Path.cwd()
        with _environment(environment):
            os.chdir(self.workspace)
            try:
                outcome = ringfence("action")
            finally:
                os.chdir(before)
        lines = (here / "output").read_text().splitlines()
        outputs = dict(line.split("=", 1) for line in lines)
        assert len(outputs) == len(lines)
        left = [entry.name for entry in (here / "temp").iterdir()]
        assert len(left) <= 1, left  # the report's folder; what was gathered is gone
        return Ran(outcome, outputs, (here / "summary").read_text())


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """The runner's environment and nothing else of GitHub's or ours."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("GITHUB_", "GH_", "RINGFENCE_")) and name != "RINGFENCE_CACHE":
            del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
