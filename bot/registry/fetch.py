"""The door to the registries: keys in, answers out, as few requests as can be.

This module is cheap to import; asyncio and httpx come in only when the cache does not know an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from bot.names import PackageName, is_npm_name
from bot.policy import RegistryTable
from bot.registry.cache import Cache, CacheKey, Entry
from bot.registry.integrity import digest_of
from bot.rule import (
    Absent,
    AskLatest,
    AskPackage,
    AskPublished,
    AskVersion,
    Latest,
    PackageFacts,
    Published,
    Released,
    Unknown,
)

if TYPE_CHECKING:
    import asyncio

    import httpx

    from bot.registry.npm import Heard, Npm

__all__ = ["Answer", "Ask", "Patience", "Registry", "is_exact_version"]

Ask = AskVersion | AskPackage | AskPublished | AskLatest
Answer = Released | Absent | PackageFacts | Latest | Published | Unknown

# Semantic Versioning 2.0.0, section 2 and 9 to 10, with npm's bound on length and on the three numbers.
_NUMBER: Final = r"(?:0|[1-9][0-9]{0,15})"
_WORD: Final = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-{_WORD}(?:\.{_WORD})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_SAFE_INTEGER: Final = 2**53 - 1


def is_exact_version(version: str) -> bool:
    """Whether npm's registry could carry this version (strict semver, at most 256 characters)."""
    found = _VERSION.fullmatch(version) if len(version) <= 256 else None
    return found is not None and all(int(number) <= _SAFE_INTEGER for number in found.groups())


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait and how often to try, in seconds where no unit is named.

    ``pause`` is the first pause between two attempts; it doubles. A registry that asks (``Retry-After``) for more than
    ``pause_max`` is given up. After ``give_ups`` requests in a row that failed for good, a host is asked no more in this run.
    """

    attempts: int = 4
    pause: float = 0.25
    pause_max: float = 20.0
    connect: float = 6.0
    read: float = 30.0
    whole_document: float = 90.0
    whole_tarball: float = 300.0
    give_ups: int = 8
    connections: int = 32


class Registry:
    """Answers from the public registries, the mirrors that policy names, and the cache.

    ``tables`` is policy's ``[registry.*]``. ``is_open`` says of a package whether its name may leave the house: a key
    whose package is not open is answered `Unknown` ``not-open`` without a request, and ``may_say`` of a version: one that
    may not be said is answered ``private-version``. The transport refuses both once more.
    ``requests`` counts the network requests made. ``transport`` takes httpx's place on the network, for tests.

    Reasons of `Unknown`: ``offline``, ``registry-unreachable``, ``registry-forbidden``, ``malformed``, ``too-large``,
    ``too-deep``, ``not-utf8``, ``integrity-mismatch``, ``no-integrity``, ``invalid-name``, ``not-open``, ``private-version``,
    ``unsupported-ecosystem``.
    """

    def __init__(
        self,
        tables: Mapping[Literal["npm", "pypi"], RegistryTable],
        cache: Cache,
        offline: bool,
        is_open: Callable[[PackageName], bool],
        progress: Callable[[int, int], None] | None = None,
        *,
        may_say: Callable[[str], bool] = lambda version: True,
        patience: Patience = Patience(),  # noqa: B008 - an immutable value
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._table = tables.get("npm", RegistryTable())
        self._cache = cache
        self._offline = offline
        self._is_open = is_open
        self._may_say = may_say
        self._progress = progress
        self._patience = patience
        self._transport = transport
        self._runner: asyncio.Runner | None = None
        self._npm: Npm | None = None
        # Where facts are looked for, in order. The public registry's address costs an import: a word stands for it.
        self._places = (_place(self._table.url), *(_place(mirror.url) for mirror in self._table.mirrors))

    @property
    def requests(self) -> int:
        """Network requests made so far, every attempt and redirect counted."""
        return self._npm.client.requests if self._npm is not None else 0

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End connections. The cache is the caller's to close."""
        if self._runner is not None:
            if self._npm is not None:
                self._runner.run(self._npm.close())
            self._runner.close()
            self._runner = None

    def forget(self) -> None:
        """Let go of answers that the cache has."""
        if self._npm is not None:
            self._npm.forget()

    def fetch(self, keys: Iterable[Ask]) -> dict[Ask, Answer]:
        """An answer to every key. Raises `bot.errors.RingfenceError` for a registry address in policy that cannot be used."""
        answers: dict[Ask, Answer] = {}
        questions: list[Ask] = []
        for key in dict.fromkeys(keys):
            settled = self._without_asking(key)
            if settled is None:
                questions.append(key)
            else:
                answers[key] = settled
        kept = self._kept(questions)
        missing: list[Ask] = []
        for key in questions:
            entry = kept.get(key)
            if entry is not None and (entry.fresh or (self._offline and not isinstance(entry.fact, Absent))):
                answers[key] = entry.fact
            elif self._offline:
                # That something was missing is no lasting truth.
                knows = "knows nothing of" if entry is None else "has only an old word about"
                answers[key] = Unknown(
                    reason="offline",
                    detail=f"the cache {knows} {_words(key)}",
                    remedy="Run once without --offline: answers are kept.",
                )
            else:
                missing.append(key)
        if missing:
            answers |= self._from_network(missing, kept)
        return answers

    def _without_asking(self, key: Ask) -> Answer | None:
        """The answer to a key that no registry is asked about."""
        if key.package.ecosystem != "npm":
            return Unknown(
                reason="unsupported-ecosystem",
                detail=f"the registry of {key.package.ecosystem} packages is not asked by this version of Ringfence",
            )
        if not is_npm_name(key.package.name):
            return Unknown(reason="invalid-name", detail="no registry can carry a package of this name")
        if not self._is_open(key.package):
            return Unknown(
                reason="not-open", detail="the name of a package that is not open is never asked of a registry"
            )
        if isinstance(key, AskPackage | AskLatest):
            return None
        if not is_exact_version(key.version):
            return Absent(what="version")
        if not self._may_say(key.version):
            return Unknown(
                reason="private-version", detail="a version that holds a private name is never asked of a registry"
            )
        return None

    def _kept(self, keys: list[Ask]) -> dict[Ask, Entry]:
        """What the cache has: the public registry's word before a mirror's, a fresh one before an old one."""
        wanted = {_cache_key(place, key): (place, key) for key in keys for place in self._places}
        versions = [
            _cache_key(place, _version_of(key)) for place, key in wanted.values() if isinstance(key, AskPublished)
        ]
        found = self._cache.read([*wanted, *versions])
        best: dict[Ask, Entry] = {}
        for cache_key, (place, key) in wanted.items():
            entry = found.get(cache_key)
            if entry is not None and isinstance(key, AskPublished):
                entry = _of_its_version(entry, found.get(_cache_key(place, _version_of(key))))
            if entry is not None and (key not in best or (entry.fresh and not best[key].fresh)):
                best[key] = entry
        return best

    def _from_network(self, keys: list[Ask], kept: Mapping[Ask, Entry]) -> dict[Ask, Answer]:
        import asyncio

        from bot.registry.client import Client
        from bot.registry.npm import Npm

        if self._runner is None:
            self._runner = asyncio.Runner()
        if self._npm is None:
            client = Client(self._is_open, self._patience, self._transport, may_say=self._may_say)
            self._npm = Npm(self._table, self._cache, client)
        versions: list[Ask] = [_version_of(key) for key in keys if isinstance(key, AskPublished)]
        heard: dict[Ask, Heard] = {}
        try:
            known = {key: entry.fact for key, entry in self._kept(versions).items() if entry.fresh}
            known |= {key: entry.fact for key, entry in kept.items() if isinstance(entry.fact, Published)}
            self._runner.run(self._npm.answer_all(keys, known, heard, self._progress))
        finally:  # what had arrived before an interruption is kept too
            self._cache.write(
                (_cache_key(self._places[place], key), answer)
                for key, (answer, place) in heard.items()
                if not isinstance(answer, Unknown)
            )
        answers: dict[Ask, Answer] = {}
        for key in keys:
            answer = heard[key].answer
            old = kept.get(key)
            # That a version exists stays true while the registry is down; only its deprecation may be news.
            if isinstance(answer, Unknown) and old is not None and isinstance(old.fact, Released | Published):
                answer = old.fact
            answers[key] = answer
        return answers


def _place(url: str | None) -> str:
    return "public" if url is None else url.rstrip("/")


def _cache_key(place: str, key: Ask) -> CacheKey:
    version = "" if isinstance(key, AskPackage | AskLatest) else key.version
    return CacheKey(place, type(key).__name__, key.package.name, version)


def _version_of(key: AskPublished) -> AskVersion:
    return AskVersion(key.package, key.version)


def _of_its_version(published: Entry, version: Entry | None) -> Entry | None:
    """What was in a tarball, as old as the registry's word that this version has that tarball's hash; None for another's."""
    if not isinstance(published.fact, Published) or version is None:
        return Entry(published.fact, published.fresh and not isinstance(published.fact, Published))
    if not isinstance(version.fact, Released):
        return None
    digest = digest_of(version.fact.integrity, version.fact.shasum)
    return Entry(published.fact, version.fresh) if digest and digest.text() == published.fact.integrity else None


def _words(key: Ask) -> str:
    return str(key.package) if isinstance(key, AskPackage | AskLatest) else f"{key.package}@{key.version}"
