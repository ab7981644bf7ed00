"""A small npm registry on 127.0.0.1, for tests: packages from Python values, tarballs with true hashes, failures on demand.

It knows ``/NAME`` (whole and abbreviated), ``/NAME/VERSION`` and ``/NAME/-/FILE.tgz``, as npm's registry does. What it answers
is checked against a real registry by tests/test_registry_verdaccio.py.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

__all__ = ["Asked", "Failure", "LoopbackRegistry", "pack", "sha1_hex", "sri"]


def pack(files: Mapping[str, bytes], *, root: str = "package") -> bytes:
    """A gzipped npm tarball of these files; the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{root}/{name}")
            entry.size = len(content)
            entry.mtime = 499162500
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    # gzip writes the time of day into bytes 4 to 8.
    raw = bytearray(buffer.getvalue())
    raw[4:8] = b"\0\0\0\0"
    return bytes(raw)


def sri(data: bytes, algorithm: str = "sha512") -> str:
    """A subresource integrity string."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def sha1_hex(data: bytes) -> str:
    """The registry's ``shasum``."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How the registry fails. ``times``: how many requests, None for all.

    ``status`` with ``headers`` and ``body`` answers so; ``delay`` (seconds) waits first; ``cut`` ends the connection in the
    middle of a good answer; ``close`` ends it before any answer.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    cut: bool = False
    close: bool = False
    times: int | None = None


@dataclass(frozen=True)
class Asked:
    """One request as it came: ``path`` is the raw request target."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class _Rule:
    matches: Callable[[str], bool]
    failure: Failure
    left: int | None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the default of 5, the sixth of many clients at once waits a second


class LoopbackRegistry:
    """Start it with ``with LoopbackRegistry() as registry``; ``registry.url`` has no trailing slash.

    ``token``: answer 401 to requests without it. ``version_route`` False: no ``/NAME/VERSION``, as some registries have none.
    ``most_at_once`` is the largest number of requests that were under way together.
    """

    def __init__(self, *, version_route: bool = True, token: str | None = None) -> None:
        self.asked: list[Asked] = []
        self.version_route = version_route
        self.token = token
        self.most_at_once = 0
        self._at_once = 0
        self._packages: dict[str, dict[str, Any]] = {}
        self._tarballs: dict[str, bytes] = {}
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LoopbackRegistry:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # -- what it has -----------------------------------------------------------------------

    def publish(
        self,
        name: str,
        version: str,
        manifest: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
        *,
        tag: str = "latest",
        when: str = "2026-01-01T00:00:00.000Z",
        deprecated: str | bool | None = None,
        tarball: bytes | None = None,
        dist: Mapping[str, Any] | None = None,
    ) -> str:
        """Publish a version and give its integrity.

        ``manifest`` joins name and version in the tarball's ``package.json`` and in the version's document; ``files`` are the
        others, by path below the package root. ``tarball`` replaces the bytes made from them; ``dist`` overrides what
        the document says of them (a value of None leaves a key out).
        """
        full = {"name": name, "version": version, **(manifest or {})}
        contents = {"package.json": json.dumps(full, indent=2).encode(), **(files or {})}
        data = pack(contents) if tarball is None else tarball
        path = f"/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        described: dict[str, Any] = {
            "integrity": sri(data),
            "shasum": sha1_hex(data),
            "tarball": self.url + path,
            **(dist or {}),
        }
        document = {
            **full,
            "_id": f"{name}@{version}",
            "dist": {key: value for key, value in described.items() if value is not None},
        }
        if deprecated is not None:
            document["deprecated"] = deprecated
        with self._lock:
            package = self._packages.setdefault(
                name, {"name": name, "dist-tags": {}, "versions": {}, "time": {"created": when}}
            )
            package["versions"][version] = document
            package["dist-tags"][tag] = version
            package["time"] |= {version: when, "modified": when}
            self._tarballs[path] = data
        return sri(data)

    def unpublish(self, name: str, version: str) -> None:
        """Take one version away; its release time stays, as npm's registry leaves it."""
        with self._lock:
            del self._packages[name]["versions"][version]

    def deprecate(self, name: str, version: str, text: str) -> None:
        """Mark a version; an empty text takes the mark back."""
        with self._lock:
            self._packages[name]["versions"][version]["deprecated"] = text

    # -- how it fails ----------------------------------------------------------------------

    def fail(self, failure: Failure, *, path: str | Callable[[str], bool] = "") -> None:
        """Fail requests whose decoded path contains ``path`` (or for which it is true); earlier calls come first."""
        matches = path if callable(path) else lambda asked: path in asked
        with self._lock:
            self._rules.append(_Rule(matches, failure, failure.times))

    def heal(self) -> None:
        """Fail no more."""
        with self._lock:
            self._rules.clear()

    # -- what it was asked -----------------------------------------------------------------

    @property
    def requests(self) -> int:
        """How many requests came."""
        return len(self.asked)

    def paths(self) -> list[str]:
        """The raw targets of all requests, in the order in which they came."""
        return [asked.path for asked in self.asked]

    def forget(self) -> None:
        """Count anew."""
        self.asked.clear()

    # -- the server ------------------------------------------------------------------------

    def _failure_for(self, path: str) -> Failure | None:
        with self._lock:
            for rule in self._rules:
                if rule.left != 0 and rule.matches(path):
                    if rule.left is not None:
                        rule.left -= 1
                    return rule.failure
        return None

    def _answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        with self._lock:
            if path in self._tarballs:
                return 200, "application/octet-stream", self._tarballs[path]
            parts = path.strip("/").split("/")
            name, rest = ("/".join(parts[:2]), parts[2:]) if parts[0].startswith("@") else (parts[0], parts[1:])
            package = self._packages.get(name)
            if rest and not self.version_route:
                return _json(405, {"error": "method not allowed"})
            if package is None or len(rest) > 1:
                return _json(404, {"error": "Not found"})
            if rest:
                wanted = package["dist-tags"].get(rest[0], rest[0])
                document = package["versions"].get(wanted)
                return _json(200, document) if document else _json(404, f"version not found: {rest[0]}")
            if "application/vnd.npm.install-v1+json" in accept:
                short = {key: package[key] for key in ("name", "dist-tags")}
                short["versions"] = {version: _short(document) for version, document in package["versions"].items()}
                return _json(200, short | {"modified": package["time"]["modified"]})
            return _json(200, package)


_SHORT = ("name", "version", "dist", "deprecated", "dependencies", "peerDependencies", "bin", "engines")


def _short(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: document[key] for key in _SHORT if key in document}


def _json(status: int, value: object) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(value).encode()


def _handler(registry: LoopbackRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            with registry._lock:
                registry._at_once += 1
                registry.most_at_once = max(registry.most_at_once, registry._at_once)
            try:
                self._answer()
            finally:
                with registry._lock:
                    registry._at_once -= 1

        def _answer(self) -> None:
            registry.asked.append(Asked(self.command, self.path, dict(self.headers.items())))
            path = unquote(self.path.partition("?")[0])
            failure = registry._failure_for(path)
            if failure is not None:
                time.sleep(failure.delay)
                if failure.close:
                    self._hang_up()
                    return
                if failure.status is not None:
                    self._send(failure.status, failure.headers.items(), failure.body)
                    return
            if registry.token is not None and self.headers["Authorization"] != f"Bearer {registry.token}":
                self._send(401, [], b'{"error":"unauthorized"}')
                return
            status, kind, body = registry._answer(path, self.headers["Accept"] or "")
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            if status == 200 and self.headers["If-None-Match"] == etag:
                self._send(304, [("ETag", etag)], b"")
                return
            cut = len(body) // 2 if failure is not None and failure.cut else None
            self._send(status, [("Content-Type", kind), ("ETag", etag)], body, cut)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def _send(self, status: int, headers: Iterable[tuple[str, str]], body: bytes, cut: int | None = None) -> None:
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if cut is None else body[:cut])
            if cut is not None:
                self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
