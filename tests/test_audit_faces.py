"""The faces of an audit: readable for a hundred repositories, nothing private in public, nothing of a repository obeyed."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from bot.audit_report import Audit, AuditHead, AuditSummary, FleetFinding, NotAudited, RepositoryAudit
from bot.commands.schema import schema_of
from bot.facts.summary import RepoSummary
from bot.model import Finding, Location, NotChecked, Report, Severity, Summary
from bot.report import audit_json, audit_markdown, audit_terminal
from tests.fleet_world import Organisation
from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, ringfence

VALIDATOR = jsonschema_rs.Draft202012Validator(schema_of("audit"))
SARIF = json.loads(
    (Path(__file__).parent / "oracle/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json").read_text()
)
HOSTILE = "x\x1b[31m\n::error::owned\n| <img src=x onerror=alert(1)> [a](http://x) @acme/team #12 \u202e`"


@pytest.fixture
def acme(tmp_path: Path, registry: LoopbackRegistry) -> Organisation:
    organisation = Organisation(tmp_path, registry)
    organisation.pair("core")
    organisation.core("ledgers", repository="https://github.com/acme/old-ledgers")
    organisation.product("ledgers", "@acme/core")
    return organisation


def finding(words: str = "planted", path: str = "package.json", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(
        rule="missing-core",
        severity=severity,
        location=Location(path=path, line=2, column=3, end_line=2, end_column=5),
        message=words,
        remedy=words,
        fingerprint="0" * 16,
    )


def repository(label: str, *, errors: int = 0, verdict: str = "pass", problems: int = 0) -> RepositoryAudit:
    summary = Summary(errors=errors)
    report = Report(
        version="1.0.0",
        repository=label,
        revision="0" * 40,
        mode="enforce",
        verdict=verdict,  # type: ignore[arg-type]
        findings=tuple(finding(f"finding {n}") for n in range(errors)),
        not_checked=tuple(NotChecked(reason="malformed", subject=label, detail=label) for _ in range(problems)),
        summary=summary,
    )
    return RepositoryAudit(
        label=label,
        verdict=verdict,  # type: ignore[arg-type]
        mode="enforce",
        summary=summary,
        rules={"deep-import": errors} if errors else {},
        facts=RepoSummary(label=label, side="private"),
        report=report,
    )


def head(**given: object) -> AuditHead:
    summary = given.pop("summary", AuditSummary(repositories=1, audited=1))
    verdict = given.pop("verdict", "fail")
    return AuditHead(version="1.0.0", mode="enforce", verdict=verdict, summary=summary, **given)  # type: ignore[arg-type]


def terminal(shown: AuditHead, repositories: list[RepositoryAudit], **given: object) -> str:
    return "".join(audit_terminal.render(shown, lambda: repositories, **given))  # type: ignore[arg-type]


# -- the terminal --------------------------------------------------------------------------------


def test_a_hundred_repositories_on_one_screen() -> None:
    many = [repository(f"acme/repository-{number:02}") for number in range(94)]
    many += [repository(f"acme/bad-{number}", errors=number + 1, verdict="fail") for number in range(3)]
    many += [repository("acme/unread", verdict="incomplete", problems=2)]
    gone = tuple(
        NotAudited(label=f"acme/gone-{n}", reason="shard-missing", detail="its shard is missing", shard="3/8")
        for n in range(2)
    )
    shown = head(
        not_audited=gone,
        summary=AuditSummary(repositories=100, audited=98, not_audited=2, passed=94, failed=3, incomplete=1, errors=6),
    )
    text = terminal(shown, many, width=100)
    lines = text.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 100
    assert text.index("Failing") < text.index("Incomplete") < text.index("Not audited") < text.index("Clean")
    assert "acme/bad-2" in text
    assert "deep-import 3" in text
    assert "not checked: malformed 2" in text
    assert "acme/gone-0, acme/gone-1" in text
    assert lines[-1].strip() or lines[-2]
    assert "FAIL 100 repositories: 94 pass, 3 fail, 1 incomplete, 2 not audited; 6 errors" in text.replace(
        "\n    ", " "
    )


def test_every_finding_when_asked(acme: Organisation) -> None:
    Repository(acme.folder / "platform-core").commit(
        {"package.json": {"name": "platform-core", "private": True, "dependencies": {"@acme/core": "^1.0.0"}}}
    )
    brief = ringfence("audit", acme.folder, "--policy", acme.policy)
    full = ringfence("audit", acme.folder, "--policy", acme.policy, "-v")
    assert brief.code == full.code == 1
    assert "error[floating-pin]" not in brief.out
    assert "error[floating-pin] package.json:5:" in full.out
    assert "the registry's document of @acme/ledgers" in full.out  # evidence
    assert "floating-pin 1" in brief.out


def test_what_a_repository_wrote_steers_nothing() -> None:
    bad = repository(HOSTILE, errors=1, verdict="fail", problems=1)
    shown = head(
        fleet=(FleetFinding(repository=HOSTILE, finding=finding(HOSTILE, HOSTILE)),),
        not_audited=(NotAudited(label=HOSTILE, reason="unreadable", detail=HOSTILE, remedy=HOSTILE),),
        not_checked=(NotChecked(reason="offline", subject=HOSTILE, detail=HOSTILE, remedy=HOSTILE),),
        notes=(HOSTILE,),
    )
    for text in (terminal(shown, [bad]), terminal(shown, [bad], verbose=True)):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
    written = "".join(audit_markdown.render(shown, [bad]))
    assert "\x1b" not in written
    assert "<img" not in _outside_code(written)
    assert "@acme/team" not in _outside_code(written)
    assert "](http" not in _outside_code(written)
    # Every row of a table is one line with as many cells as its head.
    for block in written.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) <= 1, rows


def _outside_code(text: str) -> str:
    import re

    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


def test_a_summary_stays_small() -> None:
    many = [repository(f"acme/bad-{number}", errors=1, verdict="fail") for number in range(5000)]
    fleet = tuple(FleetFinding(repository="a", finding=finding("words " * 200)) for _ in range(5000))
    gone = tuple(NotAudited(label=f"gone-{n}", reason="shard-missing", detail="gone " * 100) for n in range(5000))
    written = "".join(audit_markdown.render(head(fleet=fleet, not_audited=gone), many))
    assert len(written.encode()) < 1024 * 1024
    for number in (4500, 4800, 4900):
        assert f"and {number:,} more" in written


# -- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_stream_is_one_value(number: int) -> None:
    many = [repository(HOSTILE + str(index), errors=index) for index in range(number)]
    text = "".join(audit_json.render(head(), many))
    VALIDATOR.validate(json.loads(text))
    read = msgspec.json.decode(text, type=Audit)
    assert read.repositories == tuple(many)
    assert msgspec.json.format(text.encode(), indent=2).decode() + "\n" == text or number == 0


def test_it_is_written_one_repository_at_a_time() -> None:
    made: list[str] = []

    def repositories():  # type: ignore[no-untyped-def]
        for index in range(3):
            made.append(f"r{index}")
            yield repository(f"r{index}")

    seen: list[int] = []
    for part in audit_json.render(head(), repositories()):
        seen.append(len(made))
        assert part.count('"facts"') <= 1
    assert seen == [0, 1, 2, 3, 3]


# -- SARIF ---------------------------------------------------------------------------------------


def test_sarif_is_a_file_a_repository(acme: Organisation, tmp_path: Path) -> None:
    (acme.folder / "acme").mkdir()
    (acme.folder / "open-ledgers").rename(acme.folder / "acme/ledgers")
    folder = tmp_path / "sarif"
    done = ringfence("audit", acme.folder, "--policy", acme.policy, "--format", "sarif", "-o", folder)
    assert done.code == 0
    assert sorted(file.name for file in folder.iterdir()) == [
        "acme+ledgers.sarif",
        "open-core.sarif",
        "platform-core.sarif",
        "platform-ledgers.sarif",
    ]
    # A stray bracket makes this pattern no regular expression; the property is one that we do not write.
    for name in ("run", "toolComponent"):
        SARIF["definitions"][name]["properties"]["language"].pop("pattern", None)
    validator = jsonschema_rs.validator_for(SARIF)
    for file in folder.iterdir():
        validator.validate(json.loads(file.read_text()))
    (run,) = json.loads((folder / "platform-ledgers.sarif").read_text())["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == "missing-core"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "missing-core"
    assert "likeliest a private fork" in run["tool"]["driver"]["rules"][result["ruleIndex"]]["help"]["text"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 2
    assert ringfence("audit", acme.folder, "--policy", acme.policy, "--format", "sarif").code == 2


# -- public reports ------------------------------------------------------------------------------

SECRETS = ["platform-ledgers", "platform-core", "@acme-hidden/vault", "hush-hush"]


def test_nothing_private_in_public(acme: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repositories that are not open, their packages, and the overlay's names: in no face, and not in a shard's report."""
    overlay = tmp_path / "overlay.toml"
    overlay.write_text('[private]\nnames = ["hush-hush"]\n')
    Repository(acme.folder / "platform-core").commit(
        {
            "packages/vault/package.json": {"name": "@acme-hidden/vault", "private": True},
            "src/deep.js": 'import "@acme/core/src/secret.js"\n',
        }
    )
    open_side = {
        "name": "@acme/ledgers",
        "version": "1.0.0",
        "repository": "github:acme/ledgers",
        "dependencies": {"@acme/hush-hush": "1.0.0"},
        "scripts": {"dev": "cd ../platform-ledgers && npm start"},
    }
    Repository(acme.folder / "open-ledgers").commit({"package.json": open_side})
    acme.write_policy('[rules]\nmissing-core = "error"\n')
    arguments = ["audit", acme.folder, "--policy", acme.policy, "--overlay", overlay]
    private = ringfence(*arguments, "--private", "-v")
    assert all(secret in private.out for secret in SECRETS if secret != "@acme-hidden/vault"), private.out
    monkeypatch.setenv("CI", "true")
    said = {}
    for format_ in ("terminal", "json", "markdown"):
        done = ringfence(*arguments, "--format", format_, *(["-v"] if format_ == "terminal" else []))
        assert done.code == 1  # what is left out still counts
        said[format_] = done.out + done.err
    done = ringfence(*arguments, "--format", "sarif", "-o", tmp_path / "sarif")
    said["sarif"] = done.err + "".join(file.name + file.read_text() for file in (tmp_path / "sarif").iterdir())
    for format_, text in said.items():
        for secret in SECRETS:
            assert secret not in text, (format_, secret, text[max(text.find(secret) - 300, 0) :][:500])
    report = json.loads(said["json"])
    VALIDATOR.validate(report)
    hidden = [r for r in report["repositories"] if r["hidden"]]
    assert [r["label"] for r in hidden] == ["private repository 1", "private repository 2"]
    assert all(r["facts"] is None and r["report"] is None for r in hidden)
    assert hidden[1]["rules"]["missing-core"] == 1
    assert report["summary"]["hidden"] == 3
    assert {f["repository"] for f in report["fleet"]} == {"open-ledgers"}
    assert report["pairs"][0]["private"] == ["private repository 1"]
    assert report["pairs"][0]["uses"] == []
    shown = [r for r in report["repositories"] if not r["hidden"]]
    assert [r["label"] for r in shown] == ["open-core", "open-ledgers"]
    assert shown[1]["report"]["findings"]


def test_what_the_overlay_gives_for_reasons_is_in_no_public_face(acme: Organisation, tmp_path: Path) -> None:
    """Nor where shards were written in private."""
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(
        '[[waiver]]\nrule = "naming-pair"\nreason = "until zebra is bought"\nowner = "@zebra"\nexpires = 2099-01-01\n'
    )
    opened = {"name": "@acme/ledgers", "version": "1.0.0"}
    Repository(acme.folder / "open-ledgers").commit({"package.json": opened})
    arguments = ["audit", acme.folder, "--policy", acme.policy, "--overlay", overlay]
    for format_ in ("terminal", "json", "markdown", "html"):
        done = ringfence(*arguments, "--public", "--format", format_, *(["-v"] if format_ == "terminal" else []))
        assert "zebra" not in done.out + done.err, format_
    shard = tmp_path / "shard.json"
    ringfence(*arguments, "--private", "--shard", "1/1", "-o", shard)
    assert "zebra" in shard.read_text()
    merged = ringfence(
        "audit", "merge", shard, "--policy", acme.policy, "--overlay", overlay, "--public", "--format", "json"
    )
    assert "zebra" not in merged.out + merged.err
    assert '"[private]"' in merged.out


def test_a_repository_that_nobody_judged_keeps_its_name_in_public(acme: Organisation) -> None:
    for name in ("open-core", "platform-ledgers"):
        (acme.folder / name / ".git/HEAD").write_text("ref: refs/heads/gone\n")
    done = acme.audit("--public")
    assert done.code == 2
    assert "platform-ledgers" not in done.out
    # Nobody knows what a checkout without a head is: its name stays here, too.
    assert [n["label"] for n in done.report["not_audited"]] == [
        "private repository not audited 1",
        "private repository not audited 2",
    ]


def test_help_has_examples() -> None:
    for arguments in (["audit", "--help"], ["audit", "merge", "--help"], ["audit", "plan", "--help"]):
        done = ringfence(*arguments)
        assert done.code == 0
        assert "Examples:" in done.out
    assert "audit" in ringfence("--help").out


def test_a_report_that_cannot_be_written_is_said(acme: Organisation, tmp_path: Path) -> None:
    done = acme.audit("-o", tmp_path / "no/where.json")
    assert done.code == 2
    assert "cannot write the report" in done.err
    done = acme.audit("-o", tmp_path / "audit.json")
    assert done.code == 0
    assert done.out == ""
    VALIDATOR.validate(json.loads((tmp_path / "audit.json").read_text()))
