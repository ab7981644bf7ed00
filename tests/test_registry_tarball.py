"""Tarballs: what npm's own code writes is what we say is there; hostile bytes give a `ReadError` in bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import ReadError
from bot.registry.tarball import Limits, read_tarball
from tests.registry.loopback import pack

TESTS = Path(__file__).parent
MANIFEST = b'{"name": "@acme/core", "version": "1.2.3", "exports": {"./z": "./z.js", "./a": "./a.js"}}'


def tar(entries: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT, **more: bytes) -> bytes:
    """A tar file of regular files, not packed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in entries:
            archive.addfile(_file(name, len(content)), io.BytesIO(content))
    return buffer.getvalue()


def _file(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname, entry.mode = size, kind, target, 0o644
    return entry


def _with_links() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(_file("package", kind=tarfile.DIRTYPE))
        archive.addfile(_file("package/package.json", len(MANIFEST)), io.BytesIO(MANIFEST))
        archive.addfile(_file("package/soft.js", kind=tarfile.SYMTYPE, target="../../etc/passwd"))
        archive.addfile(_file("package/hard.js", kind=tarfile.LNKTYPE, target="package/package.json"))
        archive.addfile(_file("package/lib", kind=tarfile.DIRTYPE))
        archive.addfile(_file("package/lib/a.js", 1), io.BytesIO(b"1"))
    return buffer.getvalue()


def _global_header() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "abc"}) as archive:
        archive.addfile(_file("acme-core-abc/package.json", len(MANIFEST)), io.BytesIO(MANIFEST))
        archive.addfile(_file("acme-core-abc/a.js", 1), io.BytesIO(b"1"))
    return buffer.getvalue()


def _header(name: bytes, size: bytes, kind: bytes = b"0", magic: bytes = b"ustar\x0000") -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:265] = magic
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax_size() -> bytes:
    """A size that only the pax header tells (as for files of 8 GiB and more); the file's own header says nought."""
    told = _header(b"PaxHeader/a.js", b"00000000012\0", b"x") + b"10 size=5\n".ljust(512, b"\0")
    return told + _header(b"package/a.js", b"00000000000\0") + b"12345".ljust(512, b"\0") + tar([P])


LONG = "package/" + "/".join(f"folder-{number}-of-a-long-path" for number in range(12)) + "/" + "n" * 120 + ".js"
P = ("package/package.json", MANIFEST)
HALF = tar([P, ("package/a.js", b"1")])

# What a publisher can make; npm writes all of them somewhere.
GOOD: dict[str, bytes] = {
    "plain": gzip.compress(tar([P, ("package/dist/index.js", b"x" * 513)])),
    "other-root": gzip.compress(tar([("core-1.2.3/package.json", MANIFEST), ("core-1.2.3/a.js", b"")])),
    "two-roots": gzip.compress(
        tar([("a/package.json", b'{"name": "first"}'), ("b/package.json", MANIFEST), ("b/c.js", b"")])
    ),
    "twice": gzip.compress(tar([("package/package.json", b'{"name": "first"}'), ("package/a.js", b""), P])),
    "nested-manifest": gzip.compress(tar([P, ("package/esm/package.json", b'{"type": "module"}')])),
    "dot-segments": gzip.compress(tar([P, ("package/./lib//a.js", b"1")])),
    "pax-long": gzip.compress(tar([P, (LONG, b"long")], tarfile.PAX_FORMAT)),
    "gnu-long": gzip.compress(tar([P, (LONG, b"long")], tarfile.GNU_FORMAT)),
    "ustar-prefix": gzip.compress(
        tar([P, ("package/" + "d" * 90 + "/" + "f" * 60 + ".js", b"1")], tarfile.USTAR_FORMAT)
    ),
    "unicode": gzip.compress(tar([P, ("package/naïve-ж.js", b"1")])),
    "links": gzip.compress(_with_links()),
    "pax-size": gzip.compress(_pax_size()),
    "global-header": gzip.compress(_global_header()),
    "members": gzip.compress(HALF[:700]) + gzip.compress(HALF[700:]),
    "trailing-zeros": gzip.compress(HALF) + bytes(700),
    "bom": gzip.compress(tar([("package/package.json", b"\xef\xbb\xbf" + MANIFEST)])),
    "top-level-file": gzip.compress(tar([P, ("package/a.js", b""), ("b/c/d.js", b""), ("alone.js", b"1")])),
    "many-blocks": gzip.compress(tar([("package/big.bin", bytes(700_000)), P])),
}


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    folder = tmp_path_factory.mktemp("tarballs")
    for name, data in GOOD.items():
        (folder / f"{name}.tgz").write_bytes(data)
    script = TESTS / "registry" / "extract.mjs"
    done = subprocess.run(["node", script, folder], stdout=subprocess.PIPE, check=True, timeout=60)
    answers: dict[str, dict[str, object]] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("name", GOOD)
def test_what_npm_writes_is_what_we_read(name: str, extracted: dict[str, dict[str, object]]) -> None:
    theirs = extracted[f"{name}.tgz"]
    assert theirs is not None, "npm itself cannot extract it: the case proves nothing"
    ours = read_tarball(GOOD[name])
    assert sorted(ours.files) == theirs["files"]
    assert ours.manifest == theirs["manifest"]


def test_order_of_exports_is_kept() -> None:
    manifest = read_tarball(GOOD["plain"]).manifest
    assert list(manifest["exports"]) == ["./z", "./a"]  # type: ignore[call-overload]


def _bomb(megabytes: int) -> bytes:
    """A gzip file that unpacks to a great deal, after a header that promises it."""
    press = zlib.compressobj(9, zlib.DEFLATED, 31)
    out = [press.compress(_header(b"package/big", b"%011o\0" % (megabytes << 20)))]
    out += [press.compress(bytes(1 << 20)) for _ in range(megabytes)]
    out.append(press.flush())
    return b"".join(out)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "malformed"),
    "no-gzip": (lambda: HALF, "malformed"),
    "html": (lambda: b"<!doctype html>", "malformed"),
    "cut-gzip": (lambda: gzip.compress(HALF)[:-30], "malformed"),
    "cut-tar": (lambda: gzip.compress(HALF[:700]), "malformed"),
    "broken-deflate": (lambda: gzip.compress(HALF)[:40] + b"\xff" * 40, "malformed"),
    "no-manifest": (lambda: pack({"index.js": b""}), "malformed"),
    "manifest-in-a-folder": (lambda: pack({"lib/package.json": MANIFEST}), "malformed"),
    "no-json": (lambda: pack({"package.json": b"{"}), "malformed"),
    "list": (lambda: pack({"package.json": b"[]"}), "malformed"),
    "latin-1": (lambda: pack({"package.json": b'{"name": "\xe9"}'}), "not-utf8"),
    "deep": (lambda: pack({"package.json": b'{"a":' * 100_000 + b"1" + b"}" * 100_000}), "too-deep"),
    "parent": (lambda: gzip.compress(tar([P, ("package/../../x", b"")])), "malformed"),
    "absolute": (lambda: gzip.compress(tar([P, ("/etc/passwd", b"")])), "malformed"),
    "checksum": (lambda: gzip.compress(HALF[:10] + b"!" + HALF[11:]), "malformed"),
    "negative": (lambda: gzip.compress(_header(b"package/a", b"\xff" * 12)), "malformed"),
    "giant": (lambda: gzip.compress(_header(b"package/a", b"\x80" + b"\xff" * 11)), "malformed"),
    "no-number": (lambda: gzip.compress(_header(b"package/a", b"zzzz")), "malformed"),
    "link-with-data": (lambda: gzip.compress(_header(b"package/a", b"00000001000\0", b"2") + bytes(512)), "malformed"),
    "sparse": (lambda: gzip.compress(_header(b"package/a", b"0", b"S", b"ustar  \0")), "malformed"),
    "pax-giant": (lambda: gzip.compress(_header(b"x", b"77777777777\0", b"x")), "too-large"),
    "pax-broken": (
        lambda: gzip.compress(_header(b"x", b"00000000010\0", b"x") + b"99 path=".ljust(512, b"\0")),
        "malformed",
    ),
    "manifest-giant": (lambda: gzip.compress(_header(b"package/package.json", b"77777777777\0")), "too-large"),
    "long-name-giant": (lambda: gzip.compress(_header(b"x", b"77777777777\0", b"L")), "too-large"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_have_a_reason(name: str) -> None:
    make, reason = BAD[name]
    with pytest.raises(ReadError) as caught:
        read_tarball(make())
    assert caught.value.reason == reason


def test_limits() -> None:
    data = pack({"package.json": MANIFEST, "a.js": b"1", "b.js": b"2"})
    assert read_tarball(data, Limits(entries=3)).files == {"package.json", "a.js", "b.js"}
    for limits in (
        Limits(entries=2),
        Limits(compressed=10),
        Limits(unpacked=1024),
        Limits(manifest=10),
        Limits(names=12),
    ):
        with pytest.raises(ReadError) as caught:
            read_tarball(data, limits)
        assert caught.value.reason == "too-large"


def test_a_bomb_is_counted_while_it_unpacks() -> None:
    bomb = _bomb(128)
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(ReadError) as caught:
            read_tarball(bomb, Limits(unpacked=100 << 20))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "too-large"
    assert peak < 4 << 20


@given(st.binary(max_size=2000))
@settings(max_examples=150, deadline=None)
def test_any_bytes(data: bytes) -> None:
    for attempt in (data, b"\x1f\x8b\x08" + data, gzip.compress(data)):
        with pytest.raises(ReadError):
            read_tarball(attempt)


SEED = tar([P, (LONG, b"1" * 700), ("package/b.js", b"")], tarfile.GNU_FORMAT) + tar([P, (LONG, b"1")])


@given(st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), min_size=1, max_size=12), st.booleans())
@settings(max_examples=400, deadline=None)
def test_a_damaged_tarball_is_read_or_refused(changes: list[tuple[int, int]], mend: bool) -> None:
    raw = bytearray(SEED)
    for at, value in changes:
        raw[at] = value
        if mend:  # with a right checksum the damage gets past the first look
            start = at - at % 512
            raw[start + 148 : start + 156] = b"        "
            raw[start + 148 : start + 156] = b"%06o\0 " % sum(raw[start : start + 512])
    try:
        found = read_tarball(gzip.compress(bytes(raw), 1))
    except ReadError:
        pass
    else:
        assert all(not path.startswith("/") and ".." not in path.split("/") for path in found.files)
