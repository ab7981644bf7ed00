"""A stateful GitHub on 127.0.0.1, for tests: REST, GraphQL and git over real bare repositories.

    with GitHubFake(tmp_path / "github") as github:          # or the fixture `github_fake`
        world = github.world
        world.organization("acme", owners=["ada"])
        repo = world.repository("acme/notes", {"package.json": {...}}, private=True)
        repo.commit({"a.ts": "..."}, branch="feature")
        pull = world.pull(repo, "feature", author="ada")      # refs/pull/1/head and /merge are real
        token = world.job_token(repo, {"contents": "read", "pull_requests": "write"})   # a GITHUB_TOKEN
        token = world.user_token("ada")                       # what ada herself may do
        ...                                                   # run the program with github.environment()
        assert pull.comments[0].body == "..."                 # judge the world that it left,
        assert not github.writes()                            # and what it asked
        assert len(github.calls()) <= 30

- Address: ``github.url``. The API answers at ``/api/v3`` and ``/api/graphql`` (as on Enterprise Server) and at the root and
  ``/graphql``; git at ``/OWNER/NAME.git``. ``github.environment()`` gives the ``GITHUB_*_URL`` variables.
- State: `World` has what builds it: user, organization, team, repository, fork, rename, delete, pull, comment, review,
  check_run, app, install, and the tokens (made at run time). A pull request from a fork: ``world.pull(repo, "b",
  head_repo=world.fork(repo, "mallory"))``.
- Faults: ``github.fail("GET /repos/*/pulls/1", faults.server_error(502), times=2)``; ``github.before("POST /graphql",
  lambda: world.delete(repo))`` changes the world in the middle of a run; ``github.set_rate("ada", 0, reset=...)``.
- Judge: every request and answer is held to GitHub's own OpenAPI description (`description`), every GraphQL document and
  answer to its schema. What is wrong stands in ``github.violations`` and fails the test when the server stops. `tables` lists what
  is known beyond the description, and what is assumed.
"""

from __future__ import annotations

from tests.github_fake import faults
from tests.github_fake.bare import Bare, Gitlink, Link
from tests.github_fake.server import Asked, GitHubFake, Rate
from tests.github_fake.state import Account, Actor, Comment, Installation, Pull, Repo, Review, Team, World

__all__ = [
    "Account",
    "Actor",
    "Asked",
    "Bare",
    "Comment",
    "GitHubFake",
    "Gitlink",
    "Installation",
    "Link",
    "Pull",
    "Rate",
    "Repo",
    "Review",
    "Team",
    "World",
    "faults",
]
