"""The newest release of a package: one small request, kept for an hour, the same whichever routes a registry has."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.names import PackageName
from bot.policy import RegistryTable
from bot.registry.cache import Cache
from bot.registry.fetch import Registry
from bot.rule import Absent, AskLatest, Latest, Unknown
from tests.registry.loopback import Failure, LoopbackRegistry

CORE = PackageName.npm("@acme/core")


def ask(
    registry: LoopbackRegistry, place: Path | None = None, *, offline: bool = False, is_open: bool = True
) -> object:
    with (
        Cache(place) as cache,
        Registry({"npm": RegistryTable(url=registry.url)}, cache, offline, lambda _: is_open) as asked,
    ):
        return asked.fetch([AskLatest(CORE)])[AskLatest(CORE)]


REPOSITORIES = [
    ({"type": "git", "url": "git+https://github.com/acme/apps.git", "directory": "apps/core"}, "apps/core"),
    ({"url": "git+https://github.com/acme/apps.git"}, ""),
    ("git+https://github.com/acme/apps.git", ""),
]


@pytest.mark.parametrize("version_route", [True, False])
@pytest.mark.parametrize(("field", "directory"), REPOSITORIES)
def test_what_the_document_says(version_route: bool, field: object, directory: str) -> None:
    with LoopbackRegistry(version_route=version_route) as registry:
        registry.publish("@acme/core", "1.0.0", {"repository": "github:acme/old"})
        registry.publish("@acme/core", "2.0.0", {"repository": field})
        registry.publish("@acme/core", "3.0.0-rc.1", {"repository": "github:acme/next"}, tag="next")
        found = ask(registry)
        assert isinstance(found, Latest)
        assert (found.version, found.repository, found.directory) == (
            "2.0.0",
            "git+https://github.com/acme/apps.git",
            directory,
        )
        assert registry.requests == (1 if version_route else 2)


@pytest.mark.parametrize("field", [None, 3, [], {"url": 4}, {}])
def test_a_field_that_says_nothing(registry: LoopbackRegistry, field: object) -> None:
    registry.publish("@acme/core", "1.0.0", {"repository": field} if field is not None else {})
    found = ask(registry)
    assert isinstance(found, Latest)
    assert found.repository == ""


def test_it_is_kept(registry: LoopbackRegistry, tmp_path: Path) -> None:
    registry.publish("@acme/core", "1.0.0")
    first = ask(registry, tmp_path)
    registry.forget()
    assert ask(registry, tmp_path) == first
    assert registry.requests == 0
    assert ask(registry, tmp_path, offline=True) == first


def test_what_there_is_not(registry: LoopbackRegistry) -> None:
    absent = ask(registry)
    assert isinstance(absent, Absent)
    assert absent.what == "package"
    registry.publish("@acme/core", "1.0.0", tag="next")
    tagless = ask(registry)
    assert isinstance(tagless, Absent)
    assert tagless.what == "version"


def test_what_nobody_knows(registry: LoopbackRegistry) -> None:
    registry.publish("@acme/core", "1.0.0")
    private = ask(registry, is_open=False)
    assert isinstance(private, Unknown)
    assert private.reason == "not-open"
    assert registry.requests == 0
    offline = ask(registry, offline=True)
    assert isinstance(offline, Unknown)
    assert offline.reason == "offline"
    for failure, reason in (
        (Failure(status=403), "registry-forbidden"),
        (Failure(status=200, body=b'{"name": "@acme/other", "version": "1.0.0"}'), "malformed"),
        (Failure(status=200, body=b'{"name": "@acme/core", "version": "latest"}'), "malformed"),
        (Failure(status=200, body=b"[]"), "malformed"),
    ):
        registry.heal()
        registry.fail(failure)
        found = ask(registry)
        assert isinstance(found, Unknown)
        assert found.reason == reason
