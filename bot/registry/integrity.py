"""Subresource integrity strings, as registries and lockfiles carry them (W3C Subresource Integrity, and npm's use of it)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Final, NamedTuple

__all__ = ["Digest", "digest_of", "digest_of_sha1_hex", "strongest"]

_SIZES: Final = {"sha512": 64, "sha384": 48, "sha256": 32, "sha1": 20}  # strongest first, bytes


class Digest(NamedTuple):
    """What a file's bytes must hash to: any one of ``values`` (raw bytes) under ``algorithm``."""

    algorithm: str
    values: tuple[bytes, ...]

    def matches(self, data: bytes) -> bool:
        """Whether these bytes are the ones that were meant."""
        actual = hashlib.new(self.algorithm, data, usedforsecurity=False).digest()
        return any(hmac.compare_digest(actual, value) for value in self.values)

    def file_name(self) -> str:
        """``sha512-`` and hex: a name that is safe on every file system."""
        return f"{self.algorithm}-{self.values[0].hex()}"

    def text(self) -> str:
        """As a subresource integrity string."""
        return " ".join(f"{self.algorithm}-{base64.b64encode(value).decode()}" for value in self.values)


def strongest(integrity: str) -> Digest | None:
    """The strongest algorithm's digests in an integrity string (``sha512-… sha1-…``); None when it has none that counts.

    Weaker ones beside it are not looked at, as the standard says. Options (``?…``) are ignored.
    """
    found: dict[str, list[bytes]] = {}
    for word in integrity.split():
        algorithm, dash, rest = word.partition("-")
        size = _SIZES.get(algorithm)
        if not dash or size is None:
            continue
        try:
            value = base64.b64decode(rest.partition("?")[0], validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(value) == size:
            found.setdefault(algorithm, []).append(value)
    for algorithm in _SIZES:
        if algorithm in found:
            return Digest(algorithm, tuple(dict.fromkeys(found[algorithm])))
    return None


def digest_of_sha1_hex(shasum: str) -> Digest | None:
    """The digest of an old entry's ``shasum``; None when it is no hex SHA-1."""
    return Digest("sha1", (bytes.fromhex(shasum),)) if re.fullmatch(r"[0-9a-fA-F]{40}", shasum) else None


def digest_of(integrity: str | None, shasum: str | None) -> Digest | None:
    """What a registry says that a tarball hashes to: by its integrity, else by its older ``shasum``; None for neither."""
    if integrity:
        return strongest(integrity)
    return digest_of_sha1_hex(shasum) if shasum else None
