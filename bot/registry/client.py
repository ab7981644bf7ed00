"""HTTP to registries: anonymous reads with retries, bounded in time and size, and a last look at what leaves the house.

httpx is used without what it would take from the environment (``.netrc``, credentials in addresses); proxies and CA bundles,
which are no credentials for a registry, are read here.
"""

from __future__ import annotations

import asyncio
import email.utils
import os
import random
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

import httpx
import msgspec

from bot import __version__
from bot.errors import RingfenceError
from bot.names import PackageName, is_npm_name
from bot.registry.fetch import Patience, is_exact_version
from bot.rule import Unknown

__all__ = ["Client", "Endpoint", "PrivateNameError", "Question", "Reply"]

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_REDIRECTS_MAX: Final = 3
_AGAIN: Final = (408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class PrivateNameError(RuntimeError):
    """A bug of ours, caught at the last moment: a request that says something not known to be open."""


class Endpoint(NamedTuple):
    """One registry: its address without a trailing slash, and for a mirror the token that its host alone is given."""

    url: str
    mirrored: bool = False
    token: str | None = None

    def check(self) -> Endpoint:
        """Raises `RingfenceError` for an address that cannot be used."""
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL:
            url = httpx.URL("")
        what = None
        if url.scheme not in ("https", "http") or not url.host or url.query or url.fragment:
            what = f"{self.url} is no registry's address"
        elif url.userinfo:
            what = "a registry's address with a user or password in it: registries are read anonymously"
        elif self.token and url.scheme == "http" and url.host not in _LOOPBACK:
            what = f"{self.url} would be given its token in the clear"
        if what is not None:
            raise RingfenceError(what, where="policy, [registry.npm]", remedy="Write it as https://host/path.")
        return self


LATEST = "latest"  # the one dist-tag that is asked for


class Question(NamedTuple):
    """What is asked of an endpoint: a package, or one version of it (or `LATEST`). The only thing an address is made of."""

    package: PackageName
    version: str | None = None

    def url(self, endpoint: Endpoint) -> str:
        """``@scope%2fname/1.2.3``, the form that every npm registry takes."""
        name = self.package.name.replace("/", "%2f")
        return f"{endpoint.url}/{name}" + (f"/{quote(self.version, safe='-.')}" if self.version is not None else "")


class Reply(NamedTuple):
    """A registry's answer: any status that is no reason to try again, the whole body, the address that gave it."""

    status: int
    body: bytes
    url: str


class Client:
    """Many reads at once over one httpx client. Make it, use it and close it in one event loop."""

    def __init__(
        self,
        is_open: Callable[[PackageName], bool],
        patience: Patience,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        may_say: Callable[[str], bool] = lambda version: True,
    ) -> None:
        self.requests = 0
        self._patience = patience
        self._places = asyncio.Semaphore(patience.connections)
        self._remedies: dict[str, str] = {}
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._http = httpx.AsyncClient(
            transport=_Guard(is_open, may_say, transport or _Network(patience)),
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": f"ringfence/{__version__}", "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(patience.read, connect=patience.connect, pool=None),
        )

    async def close(self) -> None:
        """End connections."""
        await self._http.aclose()

    async def document(self, endpoint: Endpoint, question: Question, *, accept: str, limit: int) -> Reply | Unknown:
        """Ask an endpoint for a JSON document of at most ``limit`` bytes, unpacked."""
        return await self._get(endpoint, question, question.url(endpoint), {"Accept": accept}, limit)

    async def tarball(self, endpoint: Endpoint, question: Question, url: str, *, limit: int) -> Reply | Unknown:
        """Fetch a tarball from the address that the endpoint's own document gave; its bytes are not unpacked."""
        return await self._get(
            endpoint, question, url, {"Accept": "*/*", "Accept-Encoding": "identity"}, limit, tarball=True
        )

    async def _get(
        self,
        endpoint: Endpoint,
        question: Question,
        url: str,
        headers: Mapping[str, str],
        limit: int,
        *,
        tarball: bool = False,
    ) -> Reply | Unknown:
        patience = self._patience
        seconds = patience.whole_tarball if tarball else patience.whole_document
        async with self._places:
            try:
                async with asyncio.timeout(seconds):
                    return await self._follow(endpoint, question, url, headers, limit, tarball)
            except TimeoutError:
                self._gave_up(str(httpx.URL(endpoint.url).netloc, "ascii"))
                return _unreachable(url, f"did not finish its answer in {seconds:.0f} s")

    async def _follow(
        self, endpoint: Endpoint, question: Question, url: str, headers: Mapping[str, str], limit: int, tarball: bool
    ) -> Reply | Unknown:
        home = httpx.URL(endpoint.url)
        given = tarball
        for _ in range(_REDIRECTS_MAX + 1):
            try:
                target = httpx.URL(url)
            except (httpx.InvalidURL, TypeError, ValueError):
                return Unknown(reason="malformed", detail="the registry names an address that is none")
            at_home = _origin(target) == _origin(home)
            if target.userinfo or not target.host or not (target.scheme == "https" or at_home):
                return Unknown(
                    reason="malformed", detail="the registry names an address that is not followed (it is not https)"
                )
            own = dict(headers)
            if endpoint.token and at_home:
                own["Authorization"] = f"Bearer {endpoint.token}"
            request = self._http.build_request("GET", target, headers=own)
            request.extensions["ringfence"] = _Pass(endpoint, question, given)
            reply = await self._persist(request, limit, raw=tarball)
            if isinstance(reply, Unknown) or reply.status not in _REDIRECTS:
                return reply
            try:
                url = str(target.join(reply.url))
            except httpx.InvalidURL:
                url = ""
            given = True
        return _unreachable(url, "redirects again and again")

    async def _persist(self, request: httpx.Request, limit: int, *, raw: bool) -> Reply | Unknown:
        """Try until there is an answer. A redirect's `Reply` has the new address for its ``url``."""
        patience = self._patience
        host = str(request.url.netloc, "ascii")
        trouble = "is not asked any more in this run, since it failed too often"
        remedy = self._remedies.get(host, "")
        for attempt in range(patience.attempts):
            if self._failures.get(host, 0) >= patience.give_ups:
                return _unreachable(host, trouble, remedy)
            if (wait := self._not_before.get(host, 0.0) - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            pause = patience.pause * 2**attempt * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, guards nothing
            try:
                self.requests += 1
                response = await self._http.send(request, stream=True, auth=None)
                try:
                    if response.status_code in _AGAIN:
                        trouble = f"answered {response.status_code}"
                        asked = _retry_after(response.headers.get("retry-after"))
                        if asked is not None and asked > patience.pause_max:
                            trouble += f" and asked to be left alone for {asked:.0f} s"
                            break
                        if asked:  # the whole host, not this request alone
                            self._not_before[host] = time.monotonic() + asked
                    elif response.status_code in _REDIRECTS and "location" in response.headers:
                        return Reply(response.status_code, b"", response.headers["location"])
                    else:
                        body = await _read(response, limit, raw=raw)
                        self._failures[host] = 0
                        if body is None:
                            return Unknown(reason="too-large", detail=f"{host} gives more than {limit} bytes")
                        return Reply(response.status_code, body, str(request.url))
                finally:
                    await response.aclose()
            except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
                trouble = _words(error)
                if "CERTIFICATE_VERIFY_FAILED" in str(error):  # no better next time
                    trouble = "cannot be read: its certificate is not trusted here"
                    remedy = "Set SSL_CERT_FILE to a file of the certificates that your company trusts."
                    break
            except httpx.DecodingError:
                return Unknown(reason="malformed", detail=f"{host} gives a body that cannot be unpacked")
            except httpx.HTTPError as error:
                trouble = _words(error)  # a proxy that refuses, for one: no better next time
                if isinstance(error, httpx.ProxyError):
                    remedy = "Look at HTTPS_PROXY and NO_PROXY: the proxy they name does not let the request through."
                break
            if attempt + 1 < patience.attempts:
                await asyncio.sleep(min(pause, patience.pause_max))
        self._gave_up(host)
        self._remedies[host] = remedy
        return _unreachable(host, trouble, remedy)

    def _gave_up(self, host: str) -> None:
        self._failures[host] = self._failures.get(host, 0) + 1


class _Pass(NamedTuple):
    """What a request carries for the guard. ``given``: the registry named the address, not we."""

    endpoint: Endpoint
    question: Question
    given: bool


class _Guard(httpx.AsyncBaseTransport):
    """The last thing before the network: lets out nothing but reads whose address says open names alone."""

    def __init__(
        self, is_open: Callable[[PackageName], bool], may_say: Callable[[str], bool], inner: httpx.AsyncBaseTransport
    ) -> None:
        self._is_open = is_open
        self._may_say = may_say
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        allowed = request.extensions.get("ringfence")
        if not isinstance(allowed, _Pass) or request.method != "GET":
            raise PrivateNameError("a request that is no read of a package")
        package, version = allowed.question
        if not is_npm_name(package.name) or not self._is_open(package):
            raise PrivateNameError("a request for a package that is not open")
        if version is not None and version != LATEST and not is_exact_version(version):
            raise PrivateNameError("a request for something that is no version")
        if version is not None and not self._may_say(version):
            raise PrivateNameError("a request for a version that holds a private name")
        if not allowed.given and request.url != httpx.URL(allowed.question.url(allowed.endpoint)):
            raise PrivateNameError("a request whose address is not made of its package's name alone")
        home = httpx.URL(allowed.endpoint.url)
        if "authorization" in request.headers and not (
            allowed.endpoint.mirrored and _origin(request.url) == _origin(home)
        ):
            raise PrivateNameError("a token for another host than its mirror's")
        if "cookie" in request.headers:
            del request.headers["cookie"]
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Network(httpx.AsyncBaseTransport):
    """The network itself, through the environment's proxies (``HTTPS_PROXY``, ``NO_PROXY`` and the like) with its CA bundle."""

    def __init__(self, patience: Patience) -> None:
        self._limits = httpx.Limits(
            max_connections=patience.connections, max_keepalive_connections=patience.connections
        )
        self._proxies = urllib.request.getproxies()
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._proxies.get(request.url.scheme) or self._proxies.get("all") or ""
        if proxy and urllib.request.proxy_bypass(request.url.host):
            proxy = ""
        if proxy not in self._transports:
            self._transports[proxy] = self._open(proxy, request.url.scheme)
        return await self._transports[proxy].handle_async_request(request)

    def _open(self, proxy: str, scheme: str) -> httpx.AsyncHTTPTransport:
        address = proxy if not proxy or "://" in proxy else f"http://{proxy}"
        try:
            return httpx.AsyncHTTPTransport(
                verify=_trusted(), http1=True, limits=self._limits, proxy=address or None, trust_env=False
            )
        except OSError as error:
            raise RingfenceError(
                f"the certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {error}",
                remedy="Point the variable at a readable file or folder, or unset it.",
            ) from None
        except (ValueError, ImportError):
            raise RingfenceError(  # the address is not shown: it may hold a password
                f"the proxy that the environment names for {scheme} cannot be used",
                remedy="Ringfence reads through http:// and https:// proxies.",
            ) from None

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()


def _trusted() -> ssl.SSLContext:
    """The certificates of SSL_CERT_FILE or SSL_CERT_DIR; where neither is set, httpx's own and the machine's, which may know
    a company's authority. Raises OSError."""
    context = httpx.create_ssl_context(trust_env=True)
    if not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        context.load_default_certs()
    return context


async def _read(response: httpx.Response, limit: int, *, raw: bool) -> bytes | None:
    """The body, or None beyond the limit."""
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        return None
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw() if raw else response.aiter_bytes():
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)


def _retry_after(text: str | None) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _unreachable(where: str, trouble: str, remedy: str = "") -> Unknown:
    unknown = Unknown(reason="registry-unreachable", detail=f"{where} {trouble}")
    return msgspec.structs.replace(unknown, remedy=remedy) if remedy else unknown


def _words(error: Exception) -> str:
    return f"cannot be read ({type(error).__name__}{f': {error}' if str(error) else ''})"
