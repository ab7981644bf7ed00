"""Fixtures that all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# At the end: what is installed goes before the tree, so that a built wheel can be tested from the checkout.
sys.path.append(str(Path(__file__).parent.parent))

from tests.github_fake import GitHubFake
from tests.registry.loopback import LoopbackRegistry

# What a runner or a shell says of itself changes what the program shows: the tests say it where they mean it. Taken away
# before the first fixture, so that it holds for those of a session too.
_OF_SURROUNDINGS = ("CI", "COLUMNS", "FORCE_COLOR", "GH_", "GITHUB_", "NO_COLOR", "RINGFENCE_")
_OF_THE_TESTS = ("RINGFENCE_CHROMIUM", "RINGFENCE_FUZZ_", "RINGFENCE_TEST_")
for _name in tuple(os.environ):
    if _name.startswith(_OF_SURROUNDINGS) and not _name.startswith(_OF_THE_TESTS):
        del os.environ[_name]
os.environ["COLUMNS"] = "200"

# The same cases every time, as for the other generated tests; `--hypothesis-profile default` looks for new ones.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's cache, and none speaks to 127.0.0.1 through a proxy."""
    monkeypatch.setenv("RINGFENCE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture
def registry() -> Iterator[LoopbackRegistry]:
    """An empty npm registry on 127.0.0.1."""
    with LoopbackRegistry() as running:
        yield running


@pytest.fixture
def github_fake(tmp_path: Path) -> Iterator[GitHubFake]:
    """An empty GitHub on 127.0.0.1, judged by GitHub's own description when the test ends."""
    with GitHubFake(tmp_path / "github") as running:
        yield running


# Fixtures of other parts follow here.
