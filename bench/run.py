"""Measure Ringfence on a checkout: ``bench/run.py CHECKOUT --policy FILE``. See README.md beside it.

Runs of all tools take turns, and every round gives one ratio: a machine that is busy for a while is busy for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import peers  # noqa: E402
import trees  # noqa: E402

_CHANGED = 25
_SCRIPT = Path(sys.executable).with_name("ringfence")
_RINGFENCE = (str(_SCRIPT),) if _SCRIPT.exists() else (sys.executable, "-P", "-c", "from bot.cli import main; main()")


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One run: seconds of wall time, seconds of processor time (all its processes), MB of its largest process."""

    wall: float
    cpu: float
    rss: float


@dataclass(kw_only=True)
class Series:
    """All runs of one command."""

    name: str
    shots: list[Shot] = field(default_factory=list)

    @property
    def wall(self) -> float:
        return statistics.median(shot.wall for shot in self.shots)


def shoot(command: Sequence[str], where: Path, environment: Mapping[str, str]) -> Shot:
    """Run a command and wait for it. Its exit code is its own affair (findings are no failure here)."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    return Shot(wall=time.perf_counter() - began, cpu=used.ru_utime + used.ru_stime, rss=used.ru_maxrss / 1024)


def peak(command: Sequence[str], where: Path, environment: Mapping[str, str]) -> float:
    """MB of all processes of a command together, each page counted once (PSS), by looking every few milliseconds."""
    process = subprocess.Popen(
        command,
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    most = 0
    stop = threading.Event()

    def look() -> None:
        nonlocal most
        while not stop.wait(0.01):
            most = max(most, _pss(process.pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    process.wait()
    stop.set()
    watcher.join()
    return most / 1024


def _pss(pid: int) -> int:
    total = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, ValueError):
        return total
    return total + sum(_pss(int(child)) for child in children)


def in_turns(rounds: int, commands: Mapping[str, Callable[[], Shot]]) -> dict[str, Series]:
    """Every command once a round."""
    series = {name: Series(name=name) for name in commands}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for name, command in commands.items():
            series[name].shots.append(command())
    return series


def ratio(one: Series, other: Series) -> float:
    """How many times ``other``'s wall time ``one`` took: the median of each round's ratio."""
    return statistics.median(a.wall / b.wall for a, b in zip(one.shots, other.shots, strict=False))


class Bench:
    """One measurement: a place for everything that is made, and what was measured so far."""

    def __init__(self, arguments: argparse.Namespace, work: Path) -> None:
        self.arguments = arguments
        self.work = work
        self.cache = work / "cache"
        self.environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
            "RINGFENCE_CACHE": str(self.cache),
            "NO_COLOR": "1",
            "NODE_OPTIONS": "",
        }
        self.rows: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def ringfence(self, tree: Path, policy: Path, *options: str) -> list[str]:
        return [
            *_RINGFENCE,
            "check",
            str(tree),
            "--policy",
            str(policy),
            "--json",
            "-o",
            str(self.work / "report.json"),
            *options,
        ]

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.work / "report.json").read_text())
        return report

    def row(
        self, what: str, series: Series, against: Series | None = None, goal: str = "", *, faster: bool = False
    ) -> None:
        """Keep one line of the table; ``faster`` turns the ratio round."""
        value = None
        if against is not None:
            value = ratio(against, series) if faster else ratio(series, against)
        self.rows.append(
            {
                "what": what,
                "wall": round(series.wall, 3),
                "cpu": round(statistics.median(s.cpu for s in series.shots), 3),
                "rss": round(max(s.rss for s in series.shots)),
                "ratio": None if value is None else round(value, 2),
                "against": ("faster than " if faster else "times ") + against.name if against else "",
                "goal": goal,
                "runs": len(series.shots),
            }
        )

    # -- the tree ----------------------------------------------------------------------------

    def tree(self) -> None:
        """Ripgrep, Ringfence first and again, oxlint, dependency-cruiser on the same files."""
        arguments, work = self.arguments, self.work
        tree = work / "tree"
        print("copying the checkout ...", file=sys.stderr)
        trees.copy(arguments.checkout, tree)
        with trees.LoopbackRegistry() as registry:
            policy = work / "policy.toml"
            policy.write_text(trees.with_registry(arguments.policy.read_text(), registry.url))
            repo, rules = trees.judged(tree, policy)
            self.facts["published"] = trees.fill(registry, repo, rules)
            shoot(self.ringfence(tree, policy), work, self.environment)
            self.facts["requests_first"] = self.report()["summary"]["requests"]
            shoot(self.ringfence(tree, policy), work, self.environment)
            self.facts["requests_second"] = self.report()["summary"]["requests"]
        scopes = sorted({p.partition("*")[0] for p in rules.tables.open.packages if p.partition("*")[0]})
        members = [root.directory for root in repo.roots if root.directory]
        files = [p for p in trees.run_git(tree, "ls-files", "-z").split("\0") if p.endswith(peers.SUFFIXES)]
        check = self.ringfence(tree, policy, "--offline")
        facts = self.cache / "facts.sqlite"

        def first() -> Shot:
            for path in self.cache.glob("facts.sqlite*"):
                path.unlink()
            return shoot(check, work, self.environment)

        def changed() -> Shot:
            return _with_changes(tree, files, lambda: shoot(check, work, self.environment))

        tools = peers.Peers(arguments.cache) if arguments.without_peers else peers.install(arguments.cache)
        floor = tools.ripgrep(scopes, files)
        commands = {
            "ripgrep": lambda: shoot(floor, tree, self.environment),
            "first": first,
            "changed": changed,
            "unchanged": lambda: shoot(check, work, self.environment),
        }
        if not arguments.without_peers:
            oxlint = tools.oxlint(scopes, work)
            commands["oxlint"] = lambda: shoot(oxlint, tree, self.environment)
        series = in_turns(arguments.runs, commands)
        first()
        report = self.report()
        counts = {count["rule"]: count["judged"] for count in report["counts"]}
        self.facts |= {
            "files": len(files),
            "bytes": sum((tree / path).stat().st_size for path in files),
            "parsed": report["summary"]["parsed"],
            "findings": len(report["findings"]),
            "counts": counts,
            "candidates": sum(v for judged in counts.values() for k, v in judged.items() if k.startswith("candidate")),
            "confirmed": sum(judged.get("confirmed", 0) for judged in counts.values()),
            "facts_mb": round(facts.stat().st_size / 1e6, 1),
        }
        for path in self.cache.glob("facts.sqlite*"):
            path.unlink()
        self.facts["peak_first_mb"] = round(peak(check, work, self.environment))
        self.facts["peak_again_mb"] = round(peak(check, work, self.environment))
        ripgrep = series["ripgrep"]
        self.row("ripgrep -uuu -lF, the same files", ripgrep)
        self.row("ringfence, no fact cache", series["first"], ripgrep, "at most 8")
        self.row(f"ringfence, {_CHANGED} files changed", series["changed"], ripgrep, "at most 2")
        self.row("ringfence, nothing changed", series["unchanged"], ripgrep)
        if not arguments.without_peers:
            self.row("oxlint no-restricted-imports", series["oxlint"])
            self._ours("ringfence, no fact cache", series["first"], series["oxlint"], "more than 1")
            self._cruise(tools, scopes, members, tree, series["first"])

    def _ours(self, what: str, ours: Series, other: Series, goal: str) -> None:
        self.row(what, ours, other, goal, faster=True)

    def _cruise(
        self, tools: peers.Peers, scopes: Sequence[str], members: Sequence[str], tree: Path, ours: Series
    ) -> None:
        without: list[str] = []
        limit = {"timeout": 3600}
        for _ in range(5):
            command = tools.dependency_cruiser(scopes, members, self.work, without)
            print("dependency-cruiser (minutes) ...", file=sys.stderr)
            began = time.perf_counter()
            done = subprocess.run(command, cwd=tree, env=self.environment, capture_output=True, text=True, **limit)  # type: ignore[call-overload]
            wall = time.perf_counter() - began
            stopped = _stopped_by(done.stdout + done.stderr, tree)
            if stopped is None or stopped in without:
                break
            without.append(stopped)
        self.facts["dependency_cruiser"] = {
            "last_line": (done.stdout.strip().splitlines() or [""])[-1],
            "without": without,
        }
        if done.returncode not in (0, 1) and not done.stdout.strip():
            self.facts["dependency_cruiser"]["failed"] = done.stderr.strip()[-300:]
        cruiser = Series(name="dependency-cruiser", shots=[Shot(wall=wall, cpu=0, rss=0)] * len(ours.shots))
        self.row("dependency-cruiser, one run", cruiser)
        self._ours("ringfence, no fact cache", ours, cruiser, "at least 30")

    # -- locks -------------------------------------------------------------------------------

    def locks(self) -> None:
        """Every entry of a large package-lock.json and of a large yarn.lock, against lockfile-lint."""
        arguments, work = self.arguments, self.work
        tools = peers.install(arguments.cache)
        lock = arguments.package_lock or peers.large_lock(arguments.cache)
        for kind, project, name, goal in (
            ("npm", trees.npm_project, "package-lock.json", "at least 1"),
            ("yarn", trees.yarn_project, "yarn.lock", "at least 4"),
        ):
            tree = work / kind
            entries = project(lock, tree)
            with trees.LoopbackRegistry() as registry:
                policy = work / f"{kind}.toml"
                policy.write_text(trees.with_registry('[open]\npackages = ["*", "@*/*"]\n', registry.url))
                repo, rules = trees.judged(tree, policy)
                trees.fill(registry, repo, rules)
                shoot(self.ringfence(tree, policy, "--rule", "lock-source"), work, self.environment)
            check = self.ringfence(tree, policy, "--rule", "lock-source", "--offline", "--no-cache")
            lint = tools.lockfile_lint(tree / name, kind, trees.HOST)
            series = in_turns(
                arguments.runs,
                {
                    "lockfile-lint": lambda lint=lint: shoot(lint, work, self.environment),  # type: ignore[misc]
                    "ringfence": lambda check=check: shoot(check, work, self.environment),  # type: ignore[misc]
                },
            )
            counts = {count["rule"]: count["judged"] for count in self.report()["counts"]}
            self.facts[name] = {"entries": entries, "judged": counts["lock-source"]}
            self.row(f"lockfile-lint, {name}", series["lockfile-lint"])
            self._ours(f"ringfence --rule lock-source, {name}", series["ringfence"], series["lockfile-lint"], goal)

    # -- start -------------------------------------------------------------------------------

    def start(self) -> None:
        """What it costs to say nothing: ``--help``, and a check of a repository with nothing in it."""
        tiny = self.work / "tiny"
        tiny.mkdir()
        (tiny / "package.json").write_text('{"name": "tiny", "version": "1.0.0", "private": true}\n')
        (tiny / "ringfence.toml").write_text('[open]\npackages = ["@acme/*"]\n')
        trees.commit(tiny)
        runs = max(self.arguments.runs, 15)
        series = in_turns(
            runs,
            {
                "python": lambda: shoot([sys.executable, "-c", "pass"], tiny, self.environment),
                "help": lambda: shoot([*_RINGFENCE, "--help"], tiny, self.environment),
                "idle": lambda: shoot([*_RINGFENCE, "check", str(tiny)], tiny, self.environment),
            },
        )
        python = series["python"].wall
        self.facts["start_ms"] = {
            "python": round(python * 1000),
            "help_above_python": round((series["help"].wall - python) * 1000),
            "idle_check_above_python": round((series["idle"].wall - python) * 1000),
        }
        self.row("python -c pass", series["python"])
        self.row("ringfence --help", series["help"], None, "at most 60 ms above")
        self.row("ringfence check, tiny repository", series["idle"], None, "at most 120 ms above")


def _with_changes(tree: Path, files: Sequence[str], run: Callable[[], Shot]) -> Shot:
    """Run with a line more at the end of some files all over the tree."""
    step = max(1, len(files) // _CHANGED)
    kept = {path: (tree / path).read_bytes() for path in files[::step][:_CHANGED]}
    mark = f"\n// {time.time_ns()}\n".encode()
    try:
        for path, data in kept.items():
            (tree / path).write_bytes(data + mark)
        return run()
    finally:
        for path, data in kept.items():
            (tree / path).write_bytes(data)
        # So that git need not read them again.
        trees.run_git(tree, "update-index", "-q", "--refresh")


def _stopped_by(output: str, tree: Path) -> str | None:
    """The file that made dependency-cruiser give up."""
    for word in output.replace("'", " ").replace('"', " ").replace("(", " ").split():
        path = word.strip(":,.").removeprefix(f"{tree}/")
        if "Extracting" in output and path.endswith(peers.SUFFIXES) and (tree / path).is_file():
            return path
    return None


def table(bench: Bench) -> str:
    """What was measured, for people."""
    lines = [f"{'':46}{'wall s':>9}{'cpu s':>9}{'MB':>6}  ratio"]
    for row in bench.rows:
        said = "" if row["ratio"] is None else f"{row['ratio']:g} {row['against']}"
        goal = f" (goal: {row['goal']})" if row["goal"] else ""
        lines.append(f"{row['what']:46}{row['wall']:9.3f}{row['cpu']:9.3f}{row['rss']:6}  {said}{goal}")
    lines.append("")
    lines += [f"{key}: {json.dumps(value)}" for key, value in bench.facts.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a checkout of a repository; it is copied, never written")
    parser.add_argument("--policy", type=Path, required=True, help="the policy that judges it")
    parser.add_argument("--runs", type=int, default=7, help="rounds of each comparison (7)")
    parser.add_argument("--package-lock", type=Path, help="a package-lock.json (v2, v3) beside its package.json")
    parser.add_argument("--only", choices=("tree", "locks", "start"), action="append", help="measure no more than this")
    parser.add_argument("--without-peers", action="store_true", help="ripgrep and Ringfence alone")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence-bench"
    parser.add_argument("--cache", type=Path, default=default, help="where the peers and the large lock are kept")
    arguments = parser.parse_args()
    arguments.checkout = arguments.checkout.resolve()
    subprocess.run([sys.executable, "-m", "compileall", "-q", *_packages()], check=False)
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as folder:
        bench = Bench(arguments, Path(folder))
        wanted = arguments.only or ("start", "tree", "locks")
        if "start" in wanted:
            bench.start()
        if "tree" in wanted:
            bench.tree()
        if "locks" in wanted and not arguments.without_peers:
            bench.locks()
        print(table(bench))
        if arguments.json:
            bench.facts["processors"] = len(os.sched_getaffinity(0))
            arguments.json.write_text(json.dumps({"rows": bench.rows, "facts": bench.facts}, indent=2) + "\n")


def _packages() -> list[str]:
    import bot
    import bot.rules

    return [str(Path(package.__file__ or "").parent) for package in (bot, bot.rules)]


if __name__ == "__main__":
    main()
