"""Measure the inventory and the mirrors of an organisation on a loopback GitHub: ``bench/org.py``.

The GitHub is this process; what is measured is another one, which lists the organisation and mirrors it: with nothing there,
again unchanged, again with a few moved heads. A quarter of the repositories is measured too, so that what grows with their
number can be told from what does not. Judging is measured by ``bench/audit.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.github_fake import GitHubFake  # noqa: E402

_MOVED = 25
_FILES = 4

_MEASURED = r"""
import json, os, re, sys, time
from pathlib import Path
from bot.github.client import connect
from bot.github.fleet import Copy, Mirrors, copies
from bot.github.inventory import repositories_of

owner, folder = sys.argv[1:]
client = connect("127.0.0.1")
began, spent = time.perf_counter(), sum(os.times()[:4])
had = sum(isinstance(each, Copy) for each in copies(repositories_of(client, owner), Mirrors(lambda _: client, Path(folder))))
peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
print(json.dumps({
    "had": had,
    "wall": time.perf_counter() - began,
    "cpu": sum(os.times()[:4]) - spent,
    "rss": int(peak[1]) / 1024,
}))
"""


def main() -> None:
    """Make, measure, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repositories", type=int, default=1000)
    arguments.add_argument("--json", type=Path, metavar="FILE")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-org-") as place, GitHubFake(Path(place) / "github") as github:
        figures = measure(github, Path(place), given.repositories)
    for name, value in figures.items():
        print(f"{name:<60} {value:>10}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(github: GitHubFake, place: Path, number: int) -> dict[str, Any]:
    """The figures, by what they are called."""
    world = github.world
    repos = []
    for owner, count in (("acme", number), ("small", number // 4)):
        world.organization(owner, owners=["ada"])
        for index in range(count):
            files = {f"src/f{n}.ts": f"export const x = {index * n}\n" for n in range(_FILES)}
            repo = world.repository(
                f"{owner}/r{index:05}", {"package.json": {"name": f"r{index}"}, **files}, private=True
            )
            repos.append(repo)
    token = world.user_token("ada")
    figures: dict[str, Any] = {}

    def run(name: str, owner: str, count: int) -> dict[str, float]:
        with github.counted() as asked:
            shot = _shoot(github, token, owner, place / "mirrors")
        if shot["had"] != count:
            raise SystemExit(f"{name}: {shot['had']:.0f} of {count} were had")
        api = sum(each.kind != "git" for each in asked)
        fetched = len({each.path.split("/")[2] for each in asked if each.kind == "git"})
        figures[f"{name}: calls of the API"] = api
        figures[f"{name}: repositories fetched"] = fetched
        figures[f"{name}: wall, s"] = round(shot["wall"], 2)
        figures[f"{name}: processor, ms a repository"] = round(shot["cpu"] * 1000 / count, 2)
        figures[f"{name}: memory, MB"] = round(shot["rss"])
        return shot

    run(f"{number} repositories, first", "acme", number)
    run(f"{number} repositories, unchanged", "acme", number)
    for repo in repos[:_MOVED]:
        repo.commit({"new.ts": "export {}\n"})
    run(f"{number} repositories, {_MOVED} moved", "acme", number)
    run(f"{number // 4} repositories, first", "small", number // 4)
    run(f"{number // 4} repositories, unchanged", "small", number // 4)
    return figures


def _shoot(github: GitHubFake, token: str, owner: str, folder: Path) -> dict[str, float]:
    environment = os.environ | github.environment() | {"GITHUB_TOKEN": token, "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-P", "-c", _MEASURED, owner, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    shot: dict[str, float] = json.loads(done.stdout)
    return shot


if __name__ == "__main__":
    main()
