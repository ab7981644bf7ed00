"""The boundary as pictures: which open packages are used by whom, at which version, and where the side doors are.

A `Card` is one picture: what is open on the left, who uses it on the right, an edge for each user. It is made from an audit's pairs
and from what each repository says it uses; `bot.report.boundary_layout` draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bot.audit_report import PairView
from bot.facts.summary import RepoSummary

__all__ = ["DOORS", "Card", "Edge", "Node", "Trouble", "cards"]

# What these rules call an error is a way to the core that a stranger does not have. Their warnings, and what others say of a package
# that is used (a range, a lock that disagrees), are worth a look, and no door.
DOORS = frozenset({"deep-import", "lock-source", "path-escape", "side-door-source", "unreleased-pin"})


class Trouble(NamedTuple):
    """How many findings in one repository speak of one package (`""`: of none): side doors, others, and waived ones."""

    doors: int = 0
    others: int = 0
    waived: int = 0

    def plus(self, more: Trouble) -> Trouble:
        """Both together."""
        return Trouble(self.doors + more.doors, self.others + more.others, self.waived + more.waived)


class Node(NamedTuple):
    """A repository as pictures see it. ``facts`` are None where it is hidden. ``troubles`` are by package."""

    label: str
    side: str
    facts: RepoSummary | None
    troubles: Mapping[str, Trouble] = {}


class Edge(NamedTuple):
    """Somebody who uses what is open. ``half``: it is the private half of the pair; ``within``: it holds the package itself, and
    one part of it reaches another as no stranger could. ``uses`` are the packages with the versions
    (or, without a lock, what is asked for). ``known`` is false where the report does not say what it uses."""

    label: str
    side: str
    half: bool = False
    uses: tuple[tuple[str, tuple[str, ...]], ...] = ()
    trouble: Trouble = Trouble()
    known: bool = True
    within: bool = False

    @property
    def is_used(self) -> bool:
        """Whether it uses anything, as far as we know."""
        return bool(self.uses or self.trouble.doors or self.trouble.others)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One picture. ``open`` are labels of repositories, ``missing`` says what stands in their place where there is none.

    ``edges``: those with side doors first, then the private half, then private users, then open ones.
    """

    title: str
    packages: tuple[str, ...] = ()
    version: str = ""
    open: tuple[str, ...] = ()
    missing: str = ""
    edges: tuple[Edge, ...] = ()
    trouble: Trouble = field(init=False)

    def __post_init__(self) -> None:
        total = Trouble()
        for edge in self.edges:
            total = total.plus(edge.trouble)
        object.__setattr__(self, "trouble", total)

    @property
    def is_unused(self) -> bool:
        """A pair whose private half uses nothing of its core."""
        return any(edge.half and edge.known and not edge.is_used for edge in self.edges)


def cards(pairs: Sequence[PairView], nodes: Iterable[Node]) -> tuple[Card, ...]:
    """Every pair, and every open package that somebody uses and that no pair carries; the worst first.

    Packages that nobody uses and that have no private half make no picture.
    """
    by_label = {node.label: node for node in _of_open(pairs, list(nodes))}
    consumption = {
        node.label: {item.package: item.versions or item.specs for item in node.facts.consumes if item.is_installed}
        for node in by_label.values()
        if node.facts is not None
    }
    made: list[Card] = []
    told: set[tuple[str, str]] = set()  # (repository, package) that a picture shows
    for pair in pairs:
        card = _pair(pair, by_label, consumption)
        told |= {(edge.label, package) for edge in card.edges for package in pair.packages}
        if card.edges:
            made.append(card)
    made += _others(by_label, consumption, told)
    made += _unnamed(by_label, made)
    return tuple(
        sorted(
            made,
            key=lambda c: (-c.trouble.doors, not c.is_unused, -c.trouble.others, -len(c.edges), c.title.lower()),
        )
    )


def _of_open(pairs: Sequence[PairView], nodes: Sequence[Node]) -> Iterable[Node]:
    """The repositories with what was found of open packages: a finding may name any."""
    names = {"", *(package for pair in pairs for package in pair.packages)}
    for node in nodes:
        if node.facts is not None:
            names.update(item.package for item in node.facts.consumes)
            names.update(member.name for member in node.facts.members if member.is_open)
    for node in nodes:
        yield node._replace(troubles={name: trouble for name, trouble in node.troubles.items() if name in names})


def _pair(pair: PairView, nodes: Mapping[str, Node], consumption: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Card:
    # A private repository without an open half is no pair: most products have a name by the scheme and no core of their own.
    halves = pair.private if pair.open else ()
    users: dict[str, dict[str, tuple[str, ...]]] = {label: {} for label in halves}
    for use in pair.uses:
        users.setdefault(use.repository, {})[use.package] = use.versions
    for label, node in nodes.items():
        found = [node.troubles[package] for package in pair.packages if package in node.troubles]
        if any(trouble.doors or label not in pair.open for trouble in found):
            users.setdefault(label, {})
    edges = []
    for label, uses in users.items():
        half = label in halves
        seen = consumption.get(label, {})
        shown = {
            package: seen.get(package, versions) for package, versions in uses.items() if package in seen or versions
        }
        packages = (*pair.packages, "") if half else pair.packages
        edge = _edge(label, nodes.get(label), shown, packages, half=half, within=label in pair.open)
        if half or edge.is_used:
            edges.append(edge)
    return Card(
        title=pair.stem,
        packages=pair.packages,
        version=pair.version,
        open=pair.open,
        missing="" if pair.open else "not here",
        edges=_sorted(edges),
    )


def _others(
    nodes: Mapping[str, Node],
    consumption: Mapping[str, Mapping[str, tuple[str, ...]]],
    told: set[tuple[str, str]],
) -> list[Card]:
    """Packages that no pair carries, by the repositories that they are made in."""
    homes: dict[str, list[str]] = {}
    versions: dict[str, str] = {}
    for label, node in nodes.items():
        for member in node.facts.members if node.facts is not None else ():
            if member.is_open and label not in homes.get(member.name, ()):
                homes.setdefault(member.name, []).append(label)
                versions.setdefault(member.name, member.version)
    groups: dict[tuple[tuple[str, ...], str], dict[str, dict[str, tuple[str, ...]]]] = {}
    for label, node in nodes.items():
        used = consumption.get(label, {})
        for package in {*used, *node.troubles}:
            if not package or (label, package) in told:
                continue
            if label in homes.get(package, ()) and not node.troubles.get(package, Trouble()).doors:
                continue
            made_in = tuple(homes.get(package, ()))
            key = (made_in, "" if made_in else package.partition("/")[0] if package.startswith("@") else package)
            uses = groups.setdefault(key, {}).setdefault(label, {})
            if package in used:
                uses[package] = used[package]
            else:
                uses.setdefault(package, ())
    found = []
    for (made_in, scope), users in groups.items():
        packages = tuple(sorted({package for uses in users.values() for package in uses}))
        title = packages[0] if len(packages) == 1 else ", ".join(made_in) or f"{scope}/*"
        found.append(
            Card(
                title=title,
                packages=packages,
                version=versions.get(packages[0], "") if len(packages) == 1 else "",
                open=made_in,
                missing="" if made_in else "elsewhere",
                edges=_sorted(
                    _edge(label, nodes.get(label), {} if label in made_in else uses, packages, within=label in made_in)
                    for label, uses in users.items()
                ),
            )
        )
    return found


def _unnamed(nodes: Mapping[str, Node], made: Sequence[Card]) -> list[Card]:
    """Side doors that name no open package, in repositories that are no pair's private half."""
    halves = {edge.label for card in made for edge in card.edges if edge.half}
    edges = [
        Edge(label, node.side, trouble=node.troubles[""])
        for label, node in nodes.items()
        if label not in halves and "" in node.troubles
    ]
    return [Card(title="no package named", missing="by a path", edges=_sorted(edges))] if edges else []


def _edge(
    label: str,
    node: Node | None,
    uses: Mapping[str, tuple[str, ...]],
    packages: Iterable[str],
    *,
    half: bool = False,
    within: bool = False,
) -> Edge:
    trouble = Trouble()
    if node is not None:
        for package in packages:
            trouble = trouble.plus(node.troubles.get(package, Trouble()))
    return Edge(
        label=label,
        side="private" if half else node.side if node is not None else "unmatched",
        half=half,
        uses=tuple(sorted(uses.items())),
        trouble=trouble,
        known=node is not None and node.facts is not None,
        within=within,
    )


def _sorted(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    return tuple(
        sorted(
            edges,
            key=lambda e: (-e.trouble.doors, not e.half, -e.trouble.others, e.side != "private", e.label.lower()),
        )
    )
