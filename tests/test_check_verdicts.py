"""`ringfence check`: verdicts, exit codes, what policy allows, waivers, and what bad usage says."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jsonschema_rs
import msgspec
import pytest

from bot import rules
from bot.model import Edit, Evidence, Hit, NotChecked, Place, Verdict
from bot.policy import Policy
from bot.repo import Repo
from bot.rule import Known
from bot.text import Public
from tests.registry.loopback import LoopbackRegistry
from tests.world import Content, Outcome, Repository, check, policy, product, ringfence, rules_of, stock

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'
TODAY = datetime.datetime.now(datetime.UTC).date()
FORMATS = ["terminal", "json", "sarif", "github"]


@pytest.fixture
def shop(registry: LoopbackRegistry, tmp_path: Path) -> Repository:
    """A clean private product."""
    return Repository(tmp_path / "shop", product(registry, stock(registry)))


def days(count: int) -> str:
    return (TODAY + datetime.timedelta(days=count)).isoformat()


# -- verdicts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_exit_codes_are_the_same_in_every_format(shop: Repository, format_: str) -> None:
    assert ringfence("check", shop.path, "--format", format_).code == 0
    shop.commit({"src/main.js": DEEP})
    assert ringfence("check", shop.path, "--format", format_).code == 1
    shop.commit({"src/main.js": "export {}\n", "sub/package.json": "{ broken"})
    assert ringfence("check", shop.path, "--format", format_).code == 2
    shop.commit({"src/main.js": DEEP})
    assert ringfence("check", shop.path, "--format", format_).code == 1


@pytest.mark.parametrize(
    ("files", "code", "verdict"),
    [
        pytest.param({}, 0, "pass", id="clean"),
        pytest.param({"src/main.js": DEEP}, 1, "fail", id="finding"),
        pytest.param({"sub/package.json": "{ broken"}, 2, "incomplete", id="unreadable"),
        pytest.param({"src/main.js": DEEP, "sub/package.json": "{"}, 1, "fail", id="both"),
    ],
)
def test_the_verdict_agrees_with_the_exit_code(
    shop: Repository, files: dict[str, str], code: int, verdict: str
) -> None:
    shop.commit(files)
    done = check(shop)
    assert (done.code, done.report["verdict"]) == (code, verdict)


def test_warnings_fail_on_request(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.commit({"src/main.js": DEEP, "ringfence.toml": policy(registry, '[rules]\ndeep-import = "warning"\n')})
    assert [check(shop, "--fail-on", level).code for level in ("error", "warning", "note")] == [0, 1, 1]
    shop.commit({"ringfence.toml": policy(registry, '[rules]\ndeep-import = "note"\n')})
    assert [check(shop, "--fail-on", level).code for level in ("error", "warning", "note")] == [0, 0, 1]
    shop.commit({"ringfence.toml": policy(registry, '[rules]\ndeep-import = "off"\n')})
    done = check(shop, "--fail-on", "note")
    assert done.code == 0
    assert {"rule": "deep-import", "reason": "off by policy"} in done.report["not_run"]


def test_observe_mode_shows_everything_and_fails_nothing(shop: Repository, registry: LoopbackRegistry) -> None:
    text = policy(registry).replace("schema = 1", 'schema = 1\nmode = "observe"')
    shop.commit({"ringfence.toml": text, "src/main.js": DEEP, "sub/package.json": "{ broken"})
    for level in ("error", "note"):
        done = check(shop, "--fail-on", level)
        assert (done.code, done.report["verdict"], done.report["mode"]) == (0, "pass", "observe")
    assert rules_of(done.report) == [("deep-import", "src/main.js")]
    assert [p["reason"] for p in done.report["not_checked"]] == ["malformed"]
    shown = ringfence("check", shop.path)
    assert shown.code == 0
    assert "observe" in shown.out


def test_rules_that_do_not_apply_are_listed(shop: Repository) -> None:
    listed = {entry["rule"]: entry["reason"] for entry in check(shop).report["not_run"]}
    assert listed["naming-pair"] == "policy sets no naming scheme"
    assert "naming-pair" in ringfence("check", shop.path, "-v").out


# -- a bug in a rule -------------------------------------------------------------------------------


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
        raise KeyError("{braces} and \x1b[31m control")

    broken = tuple(msgspec.structs.replace(r, judge=judge) if r.id == "visibility" else r for r in rules.ALL)
    monkeypatch.setattr(rules, "ALL", broken)


@pytest.mark.usefixtures("crashing")
@pytest.mark.parametrize("format_", FORMATS)
def test_a_bug_in_one_rule_hides_nothing_of_the_others(shop: Repository, format_: str) -> None:
    shop.commit({"src/main.js": DEEP})
    done = ringfence("check", shop.path, "--format", format_)
    assert done.code == 70
    assert "deep-import" in done.out
    assert "visibility" in done.out
    assert "\x1b" not in done.out


@pytest.mark.usefixtures("crashing")
def test_a_bug_is_not_allowed_away(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.commit({"ringfence.toml": policy(registry, '[not_checked]\nallow = ["internal-error"]\n')})
    done = check(shop)
    assert done.code == 70
    assert [(p["reason"], p["rule"]) for p in done.report["not_checked"]] == [("internal-error", "visibility")]
    assert done.report["verdict"] == "incomplete"


@pytest.mark.usefixtures("crashing")
def test_the_traceback_of_a_bug_can_be_seen(shop: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_DEBUG", "1")
    with pytest.raises(KeyError, match="braces"):
        check(shop)


BROKEN: dict[str, Callable[[Hit], Hit]] = {
    "places": lambda hit: msgspec.structs.replace(
        hit, place=Place("src/main.js", ("not", "a", "range"), start=cast(int, "x"))
    ),
    "related places": lambda hit: msgspec.structs.replace(
        hit, related=(("see", Place("src/main.js", start=cast(int, "x"))),)
    ),
    "evidence": lambda hit: msgspec.structs.replace(
        hit, evidence=(Evidence(kind="lock", text="{nothing}", place=hit.place),)
    ),
    "edits": lambda hit: msgspec.structs.replace(
        hit, edits=(Edit(place=Place("src/main.js", start=cast(int, "x")), old="a", new="b"),)
    ),
    "message": lambda hit: msgspec.structs.replace(hit, message="{nothing}"),
    "remedy": lambda hit: msgspec.structs.replace(hit, remedy="{nothing}"),
}


@pytest.mark.parametrize(
    ("part", "format_"), [*((part, "json") for part in BROKEN), *(("places", format_) for format_ in FORMATS)]
)
def test_a_bug_in_one_finding_costs_its_place_or_its_words_alone(
    shop: Repository, monkeypatch: pytest.MonkeyPatch, part: str, format_: str
) -> None:
    rule = next(r for r in rules.ALL if r.id == "deep-import")

    def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
        verdict = rule.judge(repo, policy, known)
        verdict.hits = [BROKEN[part](hit) if hit.place.path == "src/main.js" else hit for hit in verdict.hits]
        return verdict

    broken = tuple(msgspec.structs.replace(r, judge=judge) if r is rule else r for r in rules.ALL)
    monkeypatch.setattr(rules, "ALL", broken)
    shop.commit({"src/main.js": DEEP * 2, "src/other.js": DEEP})
    done = ringfence("check", shop.path, "--format", format_)
    assert done.code == 70
    assert "src/other.js" in done.out
    if format_ != "json":
        assert "internal-error" in done.out
        return
    problems = done.report["not_checked"]
    assert [(p["reason"], p["rule"], p["path"]) for p in problems] == [("internal-error", "deep-import", "src/main.js")]
    of_main = [f for f in done.report["findings"] if f["location"]["path"] == "src/main.js"]
    assert len(of_main) == 2
    for finding in of_main:
        assert finding["message"]
        assert (finding["location"]["line"] == 0) is (part == "places")
        assert finding["edits"] == [] or part != "edits"
    [other] = [f for f in done.report["findings"] if f["location"]["path"] == "src/other.js"]
    assert other["location"]["line"] == 1


def test_a_bug_in_the_words_of_what_was_not_checked_hides_nothing(
    shop: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
        problem = NotChecked(
            reason="offline", subject="{nothing}", detail="", path="src/main.js", params={"x": Public("y")}
        )
        return Verdict(not_checked=[problem])

    broken = tuple(msgspec.structs.replace(r, judge=judge) if r.id == "visibility" else r for r in rules.ALL)
    monkeypatch.setattr(rules, "ALL", broken)
    shop.commit({"src/main.js": DEEP})
    done = check(shop)
    assert done.code == 70
    assert sorted(p["reason"] for p in done.report["not_checked"]) == ["internal-error", "offline"]
    assert rules_of(done.report) == [("deep-import", "src/main.js")]


# -- what could not be checked ---------------------------------------------------------------------


def test_one_bad_file_costs_one_not_checked_and_the_rest_is_judged(
    shop: Repository, registry: LoopbackRegistry
) -> None:
    shop.commit({"src/main.js": DEEP, "tools/package.json": '{"name": "tools",\n  broken\n', "src/x.js": "let a = (\n"})
    report = check(shop).report
    assert [(p["reason"], p["path"], p["line"]) for p in report["not_checked"]] == [
        ("malformed", "tools/package.json", 2)
    ]
    assert rules_of(report) == [("deep-import", "src/main.js")]


@pytest.mark.parametrize(
    ("allow", "code"),
    [
        pytest.param(["malformed"], 0, id="reason"),
        pytest.param(["malformed:tools/package.json"], 0, id="path"),
        pytest.param(["malformed:package.json"], 0, id="end of the path"),
        pytest.param(["malformed:ools/package.json"], 2, id="not a whole folder"),
        pytest.param(["malformed:other/package.json"], 2, id="another path"),
        pytest.param(["unsupported-format"], 2, id="another reason"),
        pytest.param(["mal"], 2, id="half a reason"),
    ],
)
def test_policy_may_allow_what_cannot_be_checked(
    shop: Repository, registry: LoopbackRegistry, allow: list[str], code: int
) -> None:
    more = f"[not_checked]\nallow = {json.dumps(allow)}\n"
    shop.commit({"ringfence.toml": policy(registry, more), "tools/package.json": "{"})
    done = check(shop)
    assert done.code == code
    listed = done.report["not_checked" if code else "allowed"]
    assert [p["path"] for p in listed] == ["tools/package.json"]
    # Allowed is not hidden.
    assert code == 2 or "allowed to stay unchecked: 1" in ringfence("check", shop.path).out
    assert "tools/package.json" in ringfence("check", shop.path, "--all").out


def nothing_said(outcome: Outcome) -> tuple[str, str]:
    """What the run says of there being nothing to judge, and what to do."""
    (problem,) = outcome.report["not_checked"]
    assert (outcome.code, outcome.report["verdict"], problem["reason"]) == (2, "incomplete", "nothing-to-judge")
    return problem["detail"], problem["remedy"]


def test_where_there_is_nothing_to_judge_nothing_passes(tmp_path: Path) -> None:
    nothing = "there is no package.json, lockfile or source file here"
    arguments = ("--open", "@acme/*", "--offline")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert nothing_said(check(empty, *arguments))[0] == nothing

    fresh = Repository(tmp_path / "fresh")
    assert nothing_said(check(fresh, *arguments))[0] == nothing
    fresh.write({"package.json": {"name": "@acme/x"}, "index.js": ""})
    detail, remedy = nothing_said(check(fresh, *arguments))
    assert detail == "git tracks no package.json, lockfile or source file here; 2 files here it does not track"
    assert "git add" in remedy
    fresh.commit()
    assert check(fresh, *arguments).code == 0

    # A clone whose checkout failed: HEAD is there, the index and the folder are empty.
    fresh.git("rm", "--quiet", "-r", ".")
    detail, remedy = nothing_said(check(fresh, *arguments))
    assert detail == f"{nothing}; 2 files of HEAD not on disk"
    assert "--rev HEAD" in remedy
    assert check(fresh, *arguments, "--rev", "HEAD").code == 0


def test_a_policy_that_ignores_everything_passes_nothing(tmp_path: Path) -> None:
    files: dict[str, Content] = {
        "a/package.json": "{}",
        "ringfence.toml": '[open]\npackages = ["@acme/*"]\n[ignore]\npaths = ["a/**"]\n',
    }
    where = Repository(tmp_path / "r", files)
    assert nothing_said(check(where, "--offline"))[0].endswith("; the policy ignores 1 file")
    allowed = str(files["ringfence.toml"]) + '[not_checked]\nallow = ["nothing-to-judge"]\n'
    where.commit({"ringfence.toml": allowed})
    assert check(where, "--offline").code == 0


def test_a_format_that_nobody_reads_is_said(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.git("rm", "-q", "package-lock.json")
    shop.commit({"bun.lockb": b"#!/usr/bin/env bun\nbun-lockfile-format-v0\n\x00\x01"})
    done = check(shop)
    assert done.code == 2
    assert {(p["reason"], p["path"]) for p in done.report["not_checked"]} >= {("unsupported-format", "bun.lockb")}
    assert ("missing-lock", "package.json") not in rules_of(done.report)


# -- waivers ---------------------------------------------------------------------------------------


def waiver(**values: object) -> str:
    lines = [f"{key} = {value if key == 'expires' else json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["[[waiver]]", *lines]) + "\n\n"


GOOD: dict[str, object] = {
    "rule": "deep-import",
    "reason": "until 2.0 exports it",
    "owner": "@acme/web",
    "expires": days(30),
}


@pytest.mark.parametrize(
    ("change", "waived", "words"),
    [
        pytest.param({}, True, None, id="everywhere"),
        pytest.param({"path": "src/**"}, True, None, id="path"),
        pytest.param({"path": "src/main.js"}, True, None, id="file"),
        pytest.param({"package": "@acme/core"}, True, None, id="package"),
        pytest.param({"package": "npm:@acme/*"}, True, None, id="pattern"),
        pytest.param({"expires": days(0)}, True, None, id="last day"),
        pytest.param({"expires": days(-1)}, False, "expired", id="expired"),
        pytest.param({"owner": ""}, False, "owner", id="no owner"),
        pytest.param({"owner": "  "}, False, "owner", id="blank owner"),
        pytest.param({"reason": ""}, False, "reason", id="no reason"),
        pytest.param({"expires": None}, False, "expires", id="no end"),
        pytest.param({"path": "package.json"}, False, "covers", id="another path"),
        pytest.param({"path": "lib/**"}, False, "speaks of lib/**, and no file here", id="no path"),
        pytest.param({"path": "src"}, False, "no file here is called so", id="a folder is no pattern"),
        pytest.param({"package": "@acme/other"}, False, "covers", id="another package"),
        pytest.param({"rule": "path-escape"}, False, "covers", id="another rule"),
    ],
)
def test_waivers(
    shop: Repository, registry: LoopbackRegistry, change: dict[str, object], waived: bool, words: str | None
) -> None:
    values = {key: value for key, value in (GOOD | change).items() if value is not None}
    shop.commit({"src/main.js": DEEP, "ringfence.toml": policy(registry, waiver(**values))})
    report = check(shop).report
    deep = next(f for f in report["findings"] if f["rule"] == "deep-import")
    assert bool(deep["waived"]) is waived
    about = [f["message"] for f in report["findings"] if f["rule"] == "waiver"]
    assert len(about) == (words is not None), about
    if words is not None:
        assert words in about[0].lower()
        remedy = next(f["remedy"] for f in report["findings"] if f["rule"] == "waiver")
        assert (remedy == "Write src/** for what lies in that folder.") is (change.get("path") == "src")
    assert report["verdict"] == ("pass" if waived else "fail")
    assert report["summary"]["waived"] == int(waived)


def test_a_waiver_cannot_waive_the_rule_that_watches_waivers(shop: Repository, registry: LoopbackRegistry) -> None:
    more = waiver(**GOOD | {"expires": days(-1)}) + waiver(**GOOD | {"rule": "waiver"})
    shop.commit({"ringfence.toml": policy(registry, more)})
    report = check(shop).report
    assert report["verdict"] == "fail"
    assert not any(f["waived"] for f in report["findings"])


def test_an_unused_waiver_is_let_be_where_its_place_could_not_be_judged(
    shop: Repository, registry: LoopbackRegistry
) -> None:
    more = waiver(**GOOD | {"rule": "floating-pin", "path": "sub/package.json"})
    shop.commit({"ringfence.toml": policy(registry, more), "sub/package.json": "{ broken"})
    report = check(shop).report
    assert (report["verdict"], report["findings"]) == ("incomplete", [])


# -- one rule --------------------------------------------------------------------------------------


def test_one_rule_alone(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.commit({"src/main.js": DEEP + 'import "../../out.js"\n'})
    assert len(check(shop).report["findings"]) == 2
    report = check(shop, "--rule", "path-escape").report
    assert rules_of(report) == [("path-escape", "src/main.js")]
    assert [count["rule"] for count in report["counts"]] == ["path-escape"]
    both = check(shop, "--rule", "path-escape", "--rule", "deep-import").report
    assert len(both["findings"]) == 2


# -- bad usage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["chekc"], ["chekc", "'check'"], id="verb"),
        pytest.param(["zzz"], ["zzz", "--help"], id="no verb near"),
        pytest.param(["check", "--rule", "deep-imports"], ["deep-imports", "'deep-import'"], id="rule"),
        pytest.param(["check", "--rule", "q"], ["'q'", "ringfence rules"], id="no rule near"),
        pytest.param(["check", "no/such/folder"], ["no/such/folder", "no such folder"], id="folder"),
        pytest.param(["check", "@acme/*"], ["@acme/*", "--open"], id="a pattern as a folder"),
        pytest.param(["check", "--ofline"], ["--ofline", "--offline"], id="option"),
        pytest.param(["check", "--format", "xml"], ["xml", "sarif"], id="format"),
        pytest.param(["check", "pyproject.toml"], ["this is a file"], id="a file"),
        pytest.param(["fix", "--rule", "nope"], ["'nope'"], id="fix rule"),
        pytest.param(["selftest", "--rule", "nope"], ["'nope'"], id="selftest rule"),
        pytest.param(["explain", "nope"], ["nope"], id="explain"),
    ],
)
def test_bad_usage_says_what_was_meant(arguments: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    done = ringfence(*arguments)
    assert done.code == 2
    for word in words:
        assert word in done.err
    assert done.out == ""


# -- output ----------------------------------------------------------------------------------------


def test_reports_go_to_a_file(shop: Repository, tmp_path: Path) -> None:
    shop.commit({"src/main.js": DEEP})
    target = tmp_path / "out.json"
    done = check(shop, "-o", target)
    assert (done.code, done.out) == (1, "")
    assert str(target) in done.err
    assert json.loads(target.read_bytes())["verdict"] == "fail"
    refused = check(shop, "-o", tmp_path / "no/such/out.json")
    assert refused.code == 2
    assert "cannot write the report" in refused.err


def test_the_json_report_is_what_its_schema_says(shop: Repository) -> None:
    shop.commit({"src/main.js": DEEP, "sub/package.json": "{"})
    validator = jsonschema_rs.validator_for(json.loads(ringfence("schema", "report").out))
    validator.validate(check(shop).report)


@pytest.mark.parametrize(
    ("encoding", "format_"), [*(("latin-1", name) for name in FORMATS), ("ascii", "terminal"), ("utf-8", "terminal")]
)
def test_output_that_cannot_say_every_letter(shop: Repository, encoding: str, format_: str) -> None:
    shop.commit({"src/Σ….js": DEEP})
    program = Path(sys.executable).with_name("ringfence")
    done = subprocess.run(
        [program, "check", "--format", format_],
        cwd=shop.path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"deep-import" in done.stdout


def test_every_finding_can_be_explained(shop: Repository) -> None:
    shop.commit({"src/main.js": DEEP})
    finding: dict[str, Any] = check(shop).report["findings"][0]
    done = ringfence("explain", finding["fingerprint"], "--path", shop.path)
    assert done.code == 0, done.err
    assert "@acme/core/src/parser.js" in done.out
    assert "./parse" in done.out or "exports" in done.out


# -- how much is shown -----------------------------------------------------------------------------


def test_a_limit_shows_some_and_says_how_many_it_leaves_out(shop: Repository) -> None:
    shop.commit({f"src/file{number}.js": DEEP for number in range(3)})
    whole = ringfence("check", shop.path)
    assert whole.out.count("error[deep-import]") == 3
    assert "not shown" not in whole.out
    some = ringfence("check", shop.path, "--limit", "1")
    assert some.code == whole.code == 1
    assert some.out.count("error[deep-import]") == 1
    assert "2 more findings not shown (--limit 0 shows all)" in some.out
    assert "3 errors" in some.out  # the summary counts what is not shown, too
    for enough in ("0", "3", "4"):
        assert ringfence("check", shop.path, "--limit", enough).out.count("error[deep-import]") == 3


def test_a_limit_is_a_number_and_for_the_terminal_alone(shop: Repository) -> None:
    assert ringfence("check", shop.path, "--limit", "-1").code == 2
    assert ringfence("check", shop.path, "--limit", "many").code == 2
    for format_ in FORMATS[1:]:
        done = ringfence("check", shop.path, "--limit", "1", "--format", format_)
        assert done.code == 2
        assert "--limit is for the terminal" in done.err


def test_a_pattern_that_nothing_answers_to_is_said(tmp_path: Path) -> None:
    files: dict[str, Content] = {
        "package.json": {"name": "mono", "private": True, "workspaces": ["packages/*"]},
        "packages/core/package.json": {"name": "@tiptap/core", "version": "1.0.0"},
        "packages/core/index.js": 'import "@tiptap/core"\n',
    }
    where = Repository(tmp_path / "r", files)
    done = check(where, "--open", "@titpap/*", "--open", "@tiptap/*", "--offline")
    (problem,) = done.report["not_checked"]
    assert (done.code, problem["reason"], problem["subject"]) == (2, "open-pattern", "@titpap/*")
    assert problem["remedy"] == "Say with --open what is open here.", (
        "what another pattern covers is no slip of this one"
    )
    (problem,) = check(where, "--open", "@titpap/*", "--offline").report["not_checked"]
    assert problem["remedy"] == "Did you mean @tiptap/*?"
    assert check(where, "--open", "@tiptap/*", "--offline").report["not_checked"] == []

    where.commit({"ringfence.toml": '[open]\npackages = [\n  "@titpap/*",\n]\n'})
    done = check(where, "--offline", "--rule", "idle-policy")
    (found,) = done.report["findings"]
    assert (done.code, found["severity"], found["location"]["line"]) == (0, "warning", 3)
    assert found["remedy"] == "Did you mean @tiptap/*?"
    # An organisation's file speaks of many repositories.
    where.git("rm", "--quiet", "ringfence.toml")
    organisation = tmp_path / "org.toml"
    organisation.write_text('[open]\npackages = ["@titpap/*"]\n')
    assert check(where, "--offline", "--rule", "idle-policy", "--policy", organisation).report["findings"] == []


def test_a_source_file_in_utf16_is_not_passed_over(shop: Repository) -> None:
    wide = 'import "@acme/core/deep.js"\n'.encode("utf-16")
    shop.commit({"src/wide.ts": wide, "src/other.ts": "export const a = 1\n".encode("utf-16")})
    for _ in range(2):  # a run that remembers says it again
        outcome = check(shop)
        assert [(p["reason"], p["path"]) for p in outcome.report["not_checked"]] == [("not-utf8", "src/wide.ts")]
        assert outcome.code == 2


def test_an_executable_without_a_suffix_is_read_where_its_first_line_says_node(shop: Repository) -> None:
    script = '#!/usr/bin/env node\nimport "@acme/core/deep.js"\n'
    shop.commit({"tools/build": script, "tools/other": script, "tools/shell": script.replace("node", "sh")})
    assert rules_of(check(shop).report) == []
    for name in ("build", "shell"):
        shop.git("update-index", "--chmod=+x", f"tools/{name}")
    shop.git("config", "core.fileMode", "false")
    for arguments in ((), ("--no-cache",)):
        found = check(shop, *arguments).report["findings"]
        assert [(f["rule"], f["location"]["path"]) for f in found] == [("deep-import", "tools/build")]
    shop.git("commit", "-qm", "run")
    found = check(shop, "--rev", "HEAD").report["findings"]
    assert [(f["rule"], f["location"]["path"]) for f in found] == [("deep-import", "tools/build")]
