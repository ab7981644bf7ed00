"""One GitHub host, asked with one credential."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import jwt
from github import Auth, Github
from github.GithubException import BadAttributeException, GithubException
from github.Repository import Repository

from bot.errors import RingfenceError
from bot.github.credentials import AppKey, Token, find_credential, how_to_give_a_token
from bot.github.errors import GitHubError, explain, failed
from bot.github.hosts import Host, host_of
from bot.github.transport import HeaderAuth, NotJsonError, Patience, Transport
from bot.names import RepoName

__all__ = ["READ_PERMISSIONS", "Client", "connect"]

# What an installation's token is asked for: nothing that writes. https://docs.github.com/rest/authentication/permissions-required-for-github-apps
READ_PERMISSIONS: Mapping[str, str] = {"contents": "read", "metadata": "read"}
_RENEW = 300.0  # seconds before its end


def connect(
    host: str,
    *,
    environment: Mapping[str, str] = os.environ,
    permissions: Mapping[str, str] = READ_PERMISSIONS,
    patience: Patience | None = None,
    say: Callable[[str], None] | None = None,
) -> Client:
    """A client for a host, with what the environment has for it. ``permissions``: asked for an App's tokens; ``say``: progress."""
    return Client(
        host_of(host, environment),
        find_credential(host, environment),
        permissions=permissions,
        patience=patience or Patience(),
        say=say,
        give=how_to_give_a_token(host, environment),
    )


class Client:
    """A host's API. Every method raises `GitHubError`; nothing of it shows a token.

    With an App's key, tokens are an installation's: one an owner, renewed before they end. `token` gives the one for git.
    """

    def __init__(
        self,
        host: Host,
        credential: Token | AppKey | None,
        *,
        permissions: Mapping[str, str] = READ_PERMISSIONS,
        patience: Patience | None = None,
        say: Callable[[str], None] | None = None,
        give: str = "",
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.host = host
        self._credential = credential
        self._permissions = dict(permissions)
        self._patience = patience or Patience()
        self._give = give
        self._now = now
        self._tools: dict[str, Any] = {"say": say, "sleep": sleep, "now": now}
        self._transports: dict[str, Transport] = {}
        self._installed: dict[str, tuple[Token, float]] = {}  # owner -> token, when it ends

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return sum(transport.requests for transport in self._transports.values())

    @property
    def anonymous(self) -> bool:
        """Whether it asks without a token."""
        return self._credential is None

    @property
    def per_owner(self) -> bool:
        """Whether it has another token for each owner: an App does."""
        return isinstance(self._credential, AppKey)

    def mark(self, owner: str, salt: str) -> str:
        """Eight hex digits that tell one asker from another, and nothing about the token to who does not have it."""
        value = self._credential.reveal() if self._credential else ""
        key = f"{salt}\0{owner.lower()}\0{value}".encode()
        return hashlib.sha256(key).hexdigest()[:8]

    # What it is asked

    def repository(self, name: RepoName) -> Repository:
        """PyGithub's repository; nothing is asked before one of its attributes is."""
        if name.host != self.host.name:
            raise RingfenceError(f"{name} is not at {self.host.name}", remedy="Ask its own host.")
        return Repository(self.transport(name.owner), url=f"/repos/{name.owner}/{name.name}")

    def github(self, owner: str) -> Github:
        """PyGithub's entry, as an owner's installation where an App asks."""
        entry = Github(base_url=self.host.api)
        entry._Github__requester = self.transport(owner)  # type: ignore[attr-defined]  # it takes none
        return entry

    def graphql(self, document: str, variables: Mapping[str, Any], *, owner: str, doing: str) -> tuple[Any, list[Any]]:
        """The data and the errors of a query: some of what was asked may be there and some not. Raises when nothing is."""
        with self.doing(doing):
            headers, body = self.transport(owner).requestJsonAndCheck(
                "POST", self.host.graphql, input={"query": document, "variables": dict(variables)}
            )
        data, errors = body.get("data"), body.get("errors") or []
        if errors and not any(value is not None for value in (data or {}).values()):
            raise self._explained(doing, *_graphql_error(errors), headers)
        if not isinstance(data, dict):
            raise self._malformed(doing)
        return data, errors

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Whatever PyGithub raises inside becomes a `GitHubError`. ``what`` completes "may not ...": ``read acme/notes``."""
        try:
            yield
        except GithubException as error:
            headers = {str(k).lower(): str(v) for k, v in (error.headers or {}).items()}
            if isinstance(error, BadAttributeException):
                raise self._malformed(what) from None
            raise self._explained(what, int(error.status), error.data, headers) from None
        except NotJsonError:
            raise self._malformed(what) from None
        except RingfenceError:
            raise
        except Exception as error:
            known = failed(self.host.name, what, error, self._patience.timeout)
            if known is not None:
                raise known from None
            if isinstance(error, ValueError) and "JSON" in type(error).__name__:
                raise self._malformed(what) from None
            raise

    # Who asks

    def token(self, owner: str) -> Token | None:
        """The token for an owner's repositories, for git; None without one."""
        if not isinstance(self._credential, AppKey):
            return self._credential
        token, until = self._installed.get(owner.lower(), (None, 0.0))
        if token is None or until - self._now() < _RENEW:
            token, until = self._install(self._credential, owner)
            self._installed[owner.lower()] = (token, until)
        return token

    def transport(self, owner: str) -> Transport:
        """The requester behind `repository` and `github`."""
        # A forked process has connections of its own.
        key = f"{os.getpid()}/{owner.lower() if self.per_owner else ''}"
        if key not in self._transports:
            auth = None if self._credential is None else HeaderAuth(lambda: self._secret(owner))
            self._transports[key] = Transport(self.host, auth, self._patience, **self._tools)
        return self._transports[key]

    def _secret(self, owner: str) -> str:
        token = self.token(owner)
        assert token is not None  # noqa: S101 - anonymous transports have no auth
        return token.reveal()

    def _install(self, key: AppKey, owner: str) -> tuple[Token, float]:
        """A new token of the App's installation at an owner, with the permissions asked and no more."""
        try:
            auth = Auth.AppAuth(key.app, key.reveal())
            auth.create_jwt()
        except (jwt.PyJWTError, ValueError, TypeError):
            raise RingfenceError(
                f"{key.source} is no private key that can sign",
                remedy="Give the .pem file that GitHub made for the App.",
            ) from None
        mine = Transport(self.host, auth, self._patience, **self._tools)
        transport = self._transports.setdefault(f"{os.getpid()}//app", mine)
        with self.doing(f"use the App's installation at {owner}"):
            found = self._installation(transport, owner)
            _, made = transport.requestJsonAndCheck(
                "POST", f"/app/installations/{found}/access_tokens", input={"permissions": self._permissions}
            )
        ends = datetime.fromisoformat(str(made["expires_at"]).replace("Z", "+00:00")).timestamp()
        return Token(str(made["token"]), key.source), ends

    def _installation(self, transport: Transport, owner: str) -> int:
        try:
            _, found = transport.requestJsonAndCheck("GET", f"/orgs/{owner}/installation")
        except GithubException as error:
            if error.status != 404:
                raise
            _, found = transport.requestJsonAndCheck("GET", f"/users/{owner}/installation")
        return int(found["id"])

    # Words

    def _explained(self, doing: str, status: int, body: Any, headers: Mapping[str, str]) -> GitHubError:
        source = self._credential.source if self._credential else None
        return explain(self.host.name, doing, status, body, headers, token=source, give=self._give)

    def _malformed(self, doing: str) -> GitHubError:
        return GitHubError(
            "malformed",
            f"{self.host.name} gave something that is not GitHub's to {doing}",
            remedy="A proxy may have answered: check HTTPS_PROXY and the host's address.",
        )


def _graphql_error(errors: list[Any]) -> tuple[int, Mapping[str, str]]:
    """The status that REST would have given, and GitHub's words. What is not merely absent is said first."""
    first = next((each for each in errors if each.get("type") != "NOT_FOUND"), errors[0])
    words = str(first.get("message", ""))
    kinds = {"NOT_FOUND": 404, "FORBIDDEN": 403, "INSUFFICIENT_SCOPES": 403, "SERVICE_UNAVAILABLE": 503}
    # What GitHub says when a query took too long, or failed on its side.
    wrong = 502 if "something went wrong" in words.lower() or "timedout" in words.lower() else 400
    return kinds.get(first.get("type"), wrong), {"message": words}
