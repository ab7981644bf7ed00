"""Users, organisations, teams, and the rate limit."""

from __future__ import annotations

from typing import Any

from tests.github_fake.rest.route import Answer, ApiError, Call, Paged, route
from tests.github_fake.state import Account, Team


@route("GET", "/user")
def get_user(call: Call) -> Any:
    if call.actor.kind != "user":
        if call.actor.kind == "anonymous":
            raise ApiError(401, "Requires authentication")
        raise ApiError(403, "Resource not accessible by integration")
    return call.shapes.user(call.author())


@route("GET", "/users/{username}")
def get_named_user(call: Call) -> Any:
    return call.shapes.user(call.account("username"))


@route("GET", "/orgs/{org}")
def get_org(call: Call) -> Any:
    account = call.account("org", "Organization")
    return call.shapes.organization(account) | {"has_organization_projects": False, "has_repository_projects": False}


@route("GET", "/orgs/{org}/repos")
def list_org_repos(call: Call) -> Any:
    return _repos(call, call.account("org", "Organization"))


@route("GET", "/users/{username}/repos")
def list_user_repos(call: Call) -> Any:
    return _repos(call, call.account("username"))


def _repos(call: Call, owner: Account) -> Paged:
    seen = [repo for repo in call.world.repos_of(owner) if call.world.sees(call.actor, repo)]
    return Paged([call.shapes.repo(repo) for repo in seen])


@route("GET", "/orgs/{org}/members/{username}")
def check_membership(call: Call) -> Any:
    org = call.account("org", "Organization")
    if not _inside(call, org):
        raise ApiError(404, "Not Found")
    if call.params["username"].lower() not in org.members:
        raise ApiError(404, "User does not exist or is not a member of the organization")
    return Answer(204)


@route("GET", "/orgs/{org}/teams/{team_slug}")
def get_team(call: Call) -> Any:
    team = _team(call)
    org = call.shapes.organization(call.account("org"))
    return call.shapes.team(team) | {
        "repos_count": len(team.repos),
        "organization": org | {"has_organization_projects": False, "has_repository_projects": False},
    }


@route("GET", "/orgs/{org}/teams/{team_slug}/members")
def list_team_members(call: Call) -> Any:
    return Paged([call.shapes.user(call.world.accounts[login]) for login in sorted(_team(call).members)])


@route("GET", "/orgs/{org}/teams/{team_slug}/memberships/{username}")
def get_team_membership(call: Call) -> Any:
    team = _team(call)
    login = call.params["username"].lower()
    if login not in team.members:
        return Answer(404)  # the description knows no body here
    url = f"{call.shapes.api}/orgs/{team.org}/teams/{team.slug}/memberships/{login}"
    return {"url": url, "role": "member", "state": "active"}


def _team(call: Call) -> Team:
    org = call.account("org", "Organization")
    team = org.teams.get(call.params["team_slug"])
    if team is None or not _inside(call, org):
        raise ApiError(404, "Not Found")
    return team


def _inside(call: Call, org: Account) -> bool:
    """Whether a token sees an organisation's members: its own members do, and an App with ``members``."""
    actor = call.actor
    if actor.permissions is None:
        return actor.account is not None and actor.account.login.lower() in org.members
    if actor.owner is org and actor.kind == "installation" and "members" in actor.permissions:
        return True
    raise ApiError(
        403, "Resource not accessible by integration", headers={"X-Accepted-GitHub-Permissions": "members=read"}
    )


@route("GET", "/rate_limit")
def rate_limit(call: Call) -> Any:
    core, graphql = (call.fake.rate(call.actor, resource).shape() for resource in ("core", "graphql"))
    search = {"limit": 30, "remaining": 30, "used": 0, "reset": core["reset"]}
    return {"resources": {"core": core, "search": search, "graphql": graphql}, "rate": core}
