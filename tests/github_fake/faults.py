"""How GitHub fails, on demand: `Fault` values for `GitHubFake.fail`."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Fault",
    "Faults",
    "bad_credentials",
    "conflict",
    "cut",
    "hang",
    "no_rights",
    "not_found",
    "rate_limited",
    "secondary_limit",
    "server_error",
    "unprocessable",
]

_DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to fail. ``delay``: seconds before the answer; ``status`` None with ``cut``: the connection ends instead."""

    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False


def bad_credentials() -> Fault:
    """401: the token is wrong, or has ended."""
    return Fault(status=401, body={"message": "Bad credentials", "documentation_url": _DOCS, "status": "401"})


def no_rights(accepted: str = "") -> Fault:
    """403: the token lacks a permission, named in ``accepted`` as GitHub names it (``contents=read``)."""
    headers = {"X-Accepted-GitHub-Permissions": accepted} if accepted else {}
    return Fault(
        status=403,
        body={"message": "Resource not accessible by integration", "documentation_url": _DOCS, "status": "403"},
        headers=headers,
    )


def rate_limited(reset: float, *, status: int = 403, resource: str = "core") -> Fault:
    """403 or 429: the hour's calls are used up until ``reset`` (seconds since 1970)."""
    return Fault(
        status=status,
        body={"message": "API rate limit exceeded for user ID 1001.", "documentation_url": f"{_DOCS}/rate-limits"},
        headers={
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Used": "5000",
            "X-RateLimit-Reset": str(int(reset)),
            "X-RateLimit-Resource": resource,
        },
    )


def secondary_limit(retry_after: int | None = None, *, status: int = 403) -> Fault:
    """403 or 429: too much at once. Without ``retry_after`` GitHub asks for at least a minute."""
    return Fault(
        status=status,
        body={
            "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            "documentation_url": f"{_DOCS}/overview/resources-in-the-rest-api#secondary-rate-limits",
        },
        headers={} if retry_after is None else {"Retry-After": str(retry_after)},
    )


def not_found() -> Fault:
    """404, which is also GitHub's word for what a token may not see."""
    return Fault(status=404, body={"message": "Not Found", "documentation_url": _DOCS, "status": "404"})


def conflict(message: str = "Conflict") -> Fault:
    """409."""
    return Fault(status=409, body={"message": message, "documentation_url": _DOCS, "status": "409"})


def unprocessable(message: str = "Validation Failed", errors: list[Any] | None = None) -> Fault:
    """422."""
    body = {"message": message, "documentation_url": _DOCS, "status": "422"}
    return Fault(status=422, body=body | ({"errors": errors} if errors else {}))


def server_error(status: int = 502, body: Any = None) -> Fault:
    """A 5xx. Some have JSON, as recorded; a string is a page of HTML, as a balancer gives it."""
    return Fault(status=status, body={"error": "Server Error"} if body is None else body)


def hang(seconds: float) -> Fault:
    """No answer for a while, and then the connection ends."""
    return Fault(delay=seconds, cut=True)


def cut() -> Fault:
    """The connection ends before any answer."""
    return Fault(cut=True)


@dataclass
class _Planned:
    pattern: str
    fault: Fault | None
    act: Callable[[], None] | None
    after: int
    left: int | None


class Faults:
    """What is planned to go wrong, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []

    def plan(
        self, pattern: str, fault: Fault | None, act: Callable[[], None] | None, *, after: int, times: int | None
    ) -> None:
        """Add one: see `GitHubFake.fail` and `GitHubFake.before`."""
        with self._lock:
            self._planned.append(_Planned(pattern, fault, act, after, times))

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._planned.clear()

    def meet(self, request: str) -> Fault | None:
        """Do what is planned before this request (``GET /repos/a/b``); the fault that answers it, or None."""
        acts: list[Callable[[], None]] = []
        fault: Fault | None = None
        with self._lock:
            for each in self._planned:
                if each.left == 0 or not fnmatch.fnmatchcase(request, each.pattern):
                    continue
                if each.after > 0:
                    each.after -= 1
                    continue
                if each.fault is not None and fault is not None:
                    continue
                if each.left is not None:
                    each.left -= 1
                fault = fault or each.fault
                if each.act is not None:
                    acts.append(each.act)
        for act in acts:
            act()
        return fault
