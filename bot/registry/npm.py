"""What is asked of an npm registry, and what its answers mean.

The registry's API is described in npm's ``registry`` documentation: ``/NAME/VERSION`` gives one version's document,
``/NAME`` the packument (all versions), abbreviated when asked for the install form.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from bot.errors import ReadError
from bot.names import PackageName
from bot.policy import RegistryTable
from bot.registry.cache import Cache
from bot.registry.client import LATEST, Client, Endpoint, Question
from bot.registry.fetch import Answer, Ask, is_exact_version
from bot.registry.integrity import Digest, digest_of
from bot.registry.tarball import Limits, read_tarball
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

__all__ = ["Heard", "Npm", "public_registry_url"]

_JSON: Final = "application/json"
_ABBREVIATED: Final = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"
_VERSION_MAX: Final = 8 * 1024**2
_PACKUMENT_MAX: Final = 64 * 1024**2
_NOT_THERE: Final = (404, 410)
_NO_SUCH_ROUTE: Final = (400, 405, 406, 501)


def public_registry_url() -> str:
    """The public npm registry, as the purl standard names it; without a trailing slash."""
    from packageurl.validate import DEFINITIONS_BY_TYPE

    return str(DEFINITIONS_BY_TYPE["npm"].default_repository_url).rstrip("/")


class Heard(NamedTuple):
    """An answer, and which registry gave it: 0 the public one, then policy's mirrors in their order."""

    answer: Answer
    place: int = 0


class _Dist(msgspec.Struct):
    integrity: str | None = None
    shasum: str | None = None
    tarball: str | None = None


class _VersionDocument(msgspec.Struct):
    name: str
    version: str
    dist: _Dist = msgspec.field(default_factory=_Dist)
    deprecated: object = None
    repository: object = None


class _Packument(msgspec.Struct):
    """Versions stay raw JSON until one is needed: most of a packument is never looked at."""

    name: str | None = None
    versions: dict[str, msgspec.Raw] = {}
    tags: dict[str, str] = msgspec.field(default_factory=dict, name="dist-tags")
    time: dict[str, object] = {}


_VERSION_DOCUMENT: Final = msgspec.json.Decoder(_VersionDocument)
_PACKUMENT: Final = msgspec.json.Decoder(_Packument)
_BROKEN: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_T = TypeVar("_T")


class Npm:
    """Asks an npm registry and its mirrors, each thing once. Make it inside no event loop; use it in one."""

    def __init__(self, table: RegistryTable, cache: Cache, client: Client) -> None:
        public = Endpoint((table.url or public_registry_url()).rstrip("/"))
        mirrors = [
            Endpoint(mirror.url.rstrip("/"), mirrored=True, token=os.environ.get(mirror.token_env or "") or None)
            for mirror in table.mirrors
        ]
        self._endpoints = [endpoint.check() for endpoint in (public, *mirrors)]
        self._enough = [True, *(mirror.enough for mirror in table.mirrors)]
        self._cache = cache
        self.client = client
        self._once: dict[object, asyncio.Task[Any]] = {}
        # Packuments and tarballs are large: few at a time, so that memory stays bounded.
        self._packuments = asyncio.Semaphore(4)
        self._tarballs = asyncio.Semaphore(4)

    def forget(self) -> None:
        """Let go of what was kept to ask each thing once: a run over many repositories has it in the cache by now."""
        self._once = {what: task for what, task in self._once.items() if not task.done()}

    async def close(self) -> None:
        """End what an interruption may have left under way, then the connections."""
        for task in self._once.values():
            task.cancel()
        await asyncio.gather(*self._once.values(), return_exceptions=True)
        await self.client.close()

    async def answer_all(
        self,
        keys: list[Ask],
        known: Mapping[Ask, object],
        heard: dict[Ask, Heard],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        """Put an answer to every key into ``heard``, and what else was learned on the way.

        ``known`` may hold `Released` facts, which are enough to find a tarball, and `Published` ones, which stand for as long
        as their integrity is the registry's.
        """

        done = 0

        async def one(key: Ask) -> None:
            nonlocal done
            heard[key] = await self._answer(key, known, heard)
            done += 1
            if progress is not None:
                progress(done, len(keys))

        try:
            async with asyncio.TaskGroup() as group:
                for key in keys:
                    group.create_task(one(key))
        except BaseExceptionGroup as many:
            raise many.exceptions[0] from None

    async def _answer(self, key: Ask, known: Mapping[Ask, object], heard: dict[Ask, Heard]) -> Heard:
        if isinstance(key, AskPackage):
            return await self._first(lambda endpoint: self._package(endpoint, key.package))
        if isinstance(key, AskLatest):
            return await self._first(lambda endpoint: self._latest(endpoint, key.package))
        if isinstance(key, AskVersion):
            return await self._version(key)
        version = AskVersion(key.package, key.version)
        released = known.get(version)
        if not isinstance(released, Released):
            found = await self._version(version)
            if not isinstance(found.answer, Released):
                return found
            released = found.answer
            heard.setdefault(version, found)
        return await self._published(key, released, known.get(key))

    async def _version(self, key: AskVersion) -> Heard:
        return await self._shared(
            key, lambda: self._first(lambda endpoint: self._version_at(endpoint, key.package, key.version))
        )

    async def _first(self, ask: Callable[[Endpoint], Coroutine[Any, Any, Answer]]) -> Heard:
        """The public registry's answer; a mirror's where the public one gives none.

        A mirror that lacks something says nothing about the world, unless policy says that it is enough.
        """
        first: Answer | None = None
        for place, endpoint in enumerate(self._endpoints):
            answer = await ask(endpoint)
            first = first or answer
            if not isinstance(answer, Unknown) and (self._enough[place] or not isinstance(answer, Absent)):
                return Heard(answer, place)
        assert first is not None  # noqa: S101 - there is always the public registry
        return Heard(first)

    async def _shared(self, what: object, ask: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """One request for several that want the same at once, or one after another in this run."""
        task: asyncio.Task[_T] | None = self._once.get(what)
        if task is None:
            task = self._once[what] = asyncio.create_task(ask())
        return await asyncio.shield(task)

    # -- one version -----------------------------------------------------------------------

    async def _version_at(self, endpoint: Endpoint, package: PackageName, version: str) -> Answer:
        reply = await self.client.document(endpoint, Question(package, version), accept=_JSON, limit=_VERSION_MAX)
        if isinstance(reply, Unknown):
            return reply
        if reply.status == 200:
            try:
                document = _VERSION_DOCUMENT.decode(reply.body)
            except _BROKEN:
                return _malformed(endpoint, package)
            return _released(document, package, version, endpoint, reply.url)
        if reply.status not in _NOT_THERE and reply.status not in _NO_SUCH_ROUTE:
            return _refused(endpoint, reply.status)
        # Is the version missing, the package, or only the route? The package's own document tells.
        packument = await self._shared((endpoint, package), lambda: self._packument(endpoint, package, _ABBREVIATED))
        if not isinstance(packument, _Packument):
            return packument
        raw = packument.versions.get(version)
        source = Question(package).url(endpoint)
        if raw is None:
            return Absent(what="version", source=source, mirrored=endpoint.mirrored)
        try:
            document = _VERSION_DOCUMENT.decode(raw)
        except _BROKEN:
            return _malformed(endpoint, package)
        return _released(document, package, version, endpoint, source)

    # -- a whole package -------------------------------------------------------------------

    async def _packument(self, endpoint: Endpoint, package: PackageName, accept: str) -> _Packument | Absent | Unknown:
        async with self._packuments:
            reply = await self.client.document(endpoint, Question(package), accept=accept, limit=_PACKUMENT_MAX)
            if isinstance(reply, Unknown):
                return reply
            if reply.status in _NOT_THERE:
                return Absent(what="package", source=reply.url, mirrored=endpoint.mirrored)
            if reply.status != 200:
                return _refused(endpoint, reply.status)
            try:
                packument = _PACKUMENT.decode(reply.body)
            except _BROKEN:
                return _malformed(endpoint, package)
        if packument.name != package.name:
            return _malformed(endpoint, package)
        if not packument.versions and "unpublished" in packument.time:
            return Absent(what="package", source=reply.url, mirrored=endpoint.mirrored)
        # The raw versions are views of the whole body; copies let it go.
        packument.versions = {version: raw.copy() for version, raw in packument.versions.items()}
        return packument

    async def _package(self, endpoint: Endpoint, package: PackageName) -> Answer:
        packument = await self._packument(endpoint, package, _JSON)
        if not isinstance(packument, _Packument):
            return packument
        times = {
            version: when
            for version, when in packument.time.items()
            if isinstance(when, str) and is_exact_version(version)
        }
        # ISO 8601 in UTC sorts as text; without times the document's own order, which is that of publication, stands.
        return PackageFacts(
            package=package,
            versions=tuple(sorted(packument.versions, key=lambda version: times.get(version, ""))),
            tags=packument.tags,
            times=times,
            source=Question(package).url(endpoint),
            mirrored=endpoint.mirrored,
        )

    async def _latest(self, endpoint: Endpoint, package: PackageName) -> Answer:
        """npm's registry takes a dist-tag where it takes a version; where one does not, the whole document has both."""
        reply = await self.client.document(endpoint, Question(package, LATEST), accept=_JSON, limit=_VERSION_MAX)
        if isinstance(reply, Unknown):
            return reply
        if reply.status == 200:
            try:
                return _said(_VERSION_DOCUMENT.decode(reply.body), package, endpoint, reply.url)
            except _BROKEN:
                return _malformed(endpoint, package)
        if reply.status not in _NOT_THERE and reply.status not in _NO_SUCH_ROUTE:
            return _refused(endpoint, reply.status)
        packument = await self._packument(endpoint, package, _JSON)
        if not isinstance(packument, _Packument):
            return packument
        source = Question(package).url(endpoint)
        raw = packument.versions.get(packument.tags.get(LATEST, ""))
        if raw is None:
            return Absent(what="version", source=source, mirrored=endpoint.mirrored)
        try:
            return _said(_VERSION_DOCUMENT.decode(raw), package, endpoint, source)
        except _BROKEN:
            return _malformed(endpoint, package)

    # -- a tarball -------------------------------------------------------------------------

    async def _published(self, key: AskPublished, released: Released, known: object) -> Heard:
        digest = digest_of(released.integrity, released.shasum)
        if digest is None:
            return Heard(
                Unknown(
                    reason="no-integrity",
                    detail=f"the registry gives no usable integrity for {key.package}@{key.version}",
                )
            )
        if isinstance(known, Published) and known.integrity == digest.text():
            same = msgspec.structs.replace(known, mirrored=released.mirrored)
            return Heard(same, self._place_of(released))
        async with self._tarballs:
            data = await asyncio.to_thread(self._cache.tarball, digest)
            if data is None:
                fetched = await self._tarball(key, released, digest)
                if isinstance(fetched, Unknown):
                    return Heard(fetched)
                data = fetched
                await asyncio.to_thread(self._cache.keep_tarball, digest, data)
            try:
                package = await asyncio.to_thread(read_tarball, data)
            except ReadError as error:
                return Heard(Unknown(reason=error.reason, detail=error.detail))
        return Heard(
            Published(
                package=key.package,
                version=key.version,
                manifest=package.manifest,
                files=package.files,
                integrity=digest.text(),
                mirrored=released.mirrored,
            ),
            self._place_of(released),
        )

    def _place_of(self, released: Released) -> int:
        """Which registry's word the integrity is: that one's fact is the tarball's content too."""
        if not released.mirrored:
            return 0
        for place, endpoint in enumerate(self._endpoints):
            if endpoint.mirrored and released.source.startswith(endpoint.url + "/"):
                return place
        return 0

    async def _tarball(self, key: AskPublished, released: Released, digest: Digest) -> bytes | Unknown:
        """The tarball's bytes, from the registry that named it or from a mirror; only ones of the right hash."""
        home = self._place_of(released)
        first: Unknown | None = None
        for place, endpoint in enumerate(self._endpoints):
            if place < home:
                continue
            url = released.tarball
            if place > home:
                other = await self._version_at(endpoint, key.package, key.version)
                url = other.tarball if isinstance(other, Released) else None
                if url is None:
                    continue
            answer = await self._tarball_at(endpoint, key, url, digest)
            if not isinstance(answer, Unknown):
                return answer
            first = first or answer
        return first or Unknown(
            reason="malformed", detail=f"no registry names a tarball of {key.package}@{key.version}"
        )

    async def _tarball_at(
        self, endpoint: Endpoint, key: AskPublished, url: str | None, digest: Digest
    ) -> bytes | Unknown:
        if url is None:
            return Unknown(reason="malformed", detail=f"the registry names no tarball of {key.package}@{key.version}")
        reply = await self.client.tarball(endpoint, Question(key.package, key.version), url, limit=Limits().compressed)
        if isinstance(reply, Unknown):
            return reply
        if reply.status != 200:
            if reply.status in _NOT_THERE:
                return Unknown(
                    reason="registry-unreachable",
                    detail=f"the registry has {key.package}@{key.version} but not its tarball",
                )
            return _refused(endpoint, reply.status)
        if not await asyncio.to_thread(digest.matches, reply.body):
            return Unknown(
                reason="integrity-mismatch",
                detail=f"the tarball of {key.package}@{key.version} is not the one whose integrity the registry gives",
            )
        return reply.body


def _released(
    document: _VersionDocument, package: PackageName, version: str, endpoint: Endpoint, source: str
) -> Answer:
    if document.name != package.name or document.version != version:
        return _malformed(endpoint, package)
    return Released(
        package=package,
        version=version,
        integrity=document.dist.integrity or None,
        shasum=document.dist.shasum or None,
        tarball=document.dist.tarball or None,
        deprecated=_deprecation(document),
        mirrored=endpoint.mirrored,
        source=source,
    )


def _said(document: _VersionDocument, package: PackageName, endpoint: Endpoint, source: str) -> Answer:
    if document.name != package.name or not is_exact_version(document.version):
        return _malformed(endpoint, package)
    field = document.repository
    if isinstance(field, str):
        field = {"url": field}
    told = field if isinstance(field, dict) else {}
    url, directory = told.get("url"), told.get("directory")
    return Latest(
        package=package,
        version=document.version,
        repository=url if isinstance(url, str) else "",
        directory=directory if isinstance(directory, str) else "",
        deprecated=_deprecation(document),
        source=source,
        mirrored=endpoint.mirrored,
    )


def _deprecation(document: _VersionDocument) -> str | None:
    """An empty text or false is how a deprecation is taken back."""
    said = document.deprecated
    if isinstance(said, str) and said:
        return said
    return "deprecated" if said is True else None


def _malformed(endpoint: Endpoint, package: PackageName) -> Unknown:
    return Unknown(reason="malformed", detail=f"what {endpoint.url} gives is no document of {package}")


def _refused(endpoint: Endpoint, status: int) -> Unknown:
    if status in (401, 403, 407, 451):
        return Unknown(reason="registry-forbidden", detail=f"{endpoint.url} answered {status} to an anonymous read")
    return Unknown(reason="registry-unreachable", detail=f"{endpoint.url} answered {status}")
