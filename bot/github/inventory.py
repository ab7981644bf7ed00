"""Which repositories there are: one GraphQL query for a hundred of them, and none for what is in them.

Source of the fields: GitHub's GraphQL schema, ``Repository`` and ``RepositoryOwner``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from bot.github.errors import GitHubError
from bot.names import RepoName

if TYPE_CHECKING:
    from bot.github.client import Client
    from bot.github.listing import Listing

__all__ = ["NAMELESS", "RepoInfo", "State", "repositories_named", "repositories_of"]

# ``missing``: not there, or not for this token. ``unreadable``: GitHub does not show its commits. ``unlisted``: it counts more than it lists.
State = Literal["ready", "empty", "unreadable", "missing", "unlisted"]

_FIELDS = """fragment fields on Repository {
  id nameWithOwner visibility isArchived isEmpty
  defaultBranchRef { name target { oid } }
  repositoryTopics(first: 20) { nodes { topic { name } } }
}"""
_OWNED = """query($owner: String!, $first: Int!, $after: String) {
  repositoryOwner(login: $owner) {
    repositories(first: $first, after: $after, ownerAffiliations: [OWNER], orderBy: {field: CREATED_AT, direction: ASC}) {
      totalCount pageInfo { endCursor hasNextPage }
      nodes { ...fields }
    }
  }
}
"""
# GitHub ends a query that takes too long with 502 or 504: a smaller one may pass.
_SIZES = (100, 50, 25, 10)
# How often a list that changed while it was read is read.
_READINGS = 2
NAMELESS = "?"  # no repository can be called so


class RepoInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One repository as it was when it was listed.

    ``name`` is the name in force (``owner/?`` for one that GitHub counts and does not show). ``asked``: the name that it was asked by, where that is an old one. ``head``: the commit id at
    the tip of the default branch, where ``state`` is ``ready``. ``id``: GitHub's own, which no rename changes.
    """

    name: RepoName
    state: State
    visibility: str = ""  # public, private, internal; empty for a missing one
    archived: bool = False
    branch: str = ""
    head: str = ""
    topics: tuple[str, ...] = ()
    asked: RepoName | None = None
    id: str = ""


def repositories_of(client: Client, owner: str, *, listing: Listing | None = None) -> Iterator[RepoInfo]:
    """All repositories of an organisation or user that the token sees, in the order in which they were made: a rename moves none of them.

    A list that is not as long as GitHub counts changed while it was read, and is read once more. Where it still is not, the last
    one is ``unlisted``: some are missing, and nobody knows which. With a `Listing`, a run that was stopped in the middle goes on
    where it was. Raises `GitHubError`.
    """
    given: set[str] = set()
    for _ in range(_READINGS):
        listed: set[str] = set()
        count, steady = 0, True
        for infos, total in _pages(client, owner, listing):
            # One that went may have moved those behind it onto pages that were read: a smaller number tells.
            count, steady = total, steady and total >= count
            for info in infos:
                key = info.id or f"{NAMELESS}{len(listed)}"
                listed.add(key)
                if key not in given:
                    given.add(key)
                    yield info
        if steady and len(listed) == count:
            return
    yield _nameless(client.host.name, owner, "unlisted")


def _pages(client: Client, owner: str, listing: Listing | None) -> Iterator[tuple[list[RepoInfo], int]]:
    """One reading of the list, page by page, each with the number of all at that time (0 for what a stopped run had)."""
    kept, after = listing.kept(client, owner) if listing else ([], None)
    if kept:
        yield kept, 0
    size, more = 0, True
    while more:
        try:
            page = _page(client, owner, _SIZES[size], after)
        except GitHubError as error:
            if error.kind != "server" or size + 1 == len(_SIZES):
                raise
            size += 1
            continue
        infos = [
            _info(client.host.name, node) if node else _nameless(client.host.name, owner) for node in page["nodes"]
        ]
        before, after, more = after, page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        if more and after == before:
            raise GitHubError(
                "malformed", f"{client.host.name} gives one page again and again", remedy="Run again later."
            )
        if listing and more:
            listing.keep(client, owner, infos, after)
        elif listing:
            listing.forget(client, owner)
        yield infos, page["totalCount"]


def repositories_named(client: Client, names: Iterable[RepoName]) -> Iterator[RepoInfo]:
    """These repositories of the client's host, in order, a hundred a query. One that is not there is ``missing``."""
    order = list(names)
    # An App has a token an owner: its queries are about one owner each.
    groups = [list(some) for _, some in groupby(order, key=lambda n: n.owner.lower())] if client.per_owner else [order]
    for group in groups:
        for begin in range(0, len(group), _SIZES[0]):
            yield from _named(client, group[begin : begin + _SIZES[0]])


def _page(client: Client, owner: str, size: int, after: str | None) -> Any:
    doing = f"list the repositories of {owner}"
    data, _ = client.graphql(
        _OWNED + _FIELDS, {"owner": owner, "first": size, "after": after}, owner=owner, doing=doing
    )
    found = data.get("repositoryOwner")
    if found is None:
        raise GitHubError(
            "not-found",
            f"{client.host.name} knows no organisation or user {owner}",
            remedy="Check its name, and that the token may see it.",
        )
    return found["repositories"]


def _named(client: Client, names: Sequence[RepoName]) -> Iterator[RepoInfo]:
    head = ", ".join(f"$o{i}: String!, $n{i}: String!" for i in range(len(names)))
    body = "\n".join(f"  r{i}: repository(owner: $o{i}, name: $n{i}) {{ ...fields }}" for i in range(len(names)))
    variables = {f"o{i}": n.owner for i, n in enumerate(names)} | {f"n{i}": n.name for i, n in enumerate(names)}
    try:
        data, errors = client.graphql(
            f"query({head}) {{\n{body}\n}}\n{_FIELDS}", variables, owner=names[0].owner, doing="look repositories up"
        )
    except GitHubError as error:
        if error.kind == "not-found":  # nothing at all is there: said of each
            data, errors = {}, []
        elif error.kind == "server" and len(names) > 1:
            middle = len(names) // 2
            yield from _named(client, names[:middle])
            yield from _named(client, names[middle:])
            return
        else:
            raise
    absent = {row["path"][0] for row in errors if row.get("type") == "NOT_FOUND" and row.get("path")}
    for index, name in enumerate(names):
        node = data.get(f"r{index}")
        if node is None:
            # Only GitHub's own word makes one missing; whatever else left a hole, it is there for all that is known.
            yield RepoInfo(name=name, state="missing" if f"r{index}" in absent or not data else "unreadable")
            continue
        info = _info(client.host.name, node)
        yield info if info.name.key() == name.key() else msgspec.structs.replace(info, asked=name)


def _info(host: str, node: Any) -> RepoInfo:
    owner, _, name = node["nameWithOwner"].partition("/")
    branch = node["defaultBranchRef"] or {}
    head = (branch.get("target") or {}).get("oid", "")
    return RepoInfo(
        name=RepoName(host, owner, name),
        state="ready" if head else "empty" if node["isEmpty"] else "unreadable",
        visibility=node["visibility"].lower(),
        archived=node["isArchived"],
        branch=branch.get("name", ""),
        head=head,
        topics=tuple(each["topic"]["name"] for each in node["repositoryTopics"]["nodes"] or ()),
        id=node["id"],
    )


def _nameless(host: str, owner: str, state: State = "unreadable") -> RepoInfo:
    """A hole in a list: said, so that it is not taken for a list without it."""
    return RepoInfo(name=RepoName(host, owner, NAMELESS), state=state)
