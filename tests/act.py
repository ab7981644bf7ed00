"""Runs the real `action.yml` with act on this machine: composite steps, conditions, outputs and commands, without GitHub.

Other people's actions are stood in for by composites that only say their name: act would fetch them from github.com.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
COMMIT = "0" * 40

__all__ = ["Ran", "action_folder", "git", "run_action", "uses_of"]


@dataclass(frozen=True)
class Ran:
    """A finished run: act's own exit code, its log, what the action gave out, and the folders it ran in."""

    code: int
    log: str
    outputs: dict[str, str]
    action: Path
    workspace: Path

    def lines(self) -> list[str]:
        """What the steps printed."""
        return [found[1] for found in re.finditer(r"^\[[^\]]*\]   \| (.*)$", self.log, re.MULTILINE)]

    def step(self, name: str) -> str:
        """``Success``, ``Failure`` or ``skipped``."""
        found = re.search(rf"(Success|Failure) - Main {re.escape(name)}(?: \[|$)", self.log, re.MULTILINE)
        return found[1] if found else "skipped"


def git(folder: Path, *arguments: str) -> str:
    """Run git with a clean configuration."""
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@a.example", "-c", "init.defaultBranch=main", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=True, text=True
    ).stdout.strip()


def action_folder(target: Path) -> Path:
    """A copy of what the Action's own checkout holds."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", ":!tests", ":!bench")
    for name in filter(None, listed.split("\0")):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path)
    return target


def uses_of(text: str) -> list[str]:
    """Every ``uses:`` of a workflow or an action."""
    return re.findall(r"^\s*(?:- )?uses:\s*([^\s#]+)", text, re.MULTILINE)


def run_action(
    action: Path,
    repository: Path,
    work: Path,
    event: str,
    payload: Mapping[str, Any],
    *,
    inputs: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run the action in ``action`` on a checkout, for one event. ``inputs`` go to ``with:``, ``environment`` to the job."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "home").mkdir(parents=True)
    (work / "event.json").write_text(json.dumps(payload))
    given = "".join(f"          {name}: {json.dumps(value)}\n" for name, value in (inputs or {}).items())
    workflow = work / "workflow.yml"
    workflow.write_text(
        f"on: {event}\njobs:\n  ringfence:\n    runs-on: ubuntu-latest\n    steps:\n"
        # act knows no checkout of its own on this machine: the folder is copied as it is.
        '      - run: cp -a "$RINGFENCE_TEST_CHECKOUT/." .\n'
        f"      - id: it\n        uses: acme/ringfence@{COMMIT}\n"
        + (f"        with:\n{given}" if given else "")
        + "      - if: always()\n        env:\n          OUTPUTS: ${{ toJSON(steps.it.outputs) }}\n"
        '        run: printf "%s" "$OUTPUTS" > "$RINGFENCE_TEST_OUTPUTS"\n'
    )
    stand_ins: list[str] = [f"acme/ringfence@{COMMIT}={action}"]
    for used in sorted(set(uses_of((action / "action.yml").read_text()))):
        name, _, ref = used.partition("@")
        owner, repo, *rest = name.split("/")
        folder = work / "stand-ins" / owner / repo
        where = folder.joinpath(*rest)
        where.mkdir(parents=True, exist_ok=True)
        (where / "action.yml").write_text(
            f"name: {name}\nruns:\n  using: composite\n  steps:\n    - shell: bash\n      run: echo 'stand-in for {name}'\n"
        )
        stand_ins.append(f"{owner}/{repo}@{ref}={folder}")
    outputs = work / "outputs.json"
    command = [str(Path(sys.executable).with_name("act")), event, "-C", str(repository), "-W", str(workflow)]
    command += ["-P", "ubuntu-latest=-self-hosted", "-e", str(work / "event.json"), "-s", "GITHUB_TOKEN=none"]
    command += ["--env", f"RINGFENCE_TEST_OUTPUTS={outputs}", "--env", f"RINGFENCE_TEST_CHECKOUT={repository}"]
    for name, value in (environment or {}).items():
        command += ["--env", f"{name}={value}"]
    for stand_in in dict.fromkeys(stand_ins):
        command += ["--local-repository", stand_in]
    surroundings = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(work / "home"),
        "XDG_CACHE_HOME": str(work / "home" / ".cache"),
    }
    # Where packages come from is the machine's business.
    surroundings |= {
        k: v
        for k, v in os.environ.items()
        if k.startswith(("PIP_", "SSL_", "REQUESTS_")) or k.lower().endswith("_proxy")
    }
    done = subprocess.run(command, cwd=work, env=surroundings, capture_output=True, text=True, check=False, timeout=600)
    said = json.loads(outputs.read_text()) if outputs.exists() else {}
    # act takes both away when the job has passed.
    workspace = next((work / "home" / ".cache" / "act").glob("*/hostexecutor"), work / "gone")
    copied = next(workspace.parent.glob("act/actions/acme-ringfence@*"), work / "gone")
    return Ran(done.returncode, done.stdout + done.stderr, said, copied, workspace)
