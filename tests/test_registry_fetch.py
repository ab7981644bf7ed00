"""The registry client: right answers from a real HTTP registry, however it fails, and nothing private on the wire."""

from __future__ import annotations

import datetime
import email.utils
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Literal

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.errors import RingfenceError
from bot.names import PackageName
from bot.policy import Mirror, RegistryTable
from bot.registry.cache import Cache
from bot.registry.client import Client, Endpoint, PrivateNameError, Question
from bot.registry.fetch import Answer, Ask, Patience, Registry, is_exact_version
from bot.rule import Absent, AskPackage, AskPublished, AskVersion, PackageFacts, Published, Released, Unknown
from tests.registry.loopback import Failure, LoopbackRegistry, pack, sha1_hex, sri

Tables = dict[Literal["npm", "pypi"], RegistryTable]
CORE = PackageName.npm("@acme/core")
PLAIN = PackageName.npm("acme-plain")
QUICK = Patience(pause=0.01, pause_max=1.0, connect=5.0, read=10.0, whole_document=30.0, whole_tarball=30.0)
HASTY = Patience(pause=0.01, pause_max=1.0, connect=5.0, read=1.0, attempts=2)
ONE = AskVersion(CORE, "1.2.3")


def is_open(package: PackageName) -> bool:
    return package.name.startswith("@acme/") or package == PLAIN


class Asker:
    """One cache, many runs."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.table = RegistryTable(url=url)
        self.clock = time.time()
        self.requests = 0

    def __call__(
        self,
        *keys: Ask,
        offline: bool = False,
        patience: Patience = QUICK,
        is_open: Callable[[PackageName], bool] = is_open,
    ) -> list[Answer]:
        with (
            Cache(self.folder, now=lambda: self.clock) as cache,
            Registry({"npm": self.table}, cache, offline, is_open, patience=patience) as registry,
        ):
            answers = registry.fetch(keys)
            self.requests = registry.requests
        assert set(answers) == set(keys)
        return [answers[key] for key in keys]


@pytest.fixture
def ask(tmp_path: Path, registry: LoopbackRegistry) -> Asker:
    return Asker(tmp_path / "cache", registry.url)


def reason(answer: Answer) -> str:
    assert isinstance(answer, Unknown), answer
    assert answer.detail
    return answer.reason


# -- what there is, and what there is not --------------------------------------------------


def test_a_version(ask: Asker, registry: LoopbackRegistry) -> None:
    integrity = registry.publish("@acme/core", "1.2.3")
    registry.publish("acme-plain", "0.1.0-rc.1", deprecated="use 0.2")
    released, plain = ask(ONE, AskVersion(PLAIN, "0.1.0-rc.1"))
    assert isinstance(released, Released)
    assert (released.integrity, released.deprecated, released.mirrored) == (integrity, None, False)
    assert released.source == f"{registry.url}/@acme%2fcore/1.2.3"
    assert isinstance(plain, Released)
    assert plain.deprecated == "use 0.2"
    assert sorted(registry.paths()) == ["/@acme%2fcore/1.2.3", "/acme-plain/0.1.0-rc.1"]


@pytest.mark.parametrize(("mark", "text"), [("", None), (False, None), (True, "deprecated"), ("old", "old")])
def test_how_a_deprecation_is_written(
    ask: Asker, registry: LoopbackRegistry, mark: str | bool, text: str | None
) -> None:
    registry.publish("@acme/core", "1.2.3", deprecated=mark)
    (released,) = ask(ONE)
    assert isinstance(released, Released)
    assert released.deprecated == text


def test_a_missing_version_is_not_a_missing_package(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    gone = [AskVersion(CORE, f"9.0.{number}") for number in range(5)]
    *versions, package = ask(*gone, AskVersion(PLAIN, "1.0.0"))
    assert [getattr(answer, "what", answer) for answer in versions] == ["version"] * 5
    assert isinstance(package, Absent)
    assert package.what == "package"
    # One look at each package tells all its missing versions from a missing package.
    assert registry.paths().count("/@acme%2fcore") == 1
    assert registry.requests == 6 + 2


def test_a_registry_without_the_version_route(tmp_path: Path) -> None:
    with LoopbackRegistry(version_route=False) as registry:
        integrity = registry.publish("@acme/core", "1.2.3", deprecated="old")
        released, absent = Asker(tmp_path, registry.url)(ONE, AskVersion(CORE, "2.0.0"))
    assert isinstance(released, Released)
    assert (released.integrity, released.deprecated) == (integrity, "old")
    assert absent == Absent(what="version", source=f"{registry.url}/@acme%2fcore")


def test_a_package(ask: Asker, registry: LoopbackRegistry) -> None:
    for version, day in (("1.0.0", 1), ("2.0.0", 3), ("1.0.1", 5), ("3.0.0", 7)):
        registry.publish("@acme/core", version, when=f"2026-02-0{day}T00:00:00.000Z")
    registry.unpublish("@acme/core", "3.0.0")
    facts, absent = ask(AskPackage(CORE), AskPackage(PLAIN))
    assert isinstance(facts, PackageFacts)
    assert facts.versions == ("1.0.0", "2.0.0", "1.0.1")
    assert facts.times["2.0.0"] == "2026-02-03T00:00:00.000Z"
    assert set(facts.times) == {"1.0.0", "2.0.0", "1.0.1", "3.0.0"}  # when a withdrawn one came stays known
    assert facts.tags == {"latest": "3.0.0"}
    assert absent == Absent(what="package", source=f"{registry.url}/acme-plain")


def test_a_published_tarball(ask: Asker, registry: LoopbackRegistry) -> None:
    manifest = {"exports": {"./z": "./z.js", ".": "./a.js"}}
    integrity = registry.publish("@acme/core", "1.2.3", manifest, {"z.js": b"", "dist/a.js": b"1"})
    published, absent = ask(AskPublished(CORE, "1.2.3"), AskPublished(CORE, "2.0.0"))
    assert isinstance(published, Published)
    assert published.files == {"package.json", "z.js", "dist/a.js"}
    assert published.manifest == {"name": "@acme/core", "version": "1.2.3", **manifest}
    assert published.integrity == integrity
    assert getattr(absent, "what", None) == "version"
    # The version's document served both questions, and stays.
    registry.forget()
    (released,) = ask(ONE)
    assert isinstance(released, Released)
    assert registry.requests == 0


def test_the_tarball_decides_not_the_document(ask: Asker, registry: LoopbackRegistry) -> None:
    data = pack({"package.json": b'{"name": "@acme/core", "exports": "./real.js"}'})
    registry.publish("@acme/core", "1.2.3", {"exports": "./claimed.js"}, tarball=data)
    (published,) = ask(AskPublished(CORE, "1.2.3"))
    assert isinstance(published, Published)
    assert published.manifest["exports"] == "./real.js"


def test_an_old_package_with_a_shasum_alone(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3", dist={"integrity": None})
    registry.publish("acme-plain", "1.2.3", dist={"integrity": None, "shasum": sha1_hex(b"other")})
    good, bad = ask(AskPublished(CORE, "1.2.3"), AskPublished(PLAIN, "1.2.3"))
    assert isinstance(good, Published)
    assert (good.integrity or "").startswith("sha1-")
    assert reason(bad) == "integrity-mismatch"


# -- the cache -----------------------------------------------------------------------------


def test_a_warm_run_asks_for_nothing(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    keys = (
        ONE,
        AskVersion(CORE, "9.9.9"),
        AskVersion(PLAIN, "1.0.0"),
        AskPackage(CORE),
        AskPackage(PLAIN),
        AskPublished(CORE, "1.2.3"),
    )
    cold = ask(*keys)
    assert registry.requests == ask.requests > 0
    registry.forget()
    assert ask(*keys) == cold
    assert (registry.requests, ask.requests) == (0, 0)


def test_a_new_release_is_seen_after_five_minutes(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.0.0")
    assert isinstance(ask(ONE)[0], Absent)
    registry.publish("@acme/core", "1.2.3")
    assert isinstance(ask(ONE)[0], Absent)
    ask.clock += 301
    assert isinstance(ask(ONE)[0], Released)


def test_a_deprecation_and_a_withdrawal_are_seen_after_a_day(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    ask(ONE)
    registry.deprecate("@acme/core", "1.2.3", "broken")
    assert getattr(ask(ONE)[0], "deprecated", "") is None
    ask.clock += 86_401
    assert getattr(ask(ONE)[0], "deprecated", "") == "broken"
    registry.unpublish("@acme/core", "1.2.3")
    ask.clock += 86_401
    assert isinstance(ask(ONE)[0], Absent)


def test_existence_stays_known_while_the_registry_is_down(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    missing = AskVersion(CORE, "9.9.9")
    ask(ONE, missing, AskPackage(CORE))
    ask.clock += 10**7
    registry.fail(Failure(status=503))
    released, absent, package = ask(ONE, missing, AskPackage(CORE))
    assert isinstance(released, Released)
    assert reason(absent) == "registry-unreachable"  # that something is missing is no lasting truth
    assert reason(package) == "registry-unreachable"


def test_offline(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    keys = (ONE, AskVersion(CORE, "9.9.9"), AskPackage(CORE), AskPublished(CORE, "1.2.3"))
    cold = ask(*keys)
    registry.forget()
    assert ask(*keys, offline=True) == cold
    ask.clock += 10**8
    old = ask(*keys, offline=True)
    assert [old[0], *old[2:]] == [cold[0], *cold[2:]]  # old facts serve
    assert reason(old[1]) == "offline"  # but not that something was missing
    assert "old word about @acme/core@9.9.9" in getattr(old[1], "detail", "")
    unknown = ask(AskVersion(PLAIN, "1.0.0"), AskPackage(PLAIN), AskPublished(PLAIN, "1.0.0"), offline=True)
    assert [reason(answer) for answer in unknown] == ["offline"] * 3
    assert all("--offline" in getattr(answer, "remedy", "") for answer in unknown)
    assert registry.requests == 0


def test_a_kept_tarball_is_not_fetched_again(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    key = AskPublished(CORE, "1.2.3")
    (cold,) = ask(key)
    for path in ask.folder.glob("registry.sqlite*"):
        path.unlink()
    registry.fail(Failure(status=500), path=".tgz")
    assert ask(key) == [cold]


@pytest.mark.parametrize("known", ["both", "the tarball's alone"])
def test_a_version_that_was_published_again_is_another_tarball(
    ask: Asker, registry: LoopbackRegistry, known: str
) -> None:
    registry.publish("@acme/core", "1.2.3", {"exports": {".": "./a.js"}})
    key = AskPublished(CORE, "1.2.3")
    keys: list[Ask] = [ONE, key] if known == "both" else [key]
    old = ask(*keys)[-1]
    integrity = registry.publish("@acme/core", "1.2.3", {"exports": {".": "./b.js"}})
    assert ask(*keys)[-1] == old  # the registry's word stands for a day
    ask.clock += 86_401
    assert ask(*keys, offline=True)[-1] == old
    new = ask(*keys)[-1]
    assert isinstance(new, Published)
    assert (new.integrity, new.manifest["exports"]) == (integrity, {".": "./b.js"})
    # Whoever asks for the version first must not be told of the old tarball afterwards.
    registry.publish("@acme/core", "1.2.3", {"exports": {".": "./c.js"}})
    ask.clock += 86_401
    ask(ONE)
    last = ask(key)[0]
    assert isinstance(last, Published)
    assert last.manifest["exports"] == {".": "./c.js"}
    registry.unpublish("@acme/core", "1.2.3")
    ask.clock += 86_401
    assert isinstance(ask(key)[0], Absent)
    assert isinstance(ask(key, offline=True)[0], Absent)


def test_the_same_tarball_a_day_later_costs_one_request(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    key = AskPublished(CORE, "1.2.3")
    cold = ask(ONE, key)
    ask.clock += 86_401
    registry.forget()
    shutil.rmtree(ask.folder / "tarballs")  # what it holds is known
    assert ask(ONE, key) == cold
    assert registry.requests == 1
    # And while the registry is down, what was known is known.
    ask.clock += 86_401
    registry.fail(Failure(status=503))
    assert ask(key, ONE) == cold[::-1]


def test_a_registry_s_facts_are_its_own(tmp_path: Path, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    assert isinstance(Asker(tmp_path, registry.url)(ONE)[0], Released)
    with LoopbackRegistry() as other:
        assert isinstance(Asker(tmp_path, other.url)(ONE)[0], Absent)


def test_a_warm_run_imports_no_http(tmp_path: Path, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    Asker(tmp_path, registry.url)(ONE)
    code = f"""
import sys
from pathlib import Path
from bot.names import PackageName
from bot.policy import RegistryTable
from bot.registry.cache import Cache
from bot.registry.fetch import Registry
from bot.rule import AskVersion, Released
tables = {{"npm": RegistryTable(url={registry.url!r})}}
with Cache(Path({str(tmp_path)!r})) as cache, Registry(tables, cache, False, lambda package: True) as registry:
    (answer,) = registry.fetch([AskVersion(PackageName.npm("@acme/core"), "1.2.3")]).values()
assert isinstance(answer, Released), answer
print(*sorted({{"httpx", "asyncio", "ssl", "packageurl", "urllib.request"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


# -- failures ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        Failure(status=503, times=2),
        Failure(status=500, times=3),
        Failure(status=429, times=1),
        Failure(close=True, times=2),
        Failure(cut=True, times=2),
        Failure(delay=1.6, times=1),
    ],
    ids=repr,
)
def test_a_passing_failure_is_got_over(ask: Asker, registry: LoopbackRegistry, failure: Failure) -> None:
    registry.publish("@acme/core", "1.2.3")
    registry.fail(failure)
    assert isinstance(ask(ONE, patience=HASTY if failure.delay else QUICK)[0], Released)
    assert ask.requests == 1 + (failure.times or 0)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure(status=503), "registry-unreachable"),
        (Failure(status=429), "registry-unreachable"),
        (Failure(status=418), "registry-unreachable"),
        (Failure(close=True), "registry-unreachable"),
        (Failure(cut=True), "registry-unreachable"),
        (Failure(delay=1.6), "registry-unreachable"),
        (Failure(status=401), "registry-forbidden"),
        (Failure(status=403), "registry-forbidden"),
        (Failure(status=200, body=b"<html>please log in</html>"), "malformed"),
        (Failure(status=200, body=b"[]"), "malformed"),
        (Failure(status=200, body=b""), "malformed"),
        (Failure(status=200, body=b"\xff\xfe{}"), "malformed"),
        (Failure(status=200, body=b'{"name": "@acme/core", "version": "1.2.4", "dist": {}}'), "malformed"),
        (Failure(status=200, body=b'{"name": "@acme/other", "version": "1.2.3", "dist": {}}'), "malformed"),
        (
            Failure(status=200, body=b'{"name": "@acme/core", "version": "1.2.3", "dist": {"integrity": 7}}'),
            "malformed",
        ),
        (
            Failure(
                status=200,
                body=b'{"name": "@acme/core", "version": "1.2.3", "x": ' + b"[" * 99_999 + b"]" * 99_999 + b"}",
            ),
            "malformed",
        ),
        (Failure(status=200, body=b"not gzip", headers={"Content-Encoding": "gzip"}), "malformed"),
        (
            Failure(status=200, body=gzip.compress(bytes(9 << 20), mtime=0), headers={"Content-Encoding": "gzip"}),
            "too-large",
        ),
        (Failure(status=302, headers={"Location": "/again"}), "registry-unreachable"),
        (Failure(status=302), "registry-unreachable"),
        (Failure(status=302, headers={"Location": "http://registry.example.test/x"}), "malformed"),
        (Failure(status=302, headers={"Location": "ftp://registry.example.test/x"}), "malformed"),
        (Failure(status=302, headers={"Location": "http://[::1"}), "registry-unreachable"),
        (Failure(status=302, headers={"Location": "file:///etc/passwd"}), "malformed"),
    ],
    ids=lambda value: repr(value)[:90],
)
def test_a_lasting_failure_is_unknown(ask: Asker, registry: LoopbackRegistry, failure: Failure, expected: str) -> None:
    registry.publish("@acme/core", "1.2.3")
    registry.fail(failure)
    begin = time.monotonic()
    assert reason(ask(ONE, patience=HASTY if failure.delay else QUICK)[0]) == expected
    assert time.monotonic() - begin < 20
    # It is not kept: once the registry is well again, so are we.
    registry.heal()
    assert isinstance(ask(ONE)[0], Released)


def test_deeply_nested_json_that_is_of_no_matter(ask: Asker, registry: LoopbackRegistry) -> None:
    body = b'{"name": "@acme/core", "versions": ' + b'{"a":' * 99_999 + b"1" + b"}" * 99_999 + b"}"
    registry.fail(Failure(status=200, body=body))
    assert reason(ask(AskPackage(CORE))[0]) == "malformed"


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "@acme/other", "versions": {}}',
        b'{"versions": {}}',
        b"[]",
        b"<html>",
        b'{"name": "@acme/core", "versions": []}',
    ],
)
def test_a_package_document_of_something_else(ask: Asker, registry: LoopbackRegistry, body: bytes) -> None:
    registry.fail(Failure(status=200, body=body), path=lambda path: path == "/@acme/core")
    # The same document that says "the version is missing" must first be the package's own.
    assert [reason(answer) for answer in ask(AskPackage(CORE), ONE)] == ["malformed", "malformed"]


def test_a_package_that_was_unpublished_as_a_whole(ask: Asker, registry: LoopbackRegistry) -> None:
    body = b'{"name": "@acme/core", "time": {"1.2.3": "2026-01-01T00:00:00Z", "unpublished": {"versions": ["1.2.3"]}}}'
    registry.fail(Failure(status=200, body=body), path=lambda path: path == "/@acme/core")
    assert [getattr(answer, "what", answer) for answer in ask(AskPackage(CORE), ONE)] == ["package", "package"]


def test_a_404_whose_package_cannot_be_looked_at(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.0.0")
    registry.fail(Failure(status=503), path=lambda path: path == "/@acme/core")
    assert reason(ask(ONE)[0]) == "registry-unreachable"


def test_retry_after_is_waited_for(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    registry.fail(Failure(status=429, headers={"Retry-After": "1"}, times=1))
    begin = time.monotonic()
    assert isinstance(ask(ONE)[0], Released)
    assert 1.0 <= time.monotonic() - begin < 15


def test_retry_after_too_long_is_not_waited_for(ask: Asker, registry: LoopbackRegistry) -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    for value in ("3600", email.utils.format_datetime(later, usegmt=True)):
        registry.heal()
        registry.forget()
        registry.fail(Failure(status=429, headers={"Retry-After": value}))
        begin = time.monotonic()
        assert reason(ask(ONE)[0]) == "registry-unreachable"
        assert time.monotonic() - begin < 15
        assert registry.requests == 1


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        ask = Asker(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}")
        begin = time.monotonic()
        answers = ask(*(AskVersion(CORE, f"1.0.{number}") for number in range(400)))
    assert {reason(answer) for answer in answers} == {"registry-unreachable"}
    # A host that is down is found out once, not four hundred times.
    assert ask.requests < 150
    assert time.monotonic() - begin < 30


def test_a_registry_that_never_finishes(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        held: list[socket.socket] = []

        def drip() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    held.append(connection)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    threading.Thread(target=_drip, args=(connection,), daemon=True).start()
            except OSError:
                return

        threading.Thread(target=drip, daemon=True).start()
        ask = Asker(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        patience = Patience(pause=0.01, connect=1.0, read=1.0, whole_document=1.2, connections=8)
        begin = time.monotonic()
        answers = ask(*(AskVersion(CORE, f"1.0.{number}") for number in range(200)), patience=patience)
        assert {reason(answer) for answer in answers} == {"registry-unreachable"}
        assert time.monotonic() - begin < 12  # all of them, eight at once, would take 30 s
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def _drip(connection: socket.socket) -> None:
    try:
        while True:
            connection.sendall(b" ")
            time.sleep(0.1)
    except OSError:
        return


def test_one_failure_spoils_one_answer(ask: Asker, registry: LoopbackRegistry) -> None:
    keys = [AskVersion(CORE, f"1.0.{number}") for number in range(60)]
    for key in keys:
        registry.publish("@acme/core", key.version)
    registry.fail(Failure(status=500), path="/1.0.7")
    answers = ask(*keys)
    assert [number for number, answer in enumerate(answers) if not isinstance(answer, Released)] == [7]


# -- tarballs ------------------------------------------------------------------------------


def test_a_tarball_of_other_bytes(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3", dist={"integrity": sri(b"others")})
    registry.publish("acme-plain", "1.2.3", dist={"integrity": "sha512-nonsense"})
    other, nonsense = ask(AskPublished(CORE, "1.2.3"), AskPublished(PLAIN, "1.2.3"))
    assert reason(other) == "integrity-mismatch"
    assert reason(nonsense) == "no-integrity"
    assert not list((ask.folder).glob("tarballs/*"))


@pytest.mark.parametrize(
    "where",
    [
        "http://registry.example.test/core.tgz",
        "file:///etc/passwd",
        "//registry.example.test/x",
        "http://user:word@127.0.0.1/x",
        "\n",
        "x" * 70_000,
    ],
)
def test_a_tarball_at_a_strange_address(ask: Asker, registry: LoopbackRegistry, where: str) -> None:
    registry.publish("@acme/core", "1.2.3", dist={"tarball": where})
    assert reason(ask(AskPublished(CORE, "1.2.3"))[0]) == "malformed"


def test_a_tarball_that_is_none(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3", tarball=b"no gzip")
    registry.publish("acme-plain", "1.2.3", dist={"tarball": None})
    answers = ask(AskPublished(CORE, "1.2.3"), AskPublished(PLAIN, "1.2.3"))
    assert [reason(answer) for answer in answers] == ["malformed", "malformed"]


@pytest.mark.parametrize(
    ("status", "expected"), [(404, "registry-unreachable"), (403, "registry-forbidden"), (500, "registry-unreachable")]
)
def test_a_tarball_that_is_not_given(ask: Asker, registry: LoopbackRegistry, status: int, expected: str) -> None:
    registry.publish("@acme/core", "1.2.3")
    registry.fail(Failure(status=status), path=".tgz")
    assert reason(ask(AskPublished(CORE, "1.2.3"))[0]) == expected


def test_a_tarball_behind_a_redirect(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3", dist={"tarball": f"{registry.url}/elsewhere"})
    registry.fail(Failure(status=302, headers={"Location": "/@acme/core/-/core-1.2.3.tgz"}), path="/elsewhere")
    assert isinstance(ask(AskPublished(CORE, "1.2.3"))[0], Published)


# -- mirrors and tokens --------------------------------------------------------------------


@pytest.fixture
def mirror() -> Iterator[LoopbackRegistry]:
    with LoopbackRegistry(token="word-for-the-mirror") as running:
        yield running


@pytest.mark.parametrize("enough", [False, True])
def test_a_mirror_answers_where_the_public_registry_cannot(
    ask: Asker, registry: LoopbackRegistry, mirror: LoopbackRegistry, monkeypatch: pytest.MonkeyPatch, enough: bool
) -> None:
    monkeypatch.setenv("MIRROR_TOKEN", "word-for-the-mirror")
    ask.table = RegistryTable(
        url=registry.url, mirrors=(Mirror(url=mirror.url + "/", token_env="MIRROR_TOKEN", enough=enough),)
    )
    mirror.publish("@acme/core", "1.2.3")
    registry.fail(Failure(status=503))
    keys = (ONE, AskVersion(CORE, "9.9.9"), AskPackage(CORE), AskPublished(CORE, "1.2.3"))
    released, absent, package, published = ask(*keys)
    assert isinstance(released, Released)
    assert isinstance(package, PackageFacts)
    assert isinstance(published, Published)
    assert released.mirrored
    assert package.mirrored
    assert published.mirrored
    if enough:
        assert isinstance(absent, Absent)
        assert absent.mirrored
    else:  # what a mirror lacks says nothing about the world
        assert reason(absent) == "registry-unreachable"
    # The token went to the mirror alone.
    assert mirror.requests
    assert all(asked.headers.get("Authorization") == "Bearer word-for-the-mirror" for asked in mirror.asked)
    assert not any("Authorization" in asked.headers for asked in registry.asked)
    # Within its hour a mirror's fact stands; then the public registry is asked first again.
    registry.forget()
    mirror.forget()
    assert ask(ONE, AskPackage(CORE), AskPublished(CORE, "1.2.3")) == [released, package, published]
    assert registry.requests == mirror.requests == 0
    registry.heal()
    registry.publish("@acme/core", "1.2.3", {"changed": True})
    ask.clock += 3601
    (now,) = ask(ONE)
    assert isinstance(now, Released)
    assert not now.mirrored


def test_the_public_registry_s_word_goes_first(
    ask: Asker, registry: LoopbackRegistry, mirror: LoopbackRegistry
) -> None:
    ask.table = RegistryTable(url=registry.url, mirrors=(Mirror(url=mirror.url, enough=True),))
    registry.publish("@acme/core", "1.0.0")
    mirror.publish("@acme/core", "1.2.3")
    assert isinstance(ask(ONE)[0], Absent)
    assert mirror.requests == 0


def test_a_tarball_from_the_mirror_must_be_the_public_one(
    ask: Asker, registry: LoopbackRegistry, mirror: LoopbackRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRROR_TOKEN", "word-for-the-mirror")
    ask.table = RegistryTable(url=registry.url, mirrors=(Mirror(url=mirror.url, token_env="MIRROR_TOKEN"),))
    for name, forged in (("@acme/core", b""), ("acme-plain", b"forged")):
        registry.publish(name, "1.2.3")
        mirror.publish(name, "1.2.3", files={"forged.js": forged} if forged else None)
    registry.fail(Failure(status=503), path=".tgz")
    good, forged_one = ask(AskPublished(CORE, "1.2.3"), AskPublished(PLAIN, "1.2.3"))
    assert isinstance(good, Published)
    assert not good.mirrored  # the integrity was the public registry's word
    assert isinstance(forged_one, Unknown)


def test_a_token_does_not_follow_a_redirect(
    ask: Asker, registry: LoopbackRegistry, mirror: LoopbackRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRROR_TOKEN", "word-for-the-mirror")
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.url.host == "public.example.test":
            return httpx.Response(403)
        if request.url.host == "mirror.example.test":
            return httpx.Response(307, headers={"Location": "https://storage.example.test/doc"})
        return httpx.Response(404)

    table = RegistryTable(
        url="https://public.example.test",
        mirrors=(Mirror(url="https://mirror.example.test/npm", token_env="MIRROR_TOKEN"),),
    )
    with (
        Cache(None) as cache,
        Registry(
            {"npm": table}, cache, False, is_open, patience=QUICK, transport=httpx.MockTransport(answer)
        ) as asking,
    ):
        asking.fetch([ONE])
    tokens = {request.url.host: request.headers.get("Authorization") for request in sent}
    assert tokens == {
        "public.example.test": None,
        "mirror.example.test": "Bearer word-for-the-mirror",
        "storage.example.test": None,
    }


@pytest.mark.parametrize(
    "table",
    [
        RegistryTable(url="registry.example.test"),
        RegistryTable(url="ftp://registry.example.test"),
        RegistryTable(url="https://user:word@registry.example.test"),
        RegistryTable(url="https://registry.example.test/?q="),
        RegistryTable(url="https://[::1"),
        RegistryTable(
            url="https://registry.example.test",
            mirrors=(Mirror(url="http://mirror.example.test", token_env="MIRROR_TOKEN"),),
        ),
    ],
)
def test_an_address_in_policy_that_cannot_be_used(table: RegistryTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRROR_TOKEN", "word")
    with (
        Cache(None) as cache,
        Registry({"npm": table}, cache, False, is_open) as registry,
        pytest.raises(RingfenceError),
    ):
        registry.fetch([ONE])


def test_no_credentials_from_the_surroundings(
    ask: Asker, registry: LoopbackRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text(
        "machine 127.0.0.1 login somebody password word\ndefault login somebody password word\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    (tmp_path / ".npmrc").write_text("//127.0.0.1/:_authToken=word\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("NPM_TOKEN", "NODE_AUTH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "word")
    registry.publish("@acme/core", "1.2.3")
    ask(ONE, AskPackage(CORE), AskPublished(CORE, "1.2.3"))
    assert registry.requests == 3
    for asked in registry.asked:
        assert asked.method == "GET"
        assert {name.lower() for name in asked.headers} == {
            "host",
            "accept",
            "accept-encoding",
            "connection",
            "user-agent",
        }
        assert asked.headers["User-Agent"].startswith("ringfence/")
        assert "word" not in str(asked.headers)


def test_cookies_are_not_sent_back(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    registry.fail(Failure(status=404, headers={"Set-Cookie": "who=you"}), path="/1.2.3")
    ask(ONE)
    assert registry.requests == 2
    assert not any("Cookie" in asked.headers for asked in registry.asked)


def test_proxy_variables_are_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            body = json.dumps({"name": "@acme/core", "version": "1.2.3", "dist": {"integrity": sri(b"")}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
        (answer,) = Asker(tmp_path, "http://registry.example.test/npm")(ONE)
        server.shutdown()
    assert isinstance(answer, Released)
    assert seen == ["http://registry.example.test/npm/@acme%2fcore/1.2.3"]


def test_a_proxy_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://somebody:word@127.0.0.1:1")
    with pytest.raises(RingfenceError) as caught:
        Asker(tmp_path, "http://registry.example.test")(ONE)
    assert "word" not in str(caught.value)


def test_certificates_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(RingfenceError, match="SSL_CERT_FILE"):
        Asker(tmp_path, "https://127.0.0.1:1")(ONE)


# -- what leaves the house -----------------------------------------------------------------


class Recording(httpx.AsyncBaseTransport):
    """The network, as seen from the last place before it."""

    def __init__(self) -> None:
        self.targets: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.targets.append(request.url.raw_path.decode())
        return httpx.Response(404)


HOSTILE = [
    "@acme/../secret",
    "@acme/..%2fsecret",
    "@acme%2fsecret",
    "@acme/secret/../../x",
    "@acme/secret?x=1",
    "@acme/secret#x",
    "@acme/a b",
    "@acme/a\nb",
    "@acme/a\r\nX-Secret: 1",
    "@acme/",
    "@acme/.",
    "@acme/..",
    "@acme//secret",
    "@acme/secret/1.0.0",
    "@acme/secret%00",
    "@acme/s\u0435cret",
    "@acme/" + "a" * 300,
    "@acme/\\secret",
    "@acme/a@b",
    "https://registry.example.test/@acme/x",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_asked_of_nobody(name: str) -> None:
    network = Recording()
    package = PackageName.npm(name)
    table: Tables = {"npm": RegistryTable(url="https://registry.example.test")}
    with Cache(None) as cache, Registry(table, cache, False, lambda _: True, transport=network) as registry:
        answers = registry.fetch([AskVersion(package, "1.0.0"), AskPackage(package), AskPublished(package, "1.0.0")])
    assert [reason(answer) for answer in answers.values()] == ["invalid-name"] * 3
    assert network.targets == []


@pytest.mark.parametrize(
    "version",
    [
        "",
        "^1",
        "1",
        "1.2",
        "v1.2.3",
        "=1.2.3",
        "latest",
        "1.2.3/../../@acme%2fsecret",
        "1.2.3?x",
        "1.2.3 ",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.99999999999999999",
        "1.2.3-" + "a" * 300,
        "١.2.3",
        "1.2.3\n",
    ],
)
def test_what_is_no_version_cannot_exist(version: str) -> None:
    network = Recording()
    table: Tables = {"npm": RegistryTable(url="https://registry.example.test")}
    with Cache(None) as cache, Registry(table, cache, False, is_open, transport=network) as registry:
        answers = registry.fetch([AskVersion(CORE, version), AskPublished(CORE, version)])
    assert list(answers.values()) == [Absent(what="version")] * 2
    assert network.targets == []


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from(["@acme/core", "@acme/secret", "secret", *HOSTILE]),
                st.text(max_size=30),
                st.from_regex(r"@acme/[ -~]{1,20}", fullmatch=True),
            ),
            st.one_of(st.sampled_from(["1.2.3", "2.0.0-rc.1+b"]), st.text(max_size=12)),
        ),
        max_size=6,
    )
)
@example([("@acme/secret", "1.2.3"), ("@acme/core", "1.2.3")])
@settings(max_examples=60, deadline=None)
def test_only_open_names_are_ever_on_the_wire(pairs: list[tuple[str, str]]) -> None:
    network = Recording()
    table: Tables = {"npm": RegistryTable(url="https://registry.example.test/npm")}
    keys: list[Ask] = []
    for name, version in pairs:
        package = PackageName.npm(name)
        keys += [AskVersion(package, version), AskPackage(package), AskPublished(package, version)]
    with (
        Cache(None) as cache,
        Registry(table, cache, False, lambda package: package == CORE, transport=network) as registry,
    ):
        answers = registry.fetch(keys)
    assert set(answers) == set(keys)
    for target in network.targets:
        rest = target.removeprefix("/npm/@acme%2fcore")
        assert rest != target
        assert rest == "" or (rest[0] == "/" and is_exact_version(rest[1:].replace("%2B", "+")))


def test_a_private_name_is_unknown_and_said_so(ask: Asker, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    answers = ask(ONE, AskPublished(CORE, "1.2.3"), AskPackage(CORE), is_open=lambda _: False)
    assert [reason(answer) for answer in answers] == ["not-open"] * 3
    assert registry.requests == 0


def test_a_version_that_holds_a_private_name_is_not_asked_for(tmp_path: Path, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    keys: list[Ask] = [make(CORE, "1.2.3-secret.1") for make in (AskVersion, AskPublished)]
    with (
        Cache(tmp_path) as cache,
        Registry(
            {"npm": RegistryTable(url=registry.url)}, cache, False, is_open, may_say=lambda v: "secret" not in v
        ) as asking,
    ):
        answers = asking.fetch([*keys, ONE])
    assert [reason(answers[key]) for key in keys] == ["private-version"] * 2
    assert isinstance(answers[ONE], Released)
    assert registry.requests == 1


@pytest.mark.parametrize(
    ("package", "version", "url"),
    [
        (PackageName.npm("@acme/secret"), None, None),
        (PackageName.npm("@acme/../core"), None, None),
        (CORE, "next", None),
        (CORE, "1.0.0/../../secret", None),
        (CORE, "1.0.0-secret.1", None),
        (CORE, "1.0.0", "https://registry.example.test/@acme%2fsecret/1.0.0"),
        (CORE, "1.0.0", "https://elsewhere.example.test/@acme%2fcore/1.0.0"),
    ],
)
def test_the_transport_itself_refuses(
    package: PackageName, version: str | None, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the code above it does wrong: this is the last place, and it raises."""
    network = Recording()
    if url is not None:
        good = Question.url
        asked: list[str] = []

        def first_wrong_then_right(self: Question, endpoint: Endpoint) -> str:
            asked.append("")
            return url if len(asked) == 1 else good(self, endpoint)

        monkeypatch.setattr(Question, "url", first_wrong_then_right)

    async def go() -> None:
        client = Client(
            lambda package: package == CORE, QUICK, network, may_say=lambda version: "secret" not in version
        )
        try:
            await client.document(
                Endpoint("https://registry.example.test"), Question(package, version), accept="*/*", limit=9
            )
        finally:
            await client.close()

    import asyncio

    with pytest.raises(PrivateNameError):
        asyncio.run(go())
    assert network.targets == []


def test_the_transport_refuses_a_name_that_turned_private(ask: Asker, registry: LoopbackRegistry) -> None:
    answers = iter([True, False])
    with pytest.raises(PrivateNameError):
        ask(ONE, is_open=lambda _: next(answers))
    assert registry.requests == 0


def test_other_ecosystems_are_not_asked_here(ask: Asker, registry: LoopbackRegistry) -> None:
    assert reason(ask(AskVersion(PackageName("pypi", "acme-core"), "1.0.0"))[0]) == "unsupported-ecosystem"
    assert registry.requests == 0


# -- many at once --------------------------------------------------------------------------


def test_many_at_once_and_progress(tmp_path: Path, registry: LoopbackRegistry) -> None:
    keys = [AskVersion(CORE, f"1.0.{number}") for number in range(64)]
    for key in keys:
        registry.publish("@acme/core", key.version)
    registry.fail(Failure(delay=0.1))  # a registry far away
    seen: list[tuple[int, int]] = []
    with (
        Cache(tmp_path) as cache,
        Registry(
            {"npm": RegistryTable(url=registry.url)},
            cache,
            False,
            is_open,
            lambda done, total: seen.append((done, total)),
        ) as asking,
    ):
        answers = asking.fetch([*keys, *keys])
        assert asking.fetch(keys) == answers  # a second round
        assert asking.requests == 64
    assert all(isinstance(answer, Released) for answer in answers.values())
    assert 8 <= registry.most_at_once <= 32
    assert seen == [(number, 64) for number in range(1, 65)]


def test_what_arrived_before_an_interruption_is_kept(tmp_path: Path, registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.2.3")
    registry.publish("@acme/core", "2.0.0")
    registry.fail(Failure(delay=0.3), path="/2.0.0")

    def stop(done: int, total: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with Cache(tmp_path) as cache:
        asking = Registry({"npm": RegistryTable(url=registry.url)}, cache, False, is_open, stop)
        # Where tests run in the background, a shell has SIGINT ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                asking.fetch([ONE, AskVersion(CORE, "2.0.0")])
            asking.close()
        finally:
            signal.signal(signal.SIGINT, before)
    registry.forget()
    assert isinstance(Asker(tmp_path, registry.url)(ONE)[0], Released)
    assert registry.requests == 0
