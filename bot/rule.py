"""A rule: one pure function with its name, and what it may ask of the outside.

A rule asks `Known` for facts from outside (a version's existence, a tarball's manifest, a file's
parsed imports). A key that is not there yet is recorded and the answer is `PENDING`; the rule carries on
with what it has, and the engine fetches the union of all keys at once and judges again. A key
that could not be had is `Unknown`, and the rule says NotChecked for what depended on it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, Protocol, overload

import msgspec

from bot.baseline import Entry
from bot.facts.manifest import Declaration
from bot.facts.module import Import, ImportKind
from bot.model import Severity, Verdict
from bot.names import PackageName
from bot.policy import Policy
from bot.repo import Repo

__all__ = [
    "PENDING",
    "Absent",
    "Approval",
    "AskApproval",
    "AskBaselineUse",
    "AskChanged",
    "AskCommitted",
    "AskLatest",
    "AskPackage",
    "AskParsed",
    "AskPublished",
    "AskVersion",
    "AskWaiverUse",
    "BaselineUse",
    "Changed",
    "ChangedFile",
    "Committed",
    "Described",
    "Key",
    "Known",
    "Latest",
    "PackageFacts",
    "ParsedFile",
    "Pending",
    "Published",
    "Released",
    "Rule",
    "RuleSide",
    "Unknown",
    "WaiverUse",
]


class AskVersion(msgspec.Struct, frozen=True):
    """Does the public registry have this version, and with what integrity? -> `Released` | `Absent`."""

    package: PackageName
    version: str


class AskPackage(msgspec.Struct, frozen=True):
    """Does the public registry have this package, and which versions? -> `PackageFacts` | `Absent`."""

    package: PackageName


class AskLatest(msgspec.Struct, frozen=True):
    """What does the public registry say of the version under the tag ``latest``? -> `Latest` | `Absent`."""

    package: PackageName


class AskPublished(msgspec.Struct, frozen=True):
    """The ``package.json`` and file list in the published, integrity-checked tarball -> `Published` | `Absent`."""

    package: PackageName
    version: str


class AskParsed(msgspec.Struct, frozen=True):
    """The imports of a file of this repository as a real parser sees them -> `ParsedFile`."""

    path: str


class AskWaiverUse(msgspec.Struct, frozen=True):
    """What a waiver of the policy (by its index) did in this run -> `WaiverUse`. Answered when all else is judged."""

    index: int


class AskCommitted(msgspec.Struct, frozen=True):
    """What HEAD's version of a manifest declares, when a working tree is judged -> `Committed`."""

    path: str


class AskBaselineUse(msgspec.Struct, frozen=True):
    """What the repository's baseline did in this run -> `BaselineUse`. Answered when all else is judged."""


class AskChanged(msgspec.Struct, frozen=True):
    """Which of these files a pull request changes -> `Changed`. ``paths`` are those of the judged root; ``files``, and
    ``folders`` with all that lies in them, are named from the top of the git repository. All are names, no patterns."""

    paths: tuple[str, ...]
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def means(self, path: str, folder: str) -> bool:
        """Whether a path from the top is asked for, where the judged root is ``folder``."""
        own = path if not folder else path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else None
        return own in self.paths or path in self.files or any(path.startswith(f"{name}/") for name in self.folders)


class AskWorkflows(msgspec.Struct, frozen=True):
    """The workflows of the repository and the actions in it, changed or not -> `Changed`: GitHub's ``.github/workflows``, and
    every ``action.yml``."""

    @staticmethod
    def means(path: str) -> bool:
        """Whether a path from the top is one of them."""
        folder, _, name = path.rpartition("/")
        if folder == ".github/workflows":
            return name.endswith((".yml", ".yaml"))
        return name in ("action.yml", "action.yaml")


class AskApproval(msgspec.Struct, frozen=True):
    """Who of an approver that policy names (``@user``, ``@organisation/team``) approves the pull request as it stands
    -> `Approval`."""

    approver: str


Key = (
    AskVersion
    | AskPackage
    | AskLatest
    | AskPublished
    | AskParsed
    | AskCommitted
    | AskWaiverUse
    | AskBaselineUse
    | AskChanged
    | AskWorkflows
    | AskApproval
)


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A version that the registry has. ``integrity`` is an SSI string or None, ``shasum`` hex SHA-1 or None.

    ``deprecated`` is the deprecation's text, None when the registry says there is none.
    ``source`` is the URL that answered, for evidence (its host is never part of a fingerprint).
    """

    package: PackageName
    version: str
    integrity: str | None
    shasum: str | None
    tarball: str | None = None
    deprecated: str | None = None
    mirrored: bool = False
    source: str = ""


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """The registry's plain no: ``what`` is ``version`` (the package is there) or ``package``."""

    what: str
    source: str = ""
    mirrored: bool = False


class PackageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A package at the registry: its versions in publication order, dist-tags, and release times (ISO 8601)."""

    package: PackageName
    versions: tuple[str, ...]
    tags: dict[str, str] = {}
    times: dict[str, str] = {}
    source: str = ""
    mirrored: bool = False


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """The version that strangers get who name none, by the registry's own document of it.

    ``repository`` and ``directory`` are its ``repository`` field as the publisher wrote it (``""`` where there is none).
    """

    package: PackageName
    version: str
    repository: str = ""
    directory: str = ""
    deprecated: str | None = None
    source: str = ""
    mirrored: bool = False


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What a published tarball carries: its own manifest (parsed JSON) and the paths of its files.

    ``files`` are relative to the package root, POSIX, without ``package/``.
    """

    package: PackageName
    version: str
    manifest: dict[str, object]
    files: frozenset[str]
    integrity: str | None = None
    mirrored: bool = False


class ParsedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file's imports in their order, confirmed by a parser (``broken``: joined with the cheap filter's after an error)."""

    path: str
    imports: tuple[Import, ...]
    broken: bool = False

    def at(self, start: int) -> Import | None:
        """The import whose specifier begins at a byte."""
        index = bisect_left(self.imports, start, key=lambda found: found.start)
        found = self.imports[index] if index < len(self.imports) else None
        return found if found is not None and found.start == start else None

    def of_package(self, start: int) -> Import | None:
        """The import that begins there, if a bare specifier in it names a package: a URL's is relative, whatever it looks like
        (https://url.spec.whatwg.org/, section 4.4)."""
        found = self.at(start)
        return None if found is not None and found.kind is ImportKind.URL else found


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """The declarations of a manifest in HEAD; None where nobody knows (no git, a commit is judged itself)."""

    declarations: tuple[Declaration, ...] | None


class WaiverUse(msgspec.Struct, frozen=True, kw_only=True):
    """``matched`` findings were waived by it; ``judged`` says whether its rule judged everything it concerns here."""

    matched: int
    judged: bool


class BaselineUse(msgspec.Struct, frozen=True, kw_only=True):
    """``size`` findings are in the baseline; ``gone`` are its entries (index, entry) with findings that are not there any
    more, where their rule judged all it could."""

    size: int = 0
    gone: tuple[tuple[int, Entry], ...] = ()


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a change touches or may touch, by its path from the top of the git repository: its bytes before and after, None where
    it is not there."""

    path: str
    before: bytes | None
    after: bytes | None


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull request changes; ``files`` is None where no pull request is judged. ``folder`` is where the judged root stands
    in the git repository, ``""`` for the repository itself."""

    files: tuple[ChangedFile, ...] | None = None
    folder: str = ""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """``by`` is who approves, ``""`` for nobody."""

    by: str = ""


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that could not be had. ``reason`` is a NotChecked code (``registry-unreachable``,
    ``offline``, ``integrity-mismatch``, ``too-large``, ``malformed``, ...), ``detail`` one sentence."""

    reason: str
    detail: str
    remedy: str = "Run again when the registry answers."


class Pending:
    """No answer yet: the key is recorded, carry on without."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PENDING"


PENDING: Final = Pending()


class Known:
    """What is known from outside so far, and what was asked for and is not known yet."""

    def __init__(self, facts: Mapping[Key, object] | None = None) -> None:
        self._facts: Mapping[Key, object] = facts if facts is not None else {}
        self.asked: dict[Key, None] = {}

    @overload
    def __call__(self, key: AskVersion) -> Released | Absent | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskPackage) -> PackageFacts | Absent | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskLatest) -> Latest | Absent | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskPublished) -> Published | Absent | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskParsed) -> ParsedFile | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskCommitted) -> Committed | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskWaiverUse) -> WaiverUse | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskBaselineUse) -> BaselineUse | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskChanged | AskWorkflows) -> Changed | Unknown | Pending: ...
    @overload
    def __call__(self, key: AskApproval) -> Approval | Unknown | Pending: ...
    def __call__(self, key: Key) -> object:
        """The answer to a key, or `PENDING` once and the answer in the next round."""
        found = self._facts.get(key, PENDING)
        if found is PENDING:
            self.asked[key] = None
        return found


class RuleSide(StrEnum):
    """Whose repository or member a rule judges."""

    PRIVATE = "private"
    OPEN = "open"
    BOTH = "both"
    FLEET = "fleet"


class Described(Protocol):
    """What pages, lists and reports want to know of a rule, whatever it judges."""

    @property
    def id(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def side(self) -> RuleSide: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def judge(self) -> Callable[..., Verdict]: ...


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: a value. ``judge`` is pure and is called again whenever something it asked for arrived."""

    id: str
    summary: str
    side: RuleSide
    severity: Severity
    judge: Callable[[Repo, Policy, Known], Verdict]
