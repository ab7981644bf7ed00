"""GitHub Apps: their installations and tokens."""

from __future__ import annotations

from typing import Any

from tests.github_fake.rest.route import Answer, ApiError, Call, Paged, route
from tests.github_fake.rest.shapes import when
from tests.github_fake.state import Account, App, Installation

_LEVELS = ("none", "read", "write", "admin")


def _app(call: Call) -> App:
    if call.actor.kind != "app" or call.actor.app is None:
        raise ApiError(401, "A JSON web token could not be decoded")
    return call.actor.app


def _installed(call: Call, account: Account) -> Any:
    app = _app(call)
    for installation in call.world.installations.values():
        if installation.app is app and installation.account is account:
            return call.shapes.installation(installation)
    raise ApiError(404, "Not Found")


@route("GET", "/app")
def get_app(call: Call) -> Any:
    return call.shapes.app(_app(call))


@route("GET", "/app/installations")
def list_installations(call: Call) -> Any:
    app = _app(call)
    return Paged([call.shapes.installation(i) for i in call.world.installations.values() if i.app is app])


@route("GET", "/orgs/{org}/installation")
def org_installation(call: Call) -> Any:
    _app(call)
    return _installed(call, call.account("org", "Organization"))


@route("GET", "/users/{username}/installation")
def user_installation(call: Call) -> Any:
    _app(call)
    return _installed(call, call.account("username"))


@route("GET", "/repos/{owner}/{repo}/installation")
def repo_installation(call: Call) -> Any:
    _app(call)
    found = call.world.find(call.params["owner"], call.params["repo"])
    if found is None:
        raise ApiError(404, "Not Found")
    return _installed(call, found[0].owner)


@route("POST", "/app/installations/{installation_id}/access_tokens")
def create_access_token(call: Call) -> Any:
    app = _app(call)
    installation = call.world.installations.get(call.number("installation_id"))
    if installation is None or installation.app is not app:
        raise ApiError(404, "Not Found")
    asked = (call.body or {}).get("permissions")
    if asked is not None and not all(_granted(installation, area, level) for area, level in asked.items()):
        raise ApiError(422, "The permissions requested are not granted to this installation.")
    token, actor = call.world.installation_token(installation, asked)
    return Answer(
        201,
        {
            "token": token,
            "expires_at": when(actor.expires or 0),
            "permissions": actor.permissions,
            "repository_selection": "all" if installation.repos is None else "selected",
        },
    )


def _granted(installation: Installation, area: str, level: str) -> bool:
    granted = {"metadata": "read", **installation.permissions}.get(area, "none")
    return _LEVELS.index(level) <= _LEVELS.index(granted)


@route("GET", "/installation/repositories")
def installation_repositories(call: Call) -> Any:
    if call.actor.kind not in ("installation", "job") or call.actor.owner is None:
        raise ApiError(
            403,
            "You must authenticate with an installation access token in order to list repositories for an installation.",
        )
    seen = [r for r in call.world.repos_of(call.actor.owner) if call.actor.repos is None or r.id in call.actor.repos]
    return Paged(
        [call.shapes.repo(repo) for repo in seen],
        lambda page: {"total_count": len(seen), "repositories": page},
    )
