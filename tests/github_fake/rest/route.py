"""What a REST route is given and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.github_fake.rest.shapes import Shapes
from tests.github_fake.state import READ, WRITE, Account, Actor, Pull, Repo, World

if TYPE_CHECKING:
    from tests.github_fake.server import GitHubFake

__all__ = ["ROUTES", "Answer", "ApiError", "Call", "Paged", "route"]

Handler = Callable[["Call"], Any]
ROUTES: dict[tuple[str, str], Handler] = {}


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Register the handler of an operation, by the description's path template."""

    def register(handler: Handler) -> Handler:
        ROUTES[method, path] = handler
        return handler

    return register


class ApiError(Exception):
    """An answer of GitHub's that is an error. ``errors`` are rows of a 422."""

    def __init__(
        self, status: int, message: str, *, errors: list[Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})


@dataclass
class Answer:
    """An answer; a handler that gives anything else means 200 with that for its body."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Paged:
    """A list that the server gives out in pages. ``wrap`` puts a page into an object (``{"total_count": ..}``)."""

    items: list[Any]
    wrap: Callable[[list[Any]], Any] = lambda items: items


@dataclass
class Call:
    """One request as its handler sees it."""

    fake: GitHubFake
    world: World
    actor: Actor
    params: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any
    shapes: Shapes
    rest: str  # the path below /repos/{owner}/{repo}, for redirects
    raw: bool  # whether Accept asks for raw bytes
    method: str

    def text(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return self.query.get(name, [default])[0]

    def repo(self, area: str = "metadata", level: str = READ) -> Repo:
        """The repository that the path names. 404 where the token may not see it, 301 where it has moved, 403 without the right."""
        found = self.world.find(self.params["owner"], self.params["repo"])
        if found is None or not self.world.sees(self.actor, found[0]):
            raise ApiError(404, "Not Found")
        repo, moved = found
        if moved:
            url = f"{self.shapes.api}/repositories/{repo.id}{self.rest}"
            query = self.fake.query_of(self.query)
            status, message = (301, "Moved Permanently") if self.method == "GET" else (307, "Temporary Redirect")
            raise ApiError(status, message, headers={"Location": url + query})
        self.need(repo, area, level)
        return repo

    def need(self, repo: Repo, area: str, level: str) -> None:
        """403 without the right."""
        if self.actor.kind == "anonymous" and level == WRITE:
            raise ApiError(401, "Requires authentication")
        if level == WRITE and repo.archived:
            raise ApiError(403, "Repository was archived so is read-only.")
        if self.world.may(self.actor, repo, area, level):
            return
        if self.actor.permissions is None:
            raise ApiError(403, "Must have push access to repository") if level == WRITE else ApiError(404, "Not Found")
        raise ApiError(
            403,
            "Resource not accessible by integration",
            headers={"X-Accepted-GitHub-Permissions": f"{area}={level}"},
        )

    def pull(self, level: str = READ) -> tuple[Repo, Pull]:
        """The pull request that the path names, brought up to date."""
        repo = self.repo("pull_requests", level)
        pull = repo.pulls.get(self.number("pull_number"))
        if pull is None:
            raise ApiError(404, "Not Found")
        self.world.refresh(repo, pull)
        return repo, pull

    def number(self, name: str) -> int:
        """A number in the path; 404 for what is none."""
        text = self.params[name]
        if not text.isdecimal():
            raise ApiError(404, "Not Found")
        return int(text)

    def account(self, name: str, kind: str | None = None) -> Account:
        """The account that the path names."""
        account = self.world.accounts.get(self.params[name].lower())
        if account is None or (kind is not None and account.kind != kind):
            raise ApiError(404, "Not Found")
        return account

    def author(self) -> Account:
        """Whom a write is by."""
        if self.actor.account is None:
            raise ApiError(401, "Requires authentication")
        return self.actor.account
