"""The GraphQL API: GitHub's own schema (npm ``@octokit/graphql-schema``) executed over the state.

A document is validated against the schema before it runs, and what it gets is made by the schema's own types, so that an answer
that GitHub could not give raises here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.github_fake.rest.shapes import when
from tests.github_fake.state import READ, Account, Actor, Repo

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLSchema

    from tests.github_fake.server import GitHubFake

__all__ = ["answer", "is_write", "schema"]

_FILE = Path(__file__).parent.parent / "oracle/node_modules/@octokit/graphql-schema/schema.graphql"
_PAGE_MAX = 100


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """GitHub's schema, read once a process (it takes a second or two)."""
    from graphql import build_schema

    return build_schema(_FILE.read_text(), assume_valid=True, no_location=True)


def is_write(document: str) -> bool:
    """Whether a document holds a mutation."""
    from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

    try:
        definitions = parse(document).definitions
    except GraphQLError:
        return False
    return any(isinstance(d, OperationDefinitionNode) and d.operation is OperationType.MUTATION for d in definitions)


def answer(fake: GitHubFake, actor: Actor, body: Any) -> tuple[dict[str, Any], list[str]]:
    """The answer to a query, and what was wrong with the query itself."""
    from graphql import GraphQLError, execute_sync, parse, validate

    try:
        document: DocumentNode = parse(body["query"])
    except (GraphQLError, KeyError, TypeError) as error:
        return {"errors": [{"message": str(error)}]}, [f"GraphQL: {error}"]
    faults = validate(schema(), document)
    if faults:
        return {"errors": [{"message": f.message} for f in faults]}, [f"GraphQL: {f.message}" for f in faults]
    result = execute_sync(schema(), document, _Root(fake, actor).query(), variable_values=body.get("variables") or {})
    shape: dict[str, Any] = {"data": result.data}
    own: list[str] = []
    if result.errors:
        shape["errors"] = []
        for fault in result.errors:
            kind = (fault.extensions or {}).get("type")
            if kind is None:  # not one of GitHub's: the fake gave something that the schema forbids
                own.append(f"GraphQL: {fault}")
            row: dict[str, Any] = {"type": kind} if kind else {}
            row |= {"path": fault.path, "message": fault.message}
            row["locations"] = [{"line": place.line, "column": place.column} for place in fault.locations or ()]
            shape["errors"].append(row)
    return shape, own


def _error(kind: str, message: str) -> Exception:
    from graphql import GraphQLError

    return GraphQLError(message, extensions={"type": kind})


class _Root:
    """Resolvers: dictionaries whose values are constants or functions of the arguments, as graphql-core's default resolver takes them."""

    def __init__(self, fake: GitHubFake, actor: Actor) -> None:
        self.fake = fake
        self.world = fake.world
        self.actor = actor

    def query(self) -> dict[str, Any]:
        return {
            "repository": self.repository,
            "repositoryOwner": lambda _, login: self.account(login, None),
            "organization": lambda _, login: self.account(login, "Organization"),
            "user": lambda _, login: self.account(login, "User"),
            "viewer": lambda _: self.owner(self.actor.account) if self.actor.account else None,
            "rateLimit": self.rate,
        }

    def rate(self, _: Any, dryRun: bool = False) -> dict[str, Any]:  # noqa: N803 - GitHub's name
        rate = self.fake.rate(self.actor, "graphql")
        return {
            "cost": 1,
            "limit": rate.limit,
            "remaining": rate.remaining,
            "used": rate.used,
            "resetAt": when(rate.reset),
            "nodeCount": 0,
        }

    def repository(self, _: Any, owner: str, name: str, followRenames: bool = True) -> dict[str, Any]:  # noqa: N803
        found = self.world.find(owner, name)
        if found is None or not self.world.sees(self.actor, found[0]) or (found[1] and not followRenames):
            raise _error("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return self.repo(found[0])

    def account(self, login: str, kind: str | None) -> dict[str, Any] | None:
        account = self.world.accounts.get(login.lower())
        if account is None or (kind is not None and account.kind != kind):
            if kind is None:
                return None
            raise _error(
                "NOT_FOUND",
                f"Could not resolve to {'an' if kind[0] in 'OU' else 'a'} {kind} with the login of '{login}'.",
            )
        return self.owner(account)

    def owner(self, account: Account) -> dict[str, Any]:
        return {
            "__typename": account.kind,
            "id": f"{account.kind[0]}_{account.id}",
            "login": account.login,
            "databaseId": account.id,
            "url": f"{self.fake.url}/{account.login}",
            "repositories": lambda info, **how: self.repositories(account, **how),
        }

    def repositories(self, account: Account, **how: Any) -> dict[str, Any]:
        seen = [repo for repo in self.world.repos_of(account) if self.world.sees(self.actor, repo)]
        for key, wanted in (("isArchived", lambda r: r.archived), ("isFork", lambda r: r.parent is not None)):
            if how.get(key) is not None:
                seen = [repo for repo in seen if wanted(repo) == how[key]]
        if how.get("visibility"):
            seen = [repo for repo in seen if repo.private == (how["visibility"] == "PRIVATE")]
        order = how.get("orderBy") or {}
        if order.get("field") == "NAME":
            seen.sort(key=lambda repo: repo.name.lower(), reverse=order["direction"] == "DESC")
        if order.get("field") == "CREATED_AT":
            seen.sort(key=lambda repo: (repo.created, repo.id), reverse=order["direction"] == "DESC")
        return self.connection("repositories", seen, self.repo, how)

    def connection(
        self, name: str, items: list[Any], shape: Callable[[Any], dict[str, Any]], how: dict[str, Any]
    ) -> dict[str, Any]:
        first = how.get("first")
        if first is None:
            raise _error(
                "MISSING_PAGINATION_BOUNDARIES",
                f"You must provide a `first` or `last` value to properly paginate the `{name}` connection.",
            )
        if first > _PAGE_MAX:
            raise _error(
                "EXCESSIVE_PAGINATION",
                f"Requesting {first} records on the `{name}` connection exceeds the `first` limit of 100 records.",
            )
        begin = int(how["after"].removeprefix("cursor:")) if how.get("after") else 0
        some = items[begin : begin + first]
        end = begin + len(some)
        return {
            "totalCount": len(items),
            "nodes": [shape(item) for item in some],
            "pageInfo": {
                "hasNextPage": end < len(items),
                "hasPreviousPage": begin > 0,
                "startCursor": f"cursor:{begin}" if some else None,
                "endCursor": f"cursor:{end}" if some else None,
            },
        }

    def repo(self, repo: Repo) -> dict[str, Any]:
        return {
            "__typename": "Repository",
            "id": f"R_{repo.id}",
            "databaseId": repo.id,
            "name": repo.name,
            "nameWithOwner": repo.full_name,
            "owner": lambda _: self.owner(repo.owner),
            "url": f"{self.fake.url}/{repo.full_name}",
            "isPrivate": repo.private,
            "visibility": "INTERNAL" if repo.internal else "PRIVATE" if repo.private else "PUBLIC",
            "isArchived": repo.archived,
            "isDisabled": False,
            "isFork": repo.parent is not None,
            "isEmpty": repo.head() is None,
            "isLocked": False,
            "isMirror": False,
            "isTemplate": False,
            "diskUsage": 1,
            "defaultBranchRef": lambda _: self.branch(repo),
            "pushedAt": when(repo.created),
            "repositoryTopics": lambda _, **how: self.connection(
                "repositoryTopics", repo.topics, lambda topic: {"topic": {"name": topic}}, how
            ),
            "object": lambda _, **how: self.object(repo, **how),
        }

    def branch(self, repo: Repo) -> dict[str, Any] | None:
        oid = repo.head()
        if oid is None:
            return None
        return {
            "name": repo.default_branch,
            "prefix": "refs/heads/",
            # A token without the right to contents sees the repository and not its commits.
            "target": {"__typename": "Commit", "oid": oid}
            if self.world.may(self.actor, repo, "contents", READ)
            else None,
        }

    def object(self, repo: Repo, expression: str | None = None, oid: str | None = None) -> dict[str, Any] | None:
        revision = expression or oid or ""
        if ":" not in revision:
            found = repo.git.resolve(revision)
            return {"__typename": "Commit", "oid": found} if found else None
        commit, path = revision.split(":", 1)
        commit = repo.git.resolve(commit.replace("HEAD", f"refs/heads/{repo.default_branch}")) or ""
        entry = repo.git.tree(commit).get(path) if commit else None
        if entry is None:
            return None
        data = repo.git.git("cat-file", "blob", entry[1])
        return {
            "__typename": "Blob",
            "oid": entry[1],
            "byteSize": len(data),
            "isBinary": b"\0" in data,
            "text": data.decode(errors="replace"),
        }
