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
_UNPARSABLE_MAX = 8  # files that may be taken away from dependency-cruiser


class _FailedError(Exception):
    """A command that did not come to its end."""


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


def shoot(command: Sequence[str], where: Path, environment: Mapping[str, str], output: Path | None = None) -> Shot:
    """Run a command and wait for it. What it says goes to a file, or nowhere. That it finds something is no failure; that
    it is not there or is killed is one. Raises `_FailedError`."""
    asked = {"command": command, "where": str(where), "environment": environment, "output": str(output or os.devnull)}
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(HERE / "shot.py")],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    if said["code"] < 0 or said["code"] == 127:
        raise _FailedError(f"{command[0]} ended with {said['code']}")
    return Shot(wall=said["wall"], cpu=said["cpu"], rss=said["kb"] / 1024)


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


def in_turns(
    rounds: int, commands: Mapping[str, Callable[[], Shot]], fewer: Mapping[str, int] | None = None
) -> dict[str, Series]:
    """Every command once a round; those in ``fewer`` only in so many of the first rounds."""
    series = {name: Series(name=name) for name in commands}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for name, command in commands.items():
            if number < (fewer or {}).get(name, rounds):
                try:
                    series[name].shots.append(command())
                except _FailedError as error:  # the others are measured all the same
                    print(f"{name}: {error}", file=sys.stderr)
    return series


def ratio(one: Series, other: Series) -> float:
    """How many times ``other``'s wall time ``one`` took: the median of each round's ratio, where a round had both."""
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
        print("installing Ringfence as its users do ...", file=sys.stderr)
        self.program = trees.install(work / "environment")

    def ringfence(self, tree: Path, policy: Path, *options: str) -> list[str]:
        return [
            *self.program,
            "check",
            str(tree),
            "--policy",
            str(policy),
            "--json",
            "--output",
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
        cruiser = _Cruiser(tools, scopes, members, work, tree, self.environment)
        if not arguments.without_peers:
            oxlint = tools.oxlint(scopes, work, files)
            commands["oxlint"] = lambda: shoot(oxlint, tree, self.environment, work / "oxlint.txt")
            if arguments.cruises:
                commands["dependency-cruiser"] = cruiser.run
        series = in_turns(arguments.runs, commands, {"dependency-cruiser": arguments.cruises})
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
            "facts_mb": round((self.cache / "facts.sqlite").stat().st_size / 1e6, 1),
        }
        for path in self.cache.glob("facts.sqlite*"):
            path.unlink()
        self.facts["peak_first_mb"] = round(peak(check, work, self.environment))
        self.facts["peak_again_mb"] = round(peak(check, work, self.environment))
        ripgrep, ours = series["ripgrep"], series["first"]
        self.row("ripgrep -uuu -lF, the same files", ripgrep)
        self.row("ringfence, no fact cache", ours, ripgrep, "at most 8")
        self.row(f"ringfence, {_CHANGED} files changed", series["changed"], ripgrep, "at most 2")
        self.row("ringfence, nothing changed", series["unchanged"], ripgrep)
        if arguments.without_peers:
            return
        self.row("oxlint no-restricted-imports", series["oxlint"])
        self.row("ringfence, no fact cache", ours, series["oxlint"], "more than 1", faster=True)
        found = trees.subpaths(tree, policy, repo)
        said = {"oxlint": peers.oxlint_found((work / "oxlint.txt").read_text())}
        cruised = bool(series.get("dependency-cruiser", Series(name="")).shots)
        if cruised:
            self.row("dependency-cruiser", series["dependency-cruiser"])
            self.row("ringfence, no fact cache", ours, series["dependency-cruiser"], "at least 30", faster=True)
            said["dependency-cruiser"], escapes = peers.cruiser_found(cruiser.output.read_text())
        if arguments.cruises:
            self.facts["dependency-cruiser"] = {"without": cruiser.without, "last line": cruiser.last_line()}
        self.facts["imports of a subpath of an open package (file and specifier)"] = {
            "ringfence": len(found),
            **{name: len(pairs) for name, pairs in said.items()},
            **{f"seen by {name} alone": sorted(map(list, pairs - found))[:20] for name, pairs in said.items()},
        }
        self.facts["findings for them"] = {
            "ringfence: not exported by the version in force, or no exports map": sum(
                f["rule"] == "deep-import" for f in report["findings"]
            ),
            **{f"{name}: every subpath, it reads no exports map": len(pairs) for name, pairs in said.items()},
        }
        if cruised:
            self.facts["imports of another member's files (file and target)"] = _escapes(report, escapes)

    # -- locks -------------------------------------------------------------------------------

    def locks(self) -> None:
        """Every entry of a large package-lock.json and of a large yarn.lock, against lockfile-lint."""
        arguments, work = self.arguments, self.work
        tools = peers.install(arguments.cache)
        for kind, given, goal in (
            ("package-lock.json", arguments.package_lock, "at least 1"),
            ("yarn.lock", arguments.yarn_lock, "at least 4"),
        ):
            lock = given or peers.large_locks(arguments.cache) / kind
            tree = work / kind.replace(".", "-")
            entries = trees.lock_project(lock, kind, tree)
            with trees.LoopbackRegistry() as registry:
                policy = work / f"{tree.name}.toml"
                policy.write_text(trees.with_registry(trees.everything(tree / kind), registry.url))
                repo, rules = trees.judged(tree, policy)
                trees.fill(registry, repo, rules)
                shoot(self.ringfence(tree, policy, "--rule", "lock-source"), work, self.environment)
            check = self.ringfence(tree, policy, "--rule", "lock-source", "--offline", "--no-cache")
            lint = tools.lockfile_lint(tree / kind, "yarn" if kind == "yarn.lock" else "npm", trees.HOST)
            series = in_turns(
                arguments.runs,
                {
                    "lockfile-lint": lambda lint=lint: shoot(lint, work, self.environment, work / "lint.txt"),  # type: ignore[misc]
                    "ringfence": lambda check=check: shoot(check, work, self.environment),  # type: ignore[misc]
                },
            )
            counts = {count["rule"]: count["judged"] for count in self.report()["counts"]}
            good = [len(self.report()["findings"]), (work / "lint.txt").read_text().count("detected invalid")]
            # Both must see an entry from elsewhere without integrity: a run that finds nothing proves nothing.
            trees.spoil(tree / kind)
            shoot(lint, work, self.environment, work / "lint.txt")
            shoot(check, work, self.environment)
            bad = [len(self.report()["findings"]), (work / "lint.txt").read_text().count("detected invalid")]
            self.facts[kind] = {
                "bytes": lock.stat().st_size,
                "entries": entries,
                "judged": counts["lock-source"],
                "findings (ringfence, lockfile-lint)": good,
                "with one entry spoilt": bad,
            }
            self.row(f"lockfile-lint, {kind}", series["lockfile-lint"])
            self.row(
                f"ringfence --rule lock-source, {kind}", series["ringfence"], series["lockfile-lint"], goal, faster=True
            )

    # -- start -------------------------------------------------------------------------------

    def start(self) -> None:
        """What it costs to say nothing: ``--help``, and a check of a repository with nothing in it."""
        tiny = self.work / "tiny"
        tiny.mkdir()
        (tiny / "package.json").write_text('{"name": "@acme/tiny", "version": "1.0.0", "private": true}\n')
        (tiny / "ringfence.toml").write_text('[open]\npackages = ["@acme/*"]\n')
        trees.commit(tiny)
        runs = max(self.arguments.runs, 15)
        series = in_turns(
            runs,
            {
                "python": lambda: shoot([self.program[0], "-c", "pass"], tiny, self.environment),
                "help": lambda: shoot([*self.program, "--help"], tiny, self.environment),
                "idle": lambda: shoot([*self.program, "check", str(tiny)], tiny, self.environment),
            },
        )

        def above(name: str, measure: Callable[[Shot], float]) -> int:
            pairs = zip(series[name].shots, series["python"].shots, strict=True)
            return round(statistics.median(1000 * (measure(one) - measure(python)) for one, python in pairs))

        self.facts["milliseconds above python -c pass"] = {
            name: {"wall": above(name, lambda shot: shot.wall), "processor": above(name, lambda shot: shot.cpu)}
            for name in ("help", "idle")
        }
        self.row("python -c pass", series["python"])
        self.row("ringfence --help", series["help"], None, "at most 60 ms above")
        self.row("ringfence check, tiny repository", series["idle"], None, "at most 120 ms above")


class _Cruiser:
    """dependency-cruiser, which gives up at the first file that it cannot parse: that file is taken away from it alone,
    and it begins again. Only the run that came to its end counts."""

    def __init__(
        self, tools: peers.Peers, scopes: Sequence[str], members: Sequence[str], work: Path, tree: Path,
        environment: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._command = lambda: tools.dependency_cruiser(scopes, members, work, self.without)
        self._tree = tree
        self._environment = environment
        self.output = work / "dependency-cruiser.txt"
        self.without: list[str] = []

    def run(self) -> Shot:
        for _ in range(_UNPARSABLE_MAX):
            print("dependency-cruiser (minutes) ...", file=sys.stderr)
            shot = shoot(self._command(), self._tree, self._environment, self.output)
            stopped = peers.cruiser_stopped_by(self.output.read_text(errors="replace"), self._tree)
            if stopped is None:
                break
            self.without.append(stopped)
        if not self.last_line():
            raise _FailedError(f"it did not come to its end: {self.output.read_text(errors='replace')[-300:]}")
        return shot

    def last_line(self) -> str:
        """``x 12 dependency violations (...). 23143 modules, 80000 dependencies cruised.``"""
        if not self.output.exists():
            return ""
        lines = [line.strip() for line in self.output.read_text(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line.endswith("cruised.")), "")


def _escapes(report: Mapping[str, Any], escapes: set[tuple[str, str]]) -> dict[str, Any]:
    """dependency-cruiser's crossings between members beside the findings of path-escape."""
    ours = {f["location"]["path"] for f in report["findings"] if f["rule"] == "path-escape"}
    ours |= {r["location"]["path"] for f in report["findings"] if f["rule"] == "path-escape" for r in f["related"]}
    theirs = {path for path, _ in escapes}
    return {
        "ringfence": sum(f["rule"] == "path-escape" for f in report["findings"]),
        "dependency-cruiser": len(escapes),
        "files in ringfence's alone": sorted(ours - theirs)[:20],
        "files in dependency-cruiser's alone": sorted(theirs - ours)[:20],
    }


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
    parser.add_argument(
        "--cruises", type=int, default=1, help="rounds that dependency-cruiser takes part in (1); 0: none"
    )
    parser.add_argument("--package-lock", type=Path, help="a package-lock.json (v2, v3) beside its package.json")
    parser.add_argument("--yarn-lock", type=Path, help="a yarn.lock (v1) beside its package.json")
    parser.add_argument("--only", choices=("tree", "locks", "start"), action="append", help="measure no more than this")
    parser.add_argument("--without-peers", action="store_true", help="ripgrep and Ringfence alone")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence-bench"
    parser.add_argument("--cache", type=Path, default=default, help="where the peers and the large lock are kept")
    arguments = parser.parse_args()
    arguments.checkout = arguments.checkout.resolve()
    with tempfile.TemporaryDirectory(prefix="ringfence-bench-") as folder:
        bench = Bench(arguments, Path(folder))
        wanted = arguments.only or ("start", "tree", "locks")
        for name, measure in (("start", bench.start), ("tree", bench.tree), ("locks", bench.locks)):
            if name in wanted and not (name == "locks" and arguments.without_peers):
                measure()
                bench.facts["machine"] = _machine()
                if arguments.json:  # after each part: the next may fail
                    arguments.json.write_text(json.dumps({"rows": bench.rows, "facts": bench.facts}, indent=2) + "\n")
        print(table(bench))


def _machine() -> dict[str, Any]:
    """What it was measured on, and how busy that was."""

    def said(*command: str) -> str:
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0]
        except OSError:
            return ""

    return {
        "processors": len(os.sched_getaffinity(0)),
        "load at the end": [round(load, 1) for load in os.getloadavg()],
        "python": sys.version.partition(" ")[0],
        "node": said("node", "--version"),
        "git": said("git", "--version"),
        "ripgrep": said("rg", "--version"),
    }


if __name__ == "__main__":
    main()
