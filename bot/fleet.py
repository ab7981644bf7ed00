"""The fleet: many repositories' summaries, which halves belong together, and the rules that judge them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from typing import NamedTuple

import msgspec

from bot.facts.summary import Consumed, Member, RepoSummary
from bot.model import NotChecked, Severity, Verdict
from bot.names import PackageName, RepoName, compile_pattern
from bot.policy import Policy, Side
from bot.rule import Absent, AskLatest, Known, Latest, Pending, Rule, RuleSide, Unknown
from bot.text import Private, Text

__all__ = [
    "Fleet",
    "FleetRule",
    "Half",
    "Pair",
    "filled",
    "former_names",
    "home_of",
    "is_hidden",
    "newest",
    "on",
    "stem_of",
]


class Half(NamedTuple):
    """The open half of a pair: a member that carries the package, in its repository."""

    summary: RepoSummary
    member: Member


class Pair(NamedTuple):
    """What the naming scheme puts together under one stem. ``packages`` are the names that it gives the open half."""

    stem: str
    packages: tuple[str, ...]
    open: tuple[Half, ...]
    private: tuple[RepoSummary, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fleet:
    """Summaries by what rules ask for. Of several checkouts of one repository only the first counts.

    ``known`` are the keys of repositories that are there though they were not audited, ``complete`` the owners
    (host, owner) all of whose repositories are known. ``partial``: some that should have been audited were not, so that
    what is not seen may still be there.
    """

    summaries: tuple[RepoSummary, ...]
    known: frozenset[tuple[str, str, str]] = frozenset()
    complete: frozenset[tuple[str, str]] = frozenset()
    partial: bool = False
    _names: Mapping[str, RepoName] = field(default_factory=dict, repr=False)
    _by_key: Mapping[tuple[str, str, str], RepoSummary] = field(default_factory=dict, repr=False)
    _held: Mapping[str, tuple[Half, ...]] = field(default_factory=dict, repr=False)
    _consumed: Mapping[str, tuple[tuple[RepoSummary, Consumed], ...]] = field(default_factory=dict, repr=False)
    _private: frozenset[str] = frozenset()
    _others: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        summaries: Iterable[RepoSummary],
        *,
        known: Iterable[str] = (),
        complete: Iterable[tuple[str, str]] = (),
        partial: bool = False,
    ) -> Fleet:
        """The fleet of some summaries. ``known`` are names of repositories as `RepoSummary.repository` writes them."""
        names: dict[str, RepoName] = {}
        by_key: dict[tuple[str, str, str], RepoSummary] = {}
        kept: list[RepoSummary] = []
        for summary in sorted(summaries, key=lambda s: s.label):
            name = RepoName.parse(summary.repository) if summary.repository else None
            if name is not None:
                if name.key() in by_key:
                    continue
                by_key[name.key()] = summary
                names[summary.label] = name
            kept.append(summary)
        held: dict[str, list[Half]] = {}
        consumed: dict[str, list[tuple[RepoSummary, Consumed]]] = {}
        private: set[str] = set()
        for summary in kept:
            for member in summary.members:
                held.setdefault(member.name, []).append(Half(summary, member))
                if not member.is_open:
                    private.add(member.name)
            for item in summary.consumes:
                consumed.setdefault(item.package, []).append((summary, item))
        for summary in kept:
            for former in former_names(summary):
                by_key.setdefault(former.key(), summary)
        parsed = (RepoName.parse(text) for text in known)
        return cls(
            summaries=tuple(kept),
            known=frozenset(name.key() for name in parsed if name is not None) | frozenset(by_key),
            complete=frozenset((host, owner.lower()) for host, owner in complete),
            partial=partial,
            _names=names,
            _by_key=by_key,
            _held={name: tuple(halves) for name, halves in held.items()},
            _consumed={name: tuple(users) for name, users in consumed.items()},
            _private=frozenset(name for name in private if not any(half.member.is_open for half in held[name])),
            _others=frozenset(name for summary in kept for name in summary.others),
        )

    # -- who is there ------------------------------------------------------------------------------

    def name_of(self, summary: RepoSummary) -> RepoName | None:
        """The repository's name on its forge."""
        return self._names.get(summary.label)

    def repository(self, name: RepoName) -> RepoSummary | None:
        """The audited repository of this name, or that had it once."""
        return self._by_key.get(name.key())

    def open_halves(self) -> Iterable[Half]:
        """Every member that strangers are meant to install."""
        return (Half(s, m) for s in self.summaries for m in s.members if m.is_open)

    def holders(self, package: str) -> tuple[Half, ...]:
        """The members of this name that strangers are meant to install."""
        return tuple(half for half in self._held.get(package, ()) if half.member.is_open)

    def homes(self, policy: Policy, package: str) -> list[tuple[Half, RepoName]]:
        """The open repositories that hold a package for strangers, each once; archived ones only where there are no others.

        A checkout of somebody's fork holds it too, and says nothing about where it is made.
        """
        found: dict[tuple[str, str, str], tuple[Half, RepoName]] = {}
        for half in self.holders(package):
            name = self.name_of(half.summary)
            if name is not None and policy.side_of_repository(name) is Side.OPEN:
                found.setdefault(name.key(), (half, name))
        alive = [home for home in found.values() if not home[0].summary.archived]
        return alive or list(found.values())

    def is_held(self, package: str) -> bool:
        """Whether any manifest of an audited repository has this name."""
        return package in self._held or package in self._others

    def consumers(self, package: str) -> tuple[tuple[RepoSummary, Consumed], ...]:
        """Who uses an open package that is not its own."""
        return self._consumed.get(package, ())

    def consumed(self) -> Iterable[str]:
        """Every open package that somebody uses who does not hold it."""
        return sorted(self._consumed)

    def is_open(self, policy: Policy, package: PackageName) -> bool:
        """Whether a registry may be asked for this name: open by policy, and no repository calls it private."""
        return policy.side_of_package(package) is Side.OPEN and package.name not in self._private

    # -- pairs -------------------------------------------------------------------------------------

    def pairs(self, policy: Policy) -> tuple[Pair, ...]:
        """Every stem of policy's naming scheme that some repository or member has, in order."""
        naming = policy.tables.naming
        if naming is None:
            return ()
        opened: dict[str, list[Half]] = {}
        private: dict[str, list[RepoSummary]] = {}
        for half in self.open_halves():
            stem = stem_of(naming.npm, half.member.name)
            if stem is not None:
                opened.setdefault(stem, []).append(half)
        for summary in self.summaries:
            stem = self.private_stem(policy, summary)
            if stem is not None:
                private.setdefault(stem, []).append(summary)
        return tuple(
            Pair(stem, filled(naming.npm, stem), tuple(opened.get(stem, ())), tuple(private.get(stem, ())))
            for stem in sorted({*opened, *private})
        )

    def private_stem(self, policy: Policy, summary: RepoSummary) -> str | None:
        """The stem that a private repository's name has by the scheme: on the forge, else of its checkout's folder."""
        naming = policy.tables.naming
        if naming is None or summary.side == "open":
            return None
        name = self.name_of(summary)
        if name is not None:
            return stem_of(naming.downstream.github, str(name))
        return stem_of(naming.downstream.local, summary.folder) if summary.folder else None

    # -- words -------------------------------------------------------------------------------------

    def text(self, policy: Policy, summary: RepoSummary, value: str = "") -> Text:
        """A repository's name (or another value that speaks of it) for a message: `Private` where the public may not read it."""
        value = value or summary.repository or summary.label
        return Private(value) if is_hidden(policy, summary) else policy.text(value)


def former_names(summary: RepoSummary) -> tuple[RepoName, ...]:
    """Names that the forge still leads here from."""
    texts = summary.info.renamed_from if summary.info is not None else ()
    return tuple(name for text in texts if (name := RepoName.parse(text)) is not None)


def is_hidden(policy: Policy, summary: RepoSummary) -> bool:
    """Whether a public report leaves this repository's name out: it is not public by its forge's word, or, where that is not
    known, not open by policy."""
    if summary.info is not None and summary.info.visibility:
        return summary.info.visibility != "public"
    return policy.counts_as(Side(summary.side)) is Side.PRIVATE


def stem_of(patterns: Iterable[str], text: str) -> str | None:
    """The ``x`` of the first pattern that matches; forges and folders ignore letter case, and so does this."""
    for pattern in patterns:
        found = compile_pattern(pattern.lower()).match(text.lower())
        if found is not None and "x" in found:
            return found["x"]
    return None


def filled(patterns: Iterable[str], stem: str) -> tuple[str, ...]:
    """Each pattern with the stem put in, each result once."""
    return tuple(dict.fromkeys(compile_pattern(pattern).fill({"x": stem}) for pattern in patterns))


def home_of(halves: Sequence[tuple[Half, RepoName]], latest: Latest) -> tuple[Half, RepoName] | None:
    """Which of several repositories that hold a package is where it is made; None where nobody can say.

    It is the one that alone has the released version, where no other has a newer one: after a move the release's own
    ``repository`` field is what is left as it was. Else it is the one that this field names, where no other has a newer version.
    Where the two disagree, a move may be under way, or checkouts are old.
    """
    from bot.readers.npm.semver import compare, valid

    versions = {half.member.version for half, _ in halves}
    order = sorted(filter(valid, versions), key=cmp_to_key(compare))
    leaders = [(half, home) for half, home in halves if order and half.member.version == order[-1]]
    if len(leaders) == 1 and order[-1] == latest.version:
        return leaders[0]
    named = RepoName.parse(latest.repository) if latest.repository else None
    return next((leader for leader in leaders if named is not None and leader[1].key() == named.key()), None)


def newest(policy: Policy, known: Known, name: str, verdict: Verdict) -> Latest | Absent | None:
    """What the registry says of an open package's newest release. None while nobody has answered, for a name that is not
    open, and where the answer does not count: that is then in the verdict's ``not_checked``."""
    package = PackageName.npm(name)
    if policy.side_of_package(package) is not Side.OPEN:
        return None
    answer = known(AskLatest(package))
    shown = {"package": policy.text(name)}
    if isinstance(answer, Unknown):
        verdict.not_checked.append(
            NotChecked(
                reason=answer.reason,
                subject="{package}",
                detail=f"nobody could say what its newest release is: {answer.detail}".replace("{", "{{").replace(
                    "}", "}}"
                ),
                remedy="Run again when the registry answers.",
                params=shown,
            )
        )
        return None
    if isinstance(answer, Pending):
        return None
    if answer.mirrored and not policy.mirror_is_enough(package.ecosystem):
        verdict.not_checked.append(
            NotChecked(
                reason="mirrored",
                subject="{package}",
                detail="only a mirror answered, and policy does not call a mirror enough",
                remedy="Run where the public registry can be reached, or set enough = true for the mirror.",
                params=shown,
            )
        )
        return None
    return answer


class FleetRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that judges the fleet: as pure as a `Rule`, and asked again in the same rounds.

    The place of each of its hits is in the repository whose label is the hit's ``repository``.
    """

    id: str
    summary: str
    severity: Severity
    judge: Callable[[Fleet, Policy, Known], Verdict]
    side: RuleSide = RuleSide.FLEET


def on(rule: FleetRule, fleet: Fleet) -> Rule:
    """A fleet rule with its fleet is a rule: it looks at no repository."""
    judge = rule.judge
    return Rule(
        id=rule.id,
        summary=rule.summary,
        side=rule.side,
        severity=rule.severity,
        judge=lambda _, policy, known: judge(fleet, policy, known),
    )
