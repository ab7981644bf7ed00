"""A pull request on GitHub: who approves it, what it changes, and the only writes there are: one comment, and reviews.

Source: GitHub's REST documentation, "Pull requests", "Pull request reviews", "Issue comments", "Team members".
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from bot.github.client import Client
from bot.github.errors import GitHubError
from bot.names import RepoName

__all__ = ["SPEAK_PERMISSIONS", "TEAM_PERMISSIONS", "Pull", "PullRequest", "ReviewComment", "in_team", "upload_sarif"]

# What an App's token is asked for, a use each: one that lacks a right still serves for the others.
SPEAK_PERMISSIONS: Mapping[str, str] = {"metadata": "read", "pull_requests": "write"}
TEAM_PERMISSIONS: Mapping[str, str] = {"metadata": "read", "members": "read"}

_PAGE = 100
_DECISIVE = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
_SARIF_MAX = 10_000_000  # GitHub's limit on what is uploaded, compressed


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request as it is now: its author's login (empty for one who is gone), and its last commit."""

    author: str
    head: str


class ReviewComment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment of a review, on lines of the new file that the diff shows. ``start_line`` is None for a single line."""

    path: str
    body: str
    line: int
    start_line: int | None = None


class PullRequest:
    """One pull request. Every method raises `GitHubError`."""

    def __init__(self, client: Client, repository: RepoName, number: int) -> None:
        self._client = client
        self._owner = repository.owner
        self._repository = f"/repos/{repository.owner}/{repository.name}"
        self._number = number
        self._name = f"{repository}#{number}"
        self._we: str | None = None

    # -- reading ---------------------------------------------------------------------------------

    def read(self) -> Pull:
        """The pull request as it is now."""
        found = self._ask("GET", f"/pulls/{self._number}", f"read {self._name}")
        return Pull(author=_login(found), head=str(found["head"]["sha"]))

    def approvers(self, pull: Pull) -> tuple[str, ...]:
        """Logins of those whose last word about the pull request is an approval of its last commit; never its author's."""
        last: dict[str, tuple[str, str]] = {}
        for review in self._pages(f"/pulls/{self._number}/reviews", f"read the reviews of {self._name}"):
            if review.get("state") in _DECISIVE and _login(review):
                # In the order in which they were made; a comment takes back no approval.
                last[_login(review)] = (str(review["state"]), str(review.get("commit_id") or ""))
        return tuple(
            login
            for login, said in last.items()
            if said == ("APPROVED", pull.head) and login.lower() != pull.author.lower()
        )

    def diff(self) -> bytes:
        """The hunks of its diff as GitHub shows it, as a unified diff; a file whose diff is too large to show has none."""
        parts: list[str] = []
        for file in self._pages(f"/pulls/{self._number}/files", f"read the files of {self._name}"):
            name = str(file["filename"])
            if file.get("patch") and "\n" not in name:
                parts += ["diff", f"+++ b/{name}", str(file["patch"])]
        return "".join(f"{part}\n" for part in parts).encode("utf-8", "surrogatepass")

    def said(self) -> tuple[str, ...]:
        """The bodies of the review comments that we have left on it."""
        doing = f"read the review comments of {self._name}"
        return tuple(
            str(comment["body"])
            for comment in self._pages(f"/pulls/{self._number}/comments", doing)
            if self._is_ours(comment)
        )

    # -- writing ---------------------------------------------------------------------------------

    def put_comment(
        self, marker: str, body: str, *, create: bool
    ) -> Literal["created", "updated", "unchanged", "nothing"]:
        """Bring our one comment to ``body``, which begins with the hidden ``marker`` that finds it again.

        Two runs at once may have made two: the first is kept and the others are deleted. Somebody else's comment that holds the
        marker is left alone. Without ``create`` a comment is only updated.
        """
        comments = self._pages(f"/issues/{self._number}/comments", f"read the comments of {self._name}")
        # All are read before one is deleted: that moves those on later pages.
        ours = [c for c in comments if str(c.get("body") or "").startswith(marker) and self._is_ours(c)]
        if ours:
            first, *others = ours
            changed = first["body"] != body
            if changed:
                doing = f"update our comment on {self._name}"
                self._ask("PATCH", f"/issues/comments/{first['id']}", doing, {"body": body})
            for other in others:
                self._delete_comment(other["id"])
            return "updated" if changed or others else "unchanged"
        if not create:
            return "nothing"
        self._ask("POST", f"/issues/{self._number}/comments", f"comment on {self._name}", {"body": body})
        return "created"

    def review(self, head: str, body: str, comments: Sequence[ReviewComment]) -> None:
        """Post one review of a commit that neither approves nor refuses."""
        rows: list[dict[str, object]] = []
        for comment in comments:
            row: dict[str, object] = {
                "path": comment.path,
                "body": comment.body,
                "line": comment.line,
                "side": "RIGHT",
            }
            if comment.start_line is not None:
                row |= {"start_line": comment.start_line, "start_side": "RIGHT"}
            rows.append(row)
        self._ask(
            "POST",
            f"/pulls/{self._number}/reviews",
            f"review {self._name}",
            {"commit_id": head, "body": body, "event": "COMMENT", "comments": rows},
        )

    # -- inside ----------------------------------------------------------------------------------

    def _delete_comment(self, number: int) -> None:
        try:
            self._ask("DELETE", f"/issues/comments/{number}", f"delete our second comment on {self._name}")
        except GitHubError as error:
            if error.kind != "not-found":  # another run was faster
                raise

    def _is_ours(self, comment: Mapping[str, Any]) -> bool:
        """Whether we wrote it. REST says ``name[bot]`` where GraphQL may say ``name``."""
        if self._we is None:
            doing = "learn whose token it is"
            data, _ = self._client.graphql("query { viewer { login } }", {}, owner=self._owner, doing=doing)
            self._we = str(data["viewer"]["login"])
        user = comment.get("user") or {}
        bot = user.get("type") == "Bot"
        mine = self._we.removesuffix("[bot]").lower()
        return _login(comment).removesuffix("[bot]").lower() == mine and (bot or not self._we.endswith("[bot]"))

    def _pages(self, path: str, doing: str) -> Iterator[Mapping[str, Any]]:
        page = 1
        while True:
            found = self._ask("GET", f"{path}?per_page={_PAGE}&page={page}", doing)
            yield from found
            if len(found) < _PAGE:
                return
            page += 1

    def _ask(self, verb: str, path: str, doing: str, body: Mapping[str, Any] | None = None) -> Any:
        with self._client.doing(doing):
            _, found = self._client.transport(self._owner).requestJsonAndCheck(
                verb, self._repository + path, input=body
            )
        return found


def in_team(client: Client, team: str, login: str) -> bool:
    """Whether somebody is an active member of ``organisation/team``. Raises `GitHubError`, also where the team cannot be seen."""
    owner, _, slug = team.partition("/")
    transport = client.transport(owner)
    with client.doing(f"read the team @{team}"):
        # A 404 about a member says nothing unless the team itself can be seen.
        transport.requestJsonAndCheck("GET", f"/orgs/{owner}/teams/{slug}")
    try:
        with client.doing(f"read the members of @{team}"):
            _, found = transport.requestJsonAndCheck("GET", f"/orgs/{owner}/teams/{slug}/memberships/{login}")
    except GitHubError as error:
        if error.kind == "not-found":
            return False
        raise
    return bool(found.get("state") == "active")


def upload_sarif(client: Client, repository: RepoName, *, commit: str, ref: str, sarif: str) -> None:
    """Give a SARIF report to code scanning. Raises `GitHubError`."""
    packed = gzip.compress(sarif.encode("utf-8", "backslashreplace"), mtime=0)
    if len(packed) > _SARIF_MAX:
        raise GitHubError("invalid", "the SARIF report is too large for code scanning", remedy="It takes 10 MB.")
    with client.doing(f"upload SARIF to code scanning of {repository}"):
        client.transport(repository.owner).requestJsonAndCheck(
            "POST",
            f"/repos/{repository.owner}/{repository.name}/code-scanning/sarifs",
            input={"commit_sha": commit, "ref": ref, "sarif": base64.b64encode(packed).decode()},
        )


def _login(made: Mapping[str, Any]) -> str:
    """Whoever made it; empty for an account that is gone."""
    return str((made.get("user") or {}).get("login") or "")
