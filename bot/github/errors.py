"""What goes wrong with GitHub, in words: what happened, and what to do.

Nothing is imported from PyGithub and requests here: their exceptions are known by the names of their classes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.errors import RingfenceError
from bot.github.hosts import DOTCOM

__all__ = ["GitHubError", "MovedError", "RateError", "as_object", "explain", "failed", "limit_of", "wait_for"]

# GitHub's documentation: without Retry-After, wait for at least a minute.
_SECONDARY = 60.0
_LIMITED = ("RATE_LIMITED", "RATE_LIMIT")


class GitHubError(RingfenceError):
    """GitHub did not do what it was asked. ``kind`` is stable, for callers that go on without it:

    ``credentials``, ``rights``, ``rate``, ``not-found``, ``empty``, ``conflict``, ``invalid``, ``moved``, ``server``, ``timeout``,
    ``unreachable``, ``malformed``.
    """

    def __init__(self, kind: str, what: str, *, remedy: str, status: int | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.kind = kind
        self.status = status


class RateError(GitHubError):
    """A rate limit that would take longer than the run may wait. ``until``: seconds since 1970."""

    def __init__(self, host: str, until: float) -> None:
        super().__init__(
            "rate",
            f"{host} wants no more calls before {_clock(until)}",
            remedy="Run the same again after that: what is done is kept.",
        )
        self.until = until


class MovedError(GitHubError):
    """A repository that has another name now."""

    def __init__(self, old: str, new: str | None) -> None:
        to = f"is {new} now" if new else "has another name now"
        super().__init__("moved", f"{old} {to}", remedy="Name it by its new name.", status=301)
        self.new = new


def explain(
    host: str, doing: str, status: int, body: Any, headers: Mapping[str, str], *, token: str | None, give: str
) -> GitHubError:
    """The error of an answer.

    ``doing`` completes "may not ..." (``read acme/notes``). ``token`` is where the token came from, None without one; ``give`` a
    sentence that says how to give one. Header names are in lower case.
    """
    words = _words(body)
    says = f" (GitHub says: {words})" if words else ""
    if status == 401:
        if token is None:
            return GitHubError("credentials", f"{host} wants a token to {doing}", remedy=give, status=status)
        return GitHubError(
            "credentials",
            f"{host} does not accept the token in {token}",
            remedy="It is wrong or has expired: set another.",
            status=status,
        )
    if status in (403, 451):
        return _forbidden(host, doing, status, words, says, headers, token, give)
    if status in (404, 410):
        seen = "or the token may not see it" if token else "or only a token may see it"
        remedy = "Check its name, and that the token may read it." if token else f"Check its name. {give}"
        if "is empty" in words:
            return _empty(host, doing, status)
        return GitHubError("not-found", f"{host} has nothing there to {doing}, {seen}", remedy=remedy, status=status)
    if status == 409:
        if "is empty" in words:
            return _empty(host, doing, status)
        return GitHubError(
            "conflict",
            f"{host} could not {doing}: something changed meanwhile{says}",
            remedy="Run again.",
            status=status,
        )
    if status >= 500:
        where = " githubstatus.com tells whether it is down." if host == DOTCOM else ""
        return GitHubError(
            "server",
            f"{host} failed to {doing}: it answered {status}",
            remedy=f"Run again later.{where}",
            status=status,
        )
    return GitHubError(
        "invalid",
        f"{host} refuses to {doing}: it answered {status}{says}",
        remedy="If that is no fault of what was named, report it with the command you ran.",
        status=status,
    )


def _forbidden(
    host: str, doing: str, status: int, words: str, says: str, headers: Mapping[str, str], token: str | None, give: str
) -> GitHubError:
    sso = re.search(r"url=(\S+)", headers.get("x-github-sso", ""))
    if sso:
        what, remedy = "the token is not authorised for the organisation's single sign-on", f"Authorise it: {sso[1]}"
    elif "ip allow list" in words.lower():
        what, remedy = f"{host} refuses this machine's address{says}", "Run it where the organisation allows it."
    elif "archived" in words:
        what, remedy = f"{host} refuses to {doing}: the repository is archived", "Unarchive it, or leave it out."
    elif "repository access blocked" in words.lower():
        what, remedy = f"{host} has blocked the repository: it cannot be read", "Leave it out, or ask GitHub's support."
    elif token is None:
        what, remedy = f"only a token may {doing} at {host}{says}", give
    else:
        what = f"the token in {token} may not {doing}{says}"
        wanted = _permissions(headers.get("x-accepted-github-permissions", ""))
        remedy = f"Give it the permission {wanted}." if wanted else "Give it the right to, or use another."
    return GitHubError("rights", what, remedy=remedy, status=status)


def _permissions(header: str) -> str:
    """``issues=write; pull_requests=write`` is "issues: write or pull_requests: write"."""
    choices = [" and ".join(each.split(",")).replace("=", ": ").strip() for each in header.split(";")]
    return " or ".join(each for each in choices if re.fullmatch(r"[a-z_]+: [a-z]+( and [a-z_]+: [a-z]+)*", each))


def _empty(host: str, doing: str, status: int) -> GitHubError:
    return GitHubError(
        "empty",
        f"{host} could not {doing}: the repository is empty",
        remedy="Push a first commit, or leave it out.",
        status=status,
    )


def failed(host: str, doing: str, error: BaseException, seconds: float) -> GitHubError | None:
    """The error of a request that had no answer; None for an exception that is none of the network's."""
    names = {each.__name__ for each in type(error).__mro__}
    if "RequestException" not in names:
        return None
    if "Timeout" in names:
        return GitHubError(
            "timeout",
            f"{host} did not answer within {seconds:g} s to {doing}",
            remedy="Run again; if it stays, look at the network.",
        )
    if "SSLError" in names:
        return GitHubError(
            "unreachable",
            f"{host} has a certificate that this machine does not trust",
            remedy="Set REQUESTS_CA_BUNDLE to the authority's certificate.",
        )
    if "ProxyError" in names:
        return GitHubError(
            "unreachable", f"the proxy does not lead to {host}", remedy="Check HTTPS_PROXY and NO_PROXY."
        )
    return GitHubError(
        "unreachable",
        f"{host} cannot be reached to {doing}",
        remedy="Check the host's name, the network and HTTPS_PROXY.",
    )


def limit_of(status: int, headers: Mapping[str, str], text: str, *, graphql: bool = False) -> bool:
    """Whether an answer means "not now": the primary limit or a secondary one, in REST's and GraphQL's ways of saying it.

    In an answer that went well only the type of an error of GraphQL's says so: the rest of it is anybody's text.
    """
    if status == 200:
        return graphql and any(word in text for word in _LIMITED) and _is_limited(as_object(text).get("errors"))
    if status not in (403, 429):
        return False
    if status == 429 or "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0":
        return True
    return "rate limit" in _words(as_object(text)).lower()


def _is_limited(errors: Any) -> bool:
    rows = errors if isinstance(errors, list) else []
    return any(isinstance(row, Mapping) and row.get("type") in _LIMITED for row in rows)


def wait_for(headers: Mapping[str, str], now: float, times: int) -> float:
    """Seconds to wait before the same again, by GitHub's rules. ``times``: how often it has said so already."""
    after = headers.get("retry-after", "")
    if after.isdecimal():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - now) + 1
    return _SECONDARY * 2.0**times


def _words(body: Any) -> str:
    """GitHub's own message, with the rows of a 422, on one line and of bounded length."""
    if not isinstance(body, Mapping):
        return ""
    parts = [str(body.get("message") or "")]
    errors = body.get("errors")
    for row in errors if isinstance(errors, list) else [errors] if isinstance(errors, str) else []:
        if isinstance(row, Mapping):
            parts.append(str(row.get("message") or " ".join(str(row[k]) for k in ("field", "code") if row.get(k))))
        else:
            parts.append(str(row))
    return " ".join("; ".join(part for part in parts if part).split())[:300]


def as_object(text: str) -> Mapping[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M UTC on %Y-%m-%d")
