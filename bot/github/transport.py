"""How requests go out: PyGithub's requester with GitHub's rules about limits, and ours about repetition and redirects.

- Nothing that may have changed something is sent twice. Reads are, after a failure of the server or the network.
- A request that GitHub turned away for a rate limit changed nothing: it is sent again after the wait that GitHub asks for, as
  long as all waits together stay within the run's patience; else `RateError`, at once.
- A redirect is never followed: PyGithub would drop the query, and read another commit than the one asked for.
- No request leaves for another origin than the API's, whatever a Link header says.
- PyGithub's log, which holds whole answers, is off: an App's token is in one.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from github.Auth import Auth
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester, RequestsResponse
from requests.exceptions import RequestException

from bot import __version__
from bot.github.errors import GitHubError, MovedError, RateError, as_object, limit_of, wait_for
from bot.github.hosts import Host
from bot.names import registry_host

__all__ = ["HeaderAuth", "NotJsonError", "Patience", "Transport"]

_REDIRECTS = (301, 302, 307, 308)


class NotJsonError(Exception):
    """An answer that says it went well and is none of GitHub's: a sign-in page of a network, for one."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a run waits, in seconds. ``wait``: for rate limits, all together; ``attempts``: sendings of one read."""

    timeout: int = 20
    attempts: int = 3
    pause: float = 1.0
    wait: float = 300.0


class HeaderAuth(Auth):
    """Asks for the secret anew for each request: an installation's token lives for an hour only."""

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret

    @property
    def token_type(self) -> str:
        return "Bearer"

    @property
    def token(self) -> str:
        return self._secret()


class Transport(Requester):
    """PyGithub's requester for one host and one credential. ``requests`` counts what was sent."""

    def __init__(
        self,
        host: Host,
        auth: Auth | None,
        patience: Patience,
        *,
        say: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            auth,
            host.api,
            patience.timeout,
            f"ringfence/{__version__}",
            per_page=100,
            verify=True,
            retry=0,
            pool_size=None,
            lazy=True,
        )
        self.host = host
        self.requests = 0
        self._patience = patience
        self._left = patience.wait
        self._say = say or (lambda _: None)
        self._sleep = sleep
        self._now = now
        self._spent: dict[str, float] = {}  # resource -> when it has calls again
        self._wire = _connection(host.api, patience.timeout)

    def requestJsonAndCheck(  # noqa: N802 - PyGithub's name
        self,
        verb: str,
        url: str,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        input: Any | None = None,
        follow_302_redirect: bool = False,
    ) -> tuple[dict[str, Any], Any]:
        """Refuse an address elsewhere before PyGithub looks at it."""
        if not url.startswith("/") and registry_host(url) != registry_host(self.host.api):
            raise GitHubError(
                "malformed",
                f"{self.host.name} names an address of another host",
                remedy="Ringfence does not follow it: check what answers for the host.",
            )
        return super().requestJsonAndCheck(verb, url, parameters, headers, input)

    def requestJson(  # noqa: N802 - PyGithub's name
        self,
        verb: str,
        url: str,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        input: Any | None = None,
        cnx: HTTPRequestsConnectionClass | HTTPSRequestsConnectionClass | None = None,
        follow_302_redirect: bool = False,
    ) -> tuple[int, dict[str, Any], str]:
        """Send a request until it has an answer that is one: the seam that all of PyGithub's calls go through."""
        query = verb == "POST" and url == self.host.graphql
        resource = "graphql" if query else "core"
        reads = verb in ("GET", "HEAD") or (query and _is_query(input))
        failures = limits = 0
        while True:
            self._before(resource)
            try:
                self.requests += 1
                status, answer, text = super().requestJson(verb, url, parameters, headers, input, self._wire)
            except _RedirectedError as redirect:
                raise self._moved(url, redirect.location) from None
            except RequestException:
                failures += 1
                if not reads or failures >= self._patience.attempts:
                    raise
            else:
                self._learn(answer)
                if limit_of(status, answer, text, graphql=query):
                    self._wait(wait_for(answer, self._now(), limits))
                    limits += 1
                    continue
                failures += 1
                if status < 500 or not reads or failures >= self._patience.attempts:
                    if status < 300 and text and "json" not in answer.get("content-type", ""):
                        raise NotJsonError
                    return status, answer, text
            self._sleep(self._patience.pause * 2.0 ** (failures - 1))

    def _before(self, resource: str) -> None:
        """Do not ask where GitHub has said that nothing is left."""
        until = self._spent.get(resource, 0.0)
        if until > self._now():
            self._wait(until - self._now() + 1)

    def _moved(self, url: str, location: str) -> MovedError:
        """Where a repository went: GitHub leads to ``/repositories/ID``, which has the new name."""
        old = re.match(r"/repos/([^/]+/[^/]+)", url.removeprefix(self.host.api))
        number = re.search(r"/repositories/\d+", location)
        new = None
        if number is not None and registry_host(location) == registry_host(self.host.api) and number[0] not in url:
            _, _, text = self.requestJson("GET", number[0])
            new = as_object(text).get("full_name")
        return MovedError(old[1] if old else "what was asked for", new)

    def _learn(self, headers: Mapping[str, str]) -> None:
        resource, reset = headers.get("x-ratelimit-resource"), headers.get("x-ratelimit-reset", "")
        if resource and headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
            self._spent[resource] = float(reset)

    def _wait(self, seconds: float) -> None:
        if seconds > self._left:
            raise RateError(self.host.name, self._now() + seconds)
        self._left -= seconds
        self._say(f"{self.host.name} asks to wait {seconds:.0f} s")
        self._sleep(seconds)
        self._spent.clear()


class _RedirectedError(Exception):
    """An answer that leads elsewhere."""

    def __init__(self, location: str) -> None:
        super().__init__("redirected")
        self.location = location


class _Strict:
    """PyGithub's connection, which gives redirects to whoever asked: here they raise."""

    def getresponse(self) -> RequestsResponse:
        answer: RequestsResponse = super().getresponse()  # type: ignore[misc]
        if answer.status in _REDIRECTS:
            raise _RedirectedError({name.lower(): value for name, value in answer.getheaders()}.get("location", ""))
        return answer


class _Http(_Strict, HTTPRequestsConnectionClass):
    pass


class _Https(_Strict, HTTPSRequestsConnectionClass):
    pass


def _connection(api: str, seconds: int) -> _Http | _Https:
    host, _, port = registry_host(api).partition(":")
    number = int(port) if port else None
    if api.startswith("https:"):
        return _Https(host, number, retry=0, timeout=seconds)
    return _Http(host, number, retry=0, timeout=seconds)


def _is_query(body: Any) -> bool:
    document = str(body.get("query", "")) if isinstance(body, Mapping) else ""
    return document.lstrip().startswith(("query", "{"))


def _silent() -> logging.Logger:
    logger = logging.Logger("ringfence.github")
    logger.disabled = True
    return logger


Transport.injectLogger(_silent())
