"""A real npm registry, filled by the real npm: our client reads what npm wrote, and our loopback registry answers alike."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.names import PackageName
from bot.policy import RegistryTable
from bot.registry.cache import Cache
from bot.registry.fetch import Ask, Registry
from bot.rule import Absent, AskPackage, AskPublished, AskVersion, PackageFacts, Published, Released
from tests.registry.loopback import LoopbackRegistry

VERDACCIO = Path(__file__).parent / "oracle" / "node_modules" / "verdaccio" / "bin" / "verdaccio"
CORE = PackageName.npm("@acme/core")
FILES = {"lib/index.js": b"module.exports = 1;\n", "lib/deep/naive.d.ts": b"export {};\n", "README.md": b"# core\n"}
MANIFEST = {"exports": {"./z": "./lib/z.js", ".": {"types": "./lib/deep/naive.d.ts", "default": "./lib/index.js"}}}
CONFIG = """
storage: ./storage
auth: {htpasswd: {file: ./htpasswd}}
uplinks: {}
packages: {"**": {access: $all, publish: $authenticated, unpublish: $authenticated}}
middlewares: {audit: {enabled: false}}
web: {enable: false}
log: {type: stdout, format: pretty, level: fatal}
"""


class Npm:
    """The real npm in a place of its own."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.home = home
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self._environment = kept | {
            "HOME": str(home),
            "npm_config_registry": url + "/",
            "npm_config_cache": str(home / "npm-cache"),
            "npm_config_update_notifier": "false",
            "NO_PROXY": "127.0.0.1",
        }

    def __call__(self, *arguments: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["npm", *arguments],
            cwd=folder or self.home,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def publish(self, version: str) -> None:
        folder = self.home / version
        for name, content in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / "package.json").write_text(json.dumps({"name": CORE.name, "version": version, **MANIFEST}))
        self("publish", "--access", "public", "--tag", "next" if "-" in version else "latest", folder=folder)


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Npm]:
    folder = tmp_path_factory.mktemp("verdaccio")
    (folder / "config.yaml").write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = ["node", VERDACCIO, "--config", folder / "config.yaml", "--listen", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    try:
        for _ in range(300):
            assert server.poll() is None, "verdaccio ended"
            if _status(url + "/-/ping") == 200:
                break
            time.sleep(0.1)
        token = _user(url)
        (folder / ".npmrc").write_text(f"//127.0.0.1:{port}/:_authToken={token}\n")
        client = Npm(url, folder)
        for version in ("1.2.3", "1.10.0", "2.0.0-rc.1"):
            client.publish(version)
        client("deprecate", "@acme/core@1.2.3", "use 1.10")
        client("unpublish", "@acme/core@2.0.0-rc.1", "--force")
        yield client
    finally:
        server.terminate()
        server.wait(10)


def _user(url: str) -> str:
    body = json.dumps({"name": "tester", "password": "not-a-secret-0"}).encode()
    request = urllib.request.Request(
        f"{url}/-/user/org.couchdb.user:tester", body, {"Content-Type": "application/json"}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["token"])


def _status(url: str, accept: str = "application/json") -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_what_npm_published(npm: Npm, tmp_path: Path) -> None:
    keys: dict[str, Ask] = {
        "released": AskVersion(CORE, "1.2.3"),
        "plain": AskVersion(CORE, "1.10.0"),
        "unpublished": AskVersion(CORE, "2.0.0-rc.1"),
        "package": AskVersion(PackageName.npm("@acme/nothing"), "1.0.0"),
        "facts": AskPackage(CORE),
        "tarball": AskPublished(CORE, "1.2.3"),
    }
    with (
        Cache(tmp_path) as cache,
        Registry({"npm": RegistryTable(url=npm.url)}, cache, False, lambda _: True) as registry,
    ):
        answers = registry.fetch(keys.values())
        found = {name: answers[key] for name, key in keys.items()}
    views = json.loads(npm("view", "@acme/core@>=1", "--json", "version", "dist", "deprecated"))
    theirs: dict[str, dict[str, Any]] = {view["version"]: view for view in views}
    for name, version in (("released", "1.2.3"), ("plain", "1.10.0")):
        released = found[name]
        assert isinstance(released, Released)
        assert released.integrity == theirs[version]["dist"]["integrity"]
        assert released.shasum == theirs[version]["dist"]["shasum"]
        assert released.deprecated == theirs[version].get("deprecated")
    assert theirs["1.2.3"]["deprecated"] == "use 1.10"
    assert isinstance(found["unpublished"], Absent)
    assert found["unpublished"].what == "version"
    assert isinstance(found["package"], Absent)
    assert found["package"].what == "package"
    facts = found["facts"]
    assert isinstance(facts, PackageFacts)
    assert facts.versions == ("1.2.3", "1.10.0")
    assert set(facts.versions) <= set(facts.times)
    assert facts.tags == json.loads(npm("view", "@acme/core", "--json", "dist-tags"))
    published = found["tarball"]
    assert isinstance(published, Published)
    assert published.files == {"package.json", *FILES}
    assert published.manifest == {"name": "@acme/core", "version": "1.2.3", **MANIFEST}
    assert list(published.manifest["exports"]) == ["./z", "."]  # type: ignore[call-overload]


def test_the_loopback_registry_answers_alike(npm: Npm) -> None:
    with LoopbackRegistry() as loopback:
        for version in ("1.2.3", "1.10.0"):
            loopback.publish("@acme/core", version, MANIFEST, FILES)
        loopback.deprecate("@acme/core", "1.2.3", "use 1.10")
        short = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"
        whole = "application/json"
        for path, accept in (
            ("/@acme%2fcore/1.2.3", whole),
            ("/@acme%2fcore/latest", whole),
            ("/@acme%2fcore", whole),
            ("/@acme%2fcore", short),
        ):
            # A stand-in may lack what the real one has, and must not have what that lacks.
            ours, theirs = _json(loopback.url + path, accept), _json(npm.url + path, accept)
            assert _shape(ours) <= _shape(theirs), (path, accept)
        for path in (
            "/@acme%2fcore/9.9.9",
            "/@acme%2fnothing/1.0.0",
            "/@acme%2fnothing",
            "/@acme/core/-/core-9.9.9.tgz",
        ):
            assert _status(loopback.url + path) == _status(npm.url + path) == 404


def _json(url: str, accept: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5) as answer:
        return json.load(answer)


def _shape(value: object, at: str = "") -> set[str]:
    """The places in a JSON value, with the type that stands there."""
    if isinstance(value, dict):
        return {at} | {place for key, child in value.items() for place in _shape(child, f"{at}/{key}")}
    return {f"{at}: {type(value).__name__}"}
