"""Where a GitHub host's API, GraphQL and git are.

Sources: GitHub's documentation of the REST and GraphQL endpoints (github.com, Enterprise Server, ``*.ghe.com``) and of the
variables that every workflow has (``GITHUB_SERVER_URL``, ``GITHUB_API_URL``, ``GITHUB_GRAPHQL_URL``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import RingfenceError
from bot.names import web_host

__all__ = ["DOTCOM", "Host", "home_host", "host_of", "host_variable"]

DOTCOM = "github.com"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """One GitHub. ``name`` is what repository names carry; the addresses have no trailing slash."""

    name: str
    api: str
    graphql: str
    git: str

    def clone_url(self, owner: str, name: str) -> str:
        """Where git fetches a repository from; never with a token in it."""
        return f"{self.git}/{owner}/{name}.git"


def home_host(environment: Mapping[str, str]) -> str:
    """The host that the run belongs to: that of ``GITHUB_SERVER_URL``, which every workflow has; else github.com."""
    url = environment.get("GITHUB_SERVER_URL", "")
    if not url:
        return DOTCOM
    _, host = web_host(_address("GITHUB_SERVER_URL", url))
    return host


def host_of(name: str, environment: Mapping[str, str]) -> Host:
    """A host's addresses.

    The run's own host is where the ``GITHUB_*_URL`` variables say. ``RINGFENCE_URL__HOST`` names another address of a host
    (a proxy in front of it), where it answers as Enterprise Server does. Raises `RingfenceError` for an address that is none.
    """
    name = name.lower()
    if not re.fullmatch(r"[a-z0-9.-]+", name):
        raise RingfenceError(
            f"{name!r} is no host of a forge", remedy="Write it as in its web address: git.example.com."
        )
    variable = host_variable("RINGFENCE_URL", name)
    if environment.get(variable):
        base = _address(variable, environment[variable])
        return Host(name=name, api=f"{base}/api/v3", graphql=f"{base}/api/graphql", git=base)
    usual = _usual(name)
    if name != home_host(environment):
        return usual
    given = {
        key: _address(variable, environment[variable])
        for key, variable in (
            ("api", "GITHUB_API_URL"),
            ("graphql", "GITHUB_GRAPHQL_URL"),
            ("git", "GITHUB_SERVER_URL"),
        )
        if environment.get(variable)
    }
    api = given.get("api", usual.api)
    return Host(name=name, api=api, graphql=given.get("graphql", _graphql_of(api)), git=given.get("git", usual.git))


def host_variable(prefix: str, host: str) -> str:
    """The environment variable of a host: ``RINGFENCE_TOKEN__GIT_EXAMPLE_COM``. A hyphen is two underscores, so that no two hosts share one."""
    return f"{prefix}__{host.replace('-', '__').replace('.', '_').upper()}"


def _usual(name: str) -> Host:
    git = f"https://{name}"
    if name == DOTCOM or name.endswith(".ghe.com"):
        api = f"https://api.{name}"
        return Host(name=name, api=api, graphql=f"{api}/graphql", git=git)
    return Host(name=name, api=f"{git}/api/v3", graphql=f"{git}/api/graphql", git=git)


def _graphql_of(api: str) -> str:
    return api.removesuffix("/v3") + "/graphql"


def _address(variable: str, url: str) -> str:
    url = url.strip().rstrip("/")
    scheme, host = web_host(url)
    if not host or "@" in url or (scheme == "http" and host not in _LOOPBACK):
        raise RingfenceError(
            f"{variable} is no https address", remedy="Write https://HOST, without a user name or a token in it."
        )
    return url
