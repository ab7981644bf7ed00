"""Measure an audit of an organisation of many small repositories, most of them unchanged: ``bench/audit.py``.

It makes the repositories, fills a loopback registry, and audits them: with nothing known, again unchanged, again with a few
moved heads, and a quarter of them, so that what grows with their number can be told from what does not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.registry.loopback import LoopbackRegistry  # noqa: E402
from tests.world import npm_lock  # noqa: E402

_SCRIPT = Path(sys.executable).with_name("ringfence")
_MOVED = 25
_SOURCES = 12
_LOCKED = 150

_POLICY = """schema = 1

[open]
packages     = ["@acme/*"]
repositories = ["acme/*"]

[private]
repositories = ["acme/platform-*"]

[naming]
github = ["acme/{{x}}"]
npm    = ["@acme/{{x}}"]
[naming.downstream]
github = ["acme/platform-{{x}}"]

[registry.npm]
url = "{url}"
"""


def main() -> None:
    """Make, measure, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repositories", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--jobs", help="as ringfence audit has it")
    arguments.add_argument("--json", type=Path, metavar="FILE")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-audit-") as place, LoopbackRegistry() as registry:
        figures = measure(Path(place), registry, given.repositories, given.rounds, given.jobs)
    for name, value in figures.items():
        print(f"{name:<58} {value:>10}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(place: Path, registry: LoopbackRegistry, number: int, rounds: int, jobs: str | None) -> dict[str, Any]:
    """The figures, by what they are called."""
    whole, quarter = place / "whole", place / "quarter"
    policy = place / "acme.toml"
    policy.write_text(_POLICY.format(url=registry.url))
    integrity = {}
    for index in range(number // 2):
        name = f"@acme/core{index}"
        manifest = {"repository": f"github:acme/core{index}", "exports": {".": "./index.js"}}
        integrity[index] = registry.publish(name, "1.0.0", manifest, {"index.js": b"export const x = 1\n"})
    began = time.perf_counter()
    for index in range(number):
        make(whole, index, integrity)
    print(f"made {number:,} repositories in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    quarter.mkdir()
    for name in sorted(os.listdir(whole))[: number // 4]:
        (quarter / name).symlink_to(whole / name)
    listed = place / "quarter.txt"
    listed.write_text("".join(f"{whole / name}\n" for name in sorted(os.listdir(quarter))))

    def audit(*what: str) -> dict[str, float]:
        command = [str(_SCRIPT), "audit", *what, "--policy", str(policy), "-o", str(place / "out.json"), "--json"]
        return shoot([*command, *(["--jobs", jobs] if jobs else [])], place)

    cold = audit(str(whole))
    cold_requests = registry.requests
    registry.forget()
    warm = [audit(str(whole)) for _ in range(rounds)]
    audit("--repos-from", str(listed))
    part = [audit("--repos-from", str(listed)) for _ in range(rounds)]
    best, best_part = min(warm, key=lambda s: s["cpu"]), min(part, key=lambda s: s["cpu"])
    requests = registry.requests
    for index in range(_MOVED):
        move(whole, index)
    moved = audit(str(whole))
    summary = json.loads((place / "out.json").read_text())["summary"]
    return {
        "repositories": number,
        "nothing known: wall s": round(cold["wall"], 2),
        "nothing known: processor ms a repository": round(cold["cpu"] / number * 1000, 2),
        "nothing known: registry requests": cold_requests,
        "unchanged: wall s": round(best["wall"], 2),
        "unchanged: processor ms a repository, start included": round(best["cpu"] / number * 1000, 2),
        "unchanged: processor ms a further repository": round(
            (best["cpu"] - best_part["cpu"]) / (number - number // 4) * 1000, 2
        ),
        "unchanged: registry requests": requests,
        f"{_MOVED} moved heads: wall s": round(moved["wall"], 2),
        f"{_MOVED} moved heads: processor ms a repository": round(moved["cpu"] / number * 1000, 2),
        f"{_MOVED} moved heads: unchanged": summary["unchanged"],
        "peak memory MB, a quarter of the repositories": round(best_part["rss"], 1),
        "peak memory MB, all": round(max(shot["rss"] for shot in warm), 1),
        "peak memory MB, all, nothing known": round(cold["rss"], 1),
    }


def make(folder: Path, index: int, integrity: Mapping[int, str]) -> None:
    """One bare repository: of each two one is open, the other the private product built on it."""
    pair = index // 2
    if index % 2 == 0:
        name = f"core{pair}"
        manifest = {"name": f"@acme/{name}", "version": "1.0.0", "repository": f"github:acme/{name}"}
        files = {"package.json": manifest, "README.md": f"# {name}\n"}
        files |= {f"src/part{n}.ts": f"export const part{n} = {n}\n" * 20 for n in range(_SOURCES)}
    else:
        name = f"platform-core{pair}"
        core = f"@acme/core{pair}"
        manifest = {"name": name, "version": "1.0.0", "private": True, "dependencies": {core: "1.0.0"}}
        others = {
            f"dep{n}": {"version": f"1.{n}.0", "integrity": "sha512-" + "A" * 86 + "==", "dependencies": {"dep0": "^1"}}
            for n in range(_LOCKED)
        }
        lock = npm_lock(manifest, {core: {"version": "1.0.0", "integrity": integrity[pair]}, **others})
        files = {"package.json": manifest, "package-lock.json": lock}
        files |= {
            f"src/part{n}.ts": f'import {{ x }} from "{core}"\n' + f"export const part{n} = x\n" * 20
            for n in range(_SOURCES)
        }
    where = folder / f"{name}.git"
    template = folder.parent / "template.git"
    if not template.exists():
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(template)], check=True)
        shutil.rmtree(template / "hooks", ignore_errors=True)
    shutil.copytree(template, where)
    with open(where / "config", "a") as config:
        config.write(f'[remote "origin"]\n\turl = https://github.com/acme/{name}.git\n')
    commit(where, files)


def commit(where: Path, files: Mapping[str, Any], parent: str = "") -> None:
    """Commit files on the main branch of a bare repository, in one process."""
    stream = [b"commit refs/heads/main\ncommitter T <t@example.test> 1767225600 +0000\ndata 6\nchange\n"]
    if parent:
        stream.append(f"from {parent}\n".encode())
    for path, content in files.items():
        data = (content if isinstance(content, str) else json.dumps(content, indent=2) + "\n").encode()
        stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=where, input=b"".join(stream), check=True)


def move(folder: Path, index: int) -> None:
    """Another commit on one of the repositories."""
    where = folder / (f"core{index // 2}.git" if index % 2 == 0 else f"platform-core{index // 2}.git")
    head = subprocess.run(["git", "rev-parse", "main"], cwd=where, capture_output=True, text=True, check=True)
    commit(where, {"src/new.ts": "export const now = 1\n"}, head.stdout.strip())


def shoot(command: list[str], place: Path) -> dict[str, float]:
    """Run a command: wall seconds, processor seconds of all its processes, MB of its largest."""
    environment = os.environ | {"RINGFENCE_CACHE": str(place / "cache"), "NO_PROXY": "127.0.0.1"}
    environment.pop("CI", None)
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    return {
        "wall": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss": usage.ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
