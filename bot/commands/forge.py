"""An organisation's repositories on GitHub as targets of an audit: listed by a query, mirrored when their bytes are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import RingfenceError
from bot.factcache import cache_directory, mirror_directory
from bot.facts.summary import RepoInfo
from bot.names import RepoName
from bot.policy import Policy
from bot.sources.base import Source
from bot.sources.commit import Commit
from bot.sources.head import EmptyRepositoryError
from bot.targets import BrokenTarget, Inventory, Target

if TYPE_CHECKING:
    from bot.github import inventory as listed
    from bot.github.client import Client
    from bot.github.fleet import Mirrors

__all__ = ["ForgeTarget", "Forges", "owners_of"]

_NOT_THERE = {
    "missing": ("it is not there, or the token may not see it", "Correct its name, or give a token that may read it."),
    "unlisted": (
        "GitHub counts more repositories than it lists: they change, or the token may not see some",
        "Run the audit again; if it stays, give a token that may read all: see docs/github.md.",
    ),
    "unreadable": (
        "GitHub counts it and does not show its commits",
        "Give a token that may read it: see docs/github.md.",
    ),
}


class ForgeTarget:
    """One repository of a forge, at its default branch's head."""

    folder: str | None = None
    where: Path | None = None

    def __init__(self, found: listed.RepoInfo, mirrors: Mirrors) -> None:
        self._found = found
        self._mirrors = mirrors
        self.label = self.key = str(found.name)
        self.info: RepoInfo | None = _info(found)

    def head(self) -> str:
        if self._found.state == "empty":
            raise EmptyRepositoryError
        return self._found.head

    def identity(self) -> RepoName | None:
        return self._found.name

    def open(self, commit: str) -> Source:
        from bot.github.fleet import Copy

        copy = self._mirrors.copy(self._found)
        if not isinstance(copy, Copy):
            what, remedy = _NOT_THERE.get(copy.reason, ("it could not be fetched", "Run the audit again."))
            raise copy.error or RingfenceError(what, where=self.label, remedy=remedy)
        if copy.revision != commit:
            raise RingfenceError(
                "its default branch moved while it was audited, and the old commit is gone",
                where=self.label,
                remedy="Run the audit again.",
            )
        source = Commit(copy.git, copy.revision, named=False)
        source.identity = self._found.name
        return source


def _info(found: listed.RepoInfo) -> RepoInfo:
    return RepoInfo(
        name=str(found.name),
        visibility=found.visibility,  # type: ignore[arg-type]
        archived=found.archived,
        default_branch=found.branch,
        head=found.head,
        topics=found.topics,
        renamed_from=(str(found.asked),) if found.asked is not None else (),
    )


class Forges:
    """The hosts of an audit, each with its own credential. What GitHub says of its own waits goes to ``say``."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say
        self._clients: dict[str, Client] = {}
        self._folder = cache_directory()
        self._mirrors: Mirrors | None = None

    def organisations(self, owners: Iterable[tuple[str, str]]) -> Inventory:
        """Every repository of these owners (host, owner) that the token sees. Raises `GitHubError` where one cannot be listed."""
        from bot.github.inventory import NAMELESS, repositories_of
        from bot.github.listing import Listing

        listing = Listing(self._folder / "listings")
        targets: list[Target] = []
        asked = tuple(dict.fromkeys(owners))
        whole: list[tuple[str, str]] = []
        for host, owner in asked:
            listed = list(repositories_of(self._client(host), owner, listing=listing))
            targets += [self._target(found) for found in listed]
            if not any(found.name.name == NAMELESS for found in listed):
                whole.append((host, owner))
        notes = ("what a token may not see GitHub does not list: an audit is of what its token sees",)
        scope = f"organisations {' '.join(sorted(f'{host}/{owner}'.lower() for host, owner in asked))}"
        ordered = tuple(sorted(targets, key=lambda target: target.label))
        return Inventory(ordered, complete=tuple(whole), notes=notes, scope=scope)

    def named(self, names: Sequence[RepoName]) -> dict[RepoName, Target]:
        """These repositories, a hundred a query."""
        from bot.github.inventory import repositories_named

        found: dict[RepoName, Target] = {}
        for host in dict.fromkeys(name.host for name in names):
            some = [name for name in names if name.host == host]
            for name, info in zip(some, repositories_named(self._client(host), some), strict=True):
                found[name] = self._target(info)
        return found

    def _client(self, host: str) -> Client:
        from bot.github.client import connect

        if host not in self._clients:
            self._clients[host] = connect(host, environment=os.environ, say=self._say)
        return self._clients[host]

    def _target(self, found: listed.RepoInfo) -> Target:
        from bot.github.fleet import Mirrors

        if found.state in _NOT_THERE:
            what, remedy = _NOT_THERE[found.state]
            return BrokenTarget(
                str(found.name), RingfenceError(what, where=str(found.name), remedy=remedy), _info(found)
            )
        if self._mirrors is None:
            self._mirrors = Mirrors(self._client, mirror_directory())
        return ForgeTarget(found, self._mirrors)


def owners_of(organisations: Iterable[str], policy: Policy | None = None) -> list[tuple[str, str]]:
    """``acme`` and ``git.acme.example/web`` as (host, owner); the empty text means those that the policy's repositories have.

    Raises `RingfenceError` for what is neither.
    """
    found: list[tuple[str, str]] = []
    for text in organisations:
        if not text:
            found += _of_policy(policy)
            continue
        from bot.github.hosts import home_host

        text = text.strip("/")
        name = RepoName.parse(f"{text}/x" if "/" in text else f"{home_host(os.environ)}/{text}/x")
        if name is None or name.owner == "":
            raise RingfenceError(
                f"{text!r} is no organisation", where="--org", remedy="Write `acme`, or `git.acme.example/acme`."
            )
        found.append((name.host, name.owner))
    return found


def _of_policy(policy: Policy | None) -> list[tuple[str, str]]:
    tables = policy.tables if policy is not None else None
    patterns = [*tables.open.repositories, *tables.private.repositories] if tables is not None else []
    owners = [pattern.rpartition("/")[0] for pattern in patterns]
    plain = list(dict.fromkeys(owner for owner in owners if owner and not any(char in owner for char in "*?{")))
    if not plain:
        raise RingfenceError(
            "the policy names no organisation",
            where="--org",
            remedy="Name one: --org acme; or write repositories in [open] and [private].",
        )
    return owners_of(plain)
