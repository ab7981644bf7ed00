"""The trend of baselines: grown, shrunk, mended, gone, unknown; held against the cache's memory or a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from bot.audit_report import BaselineTrend
from bot.baseline import BASELINE_FILE
from bot.commands.schema import schema_of
from bot.report.words import baseline_words, size_words
from bot.trend import LastSizes, trend
from tests.fleet_world import Organisation
from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, ringfence

GRANTED = '[gate]\nrepository_may = ["baseline"]\n'


def entries(count: int) -> str:
    """A baseline that holds so many findings, all in one entry."""
    held = [{"rule": "deep-import", "path": "a.js", "mark": "0" * 16, "count": count}] if count else []
    return json.dumps({"schema": 1, "entries": held})


@pytest.fixture
def acme(tmp_path: Path, registry: LoopbackRegistry) -> Organisation:
    """Three cores; two have a baseline, of 5 and of 3."""
    organisation = Organisation(tmp_path, registry)
    organisation.write_policy(GRANTED)
    for stem in ("core", "forms", "grid"):
        organisation.core(stem)
    of(organisation, "core").commit({BASELINE_FILE: entries(5)})
    of(organisation, "forms").commit({BASELINE_FILE: entries(3)})
    return organisation


def of(organisation: Organisation, stem: str) -> Repository:
    found = Repository.__new__(Repository)
    found.path = organisation.folder / f"open-{stem}"
    return found


def sizes(report: dict[str, Any]) -> dict[str, tuple[int | None, int | None]]:
    return {row["label"]: (row["size"], row["before"]) for row in report["baseline"]["repositories"]}


def whole(report: dict[str, Any]) -> tuple[int, int, int | None, int]:
    found = report["baseline"]
    return found["size"], found["holders"], found["change"], found["not_compared"]


# -- held against the last audit -----------------------------------------------------------------


def test_the_first_audit_has_sizes_and_no_change(acme: Organisation) -> None:
    report = acme.audit().report
    assert whole(report) == (8, 2, None, 0)
    assert sizes(report) == {"open-core": (5, None), "open-forms": (3, None)}
    jsonschema_rs.Draft202012Validator(schema_of("audit")).validate(report)


def test_grown_shrunk_and_mended(acme: Organisation) -> None:
    acme.audit()
    of(acme, "core").commit({BASELINE_FILE: entries(1)})
    of(acme, "forms").commit({BASELINE_FILE: entries(0)})
    of(acme, "grid").commit({BASELINE_FILE: entries(2)})
    report = acme.audit().report
    assert sizes(report) == {"open-core": (1, 5), "open-forms": (0, 3), "open-grid": (2, 0)}
    assert whole(report) == (3, 2, -5, 0)
    # What is as it was is told once more, without a change; what was mended is past.
    assert sizes(acme.audit().report) == {"open-core": (1, 1), "open-grid": (2, 2)}


def test_a_repository_that_is_gone_counts_as_fewer(acme: Organisation) -> None:
    acme.audit()
    of(acme, "forms").path.rename(acme.folder.parent / "elsewhere")
    report = acme.audit().report
    assert sizes(report) == {"open-core": (5, 5), "open-forms": (0, 3)}
    assert [row["gone"] for row in report["baseline"]["repositories"]] == [False, True]
    assert whole(report) == (5, 1, -3, 0)


@pytest.mark.parametrize("how", ["unreadable", "not audited"])
def test_what_is_not_known_is_no_progress(acme: Organisation, how: str) -> None:
    acme.audit()
    core = of(acme, "core")
    core.commit({BASELINE_FILE: "{"} if how == "unreadable" else {"ringfence.toml": "schema = ["})
    report = acme.audit().report
    assert sizes(report) == {"open-core": (None, 5), "open-forms": (3, 3)}
    assert whole(report) == (3, 1, 0, 1)
    # Read again, it is held against what was last known.
    core.git("rm", "-q", "--ignore-unmatch", "ringfence.toml")
    core.commit({BASELINE_FILE: entries(4)})
    assert whole(acme.audit().report) == (7, 2, -1, 0)


def test_another_folder_is_another_audit(acme: Organisation, tmp_path: Path) -> None:
    acme.audit()
    (tmp_path / "list.txt").write_text(f"{acme.folder}/open-core\n")
    other = ringfence("audit", "--repos-from", tmp_path / "list.txt", "--policy", acme.policy, "--json").report
    assert whole(other) == (5, 1, None, 0)
    assert whole(acme.audit().report) == (8, 2, 0, 0)


def test_without_the_cache_nothing_is_remembered(acme: Organisation) -> None:
    acme.audit("--no-cache")
    assert whole(acme.audit("--no-cache").report) == (8, 2, None, 0)
    assert whole(acme.audit().report) == (8, 2, None, 0)


def test_one_audit_may_be_merged_again(acme: Organisation, tmp_path: Path) -> None:
    def shards(name: str) -> list[Path]:
        files = [tmp_path / f"{name}-{number}.json" for number in (1, 2)]
        for number, file in enumerate(files, 1):
            acme.audit("--shard", f"{number}/2", "-o", file)
        return files

    def merged(files: list[Path]) -> tuple[int, int, int | None, int]:
        return whole(ringfence("audit", "merge", *files, "--policy", acme.policy, "--json").report)

    first = shards("first")
    assert merged(first) == (8, 2, None, 0)
    of(acme, "core").commit({BASELINE_FILE: entries(1)})
    second = shards("second")
    assert [merged(second), merged(second), merged(second)] == [(4, 2, -4, 0)] * 3
    merged(first)  # an old one makes nobody forget the new one
    assert merged(shards("third")) == (4, 2, 0, 0)


# -- held against a report -----------------------------------------------------------------------


def test_a_report_instead_of_the_memory(acme: Organisation, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    acme.audit("-o", file)
    of(acme, "core").commit({BASELINE_FILE: entries(1)})
    acme.audit()
    assert whole(acme.audit().report) == (4, 2, 0, 0)
    assert whole(acme.audit("--previous", file).report) == (4, 2, -4, 0)
    assert whole(acme.audit("--no-cache", "--previous", file).report) == (4, 2, -4, 0)
    acme.audit("--previous", file, "-o", file)  # read before it is written
    assert whole(acme.audit("--previous", file).report) == (4, 2, 0, 0)


def test_what_a_report_does_not_know_is_not_compared(acme: Organisation, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    core = of(acme, "core")
    core.commit({"ringfence.toml": "schema = ["})
    acme.audit("--no-cache", "-o", file)
    core.git("rm", "-q", "ringfence.toml")
    core.commit({BASELINE_FILE: entries(9)})
    report = acme.audit("--no-cache", "--previous", file).report
    assert sizes(report)["open-core"] == (9, None)
    assert whole(report) == (12, 2, 0, 1)


@pytest.mark.parametrize("text", [None, "", "{}", '{"kind": "report"}', '{"kind": "audit"}', "\xff"])
def test_a_file_that_is_no_report_is_said(acme: Organisation, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "audit.json"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    done = acme.audit("--previous", file)
    assert (done.code, done.out) == (2, "")
    assert str(file) in done.err
    assert "Traceback" not in done.err


# -- in public -----------------------------------------------------------------------------------


def test_a_public_report_names_no_private_repository(acme: Organisation, tmp_path: Path) -> None:
    secret = acme.product("core", "@acme/core", {BASELINE_FILE: entries(4)})
    file = tmp_path / "public.json"
    acme.audit("--public", "-o", file)
    assert sizes(json.loads(file.read_text())) == {
        "open-core": (5, None),
        "open-forms": (3, None),
        "private repository 1": (4, None),
    }
    # Of what it has no name for, such a report knows nothing.
    assert whole(acme.audit("--no-cache", "--previous", file).report) == (12, 3, 0, 1)
    # The cache does; and a repository that is gone is not named by it either.
    secret.path.rename(tmp_path / "elsewhere")
    done = acme.audit("--public")
    assert "platform-core" not in done.out
    assert whole(done.report) == (8, 2, -4, 0)
    assert sizes(done.report)["a private repository"] == (0, 4)


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ({}, None, ""),
        ({"a": 0}, {}, ""),
        ({"a": 1}, None, "1 finding in 1 repository"),
        ({"a": 7, "b": 5}, {"a": 8, "b": 5, "c": 3}, "12 findings in 2 repositories, 4 fewer than last time"),
        ({"a": 7}, {}, "7 findings in 1 repository, 7 more than last time"),
        ({"a": 7}, {"a": 7}, "7 findings in 1 repository, as many as last time"),
        ({"a": 0}, {"a": 1200}, "no findings, 1,200 fewer than last time"),
        ({"a": None, "b": 2}, {"a": 7, "b": 2}, "2 findings in 1 repository, as many as last time (1 repository not compared)"),
    ],
)  # fmt: skip
def test_the_whole_in_words(now: dict[str, int | None], before: dict[str, int | None] | None, said: str) -> None:
    assert baseline_words(trend(now, before)) == said


def test_one_repository_in_words() -> None:
    now, before = (
        {"a": 1, "b": 9, "c": 0, "d": None, "f": 2, "g": 3},
        {"a": 5, "b": 2, "c": 4, "d": 6, "e": 7, "f": 2, "g": None},
    )
    said = {row.label: size_words(row) for row in trend(now, before).repositories}
    assert said == {
        "a": "4 fewer than last time",
        "b": "7 more than last time",
        "c": "4 fewer than last time (mended)",
        "d": "not known, 6 last time",
        "e": "no longer audited, 7 last time",
        "f": "as many as last time",
        "g": "",
    }


def test_every_face_tells_it(acme: Organisation, tmp_path: Path) -> None:
    acme.audit()
    of(acme, "core").commit({BASELINE_FILE: entries(1)})
    acme.audit("--shard", "1/1", "-o", tmp_path / "shard.json")

    def face(*arguments: str) -> str:
        return ringfence("audit", "merge", tmp_path / "shard.json", "--policy", acme.policy, *arguments).out

    said = "4 findings in 2 repositories, 4 fewer than last time"
    terminal = face()
    assert f"── Baseline  {said}\n  open-core       1  4 fewer than last time\n\n" in terminal
    assert f"baseline: {said}" in " ".join(terminal.split())
    assert "  open-forms       3  as many as last time\n" in face("-v")
    assert f"### Baseline\n\n{said}\n\n" in face("--format", "markdown")
    assert "| `open-core` | 1 | 4 fewer than last time |\n| `open-forms` | 3 | as many as last time |\n" in face(
        "--format", "markdown"
    )
    assert f"baseline: {said}" in face("--format", "html")


def test_a_memory_that_is_damaged_is_none(tmp_path: Path) -> None:
    LastSizes(tmp_path, "folder /x").keep(1.0, 2.0, {"a": 5, "b": None})
    (file,) = tmp_path.iterdir()
    assert LastSizes(tmp_path, "folder /x").before(3.0) == {"a": 5, "b": None}
    assert LastSizes(tmp_path, "folder /y").before(3.0) is None
    assert file.stat().st_mode & 0o077 == 0
    file.write_bytes(b"{" + file.read_bytes())
    assert LastSizes(tmp_path, "folder /x").before(3.0) is None
    assert trend({}, None) == BaselineTrend()
