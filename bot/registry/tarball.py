"""A published npm tarball, read in memory: its own ``package.json`` and the paths of its files.

What counts as the package's files is what npm would write when it installs the tarball: regular
files, their first path segment taken off whatever it is called, a later entry over an earlier one of the same path,
links left out. The format is POSIX ustar and pax (IEEE Std 1003.1, ``pax``) with GNU long names, in gzip (RFC 1952).
The reader is our own because memory must stay bounded for any bytes: header data is limited before it is read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from bot.errors import ReadError

__all__ = ["Limits", "PackageTarball", "read_tarball"]

_BLOCK: Final = 512
_HEADER_DATA_MAX: Final = 1 << 20
_REGULAR: Final = frozenset((b"\0", b"0", b"7"))
_NO_DATA: Final = frozenset((b"1", b"2", b"3", b"4", b"6"))


class Limits(NamedTuple):
    """Bounds in bytes and entries; beyond one of them a tarball is ``too-large``."""

    compressed: int = 100 * 1024**2
    unpacked: int = 500 * 1024**2
    entries: int = 200_000
    manifest: int = 8 * 1024**2
    names: int = 64 * 1024**2


class PackageTarball(NamedTuple):
    """``manifest`` is the parsed ``package.json`` in the root; ``files`` are POSIX paths below the root."""

    manifest: dict[str, object]
    files: frozenset[str]


def read_tarball(data: bytes, limits: Limits = Limits()) -> PackageTarball:  # noqa: B008 - an immutable value
    """Read a gzipped tarball. Raises `ReadError` (``malformed``, ``too-large``, ``too-deep``, ``not-utf8``) for any other bytes."""
    if len(data) > limits.compressed:
        raise ReadError("too-large", f"the tarball has more than {limits.compressed} bytes")
    stream = _Unpacked(data, limits.unpacked)
    manifest: bytes | None = None
    files: set[str] = set()
    name_bytes = 0
    for path, size in _entries(stream, limits):
        name = _inside_package(path)
        if name == "package.json":
            if size > limits.manifest:
                raise ReadError("too-large", f"the tarball's package.json has more than {limits.manifest} bytes")
            manifest = stream.read(size)
        else:
            stream.skip(size)
        stream.skip(-size % _BLOCK)
        if name and name not in files:
            name_bytes += len(name)
            if name_bytes > limits.names:
                raise ReadError("too-large", "the tarball's file names take too much room")
            files.add(name)
    if manifest is None:
        raise ReadError("malformed", "the tarball has no package.json in its root")
    return PackageTarball(_parse_manifest(manifest), frozenset(files))


def _parse_manifest(raw: bytes) -> dict[str, object]:
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise ReadError("not-utf8", "the tarball's package.json is not UTF-8") from None
    try:
        value = msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError:
        raise ReadError("too-deep", "the tarball's package.json is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise ReadError("malformed", f"the tarball's package.json is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ReadError("malformed", "the tarball's package.json is no object")
    return value


def _inside_package(path: str) -> str:
    """The path below the package root; empty for what npm writes nowhere. Raises for a path out of the root."""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise ReadError("malformed", "the tarball has a path that leaves the package")
    return "/".join(part for part in parts[1:] if part not in ("", "."))


def _entries(stream: _Unpacked, limits: Limits) -> Iterator[tuple[str, int]]:
    """Path and size of each regular file. The caller consumes the data and its padding before the next."""
    path: str | None = None
    size: int | None = None
    count = 0
    blank = 0
    while blank < 2 and (block := stream.read(_BLOCK, or_end=True)):
        if not any(block):
            blank += 1
            continue
        blank = 0
        count += 1
        if count > limits.entries:
            raise ReadError("too-large", f"the tarball has more than {limits.entries} entries")
        own_size = _header_size(block)
        kind = block[156:157]
        if kind in (b"x", b"X", b"g", b"L", b"K"):
            raw = _header_data(stream, own_size)
            if kind in (b"x", b"X"):
                new_path, new_size = _pax(raw)
                path, size = new_path or path, size if new_size is None else new_size
            elif kind == b"L":
                path = _text(raw.partition(b"\0")[0])
            continue
        name = path if path is not None else _header_path(block)
        length = own_size if size is None else size
        path = size = None
        if kind in _REGULAR and not name.endswith("/"):
            yield name, length
        elif kind == b"5" or kind in _REGULAR:
            continue  # a folder: of no size, whatever its header says
        elif kind in _NO_DATA:
            if length:
                raise ReadError("malformed", "the tarball has a link or device with data")
        elif kind == b"S":
            raise ReadError("malformed", "the tarball has a sparse file")
        else:
            stream.skip(length + -length % _BLOCK)


def _header_data(stream: _Unpacked, size: int) -> bytes:
    if size > _HEADER_DATA_MAX:
        raise ReadError("too-large", "the tarball has an extended header of more than 1 MiB")
    raw = stream.read(size)
    stream.skip(-size % _BLOCK)
    return raw


def _header_size(block: bytes) -> int:
    expected = _octal(block[148:156])
    if expected != sum(block[:148]) + sum(block[156:]) + 8 * 0x20:
        raise ReadError("malformed", "the tarball has a header with a wrong checksum")
    field = block[124:136]
    if field[0] & 0x80:  # GNU's base-256 form
        if field[0] != 0x80:
            raise ReadError("malformed", "the tarball has an entry of negative size")
        return int.from_bytes(field[1:], "big")
    return _octal(field)


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0").partition(b"\0")[0].strip()
    if not digits:
        return 0
    if not all(0x30 <= digit <= 0x37 for digit in digits):
        raise ReadError("malformed", "the tarball has a header with a number that is none")
    return int(digits, 8)


def _header_path(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(raw: bytes) -> str:
    # Node makes U+FFFD of bytes that are no UTF-8; such a name is no one's import in any case.
    return raw.decode("utf-8", "replace")


def _pax(raw: bytes) -> tuple[str | None, int | None]:
    """``path`` and ``size`` of a pax header's records, each ``LENGTH KEY=VALUE\\n``."""
    path: str | None = None
    size: int | None = None
    at = 0
    while at < len(raw) and raw[at] != 0:
        space = raw.find(b" ", at, at + 12)
        digits = raw[at:space] if space > 0 else b""
        end = at + int(digits) if digits.isdigit() else 0
        if end <= space + 1 or end > len(raw) or raw[end - 1 : end] != b"\n":
            raise ReadError("malformed", "the tarball has a broken pax header")
        key, equals, value = raw[space + 1 : end - 1].partition(b"=")
        if key == b"path" and equals:
            path = _text(value)
        elif key == b"size" and equals:
            if not value.isdigit() or len(value) > 20:
                raise ReadError("malformed", "the tarball has a pax header with a size that is no number")
            size = int(value)
        at = end
    return path, size


class _Unpacked:
    """The bytes of a gzip file, a little at a time. Every failure is a `ReadError`."""

    def __init__(self, data: bytes, limit: int) -> None:
        if not data.startswith(b"\x1f\x8b"):
            raise ReadError("malformed", "the tarball is no gzip file")
        self._rest = memoryview(data)
        self._inflate = zlib.decompressobj(wbits=31)
        self._left = limit
        self._buffer = b""
        self._at = 0

    def read(self, size: int, *, or_end: bool = False) -> bytes:
        """Exactly ``size`` bytes; with ``or_end``, nothing at the end of the file."""
        parts: list[bytes] = []
        wanted = size
        while wanted:
            part = self._some(wanted)
            if not part:
                if or_end and wanted == size:
                    return b""
                raise ReadError("malformed", "the tarball ends in the middle of an entry")
            parts.append(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def skip(self, size: int) -> None:
        """Go past ``size`` bytes."""
        while size:
            part = self._some(size)
            if not part:
                raise ReadError("malformed", "the tarball ends in the middle of an entry")
            size -= len(part)

    def _some(self, most: int) -> bytes:
        if self._at == len(self._buffer):
            self._buffer, self._at = self._inflate_more(), 0
        part = self._buffer[self._at : self._at + most]
        self._at += len(part)
        return part

    def _inflate_more(self) -> bytes:
        """The next bytes, at most 256 KiB; empty at the end."""
        while True:
            if self._inflate.eof:
                if bytes(self._rest[:2]) != b"\x1f\x8b":  # what follows the last member is no part of the file
                    return b""
                self._inflate = zlib.decompressobj(wbits=31)
            some = self._rest[: 1 << 16]
            try:
                out = self._inflate.decompress(some, 1 << 18)
            except zlib.error as error:
                raise ReadError("malformed", f"the tarball's gzip data is damaged: {error}") from None
            unused = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            self._rest = self._rest[len(some) - len(unused) :]
            if out:
                self._left -= len(out)
                if self._left < 0:
                    raise ReadError("too-large", "the tarball unpacks to more than allowed")
                return out
            if not len(some) and not self._inflate.eof:
                raise ReadError("malformed", "the tarball's gzip data ends too early")
