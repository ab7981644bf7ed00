"""Policy: what an organisation says about its own boundary.

The types are the format (`ringfence schema policy` prints their JSON Schema); reading them, with
file and line in every error, is `bot.policy_file`'s.
"""

# No `from __future__ import annotations` here: msgspec would have to evaluate two hundred texts at each start.

import datetime
import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bot.model import Evidence, Place, Severity
from bot.names import PackageName, RepoName, compile_pattern, find_word, matches_any
from bot.text import Private, Public, Text

__all__ = [
    "Policy",
    "PolicyTables",
    "Side",
    "Waiver",
    "repository_matches",
]


class Side(StrEnum):
    """On which side of the boundary something stands. ``UNMATCHED`` counts as private."""

    OPEN = "open"
    PRIVATE = "private"
    UNMATCHED = "unmatched"


# The leaf types. ``kind`` names the check in `bot.policy_file` that words an error better than a regular expression;
# the expressions are for the JSON Schema, in the subset that Python and ECMA-262 share (as `Meta(pattern=...)` each would
# be compiled at every start).
Text1 = Annotated[str, Meta(min_length=1)]
PackagePattern = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^(?!(?:npm:|pypi:)?[*?@/]*$)(?:(?:npm|pypi):)?[^\s:/\\]+(?:/[^\s:/\\]+)?$"},
        description="A package pattern: `npm:@acme/*`, `pypi:acme-*`; without an ecosystem it means npm.",
        extra={"kind": "package"},
    ),
]
RepositoryPattern = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^(?![*/]*$)[^\s:/\\]+(?:/[^\s:/\\]+){1,2}$"},
        description="A repository pattern: `owner/name`, on another host than github.com `host/owner/name`.",
        extra={"kind": "repository"},
    ),
]
MemberPattern = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^(?!/|\./|\.\.?$|\.\./|[A-Za-z]:)(?!.*/\.\./)(?!.*/\.\.$)[^\\]*[^\\/]$"},
        description="A directory of this repository, relative to its root: `apps/*`.",
        extra={"kind": "member"},
    ),
]
PathPattern = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^(?!/|\./|\.\./|[A-Za-z]:)(?!.*/\.\./)(?!.*/\.\.$)[^\\]*[^\\/]$"},
        description="A path pattern, relative to the repository's root: `**/fixtures/**`.",
        extra={"kind": "path"},
    ),
]
NamePattern = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"\{x\}"},
        description="A name with `{x}` where the common part stands: `open-{x}`.",
        extra={"kind": "naming"},
    ),
]
Pattern1 = Annotated[str, Meta(min_length=1, extra={"kind": "pattern"})]
Word = Annotated[str, Meta(min_length=3, description="A name, at least three characters long.", extra={"kind": "word"})]
Url = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^(?:https://|http://(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/]|$))"},
        description="An https address (http on this machine only).",
        extra={"kind": "url"},
    ),
]
Variable = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^[A-Za-z_][A-Za-z0-9_]*$"},
        description="The name of an environment variable, never its value.",
        extra={"kind": "variable"},
    ),
]
VariablePattern = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^[A-Za-z_*][A-Za-z0-9_*]*$"},
        description="The name of an environment variable; `*` stands for any part of it.",
        extra={"kind": "variables"},
    ),
]
Approver = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^@[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9._-]+)?$"},
        description="A user `@name` or a team `@organisation/team`.",
        extra={"kind": "approver"},
    ),
]
Allowed = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^[a-z][a-z0-9-]*(?::.+)?$"},
        description="A reason that reports give, or `reason:detail`: `unsupported-format:bun.lockb`.",
        extra={"kind": "reason"},
    ),
]
RuleId = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^[a-z][a-z0-9-]*$"},
        description="A rule's id (`ringfence rules` lists them).",
        extra={"kind": "rule"},
    ),
]
Age = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^[0-9]{1,5} (hours?|days?|weeks?)$"},
        description="A number and a unit: `36 hours`, `3 days`, `2 weeks`.",
        extra={"kind": "age"},
    ),
]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the policy file."""


class Open(_Table, frozen=True, kw_only=True):
    """What is open: package patterns, repositories, members (directories in this repository)."""

    packages: Annotated[
        tuple[PackagePattern, ...],
        Meta(min_length=1, description="Open packages: `@acme/*`, `npm:@acme/*`, `pypi:acme-*`."),
    ]
    repositories: Annotated[tuple[RepositoryPattern, ...], Meta(description="Open repositories: `acme/*`.")] = ()
    members: Annotated[
        tuple[MemberPattern, ...], Meta(description="Open members of a repository that holds both sides: `apps/*`.")
    ] = ()
    published: Annotated[
        tuple[MemberPattern, ...], Meta(description="Members that must be public on the registry: `apps/*`.")
    ] = ()


class PrivateSide(_Table, frozen=True, kw_only=True):
    """What is private. Private patterns win over open ones."""

    packages: Annotated[tuple[PackagePattern, ...], Meta(description="Private packages: `@acme-internal/*`.")] = ()
    repositories: Annotated[
        tuple[RepositoryPattern, ...], Meta(description="Private repositories: `acme/platform-*`.")
    ] = ()
    members: Annotated[
        tuple[MemberPattern, ...], Meta(description="Private members of this repository: `platform/*`.")
    ] = ()
    names: Annotated[
        tuple[Word, ...], Meta(description="Product names as words. Those that nobody may read belong in the overlay.")
    ] = ()
    categories: Annotated[
        tuple[Text1, ...], Meta(description="What a private product may hold itself: `billing`, `accounts`.")
    ] = ()


class Downstream(_Table, frozen=True, kw_only=True):
    """The private half's naming, with the same `{x}`."""

    local: Annotated[tuple[NamePattern, ...], Meta(description="Checkout folders: `platform-{x}`.")] = ()
    github: Annotated[tuple[NamePattern, ...], Meta(description="Repositories: `acme/platform-{x}`.")] = ()


class MonorepoNaming(_Table, frozen=True, kw_only=True):
    """The naming of one monorepo's members."""

    repository: Annotated[RepositoryPattern, Meta(description="The monorepo: `acme/apps`.")]
    member: Annotated[NamePattern, Meta(description="A member's directory: `apps/{x}`.")]


class Naming(_Table, frozen=True, kw_only=True):
    """The naming scheme of the open half; several patterns may be right for a place."""

    local: Annotated[tuple[NamePattern, ...], Meta(description="Checkout folders: `open-{x}`.")] = ()
    github: Annotated[tuple[NamePattern, ...], Meta(description="Repositories: `acme/{x}`.")] = ()
    npm: Annotated[tuple[NamePattern, ...], Meta(description="npm packages: `@acme/{x}`.")] = ()
    pypi: Annotated[tuple[NamePattern, ...], Meta(description="Python packages: `acme-{x}`.")] = ()
    bin: Annotated[tuple[NamePattern, ...], Meta(description="Commands: `{x}`, `{x}-mcp`.")] = ()
    downstream: Downstream = Downstream()
    monorepo: Annotated[tuple[MonorepoNaming, ...], Meta(description="Monorepos and where their members stand.")] = ()


class Train(_Table, frozen=True, kw_only=True):
    """Prereleases allowed while core and product grow together."""

    package: Annotated[PackagePattern, Meta(description="The open package.")]
    tag: Annotated[Text1 | None, Meta(description="Only releases under this dist-tag: `next`.")] = None
    branch: Annotated[Pattern1 | None, Meta(description="Only on branches like this: `next/*`.")] = None
    until: Annotated[datetime.date, Meta(description="The last day on which it is allowed.")]


class Pins(_Table, frozen=True, kw_only=True):
    """How open packages are pinned."""

    form: Annotated[
        Literal["exact", "locked"],
        Meta(description="`exact`: one version. `locked`: a range whose committed lock pins a release is enough."),
    ] = "exact"
    minimum_age: Annotated[Age | None, Meta(description="How old a release must be: `3 days`.")] = None
    signature: Annotated[
        Literal["when-offered", "required", "ignore"], Meta(description="Whether registry signatures are checked.")
    ] = "ignore"
    provenance: Annotated[
        Literal["when-offered", "required", "ignore"], Meta(description="Whether provenance is checked.")
    ] = "ignore"
    train: Annotated[tuple[Train, ...], Meta(description="Prereleases that are allowed, and until when.")] = ()


class Reach(_Table, frozen=True, kw_only=True):
    """How far imports may reach."""

    no_exports_map: Annotated[
        Literal["error", "warn", "off"], Meta(description="A subpath of a package that has no `exports` map.")
    ] = "warn"
    members: Annotated[
        Literal["loose", "strict"],
        Meta(description="`strict`: members of one side use each other's exports too, never each other's files."),
    ] = "loose"
    internal: Annotated[
        tuple[Pattern1, ...], Meta(description="Subpaths and names not meant for strangers: `./internal/*`.")
    ] = ()
    internal_conditions: Annotated[
        tuple[Text1, ...], Meta(description="Export conditions that only own builds set: `acme-source`.")
    ] = ()
    generated: Annotated[
        tuple[PathPattern, ...], Meta(description="Sanctioned copies: `**/src/generated/storage-kit/**`.")
    ] = ()
    core_sources: Annotated[
        Text1 | None, Meta(description="Where the open source stands on a workstation: `../open-{x}`.")
    ] = None


class DataOwner(_Table, frozen=True, kw_only=True):
    """A database that one package owns."""

    package: Annotated[PackagePattern, Meta(description="The owner.")]
    env: Annotated[tuple[VariablePattern, ...], Meta(description="Variables that lead to it.")] = ()
    schemas: Annotated[tuple[Pattern1, ...], Meta(description="Its SQL schemas.")] = ()
    paths: Annotated[tuple[Pattern1, ...], Meta(description="Its files: `var/orders.sqlite`.")] = ()


class DataContract(_Table, frozen=True, kw_only=True):
    """A contract that one package owns."""

    package: Annotated[PackagePattern, Meta(description="The owner.")]
    ids: Annotated[tuple[Text1, ...], Meta(description="What gives it away: `acme.event.v1`.")] = ()
    use: Annotated[PackagePattern | None, Meta(description="The package to use instead.")] = None


class Data(_Table, frozen=True, kw_only=True):
    """Databases and contracts."""

    one_database: Annotated[
        tuple[Annotated[tuple[MemberPattern, ...], Meta(min_length=2)], ...],
        Meta(description="Members that share one database, on purpose or by accident."),
    ] = ()
    owner: Annotated[tuple[DataOwner, ...], Meta(description="Who owns which database.")] = ()
    contract: Annotated[tuple[DataContract, ...], Meta(description="Who owns which contract.")] = ()


class Mirror(_Table, frozen=True, kw_only=True):
    """A registry mirror that policy names."""

    url: Annotated[Url, Meta(description="Its address.")]
    token_env: Annotated[Variable | None, Meta(description="The variable that holds its token.")] = None
    enough: Annotated[bool, Meta(description="Whether its facts suffice.")] = False


class RegistryTable(_Table, frozen=True, kw_only=True):
    """One ecosystem's registry."""

    url: Annotated[Url | None, Meta(description="The public registry; the purl standard names it unless given.")] = None
    mirrors: Annotated[tuple[Mirror, ...], Meta(description="Mirrors that are no redirect.")] = ()


class NotCheckedTable(_Table, frozen=True, kw_only=True):
    """What may stay unchecked without failing a run."""

    allow: Annotated[
        tuple[Allowed, ...], Meta(description="Reasons: `no-overlay`, `unsupported-format:bun.lockb`.")
    ] = ()


class Ignore(_Table, frozen=True, kw_only=True):
    """Paths that are not judged (counted in every report)."""

    paths: Annotated[tuple[PathPattern, ...], Meta(description="`**/fixtures/**`.")] = ()


class Gate(_Table, frozen=True, kw_only=True):
    """Who approves changes to the gate, and what a repository may grant itself."""

    approvers: Annotated[tuple[Approver, ...], Meta(description="Who approves a change of the gate.")] = ()
    waiver_days_max: Annotated[int, Meta(ge=1, description="How long a waiver may last, in days.")] | None = None
    repository_may: Annotated[
        tuple[Literal["waive", "ignore", "baseline"], ...],
        Meta(description="What counts of a repository's own file when an organisation's policy is there."),
    ] = ("waive", "ignore", "baseline")


class Waiver(_Table, frozen=True, kw_only=True):
    """A written exception. ``rule``, ``reason``, ``owner`` and ``expires`` are judged by the rule `waiver`."""

    rule: Annotated[RuleId, Meta(description="The rule that it silences.")]
    path: Annotated[PathPattern | None, Meta(description="Where: `apps/legacy/src/**`.")] = None
    package: Annotated[PackagePattern | None, Meta(description="For which open package.")] = None
    reason: Annotated[str, Meta(description="Why.")] = ""
    owner: Annotated[str, Meta(description="Who answers for it.")] = ""
    expires: Annotated[datetime.date | None, Meta(description="Its last day.")] = None


class Upstream(_Table, frozen=True, kw_only=True):
    """How pull requests into the open packages are made."""

    from_: Annotated[
        Literal["fork", "branch"], Meta(description="Where their branches stand: a fork, or the open repository.")
    ] = msgspec.field(default="fork", name="from")
    draft: Annotated[bool, Meta(description="Whether they begin as drafts.")] = True
    open_max: Annotated[int, Meta(ge=1, description="How many of ours may be open at once in one repository.")] = 5
    isolation: Annotated[
        Literal["network-namespace", "none"], Meta(description="How other people's builds run; `none`: unprotected.")
    ] = "network-namespace"
    trailers: Annotated[tuple[Text1, ...], Meta(description="Commit trailers to set: `Assisted-by`.")] = ()
    author: Annotated[dict[Literal["name", "email"], Text1], Meta(description="Who the commits are by.")] = {}


RuleLevel = Literal["error", "warning", "note", "off"]
Rules = Annotated[dict[RuleId, RuleLevel], Meta(description='Severities by rule: `unused-core = "off"`.')]


class RepositoryTable(_Table, frozen=True, kw_only=True):
    """What the organisation says of one repository."""

    mode: Annotated[Literal["enforce", "observe"] | None, Meta(description="`observe`: nothing fails there.")] = None
    rules: Rules = {}


class PolicyTables(_Table, frozen=True, kw_only=True):
    """A policy for Ringfence: what is open, what is private, and how hard the boundary is."""

    open: Open
    schema: Annotated[Literal[1], Meta(description="The version of this format.")] = 1
    mode: Annotated[
        Literal["enforce", "observe"], Meta(description="`observe`: everything is shown, nothing fails.")
    ] = "enforce"
    unmatched: Annotated[Literal["private", "open"], Meta(description="What counts that no pattern speaks of.")] = (
        "private"
    )
    private: PrivateSide = PrivateSide()
    naming: Naming | None = None
    pins: Pins = Pins()
    reach: Reach = Reach()
    data: Data = Data()
    registry: Annotated[
        dict[Literal["npm", "pypi"], RegistryTable], Meta(description="Registries and mirrors by ecosystem.")
    ] = {}
    rules: Rules = {}
    not_checked: NotCheckedTable = NotCheckedTable()
    ignore: Ignore = Ignore()
    gate: Gate = Gate()
    waiver: Annotated[tuple[Waiver, ...], Meta(description="Written exceptions.")] = ()
    upstream: Upstream = Upstream()
    repository: Annotated[
        dict[RepositoryPattern, RepositoryTable], Meta(description="What is different for one repository.")
    ] = {}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The policy in force: the merged tables, where each key stands, and the questions rules ask.

    ``places`` maps a dotted key (``open.packages``, ``waiver.0.path``) to the place that set it.
    ``private_names`` are the overlay's names and patterns, never printed in public. ``own_names`` are words of
    ``private.names`` that only the repository's own file says, beside an organisation's: they make nothing private that the
    organisation calls open.
    Keys that the overlay set have no place.
    ``assumed`` says in words what was assumed for want of a policy file, ``notes`` what of a repository's own file
    has no effect. ``leaving`` are the indexes of waivers that the change under judgement takes out of that file: they still
    count, and nobody has to be told to delete them. ``digest`` changes whenever the policy does. ``today`` is the day waivers are judged by.
    """

    tables: PolicyTables
    places: Mapping[str, Place] = msgspec.field(default_factory=dict)
    private_names: tuple[str, ...] = ()
    own_names: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    overlay: bool = False
    notes: tuple[str, ...] = ()
    leaving: frozenset[int] = frozenset()
    today: datetime.date = msgspec.field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date())

    @property
    def digest(self) -> str:
        """64 hex digits that change with the tables and the private names, whatever file says them.

        With an overlay it is made from private names too: keep it out of what the public reads.
        """
        said = (self.tables, self.private_names, self.own_names, self.overlay)
        encoded = msgspec.json.encode(said, order="deterministic")
        return hashlib.sha256(encoded).hexdigest()

    # -- sides -----------------------------------------------------------------------------

    @property
    def _names(self) -> tuple[str, ...]:
        """The words that make private whatever an open pattern says."""
        names = self.tables.private.names
        return tuple(name for name in names if name not in self.own_names) if self.own_names else names

    def side_of_package(self, package: PackageName) -> Side:
        """By name alone: private patterns and names win, then open ones.

        A private name counts wherever it stands as a word in the name without its scope: ``platform-todos`` makes
        ``@acme/platform-todos`` private, and leaves ``@acme/platform-todos-like`` alone.
        """
        if _package_match(package, self.tables.private.packages):
            return Side.PRIVATE
        if _is_named(package, self._names):
            return Side.PRIVATE
        if _package_match(package, self.tables.open.packages):
            return Side.OPEN
        return Side.PRIVATE if _is_named(package, self.own_names) else Side.UNMATCHED

    def is_disputed(self, package: PackageName) -> bool:
        """Whether the organisation calls a package open, and the repository's own file names it among private words."""
        return _is_named(package, self.own_names) and self.side_of_package(package) is Side.OPEN

    def lists(self, package: PackageName) -> bool:
        """Whether an open pattern is this package's whole name: policy means this very package, not what is called alike."""
        return any(PackageName.parse(pattern) == package for pattern in self.tables.open.packages)

    def side_of_repository(self, repository: RepoName | None) -> Side:
        """By ``owner/name`` (``host/owner/name`` off github.com), whatever the case: forges ignore it."""
        if repository is None:
            return Side.UNMATCHED
        if any(repository_matches(repository, pattern) for pattern in self.tables.private.repositories):
            return Side.PRIVATE
        if find_word(repository.name, self._names) is not None:
            return Side.PRIVATE
        if any(repository_matches(repository, pattern) for pattern in self.tables.open.repositories):
            return Side.OPEN
        return Side.PRIVATE if find_word(repository.name, self.own_names) is not None else Side.UNMATCHED

    def side_of_root(
        self, repository: RepoName | None, directory: str, package: PackageName | None, *, unpublished: bool = False
    ) -> Side:
        """The side of a package root: any private pattern wins, then any open one, then *unmatched*.

        ``directory`` is the root's path in the repository, ``""`` for the repository itself. ``unpublished``: its
        manifest is never published, so that an open package's name alone does not make it open.
        """
        sides = [self.side_of_repository(repository)]
        if package is not None:
            named = self.side_of_package(package)
            if named is not Side.OPEN or not unpublished:
                sides.append(named)
        if directory:
            if matches_any(directory, self.tables.private.members):
                sides.append(Side.PRIVATE)
            elif matches_any(directory, (*self.tables.open.members, *self.tables.open.published)):
                sides.append(Side.OPEN)
        for side in (Side.PRIVATE, Side.OPEN):
            if side in sides:
                return side
        return Side.UNMATCHED

    def counts_as(self, side: Side) -> Side:
        """Open or private: what *unmatched* counts as."""
        return Side(self.tables.unmatched) if side is Side.UNMATCHED else side

    def mirror_is_enough(self, ecosystem: str) -> bool:
        """Whether what a mirror says of an ecosystem's packages decides: policy says so of every mirror that it names."""
        table = self.tables.registry.get("npm" if ecosystem == "npm" else "pypi")
        return table is not None and bool(table.mirrors) and all(mirror.enough for mirror in table.mirrors)

    # -- words -----------------------------------------------------------------------------

    def text(self, value: str) -> Text:
        """A value for a message: `Private` when it holds a name from the private overlay."""
        lowered = value.lower()
        return Private(value) if any(name.lower() in lowered for name in self.private_names) else Public(value)

    def said_by(self, key: str, value: str) -> Text:
        """A value that a dotted key sets (``gate.approvers.0``): `Private` where the overlay alone says it, too."""
        return Private(value) if self.is_overlaid(key) else self.text(value)

    @property
    def private_waivers(self) -> tuple[Waiver, ...]:
        """The overlay's waivers: what they give for reasons is not for the public."""
        return tuple(w for index, w in enumerate(self.tables.waiver) if self.is_overlaid(f"waiver.{index}"))

    def is_overlaid(self, key: str) -> bool:
        """Whether the private overlay alone says a dotted key that somebody says."""
        return self.overlay and key not in self.places

    def may_say(self, value: str) -> bool:
        """Whether a text holds no private name, wherever it stands in it: whoever reads it may not be told one."""
        lowered = value.lower()
        return not any(name.lower() in lowered for name in (*self.private_names, *self.tables.private.names))

    def evidence(self, *keys: str) -> tuple[Evidence, ...]:
        """The policy lines behind a verdict, by dotted key; keys that no file sets are left out."""
        return tuple(
            Evidence(kind="policy", text="the policy sets {key}", params={"key": Public(key)}, place=self.places[key])
            for key in keys
            if key in self.places
        )

    def severity(self, rule: str, default: Severity) -> Severity | None:
        """The severity in force for a rule; None when it is off."""
        level = self.tables.rules.get(rule)
        if level is None:
            return default
        return None if level == "off" else Severity(level)


def repository_matches(repository: RepoName, pattern: str) -> bool:
    """Whether a policy's repository pattern means this repository."""
    text = str(repository).lower()
    return compile_pattern(pattern.lower().removeprefix("github.com/")).match(text) is not None


@lru_cache(maxsize=1 << 16)
def _package_match(package: PackageName, patterns: tuple[str, ...]) -> bool:
    pattern = _package_patterns(patterns, package.ecosystem)
    return pattern is not None and pattern.fullmatch(package.name) is not None


@lru_cache(maxsize=1 << 16)
def _is_named(package: PackageName, names: tuple[str, ...]) -> bool:
    whole = package.name.lower()
    return find_word(package.bare, names) is not None or any(name.lower() == whole for name in names)


@lru_cache(maxsize=64)
def _package_patterns(patterns: tuple[str, ...], ecosystem: str) -> re.Pattern[str] | None:
    """All patterns for packages of one ecosystem as one expression: a policy may have many, a lock has thousands of names."""
    wanted = [PackageName.parse(pattern) for pattern in patterns]
    parts = [
        # A placeholder's name may come back in the next pattern: each has a number of its own.
        re.sub(r"\(\?P([<=])(\w+)", rf"(?P\1\2_{number}", compile_pattern(name.name).regex.pattern)
        for number, name in enumerate(wanted)
        if name.ecosystem == ecosystem
    ]
    return re.compile("|".join(f"(?:{part})" for part in parts), re.DOTALL) if parts else None
