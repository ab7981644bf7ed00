"""HEAD and origin read from git's files are what git itself says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bot.sources.head as head_module
from bot.errors import RingfenceError
from bot.factcache import FactCache
from bot.sources.commit import Commit
from bot.sources.git import settings_of
from bot.sources.head import EmptyRepositoryError, git_directory, head_of, origin_of
from bot.sources.remembered import Remembered
from tests.world import Repository, git


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "core", {"package.json": {"name": "@acme/core"}})


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to git."""

    def refuse(*_: object) -> None:
        raise AssertionError("git was asked")

    monkeypatch.setattr(head_module, "resolve_revision", refuse)
    monkeypatch.setattr(head_module, "settings_of", refuse)


def same_as_git(path: Path) -> None:
    assert head_of(path, git_directory(path)) == git(path, "rev-parse", "HEAD")


@pytest.mark.usefixtures("alone")
def test_head_in_every_form(repository: Repository, tmp_path: Path) -> None:
    same_as_git(repository.path)
    repository.git("pack-refs", "--all")
    same_as_git(repository.path)
    repository.commit({"a": "1"})
    same_as_git(repository.path)  # a loose reference beside an older packed one
    repository.git("checkout", "--quiet", "--detach", "HEAD~1")
    same_as_git(repository.path)
    repository.git("checkout", "--quiet", "-b", "feature/deep/name")
    same_as_git(repository.path)
    repository.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "main")
    same_as_git(tmp_path / "linked")
    git(tmp_path, "clone", "--quiet", "--bare", str(repository.path), "bare.git")
    same_as_git(tmp_path / "bare.git")
    git(tmp_path, "clone", "--quiet", "--mirror", str(repository.path), "mirror.git")
    same_as_git(tmp_path / "mirror.git")
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(tmp_path / "bare.git"), "sub")
    same_as_git(repository.path / "sub")


def test_what_looks_otherwise_is_left_to_git(repository: Repository) -> None:
    repository.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    repository.git("symbolic-ref", "HEAD", "refs/heads/alias")
    same_as_git(repository.path)


def test_no_commit_and_no_branch(tmp_path: Path, repository: Repository) -> None:
    empty = Repository(tmp_path / "empty").path
    with pytest.raises(EmptyRepositoryError):
        head_of(empty, git_directory(empty))
    repository.git("symbolic-ref", "HEAD", "refs/heads/gone")
    with pytest.raises(RingfenceError, match="a branch that is not there"):
        head_of(repository.path, git_directory(repository.path))


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    assert git_directory(tmp_path) is None
    (tmp_path / "HEAD").write_text("ref: refs/heads/main\n")
    assert git_directory(tmp_path) is None
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    assert git_directory(tmp_path) is None


def test_a_pipe_in_the_place_of_head_does_not_hang(repository: Repository) -> None:
    file = repository.path / ".git/HEAD"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(RingfenceError):
        head_of(repository.path, git_directory(repository.path))


URLS = [
    "https://github.com/acme/core.git",
    "git@github.com:acme/core.git",
    "ssh://git@git.acme.example/acme/core",
    "/srv/mirrors/core.git",
    "",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.usefixtures("alone")
def test_origin_as_git_writes_it(repository: Repository, url: str) -> None:
    if url:
        repository.git("remote", "add", "origin", url)
    repository.git("remote", "add", "upstream", "https://github.com/other/core")
    found = origin_of(repository.path, git_directory(repository.path))
    assert found == settings_of(repository.path).identity


@pytest.mark.parametrize(
    "config",
    [
        '[remote "origin"]\n\turl = "https://github.com/acme/core" ; a comment\n',
        '[remote "origin"] url = https://github.com/acme/core # a comment\n',
        '[REMOTE "origin"]\nURL=https://github.com/acme/a\nurl = https://github.com/acme/b\n',
        '[remote "Origin"]\nurl = https://github.com/acme/core\n',
        '[remote "origin"]\nfetch = +refs/heads/*:refs/remotes/origin/*\n[branch "main"]\nurl = https://x.example/a/b\n',
        '; [remote "origin"]\n# url = https://github.com/acme/core\n',
        '[remote "origin"]\nurl\n',
    ],
)
@pytest.mark.usefixtures("alone")
def test_origin_as_people_write_it(repository: Repository, config: str) -> None:
    with open(repository.path / ".git/config", "a") as file:
        file.write(config)
    assert origin_of(repository.path, git_directory(repository.path)) == settings_of(repository.path).identity


def test_an_included_file_is_left_to_git(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "more").write_text('[remote "origin"]\nurl = https://github.com/acme/core\n')
    repository.git("config", "include.path", str(tmp_path / "more"))
    found = origin_of(repository.path, git_directory(repository.path))
    assert str(found) == "acme/core"


@pytest.mark.parametrize(
    "config",
    [
        '[url "https://github.com/"]\ninsteadOf = gh:\n[remote "origin"]\nurl = gh:acme/core\n',
        '[remote "origin"]\nurl = github.com:acme/core\n',
    ],
)
def test_what_git_replaces_is_left_to_git(repository: Repository, config: str) -> None:
    with open(repository.path / ".git/config", "a") as file:
        file.write(config)
    assert str(origin_of(repository.path, git_directory(repository.path))) == "acme/core"


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_no_crash(data: bytes) -> None:
    assert head_module._origin(data) is None or True


# -- a commit that is remembered -----------------------------------------------------------------


def remembered(repository: Repository, cache: FactCache, *, kept: tuple[str, ...] = ()) -> Remembered:
    revision = repository.git("rev-parse", "HEAD")
    return Remembered(
        lambda: Commit(repository.path, revision),
        cache,
        label="core",
        revision=revision,
        identity=None,
        folder=None,
        kept=kept,
    )


def test_a_remembered_commit_is_that_commit(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"src/a.js": "1", "b c.txt": "2", "empty": ""})
    (repository.path / "link").symlink_to("src")
    repository.commit()
    cache = FactCache(tmp_path / "cache")
    real = Commit(repository.path, "HEAD")
    for run in range(3):
        source = remembered(repository, cache, kept=("b c.txt", "empty"))
        assert source.unchanged is (run > 0)
        assert source.entries() == real.entries()
        paths = [entry.path for entry in real.entries() if entry.kind == "file"]
        assert list(source.read_many(paths)) == list(real.read_many(paths))
        assert [source.read(path) for path in paths] == [real.read(path) for path in paths]
        for path in ("nowhere", "link"):
            with pytest.raises(type(_error(real, path))):
                source.read(path)
        source.remember(b"note")
        source.close()
    assert remembered(repository, cache).note == b"note"
    repository.commit({"src/a.js": "changed"})
    moved = remembered(repository, cache)
    assert not moved.unchanged
    assert moved.changed() == {"src/a.js"}
    moved.close()
    real.close()
    cache.close()


def _error(source: Commit, path: str) -> Exception:
    with pytest.raises(Exception) as caught:
        source.read(path)
    return caught.value


def test_a_memory_that_is_damaged_is_made_anew(repository: Repository, tmp_path: Path) -> None:
    cache = FactCache(tmp_path)
    source = remembered(repository, cache)
    source.entries()
    source.remember(b"")
    cache.put_snapshot(source._key, b"junk")
    again = remembered(repository, cache)
    assert not again.unchanged
    assert [entry.path for entry in again.entries()] == ["package.json"]
    for each in (source, again):
        each.close()
    cache.close()


def test_two_processes_open_one_new_cache(tmp_path: Path) -> None:
    """Neither takes the other's file away: what is locked is not damaged."""
    code = (
        "import sys; from pathlib import Path; from bot.factcache import FactCache\n"
        "c = FactCache(Path(sys.argv[1])); c.put_snapshot(sys.argv[2].encode(), b'1'); c.close()"
    )
    for attempt in range(5):
        place = tmp_path / str(attempt)
        import sys

        running = [subprocess.Popen([sys.executable, "-P", "-c", code, str(place), str(number)]) for number in range(6)]
        assert [process.wait() for process in running] == [0] * 6
        cache = FactCache(place)
        assert all(cache.snapshot(str(number).encode()) == b"1" for number in range(6))
        cache.close()
