"""What the verbs share: opening a source, finding its policy, running the rules, making the report."""

from __future__ import annotations

import os
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from bot import __version__
from bot.baseline import BASELINE_FILE, Baseline
from bot.baseline import read as read_baseline
from bot.engine import Fetch, Judged, Places, Renderer, fingerprint, judge_all, located
from bot.errors import ReadError, RingfenceError
from bot.factcache import FactCache, cache_directory
from bot.facts.module import SourceFile
from bot.lastrun import LastRun
from bot.load import Loaded, load, parse_many
from bot.model import Again, Finding, NotChecked, NotRun, Report, Severity, Summary
from bot.moves import Moves
from bot.names import PackageName, RepoName
from bot.policy import Policy, Side, Waiver
from bot.repo import Repo
from bot.rule import (
    AskApproval,
    AskChanged,
    AskCommitted,
    AskLatest,
    AskPackage,
    AskParsed,
    AskPublished,
    AskVersion,
    AskWorkflows,
    Changed,
    Committed,
    Described,
    Key,
    ParsedFile,
    Rule,
    Unknown,
)
from bot.rules import ACROSS, PLANNED
from bot.sources.base import LinkedError, MissingObjectError, Source, TooLargeError
from bot.sources.checkout import Checkout
from bot.sources.open import POLICY_FILE, open_source, root_of_path
from bot.text import redact

R = TypeVar("R", bound=Described)

if TYPE_CHECKING:
    from bot.fleet import Fleet
    from bot.registry.cache import Cache
    from bot.registry.fetch import Registry

__all__ = [
    "Document",
    "Judgement",
    "Opened",
    "Options",
    "Outside",
    "Progress",
    "Run",
    "again_of",
    "allowed",
    "baseline_of",
    "check",
    "chosen_rules",
    "facts_directory",
    "in_public",
    "judge",
    "judge_anew",
    "no_overlay",
    "open_repo",
    "own_file",
    "policy_documents",
    "report_of",
    "screened",
]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read elsewhere: its name for messages, and its bytes."""

    name: str
    data: bytes


_BASES_MAX = 8  # merge bases that a change is held against


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says about one check. Paths are the user's own.

    Where a commit of a bare repository is judged, ``folder`` is the root in it. ``against`` is the commit that the change is held
    against, where that is not the merge base of ``base``; ``trusted`` the one whose policy and baseline count, where
    that is not ``base``; ``first``: whether a change that brings the first policy is judged by it. ``pull`` answers what rules ask of a pull request. ``unread`` could not be read before the check
    began, and ``allow`` are reasons that are allowed whatever policy says.
    """

    path: Path = msgspec.field(default_factory=Path)
    folder: str = ""
    policy: Path | Document | None = None
    overlay: Path | Document | None = None
    open_patterns: tuple[str, ...] = ()
    revision: str | None = None
    base: str | None = None
    against: str | None = None
    trusted: str | None = None
    first: bool = True
    pull: Callable[[Sequence[AskChanged | AskWorkflows | AskApproval]], Mapping[Key, object]] | None = None
    unread: tuple[NotChecked, ...] = ()
    allow: tuple[str, ...] = ()
    offline: bool = False
    cache: bool = True
    only: tuple[str, ...] = ()
    public: bool = False
    disk: bool = False
    progress: bool = False
    fail_on: Severity = Severity.ERROR
    again: Again = Again()


def in_public(given: bool | None = None) -> bool:
    """Whether everybody may read what is said: as the command line says, else wherever a continuous integration writes it down."""
    return bool(os.environ.get("CI")) if given is None else given


def again_of(
    path: Path, policy: Path | None, patterns: tuple[str, ...], revision: str | None = None, base: str | None = None
) -> Again:
    """How to name the same repository and policy to another verb. Where the overlay lies is nobody's business."""
    from shlex import join

    shared = ["--policy", str(policy)] if policy is not None else []
    shared += [part for pattern in patterns for part in ("--open", pattern)]
    here = [] if str(path) == "." else [str(path)]
    commits = [*(("--rev", revision) if revision else ()), *(("--base", base) if base else ())]
    return Again(
        explain=join([*(["--path", *here] if here else []), *shared, *commits]),
        fix=None if revision else join([*here, *shared]),
        check=join([*here, *shared, *commits]),
    )


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A source with the policy that judges it."""

    source: Source
    policy: Policy
    documents: Mapping[str, bytes] = msgspec.field(default_factory=dict)
    baseline: Baseline | None = None
    unread: tuple[NotChecked, ...] = ()
    requested: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One check: its report, and whether a rule or a finding's words crashed (a bug of ours: exit code 70).

    ``requested`` are the waivers that the change brings, a sentence each; ``mended`` counts findings of the base that it takes away.
    """

    report: Report
    crashed: bool = False
    judged: Judged
    repo: Repo | None
    notices: tuple[str, ...] = ()
    private_names: tuple[str, ...] = ()
    baseline: Baseline | None = None
    grants_baseline: bool = True
    requested: tuple[str, ...] = ()
    mended: int = 0


class Progress:
    """One line on a terminal's standard error that appears when work takes longer than a second."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._began = time.monotonic()
        self._shown = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._enabled or now - self._began < 1 or now - self._shown < 0.1:
            return
        self._shown = now
        sys.stderr.write(f"\r\033[K{what}: {done:,} of {total:,}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._shown = 0.0


def open_repo(options: Options, rules: Sequence[Rule], source: Source | None = None) -> Opened:
    """Open a source, unless it is open already, and load the policy in force for it."""
    if source is None:
        source = _open(options, options.revision, disk=options.disk)
    own, vouched = _own_policy(options, source)
    policy, documents = policy_documents(options, own, source.identity, rules, vouched=vouched, folder=source.label)
    requested: tuple[str, ...] = ()
    if (options.trusted or options.base) is not None:
        policy, requested = _with_changed_waivers(source, policy, own)
    baseline, unread, notes = baseline_of(options, source, policy)
    if not policy.overlay and not options.unread and "no-overlay" in policy.tables.not_checked.allow:
        unread += (no_overlay("it is not given here"),)  # who allows that has one
    return Opened(
        source=source,
        policy=msgspec.structs.replace(policy, notes=policy.notes + notes) if notes else policy,
        documents=documents,
        baseline=baseline,
        unread=options.unread + unread,
        requested=requested,
    )


def policy_documents(
    options: Options,
    own: tuple[str, bytes] | None,
    identity: RepoName | None,
    rules: Sequence[Rule],
    *,
    vouched: bool = False,
    folder: str = "",
) -> tuple[Policy, Mapping[str, bytes]]:
    """The policy in force for a repository with this file of its own (in ``folder``, for messages), and the bytes of every file
    that says it, by label."""
    from bot.policy_file import load_policy

    documents: dict[str, bytes] = {}

    def given(path: Path | Document | None, what: str, label: str = "") -> tuple[str, bytes] | None:
        if path is None:
            return None
        if isinstance(path, Document):
            documents[label or path.name] = path.data
            return label or path.name, path.data
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RingfenceError(
                f"cannot read the {what}: {error.strerror}",
                where=label or str(path),
                remedy="Name a file that is there.",
            ) from None
        # The repository's own file keeps its plain name for itself: places tell the two apart by it.
        name = label or (f"./{path}" if str(path) == POLICY_FILE else str(path))
        documents[name] = data
        return name, data

    overlay = options.overlay or (
        Path(os.environ["RINGFENCE_OVERLAY"]) if os.environ.get("RINGFENCE_OVERLAY") else None
    )
    if own is not None:
        documents[own[0]] = own[1]
    policy = load_policy(
        repository_file=own,
        organisation_file=given(options.policy, "policy"),
        # Where the overlay lies is nobody's business in a log.
        overlay_file=given(overlay, "overlay", "the overlay"),
        open_patterns=options.open_patterns,
        # A policy may speak of rules that this version does not have yet: they are listed as not run.
        rule_ids={**dict.fromkeys(PLANNED, Severity.ERROR), **ACROSS, **{rule.id: rule.severity for rule in rules}},
        identity=identity,
        vouched=vouched,
        folder=folder,
    )
    return policy, documents


def no_overlay(why: str) -> NotChecked:
    """What is not known without the private overlay."""
    return NotChecked(
        reason="no-overlay",
        subject="private names",
        detail=f"the private overlay is not there: {why}",
        remedy="Give it with --overlay or RINGFENCE_OVERLAY. A fork's pull request has no secrets: it is judged again on push.",
        rule="reversed-dependency",
    )


def _open(options: Options, revision: str | None, *, disk: bool = False) -> Source:
    return open_source(options.path, revision=revision, disk=disk, folder=options.folder)


def baseline_of(
    options: Options, source: Source, policy: Policy
) -> tuple[Baseline | None, tuple[NotChecked, ...], tuple[str, ...]]:
    """The repository's baseline where policy grants one; what could not be read of it, and what has no effect."""
    # Held against a base, nothing is folded by it: what counts is what the change leaves of it.
    trusted = _open(options, options.trusted) if options.trusted and not options.base else None
    try:
        data = (trusted or source).read(BASELINE_FILE)
        if "baseline" in policy.tables.gate.repository_may:
            return read_baseline(data), (), ()
        return None, (), (f"{BASELINE_FILE} has no effect: policy does not grant `baseline` in gate.repository_may",)
    except LinkedError:
        error = ReadError("symbolic-link", "the baseline is a symbolic link, and links are never followed")
    except MissingObjectError:
        return None, (), ()
    except TooLargeError:
        error = ReadError("too-large", "the baseline is too large")
    except ReadError as found:
        error = found
    finally:
        if trusted is not None:
            trusted.close()
    problem = NotChecked(
        reason=error.reason,
        subject=BASELINE_FILE,
        detail=error.detail,
        remedy=error.remedy,
        path=BASELINE_FILE,
        line=error.line or 0,
    )
    return None, (problem,), ()


def _with_changed_waivers(
    source: Source, policy: Policy, own: tuple[str, bytes] | None
) -> tuple[Policy, tuple[str, ...]]:
    """The policy with what a change does to waivers, and a sentence for each that it brings: these are requests, without
    effect until they are merged; those that it takes away count to the last. That the file in force (``own``) says something
    else besides is said."""
    try:
        tables = _tables(source.read(POLICY_FILE))
    except (MissingObjectError, TooLargeError, ValueError):
        return policy, ()
    waivers = tables.pop("waiver", ())
    said = [msgspec.convert(w, Waiver) for w in waivers if _is_waiver(w)] if isinstance(waivers, list) else []
    requests = tuple(
        f"a waiver for {waiver.rule} ({waiver.path or waiver.package or 'everything'}) is requested: it has no effect until it is merged"
        for waiver in said
        if waiver not in policy.tables.waiver
    )
    leaving = frozenset(
        index
        for index, waiver in enumerate(policy.tables.waiver)
        if waiver not in said
        and f"waiver.{index}" in policy.places
        and policy.places[f"waiver.{index}"].path == POLICY_FILE
    )
    changed: tuple[str, ...] = ()
    if own is not None and tables != {key: value for key, value in _tables(own[1]).items() if key != "waiver"}:
        changed = (f"{POLICY_FILE} differs from the base's, which is in force until this is merged",)
    return msgspec.structs.replace(policy, notes=policy.notes + changed + requests, leaving=leaving), requests


def _tables(data: bytes) -> dict[str, Any]:
    """A policy file's tables. Raises `ValueError`."""
    return tomllib.loads(data.decode("utf-8-sig"))


def _is_waiver(value: object) -> bool:
    try:
        msgspec.convert(value, Waiver)
    except msgspec.ValidationError:
        return False
    return True


def _own_policy(options: Options, source: Source) -> tuple[tuple[str, bytes] | None, bool]:
    """The repository's own file, and whether it is the base's: with a base, the one at the base's tip counts, so that a
    change cannot move its own gate."""
    vouched = False
    own = own_file(source)
    trusted = options.trusted or options.base
    if trusted is not None:
        tip = _open(options, trusted)
        try:
            at_tip = _policy_of(tip)
            vouched = at_tip is not None
            # The change that brings the first policy is judged by it; beside an organisation's it is not the first.
            own = at_tip if vouched or options.policy is not None or not options.first else own
        except LinkedError:
            own = own if options.first else None  # a link was no policy: the change that mends it brings the first
        except TooLargeError:
            raise _too_large() from None
        finally:
            tip.close()
    named = options.policy
    if isinstance(named, Path) and named.parent.resolve() / named.name == root_of_path(options.path) / POLICY_FILE:
        own = None  # named as the organisation's, it says everything once
    return (None if own is None else (POLICY_FILE, own)), vouched


def own_file(source: Source) -> bytes | None:
    """A repository's own policy file. Raises `RingfenceError` where it cannot be one."""
    try:
        return _policy_of(source)
    except LinkedError:
        raise RingfenceError(
            "the policy is a symbolic link, and links are never followed",
            where=POLICY_FILE,
            remedy="Commit the file itself.",
        ) from None
    except TooLargeError:
        raise _too_large() from None


def _too_large() -> RingfenceError:
    return RingfenceError("the policy file is too large", where=POLICY_FILE, remedy="A policy fits in 1 MB.")


def _policy_of(source: Source) -> bytes | None:
    try:
        return source.read(POLICY_FILE)
    except LinkedError:
        raise
    except MissingObjectError:
        return None


def check(options: Options, rules: Sequence[Rule], source: Source | None = None) -> Run:
    """Judge one repository and make its report; ``source`` where it is open already."""
    began = time.monotonic()
    chosen = chosen_rules(options.only, rules)
    if isinstance(source, Checkout):
        _import_ahead(source.is_listing)
    opened = open_repo(options, rules, source)
    cache = FactCache(facts_directory() if options.cache else None)
    progress = Progress(options.progress)
    try:
        with Outside(options, opened.policy, cache, progress) as outside:
            judgement = judge(opened.source, opened, options, chosen, cache, outside, progress)
            before, known = None, None
            if options.base is not None or options.against is not None:
                before, known = _base(options, chosen, opened, cache, outside, progress)
            requests = outside.requests
        renderer = Renderer(
            _reader(opened),
            public=options.public,
            places=judgement.places,
            again=options.again,
            private_names=opened.policy.private_names,
            private_waivers=opened.policy.private_waivers,
        )
        findings = located(judgement.judged, renderer, before=before, baseline=opened.baseline)
        judgement.keep(renderer.places)
    finally:
        cache.close()
        progress.clear()
        opened.source.close()
    measured = Summary(
        requests=requests,
        parsed=judgement.parsed,
        seconds=round(time.monotonic() - began, 3),
        baseline=opened.baseline.size if opened.baseline is not None else 0,
    )
    elsewhere = [name for name in ACROSS if name in opened.policy.tables.rules]
    not_run = [NotRun(rule=name, reason="judged across repositories, by ringfence audit") for name in elsewhere]
    report = report_of(opened, options, judgement, renderer, findings, known, measured, not_run)
    return Run(
        report=report,
        crashed=judgement.judged.crashed or bool(renderer.crashes),
        judged=judgement.judged,
        repo=judgement.repo,
        notices=outside.notices,
        private_names=opened.policy.private_names if options.public else (),
        baseline=opened.baseline,
        grants_baseline="baseline" in opened.policy.tables.gate.repository_may,
        requested=opened.requested,
        mended=_mended(before, judgement.judged) if not report.not_checked else 0,
    )


def chosen_rules(only: Sequence[str], rules: Sequence[R]) -> list[R]:
    """The rules that were asked for by id; all where none was."""
    every = [rule.id for rule in rules]
    for wanted in only:
        if wanted not in every:
            from difflib import get_close_matches

            near = get_close_matches(wanted, every, 1)
            raise RingfenceError(
                f"there is no rule {wanted!r}",
                remedy="ringfence audit judges it, across repositories."
                if wanted in ACROSS
                else (f"Did you mean {near[0]!r}? " if near else "") + "ringfence rules lists them.",
            )
    return [rule for rule in rules if not only or rule.id in only]


def report_of(
    opened: Opened,
    options: Options,
    judgement: Judgement,
    renderer: Renderer,
    findings: Sequence[Finding],
    known: Counter[tuple[str, ...]] | None,
    measured: Summary,
    elsewhere: Sequence[NotRun] = (),
) -> Report:
    """The report of one judgement. ``known`` is what the base could not check either, ``elsewhere`` what other verbs judge."""
    policy, judged = opened.policy, judgement.judged
    not_run = [NotRun(rule=name, reason="not in this version") for name in PLANNED if name in policy.tables.rules]
    not_run += elsewhere
    report = _report(
        opened,
        options,
        judgement,
        msgspec.structs.replace(judged, not_run=sorted([*judged.not_run, *not_run], key=lambda n: n.rule)),
        findings,
        [*(renderer.not_checked(problem) for problem in judged.not_checked), *renderer.crashes],
        known,
        measured,
    )
    return screened(report, policy.private_names) if options.public else report


def _mended(before: Counter[str] | None, judged: Judged) -> int:
    """How many findings of the base are not there any more; what could not be judged may hide some."""
    return ((before or Counter()) - Counter(fingerprint(rule.id, hit) for rule, _, hit in judged.hits)).total()


# What the judging of a large repository needs, imported when it is needed: the dearest last.
_LATER = (
    "bot.policy_file",
    "bot.readers.npm.package_json",
    "bot.readers.javascript.candidates",
    "hyperscan",
    "bot.readers.javascript.imports",
    "tree_sitter",
    "bot.registry.cache",
    "bot.readers.npm.semver",
    "bot.readers.positions",
    "tree_sitter_javascript",
    "tree_sitter_typescript",
)


def _import_ahead(there_is_time: Callable[[], bool]) -> None:
    """Import, while another process works for us, what would be imported later."""
    for name in _LATER:
        if not there_is_time():
            return
        import_module(name)


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What one source was judged to be, now or the last time. ``repo`` is None where the last run's judgement holds."""

    judged: Judged
    files: int
    ignored: int
    parsed: int
    repo: Repo | None = None
    places: Places = Places()
    keep: Callable[[Places], None]


def judge(
    source: Source,
    opened: Opened,
    options: Options,
    rules: Sequence[Rule],
    cache: FactCache,
    outside: Outside,
    progress: Progress,
    *,
    change: bool = True,
) -> Judgement:
    """Judge a source by the policy that was opened, as far as the last run did not.

    ``change``: it is what is judged, not the base of it.
    """
    policy = opened.policy
    documents = [part for name, data in sorted(opened.documents.items()) for part in (name.encode(), data)]
    documents += [str(sorted(policy.leaving)).encode()]
    documents += [repr((opened.baseline, opened.unread)).encode(errors="surrogateescape")]
    last = LastRun(cache, source, policy, rules, [*documents, *(p.encode() for p in options.open_patterns)])
    fetch = outside.fetcher(source, {}, change=change)
    # Who approves what is nothing to remember.
    recalled = last.recall(fetch, outside.closed) if options.pull is None else None
    if recalled is not None:
        return Judgement(
            judged=recalled.judged,
            files=recalled.files,
            ignored=recalled.ignored,
            parsed=recalled.parsed,
            places=recalled.places,
            keep=lambda places: None,
        )
    keep = last.keep if options.pull is None else None
    return judge_anew(source, opened, rules, cache, outside, progress, change=change, keep=keep)


def judge_anew(
    source: Source,
    opened: Opened,
    rules: Sequence[Rule],
    cache: FactCache,
    outside: Outside,
    progress: Progress,
    *,
    change: bool = True,
    keep: Callable[[Loaded, Judged, Places], None] | None = None,
) -> Judgement:
    """Judge a source from its facts, whatever was judged before."""
    policy = opened.policy
    loaded = load(source, policy, cache, progress)
    outside.watch(loaded.repo)
    unread = (*loaded.not_checked, *opened.unread)
    fetch = outside.fetcher(source, loaded.repo.sources, change=change)
    judged = judge_all(rules, loaded.repo, policy, fetch, unread, opened.baseline)
    return Judgement(
        judged=judged,
        files=loaded.repo.files,
        ignored=loaded.ignored,
        parsed=sum(isinstance(key, AskParsed) for key in judged.facts),
        repo=loaded.repo,
        keep=lambda places: keep(loaded, judged, places) if keep is not None else None,
    )


def screened(report: Report, names: Sequence[str]) -> Report:
    """A report for everybody: once more without these names, wherever they stand."""
    if not names:
        return report
    plain = msgspec.to_builtins(report)
    screened = cast(dict[str, Any], redact(plain, names))
    for before, after in zip(plain["findings"], screened["findings"], strict=True):
        if before != after:
            # Neither a line nor an edit of it makes sense with a hole in it.
            after |= {"private": True, "source": "", "edits": []}
    return msgspec.convert(screened, Report)


def facts_directory() -> Path | None:
    try:
        return cache_directory()
    except RuntimeError:  # there is no home
        return None


def _reader(opened: Opened) -> Callable[[str], bytes | None]:
    def read(path: str) -> bytes | None:
        if path in opened.documents:
            return opened.documents[path]
        try:
            return opened.source.read(path)
        except (MissingObjectError, TooLargeError):
            return None

    return read


# -- what rules may ask --------------------------------------------------------------------------


class Outside:
    """Answers what rules ask: parsed files from the source, everything else from the registry.

    One serves a check, or many checks one after the other (`turn_to`).
    """

    def __init__(self, options: Options, policy: Policy, facts: FactCache, progress: Progress) -> None:
        self._options = options
        self._policy = policy
        self._facts = facts
        self._progress = progress
        self._registry: Registry | None = None
        self._cache: Cache | None = None
        self._may_ask: list[Callable[[PackageName], bool]] = []
        self._requests_before = 0
        self.notices: tuple[str, ...] = ()

    def __enter__(self) -> Outside:
        return self

    def turn_to(self, policy: Policy) -> None:
        """Another check begins, by this policy: nothing is counted, and no repository watched. The registry's door stays open."""
        if self._registry is not None and policy.tables.registry != self._policy.tables.registry:
            self._registry.close()
            self._registry = None
        if self._registry is not None:
            self._registry.forget()
        self._policy = policy
        self._may_ask.clear()
        self._requests_before = self._registry.requests if self._registry is not None else 0

    def __exit__(self, *_: object) -> None:
        if self._registry is not None:
            self._registry.close()
        if self._cache is not None:
            self._cache.close()
            self.notices = tuple(self._cache.notices)

    @property
    def requests(self) -> int:
        return self._registry.requests - self._requests_before if self._registry is not None else 0

    def watch(self, repo: Repo | Fleet) -> None:
        """From now on no name is asked for that ``repo`` calls private."""
        self._may_ask.append(lambda package: repo.is_open(self._policy, package))

    def closed(self, members: Collection[str]) -> None:
        """From now on no name is asked for that policy does not call open, or that one of these private members has."""

        def may_ask(package: PackageName) -> bool:
            private = package.ecosystem == "npm" and package.name in members
            return not private and self._policy.side_of_package(package) is Side.OPEN

        self._may_ask.append(may_ask)

    def ask(self, keys: Sequence[Key]) -> Mapping[Key, object]:
        """The engine's ``fetch`` where there is no source: what registries alone know."""
        return self._ask([key for key in keys if isinstance(key, AskVersion | AskPackage | AskPublished | AskLatest)])

    def fetcher(self, source: Source, scanned: Mapping[str, SourceFile], *, change: bool = True) -> Fetch:
        """The engine's ``fetch`` for one source, of which ``scanned`` is known; a base is no ``change``."""

        def fetch(keys: Sequence[Key]) -> Mapping[Key, object]:
            answers: dict[Key, object] = {}
            files = [key for key in keys if isinstance(key, AskParsed)]
            if files:
                # The last candidate says how large a file is at least: what takes long is to be begun first.
                files.sort(key=lambda key: (-_size(scanned.get(key.path)), key.path))
                answers.update(self._parse(source, files))
            answers.update({key: _committed(source, key) for key in keys if isinstance(key, AskCommitted)})
            gate = [key for key in keys if isinstance(key, AskChanged | AskWorkflows | AskApproval)]
            if gate and change and self._options.pull is not None:
                answers.update(self._options.pull(gate))
            elif gate:
                answers.update({key: Changed() for key in gate if not isinstance(key, AskApproval)})
            rest = [key for key in keys if isinstance(key, AskVersion | AskPackage | AskPublished | AskLatest)]
            if rest:
                answers.update(self._ask(rest))
            return answers

        return fetch

    def _parse(self, source: Source, keys: Sequence[AskParsed]) -> Mapping[Key, object]:
        answers: dict[Key, object] = {}
        for done, (path, found) in enumerate(parse_many(source, [key.path for key in keys], self._facts)):
            self._progress("parsing", done, len(keys))
            if isinstance(found, ReadError):
                answers[AskParsed(path)] = Unknown(reason=found.reason, detail=found.detail)
                continue
            answers[AskParsed(path)] = ParsedFile(path=path, imports=found.imports, broken=found.broken)
        return answers

    def _ask(self, keys: Sequence[AskVersion | AskPackage | AskPublished | AskLatest]) -> Mapping[Key, object]:
        from bot.registry.cache import Cache
        from bot.registry.fetch import Registry

        if self._registry is None:
            self._cache = self._cache or Cache.in_its_place()
            self._registry = Registry(
                self._policy.tables.registry,
                self._cache,
                offline=self._options.offline,
                # Where nobody has said which names are open, none is.
                is_open=lambda package: (
                    bool(self._may_ask)
                    and all(may_ask(package) for may_ask in self._may_ask)
                    and not self._policy.is_disputed(package)
                ),
                progress=lambda done, total: self._progress("asking the registry", done, total),
                may_say=lambda text: self._policy.may_say(text),  # of the policy in force now
            )
        return cast(Mapping[Key, object], self._registry.fetch(keys))


def _size(file: SourceFile | None) -> int:
    return file.imports[-1].end if file is not None and file.imports else 0


def _committed(source: Source, key: AskCommitted) -> Committed:
    from bot.readers.npm.package_json import read_package_json

    if source.revision:
        return Committed(declarations=None)
    data = source.committed(key.path)
    try:
        return Committed(declarations=None if data is None else read_package_json(key.path, data).declarations)
    except ReadError:
        return Committed(declarations=())


# -- the base ------------------------------------------------------------------------------------


def _base(
    options: Options, rules: Sequence[Rule], head: Opened, cache: FactCache, outside: Outside, progress: Progress
) -> tuple[Counter[str], Counter[tuple[str, ...]]]:
    """The base's fingerprints, with paths followed through renames, and what could not be checked there."""
    from bot.sources.git import bare_repository_of, git, repository_of, resolve_revision

    top = repository_of(options.path.resolve()) or bare_repository_of(options.path.resolve())
    if top is None:
        raise RingfenceError("--base needs a git repository", where=str(options.path), remedy="Leave --base out.")
    tip = resolve_revision(top, options.against or options.base or "HEAD")
    change = head.source.revision or "HEAD"
    try:
        # Branches that were merged into each other have several: what one of them had is not new.
        bases = [tip] if options.against else git(top, "merge-base", "--all", tip, change).decode().split() or [tip]
    except RingfenceError:
        bases = [tip]  # no common history here (a shallow clone): the tip itself is what the change is held against
    marks, known = Counter[str](), Counter[tuple[str, ...]]()
    for base in bases[:_BASES_MAX]:
        source = _open(options, base)
        source.folder = head.source.folder
        moves = Moves(_renames(base, head.source.revision, options))
        baseline, _, _ = baseline_of(msgspec.structs.replace(options, trusted=None), source, head.policy)
        opened = msgspec.structs.replace(head, baseline=baseline, unread=())
        judgement = judge(source, opened, options, rules, cache, outside, progress, change=False)
        judged = judgement.judged
        judgement.keep(Places())
        marks |= Counter(
            fingerprint(
                rule.id, msgspec.structs.replace(hit, subject=moves.text(hit.subject)), moves.path(hit.place.path)
            )
            for index, (rule, _, hit) in enumerate(judged.hits)
            # What was waived there was no finding there: moved out of its waiver's path it is a new one.
            if index not in judged.waived
        )
        known |= Counter(_mark(p, moves) for p in judged.not_checked)
        source.close()
    return marks, known


def _mark(problem: NotChecked, moves: Moves) -> tuple[str, ...]:
    return (problem.rule, problem.reason, moves.text(problem.subject), moves.path(problem.path))


def _renames(base: str, revision: str, options: Options) -> Mapping[str, str]:
    """Old path -> new path, by git's rename detection, relative to the root that is judged."""
    from bot.sources.git import git, settings_of

    where = root_of_path(options.path)
    below = f"--relative={options.folder}/" if options.folder else "--relative"
    options_of_diff = ["--name-status", "-z", "-M", "--no-ext-diff", "--no-textconv", "--diff-filter=R", below]
    commits = [base, revision] if revision else [base]
    fields = os.fsdecode(
        git(
            where,
            "diff",
            *options_of_diff,
            "--ignore-submodules=all",
            *commits,
            "--",
            environment=settings_of(where).filters_off,
        )
    ).split("\0")
    moved: dict[str, str] = {}
    index = 0
    while index + 2 < len(fields):
        if fields[index].startswith("R"):
            moved[fields[index + 1]] = fields[index + 2]
            index += 3
        else:
            index += 2
    return moved


# -- the report ----------------------------------------------------------------------------------


def allowed(problem: NotChecked, granted: Sequence[str]) -> bool:
    """Whether what is granted (by policy, or by the command) lets this stay unchecked."""
    if problem.reason == "internal-error":
        return False
    for entry in granted:
        reason, _, detail = entry.partition(":")
        if problem.reason == reason and (
            not detail or problem.subject == detail or problem.subject.endswith("/" + detail)
        ):
            return True
    return False


def _folder(source: Source) -> str:
    return Path(source.label.removesuffix(f" at {source.revision[:12]}") if source.revision else source.label).name


def _report(
    opened: Opened,
    options: Options,
    judgement: Judgement,
    judged: Judged,
    findings: Sequence[Finding],
    not_checked: Sequence[NotChecked],
    known: Counter[tuple[str, ...]] | None,
    measured: Summary,
) -> Report:
    policy = opened.policy
    decides = [f for f in findings if f.introduced and not f.waived]
    granted = policy.tables.not_checked.allow + options.allow
    open_questions = [p for p in not_checked if not allowed(p, granted)]
    let_be = [p for p in not_checked if allowed(p, granted)]
    if known is not None:
        # What the base could not check either is not this change's doing: shown, not deciding.
        left = Counter(known)
        new: list[NotChecked] = []
        for problem in open_questions:
            mark = _mark(problem, Moves({}))
            (let_be if left[mark] > 0 else new).append(problem)
            left[mark] -= 1
        open_questions = new
    failed = any(f.severity.rank <= options.fail_on.rank for f in decides)
    verdict = "fail" if failed else "incomplete" if open_questions else "pass"
    if policy.tables.mode == "observe":
        verdict = "pass"
    summary = Summary(
        errors=sum(f.severity is Severity.ERROR for f in decides),
        warnings=sum(f.severity is Severity.WARNING for f in decides),
        notes=sum(f.severity is Severity.NOTE for f in decides),
        waived=sum(bool(f.waived) for f in findings),
        before=sum(not f.introduced for f in findings),
        files=judgement.files,
        ignored=judgement.ignored,
        judged=sum(sum(count.judged.values()) for count in judged.counts),
        parsed=measured.parsed,
        requests=measured.requests,
        seconds=measured.seconds,
        baseline=measured.baseline,
    )
    return Report(
        version=__version__,
        repository=str(opened.source.identity or opened.source.folder or _folder(opened.source)),
        revision=opened.source.revision,
        base=options.base or (options.against or "")[:12],
        mode=policy.tables.mode,
        verdict=verdict,  # type: ignore[arg-type]
        assumed=policy.assumed + policy.notes,
        again=options.again,
        findings=tuple(findings),
        not_checked=tuple(open_questions),
        allowed=tuple(let_be),
        not_run=tuple(judged.not_run),
        counts=tuple(judged.counts),
        summary=summary,
    )
