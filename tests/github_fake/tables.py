"""What the fake says beyond GitHub's own description of its API, each with its reason.

`UNLISTED` names answers that GitHub gives and that its OpenAPI description does not list for most operations. `ASSUMPTIONS` names behaviour that neither states.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ASSUMPTIONS", "BASIC_ERROR", "UNDESCRIBED_ROUTES", "UNLISTED", "Unlisted", "unlisted"]

BASIC_ERROR = "basic-error"


class Unlisted(NamedTuple):
    """An answer that the description does not list for an operation, with any of its JSON bodies.

    ``recording`` names a file of PyGithub's recordings that holds such an answer (a test looks); where there is none, ``documented``
    says where GitHub's documentation speaks of it.
    """

    status: int
    schema: str
    recording: str = ""
    documented: str = ""


UNLISTED = (
    Unlisted(301, BASIC_ERROR, recording="Requester.testLoggingRedirection"),
    Unlisted(307, BASIC_ERROR, documented="REST, best practices, 'Follow redirects'"),
    Unlisted(401, BASIC_ERROR, recording="GithubIntegration.testGetAccessTokenWithExpiredJWT"),
    Unlisted(403, BASIC_ERROR, recording="WorkflowRun.test_cancel"),
    Unlisted(404, BASIC_ERROR, recording="GithubIntegration.testGetInstallationNotFound"),
    Unlisted(409, BASIC_ERROR, recording="Repository.testMergeUpstreamFailure"),
    Unlisted(422, "validation-error-simple", recording="Repository.testTransferOwnershipInvalidOwner"),
    Unlisted(429, BASIC_ERROR, documented="REST, rate limits, 'Exceeding the rate limit': 403 or 429"),
    Unlisted(500, BASIC_ERROR, recording="Retry.testReturnsRepoAfter1Retry"),
    Unlisted(502, BASIC_ERROR, recording="Retry.testReturnsRepoAfter3Retries"),
    Unlisted(503, BASIC_ERROR, recording="Exceptions.testNonJsonDataReturnedByGithub"),
    Unlisted(504, BASIC_ERROR, documented="GraphQL, resource limits, 'Timeouts'"),
)

# Routes that answer and that the description lacks, each with the recording that shows it.
UNDESCRIBED_ROUTES = {
    "/repositories/{repository_id}": "Requester.testLoggingRedirection",
}

ASSUMPTIONS = {
    "neutral-fields": "Fields that the description requires and the fake has no state for are empty, zero, false or null; those that it does not require are absent.",
    "redirect-rest": "A moved repository's sub-paths redirect to /repositories/ID with the rest of the path and the query.",
    "redirect-git": "Git over HTTP of a moved repository answers 301 with the new name in Location.",
    "graphql-moved": "GraphQL's repository(owner, name) follows a former name unless followRenames is false, and gives the new one.",
    "git-no-access": "Git over HTTP answers 401 without a token and 404 with one that may not see the repository.",
    "git-moved-head": "A commit that no ref reaches any more is still served by its id until the fake is told to forget it.",
    "pull-merge-ref": "refs/pull/N/merge is made anew when base or head moved and they merge, and is left alone when they do not.",
    "secondary-limit": "Secondary limits answer 403 with Retry-After, or without it and then mean one minute.",
    "graphql-rate": "GraphQL answers 200 with an error of type RATE_LIMITED when the primary limit is used up.",
    "cost": "One REST call and one GraphQL query cost one point each.",
    "graphql-contents": "GraphQL shows the default branch, and no commit, to a token without the right to contents.",
    "unknown-query": "A query parameter that the description does not name is refused: GitHub itself ignores it.",
}  # fmt: skip


def unlisted(status: int) -> Unlisted | None:
    """The row that allows a status; None when nothing does."""
    return next((row for row in UNLISTED if row.status == status), None)
