"""``yarn.lock`` of yarn 2 and later (``__metadata``), versions 1 to 10.

Source: what ``@yarnpkg/parsers`` (``stringifySyml``) writes: YAML of strings only, an entry's key the descriptors that it answers,
joined by commas (``"a@npm:^1.0.0, a@npm:^1.1.0"``), its ``resolution`` the locator it resolved to. Yarn reads every scalar as
text, a YAML reader makes ``1.1`` of ``1.10``: so the plain form is read by lines here, and only what is not
in that form goes through a YAML reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import unquote

from bot.errors import ReadError
from bot.facts.lock import Importer, Lock, LockedDependency, LockEntry, Source
from bot.names import join
from bot.readers.npm.lock_text import directory_of, lock_text, mapping, source_of_spec, strings, yaml_documents
from bot.readers.npm.yarn_v1 import alias_in, descriptors, local_name

__all__ = ["read_yarn_berry"]

_NEWEST = 10
_MAPS = ("dependencies", "peerDependencies", "optionalDependencies")

_NEXT = re.compile(r"\n(?=[^\s#:])")
_PLAIN = r"[^\s\"'\[\]{}&*!|>%@`?,#-][^\s\"#:,]*"
_PAIRS = r"((?:    [^\n]+\n)+)"
_BLOCK = re.compile(
    r'"([^"\\\n]+)":\n'
    rf"  version: ({_PLAIN})\n"
    r'  resolution: "([^"\\\n]+)"\n'
    rf"(?:  dependencies:\n{_PAIRS})?"
    rf"(?:  peerDependencies:\n{_PAIRS})?"
    r"(?:  (?:dependenciesMeta|peerDependenciesMeta|bin):\n(?:    [^\n]+\n)+)*"
    rf"(?:  checksum: ({_PLAIN})\n)?"
    r"(?:  conditions: [^\n]+\n)?"
    r"  languageName: \w+\n"
    r"  linkType: \w+\n"
    r"(?:\n+|\Z)"
)
_DEPENDENCY = re.compile(
    r'^    (?:"([^"\\\n]+)"|([^\s":@]+)): (?:"([^"\\\n]*)"|([^\s"\'\[\]{}&*!|>%@`?,#-][^"#:\n]*))$', re.MULTILINE
)

_Block = dict[str, str | dict[str, str]]


class _Odd(Exception):  # noqa: N818 (not an error: the other reader is asked)
    """A line that is not in the form that yarn writes."""


def read_yarn_berry(path: str, data: bytes) -> Lock:
    """A lock from the bytes of a yarn 2+ lockfile at ``path``. Raises `ReadError`."""
    text = lock_text(data)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    try:
        blocks = _blocks(text)
    except _Odd:
        blocks = list(_yaml(text))
    metadata: _Block = next((block for key, block in blocks if key == "__metadata"), {})
    version = metadata.get("version")
    if type(version) is not str:
        raise ReadError("malformed", "yarn.lock: `__metadata` has no `version`", line=1)
    if not version.isascii() or not version.isdecimal() or not 1 <= int(version[:9]) <= _NEWEST:
        raise ReadError(
            "unsupported-format",
            f"yarn lockfile version {version[:40]} is not known (1 to {_NEWEST} are)",
            remedy="Update Ringfence, or write the lockfile with an older yarn.",
        )
    entries: list[LockEntry] = []
    members: list[tuple[LockEntry, str]] = []
    for key, block in blocks:
        if key == "__metadata":
            continue
        entry, member = _entry(key, block)
        entries.append(entry)
        if member is not None:
            members.append((entry, member))
    directory = directory_of(path)
    found = _descriptor_index(entries) if members else {}
    named: dict[str, set[str]] = {}
    for descriptor, entry in found.items():
        named.setdefault(local_name(descriptor), set()).add(entry.key)
    importers = [
        importer
        for entry, folder in members
        if (importer := _importer(directory, entry, folder, found, named)) is not None
    ]
    return Lock(
        path=path,
        directory=directory,
        format="yarn-berry",
        version=version,
        entries=tuple(entries),
        importers=tuple(importers),
        patched=tuple(
            entry.key for entry in entries if entry.source is Source.PATCH and "builtin<" not in (entry.resolved or "")
        ),
    )


def _descriptor_index(entries: list[LockEntry] | tuple[LockEntry, ...]) -> dict[str, LockEntry]:
    """Each descriptor of each key -> its entry, also without its binding (``::locator=…``)."""
    found: dict[str, LockEntry] = {}
    for entry in entries:
        for descriptor in descriptors(entry.key):
            found[descriptor] = entry
            bare, bound, _ = descriptor.partition("::")
            if bound:
                found.setdefault(bare, entry)
    return found


# -- text to blocks --------------------------------------------------------------------------


def _blocks(text: str) -> list[tuple[str, _Block]]:
    """(key, fields) of each top-level block. Raises `_Odd` for what no line reader should guess at."""
    blocks: list[tuple[str, _Block]] = []
    at = 0
    while at < len(text):
        # A package as yarn writes it at once; workspaces and whatever else, line by line.
        found = _BLOCK.match(text, at)
        dependencies = _dependencies(found[4]) if found is not None else None
        peers = _dependencies(found[5]) if found is not None else None
        if found is not None and dependencies is not None and peers is not None:
            block: _Block = {"version": found[2], "resolution": found[3], "dependencies": dependencies}
            if peers:
                block["peerDependencies"] = peers
            if found[6] is not None:
                block["checksum"] = found[6]
            blocks.append((found[1], block))
            at = found.end()
        else:
            following = _NEXT.search(text, at)
            end = following.end() if following is not None else len(text)
            blocks += _lines(text[at:end])
            at = end
    return blocks


def _dependencies(lines: str | None) -> dict[str, str] | None:
    if lines is None:
        return {}
    pairs = _DEPENDENCY.findall(lines)
    if len(pairs) != lines.count("\n"):
        return None
    return {name or bare: spec or plain for name, bare, spec, plain in pairs}


def _lines(text: str) -> Iterator[tuple[str, _Block]]:
    """(key, fields) of each top-level block of a part of the file that begins and ends between blocks."""
    key: str | None = None
    block: _Block = {}
    section: dict[str, str] | None = None
    asked: str | None = None
    for line in text.split("\n"):
        stripped = line.lstrip(" ")
        if not stripped or stripped[0] == "#":
            continue
        indent = len(line) - len(stripped)
        if indent == 0:
            if asked is not None:
                # `? key` and, in the next line, `:`: how YAML writes a key of more than 1,024 characters.
                if stripped != ":":
                    raise _Odd
                following, asked = asked, None
            elif stripped[:2] == "? ":
                asked = _scalar(stripped[2:])
                continue
            elif stripped[-1] == ":":
                following = _scalar(stripped[:-1])
            else:
                raise _Odd
            if key is not None:
                yield key, block
            key, block, section = following, {}, None
        elif indent == 2 and key is not None:
            name, value = _pair(stripped)
            if value:
                block[name] = _scalar(value)
                section = None
            else:
                section = {}
                block[name] = section
        elif indent == 4 and section is not None:
            name, value = _pair(stripped)
            if value:
                section[name] = _scalar(value)
        elif indent != 6 or section is None:
            raise _Odd
    if asked is not None:
        raise _Odd
    if key is not None:
        yield key, block


def _pair(text: str) -> tuple[str, str]:
    if text[0] == '"':
        end = text.find('":', 1)
        if end < 0 or "\\" in text[:end]:
            raise _Odd
        return text[1:end], text[end + 2 :].strip(" ")
    name, colon, value = text.partition(": ")
    if colon:
        return name, value.strip(" ")
    if text[-1] != ":":
        raise _Odd
    return text[:-1], ""


def _scalar(text: str) -> str:
    """A plain scalar, or a double-quoted one. Anything else that YAML knows is for the other reader."""
    first = text[:1]
    if first == '"':
        if text[-1] != '"' or len(text) < 2:
            raise _Odd
        if "\\" not in text:
            if '"' in text[1:-1]:
                raise _Odd
            return text[1:-1]
        try:
            value = json.loads(text)
            value.encode()
        except (ValueError, AttributeError):
            raise _Odd from None
        return str(value)
    if first in "'[]{}&*!|>%@`?-," or " #" in text or ": " in text:
        raise _Odd
    return text


def _yaml(text: str) -> Iterator[tuple[str, _Block]]:
    documents = yaml_documents(text)
    if len(documents) != 1 or type(documents[0]) is not dict:
        raise ReadError("malformed", "yarn.lock: not one mapping", line=1)
    for key, value in mapping(documents[0]).items():
        fields = mapping(value)
        block: _Block = {**strings(fields)}
        for name in _MAPS:
            if name in fields:
                block[name] = strings(fields[name])
        yield key, block


# -- blocks to facts -------------------------------------------------------------------------


def _entry(key: str, block: _Block) -> tuple[LockEntry, str | None]:
    """The entry, and its directory where it is a workspace."""
    local = local_name(key)
    resolution = _text(block, "resolution") or descriptors(key)[0]
    name = local_name(resolution)
    reference = resolution[len(name) + 1 :]
    version = _text(block, "version")
    member: str | None = None
    resolved: str | None = reference or None
    if reference.startswith("npm:"):
        source = Source.REGISTRY
        # A registry that serves tarballs elsewhere than by convention has the place noted.
        archive = re.search(r"::(?:.*&)?__archiveUrl=([^&]*)", reference)
        resolved = unquote(archive[1]) if archive else None
    elif reference.startswith("workspace:"):
        source, version = Source.WORKSPACE, None
        member = reference[10:].partition("::")[0]
    else:
        source = source_of_spec(reference)
        if source is Source.REGISTRY:
            source = Source.UNKNOWN
        elif source is Source.URL and re.search(r"[#&]commit=", reference):
            source = Source.GIT
        if version == "0.0.0-use.local":
            version = None
    dependencies = _map(block, "dependencies")
    optional = _map(block, "optionalDependencies")
    entry = LockEntry(
        key,
        name,
        version,
        source,
        resolved,
        None,
        _text(block, "checksum"),
        {**dependencies, **optional} if optional else dependencies,
        alias_in(key, local, name),
        (key,),
        False,
        False,
        _map(block, "peerDependencies"),
    )
    return entry, member


def _text(block: _Block, name: str) -> str | None:
    value = block.get(name)
    return value if type(value) is str else None


def _map(block: _Block, name: str) -> dict[str, str]:
    value = block.get(name)
    return value if type(value) is dict else {}


def _importer(
    directory: str, entry: LockEntry, folder: str, found: dict[str, LockEntry], named: dict[str, set[str]]
) -> Importer | None:
    where = join(directory, folder)
    if where is None:
        return None
    dependencies = []
    for local, spec in entry.dependencies.items():
        target = found.get(f"{local}@{spec}") or found.get(f"{local}@npm:{spec}")
        key = target.key if target is not None else None
        if key is None and len(others := named.get(local, set())) == 1:
            (key,) = others  # a catalog or a resolution: the lock does not say what the range became
        dependencies.append(LockedDependency(local, "dependencies", spec, key, (entry.key, "dependencies", local)))
    dependencies += [
        LockedDependency(local, "peerDependencies", spec, None, (entry.key, "peerDependencies", local))
        for local, spec in entry.peers.items()
    ]
    return Importer(where, entry.name, None, tuple(dependencies), (entry.key,))
