"""The state in GitHub's words: dictionaries as the REST API gives them.

Only what the state knows is said here; what else GitHub's description requires is filled in with neutral values by the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.github_fake.state import Account, App, CheckRun, Comment, Installation, Pull, Repo, Review, Team, World

__all__ = ["Shapes", "when"]

Json = dict[str, Any]


def when(seconds: float) -> str:
    """A time as GitHub writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Shapes:
    """``api``: the address that the request came to, without a trailing slash; ``html``: the web's."""

    world: World
    api: str
    html: str

    def user(self, account: Account) -> Json:
        """A simple user."""
        url = f"{self.api}/users/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": f"U_{account.id}",
            "avatar_url": "",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.html}/{account.login}",
            "repos_url": f"{url}/repos",
            "type": account.kind,
            "site_admin": False,
        }

    def organization(self, account: Account) -> Json:
        """A simple organisation."""
        url = f"{self.api}/orgs/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": f"O_{account.id}",
            "url": url,
            "repos_url": f"{url}/repos",
            "html_url": f"{self.html}/{account.login}",
            "avatar_url": "",
            "description": None,
            "type": "Organization",
        }

    def team(self, team: Team) -> Json:
        """A team."""
        url = f"{self.api}/orgs/{team.org}/teams/{team.slug}"
        return {
            "id": team.id,
            "node_id": f"T_{team.id}",
            "name": team.slug,
            "slug": team.slug,
            "url": url,
            "members_url": url + "/members{/member}",
            "repositories_url": f"{url}/repos",
            "privacy": "closed",
            "permission": "pull",
            "members_count": len(team.members),
            "organization": self.organization(self.world.accounts[team.org.lower()]),
        }

    def repo(self, repo: Repo) -> Json:
        """A repository."""
        url = f"{self.api}/repos/{repo.full_name}"
        html = f"{self.html}/{repo.full_name}"
        return {
            "id": repo.id,
            "node_id": f"R_{repo.id}",
            "name": repo.name,
            "full_name": repo.full_name,
            "owner": self.user(repo.owner),
            "private": repo.private,
            "visibility": "private" if repo.private else "public",
            "description": repo.description,
            "fork": repo.parent is not None,
            "archived": repo.archived,
            "default_branch": repo.default_branch,
            "topics": repo.topics,
            "url": url,
            "html_url": html,
            "clone_url": f"{html}.git",
            "created_at": when(repo.created),
            "pushed_at": when(repo.created),
            "updated_at": when(repo.created),
        }

    def commit(self, repo: Repo, oid: str) -> Json:
        """A commit with its message and parents."""
        out = repo.git.git("show", "-s", "--format=%H%n%T%n%P%n%an%n%ae%n%at%n%cn%n%ce%n%ct%n%B", oid).decode()
        sha, tree, parents, *people = out.split("\n", 9)
        name, email, authored, committer, committer_email, committed, message = people
        base = f"{self.api}/repos/{repo.full_name}"
        return {
            "sha": sha,
            "node_id": f"C_{sha}",
            "url": f"{base}/commits/{sha}",
            "html_url": f"{self.html}/{repo.full_name}/commit/{sha}",
            "comments_url": f"{base}/commits/{sha}/comments",
            "commit": {
                "url": f"{base}/git/commits/{sha}",
                "author": {"name": name, "email": email, "date": when(int(authored))},
                "committer": {"name": committer, "email": committer_email, "date": when(int(committed))},
                "message": message.rstrip("\n"),
                "tree": {"sha": tree, "url": f"{base}/git/trees/{tree}"},
                "comment_count": 0,
            },
            "author": None,
            "committer": None,
            "parents": [{"sha": p, "url": f"{base}/commits/{p}"} for p in parents.split()],
        }

    def git_commit(self, repo: Repo, oid: str) -> Json:
        """A commit as the git database gives it."""
        whole = self.commit(repo, oid)
        return {
            "sha": oid,
            "node_id": whole["node_id"],
            "url": f"{self.api}/repos/{repo.full_name}/git/commits/{oid}",
            "html_url": whole["html_url"],
            "parents": [p | {"html_url": f"{self.html}/{repo.full_name}/commit/{p['sha']}"} for p in whole["parents"]],
            "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None},
            **{key: whole["commit"][key] for key in ("author", "committer", "message", "tree")},
        }

    def ref(self, repo: Repo, name: str, oid: str) -> Json:
        """A git ref; ``name`` in full."""
        base = f"{self.api}/repos/{repo.full_name}/git"
        return {
            "ref": name,
            "node_id": f"REF_{name}",
            "url": f"{base}/{name}",
            "object": {"sha": oid, "type": "commit", "url": f"{base}/commits/{oid}"},
        }

    def pull(self, repo: Repo, pull: Pull) -> Json:
        """A pull request, with everything that a single one has."""
        url = f"{self.api}/repos/{repo.full_name}/pulls/{pull.number}"
        issue = f"{self.api}/repos/{repo.full_name}/issues/{pull.number}"
        html = f"{self.html}/{repo.full_name}/pull/{pull.number}"
        head, base = self.world.head_of(repo, pull), repo.head(pull.base)
        mergeable = self.world.mergeable(repo, pull)
        head_repo = pull.head_repo if pull.head_repo and pull.head_repo.id in self.world.repos else None
        head_owner = head_repo.owner if head_repo else pull.author
        return {
            "id": pull.id,
            "node_id": f"PR_{pull.id}",
            "number": pull.number,
            "url": url,
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "issue_url": issue,
            "comments_url": f"{issue}/comments",
            "review_comments_url": f"{url}/comments",
            "commits_url": f"{url}/commits",
            "statuses_url": f"{self.api}/repos/{repo.full_name}/statuses/{head}",
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "body": pull.body,
            "user": self.user(pull.author),
            "labels": [],
            "draft": pull.draft,
            "merged": pull.merged,
            "mergeable": mergeable,
            "mergeable_state": "clean" if mergeable else "dirty",
            "merge_commit_sha": repo.git.ref(f"refs/pull/{pull.number}/merge"),
            "created_at": when(pull.created),
            "updated_at": when(pull.created),
            "closed_at": None,
            "merged_at": None,
            "author_association": self._association(repo, pull.author),
            "comments": len(pull.comments),
            "review_comments": sum(len(review.comments) for review in pull.reviews),
            "base": {
                "label": f"{repo.owner.login}:{pull.base}",
                "ref": pull.base,
                "sha": base or "0" * 40,
                "user": self.user(repo.owner),
                "repo": self.repo(repo),
            },
            "head": {
                "label": f"{head_owner.login}:{pull.head}",
                "ref": pull.head,
                "sha": head or "0" * 40,
                "user": self.user(head_owner),
                "repo": self.repo(head_repo) if head_repo else None,
            },
            "_links": {
                "self": {"href": url},
                "html": {"href": html},
                "issue": {"href": issue},
                "comments": {"href": f"{issue}/comments"},
                "review_comments": {"href": f"{url}/comments"},
                "review_comment": {"href": f"{self.api}/repos/{repo.full_name}/pulls/comments{{/number}}"},
                "commits": {"href": f"{url}/commits"},
                "statuses": {"href": f"{self.api}/repos/{repo.full_name}/statuses/{head}"},
            },
            **self._size(repo, base, head),
        }

    def _size(self, repo: Repo, base: str | None, head: str | None) -> Json:
        if not base or not head:
            return {"commits": 0, "additions": 0, "deletions": 0, "changed_files": 0}
        stat = repo.git.git("diff", "--numstat", f"{base}...{head}", ok=(0, 128)).decode(errors="replace")
        rows = [line.split("\t") for line in stat.splitlines()]
        return {
            "commits": int(repo.git.git("rev-list", "--count", f"{base}..{head}")),
            "additions": sum(int(row[0]) for row in rows if row[0] != "-"),
            "deletions": sum(int(row[1]) for row in rows if row[1] != "-"),
            "changed_files": len(rows),
        }

    def _association(self, repo: Repo, account: Account) -> str:
        if account is repo.owner:
            return "OWNER"
        if account.login.lower() in repo.owner.members:
            return "MEMBER"
        return "COLLABORATOR" if account.login.lower() in repo.collaborators else "CONTRIBUTOR"

    def comment(self, repo: Repo, pull: Pull, comment: Comment) -> Json:
        """A comment on an issue or pull request."""
        url = f"{self.api}/repos/{repo.full_name}/issues"
        return {
            "id": comment.id,
            "node_id": f"IC_{comment.id}",
            "url": f"{url}/comments/{comment.id}",
            "html_url": f"{self.html}/{repo.full_name}/pull/{pull.number}#issuecomment-{comment.id}",
            "issue_url": f"{url}/{pull.number}",
            "user": self.user(comment.author),
            "body": comment.body,
            "created_at": when(comment.created),
            "updated_at": when(comment.updated),
            "author_association": self._association(repo, comment.author),
        }

    def review(self, repo: Repo, pull: Pull, review: Review) -> Json:
        """A review."""
        url = f"{self.api}/repos/{repo.full_name}/pulls/{pull.number}"
        html = f"{self.html}/{repo.full_name}/pull/{pull.number}#pullrequestreview-{review.id}"
        return {
            "id": review.id,
            "node_id": f"PRR_{review.id}",
            "user": self.user(review.author),
            "body": review.body,
            "state": review.state,
            "html_url": html,
            "pull_request_url": url,
            "_links": {"html": {"href": html}, "pull_request": {"href": url}},
            "submitted_at": when(review.submitted),
            "commit_id": review.commit,
            "author_association": self._association(repo, review.author),
        }

    def review_comment(self, repo: Repo, pull: Pull, review: Review, comment: Json) -> Json:
        """A comment on a line of the diff."""
        base = f"{self.api}/repos/{repo.full_name}/pulls"
        html = f"{self.html}/{repo.full_name}/pull/{pull.number}#discussion_r{comment['id']}"
        return {
            "id": comment["id"],
            "node_id": f"PRRC_{comment['id']}",
            "pull_request_review_id": review.id,
            "url": f"{base}/comments/{comment['id']}",
            "html_url": html,
            "pull_request_url": f"{base}/{pull.number}",
            "_links": {
                "self": {"href": f"{base}/comments/{comment['id']}"},
                "html": {"href": html},
                "pull_request": {"href": f"{base}/{pull.number}"},
            },
            "diff_hunk": "",
            "path": comment["path"],
            "commit_id": review.commit,
            "original_commit_id": review.commit,
            "user": self.user(review.author),
            "body": comment["body"],
            "created_at": when(review.submitted),
            "updated_at": when(review.submitted),
            "author_association": self._association(repo, review.author),
            **{key: comment[key] for key in ("line", "side", "start_line", "start_side") if key in comment},
        }

    def check_run(self, repo: Repo, run: CheckRun) -> Json:
        """A check run."""
        url = f"{self.api}/repos/{repo.full_name}/check-runs/{run.id}"
        done = run.status == "completed"
        return {
            "id": run.id,
            "node_id": f"CR_{run.id}",
            "name": run.name,
            "head_sha": run.commit,
            "external_id": "",
            "url": url,
            "html_url": f"{self.html}/{repo.full_name}/runs/{run.id}",
            "details_url": f"{self.html}/{repo.full_name}/runs/{run.id}",
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": when(repo.created),
            "completed_at": when(repo.created) if done else None,
            "output": {
                "title": None,
                "summary": None,
                "text": None,
                "annotations_count": 0,
                "annotations_url": f"{url}/annotations",
            },
            "check_suite": {"id": run.id},
            "app": None,
            "pull_requests": [],
        }

    def app(self, app: App) -> Json:
        """A GitHub App."""
        return {
            "id": app.id,
            "slug": app.slug,
            "name": app.slug,
            "node_id": f"A_{app.id}",
            "owner": self.user(app.bot),
            "html_url": f"{self.html}/apps/{app.slug}",
            "external_url": self.html,
            "permissions": {},
            "events": [],
        }

    def installation(self, installation: Installation) -> Json:
        """An App's installation in an account."""
        url = f"{self.api}/app/installations/{installation.id}"
        return {
            "id": installation.id,
            "app_id": installation.app.id,
            "app_slug": installation.app.slug,
            "account": self.user(installation.account),
            "target_id": installation.account.id,
            "target_type": installation.account.kind,
            "permissions": installation.permissions,
            "events": [],
            "repository_selection": "all" if installation.repos is None else "selected",
            "access_tokens_url": f"{url}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.html}/organizations/{installation.account.login}/settings/installations/{installation.id}",
            "single_file_name": None,
            "suspended_by": None,
            "suspended_at": None,
        }
