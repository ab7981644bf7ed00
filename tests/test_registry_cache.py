"""The registry cache: what stays, for how long, and that no state of the disk breaks a run."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.names import PackageName
from bot.registry.cache import Cache, CacheKey
from bot.registry.integrity import Digest, digest_of_sha1_hex, strongest
from bot.rule import Absent, PackageFacts, Published, Released
from tests.registry.loopback import sha1_hex, sri

CORE = PackageName.npm("@acme/core")
KEY = CacheKey("public", "AskVersion", "@acme/core", "1.2.3")
RELEASED = Released(package=CORE, version="1.2.3", integrity=sri(b"x"), shasum=None, deprecated="use 2")
FACTS = PackageFacts(package=CORE, versions=("1.0.0", "1.2.3"), tags={"latest": "1.2.3"}, times={"1.2.3": "2026"})
PUBLISHED = Published(
    package=CORE,
    version="1.2.3",
    manifest={"name": "@acme/core", "exports": {"./z": None, "./a": ["./a.js"]}, "big": 2**80, "half": 0.5},
    files=frozenset({"package.json", "naïve.js"}),
    integrity=sri(b"x"),
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("fact", "seconds"),
    [
        (RELEASED, 86_400),
        (Released(package=CORE, version="1.2.3", integrity=None, shasum=None, mirrored=True), 3_600),
        (Absent(what="version"), 300),
        (Absent(what="package"), 300),
        (FACTS, 3_600),
        (PUBLISHED, None),
    ],
)
def test_how_long_a_fact_is_fresh(
    tmp_path: Path, fact: Released | Absent | PackageFacts | Published, seconds: int | None
) -> None:
    clock = Clock()
    with Cache(tmp_path, now=clock) as cache:
        cache.write([(KEY, fact)])
    with Cache(tmp_path, now=clock) as cache:
        assert cache.read([KEY])[KEY] == (fact, True)
        clock.now += (seconds or 10**9) - 1
        assert cache.read([KEY])[KEY] == (fact, True)
        clock.now += 2
        assert cache.read([KEY])[KEY] == (fact, seconds is None)  # old, and still there for --offline
        clock.now = 1_700_000_000.0
        assert cache.read([KEY])[KEY] == (fact, False)  # from the future: a clock was wrong


def test_order_within_a_manifest_is_kept(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.write([(KEY, PUBLISHED)])
        fact = cache.read([KEY])[KEY].fact
    assert isinstance(fact, Published)
    assert list(fact.manifest["exports"]) == ["./z", "./a"]  # type: ignore[call-overload]


def test_registries_and_questions_are_apart(tmp_path: Path) -> None:
    keys = [
        KEY,
        KEY._replace(registry="https://mirror.example.test"),
        KEY._replace(kind="AskPublished"),
        KEY._replace(version="1"),
    ]
    with Cache(tmp_path) as cache:
        cache.write([(keys[0], RELEASED)])
        assert set(cache.read(keys)) == {KEY}


def test_two_thousand_warm_keys_take_milliseconds(tmp_path: Path) -> None:
    keys = [KEY._replace(version=f"1.0.{number}") for number in range(2000)]
    with Cache(tmp_path) as cache:
        cache.write((key, RELEASED) for key in keys)
    best = [1.0, 1.0]
    for _ in range(5):
        begin = time.process_time()
        with Cache(tmp_path) as cache:
            opened = time.process_time()
            assert len(cache.read(keys)) == 2000
            best = [min(best[0], opened - begin), min(best[1], time.process_time() - opened)]
    assert best[0] < 0.02, f"opening took {best[0]:.4f} s"
    assert best[1] < 0.1, f"reading took {best[1]:.4f} s"


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    with Cache(tmp_path / "a" / "ringfence"):
        assert (tmp_path / "a" / "ringfence").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "damage",
    [b"this is no database, and is long enough to be seen as none" * 99, b"SQLite format 3\0" + b"\xff" * 9000],
)
def test_a_damaged_file_is_moved_aside(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "registry.sqlite").write_bytes(damage)
    with Cache(tmp_path) as cache:
        cache.write([(KEY, RELEASED)])
        assert len(cache.notices) == 1
        assert "damaged" in cache.notices[0]
    with Cache(tmp_path) as cache:
        assert cache.read([KEY])[KEY].fact == RELEASED
        assert not cache.notices
    aside = [path for path in tmp_path.iterdir() if "damaged" in path.name]
    assert [path.read_bytes() for path in aside] == [damage]


def test_a_file_damaged_in_the_middle_is_found_while_reading(tmp_path: Path) -> None:
    keys = [KEY._replace(version=f"1.0.{number}") for number in range(500)]
    with Cache(tmp_path) as cache:
        cache.write((key, PUBLISHED) for key in keys)
    file = tmp_path / "registry.sqlite"
    raw = bytearray(file.read_bytes())
    raw[8192:] = b"\xa5" * (len(raw) - 8192)
    file.write_bytes(raw)
    with Cache(tmp_path) as cache:
        assert cache.read(keys) == {}
        assert any("damaged" in notice for notice in cache.notices)
        cache.write([(KEY, RELEASED)])
        assert cache.read([KEY])[KEY].fact == RELEASED


def test_where_nothing_can_be_written_memory_serves(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with Cache(tmp_path / "file" / "below") as cache:
        assert len(cache.notices) == 1
        cache.write([(KEY, RELEASED)])
        assert cache.read([KEY])[KEY].fact == RELEASED
        digest = strongest(sri(b"x"))
        assert digest is not None
        cache.keep_tarball(digest, b"x")
        assert cache.tarball(digest) is None


def test_without_a_home_memory_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("RINGFENCE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with Cache.in_its_place() as cache:
        assert len(cache.notices) == 1


def test_another_version_s_rows_are_passed_over(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.write([(KEY, RELEASED)])
    connection = sqlite3.connect(tmp_path / "registry.sqlite")
    with connection:
        connection.execute("UPDATE facts_1 SET value = '{\"nothing\": 1}'")
    connection.close()
    with Cache(tmp_path) as cache:
        assert cache.read([KEY]) == {}


WRITER = """
import sys
from pathlib import Path
from bot.names import PackageName
from bot.registry.cache import Cache, CacheKey
from bot.rule import Released
who = sys.argv[2]
for number in range(40):
    with Cache(Path(sys.argv[1])) as cache:
        assert not cache.notices, cache.notices
        fact = Released(package=PackageName.npm("a"), version=str(number), integrity=who, shasum=None)
        cache.write([(CacheKey("public", "AskVersion", who, str(number)), fact)])
        assert not cache.notices, cache.notices
"""


def test_processes_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, folder, str(who)]) for who in range(4)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    keys = [CacheKey("public", "AskVersion", str(who), str(number)) for who in range(4) for number in range(40)]
    with Cache(folder) as cache:
        assert len(cache.read(keys)) == 160


# -- tarballs ------------------------------------------------------------------------------


def _digest(data: bytes) -> Digest:
    digest = strongest(sri(data))
    assert digest is not None
    return digest


def test_a_tarball_is_kept_and_checked_again(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.keep_tarball(_digest(b"x" * 99), b"x" * 99)
        assert cache.tarball(_digest(b"x" * 99)) == b"x" * 99
        (kept,) = (tmp_path / "tarballs").iterdir()
        kept.write_bytes(b"y" * 99)
        assert cache.tarball(_digest(b"x" * 99)) is None
        assert not kept.exists()


def test_the_oldest_used_tarball_goes_first(tmp_path: Path) -> None:
    contents = [bytes([number]) * 100 for number in range(5)]
    with Cache(tmp_path, tarballs_max=500) as cache:
        for age, data in enumerate(contents):
            cache.keep_tarball(_digest(data), data)
            os.utime(tmp_path / "tarballs" / f"{_digest(data).file_name()}.tgz", (0, 1000 + age))
        assert cache.tarball(_digest(contents[0])) is not None  # used just now
        cache.keep_tarball(_digest(b"new" * 30), b"new" * 30)
        there = [number for number, data in enumerate(contents) if cache.tarball(_digest(data)) is not None]
    assert there == [0, 3, 4]


def test_a_tarball_larger_than_the_room_is_not_kept(tmp_path: Path) -> None:
    with Cache(tmp_path, tarballs_max=10) as cache:
        cache.keep_tarball(_digest(b"x" * 11), b"x" * 11)
        assert cache.tarball(_digest(b"x" * 11)) is None


# -- integrity -----------------------------------------------------------------------------


def test_the_strongest_digest_decides() -> None:
    good, other = b"good", b"other"
    both = f"{sri(other, 'sha1')} {sri(good)}"
    assert _matches(both, good)
    assert not _matches(f"{sri(good, 'sha1')} {sri(other)}", good)  # the weaker one is not looked at
    assert _matches(f"{sri(other)} {sri(good)}", good)  # either of two of the strongest
    assert _matches(f"{sri(good)}?option", good)
    assert _matches(f"md5-abc sha512-short {sri(good, 'sha256')}", good)
    for useless in ("", "sha512", "sha512-", "sha512-!!!", "md5-1B2M2Y8AsgTpgAmY7PhCfg==", "sha512-QUJD", "sha512-ж"):
        assert strongest(useless) is None


def _matches(integrity: str, data: bytes) -> bool:
    digest = strongest(integrity)
    assert digest is not None
    return digest.matches(data)


def test_an_old_shasum() -> None:
    digest = digest_of_sha1_hex(sha1_hex(b"x"))
    assert digest is not None
    assert digest.matches(b"x")
    assert not digest.matches(b"y")
    assert digest.text() == sri(b"x", "sha1")
    assert digest_of_sha1_hex("../../x") is None
