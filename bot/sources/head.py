"""What a repository's HEAD and ``origin`` are, read from git's own files.

An audit asks this of every repository each time, and starting git costs more than judging one that did not change.
The formats are those of gitrepository-layout(5) and git-config(5); whatever looks otherwise is left to git itself.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from bot.errors import RingfenceError
from bot.names import RepoName
from bot.sources.git import git, resolve_revision, settings_of

__all__ = ["EmptyRepositoryError", "git_directory", "head_of", "origin_of"]

_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MAX = 16 * 1024 * 1024


class EmptyRepositoryError(Exception):
    """A repository without any commit."""


def git_directory(path: str | Path) -> str | None:
    """The git directory of a checkout's top folder or of a bare repository; None where a folder is neither."""
    inner = f"{path}/.git"
    if os.path.isdir(inner):
        return inner
    if os.path.isfile(inner):  # a linked work tree, or a submodule
        said = _read(inner)
        target = os.fsdecode(said[8:].strip()) if said is not None and said.startswith(b"gitdir: ") else ""
        found = os.path.join(path, target)
        return found if target and os.path.isdir(found) else None
    if os.path.isfile(f"{path}/HEAD") and os.path.isdir(f"{path}/objects") and os.path.isdir(f"{path}/refs"):
        return str(path)
    return None


def head_of(path: Path, directory: str | None) -> str:
    """The commit that HEAD is, 40 or 64 hex digits. ``directory`` is `git_directory`'s answer.

    Raises `EmptyRepositoryError` for a repository without commits, `RingfenceError` for what git cannot resolve either.
    """
    found = _resolve(directory) if directory is not None else None
    if found is not None:
        return found
    if directory is not None and not os.path.isfile(f"{directory}/HEAD"):
        # Git would wait for a pipe for ever.
        raise RingfenceError("this repository has no HEAD", where=str(path), remedy="Run git status there.")
    try:
        return resolve_revision(path, "HEAD")
    except RingfenceError:
        if not git(path, "for-each-ref", "--count=1"):
            raise EmptyRepositoryError from None
        raise RingfenceError(
            "HEAD names a branch that is not there", where=str(path), remedy="Check out a branch that is there."
        ) from None


def origin_of(path: Path, directory: str | None) -> RepoName | None:
    """The forge's name, from ``origin``."""
    config = _read(f"{_common(directory)}/config") if directory is not None else None
    if config is None or re.search(rb"(?im)^\s*\[\s*(?:include|url)|^\s*worktreeConfig", config):
        return settings_of(path).identity
    url = _origin(config)
    if "://" in url or "@" in url:
        return RepoName.parse(url)
    return settings_of(path).identity if ":" in url else None  # a short form, which git may know


def _resolve(directory: str) -> str | None:
    head = _read(f"{directory}/HEAD")
    if head is None:
        return None
    head = head.strip()
    if _COMMIT.fullmatch(head):
        return head.decode()
    if not head.startswith(b"ref: refs/"):
        return None
    name = head[5:].strip()
    if b".." in name or b"\0" in name:
        return None
    common = _common(directory)
    loose = _read(f"{common}/{os.fsdecode(name)}")
    if loose is not None:
        loose = loose.strip()
        return loose.decode() if _COMMIT.fullmatch(loose) else None
    packed = _read(f"{common}/packed-refs") or b""
    found = re.search(rb"(?m)^([0-9a-f]+) " + re.escape(name) + rb"$", packed)
    return found[1].decode() if found and _COMMIT.fullmatch(found[1]) else None


def _common(directory: str) -> str:
    """Where refs and configuration are: linked work trees share their repository's."""
    said = _read(f"{directory}/commondir")
    return os.path.join(directory, os.fsdecode(said.strip())) if said else directory


_SECTION = re.compile(r"""\s*\[\s*([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]""")


def _origin(config: bytes) -> str:
    """The last ``url`` of ``[remote "origin"]``, as git takes the last of several."""
    inside, url = False, ""
    for line in config.decode(errors="replace").splitlines():
        section = _SECTION.match(line)
        if section:
            inside = section[1].lower() == "remote" and section[2] == "origin"
            line = line[section.end() :]
        key, equals, value = line.partition("=")
        if inside and equals and key.strip().lower() == "url":
            url = _value(value)
    return url


def _value(text: str) -> str:
    """A value without its quotes and its comment."""
    out: list[str] = []
    quoted = False
    characters = iter(text.strip())
    for char in characters:
        if char == "\\":
            out.append(next(characters, ""))
        elif char == '"':
            quoted = not quoted
        elif char in "#;" and not quoted:
            break
        else:
            out.append(char)
    return "".join(out).strip()


def _read(file: str) -> bytes | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX:
            return None
        return os.read(descriptor, _MAX)
    except OSError:
        return None
    finally:
        os.close(descriptor)
