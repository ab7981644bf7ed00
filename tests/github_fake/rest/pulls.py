"""Pull requests: their files and commits, comments and reviews."""

from __future__ import annotations

from typing import Any

from tests.github_fake.rest.gitdata import changed_files
from tests.github_fake.rest.route import Answer, ApiError, Call, Paged, route
from tests.github_fake.state import READ, WRITE, Comment, Pull, Repo, Review

# GitHub's own limit on a comment's body, and its words for it.
_BODY_MAX = 65536
_EVENTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED", None: "PENDING"}


@route("GET", "/repos/{owner}/{repo}/pulls")
def list_pulls(call: Call) -> Any:
    repo = call.repo("pull_requests")
    state, base, head = call.text("state", "open"), call.text("base"), call.text("head")
    found = [
        pull
        for pull in sorted(repo.pulls.values(), key=lambda p: -p.number)
        if state in ("all", pull.state) and base in ("", pull.base) and head in ("", _label(pull))
    ]
    for pull in found:
        call.world.refresh(repo, pull)
    return Paged([call.shapes.pull(repo, pull) for pull in found])


def _label(pull: Pull) -> str:
    return f"{pull.head_repo.owner.login if pull.head_repo else ''}:{pull.head}"


@route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}")
def get_pull(call: Call) -> Any:
    return call.shapes.pull(*call.pull())


@route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/files")
def list_files(call: Call) -> Any:
    repo, pull = call.pull()
    base, head = _range(call, repo, pull)
    # GitHub lists at most 3,000.
    return Paged(changed_files(call, repo, repo.git.git("merge-base", base, head).decode().strip(), head)[:3000])


@route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/commits")
def list_pull_commits(call: Call) -> Any:
    repo, pull = call.pull()
    base, head = _range(call, repo, pull)
    oids = repo.git.git("rev-list", "--reverse", f"{base}..{head}").decode().split()
    return Paged([call.shapes.commit(repo, oid) for oid in oids[:250]])


def _range(call: Call, repo: Repo, pull: Pull) -> tuple[str, str]:
    base, head = repo.head(pull.base), call.world.head_of(repo, pull)
    if base is None or head is None:
        raise ApiError(404, "Not Found")
    return base, head


# Comments of the conversation


def _issue(call: Call, level: str = READ) -> tuple[Repo, Pull]:
    """A pull request's comments are its issue's: either right will do."""
    repo = call.repo()
    if not call.world.may(call.actor, repo, "pull_requests", level):
        call.need(repo, "issues", level)
    elif level == WRITE:
        call.need(repo, "pull_requests", level)
    pull = repo.pulls.get(call.number("issue_number"))
    if pull is None:
        raise ApiError(404, "Not Found")
    return repo, pull


def _comment(call: Call, level: str = READ) -> tuple[Repo, Pull, Comment]:
    repo = call.repo()
    if not call.world.may(call.actor, repo, "pull_requests", level):
        call.need(repo, "issues", level)
    number = call.number("comment_id")
    for pull in repo.pulls.values():
        for comment in pull.comments:
            if comment.id == number:
                return repo, pull, comment
    raise ApiError(404, "Not Found")


def _body(call: Call, resource: str) -> str:
    body = call.body.get("body") or ""
    if not body:
        raise ApiError(
            422, "Validation Failed", errors=[{"resource": resource, "code": "missing_field", "field": "body"}]
        )
    if len(body) > _BODY_MAX:
        message = f"body is too long (maximum is {_BODY_MAX} characters)"
        error = {"resource": resource, "code": "unprocessable", "field": "data", "message": message}
        raise ApiError(422, "Validation Failed", errors=[error])
    return str(body)


@route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/comments")
def list_comments(call: Call) -> Any:
    repo, pull = _issue(call)
    return Paged([call.shapes.comment(repo, pull, comment) for comment in pull.comments])


@route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments")
def create_comment(call: Call) -> Any:
    repo, pull = _issue(call, WRITE)
    comment = call.world.comment(pull, call.author().login, _body(call, "IssueComment"))
    return Answer(201, call.shapes.comment(repo, pull, comment))


@route("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}")
def get_comment(call: Call) -> Any:
    return call.shapes.comment(*_comment(call))


@route("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}")
def update_comment(call: Call) -> Any:
    repo, pull, comment = _comment(call, WRITE)
    _own(call, repo, comment.author.login)
    comment.body, comment.updated = _body(call, "IssueComment"), call.world.clock()
    return call.shapes.comment(repo, pull, comment)


@route("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}")
def delete_comment(call: Call) -> Any:
    repo, pull, comment = _comment(call, WRITE)
    _own(call, repo, comment.author.login)
    pull.comments.remove(comment)
    return Answer(204)


def _own(call: Call, repo: Repo, login: str) -> None:
    """People with a user's token change their own words, or have the right to write to the repository."""
    author = call.author()
    if (
        author.login != login
        and not call.world.may(call.actor, repo, "contents", WRITE)
        and call.actor.permissions is None
    ):
        raise ApiError(403, "Must have admin rights to Repository.")


# Reviews


@route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews")
def list_reviews(call: Call) -> Any:
    repo, pull = call.pull()
    return Paged([call.shapes.review(repo, pull, review) for review in pull.reviews])


@route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}")
def get_review(call: Call) -> Any:
    repo, pull = call.pull()
    return call.shapes.review(repo, pull, _review(call, pull))


@route("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews")
def create_review(call: Call) -> Any:
    repo, pull = call.pull(WRITE)
    body = call.body or {}
    event = body.get("event")
    if event in ("APPROVE", "REQUEST_CHANGES") and call.author() is pull.author:
        word = "approve" if event == "APPROVE" else "request changes on"
        raise ApiError(422, "Unprocessable Entity", errors=[f"Can not {word} your own pull request"])
    commit = body.get("commit_id") or call.world.head_of(repo, pull)
    comments = [dict(row) for row in body.get("comments", ())]
    lines = _diff_lines(call, repo, pull)
    for row in comments:
        # GitHub takes comments on lines of the diff alone.
        for key in ("line", "start_line"):
            if row.get(key) is not None and (row["path"], row.get("side", "RIGHT"), row[key]) not in lines:
                raise ApiError(422, "Unprocessable Entity", errors=["Line could not be resolved"])
        row["id"] = call.world.id()
    review = Review(
        id=call.world.id(),
        author=call.author(),
        state=_EVENTS[event],
        body=body.get("body") or "",
        commit=commit or "0" * 40,
        submitted=call.world.clock(),
        comments=comments,
    )
    pull.reviews.append(review)
    return call.shapes.review(repo, pull, review)


@route("PUT", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/dismissals")
def dismiss_review(call: Call) -> Any:
    repo, pull = call.pull(WRITE)
    review = _review(call, pull)
    if review.state not in ("APPROVED", "CHANGES_REQUESTED"):
        raise ApiError(422, "Can not dismiss a commented pull request review")
    review.state = "DISMISSED"
    return call.shapes.review(repo, pull, review)


def _review(call: Call, pull: Pull) -> Review:
    number = call.number("review_id")
    for review in pull.reviews:
        if review.id == number:
            return review
    raise ApiError(404, "Not Found")


@route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/comments")
def list_review_comments(call: Call) -> Any:
    repo, pull = call.pull()
    return Paged(
        [call.shapes.review_comment(repo, pull, review, row) for review in pull.reviews for row in review.comments]
    )


@route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments")
def list_comments_of_review(call: Call) -> Any:
    repo, pull = call.pull()
    review = _review(call, pull)
    return Paged([call.shapes.review_comment(repo, pull, review, row) for row in review.comments])


def _diff_lines(call: Call, repo: Repo, pull: Pull) -> set[tuple[str, str, int]]:
    """Every line that the diff shows: path, side, number."""
    base, head = _range(call, repo, pull)
    fork = repo.git.git("merge-base", base, head).decode().strip()
    shown: set[tuple[str, str, int]] = set()
    for row in changed_files(call, repo, fork, head):
        left = right = 0
        for line in row.get("patch", "").split("\n"):
            if line.startswith("@@"):
                before, after = line.split(" ")[1:3]
                left, right = int(before[1:].split(",")[0]), int(after[1:].split(",")[0])
                continue
            if line[:1] in ("-", " "):
                shown.add((row["filename"], "LEFT", left))
                left += 1
            if line[:1] in ("+", " "):
                shown.add((row["filename"], "RIGHT", right))
                right += 1
    return shown
