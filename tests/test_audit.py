"""`ringfence audit` from its command line: real repositories, one report for all of them, unchanged ones for little."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

import bot.commands.auditing as auditing
from bot.audit_report import Audit
from bot.commands.schema import schema_of
from bot.rules import ALL
from tests.fleet_world import Organisation, same
from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, git, ringfence

VALIDATOR = jsonschema_rs.Draft202012Validator(schema_of("audit"))


@pytest.fixture
def acme(tmp_path: Path, registry: LoopbackRegistry) -> Organisation:
    """One clean pair, and one whose halves are at odds."""
    organisation = Organisation(tmp_path, registry)
    organisation.pair("core")
    organisation.core("todos", repository="https://github.com/acme/old-todos")
    organisation.product("todos", "@acme/core")
    return organisation


EXPECTED = [
    ("repository-mismatch", "open-todos", "package.json", 2),
    ("missing-core", "platform-todos", "package.json", 2),
]


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {repository["label"]: repository["verdict"] for repository in report["repositories"]}


# -- one audit -----------------------------------------------------------------------------------


def test_one_report_for_all(acme: Organisation) -> None:
    done = acme.audit()
    assert done.code == 0, done.out  # warnings fail nothing
    VALIDATOR.validate(done.report)
    audit = msgspec.json.decode(done.out, type=Audit, strict=True)
    assert [r.label for r in audit.repositories] == ["open-core", "open-todos", "platform-core", "platform-todos"]
    assert [(f.finding.rule, f.repository) for f in audit.fleet] == [(rule, label) for rule, label, _, _ in EXPECTED]
    assert acme.fleet() == EXPECTED
    facts = {r.label: r.facts for r in audit.repositories}
    product = facts["platform-core"]
    assert product is not None
    assert product.repository == "acme/platform-core"
    assert product.side == "private"
    assert [(c.package, c.versions, c.specs, c.members) for c in product.consumes] == [
        ("@acme/core", ("1.0.0",), ("1.0.0",), 1)
    ]
    assert [(p.stem, p.open, p.private) for p in audit.pairs] == [
        ("core", ("open-core",), ("platform-core",)),
        ("todos", ("open-todos",), ("platform-todos",)),
    ]
    assert {use.repository: use.versions for use in audit.pairs[0].uses} == {
        "platform-core": ("1.0.0",),
        "platform-todos": ("1.0.0",),
    }
    assert audit.summary.audited == audit.summary.repositories == 4
    assert audit.summary.warnings == 2
    # Each repository's own report is the one that a check of the same commit gives.
    for repository in audit.repositories:
        path = acme.folder / repository.label
        checked = ringfence("check", path, "--rev", "HEAD", "--policy", acme.policy, "--json").report
        own = json.loads(msgspec.json.encode(repository.report))
        for key in ("findings", "not_checked", "allowed", "counts", "revision", "verdict"):
            assert own[key] == checked[key], (repository.label, key)


def test_a_repository_s_own_finding_and_verdict(acme: Organisation) -> None:
    other = {"name": "platform-core", "private": True, "dependencies": {"@acme/core": "^1.0.0"}}
    Repository(acme.folder / "platform-core", {"package.json": other})
    done = acme.audit()
    assert done.code == 1
    assert verdicts(done.report) == {
        "open-core": "pass",
        "open-todos": "pass",
        "platform-core": "fail",
        "platform-todos": "pass",
    }
    (floating,) = [tally for tally in done.report["rules"] if tally["rule"] == "floating-pin"]
    assert floating == {"rule": "floating-pin", "errors": 1, "warnings": 0, "notes": 0, "repositories": 1}


def test_a_fleet_finding_fails_its_repository(acme: Organisation) -> None:
    acme.write_policy('[rules]\nmissing-core = "error"\n')
    done = acme.audit()
    assert done.code == 1
    assert verdicts(done.report)["platform-todos"] == "fail"
    assert done.report["summary"]["failed"] == 1
    assert acme.audit("--fail-on", "warning").report["summary"]["failed"] == 2
    acme.write_policy('[rules]\nmissing-core = "off"\n')
    done = acme.audit()
    assert done.code == 0
    assert {"rule": "missing-core", "reason": "off by policy"} in done.report["not_run"]


def test_only_the_named_rules(acme: Organisation) -> None:
    report = acme.audit("--rule", "missing-core").report
    assert {f["finding"]["rule"] for f in report["fleet"]} == {"missing-core"}
    assert all(not repository["report"]["counts"] for repository in report["repositories"])
    assert ringfence("check", acme.folder / "open-core", "--policy", acme.policy, "--rule", "missing-core").code == 2


def test_a_checkout_is_judged_at_its_head(acme: Organisation) -> None:
    (acme.folder / "platform-core/package.json").write_text("{ broken")
    assert acme.audit().code == 0


def test_halves_are_told_by_their_folder_where_nobody_knows_their_name(acme: Organisation) -> None:
    git(acme.folder / "platform-todos", "remote", "remove", "origin")
    assert ("missing-core", "platform-todos", "package.json", 2) in acme.fleet()


# -- unchanged repositories ----------------------------------------------------------------------


def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on whoever starts git fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("git was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def test_an_unchanged_repository_costs_no_process_and_no_request(
    acme: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With findings whose lines are looked up in a manifest, a lock, a source file and the policy.
    acme.write_policy('[reach]\nno_exports_map = "error"\n')
    acme.product("deep", "@acme/core", {"src/deep.js": 'import "@acme/core/src/inner.js"\nimport "../../out.js"\n'})
    Repository(acme.folder / "platform-core").commit({"package-lock.json": "{ broken"})
    acme.audit()
    first = acme.audit()  # what no reader takes is remembered when it is asked for a second time
    assert {f["rule"] for r in first.report["repositories"] for f in r["report"]["findings"]} >= {"deep-import"}
    acme.registry.forget()
    with monkeypatch.context() as guarded:
        no_process(guarded)
        second = acme.audit()
    assert acme.registry.requests == 0
    assert second.report["summary"]["unchanged"] == second.report["summary"]["audited"] == 5
    assert same(second.report) == same(first.report)


def test_it_is_judged_by_todays_registry(acme: Organisation) -> None:
    assert acme.audit().code == 0
    acme.registry.unpublish("@acme/core", "1.0.0")
    (Path(os.environ["RINGFENCE_CACHE"]) / "registry.sqlite").unlink()
    done = acme.audit()
    assert done.code == 1
    rules = {f["rule"] for r in done.report["repositories"] for f in r["report"]["findings"]}
    assert "unreleased-pin" in rules


def test_it_is_judged_by_todays_policy(acme: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert acme.audit().code == 0
    acme.write_policy('[rules]\nmissing-core = "error"\nlock-source = "off"\n')
    no_process(monkeypatch)
    report = acme.audit().report
    assert report["verdict"] == "fail"
    assert {"rule": "lock-source", "reason": "off by policy"} in report["repositories"][0]["report"]["not_run"]


def test_a_moved_head_is_read(acme: Organisation) -> None:
    before = acme.audit()
    manifest = {"name": "platform-core", "private": True, "dependencies": {"@acme/core": "*"}}
    Repository(acme.folder / "platform-core").commit({"package.json": manifest})
    after = acme.audit()
    assert after.report["summary"]["unchanged"] == 3
    (moved,) = [r for r in after.report["repositories"] if not r["unchanged"]]
    assert moved["label"] == "platform-core"
    assert "floating-pin" in moved["rules"]
    assert before.code == 0
    # Whatever was remembered, it says what an audit without memory says.
    assert same(after.report) == same(acme.audit("--no-cache").report)


def test_nothing_is_kept_without_the_cache(acme: Organisation) -> None:
    acme.audit("--no-cache")
    assert acme.audit("--no-cache").report["summary"]["unchanged"] == 0


# -- which repositories --------------------------------------------------------------------------


def test_every_kind_of_repository_in_a_folder(acme: Organisation) -> None:
    core = acme.folder / "open-core"
    git(core, "worktree", "add", "--quiet", str(acme.folder / "open-core-feature"))
    git(acme.folder, "clone", "--quiet", "--bare", str(core), str(acme.folder / "mirror.git"))
    (acme.folder / "acme").mkdir()
    shutil.move(acme.folder / "open-todos", acme.folder / "acme/todos")
    acme.repository("empty", "acme/empty", None)
    (acme.folder / "notes").mkdir()
    (acme.folder / ".hidden").mkdir()
    (acme.folder / "file.txt").write_text("no folder")
    (acme.folder / "linked").symlink_to(core)
    done = acme.audit()
    assert done.code == 0, done.out
    report = done.report
    assert list(verdicts(report)) == [
        "acme/todos",
        "empty",
        "mirror.git",
        "open-core",
        "open-core-feature",
        "platform-core",
        "platform-todos",
    ]
    assert report["notes"] == ["not under git, left alone: notes"]
    folders = {repository["label"]: repository["facts"].get("folder", "") for repository in report["repositories"]}
    assert folders["acme/todos"] == "todos"
    assert folders["mirror.git"] == ""  # a bare repository is no checkout: its folder's name says nothing
    # A second checkout of one repository is judged, and counts once in the fleet.
    assert [f for f in report["fleet"] if f["finding"]["rule"] == "orphaned-half"] == []


def test_a_folder_without_repositories_is_said(tmp_path: Path, acme: Organisation) -> None:
    (tmp_path / "bare/inner").mkdir(parents=True)
    for folder, words in (
        (tmp_path / "bare", "there is no repository"),
        (tmp_path / "nowhere", "there is no such folder"),
        (acme.folder / "open-core", "this is one repository"),
    ):
        done = ringfence("audit", folder, "--policy", acme.policy)
        assert done.code == 2
        assert words in done.err


def test_a_list_of_repositories(acme: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"# ours\n{acme.folder}/open-core\n\nwork/platform-core # the product\nwork/gone\nacme.toml\n")
    monkeypatch.chdir(tmp_path)
    done = ringfence("audit", "--repos-from", listed, "--policy", acme.policy, "--json")
    assert done.code == 2
    assert list(verdicts(done.report)) == [f"{acme.folder}/open-core", "work/platform-core"]
    assert [(n["label"], n["reason"]) for n in done.report["not_audited"]] == [
        ("acme.toml", "unreadable"),
        ("work/gone", "unreadable"),
    ]
    assert f"{listed}:5" in done.report["not_audited"][1]["detail"]
    listed.write_text("# nothing\n")
    assert ringfence("audit", "--repos-from", listed, "--policy", acme.policy).code == 2
    assert ringfence("audit", "--policy", acme.policy).code == 2
    assert ringfence("audit", acme.folder, "--repos-from", listed, "--policy", acme.policy).code == 2


# -- what could not be audited -------------------------------------------------------------------


def test_a_repository_that_cannot_be_read_is_not_clean(acme: Organisation) -> None:
    broken = acme.folder / "open-core"
    (broken / ".git/HEAD").write_text("ref: refs/heads/gone\n")
    done = acme.audit()
    assert done.code == 2
    assert done.report["verdict"] == "incomplete"
    (item,) = done.report["not_audited"]
    assert (item["label"], item["reason"]) == ("open-core", "unreadable")
    assert "HEAD names a branch that is not there" in item["detail"]
    assert done.report["summary"]["repositories"] == 4
    # What fails elsewhere still fails.
    acme.write_policy('[rules]\nmissing-core = "error"\n')
    assert acme.audit().code == 1


def test_a_missing_object_is_not_clean(acme: Organisation) -> None:
    repository = acme.folder / "platform-core"
    head = git(repository, "rev-parse", "HEAD^{tree}")
    (repository / ".git/objects" / head[:2] / head[2:]).unlink()
    done = acme.audit()
    assert done.code == 2
    assert [item["label"] for item in done.report["not_audited"]] == ["platform-core"]


def test_a_broken_policy_of_its_own_is_not_clean(acme: Organisation) -> None:
    Repository(acme.folder / "open-core").commit({"ringfence.toml": "[open]\npackage = 3\n"})
    done = acme.audit()
    assert done.code == 2
    (item,) = done.report["not_audited"]
    assert (item["label"], item["reason"]) == ("open-core", "policy")
    assert "ringfence.toml:2" in item["detail"]


def test_a_bug_is_said_and_costs_one_repository(acme: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    real = auditing.summarise

    def fails(*arguments: Any, **named: Any) -> Any:
        if named["label"] == "open-core":
            raise ValueError("planted")
        return real(*arguments, **named)

    monkeypatch.setattr(auditing, "summarise", fails)
    done = acme.audit()
    assert done.code == 70
    (item,) = done.report["not_audited"]
    assert (item["label"], item["reason"]) == ("open-core", "internal-error")
    assert "planted" in item["detail"]


def test_a_rule_that_fails_is_said(acme: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Any:
        raise ValueError("planted")

    broken = msgspec.structs.replace(auditing.FLEET[1], judge=fails)
    monkeypatch.setattr(auditing, "EVERY", (*ALL, broken))
    done = acme.audit()
    assert done.code == 70
    assert [problem["reason"] for problem in done.report["not_checked"]] == ["internal-error"]


def test_a_registry_that_does_not_answer_is_incomplete(acme: Organisation) -> None:
    done = acme.audit("--offline")
    assert done.code == 2
    assert {problem["reason"] for problem in done.report["not_checked"]} == {"offline"}
    acme.write_policy('[not_checked]\nallow = ["offline"]\n')
    assert acme.audit("--offline").code == 0


# -- policy --------------------------------------------------------------------------------------


def test_an_audit_needs_a_policy(acme: Organisation) -> None:
    done = ringfence("audit", acme.folder)
    assert done.code == 2
    assert "an audit needs the organisation's policy" in done.err
    shutil.copy(acme.policy, acme.folder / "ringfence.toml")
    assert ringfence("audit", acme.folder).code == 0


def test_without_a_policy_file(acme: Organisation) -> None:
    Repository(acme.folder / "open-core").commit({"ringfence.toml": "[rules]\nvisibility = 'error'\n"})
    done = ringfence("audit", acme.folder, "--open", "@acme/*", "--json", "--offline")
    assert done.report["assumed"]
    own = next(r for r in done.report["repositories"] if r["label"] == "open-core")["report"]["assumed"]
    assert any("ringfence.toml" in words for words in own)
    assert {n["rule"] for n in done.report["not_run"]} >= {"missing-core", "repository-mismatch"}


def test_a_repository_s_own_policy_may_tighten(acme: Organisation) -> None:
    Repository(acme.folder / "platform-todos").commit({"ringfence.toml": '[rules]\nmissing-core = "error"\n'})
    done = acme.audit()
    assert done.code == 1
    assert [f["finding"]["severity"] for f in done.report["fleet"]] == ["warning", "error"]


WAIVER = '[[waiver]]\nrule = "missing-core"\nreason = "until the split"\nowner = "@acme/web"\nexpires = {}\n'


@pytest.mark.parametrize("whose", ["organisation", "repository"])
def test_a_fleet_finding_can_be_waived(acme: Organisation, whose: str) -> None:
    severity = '[rules]\nmissing-core = "error"\n'
    for expires, code in (("2999-12-31", 0), ("2020-01-01", 1)):
        waiver = WAIVER.format(expires)
        acme.write_policy(severity + (waiver if whose == "organisation" else ""))
        if whose == "repository":
            Repository(acme.folder / "platform-todos").commit({"ringfence.toml": waiver})
        done = acme.audit("--rule", "missing-core")
        assert done.code == code, (whose, expires)
        assert done.report["fleet"][0]["finding"]["waived"] == ("" if code else "until the split")
        assert done.report["summary"]["waived"] == 1 - code


def test_observed_repositories_fail_nothing(acme: Organisation) -> None:
    more = '[rules]\nmissing-core = "error"\n'
    acme.write_policy(more + '[repository."acme/platform-todos"]\nmode = "observe"\n')
    done = acme.audit()
    assert done.code == 0
    assert [f["observed"] for f in done.report["fleet"]] == [False, True]
    acme.policy.write_text(acme.policy.read_text().replace("schema = 1", 'schema = 1\nmode = "observe"'))
    done = acme.audit("--fail-on", "warning")
    assert done.code == 0
    assert done.report["mode"] == "observe"
    # But what nobody looked at was not observed either.
    (acme.folder / "open-core/.git/HEAD").write_text("ref: refs/heads/gone\n")
    assert acme.audit().code == 2


# -- side by side --------------------------------------------------------------------------------


def test_several_processes_say_what_one_says(acme: Organisation, tmp_path: Path) -> None:
    """In a process of its own: this one has the registry's threads, and then nothing forks."""
    for number in range(6):
        acme.pair(f"x{number}")
    said = []
    for jobs in (["--jobs", "1"], []):
        environment = os.environ | {"RINGFENCE_CACHE": str(tmp_path / f"cache{len(said)}")}
        command = [sys.executable, "-P", "-c", "from bot.cli import main; main()", "audit", str(acme.folder)]
        for _ in range(2):
            done = subprocess.run(
                [*command, "--policy", str(acme.policy), "--json", *jobs],
                env=environment,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            said.append(same(json.loads(done.stdout)))
    assert len(said[0]["repositories"]) == 16
    assert said[0] == said[1] == said[2] == said[3]
