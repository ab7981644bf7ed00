"""What the fake says beyond GitHub's own description of its API, each with its reason.

`UNLISTED` names answers that GitHub gives and its OpenAPI description does not list for the operation. ``seen`` says how it is
known: a recording in PyGithub's source distribution (file and kind of call), or GitHub's documentation. `ASSUMPTIONS` names
behaviour that neither description nor recording states.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ASSUMPTIONS", "BASIC_ERROR", "UNDESCRIBED_ROUTES", "UNLISTED", "Unlisted", "unlisted"]

BASIC_ERROR = "basic-error"
_EVERY = "*"


class Unlisted(NamedTuple):
    """An answer that the description does not list. ``path`` is a template of the description, or ``*`` for every one."""

    method: str
    path: str
    status: int
    schema: str
    seen: str


UNLISTED = (
    Unlisted(_EVERY, _EVERY, 301, BASIC_ERROR, "recorded: Requester.testLoggingRedirection, PullRequest2408.setUp"),
    Unlisted(_EVERY, _EVERY, 307, BASIC_ERROR, "documented: redirects of calls that are not GET (REST, 'Best practices')"),
    Unlisted(_EVERY, _EVERY, 401, BASIC_ERROR, "recorded: Authentication.testAuthorizationHeaderWithLogin (Bad credentials)"),
    Unlisted(_EVERY, _EVERY, 403, BASIC_ERROR, "recorded: WorkflowRun.test_cancel; documented: rate limits, rights"),
    Unlisted(_EVERY, _EVERY, 404, BASIC_ERROR, "recorded: GithubIntegration.testGetInstallationNotFound"),
    Unlisted(_EVERY, _EVERY, 409, BASIC_ERROR, "recorded: Repository.testMergeUpstreamFailure; documented: empty repository"),
    Unlisted(_EVERY, _EVERY, 422, "validation-error-simple", "recorded: GithubIntegration.testGetAccessTokenWithInvalidPermissions"),
    Unlisted(_EVERY, _EVERY, 429, BASIC_ERROR, "documented: rate limits answer 403 or 429"),
    Unlisted(_EVERY, _EVERY, 500, BASIC_ERROR, "recorded: GithubRetry, 5xx with a JSON body"),
    Unlisted(_EVERY, _EVERY, 502, BASIC_ERROR, "recorded: 502 of Repository calls in PyGithub's recordings"),
    Unlisted(_EVERY, _EVERY, 503, BASIC_ERROR, "recorded: 503 of Repository calls in PyGithub's recordings"),
    Unlisted(_EVERY, _EVERY, 504, BASIC_ERROR, "documented: a query that takes more than ten seconds is ended"),
)  # fmt: skip

# Routes that answer and that the description lacks.
UNDESCRIBED_ROUTES = {
    "/repositories/{repository_id}": "recorded: where Requester.testLoggingRedirection is redirected to",
}

ASSUMPTIONS = {
    "neutral-fields": "Fields that the description requires and the fake has no state for are empty, zero, false or null.",
    "redirect-rest": "A moved repository's sub-paths redirect to /repositories/ID with the rest of the path and the query.",
    "redirect-git": "Git over HTTP of a moved repository answers 301 with the new name in Location.",
    "graphql-moved": "GraphQL's repository(owner, name) follows a former name unless followRenames is false, and gives the new one.",
    "git-no-access": "Git over HTTP answers 401 without a token and 404 with one that may not see the repository.",
    "git-moved-head": "A commit that no ref reaches any more is still served by its id until the fake is told to forget it.",
    "pull-merge-ref": "refs/pull/N/merge is made anew when base or head moved and they merge, and is left alone when they do not.",
    "secondary-limit": "Secondary limits answer 403 with Retry-After, or without it and then mean one minute.",
    "graphql-rate": "GraphQL answers 200 with an error of type RATE_LIMITED when the primary limit is used up.",
    "cost": "One REST call and one GraphQL query cost one point each.",
    "unknown-query": "A query parameter that the description does not name is refused: GitHub itself ignores it.",
}  # fmt: skip


def unlisted(method: str, path: str, status: int) -> Unlisted | None:
    """The row that allows this answer; None when nothing does."""
    for row in UNLISTED:
        if row.status == status and row.method in (_EVERY, method) and row.path in (_EVERY, path):
            return row
    return None
