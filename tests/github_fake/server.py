"""The server: who asks, what goes wrong, how much is left, which route, which page; every request and answer judged."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from tests.github_fake import description, git_http, graphql
from tests.github_fake.faults import Fault, Faults
from tests.github_fake.rest import ROUTES
from tests.github_fake.rest.route import Answer, ApiError, Call, Paged
from tests.github_fake.rest.shapes import Shapes
from tests.github_fake.state import Actor, World
from tests.github_fake.tables import UNDESCRIBED_ROUTES

__all__ = ["Asked", "GitHubFake", "Rate"]

_DOCS = "https://docs.github.com/rest"
_LIMITS = {("anonymous", "core"): 60, ("anonymous", "graphql"): 0, ("job", "core"): 1000, ("job", "graphql"): 1000}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request. ``kind``: rest, graphql or git; ``path`` without prefix and query; ``by`` never holds a token."""

    kind: str
    method: str
    path: str
    query: str
    by: str
    body: Any
    write: bool
    headers: Mapping[str, str]
    status: int | None = None


@dataclass
class Rate:
    """What is left of an hour's calls. ``reset``: seconds since 1970."""

    limit: int
    remaining: int
    reset: float
    resource: str

    @property
    def used(self) -> int:
        return self.limit - self.remaining

    def shape(self) -> dict[str, int]:
        """As ``/rate_limit`` gives it."""
        return {"limit": self.limit, "remaining": self.remaining, "used": self.used, "reset": int(self.reset)}

    def headers(self) -> dict[str, str]:
        """As every answer has it."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(int(self.reset)),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Resource": self.resource,
        }


@dataclass
class _Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is none of a test's business; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class GitHubFake:
    """A GitHub on 127.0.0.1: see the package's docstring. ``folder`` holds its bare repositories."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.asked: list[Asked] = []
        self.violations: list[str] = []
        self._faults = Faults()
        self._rates: dict[tuple[str, str], Rate] = {}
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> GitHubFake:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._faults.clear()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        if kind is None and self.violations:
            raise AssertionError("GitHub's own description says otherwise:\n" + "\n".join(self.violations))

    # Where it is

    def environment(self, style: str = "enterprise") -> dict[str, str]:
        """The variables that a workflow has: ``enterprise`` (``/api/v3``) or ``dotcom`` (API at the root)."""
        api, ql = ("/api/v3", "/api/graphql") if style == "enterprise" else ("", "/graphql")
        return {"GITHUB_SERVER_URL": self.url, "GITHUB_API_URL": self.url + api, "GITHUB_GRAPHQL_URL": self.url + ql}

    # What goes wrong

    def fail(self, request: str, fault: Fault, *, times: int | None = 1, after: int = 0) -> None:
        """Let requests fail. ``request`` is a pattern over ``METHOD /path`` without prefix and query (``GET /repos/*/pulls``,
        ``POST /graphql``, ``GIT /acme/x.git/*``); ``after`` of them pass first; ``times`` None: every one from then on."""
        self._faults.plan(request, fault, None, after=after, times=times)

    def mend(self) -> None:
        """Nothing that was planned happens any more."""
        self._faults.clear()

    def before(self, request: str, act: Callable[[], None], *, times: int | None = 1, after: int = 0) -> None:
        """Let the world change in the middle of a run: ``act`` is done before such a request is answered."""
        self._faults.plan(request, None, act, after=after, times=times)

    def set_rate(self, by: str, remaining: int, *, resource: str = "core", reset: float | None = None) -> None:
        """How many calls are left for somebody: a login, ``anonymous``, ``job of OWNER/NAME``, ``installation N``."""
        rate = self._rates.setdefault((by, resource), Rate(5000, 5000, 0, resource))
        rate.remaining, rate.reset = remaining, reset if reset is not None else self.world.clock() + 3600

    def rate(self, actor: Actor, resource: str) -> Rate:
        """What is left for a token."""
        limit = _LIMITS.get((actor.kind, resource), 5000)
        key = (actor.bucket, resource)
        rate = self._rates.get(key)
        if rate is None or rate.reset <= self.world.clock():
            rate = self._rates[key] = Rate(limit, limit, self.world.clock() + 3600, resource)
        return rate

    # What was asked

    def calls(self, kind: str | None = None) -> list[Asked]:
        """The requests to the API (or of one kind: ``rest``, ``graphql``, ``git``), in order."""
        return [each for each in list(self.asked) if (each.kind == kind if kind else each.kind != "git")]

    def writes(self) -> list[Asked]:
        """Every request that would change something: mutations, pushes, anything but GET and HEAD. Not an App's token."""
        return [each for each in list(self.asked) if each.write]

    @contextmanager
    def counted(self) -> Iterator[list[Asked]]:
        """The requests made inside the block."""
        begin = len(self.asked)
        inside: list[Asked] = []
        yield inside
        inside += self.asked[begin:]

    @staticmethod
    def query_of(query: Mapping[str, list[str]]) -> str:
        """A query string with its question mark; empty for none."""
        return "?" + urlencode(query, doseq=True) if query else ""

    # One request

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes, host: str) -> _Reply:
        """Answer a request."""
        path, _, query = target.partition("?")
        if git_http.is_git(path):
            return self._git(method, path, query, headers, body)
        prefix = "/api/v3" if path.startswith("/api/v3/") or path == "/api/v3" else ""
        if path in ("/graphql", "/api/graphql"):
            return self._graphql(path, headers, body)
        return self._rest(method, f"http://{host}{prefix}", path[len(prefix) :] or "/", query, headers, body)

    def _fault(self, name: str) -> _Reply | None:
        fault = self._faults.meet(name)
        if fault is None:
            return None
        if fault.delay:
            time.sleep(fault.delay)
        if fault.cut:
            return _Reply(0, b"", cut=True)
        if isinstance(fault.body, str):
            return _Reply(fault.status or 500, fault.body.encode(), {"Content-Type": "text/html", **fault.headers})
        return _json_reply(fault.status or 500, fault.body, {**fault.headers})

    def _actor(self, token: str | None) -> Actor | None:
        if token is None:
            return Actor(kind="anonymous")
        actor = self.world.tokens.get(token)
        if actor is not None:
            return None if actor.expires is not None and actor.expires <= self.world.clock() else actor
        return self._app(token)

    def _app(self, token: str) -> Actor | None:
        """An App that proves itself with a JWT (RS256, at most ten minutes)."""
        if token.count(".") != 2:
            return None
        import jwt

        try:
            number = int(jwt.decode(token, options={"verify_signature": False})["iss"])
            app = self.world.apps[number]
            claims = jwt.decode(token, app.public_key, algorithms=["RS256"])
        except (jwt.PyJWTError, KeyError, ValueError):
            return None
        if claims["exp"] - claims["iat"] > 660:
            return None
        return Actor(kind="app", app=app, account=app.bot, permissions={}, name=f"app {app.slug}")

    def _note(self, asked: Asked) -> Callable[[int], None]:
        index = len(self.asked)
        with self.world.lock:
            index = len(self.asked)
            self.asked.append(asked)

        def ended(status: int) -> None:
            self.asked[index] = replace(self.asked[index], status=status)

        return ended

    def _git(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> _Reply:
        actor = self._actor(git_http.token_of(headers.get("Authorization")))
        name = actor.name if actor else "unknown"
        write = path.endswith("/git-receive-pack")
        ended = self._note(
            Asked(kind="git", method=method, path=path, query=query, by=name, body=None, write=write, headers=headers)
        )
        fault = self._fault(f"GIT {path}")
        if fault is not None:
            ended(fault.status)
            return fault
        answer = git_http.serve(self, actor, method, path, query, headers, body)
        ended(answer.status)
        return _Reply(answer.status, answer.body, dict(answer.headers))

    def _graphql(self, path: str, headers: Mapping[str, str], body: bytes) -> _Reply:
        actor = self._actor(_bearer(headers))
        asked = json.loads(body or b"null")
        write = graphql.is_write((asked or {}).get("query", ""))
        ended = self._note(
            Asked(
                kind="graphql",
                method="POST",
                path="/graphql",
                query="",
                by=actor.name if actor else "unknown",
                body=asked,
                write=write,
                headers=headers,
            )
        )
        reply = self._fault("POST /graphql") or self._graphql_answer(actor, asked)
        ended(reply.status)
        return reply

    def _graphql_answer(self, actor: Actor | None, asked: Any) -> _Reply:
        if actor is None or actor.kind in ("anonymous", "app"):
            words = "Bad credentials" if actor is None else "This endpoint requires you to be authenticated."
            return _json_reply(401, {"message": words, "documentation_url": "https://docs.github.com/graphql"}, {})
        with self.world.lock:
            rate = self.rate(actor, "graphql")
            if rate.remaining <= 0:
                error = {"type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1001."}
                return _json_reply(200, {"errors": [error]}, rate.headers())
            rate.remaining -= 1
            shape, faults = graphql.answer(self, actor, asked)
            self.violations += faults
            return _json_reply(200, shape, rate.headers())

    def _rest(self, method: str, api: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> _Reply:
        actor = self._actor(_bearer(headers))
        asked = json.loads(body) if body else None
        # Asking for an App's token changes nothing.
        write = method not in ("GET", "HEAD") and not path.endswith("/access_tokens")
        ended = self._note(
            Asked(
                kind="rest",
                method=method,
                path=path,
                query=query,
                by=actor.name if actor else "unknown",
                body=asked,
                write=write,
                headers=headers,
            )
        )
        reply = self._fault(f"{method} {path}")
        if reply is None:
            with self.world.lock:
                reply = self._rest_answer(method, api, path, parse_qs(query), headers, asked, actor)
        ended(reply.status)
        return reply

    def _rest_answer(
        self,
        method: str,
        api: str,
        path: str,
        query: Mapping[str, list[str]],
        headers: Mapping[str, str],
        body: Any,
        actor: Actor | None,
    ) -> _Reply:
        own = description.load()
        known = own.operation(method, path)
        template, params = (known[0].path, known[1]) if known else (_undescribed(path), _last(path))
        documented = known[0].spec.get("externalDocs", {}).get("url", _DOCS) if known else _DOCS
        handler = ROUTES.get((method, template or ""))
        rate = self.rate(actor or Actor(kind="anonymous"), "core")
        out: dict[str, str] = {}
        try:
            if "User-Agent" not in headers:
                raise ApiError(403, "Request forbidden by administrative rules.")
            if actor is None:
                raise ApiError(401, "Bad credentials")
            if template is None or handler is None:
                self.violations.append(
                    f"{method} {path}: {'the fake has no such route' if known else 'GitHub has no such route'}"
                )
                raise ApiError(404, "Not Found")
            if known:
                self.violations += [f"asked {method} {path}: {f}" for f in own.request_faults(known[0], query, body)]
            if path != "/rate_limit":
                if rate.remaining <= 0:
                    raise ApiError(
                        403, f"API rate limit exceeded for user ID {actor.account.id if actor.account else 0}."
                    )
                rate.remaining -= 1
            rest = path.split("/", 4)[4] if path.startswith("/repos/") and path.count("/") > 3 else ""
            call = Call(
                fake=self,
                world=self.world,
                actor=actor,
                params=params,
                query=query,
                body=body,
                shapes=Shapes(self.world, api, self.url),
                rest=f"/{rest}" if rest else "",
                raw="raw" in headers.get("Accept", ""),
                method=method,
            )
            result = handler(call)
            if isinstance(result, Paged):
                result = self._page(result, api + path, query, out)
            answer = result if isinstance(result, Answer) else Answer(200, result)
        except ApiError as error:
            shape: dict[str, Any] = {"message": error.message, "documentation_url": documented}
            if error.status in (301, 307):
                shape["url"] = error.headers["Location"]
            else:
                shape["status"] = str(error.status)
            if error.errors is not None:
                shape["errors"] = error.errors
            answer = Answer(error.status, shape, error.headers)
        if known and not isinstance(answer.body, bytes):
            answer = self._judged(own, known[0], answer)
        out |= rate.headers() | answer.headers
        if isinstance(answer.body, bytes):
            return _Reply(
                answer.status, answer.body, out | {"Content-Type": "application/vnd.github.raw; charset=utf-8"}
            )
        return _json_reply(answer.status, answer.body, out)

    def _judged(self, own: description.Description, operation: description.Operation, answer: Answer) -> Answer:
        """An answer filled with what the description requires; what is wrong with it is kept."""
        try:
            schema = own.answer_schema(operation, answer.status)
        except LookupError:
            schema = None
        if schema is not None and answer.status < 300:
            answer = replace(answer, body=own.filled(schema, answer.body))
        faults = own.answer_faults(operation, answer.status, answer.body)
        self.violations += [f"answered {operation.method} {operation.path}: {fault}" for fault in faults]
        return answer

    def _page(self, paged: Paged, url: str, query: Mapping[str, list[str]], headers: dict[str, str]) -> Any:
        """One page, with the Link header that leads to the others."""
        size = max(1, min(100, int(query.get("per_page", ["30"])[0])))
        page = max(1, int(query.get("page", ["1"])[0]))
        last = max(1, -(-len(paged.items) // size))
        links: list[str] = []
        for rel, number, there in (
            ("prev", page - 1, page > 1),
            ("next", page + 1, page < last),
            ("last", last, page < last),
            ("first", 1, page > 1),
        ):
            if there:
                where = self.query_of({**query, "page": [str(number)]})
                links.append(f'<{url}{where}>; rel="{rel}"')
        if links:
            headers["Link"] = ", ".join(links)
        return paged.wrap(paged.items[(page - 1) * size : page * size])


def _bearer(headers: Mapping[str, str]) -> str | None:
    kind, _, value = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        return base64.b64decode(value).decode().partition(":")[2] or None
    return value or None


def _undescribed(path: str) -> str | None:
    return next((t for t in UNDESCRIBED_ROUTES if path.rpartition("/")[0] == t.rpartition("/")[0]), None)


def _last(path: str) -> dict[str, str]:
    return {"repository_id": path.rpartition("/")[2]}


def _json_reply(status: int, body: Any, headers: dict[str, str]) -> _Reply:
    data = b"" if body is None else json.dumps(body).encode()
    return _Reply(status, data, {"Content-Type": "application/json; charset=utf-8", **headers})


def _handler(fake: GitHubFake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            reply = fake.handle(
                self.command, self.path, _Headers(self.headers.items()), self._body(), self.headers.get("Host", "")
            )
            if reply.cut:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("X-GitHub-Request-Id", f"{time.monotonic_ns():X}")
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815

        def _body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts: list[bytes] = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler


class _Headers(dict[str, str]):
    """Header names in the usual spelling, whatever the client wrote."""

    def __init__(self, items: Any) -> None:
        super().__init__((name.title(), value) for name, value in items)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.title(), default)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).title())
