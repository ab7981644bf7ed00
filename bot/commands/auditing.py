"""What `ringfence audit` does: judge repositories into a shard's file, and make one report of shards' files."""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from bot import __version__
from bot.audit_report import (
    AuditHead,
    AuditSummary,
    BaselineTrend,
    FleetFinding,
    NotAudited,
    PairView,
    RepositoryAudit,
    RuleTally,
)
from bot.baseline import BASELINE_FILE
from bot.commands.common import (
    Judgement,
    Opened,
    Options,
    Outside,
    Progress,
    again_of,
    allowed,
    baseline_of,
    chosen_rules,
    facts_directory,
    judge_anew,
    own_file,
    policy_documents,
    report_of,
    screened,
)
from bot.engine import Places, Renderer, located
from bot.errors import RingfenceError, debugging
from bot.factcache import FactCache, cache_directory, reader_version
from bot.facts.summary import RepoSummary
from bot.fleet import Fleet, FleetRule, is_hidden
from bot.fleet_engine import Standing, findings_of, judge_fleet, pair_views
from bot.halves import in_parts
from bot.link import locks
from bot.model import Again, Location, Place, Report, Severity, Summary
from bot.names import RepoName
from bot.policy import Policy, Side, repository_matches
from bot.report.words import decides
from bot.rule import Rule
from bot.rules import ALL, FLEET
from bot.shards import (
    Audited,
    ShardEnd,
    ShardHead,
    ShardWriter,
    read_line,
    read_shard,
    run_id,
    shard_of,
)
from bot.sources.base import MissingObjectError, Source, TooLargeError
from bot.sources.folder import Memory
from bot.sources.head import EmptyRepositoryError
from bot.sources.open import POLICY_FILE
from bot.sources.remembered import Remembered
from bot.summarise import summarise
from bot.targets import Inventory, Target
from bot.text import redact
from bot.trend import LastSizes, Previous, trend

__all__ = ["Merged", "audit_shard", "merge", "organisation_policy"]

EVERY: tuple[Rule | FleetRule, ...] = (*ALL, *FLEET)
_LINE_MAX = 500  # of a line that a summary keeps


# -- one shard -----------------------------------------------------------------------------------


def audit_shard(
    options: Options, inventory: Inventory, path: Path, *, shard: int = 1, shards: int = 1, jobs: int | None = None
) -> None:
    """Judge the repositories of one shard, each as it comes into the file at ``path``.

    Where cores allow, several processes do so side by side. Raises `RingfenceError` for the organisation's policy, and where the
    file cannot be written; whatever is wrong with one repository is in the file.
    """
    policies = _Policies(options)
    mine = [target for target in inventory.targets if shard_of(target.label, shards) == shard]
    writer = ShardWriter(path)
    progress = Progress(options.progress)
    inner = msgspec.structs.replace(options, progress=False)
    workers: list[_Worker] = []
    done = mmap.mmap(-1, len(mine) + 1)  # a byte a repository, which all processes see

    def work(numbers: Sequence[int]) -> bytes:
        if not workers:  # one a process: a database's connection does not outlive a fork
            workers.append(_Worker(inner, policies))
        for number in numbers:
            writer.write(workers[0].audit(mine[number]))
            done[number] = 1
            progress("auditing repositories", done[:].count(1), len(mine))
        return b""

    try:
        writer.write(
            ShardHead(
                version=__version__,
                shard=shard,
                shards=shards,
                policy=policies.base.digest,
                inventory=tuple(target.label for target in inventory.targets),
                repositories={t.label: t.info.name for t in inventory.targets if t.info is not None},
                visibility={t.label: _visibility(t) for t in inventory.targets if t.info is not None},
                complete=inventory.complete,
                notes=inventory.notes,
                scope=inventory.scope,
                begun=time.time(),
                run=run_id(os.environ),
            )
        )
        if jobs == 1:
            work(range(len(mine)))
        else:
            for _ in in_parts(work, range(len(mine)), 1):
                pass
        notices = tuple(dict.fromkeys(notice for worker in workers for notice in worker.close()))
        writer.write(ShardEnd(notices=notices))
    finally:
        progress.clear()
        writer.close()
        done.close()


def _visibility(target: Target) -> str:
    """What `NotAudited.visibility` says of it."""
    return (target.info.visibility or "unknown") if target.info is not None else ""


def organisation_policy(options: Options) -> tuple[Policy, Mapping[str, bytes]]:
    """The policy for all repositories, without any repository's own; and its files. Raises `RingfenceError`."""
    if options.policy is None and not options.open_patterns:
        raise RingfenceError(
            "an audit needs the organisation's policy",
            remedy=f"Name it with --policy FILE, put a {POLICY_FILE} into the folder, or say what is open with --open '@scope/*'.",
        )
    return policy_documents(options, None, None, ALL)


class _Policies:
    """The policy in force for each repository: the same value for all that it says nothing special of."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.base, self._documents = organisation_policy(options)
        self._shared: dict[tuple[str, ...], tuple[Policy, Mapping[str, bytes]]] = {}

    def of(self, own: bytes | None, identity: RepoName | None) -> tuple[Policy, Mapping[str, bytes]]:
        """With the files that say it. Raises `bot.policy_file.PolicyError` for the repository's ``own`` file."""
        if own in self._documents.values():
            own = None  # this repository keeps the organisation's policy: it says everything once
        if own is not None and self._options.policy is not None:
            return policy_documents(self._options, (POLICY_FILE, own), identity, ALL)
        policy, documents = self._of(identity)
        if own is not None:
            note = f"its {POLICY_FILE} is left aside: --open says what is open"
            policy = msgspec.structs.replace(policy, notes=(*policy.notes, note))
        return policy, documents

    def _of(self, identity: RepoName | None) -> tuple[Policy, Mapping[str, bytes]]:
        speaks = tuple(
            pattern
            for pattern in self.base.tables.repository
            if identity is not None and repository_matches(identity, pattern)
        )
        if not speaks:
            return self.base, self._documents
        if speaks not in self._shared:
            self._shared[speaks] = policy_documents(self._options, None, identity, ALL)
        return self._shared[speaks]


class _Worker:
    """Judges one repository after the other in one process."""

    def __init__(self, options: Options, policies: _Policies) -> None:
        self._options = options
        self._policies = policies
        self._rules = [rule for rule in chosen_rules(options.only, EVERY) if isinstance(rule, Rule)]
        self._cache = FactCache(facts_directory() if options.cache else None)
        self._progress = Progress(False)
        self._outside = Outside(options, policies.base, self._cache, self._progress)

    def close(self) -> tuple[str, ...]:
        """End connections; what the caches had to say."""
        self._outside.__exit__()
        self._cache.close()
        return self._outside.notices

    def audit(self, target: Target) -> Audited | NotAudited:
        """One repository. Whatever is wrong with it is an answer, too."""
        name = target.info.name if target.info is not None else ""
        try:
            return self._audit(target)
        except RingfenceError as error:
            from bot.policy_file import PolicyError

            return NotAudited(
                label=target.label,
                repository=name,
                reason="policy" if isinstance(error, PolicyError) else "unreadable",
                detail=f"{error.where}: {error.what}" if error.where else error.what,
                remedy=error.remedy or "",
                visibility=_visibility(target),
            )
        except Exception as error:  # one repository's trouble must not hide the others
            if debugging():
                raise
            return NotAudited(
                label=target.label,
                repository=name,
                reason="internal-error",
                detail=f"judging it failed: {type(error).__name__}: {error}",
                remedy="This is a bug of Ringfence: please report it (ringfence check on this repository, with RINGFENCE_DEBUG=1).",
                visibility=_visibility(target),
            )
        finally:
            locks.forget()

    def _audit(self, target: Target) -> Audited:
        began = time.monotonic()
        identity = target.identity()
        try:
            commit = target.head()
        except EmptyRepositoryError:
            commit = ""
            source: Source = Memory({}, identity=identity, folder=target.folder)
            source.label = target.label
        else:
            source = Remembered(
                lambda: target.open(commit),
                self._cache,
                label=target.key,
                revision=commit,
                identity=identity,
                folder=target.folder,
                kept=(POLICY_FILE, BASELINE_FILE),
            )
        try:
            policy, documents = self._policies.of(own_file(source), identity)
            self._outside.turn_to(policy)
            reader = _Reader(source, documents)
            # In an organisation some repositories hold nothing for us (documents, other languages): nobody named them by mistake.
            options = msgspec.structs.replace(
                self._options, again=self._again(target, commit), allow=(*self._options.allow, "nothing-to-judge")
            )
            baseline, unread, notes = baseline_of(options, source, policy)
            opened = Opened(
                source=source,
                policy=msgspec.structs.replace(policy, notes=policy.notes + notes) if notes else policy,
                documents=documents,
                baseline=baseline,
                unread=unread,
            )
            judgement = judge_anew(source, opened, self._rules, self._cache, self._outside, self._progress)
            renderer = Renderer(
                reader.read,
                public=options.public,
                places=reader.places(),
                again=options.again,
                private_names=policy.private_names,
                private_waivers=policy.private_waivers,
            )
            findings = located(judgement.judged, renderer, baseline=baseline)
            facts = self._facts(judgement, policy, renderer, target)
            measured = Summary(
                requests=self._outside.requests,
                parsed=judgement.parsed,
                seconds=round(time.monotonic() - began, 3),
                baseline=baseline.size if baseline is not None else 0,
            )
            report = report_of(opened, options, judgement, renderer, findings, None, measured)
            reader.remember(renderer.places)
        finally:
            source.close()
        return Audited(
            facts=facts,
            report=msgspec.structs.replace(report, repository=facts.repository or target.label),
            standing=Standing.of(policy, FLEET),
            baseline=None if unread else measured.baseline,
            unchanged=isinstance(source, Remembered) and source.unchanged,
            crashed=judgement.judged.crashed or bool(renderer.crashes),
        )

    def _again(self, target: Target, commit: str) -> Again:
        """How other verbs find the same; nothing of a repository that is not on this machine."""
        if target.where is None or not commit:
            return Again(fix=None)
        given, patterns = self._options.policy, self._options.open_patterns
        policy = given if isinstance(given, Path) else None
        found = again_of(target.where, policy, patterns, commit)
        worked_on = again_of(target.where, policy, patterns) if target.folder is not None else found
        return Again(explain=found.explain, fix=worked_on.fix, check=found.check)

    def _facts(self, judgement: Judgement, policy: Policy, renderer: Renderer, target: Target) -> RepoSummary:
        def locate(place: Place) -> tuple[Location, str]:
            location = renderer.locate(place)
            line = renderer.line(location)
            return location, line if len(line) <= _LINE_MAX else ""

        assert judgement.repo is not None  # noqa: S101  (it was judged anew)
        problems = judgement.judged.not_checked
        return summarise(judgement.repo, policy, problems, locate, label=target.label, info=target.info)


class _Reader:
    """A repository's files and the policy's, and what was found in them last time."""

    def __init__(self, source: Source, documents: Mapping[str, bytes]) -> None:
        self._source = source
        self._documents = documents

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where it cannot be read."""
        if path in self._documents:
            return self._documents[path]
        try:
            return self._source.read(path)
        except (MissingObjectError, TooLargeError):
            return None

    def places(self) -> Places:
        """Places of the last run in files that are the same."""
        if not isinstance(self._source, Remembered) or not self._source.note:
            return Places()
        try:
            kept = msgspec.msgpack.decode(self._source.note, type=_Kept)
        except (msgspec.MsgspecError, TypeError):  # whatever stands there, it can be found again
            return Places()
        if kept.version != reader_version("readers"):
            return Places()
        now = self._digests()
        policies = {name for name in (*kept.documents, *now) if kept.documents.get(name) != now.get(name)}
        return kept.places.without(policies | self._source.changed())

    def remember(self, places: Places) -> None:
        """Keep the places for the next run."""
        if not isinstance(self._source, Remembered):
            return
        kept = _Kept(reader_version("readers"), self._digests(), places)
        try:
            self._source.remember(msgspec.msgpack.encode(kept))
        except UnicodeEncodeError:
            self._source.remember(b"")

    def _digests(self) -> dict[str, bytes]:
        return {name: hashlib.sha256(data).digest() for name, data in self._documents.items()}


class _Kept(msgspec.Struct, array_like=True):
    """Places that were found: by which readers, and in which of the policy's files."""

    version: str
    documents: dict[str, bytes]
    places: Places


# -- the merge -----------------------------------------------------------------------------------


class _Row(NamedTuple):
    """One audited repository: where its line is, and what is kept of it."""

    facts: RepoSummary
    standing: Standing
    verdict: str
    summary: Summary
    rules: Mapping[str, Mapping[str, int]]
    baseline: int | None
    unchanged: bool
    crashed: bool
    path: Path
    offset: int
    size: int


@dataclass(kw_only=True)
class _Read:
    """What shards' files hold."""

    rows: dict[str, _Row] = field(default_factory=dict)
    failed: dict[str, NotAudited] = field(default_factory=dict)
    inventory: dict[str, str] = field(default_factory=dict)  # label -> repository
    visibility: dict[str, str] = field(default_factory=dict)  # by label, where a forge was asked
    complete: set[tuple[str, str]] = field(default_factory=set)
    notes: dict[str, None] = field(default_factory=dict)
    shards: int = 0
    scope: str = ""
    began: list[float] = field(default_factory=list)  # each shard, in seconds since 1970
    newest: ShardHead | None = None  # of the run that counts
    states: dict[int, tuple[str, str]] = field(default_factory=dict)  # shard -> reason, detail where it is not whole


@dataclass(frozen=True, kw_only=True)
class Merged:
    """An audit: its head, its repositories one by one, and whether a rule of ours failed."""

    head: AuditHead
    repositories: Callable[[], Iterator[RepositoryAudit]]
    crashed: bool


def merge(
    paths: Sequence[Path], options: Options, *, shards: bool, began: float, last: Previous | None = None
) -> Merged:
    """Judge the fleet over what shards found, and make one report. ``shards`` is false for an audit in one piece. ``began`` is a
    time of `time.monotonic`. ``last`` is the audit that baselines are held against, instead of the one that the cache remembers.

    Whatever is missing is not audited. Raises `RingfenceError` where no file is a shard, or where they belong to
    different audits.
    """
    policy, documents = organisation_policy(options)
    read = _read(paths, policy, options.fail_on)
    not_audited = _not_audited(read, shards=shards)
    fleet = Fleet.of(
        (row.facts for row in read.rows.values()),
        known=[name for name in read.inventory.values() if name],
        complete=read.complete,
        partial=bool(not_audited),
    )
    progress = Progress(options.progress)
    cache = FactCache(None)
    rules = [rule for rule in chosen_rules(options.only, EVERY) if isinstance(rule, FleetRule)]
    try:
        with Outside(options, policy, cache, progress) as outside:
            outside.watch(fleet)
            judged = judge_fleet(rules, fleet, policy, outside.ask)
            requests = outside.requests
        notices = outside.notices
    finally:
        cache.close()
        progress.clear()
    standings = {label: row.standing for label, row in read.rows.items()}
    found = findings_of(judged, fleet, policy, standings, documents.get, public=options.public)
    _count_fleet(read, found, policy, options.fail_on)
    renderer = Renderer(documents.get, public=options.public)
    problems = [renderer.not_checked(problem) for problem in judged.not_checked]
    public = _Public(policy, read, not_audited, options.public)
    head = AuditHead(
        version=__version__,
        mode=policy.tables.mode,
        public=options.public,
        verdict="pass",
        assumed=policy.assumed + policy.notes,
        notes=tuple(read.notes) + notices,
        summary=AuditSummary(),
        baseline=public.baseline(_baseline(read, not_audited, policy, options, last)),
        pairs=public.pairs(pair_views(fleet, policy)),
        fleet=tuple(item for item in found if not public.hides(item.repository)),
        not_audited=tuple(public.not_audited(item) for item in not_audited),
        not_checked=tuple(p for p in problems if not allowed(p, policy.tables.not_checked.allow)),
        allowed=tuple(p for p in problems if allowed(p, policy.tables.not_checked.allow)),
        not_run=tuple(judged.not_run),
        counts=tuple(judged.counts),
    )
    head = _concluded(head, read, options, policy)
    head = msgspec.structs.replace(
        head,
        summary=msgspec.structs.replace(
            head.summary,
            hidden=public.hidden + sum(public.hides(item.repository) for item in found),
            requests=requests + sum(row.summary.requests for row in read.rows.values()),
            seconds=round(time.monotonic() - began, 3),
            shards=read.shards if shards else 0,
        ),
    )
    crashed = (
        judged.crashed
        or any(row.crashed for row in read.rows.values())
        or any(item.reason == "internal-error" for item in not_audited)
    )
    return Merged(head=public.screened(head), repositories=lambda: _repositories(read, public), crashed=crashed)


def _read(paths: Sequence[Path], policy: Policy, fail_on: Severity) -> _Read:
    """Everything but the reports, which stay in their files."""
    read = _Read()
    heads = {path: found for path in paths if (found := _head_of(path)) is not None}
    read.newest = max(heads.values(), key=lambda head: head.begun, default=None)
    # Of a shard that was run again the newest file counts, and what it lacks is taken from the others.
    for path in sorted(paths, key=lambda path: -heads[path].begun if path in heads else 0.0):
        head: ShardHead | None = None
        whole = False
        try:
            for value, offset, size in read_shard(path):
                if head is None:
                    if not isinstance(value, ShardHead):
                        break
                    head = value
                    if not _begins(read, head, policy, path):
                        whole = True
                        break
                elif isinstance(value, Audited):
                    if value.label not in read.rows and value.label not in read.failed:
                        read.rows[value.label] = _row(value, path, offset, size, fail_on)
                elif isinstance(value, NotAudited):
                    if value.label not in read.rows:
                        read.failed.setdefault(value.label, value)
                elif isinstance(value, ShardEnd):
                    read.notes.update(dict.fromkeys(value.notices))
                    whole = True
        except OSError as error:
            read.notes[f"{path}: this shard cannot be read: {error.strerror}"] = None
            continue
        if head is None:
            read.notes[f"{path}: this is no shard of an audit"] = None
        elif not whole and head.shard not in read.states:
            read.states[head.shard] = ("shard-interrupted", "its shard was interrupted before it came to it")
        elif whole:
            read.states.setdefault(head.shard, ("", ""))
    if not read.shards:
        raise RingfenceError(
            "none of these files is a shard of an audit" if paths else "no shard is named",
            where=", ".join(map(str, paths)) or None,
            remedy="ringfence audit --shard I/N -o FILE writes one.",
        )
    return read


def _head_of(path: Path) -> ShardHead | None:
    try:
        first = next(read_shard(path), None)
    except OSError:
        return None
    return first.value if first is not None and isinstance(first.value, ShardHead) else None


def _begins(read: _Read, head: ShardHead, policy: Policy, path: Path) -> bool:
    """Take a shard's head in; false where what follows does not count."""
    if read.newest is not None and not head.is_of(read.newest):
        read.notes[f"{path}: this shard is of another run than the newest, and does not count"] = None
        read.states.setdefault(head.shard, ("other-run", "its shard is of another run than the newest"))
        return False
    if read.shards and read.shards != head.shards:
        raise RingfenceError(
            f"these are shards of different audits: one of {read.shards}, one of {head.shards}",
            remedy="Merge the shards of one run.",
        )
    read.shards = head.shards
    read.scope = head.scope
    read.began.append(head.begun)
    for label in head.inventory:
        read.inventory.setdefault(label, head.repositories.get(label, ""))
        if label in head.visibility:
            read.visibility.setdefault(label, head.visibility[label])
    read.complete.update(head.complete)
    read.notes.update(dict.fromkeys(head.notes))
    if head.policy != policy.digest or head.version != __version__:
        what = "policy" if head.policy != policy.digest else "version of Ringfence"
        read.states[head.shard] = ("other-policy", f"its shard was judged by another {what} than this merge has")
        return False
    return True


def _row(value: Audited, path: Path, offset: int, size: int, fail_on: Severity) -> _Row:
    """What is kept of a repository; what fails it is for the merge to say, which may be stricter than its shards were."""
    rules: dict[str, Counter[str]] = {}
    verdict = "pass"
    if value.report.mode == "enforce":
        deciding = [finding for finding in value.report.findings if decides(finding)]
        for finding in deciding:
            rules.setdefault(finding.rule, Counter())[finding.severity.value] += 1
        failed = any(finding.severity.rank <= fail_on.rank for finding in deciding)
        verdict = "fail" if failed else "incomplete" if value.report.not_checked else "pass"
    return _Row(
        facts=value.facts,
        standing=value.standing,
        verdict=verdict,
        summary=value.report.summary,
        rules=rules,
        baseline=value.baseline,
        unchanged=value.unchanged,
        crashed=value.crashed,
        path=path,
        offset=offset,
        size=size,
    )


def _not_audited(read: _Read, *, shards: bool) -> list[NotAudited]:
    """Every repository of the inventory that no shard judged, with the reason."""
    found: list[NotAudited] = []
    for label in sorted({*read.inventory, *read.failed}):
        if label in read.rows:
            continue
        number = shard_of(label, read.shards)
        shard = f"{number}/{read.shards}" if shards else ""
        failed = read.failed.get(label)
        if failed is not None:
            found.append(msgspec.structs.replace(failed, shard=shard))
            continue
        reason, detail = read.states.get(number, ("shard-missing", "its shard is missing"))
        if not reason:
            reason, detail = "inventory-changed", "its shard did not know of it: the repositories changed meanwhile"
        found.append(
            NotAudited(
                label=label,
                repository=read.inventory.get(label, ""),
                reason=reason,
                detail=detail,
                remedy=f"Run ringfence audit --shard {shard} again, and merge." if shards else "Run the audit again.",
                visibility=read.visibility.get(label, ""),
                shard=shard,
            )
        )
    return found


def _count_fleet(read: _Read, fleet: Sequence[FleetFinding], policy: Policy, fail_on: Severity) -> None:
    """Add fleet findings to what is kept of the repositories that they are in."""
    for item in fleet:
        row = read.rows.get(item.repository)
        if row is None:
            continue
        finding = item.finding
        summary = row.summary
        if finding.waived:
            summary = msgspec.structs.replace(summary, waived=summary.waived + 1)
        if not _decides(item, policy):
            read.rows[item.repository] = row._replace(summary=summary)
            continue
        level = finding.severity.value
        field = {"error": "errors", "warning": "warnings", "note": "notes"}[level]
        rules = {rule: Counter(levels) for rule, levels in row.rules.items()}
        rules.setdefault(finding.rule, Counter())[level] += 1
        read.rows[item.repository] = row._replace(
            summary=msgspec.structs.replace(summary, **{field: getattr(summary, field) + 1}),
            rules=rules,
            verdict="fail" if finding.severity.rank <= fail_on.rank else row.verdict,
        )


def _baseline(
    read: _Read, not_audited: Sequence[NotAudited], policy: Policy, options: Options, last: Previous | None
) -> BaselineTrend:
    """The size of baselines and its trend; the cache remembers it for the next audit."""
    now: dict[str, int | None] = {item.label: None for item in not_audited}
    now |= {label: row.baseline for label, row in read.rows.items()}
    before = last.sizes if last is not None else None
    if last is not None and last.public:
        unnamed = {label: None for label, row in read.rows.items() if is_hidden(policy, row.facts)}
        before = {**last.sizes, **unnamed}
    if options.cache and read.scope:
        memory = LastSizes(cache_directory() / "audits", read.scope)
        if last is None:
            before = memory.before(min(read.began))
        memory.keep(min(read.began), max(read.began), now)
    return trend(now, before)


def _decides(item: FleetFinding, policy: Policy) -> bool:
    return decides(item.finding) and not item.observed and policy.tables.mode == "enforce"


def _concluded(head: AuditHead, read: _Read, options: Options, policy: Policy) -> AuditHead:
    """The head with its verdict and its totals."""
    tallies: dict[str, Counter[str]] = {}
    for row in read.rows.values():
        for rule, levels in row.rules.items():
            tallies.setdefault(rule, Counter()).update(levels)
            tallies[rule]["repositories"] += 1
    of_policy = [item for item in head.fleet if not item.repository]
    for item in of_policy:
        if _decides(item, policy):
            tallies.setdefault(item.finding.rule, Counter())[item.finding.severity.value] += 1
    verdicts = Counter(row.verdict for row in read.rows.values())
    verdict = "pass"
    if verdicts["fail"] or any(
        _decides(item, policy) and item.finding.severity.rank <= options.fail_on.rank for item in of_policy
    ):
        verdict = "fail"
    elif verdicts["incomplete"] or head.not_audited or (head.not_checked and policy.tables.mode == "enforce"):
        verdict = "incomplete"
    rows = read.rows.values()
    order = sorted(tallies.items(), key=lambda i: (-i[1]["error"], -i[1]["warning"], -i[1]["note"], i[0]))
    return msgspec.structs.replace(
        head,
        verdict=verdict,
        rules=tuple(
            RuleTally(
                rule=rule,
                errors=tally["error"],
                warnings=tally["warning"],
                notes=tally["note"],
                repositories=tally["repositories"],
            )
            for rule, tally in order
        ),
        summary=AuditSummary(
            repositories=len(read.rows) + len(head.not_audited),
            audited=len(read.rows),
            not_audited=len(head.not_audited),
            passed=verdicts["pass"],
            failed=verdicts["fail"],
            incomplete=verdicts["incomplete"],
            unchanged=sum(row.unchanged for row in rows),
            errors=sum(row.summary.errors for row in rows) + _of(of_policy, policy, Severity.ERROR),
            warnings=sum(row.summary.warnings for row in rows) + _of(of_policy, policy, Severity.WARNING),
            notes=sum(row.summary.notes for row in rows) + _of(of_policy, policy, Severity.NOTE),
            waived=sum(row.summary.waived for row in rows) + sum(bool(item.finding.waived) for item in of_policy),
        ),
    )


def _of(fleet: Sequence[FleetFinding], policy: Policy, severity: Severity) -> int:
    return sum(_decides(item, policy) and item.finding.severity is severity for item in fleet)


def _repositories(read: _Read, public: _Public) -> Iterator[RepositoryAudit]:
    """Every audited repository, its report read from its shard's file again: no more than one is in memory."""
    for label in sorted(read.rows):
        row = read.rows[label]
        shown = RepositoryAudit(
            label=public.label(label),
            verdict=row.verdict,  # type: ignore[arg-type]
            mode=row.standing.mode,  # type: ignore[arg-type]
            unchanged=row.unchanged,
            hidden=public.hides(label),
            summary=row.summary,
            rules={rule: sum(levels.values()) for rule, levels in sorted(row.rules.items())},
        )
        if not shown.hidden:
            value = read_line(row.path, row.offset, row.size)
            assert isinstance(value, Audited)  # noqa: S101  (it was one when it was read first)
            facts = msgspec.structs.replace(value.facts, sightings=())
            shown = msgspec.structs.replace(shown, facts=public.facts(facts), report=public.report(value.report))
        yield shown


# -- what the public may read --------------------------------------------------------------------


class _Public:
    """A report for everybody: repositories that are not public have a number for a name, and no details."""

    def __init__(self, policy: Policy, read: _Read, not_audited: Sequence[NotAudited], public: bool) -> None:
        self._policy = policy
        self._public = public
        self._forge = bool(read.visibility)
        rows = read.rows
        hidden = [label for label in sorted(rows) if public and is_hidden(policy, rows[label].facts)]
        self._numbers = {label: f"private repository {number}" for number, label in enumerate(hidden, 1)}
        unread = [item for item in not_audited if public and not self._may_show(item)]
        self._unread = {item.label: f"private repository not audited {number}" for number, item in enumerate(unread, 1)}
        self.hidden = len(hidden) + len(unread)
        names = set(policy.private_names)
        for label in hidden:
            names.update(_telling_names(policy, rows[label].facts))
        for item in unread:
            names.update(_names_of(RepoName.parse(item.repository or item.label)))
        self.names = tuple(sorted(names)) if public else ()

    def hides(self, label: str) -> bool:
        return label in self._numbers

    def label(self, label: str) -> str:
        return self._numbers.get(label, cast(str, redact(label, self.names)))

    def report(self, report: Report) -> Report:
        # A shard may have been written where everything was shown.
        reasons = {waiver.reason for waiver in self._policy.private_waivers} if self._public else set()
        findings = [
            msgspec.structs.replace(finding, waived="[private]") if finding.waived in reasons else finding
            for finding in report.findings
        ]
        return screened(msgspec.structs.replace(report, findings=findings) if reasons else report, self.names)

    def facts(self, facts: RepoSummary) -> RepoSummary:
        if not self.names:
            return facts
        return msgspec.convert(redact(msgspec.to_builtins(facts), self.names), RepoSummary)

    def pairs(self, pairs: Sequence[PairView]) -> tuple[PairView, ...]:
        """Without hidden users, and without stems that only a hidden repository has."""
        if not self._public:
            return tuple(pairs)
        shown = []
        for pair in pairs:
            opened = tuple(label for label in pair.open if not self.hides(label))
            if opened:
                private = tuple(self.label(label) for label in pair.private)
                uses = tuple(use for use in pair.uses if not self.hides(use.repository))
                shown.append(msgspec.structs.replace(pair, open=opened, private=private, uses=uses))
        return tuple(shown)

    def baseline(self, found: BaselineTrend) -> BaselineTrend:
        """With numbers for names; what is not audited or gone, and not known to be open, has not even a number."""
        if not self._public:
            return found
        rows = []
        for row in found.repositories:
            if self.hides(row.label):
                row = msgspec.structs.replace(row, label=self.label(row.label), hidden=True)
            elif row.label in self._unread or (row.gone and (self._forge or not self._is_open(row.label))):
                # What is gone from a forge may have been private there, whatever policy says of its name.
                row = msgspec.structs.replace(row, label="a private repository", hidden=True)
            rows.append(row)
        return msgspec.structs.replace(found, repositories=tuple(rows))

    def _is_open(self, repository: str) -> bool:
        return self._policy.counts_as(self._policy.side_of_repository(RepoName.parse(repository))) is Side.OPEN

    def _may_show(self, item: NotAudited) -> bool:
        """A forge's word comes before policy's, as for what was audited."""
        if item.visibility:
            return item.visibility == "public"
        return self._is_open(item.repository or item.label)

    def not_audited(self, item: NotAudited) -> NotAudited:
        if item.label not in self._unread:
            return item
        return msgspec.structs.replace(
            item,
            label=self._unread[item.label],
            repository="",
            detail="it could not be judged" if not item.reason.startswith("shard") else item.detail,
            remedy="" if not item.reason.startswith("shard") else item.remedy,
            visibility="",
        )

    def screened(self, head: AuditHead) -> AuditHead:
        """Once more without private names, wherever they stand."""
        if not self.names:
            return head
        plain = cast(dict[str, Any], msgspec.to_builtins(head))
        shown = cast(dict[str, Any], redact(plain, self.names))
        for before, after in zip(plain["fleet"], shown["fleet"], strict=True):
            if before != after:
                after["finding"] |= {"private": True, "source": "", "edits": []}
        return msgspec.convert(shown, AuditHead)


def _telling_names(policy: Policy, facts: RepoSummary) -> Iterator[str]:
    """Names that give a repository away wherever they stand: not its plain words (``web``), which would tear holes into text."""
    yield from _names_of(RepoName.parse(facts.repository) if facts.repository else None)
    for member in facts.members:
        if member.side != "open" and member.name.startswith("@") and "/" in member.name:
            yield member.name


def _names_of(name: RepoName | None) -> Iterator[str]:
    if name is not None:
        yield f"{name.owner}/{name.name}"
        if "-" in name.name or "_" in name.name:
            yield name.name
