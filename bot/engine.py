"""Run rules over a repository until nothing is left to ask, and make a report of what they said.

Everything here is a function of its arguments: ``fetch`` and ``read`` are given by the command.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from bot.baseline import Baseline, Entry, match
from bot.errors import debugging
from bot.model import (
    Again,
    Count,
    Edit,
    Evidence,
    Finding,
    Hit,
    LocatedEdit,
    Location,
    NotChecked,
    NotRun,
    Place,
    Related,
    RenderedEvidence,
    Severity,
    Verdict,
    next_step,
)
from bot.names import PackageName, matches_any
from bot.policy import Policy, Waiver
from bot.repo import Repo
from bot.rule import AskBaselineUse, AskWaiverUse, BaselineUse, Key, Known, Rule, Unknown, WaiverUse
from bot.text import Private, Public, fill, redact

if TYPE_CHECKING:
    from bot.readers.positions import Located

__all__ = [
    "Fetch",
    "Judged",
    "Places",
    "Renderer",
    "fingerprint",
    "judge_all",
    "located",
    "shown_fingerprint",
    "waiver_of",
    "waivers_for",
]

Fetch = Callable[[Sequence[Key]], Mapping[Key, object]]

T = TypeVar("T")

_ROUNDS = 4
_LINE_MAX = 2000


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What all rules said, before it is put in words. ``hits`` go with their rule and severity in force;
    ``waived`` maps an index into ``hits`` to the waiver that covers it."""

    hits: list[tuple[Rule, Severity, Hit]]
    waived: dict[int, Waiver]
    not_checked: list[NotChecked]
    not_run: list[NotRun]
    counts: list[Count]
    crashed: bool = False
    facts: Mapping[Key, object] = msgspec.field(default_factory=dict)


def judge_all(
    rules: Sequence[Rule],
    repo: Repo,
    policy: Policy,
    fetch: Fetch,
    unread: Sequence[NotChecked] = (),
    baseline: Baseline | None = None,
) -> Judged:
    """Judge a repository by every rule that policy leaves on.

    A rule that asks for what is not there is judged again when it is, in at most four rounds; what is still
    open then is `Unknown`. ``unread`` is what loading could not read, ``baseline`` the repository's own where it counts.
    """
    not_run = [NotRun(rule=r.id, reason="off by policy") for r in rules if policy.severity(r.id, r.severity) is None]
    active = [rule for rule in rules if policy.severity(rule.id, rule.severity) is not None]
    facts: dict[Key, object] = {}
    verdicts: dict[str, Verdict] = {}
    crashed = False

    todo = active
    for round_number in range(_ROUNDS + 2):
        asked: dict[Key, None] = {}
        again: list[Rule] = []
        for rule in todo:
            known = Known(facts)
            try:
                verdicts[rule.id] = rule.judge(repo, policy, known)
            except Exception as error:  # one rule's bug must not hide what the others found
                if debugging():
                    raise
                crashed = True
                verdicts[rule.id] = Verdict(not_checked=[_crash(rule.id, error)])
                continue
            if known.asked:
                asked.update(known.asked)
                again.append(rule)
        if not asked:
            break
        outside: list[Key] = [key for key in asked if not isinstance(key, AskWaiverUse | AskBaselineUse)]
        if outside:
            answers: Mapping[Key, object] = fetch(outside) if round_number < _ROUNDS else {}
            nothing = Unknown(reason="not-answered", detail="nothing answered this question")
            for key in outside:
                facts[key] = answers.get(key, nothing)
        else:
            # Only the uses of waivers and of the baseline are left: everything else has been judged.
            for key in asked:
                if isinstance(key, AskWaiverUse):
                    facts[key] = _use_of(policy.tables.waiver[key.index], active, verdicts, unread, policy)
                elif isinstance(key, AskBaselineUse):
                    facts[key] = _use_of_baseline(baseline, active, verdicts, unread)
        todo = again

    hits: list[tuple[Rule, Severity, Hit]] = []
    not_checked: list[NotChecked] = list(unread)
    counts: list[Count] = []
    for rule in active:
        verdict = verdicts[rule.id]
        if verdict.not_run:
            not_run.append(NotRun(rule=rule.id, reason=verdict.not_run))
        configured = policy.severity(rule.id, rule.severity) or rule.severity
        for hit in verdict.hits:
            # A rule may say that one finding weighs less than its rule; a level that policy sets outright holds for all.
            own = configured if rule.id in policy.tables.rules else hit.severity or configured
            hits.append((rule, own, hit))
        not_checked.extend(p if p.rule else _with_rule(p, rule.id) for p in verdict.not_checked)
        counts.append(Count(rule=rule.id, judged=dict(verdict.counts)))
    hits.sort(key=lambda item: _order(item[0], item[2]))
    waived = {
        index: waiver
        for index, (rule, _, hit) in enumerate(hits)
        if (waiver := waiver_of(rule.id, hit, policy)) is not None
    }
    return Judged(
        hits=hits,
        waived=waived,
        not_checked=_unique(not_checked),
        not_run=sorted(not_run, key=lambda n: n.rule),
        counts=counts,
        crashed=crashed,
        facts=facts,
    )


def _crash(rule: str, error: Exception, path: str = "") -> NotChecked:
    what = "what was found here could not be shown in full" if path else "the rule failed"
    return NotChecked(
        reason="internal-error",
        subject=path or rule,
        detail=f"{what}: {type(error).__name__}: {error}",
        remedy="This is a bug of Ringfence: please report it with the command you ran (RINGFENCE_DEBUG=1 shows the traceback).",
        rule=rule,
        path=path,
    )


def _with_rule(problem: NotChecked, rule: str) -> NotChecked:
    return msgspec.structs.replace(problem, rule=rule)


def _order(rule: Rule, hit: Hit) -> tuple[object, ...]:
    pointer = tuple(f"{part:08d}" if isinstance(part, int) else part for part in hit.place.pointer)
    return (hit.place.path, hit.place.start, pointer, rule.id, hit.subject, hit.message)


def _unique(problems: Iterable[NotChecked]) -> list[NotChecked]:
    seen: dict[tuple[str, str, str, str, int], NotChecked] = {}
    for problem in problems:
        seen.setdefault((problem.rule, problem.reason, problem.subject, problem.path, problem.line), problem)
    return sorted(seen.values(), key=lambda p: (p.reason, p.rule, p.path, p.subject, p.line))


# -- waivers -------------------------------------------------------------------------------------


def waivers_for(rule: str, path: str, package: str, policy: Policy) -> list[Waiver]:
    """The waivers of the policy that speak of a place, expired ones too."""
    name = PackageName.parse(package) if package else None
    return [
        waiver
        for waiver in policy.tables.waiver
        if waiver.rule == rule
        and (waiver.path is None or matches_any(path, (waiver.path,)))
        and (waiver.package is None or (name is not None and _speaks_of(waiver.package, name)))
    ]


def _speaks_of(pattern: str, package: PackageName) -> bool:
    wanted = PackageName.parse(pattern)
    return wanted.ecosystem == package.ecosystem and matches_any(package.name, (wanted.name,)) is not None


def waiver_of(rule: str, hit: Hit, policy: Policy) -> Waiver | None:
    """The waiver of the policy that covers a hit today."""
    if rule in ("waiver", "stale-baseline"):
        return None  # a waiver cannot waive the rules that watch exceptions
    for waiver in waivers_for(rule, hit.place.path, hit.package, policy):
        if waiver.reason.strip() and waiver.owner.strip() and waiver.expires and waiver.expires >= policy.today:
            return waiver
    return None


def _use_of(
    waiver: Waiver,
    active: Sequence[Rule],
    verdicts: Mapping[str, Verdict],
    unread: Sequence[NotChecked],
    policy: Policy,
) -> WaiverUse:
    verdict = verdicts.get(waiver.rule)
    if verdict is None or all(rule.id != waiver.rule for rule in active):
        return WaiverUse(matched=0, judged=False)
    matched = sum(
        1
        for hit in verdict.hits
        if any(w is waiver for w in waivers_for(waiver.rule, hit.place.path, hit.package, policy))
    )
    problems = [*verdict.not_checked, *(p for p in unread if p.rule in ("", waiver.rule))]
    concerned = [p for p in problems if waiver.path is None or not p.path or matches_any(p.path, (waiver.path,))]
    return WaiverUse(matched=matched, judged=not concerned and not verdict.not_run)


# -- the baseline --------------------------------------------------------------------------------


def _use_of_baseline(
    baseline: Baseline | None, active: Sequence[Rule], verdicts: Mapping[str, Verdict], unread: Sequence[NotChecked]
) -> BaselineUse:
    if baseline is None:
        return BaselineUse()
    hits = [(rule.id, hit) for rule in active for hit in verdicts[rule.id].hits]
    judged = {rule.id: verdicts[rule.id] for rule in active if not verdicts[rule.id].not_run}
    gone: list[tuple[int, Entry]] = []
    for index, count in match(baseline, hits).left.items():
        entry = baseline.entries[index]
        verdict = judged.get(entry.rule)
        problems = (*verdict.not_checked, *unread) if verdict is not None else ()
        if verdict is not None and not any(_may_hide(problem, entry) for problem in problems):
            gone.append((index, msgspec.structs.replace(entry, count=count)))
    return BaselineUse(size=baseline.size, gone=tuple(gone))


def _may_hide(problem: NotChecked, entry: Entry) -> bool:
    """Whether what was not checked may be why a finding is not there: manifests and locks govern what lies beside and below
    them."""
    if problem.rule not in ("", entry.rule):
        return False
    folder = problem.path.rpartition("/")[0]
    return not folder or entry.path == problem.path or entry.path.startswith(folder + "/")


# -- words and places ----------------------------------------------------------------------------


def fingerprint(rule: str, hit: Hit, path: str | None = None) -> str:
    """16 hex digits of rule, package, subject and path: never of a line, a message or a version of ours.

    What a run compares by. It leaves the house as `shown_fingerprint`.
    """
    return _hashed(rule, hit.package, hit.subject, hit.place.path if path is None else path)


def shown_fingerprint(rule: str, hit: Hit, private_names: Sequence[str]) -> str:
    """The fingerprint that reports carry, in private too, since it is made to be passed on.

    It is made from what a public report shows: whoever guesses a private name could make sure of it by a hash of that name.
    So all that a rule says of private names in one file shares one fingerprint.
    """
    package, subject = hit.package, hit.subject
    if _is_private(hit):
        package, subject = "", "[private]"
    return _hashed(*cast(list[str], redact([rule, package, subject, hit.place.path], private_names)))


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]


def _is_private(hit: Hit) -> bool:
    return any(isinstance(value, Private) for value in hit.params.values())


def _shown(line: str) -> str:
    """A source line for a report; a minified one is no line to show, and many findings would each hold it."""
    return line if len(line) <= _LINE_MAX else ""


class Places(msgspec.Struct, frozen=True):
    """Positions and lines that were found, each a function of one file's content: good as long as that is the same."""

    locations: tuple[tuple[Place, Location], ...] = ()
    spans: tuple[tuple[Place, tuple[int, int] | None], ...] = ()
    lines: tuple[tuple[str, int, str], ...] = ()

    def without(self, paths: Container[str]) -> Places:
        """Those in other files than these."""
        return Places(
            tuple(item for item in self.locations if item[0].path not in paths),
            tuple(item for item in self.spans if item[0].path not in paths),
            tuple(item for item in self.lines if item[0] not in paths),
        )


class Renderer:
    """Puts hits in words and finds their lines. ``read`` gives a file's bytes (None where it cannot).

    ``public`` leaves private values out, and with them the source line that would show them, and the reasons of
    ``private_waivers``. A bug that strikes here costs one
    finding its place or its words, never the run: ``crashes`` says so, once a rule and file. ``places`` are what an earlier
    run found in files that are still the same, ``again`` how to find the same once more.
    """

    def __init__(
        self,
        read: Callable[[str], bytes | None],
        *,
        public: bool,
        places: Places | None = None,
        again: Again = Again(),  # noqa: B008  (it is frozen)
        private_names: Sequence[str] = (),
        private_waivers: Container[Waiver] = (),
    ) -> None:
        self._private_names = private_names
        self._private_waivers = private_waivers
        self._again = again
        self._read = read
        self._public = public
        self._files: dict[str, Located | None] = {}
        self._crashes: dict[tuple[str, str], NotChecked] = {}
        known = places or Places()
        self._locations = dict(known.locations)
        self._spans = dict(known.spans)
        self._lines = {(path, number): text for path, number, text in known.lines}

    @property
    def places(self) -> Places:
        """What was found so far."""
        return Places(
            tuple(self._locations.items()),
            tuple(self._spans.items()),
            tuple((path, number, text) for (path, number), text in self._lines.items()),
        )

    @property
    def crashes(self) -> list[NotChecked]:
        """What bugs of ours cost so far."""
        return list(self._crashes.values())

    def _file(self, path: str) -> Located | None:
        if path not in self._files:
            from bot.readers.positions import Located

            data = self._read(path)
            self._files[path] = None if data is None else Located(data, path)
        return self._files[path]

    def locate(self, place: Place) -> Location:
        """Line and column of a place; the file as a whole where it cannot be read."""
        found = self._locations.get(place)
        if found is None:
            file = self._file(place.path)
            found = self._locations[place] = Location(path=place.path) if file is None else file.locate(place)
        return found

    def _span(self, place: Place) -> tuple[int, int] | None:
        if place not in self._spans:
            file = self._file(place.path)
            self._spans[place] = file.span(place) if file else None
        return self._spans[place]

    def finding(self, rule: Rule, severity: Severity, hit: Hit, *, introduced: bool, waiver: Waiver | None) -> Finding:
        """One hit in words. Its fingerprint depends on nothing that is found here."""
        private = _is_private(hit)
        hidden = private and self._public

        def guarded(make: Callable[[], T], otherwise: T) -> T:
            try:
                return make()
            except Exception as error:
                if debugging():
                    raise
                self._crashes.setdefault((rule.id, hit.place.path), _crash(rule.id, error, hit.place.path))
                return otherwise

        def locate(place: Place) -> Location:
            return guarded(lambda: self.locate(place), Location(path=place.path))

        def words(template: str, otherwise: str) -> str:
            return guarded(lambda: fill(template, hit.params, public=self._public), otherwise)

        location = locate(hit.place)
        shown = [link for link in hit.evidence if not hidden or link.kind == "policy"]
        found = Finding(
            rule=rule.id,
            severity=severity,
            location=location,
            message=words(hit.message, rule.summary),
            remedy=words(hit.remedy, ""),
            fingerprint=shown_fingerprint(rule.id, hit, self._private_names),
            package="" if hidden else hit.package,
            subject="" if hidden else hit.subject,
            introduced=introduced,
            private=private,
            source="" if hidden else guarded(lambda: self.line(location), ""),
            related=tuple(Related(text=text, location=locate(place)) for text, place in hit.related),
            evidence=guarded(lambda: tuple(self._evidence(link) for link in shown), ()),
            edits=() if hidden else guarded(lambda: self._edits(hit.edits), ()),
            waived=self._reason(waiver) if waiver else "",
        )
        return msgspec.structs.replace(found, next=next_step(found, self._again))

    def _reason(self, waiver: Waiver) -> str:
        reason = Private(waiver.reason) if waiver in self._private_waivers else Public(waiver.reason)
        return fill("{reason}", {"reason": reason}, public=self._public)

    def line(self, location: Location) -> str:
        """The text of a location's first line; empty for a file as a whole, and for a line too long to show."""
        if not location.line:
            return ""
        key = (location.path, location.line)
        if key not in self._lines:
            file = self._file(location.path)
            self._lines[key] = "" if file is None else _shown(file.line(location.line))
        return self._lines[key]

    def not_checked(self, problem: NotChecked) -> NotChecked:
        """What was not checked, in words: its templates filled, private values left out in public."""
        if not problem.params:
            return problem
        try:
            words = {
                name: fill(getattr(problem, name), problem.params, public=self._public)
                for name in ("subject", "detail", "remedy")
            }
        except Exception as error:
            if debugging():
                raise
            self._crashes.setdefault((problem.rule, problem.path), _crash(problem.rule, error, problem.path))
            words = {"subject": problem.path, "detail": "", "remedy": ""}
        return msgspec.structs.replace(problem, params={}, **words)

    def _evidence(self, link: Evidence) -> RenderedEvidence:
        return RenderedEvidence(
            kind=link.kind,
            text=fill(link.text, link.params, public=self._public),
            location=self.locate(link.place) if link.place else None,
        )

    def _edits(self, edits: Sequence[Edit]) -> tuple[LocatedEdit, ...]:
        out: list[LocatedEdit] = []
        for edit in edits:
            region = self._span(edit.place)
            if region is None:
                return ()  # edits of one finding go together or not at all
            start, end = region
            out.append(
                LocatedEdit(
                    path=edit.place.path,
                    start=start,
                    end=end,
                    old=edit.old,
                    new=edit.new,
                    safe=edit.safe,
                    location=self.locate(Place(edit.place.path, start=start, end=end)),
                )
            )
        return tuple(out)


def located(
    judged: Judged,
    renderer: Renderer,
    *,
    before: Counter[str] | None = None,
    baseline: Baseline | None = None,
) -> list[Finding]:
    """The findings of a run. ``before`` counts the base's fingerprints: a finding that the base had is not introduced.
    Without a base, one that the ``baseline`` covers is not.

    What many members share is folded here, after waivers and the base have had their say about each.
    """
    left = Counter(before) if before is not None else Counter[str]()
    covered: Container[int] = ()
    if before is None and baseline is not None:
        covered = match(baseline, [(rule.id, hit) for rule, _, hit in judged.hits]).covered.keys()
    findings: list[Finding] = []
    shared: dict[tuple[str, str, bool, str], list[tuple[Rule, Severity, Hit, Waiver | None]]] = {}
    for index, (rule, severity, hit) in enumerate(judged.hits):
        mark = fingerprint(rule.id, hit)
        known = left[mark] > 0 or index in covered
        if left[mark] > 0:
            left[mark] -= 1
        waiver = judged.waived.get(index)
        if hit.fold:
            group = (rule.id, hit.fold, not known, waiver.reason if waiver else "")
            shared.setdefault(group, []).append((rule, severity, hit, waiver))
        else:
            findings.append(renderer.finding(rule, severity, hit, introduced=not known, waiver=waiver))
    for (_, _, introduced, _), alike in shared.items():
        rule, severity, hit, waiver = alike[0]
        if len(alike) > 1:
            hit = _folded(hit, [other for _, _, other, _ in alike[1:]])
        findings.append(renderer.finding(rule, severity, hit, introduced=introduced, waiver=waiver))
    findings.sort(
        key=lambda f: (f.location.path, f.location.line, f.location.column, f.severity.rank, f.rule, f.message)
    )
    return findings


def _folded(first: Hit, others: Sequence[Hit]) -> Hit:
    return msgspec.structs.replace(
        first,
        subject=f"{first.fold} (shared)",
        package="",
        message=first.message + "; {_alike} more are alike",
        remedy=first.remedy + " It is the same for each place listed.",
        params=dict(first.params) | {"_alike": Public(str(len(others)))},
        related=(*first.related, *(link for other in others for link in _listed(first, other))),
        edits=(),
    )


def _listed(first: Hit, other: Hit) -> tuple[tuple[str, Place], ...]:
    """Where another finding of a fold stands; where it points at the same place, what it tells apart from the first."""
    return other.related if other.place == first.place else ((other.place.path, other.place),)
