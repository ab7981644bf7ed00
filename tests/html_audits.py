"""Audits for tests of the HTML page: made of the model's own types, small ones and one of a thousand repositories."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec

from bot.audit_report import (
    Audit,
    AuditHead,
    AuditSummary,
    FleetFinding,
    NotAudited,
    PairView,
    RepositoryAudit,
    RuleTally,
    Use,
)
from bot.facts.summary import Consumed, Member, RepoSummary
from bot.model import Count, Finding, Location, NotChecked, Place, RenderedEvidence, Report, Severity, Summary
from bot.report.audit_html import render
from bot.rules import LISTED

__all__ = ["audit", "big", "finding", "mixed", "page", "page_of", "repository"]

RULES = {rule.id: rule.summary for rule in LISTED}
_SEVERITIES = {"floating-pin": Severity.WARNING, "undeclared-dependency": Severity.NOTE}


def finding(rule: str = "deep-import", package: str = "@acme/core", number: int = 0, **given: object) -> Finding:
    """A finding as engines make them."""
    values: dict[str, object] = {
        "rule": rule,
        "severity": _SEVERITIES.get(rule, Severity.ERROR),
        "location": Location(path=f"src/file{number}.ts", line=12, column=19, end_line=12, end_column=38),
        "message": f"{package}/src/parse{number}.js: {package}@1.0.0 does not export ./src/parse{number}.js",
        "remedy": f"Use what it exports (.), or take the missing export into {package}@1.0.0 first.",
        "fingerprint": f"{number:016x}",
        "package": f"npm:{package}",
        "source": f'import {{ a }} from "{package}/src/{number}.js"',
        "evidence": (
            RenderedEvidence(kind="lock", text=f"the lock gives {package}@1.0.0"),
            RenderedEvidence(kind="exports", text=f"package.json has exports, and no key for ./src/parse{number}.js"),
        ),
    }
    return Finding(**(values | given))  # type: ignore[arg-type]


def repository(
    label: str,
    side: str = "private",
    *findings: Finding,
    uses: dict[str, tuple[str, ...]] | None = None,
    holds: tuple[str, ...] = (),
    not_checked: tuple[NotChecked, ...] = (),
) -> RepositoryAudit:
    """An audited repository with its own report."""
    by_level = {level: sum(f.severity == level and not f.waived for f in findings) for level in Severity}
    rules: dict[str, int] = {}
    for item in findings:
        if not item.waived:
            rules[item.rule] = rules.get(item.rule, 0) + 1
    summary = Summary(
        errors=by_level[Severity.ERROR],
        warnings=by_level[Severity.WARNING],
        notes=by_level[Severity.NOTE],
        waived=sum(bool(f.waived) for f in findings),
    )
    verdict = "fail" if summary.errors else "incomplete" if not_checked else "pass"
    report = Report(
        version="1.0.0", repository=label, revision="c0ffee" * 6 + "0000", mode="enforce", verdict=verdict,  # type: ignore[arg-type]
        findings=findings, not_checked=not_checked, summary=summary,
        counts=(Count(rule="deep-import", judged={"candidate imports": 3}),),
    )  # fmt: skip
    facts = RepoSummary(
        label=label,
        side=side,  # type: ignore[arg-type]
        members=tuple(Member(name=name, version="1.0.0", path="package.json", side="open") for name in holds),
        consumes=tuple(
            Consumed(package=name, versions=versions, members=1, place=Place("package.json"))
            for name, versions in (uses or {}).items()
        ),
    )
    return RepositoryAudit(
        label=label, verdict=verdict, mode="enforce", summary=summary, rules=rules, facts=facts, report=report  # type: ignore[arg-type]
    )  # fmt: skip


def audit(repositories: Iterable[RepositoryAudit], **given: object) -> Audit:
    """An audit with the totals that its repositories have."""
    rows = tuple(sorted(repositories, key=lambda r: r.label))
    levels: dict[str, dict[str, int]] = {}
    for row in rows:
        for item in row.report.findings if row.report is not None else ():
            if not item.waived:
                tally = levels.setdefault(item.rule, {})
                tally[item.severity + "s"] = tally.get(item.severity + "s", 0) + 1
    verdicts = [row.verdict for row in rows]
    gone: tuple[NotAudited, ...] = given.get("not_audited", ())  # type: ignore[assignment]
    summary = AuditSummary(
        repositories=len(rows) + len(gone), audited=len(rows), not_audited=len(gone), passed=verdicts.count("pass"),
        failed=verdicts.count("fail"), incomplete=verdicts.count("incomplete"),
        errors=sum(row.summary.errors for row in rows), warnings=sum(row.summary.warnings for row in rows),
        notes=sum(row.summary.notes for row in rows), waived=sum(row.summary.waived for row in rows),
    )  # fmt: skip
    values: dict[str, object] = {
        "version": "1.0.0",
        "mode": "enforce",
        "verdict": "fail" if "fail" in verdicts else "pass",
        "summary": summary,
        "rules": tuple(
            RuleTally(rule=rule, repositories=sum(rule in row.rules for row in rows), **tally)
            for rule, tally in sorted(levels.items())
        ),
    }
    return Audit(**(values | given), repositories=rows)  # type: ignore[arg-type]


def mixed() -> Audit:
    """Two pairs, users with and without side doors, everything that the page has a part for."""
    rows = [
        repository("acme/core", "open", holds=("@acme/core",)),
        repository("acme/mail", "open", holds=("@acme/mail",)),
        repository("acme/platform-core", "private", uses={"@acme/core": ("1.0.0",)}),
        repository("acme/platform-mail", "private"),
        repository(
            "acme/web", "private",
            finding(), finding(number=1), finding("floating-pin", "@acme/mail"),
            finding("path-escape", "@acme/core", 3, waived="until the move is done"),
            uses={"@acme/core": ("0.9.0",), "@acme/mail": ()},
        ),
        repository("acme/docs", "open", finding("undeclared-dependency", number=4), uses={"@acme/core": ("1.0.0",)}),
        repository(
            "acme/unread", "private",
            not_checked=(NotChecked(reason="malformed", subject="bun.lock", detail="it is no lock", remedy="Write it again."),),
        ),
    ]  # fmt: skip
    uses = tuple(
        Use(repository=label, package="@acme/core", versions=(version,))
        for label, version in (("acme/docs", "1.0.0"), ("acme/platform-core", "1.0.0"), ("acme/web", "0.9.0"))
    )
    mail = (Use(repository="acme/web", package="@acme/mail"),)
    pairs = (
        PairView(stem="core", packages=("@acme/core",), version="1.0.0", open=("acme/core",), private=("acme/platform-core",), uses=uses),
        PairView(stem="mail", packages=("@acme/mail",), version="1.0.0", open=("acme/mail",), private=("acme/platform-mail",), uses=mail),
    )  # fmt: skip
    across = finding("missing-core", "@acme/mail", 9, severity=Severity.WARNING, source="", evidence=())
    return audit(
        rows,
        pairs=pairs,
        fleet=(FleetFinding(repository="acme/platform-mail", finding=across),),
        not_audited=(NotAudited(label="acme/gone", reason="unreadable", detail="it is gone", remedy="Fetch it."),),
        notes=("one folder without git",),
    )


def big(repositories: int = 1000, findings: int = 5000, *, seed: int = 1) -> Audit:
    """An organisation of halves; the findings fall on a tenth of its products."""
    pick = random.Random(seed)
    stems = [f"part-{number}" for number in range(repositories // 2)]
    rows: list[RepositoryAudit] = []
    pairs = []
    rules = ["deep-import", "floating-pin", "path-escape", "side-door-source", "undeclared-dependency"]
    bad = stems[:: max(1, len(stems) // 50)]
    each = findings // len(bad)
    for number, stem in enumerate(stems):
        package, half, opened = f"@acme/{stem}", f"acme/platform-{stem}", f"acme/{stem}"
        others = {f"@acme/{pick.choice(stems)}": (f"1.{pick.randrange(9)}.0",) for _ in range(3)}
        found = [finding(pick.choice(rules), package, n) for n in range(each)] if stem in bad else []
        rows.append(repository(opened, "open", holds=(package,)))
        rows.append(repository(half, "private", *found, uses={package: (f"1.{number % 9}.0",), **others}))
    for row in rows:
        stem = row.label.removeprefix("acme/")
        if stem.startswith("platform-"):
            continue
        package = f"@acme/{stem}"
        uses = tuple(
            Use(repository=user.label, package=package, versions=item.versions)
            for user in rows
            if user.facts is not None
            for item in user.facts.consumes
            if item.package == package
        )
        pairs.append(
            PairView(stem=stem, packages=(package,), open=(row.label,), private=(f"acme/platform-{stem}",), uses=uses)
        )
    return audit(rows, pairs=tuple(pairs))


def page_of(head: AuditHead, repositories: Iterable[RepositoryAudit]) -> str:
    """The page of an audit."""
    return "".join(render(head, repositories, rules=RULES, made="2026-11-28 04:00 UTC"))


def page(made: Audit) -> str:
    """The page of a whole audit."""
    plain = {name: getattr(made, name) for name in AuditHead.__struct_fields__}
    return page_of(AuditHead(**plain), made.repositories)


def changed(made: Audit, **given: object) -> Audit:
    """The audit with other values."""
    return msgspec.structs.replace(made, **given)
