"""An audit in pieces: shards say what one audit says, and what is missing is never clean."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.shards import shard_of
from tests.fleet_world import Organisation, same
from tests.registry.loopback import Failure, LoopbackRegistry
from tests.world import Outcome, Repository, ringfence

N = 3


@pytest.fixture
def acme(tmp_path: Path, registry: LoopbackRegistry) -> Organisation:
    organisation = Organisation(tmp_path, registry)
    for stem in ("core", "mail", "wiki"):
        organisation.pair(stem)
    organisation.core("todos", repository="https://github.com/acme/old-todos")
    organisation.product("todos", "@acme/core")
    return organisation


def shards(acme: Organisation, place: Path, count: int = N) -> list[Path]:
    """Every shard of an audit, written by as many runs."""
    files = []
    for index in range(1, count + 1):
        file = place / f"shard-{index}.json"
        done = ringfence("audit", acme.folder, "--policy", acme.policy, "--shard", f"{index}/{count}", "-o", file)
        assert done.code == 0, done.err
        assert done.out == ""
        files.append(file)
    return files


def merge(acme: Organisation, *files: Path | str) -> Outcome:
    return ringfence("audit", "merge", *files, "--policy", acme.policy, "--json")


def labels(acme: Organisation, *of_shards: int) -> list[str]:
    return sorted(name for name in os.listdir(acme.folder) if shard_of(name, N) in of_shards)


def test_the_plan_is_a_matrix(acme: Organisation) -> None:
    done = ringfence("audit", "plan", acme.folder, "--shards", "3")
    assert done.code == 0
    assert json.loads(done.out) == {"shard": ["1/3", "2/3", "3/3"]}
    assert json.loads(ringfence("audit", "plan", acme.folder, "--per-shard", "3").out) == {
        "shard": ["1/3", "2/3", "3/3"]
    }
    assert json.loads(ringfence("audit", "plan", acme.folder).out) == {"shard": ["1/1"]}


def test_a_shard_is_a_matter_of_the_name_alone() -> None:
    every = [f"acme/repository-{number}" for number in range(1000)]
    by_shard = [[label for label in every if shard_of(label, 8) == index] for index in range(1, 9)]
    assert sorted(label for part in by_shard for label in part) == sorted(every)
    assert all(80 < len(part) < 170 for part in by_shard)
    # The same on every machine and in every version: two jobs of one audit must agree.
    assert [shard_of(label, 8) for label in ("acme/core", "ACME/Core", "open-todos")] == [4, 4, 2]


def test_the_merge_says_what_one_audit_says(acme: Organisation, tmp_path: Path) -> None:
    assert {shard_of(name, N) for name in os.listdir(acme.folder)} == {1, 2, 3}  # else this proves little
    files = shards(acme, tmp_path)
    merged = merge(acme, *reversed(files))
    whole = acme.audit()
    assert merged.code == whole.code == 0
    assert merged.report["summary"]["shards"] == N
    assert same(merged.report) == same(whole.report)
    assert [f["finding"]["rule"] for f in merged.report["fleet"]] == ["repository-mismatch", "missing-core"]


def test_shards_do_not_judge_the_fleet(acme: Organisation, tmp_path: Path) -> None:
    text = "".join(file.read_text() for file in shards(acme, tmp_path))
    assert "missing-core" not in text
    assert "@acme/todos" in text


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_missing_shard_is_not_clean(acme: Organisation, tmp_path: Path, gone: int) -> None:
    files = shards(acme, tmp_path)
    files.pop(gone - 1)
    for extra in ([], [tmp_path / "never-written.json"]):  # left out, or named and not there
        done = merge(acme, *files, *extra)
        assert done.code == 2
        assert done.report["verdict"] == "incomplete"
        assert [(n["label"], n["reason"], n["shard"]) for n in done.report["not_audited"]] == [
            (label, "shard-missing", f"{gone}/3") for label in labels(acme, gone)
        ]
        assert sorted(r["label"] for r in done.report["repositories"]) == labels(acme, *{1, 2, 3} - {gone})
        assert f"--shard {gone}/3" in done.report["not_audited"][0]["remedy"]


def test_a_shard_that_broke_off_keeps_what_it_had(acme: Organisation, tmp_path: Path) -> None:
    files = shards(acme, tmp_path, 1)
    lines = files[0].read_bytes().splitlines(keepends=True)
    for kept, cut in ((4, b""), (4, lines[4][:100]), (4, b"not json\n"), (1, b"")):
        files[0].write_bytes(b"".join(lines[:kept]) + cut)
        done = merge(acme, *files)
        assert done.code == 2
        assert len(done.report["repositories"]) == kept - 1
        assert {n["reason"] for n in done.report["not_audited"]} == {"shard-interrupted"}
        assert len(done.report["not_audited"]) == 8 - (kept - 1)


def test_everything_but_the_last_line_is_still_interrupted_only_where_something_lacks(
    acme: Organisation, tmp_path: Path
) -> None:
    files = shards(acme, tmp_path, 1)
    files[0].write_bytes(b"".join(files[0].read_bytes().splitlines(keepends=True)[:-1]))
    assert merge(acme, *files).code == 0


def test_a_run_that_is_killed_is_not_clean(acme: Organisation, tmp_path: Path) -> None:
    """A real process, killed while a registry keeps it waiting."""
    acme.registry.fail(Failure(delay=30), path="/@acme/wiki/")
    file = tmp_path / "shard.json"
    command = [sys.executable, "-P", "-c", "from bot.cli import main; main()", "audit", str(acme.folder)]
    process = subprocess.Popen(
        [*command, "--policy", str(acme.policy), "--shard", "1/1", "-o", str(file), "--jobs", "1"],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not file.exists() or file.read_bytes().count(b"\n") < 6:
            assert time.monotonic() < deadline, "the run did not come so far"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    acme.registry.heal()
    done = merge(acme, file)
    assert done.code == 2
    assert "platform-wiki" in {n["label"] for n in done.report["not_audited"]}
    assert {n["reason"] for n in done.report["not_audited"]} == {"shard-interrupted"}
    assert len(done.report["repositories"]) >= 5


def test_a_shard_of_another_policy_does_not_count(acme: Organisation, tmp_path: Path) -> None:
    files = shards(acme, tmp_path)
    acme.write_policy('[rules]\nfloating-pin = "off"\n')
    file = tmp_path / "again.json"
    ringfence("audit", acme.folder, "--policy", acme.policy, "--shard", "2/3", "-o", file)
    done = merge(acme, files[0], file, files[2])
    assert done.code == 2
    assert {n["reason"] for n in done.report["not_audited"]} == {"other-policy"}
    assert [n["label"] for n in done.report["not_audited"]] == labels(acme, 1, 3)


def test_shards_of_different_audits_are_refused(acme: Organisation, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    done = merge(acme, *shards(acme, tmp_path), *shards(acme, tmp_path / "two", 2))
    assert done.code == 2
    assert "different audits" in done.err


def test_what_is_no_shard_is_said(acme: Organisation, tmp_path: Path) -> None:
    files = shards(acme, tmp_path)
    junk = tmp_path / "junk.json"
    for content in (b"", b"{}\n", b"\xff\xfe", b'{"kind": "end"}\n', b"[" * 100_000 + b"\n"):
        junk.write_bytes(content)
        done = merge(acme, *files, junk)
        assert done.code == 0
        assert f"{junk}: this is no shard of an audit" in done.report["notes"]
        done = merge(acme, junk)
        assert done.code == 2
        assert "none of these files is a shard" in done.err
    assert ringfence("audit", "merge", "--policy", acme.policy).code == 2


def test_a_shard_named_twice_counts_once(acme: Organisation, tmp_path: Path) -> None:
    files = shards(acme, tmp_path)
    copy = tmp_path / "copy.json"
    shutil.copy(files[0], copy)
    assert same(merge(acme, *files, copy).report) == same(merge(acme, *files).report)


def edited(file: Path, **values: object) -> Path:
    """A shard's file with other values in its head."""
    head, rest = file.read_bytes().split(b"\n", 1)
    file.write_bytes(json.dumps(json.loads(head) | values).encode() + b"\n" + rest)
    return file


@pytest.fixture
def two_runs(acme: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Path], list[Path]]:
    """The shards of two runs; between them the wrong address in open-todos is mended."""
    found = []
    for run in ("1001", "1002"):
        monkeypatch.setenv("GITHUB_RUN_ID", run)
        (tmp_path / run).mkdir()
        found.append(shards(acme, tmp_path / run))
        url = "git+https://github.com/acme/todos.git"
        manifest = {"name": "@acme/todos", "version": "1.0.0", "repository": {"type": "git", "url": url}, "x": 1}
        Repository(acme.folder / "open-todos").commit({"package.json": manifest})
    return found[0], found[1]


Runs = tuple[list[Path], list[Path]]


@pytest.mark.parametrize("old", [1, 2, 3])
def test_a_shard_of_another_run_does_not_count(acme: Organisation, two_runs: Runs, old: int) -> None:
    files = list(two_runs[1])
    files[old - 1] = two_runs[0][old - 1]
    for order in (files, files[::-1]):
        done = merge(acme, *order)
        assert done.code == 2
        assert [(n["label"], n["reason"], n["shard"]) for n in done.report["not_audited"]] == [
            (label, "other-run", f"{old}/3") for label in labels(acme, old)
        ]
        assert f"{files[old - 1]}: this shard is of another run" in " ".join(done.report["notes"])


def test_of_two_runs_the_newest_counts(acme: Organisation, two_runs: Runs) -> None:
    alone = merge(acme, *two_runs[1]).report
    for files in ((*two_runs[0], *two_runs[1]), (*two_runs[1], *two_runs[0])):
        both = merge(acme, *files).report
        assert len([note for note in both["notes"] if "another run" in note]) == N
        assert same(both | {"notes": alone["notes"]}) == same(alone)


def test_a_job_that_ran_again_is_of_the_same_run(acme: Organisation, two_runs: Runs) -> None:
    """GitHub keeps a run's number when failed jobs run again: the newer file counts."""
    alone = merge(acme, *two_runs[1]).report
    old = [edited(file, run="1002") for file in two_runs[0]]
    assert same(merge(acme, *old, *two_runs[1]).report) == same(alone)


def test_without_a_runs_number_shards_may_not_be_a_day_apart(acme: Organisation, two_runs: Runs) -> None:
    files = [edited(file, run="") for file in two_runs[1]]
    assert merge(acme, *files).code != 2
    edited(files[0], begun=json.loads(files[1].read_bytes().split(b"\n")[0])["begun"] - 25 * 3600)
    done = merge(acme, *files)
    assert done.code == 2
    assert {(n["reason"], n["shard"]) for n in done.report["not_audited"]} == {("other-run", "1/3")}


def test_a_repository_that_came_while_the_audit_ran(acme: Organisation, tmp_path: Path) -> None:
    late = next(f"late-{n}" for n in range(100) if shard_of(f"late-{n}", N) == 1)
    files = shards(acme, tmp_path)
    acme.repository(late, f"acme/{late}", {"README.md": "new"})
    ringfence("audit", acme.folder, "--policy", acme.policy, "--shard", "2/3", "-o", files[1])
    done = merge(acme, *files)
    assert done.code == 2
    assert [(n["label"], n["reason"]) for n in done.report["not_audited"]] == [(late, "inventory-changed")]


@pytest.mark.parametrize("shard", ["0/3", "4/3", "x/3", "3", "1/", "-1/3"])
def test_a_shard_that_is_none_is_bad_usage(acme: Organisation, tmp_path: Path, shard: str) -> None:
    done = ringfence("audit", acme.folder, "--policy", acme.policy, "--shard", shard, "-o", tmp_path / "x")
    assert done.code == 2
    assert not (tmp_path / "x").exists()


def test_a_shard_needs_its_file(acme: Organisation, tmp_path: Path) -> None:
    assert ringfence("audit", acme.folder, "--policy", acme.policy, "--shard", "1/2").code == 2
    done = ringfence("audit", acme.folder, "--policy", acme.policy, "--shard", "1/2", "-o", tmp_path / "no/where.json")
    assert done.code == 2
    assert "cannot write the shard" in done.err


def test_the_merge_says_what_fails(acme: Organisation, tmp_path: Path) -> None:
    manifest = {"name": "platform-core", "version": "1.0.0", "dependencies": {"@acme/core": "1.0.0"}}
    Repository(acme.folder / "platform-core").commit(
        {"package.json": manifest}
    )  # could be published: a warning or an error
    acme.write_policy('[rules]\nvisibility = "warning"\n')
    files = shards(acme, tmp_path)
    relaxed = ringfence("audit", "merge", *files, "--policy", acme.policy, "--json", "--rule", "missing-half")
    strict = ringfence(
        "audit", "merge", *files, "--policy", acme.policy, "--json", "--rule", "missing-half", "--fail-on", "warning"
    )
    assert (relaxed.code, strict.code) == (0, 1)
    assert [r["label"] for r in strict.report["repositories"] if r["verdict"] == "fail"] == ["platform-core"]


def test_a_partial_audit_does_not_claim_that_nobody_holds_a_package(acme: Organisation, tmp_path: Path) -> None:
    acme.registry.publish("@acme/lone", "1.0.0")
    manifest = {"name": "user", "private": True, "dependencies": {"@acme/lone": "1.0.0"}}
    acme.repository("user", "acme-internal/user", {"package.json": manifest})
    assert ("missing-half", "user", "package.json", 5) in acme.fleet()
    holder = {"name": "@acme/lone", "version": "1.0.0", "repository": "github:acme/lone"}
    acme.repository("open-lone", "acme/lone", {"package.json": holder})
    assert not [f for f in acme.fleet() if f[0] == "missing-half"]
    (acme.folder / "open-lone/.git/HEAD").write_text("ref: refs/heads/gone\n")
    assert not [f for f in acme.fleet() if f[0] == "missing-half"]
