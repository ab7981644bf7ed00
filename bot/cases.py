"""The rules' own cases: little repositories that prove that a rule can fire, and can be silent.

A case is one text archive. Its head is TOML; each file follows a line ``-- path --``:

    about = "A range instead of one version"
    expect = ["package.json:5"]            # bad cases: where the findings stand, in order
    needs = ["private.packages"]           # policy keys that must be set, else the case is not applicable
    when = {"pins.form" = "exact"}         # policy values it was written for
    scoped = true                          # open packages must have a scope
    with = ["deep-import"]                 # further rules that must run beside this one
    identity = "acme/todos"                # the repository's name on the forge
    folder = "open-todos"                  # the checkout folder's own name
    [policy.reach]                         # laid over the policy in force
    members = "strict"
    [registry."%{core}"."1.2.3"]           # what the registry has (anything else: it has not)
    manifest = { exports = { "." = "./index.js" } }
    files = ["index.js"]
    [change]                               # a pull request is judged
    approved = {"@sam" = "", "@acme/team" = "kim"}    # who approves; of approvers that are not here nobody knows
    -- package.json --
    { ... }
    -- ringfence.toml (before) --          # a file of the gate as it was before the change

A case of a fleet rule has several repositories. Each has a table in the head, and its files stand under its name:

    [repository.product]                   # what a repository is called in the case, and in ``expect``
    identity = "%{naming.downstream.github:todos}"
    folder = "platform-todos"
    archived = true                        # what the forge says, with visibility and renamed_from; nothing: nobody asked it
    -- product//package.json --

Placeholders are filled in from the policy in force: ``%{core}`` is an open package's name,
``%{open.packages:core}`` the same at length, ``%{{x}}`` its pattern, ``%{private.packages:billing}`` the first pattern of any policy
list with its wildcard replaced, ``%{integrity:NAME@VERSION}`` the integrity that the case's registry gives,
``%{mark:RULE|PACKAGE|SUBJECT}`` how the baseline knows a finding.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files as resource_files
from importlib.resources.abc import Traversable
from typing import Any

import msgspec

from bot.baseline import BASELINE_FILE
from bot.baseline import mark as baseline_mark
from bot.baseline import read as read_baseline
from bot.engine import Renderer, judge_all, located
from bot.errors import RingfenceError
from bot.factcache import FactCache
from bot.facts.summary import RepoInfo, RepoSummary
from bot.fleet import Fleet, FleetRule
from bot.fleet_engine import findings_of, judge_fleet
from bot.load import Loaded, load
from bot.model import Finding, Hit, Location, NotChecked, Place
from bot.names import PackageName, RepoName
from bot.policy import Policy, PolicyTables, Side
from bot.rule import (
    Absent,
    Approval,
    AskApproval,
    AskChanged,
    AskLatest,
    AskPackage,
    AskParsed,
    AskPublished,
    AskVersion,
    AskWorkflows,
    Changed,
    ChangedFile,
    Described,
    Key,
    Latest,
    PackageFacts,
    ParsedFile,
    Published,
    Released,
    Rule,
    Unknown,
)
from bot.sources.folder import Memory
from bot.summarise import summarise

__all__ = ["Case", "Outcome", "cases_of", "parse_case", "run_case"]


class NotApplicableError(Exception):
    """The policy in force says otherwise than the case needs."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case as it stands in its file, placeholders not filled in."""

    rule: str
    name: str
    bad: bool
    text: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is ``passed``, ``failed`` or ``not applicable``; ``detail`` says why."""

    case: Case
    status: str
    detail: str = ""
    findings: tuple[Finding, ...] = ()


def package_of(rule: Described) -> str:
    """The package that holds a rule's code, page and cases."""
    return rule.judge.__module__.rpartition(".")[0]


def cases_of(rule: Described) -> Iterator[Case]:
    """A rule's shipped cases, bad ones first."""
    root = resource_files(package_of(rule)).joinpath("cases")
    for kind in ("bad", "good"):
        folder: Traversable = root.joinpath(kind)
        if folder.is_dir():
            for file in sorted(folder.iterdir(), key=lambda f: f.name):
                if file.name.endswith(".case"):
                    text = file.read_bytes().decode("utf-8")
                    yield Case(
                        rule=rule.id, name=f"{kind}/{file.name.removesuffix('.case')}", bad=kind == "bad", text=text
                    )


_FILE = re.compile(r"^-- (.+) --$", re.MULTILINE)
_BEFORE = " (before)"
_PLACEHOLDER = re.compile(r"%\{([^{}]+)\}")


def parse_case(text: str, policy: Policy) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A case's head and files, placeholders filled in. Raises `NotApplicableError`, `RingfenceError`."""
    names = _Names(policy)
    filled = text.replace("%{{x}}", names.pattern()) if "%{{x}}" in text else text
    # Placeholders nest: an integrity names a package.
    while (once := _PLACEHOLDER.sub(lambda m: names.fill(m[1]), filled)) != filled:
        filled = once
    marks = list(_FILE.finditer(filled))
    try:
        head = tomllib.loads(filled[: marks[0].start()] if marks else filled)
    except tomllib.TOMLDecodeError as error:
        raise RingfenceError(f"the case's head is no TOML: {error}") from None
    files: dict[str, bytes] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        end = following.start() if following else len(filled)
        files[mark[1]] = filled[mark.end() + 1 : end].encode()
    return head, files


class _Names:
    """Fills placeholders from a policy, the same stem always with the same name."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._exact: dict[str, str] = {}

    def fill(self, inside: str) -> str:
        if inside.startswith("mark:"):
            rule, package, subject = inside.removeprefix("mark:").split("|")
            return baseline_mark(rule, Hit(place=Place(""), package=package, subject=subject, message="", remedy=""))
        key, _, stem = inside.rpartition(":")
        if key == "integrity":
            return integrity(stem)
        return self.open_name(stem) if key in ("", "open.packages") else self.listed(key, stem)

    def open_name(self, stem: str) -> str:
        patterns = [PackageName.parse(p) for p in self._policy.tables.open.packages]
        npm = [p.name for p in patterns if p.ecosystem == "npm"]
        for pattern in npm:
            name = pattern.replace("**", "*").replace("*", stem, 1)
            if "*" in pattern and self._policy.side_of_package(PackageName.npm(name)) is Side.OPEN:
                return name
        if stem not in self._exact:
            free = [name for name in npm if "*" not in name and name not in self._exact.values()]
            if not free:
                raise NotApplicableError("the policy names too few open packages")
            self._exact[stem] = free[0]
        return self._exact[stem]

    def pattern(self) -> str:
        """The open packages' naming pattern: ``@acme/{x}``."""
        for pattern in (PackageName.parse(p) for p in self._policy.tables.open.packages):
            if pattern.ecosystem == "npm" and "*" in pattern.name:
                return pattern.name.replace("**", "*").replace("*", "{x}", 1)
        raise NotApplicableError("the policy names open packages one by one")

    def listed(self, key: str, stem: str) -> str:
        value: Any = self._policy.tables
        for part in key.split("."):
            value = getattr(value, part, None)
        if not value:
            raise NotApplicableError(f"the policy does not set {key}")
        pattern = re.sub(r"\{\w+\}|\*\*?", lambda _: stem, str(value[0]))
        return PackageName.parse(pattern).name if key.endswith("packages") else pattern


def integrity(what: str) -> str:
    """The SSI string that stands for ``name@version`` in cases."""
    return "sha512-" + base64.b64encode(hashlib.sha512(what.encode()).digest()).decode()


def run_case(case: Case, rules: Sequence[Rule], policy: Policy, fleet_rules: Sequence[FleetRule] = ()) -> Outcome:
    """Judge one case by its rule; one with several repositories by its fleet rule."""
    try:
        head, files = parse_case(case.text, policy)
        in_force = _policy_for(head, policy)
    except NotApplicableError as error:
        return Outcome(case=case, status="not applicable", detail=str(error))
    except (RingfenceError, msgspec.ValidationError) as error:
        return Outcome(case=case, status="failed", detail=f"the case cannot be read: {error}")
    wanted = {case.rule, *head.get("with", ())}
    if "repository" in head:
        return _run_fleet_case(case, head, files, [rule for rule in fleet_rules if rule.id in wanted], in_force)
    chosen = [rule for rule in rules if rule.id in wanted]
    before = {path.removesuffix(_BEFORE): files.pop(path) for path in list(files) if path.endswith(_BEFORE)}
    identity = head.get("identity")
    source = Memory(files, identity=RepoName.parse(identity) if identity else None, folder=head.get("folder"))
    loaded = load(source, in_force, FactCache(None))
    judged = judge_all(
        chosen,
        loaded.repo,
        in_force,
        lambda keys: _answers(keys, head, files, before),
        loaded.not_checked,
        read_baseline(files[BASELINE_FILE]) if BASELINE_FILE in files else None,
    )
    renderer = Renderer(lambda path: files.get(path), public=False)
    findings = tuple(f for f in located(judged, renderer) if f.rule == case.rule and not f.waived)
    problems = [p for p in [*judged.not_checked, *renderer.crashes] if p.rule in ("", case.rule)]
    return _judge_outcome(case, head, findings, problems)


def _run_fleet_case(
    case: Case, head: Mapping[str, Any], files: Mapping[str, bytes], rules: Sequence[FleetRule], policy: Policy
) -> Outcome:
    summaries: list[RepoSummary] = []
    for label, table in head["repository"].items():
        mine = {path.removeprefix(f"{label}//"): data for path, data in files.items() if path.startswith(f"{label}//")}
        identity = RepoName.parse(table["identity"]) if "identity" in table else None
        loaded = load(Memory(mine, identity=identity, folder=table.get("folder")), policy, FactCache(None))
        renderer = Renderer(mine.get, public=False)
        said = {key: value for key, value in table.items() if key in ("archived", "visibility", "renamed_from")}
        info = msgspec.convert({"name": table.get("identity", ""), **said}, RepoInfo) if said else None
        summaries.append(_summary(loaded, policy, renderer, label, info))
    fleet = Fleet.of(
        summaries,
        known=head.get("known", ()),
        complete=[tuple(owner.rpartition("/")[::2]) for owner in head.get("complete", ())],
    )
    judged = judge_fleet(rules, fleet, policy, lambda keys: _answers(keys, head, files, {}))
    found = findings_of(judged, fleet, policy, {}, lambda _: None, public=False)
    findings = tuple(
        msgspec.structs.replace(
            item.finding,
            location=msgspec.structs.replace(
                item.finding.location, path=f"{item.repository}//{item.finding.location.path}"
            ),
        )
        for item in found
    )
    return _judge_outcome(case, head, findings, judged.not_checked)


def _summary(loaded: Loaded, policy: Policy, renderer: Renderer, label: str, info: RepoInfo | None) -> RepoSummary:
    def locate(place: Place) -> tuple[Location, str]:
        location = renderer.locate(place)
        return location, renderer.line(location)

    return summarise(loaded.repo, policy, loaded.not_checked, locate, label=label, info=info)


def _judge_outcome(
    case: Case, head: Mapping[str, Any], findings: tuple[Finding, ...], problems: Sequence[NotChecked]
) -> Outcome:
    allowed = set(head.get("not_checked", ()))
    unexpected = [p for p in problems if p.reason not in allowed]
    missing = allowed - {p.reason for p in problems}
    if unexpected or missing:
        detail = "; ".join(
            [*(f"not checked: {p.reason} {p.subject}: {p.detail}" for p in unexpected), *sorted(missing)]
        )
        return Outcome(case=case, status="failed", detail=detail, findings=findings)
    places = [f"{f.location.path}:{f.location.line}:{f.location.column}" for f in findings]
    expected = list(head.get("expect", ()))
    if not case.bad and not findings:
        return Outcome(case=case, status="passed")
    fits = len(places) == len(expected) and all(
        place == wish or place.startswith(wish + ":") for place, wish in zip(places, expected, strict=True)
    )
    if case.bad and findings and fits:
        return Outcome(case=case, status="passed", findings=findings)
    detail = f"expected {expected or 'silence'}, got {places or 'silence'}"
    return Outcome(case=case, status="failed", detail=detail, findings=findings)


def _policy_for(head: Mapping[str, Any], policy: Policy) -> Policy:
    if head.get("scoped") and not any(PackageName.parse(p).scope for p in policy.tables.open.packages[:1]):
        raise NotApplicableError("the policy's open packages have no scope")
    for key in head.get("needs", ()):
        if not _value(policy.tables, key):
            raise NotApplicableError(f"the policy does not set {key}")
    for key, wished in head.get("when", {}).items():
        if _value(policy.tables, key) != wished:
            raise NotApplicableError(f"the policy sets {key} to {_value(policy.tables, key)!r}")
    tables = msgspec.to_builtins(policy.tables, builtin_types=(__import__("datetime").date,))
    # What the organisation says of its own places does not concern a case.
    for key in ("ignore", "waiver", "repository", "rules", "mode", "not_checked"):
        tables.pop(key, None)
    merged = _lay_over(tables, head.get("policy", {}))
    return msgspec.structs.replace(
        policy,
        tables=msgspec.convert(merged, PolicyTables),
        places={},
        today=head.get("today", policy.today),
        assumed=(),
    )


def _value(tables: object, key: str) -> object:
    for part in key.split("."):
        tables = getattr(tables, part, None)
    return tables


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _lay_over(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def _answers(
    keys: Sequence[Key], head: Mapping[str, Any], files: Mapping[str, bytes], before: Mapping[str, bytes]
) -> dict[Key, object]:
    from bot.readers.javascript.imports import parse_imports

    registry: Mapping[str, Any] = head.get("registry", {})
    approved: Mapping[str, str] = head.get("change", {}).get("approved", {})
    answers: dict[Key, object] = {}
    for key in keys:
        if isinstance(key, AskParsed):
            found = parse_imports(key.path, files[key.path])
            answers[key] = ParsedFile(path=key.path, imports=found.imports, broken=found.broken)
        elif isinstance(key, AskVersion | AskPackage | AskPublished | AskLatest):
            answers[key] = _registry_answer(key, registry)
        elif isinstance(key, AskChanged | AskWorkflows):
            answers[key] = _changed(key, files, before) if "change" in head else Changed()
        elif isinstance(key, AskApproval):
            nobody_knows = Unknown(reason="approval-unknown", detail="the case does not say")
            answers[key] = Approval(by=approved[key.approver]) if key.approver in approved else nobody_knows
    return answers


def _changed(key: AskChanged | AskWorkflows, files: Mapping[str, bytes], unlike: Mapping[str, bytes]) -> Changed:
    # A file that says nothing of how it was is new in the change, unless the case says that it was there.
    found = [
        ChangedFile(path=path, before=unlike.get(path), after=files.get(path)) for path in sorted({*files, *unlike})
    ]
    if isinstance(key, AskWorkflows):
        return Changed(files=tuple(file for file in found if key.means(file.path)))
    return Changed(files=tuple(file for file in found if key.means(file.path, "") and file.before != file.after))


def _registry_answer(key: AskVersion | AskPackage | AskPublished | AskLatest, registry: Mapping[str, Any]) -> object:
    if registry.get("unreachable"):
        return Unknown(reason="registry-unreachable", detail="the case's registry does not answer")
    versions = registry.get(key.package.name)
    if versions is None:
        return Absent(what="package", source="the case's registry")
    if isinstance(key, AskPackage):
        return PackageFacts(package=key.package, versions=tuple(versions), source="the case's registry")
    if isinstance(key, AskLatest):
        newest = list(versions)[-1]
        field = versions[newest].get("manifest", {}).get("repository", "")
        return Latest(
            package=key.package,
            version=newest,
            repository=field if isinstance(field, str) else field.get("url", ""),
            deprecated=versions[newest].get("deprecated"),
            source="the case's registry",
        )
    document = versions.get(key.version)
    if document is None:
        return Absent(what="version", source="the case's registry")
    given = document.get("integrity", integrity(f"{key.package.name}@{key.version}"))
    if isinstance(key, AskVersion):
        return Released(
            package=key.package,
            version=key.version,
            integrity=given or None,
            shasum=document.get("shasum"),
            deprecated=document.get("deprecated"),
            mirrored=document.get("mirrored", False),
            source="the case's registry",
        )
    manifest = {"name": key.package.name, "version": key.version} | document.get("manifest", {})
    return Published(
        package=key.package,
        version=key.version,
        manifest=manifest,
        files=frozenset(document.get("files", ())) | {"package.json"},
        integrity=given,
    )
