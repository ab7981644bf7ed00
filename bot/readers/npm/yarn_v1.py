"""``yarn.lock``: yarn 1's own line format, and the door to the later ones.

The format is what ``@yarnpkg/lockfile`` reads: an entry's key line holds the patterns (``name@range``) that it answers,
fields are indented by two spaces, the names in ``dependencies`` by four. Each token may be a JSON string.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode

from bot.errors import ReadError
from bot.facts.lock import Lock, LockEntry, Source
from bot.readers.npm.lock_text import alias_of, directory_of, lock_text, source_of_spec

__all__ = ["alias_in", "descriptors", "local_name", "read_yarn_lock", "read_yarn_v1"]

# What parts two patterns: a comma that a name and its range follow.
_BETWEEN = re.compile(r", *(?=(?:@[^/@\s,]+/)?[^@\s,/]+@)")
_SHA1 = re.compile(r"#([0-9a-f]{40})$")
_CONFLICT = re.compile(r"<{7} |={7}|>{7} ")
_NEXT = re.compile(r"\n(?=[^\s#])")
_LINES = r"((?:    [^\n]+\n)+)"
_BLOCK = re.compile(
    r'([^\s#"][^\n"\\]*|"[^\n]*"):\n'
    r'  version "([^"\\\n]*)"\n'
    r'(?:  resolved "([^"\\\n]*)"\n)?'
    r'(?:  integrity ([^\s"]+)\n)?'
    rf"(?:  dependencies:\n{_LINES})?"
    rf"(?:  optionalDependencies:\n{_LINES})?"
    r"(?:\n+|\Z)"
)
_DEPENDENCY = re.compile(r'^    (?:"([^"\\\n]+)"|([^\s"]+)) "([^"\\\n]*)"$', re.MULTILINE)
_HEADER = re.compile(r"^# yarn lockfile v(\d+)", re.MULTILINE)


def read_yarn_lock(path: str, data: bytes) -> Lock:
    """A lock from a ``yarn.lock`` of any yarn: ``__metadata`` is what tells the later format. Raises `ReadError`."""
    if re.search(rb"^__metadata:", data, re.MULTILINE):
        from bot.readers.npm.yarn_berry import read_yarn_berry

        return read_yarn_berry(path, data)
    return read_yarn_v1(path, data)


def descriptors(key: str) -> list[str]:
    """The patterns of an entry's key: ``a@^1.0.0, a@^1.2.0`` -> both. A comma within a range parts nothing."""
    return _BETWEEN.split(key) if "," in key else [key]


def local_name(descriptor: str) -> str:
    """``@a/b@^1`` -> ``@a/b``."""
    at = descriptor.find("@", 1)
    return descriptor[:at] if at > 0 else descriptor


def alias_in(key: str, local: str, name: str) -> str | None:
    """The alias that an entry is installed under; None when one of its descriptors asks by the real name."""
    if local == name or ("," in key and any(local_name(one) == name for one in descriptors(key))):
        return None
    return local


def read_yarn_v1(path: str, data: bytes) -> Lock:
    """A lock from the bytes of a yarn 1 lockfile at ``path``. Raises `ReadError`.

    An entry's pointer is ``(key line without its colon, as it stands in the file)``.
    """
    text = lock_text(data)
    if text[:64].lstrip()[:1] == "{":
        raise ReadError("unsupported-format", "this yarn.lock is JSON, which no yarn that Ringfence knows writes")
    header = _HEADER.search(text[:4096])
    if header is not None and header[1] != "1":
        raise ReadError(
            "unsupported-format", f"yarn lockfile v{header[1][:20]} is not known (v1 is, and yarn 2's format)"
        )
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    entries: list[LockEntry] = []
    at = 0
    while at < len(text):
        # Yarn's own form at once; whatever else, line by line.
        found = _BLOCK.match(text, at)
        dependencies = _dependencies(found) if found is not None else None
        if found is not None and dependencies is not None:
            key, version, resolved, integrity = found.group(1, 2, 3, 4)
            entries.append(_entry(key, version, None, resolved, integrity, dependencies))
            at = found.end()
        else:
            following = _NEXT.search(text, at)
            end = following.end() if following is not None else len(text)
            entries += _by_lines(text, at, end)
            at = end
    return Lock(
        path=path,
        directory=directory_of(path),
        format="yarn-v1",
        version="1",
        entries=tuple(entries),
        records_importers=False,
    )


def _dependencies(block: re.Match[str]) -> dict[str, str] | None:
    """Both kinds of dependencies of a block in yarn's own form; None when a line of them is not in it."""
    found: dict[str, str] = {}
    for lines in block.group(5, 6):
        if lines is not None:
            pairs = _DEPENDENCY.findall(lines)
            if len(pairs) != lines.count("\n"):
                return None
            for quoted, bare, spec in pairs:
                found[quoted or bare] = spec
    return found


def _by_lines(text: str, start: int, end: int) -> list[LockEntry]:
    """The entries in a part of the file that begins and ends between entries."""
    entries: list[LockEntry] = []
    key = ""
    fields: dict[str, str] = {}
    dependencies: dict[str, str] = {}
    section: dict[str, str] | None = None

    def finish() -> None:
        get = fields.get
        entries.append(_entry(key, get("version"), get("name"), get("resolved"), get("integrity"), dependencies))

    for offset, line in enumerate(text[start:end].split("\n")):
        stripped = line.lstrip(" ")
        if not stripped or stripped[0] == "#":
            continue
        indent = len(line) - len(stripped)
        pair = _pair(stripped) if (indent == 2 and stripped[-1] != ":") or indent == 4 else None
        if indent == 0 and line[-1] == ":" and not _CONFLICT.match(line):
            if key:
                finish()
            key, fields, dependencies, section = line[:-1], {}, {}, None
        elif indent == 2 and key and stripped[-1] == ":":
            # Only dependencies are looked at; what else is nested is stepped over.
            section = dependencies if stripped in ("dependencies:", "optionalDependencies:") else {}
        elif indent == 2 and key and pair is not None:
            section = None
            fields[pair[0]] = pair[1]
        elif indent == 4 and section is not None and pair is not None:
            section[pair[0]] = pair[1]
        else:
            number = text.count("\n", 0, start) + offset + 1
            what = "a merge conflict" if _CONFLICT.match(line) else "no yarn lockfile"
            raise ReadError("malformed", f"yarn.lock: {what} at line {number}", line=number)
    if key:
        finish()
    return entries


def _pair(text: str) -> tuple[str, str] | None:
    """``version "1.0.0"`` -> both tokens, each bare or a JSON string; None for what is no such pair."""
    if text[0] == '"':
        end = _closing(text)
        name = _plain(text[: end + 1]) if end > 0 and text[end + 1 : end + 2] == " " else None
        value: str | None = text[end + 2 :].strip(" ")
    else:
        name, _, value = text.partition(" ")
        value = value.strip(" ")
    if value and value[0] == '"':
        value = _plain(value)
    elif not value:
        return None
    return (name, value) if name is not None and value is not None else None


def _closing(text: str) -> int:
    """The index of the quote that ends the string which begins at 0; -1 when none does."""
    at = 1
    while True:
        at = text.find('"', at)
        if at < 0 or text[at - 1] != "\\":
            return at
        # Escaped, if the run of backslashes before it is odd.
        run = at - 1
        while run >= 0 and text[run] == "\\":
            run -= 1
        if (at - 1 - run) % 2 == 0:
            return at
        at += 1


def _plain(token: str) -> str | None:
    """The text of a JSON string; None when it is none."""
    if "\\" not in token:
        return token[1:-1] if len(token) > 1 and token[-1] == '"' and token.count('"') == 2 else None
    try:
        value = json.loads(token)
        value.encode()
    except (ValueError, AttributeError):
        return None
    return str(value)


def _entry(
    key: str, version: str | None, name: str | None, resolved: str | None, integrity: str | None, asked: dict[str, str]
) -> LockEntry:
    patterns = _patterns(key) if '"' in key else key
    first = descriptors(patterns)[0] if "," in patterns else patterns
    local = local_name(first)
    spec = first[len(local) + 1 :]
    name = name or alias_of(spec) or local
    source = source_of_spec(spec)
    if spec.startswith("link:"):
        version = None  # yarn writes 0.0.0 for a linked folder, whatever its manifest says
    if source is Source.REGISTRY and resolved is not None:
        if resolved.startswith(("git+", "git:", "git@", "ssh:")):
            source = Source.GIT
        elif resolved.startswith("file:"):
            source = Source.PATH
    if integrity is None and resolved is not None and source is not Source.GIT:
        # Entries older than yarn 1.10 carry the registry's SHA-1 as the URL's fragment instead.
        found = _SHA1.search(resolved)
        if found is not None:
            integrity = f"sha1-{b64encode(bytes.fromhex(found[1])).decode()}"
    alias = None if local == name else alias_in(patterns, local, name)
    return LockEntry(patterns, name, version, source, resolved, integrity, None, asked, alias, (key,))


def _patterns(key: str) -> str:
    """A key line without its quotes: ``"@a/b@^1", c@2`` -> ``@a/b@^1, c@2``."""
    if key[0] == '"' and key[-1] == '"' and key.count('"') == 2 and "\\" not in key:
        return key[1:-1]
    parts: list[str] = []
    rest = key
    while rest:
        end = _closing(rest) if rest[0] == '"' else -1
        if end > 0:
            parts.append(_plain(rest[: end + 1]) or "")
            rest = rest[end + 1 :].lstrip(" ,")
        else:
            part, _, rest = rest.partition(",")
            parts.append(part.strip(" "))
            rest = rest.lstrip(" ")
    return ", ".join(parts)
