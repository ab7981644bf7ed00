"""One repository in a few facts: what an audit keeps of it for the rules that look across repositories."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bot.model import Location, Place

__all__ = ["Consumed", "Member", "RepoInfo", "RepoSummary", "Sighting"]


class RepoInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a forge says of a repository."""

    name: Annotated[str, Meta(description="`owner/name`, or `host/owner/name` off github.com.")]
    visibility: Literal["public", "private", "internal", ""] = ""
    archived: bool = False
    default_branch: str = ""
    head: Annotated[str, Meta(description="The default branch's commit, or empty for an empty repository.")] = ""
    topics: tuple[str, ...] = ()
    renamed_from: Annotated[tuple[str, ...], Meta(description="Names that lead here, written as `name` is.")] = ()


class Sighting(msgspec.Struct, frozen=True):
    """A place with its line, found while the repository was at hand: a merge has no files."""

    place: Place
    location: Location
    line: str = ""


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A package root that has a name. ``directory`` is ``""`` for the repository itself, ``path`` its manifest's.

    ``side`` is what policy says of it; ``private`` its manifest's own ``"private": true``; ``published`` whether policy lists it
    as one that must be public. ``url`` and ``url_directory`` are its ``repository`` field as written.
    """

    name: str
    version: str = ""
    directory: str = ""
    path: str
    side: Literal["open", "private", "unmatched"]
    private: bool = False
    published: bool = False
    bins: tuple[str, ...] = ()
    url: str = ""
    url_directory: str = ""

    @property
    def place(self) -> Place:
        """Where its name stands."""
        return Place(self.path, ("name",))

    @property
    def url_place(self) -> Place:
        """Where its ``repository`` field stands."""
        return Place(self.path, ("repository", "url"))

    @property
    def is_open(self) -> bool:
        """Whether strangers are meant to install it."""
        return self.side == "open" and (not self.private or self.published)


class Consumed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An open package that a repository uses and does not hold itself.

    ``versions`` are those that its locks install, else the exact ones that it declares; ``specs`` what its manifests say;
    ``members`` how many of them declare it (0: only a lock or an import names it). ``place`` is the first such place.
    """

    package: str
    versions: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    members: int = 0
    place: Place

    @property
    def is_installed(self) -> bool:
        """Whether a manifest or a lock names it: what looks like an import alone may be text."""
        return bool(self.members or self.versions)


class RepoSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One repository as fleet rules and pictures of the fleet see it.

    ``label`` tells it from the others of its audit. ``side`` is what policy says of it. ``manifests`` counts manifests that are
    no templates; ``others`` are open names in manifests of no member (fixtures, generated packages). ``unread`` are manifests and
    locks that could not be read: what is not seen may still be there.
    """

    label: str
    repository: Annotated[str, Meta(description="`owner/name`, `host/owner/name`, or empty where nobody knows.")] = ""
    folder: Annotated[str, Meta(description="The checkout folder's own name, in an audit of a folder.")] = ""
    head: Annotated[str, Meta(description="The commit that was judged.")] = ""
    side: Literal["open", "private", "unmatched"] = "unmatched"
    info: RepoInfo | None = None
    manifests: int = 0
    members: tuple[Member, ...] = ()
    others: tuple[str, ...] = ()
    consumes: tuple[Consumed, ...] = ()
    unread: tuple[str, ...] = ()
    sightings: tuple[Sighting, ...] = ()

    @property
    def archived(self) -> bool:
        return self.info is not None and self.info.archived

    @property
    def root_place(self) -> Place:
        """Where to speak of the repository as a whole: its root manifest's name, else the repository."""
        return next((member.place for member in self.members if not member.directory), Place(""))
