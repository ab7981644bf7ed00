"""Git, as a reader of objects: never a hook, a filter, a lazy fetch or a lock."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO, NamedTuple

from bot.errors import RingfenceError
from bot.names import RepoName
from bot.sources.base import MAX_FILE

__all__ = [
    "Objects",
    "Settings",
    "bare_repository_of",
    "configured",
    "git",
    "ignoring",
    "read_objects",
    "repository_of",
    "resolve_revision",
    "settings_of",
    "start",
]

# The repository under check may carry a hostile configuration: nothing of it may run a program.
_SAFE = (
    "--no-pager",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=" + os.devnull,
    "-c", "core.quotePath=false",
    "-c", "protocol.allow=never",
    "-c", "diff.external=",
)  # fmt: skip


# A colon before the first slash makes a URL or `host:path`; one letter before it a drive (git-clone(1), "Git URLs").
_FAR = re.compile(r"[^/\\:]{2,}:")


# What git has no business with: a header that it needs is given to the one process that sends it.
_SECRET = re.compile(r"RINGFENCE_APP_|.*(?:TOKEN|SECRET|PASSWORD|_KEY(?:_|$))", re.IGNORECASE)


def _environment() -> dict[str, str]:
    kept = {
        k: v
        for k, v in os.environ.items()
        if k == "GIT_CEILING_DIRECTORIES" or not (k.startswith("GIT_") or _SECRET.match(k))
    }
    return kept | {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


class Settings(NamedTuple):
    """What a repository's configuration says. ``identity`` is the forge's name of it, from ``origin``. ``filters_off`` is the
    environment that takes the programs away which it names as filters, to be given to every git that compares files
    on disk: it would run them to know what a file is like in git."""

    identity: RepoName | None
    filters_off: Mapping[str, str]


def settings_of(where: str | os.PathLike[str]) -> Settings:
    """Read what concerns us of a repository's configuration, in one process."""
    process = start(
        where, ["config", "-z", "--get-regexp", r"^(filter\..*|remote\.origin\.url|url\..*\.insteadof)$"], quiet=True
    )
    out, _ = process.communicate()
    url = ""
    filters: dict[str, None] = {}
    instead: dict[str, str] = {}
    for entry in out.split(b"\0"):
        name, _, said = entry.partition(b"\n")
        if name == b"remote.origin.url":
            url = said.decode(errors="replace").strip()
        elif name.endswith(b".insteadof"):
            instead[said.decode(errors="replace")] = name[len("url.") : -len(".insteadof")].decode(errors="replace")
        elif name:
            filters[os.fsdecode(name).rpartition(".")[0]] = None
    settings = [
        (f"{driver}.{key}", value)
        for driver in filters
        for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))
    ]
    # As git-config(1) has it: the longest beginning that fits is replaced.
    short = max((text for text in instead if text and url.startswith(text)), key=len, default="")
    if short:
        url = instead[short] + url[len(short) :]
    return Settings(RepoName.parse(url) if _FAR.match(url) else None, configured(settings))


def configured(settings: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """The environment that gives git these settings: unlike ``-c name=value`` a name may hold an equals sign, and no
    other process sees a value."""
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for index, (key, value) in enumerate(settings):
        environment |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return environment


def start(
    where: str | os.PathLike[str],
    arguments: Sequence[str],
    *,
    stdin: bool = False,
    quiet: bool = False,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start git in a directory; ``quiet`` for a process whose words nobody will read."""
    try:
        return subprocess.Popen(
            ["git", *_SAFE, *arguments],
            cwd=where,
            env={**_environment(), **(environment or {})},
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else subprocess.PIPE,
        )
    except FileNotFoundError:
        raise RingfenceError("git is not installed", remedy="Install git 2.36 or newer and run again.") from None


def git(where: str | os.PathLike[str], *arguments: str, environment: Mapping[str, str] | None = None) -> bytes:
    """Run git and give what it prints. Raises `RingfenceError` with git's own words."""
    process = start(where, arguments, environment=environment)
    out, err = process.communicate()
    if process.returncode:
        words = err.decode(errors="replace").strip().splitlines()
        message = words[-1].removeprefix("fatal: ") if words else f"git ended with {process.returncode}"
        raise RingfenceError(f"git {arguments[0]}: {message}", where=str(where))
    return out


def repository_of(path: Path) -> Path | None:
    """The top of the git work tree that holds a directory; None outside git (or where git is missing)."""
    process = start(path, ["rev-parse", "--show-toplevel"])
    out, err = process.communicate()
    if process.returncode:
        words = err.decode(errors="replace")
        if "dubious ownership" in words:
            raise RingfenceError(
                "git refuses this repository: it belongs to another user",
                where=str(path),
                remedy=f"Run: git config --global --add safe.directory {path}",
            )
        return None
    return Path(os.fsdecode(out.rstrip(b"\n")))


def bare_repository_of(path: Path) -> Path | None:
    """The bare repository that a directory is, or lies in; None where it is none."""
    process = start(path, ["rev-parse", "--is-bare-repository", "--absolute-git-dir"])
    out, _ = process.communicate()
    if process.returncode or not out.startswith(b"true\n"):
        return None
    return Path(os.fsdecode(out.removeprefix(b"true\n").rstrip(b"\n")))


def resolve_revision(where: Path, revision: str) -> str:
    """The commit id that a revision names. Raises `RingfenceError` with the way out."""
    try:
        return (
            git(where, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            .decode()
            .strip()
        )
    except RingfenceError:
        raise RingfenceError(
            f"no commit is called {revision!r} here",
            where=str(where),
            remedy="Fetch it first (a shallow clone may lack it: git fetch --unshallow), or name another.",
        ) from None


def ignoring(where: Path, name: str) -> str:
    """The line (``.gitignore:3``) that hides a file of a directory from git; empty where none does, or without git."""
    process = start(where, ["check-ignore", "--verbose", "--", name], quiet=True)
    out, _ = process.communicate()
    # source:line:pattern<tab>path
    return ":".join(os.fsdecode(out).split(":")[:2]) if process.returncode == 0 else ""


def read_objects(where: str | os.PathLike[str], names: Iterable[str]) -> Iterator[bytes | None]:
    """Each named object's bytes, in order, through one ``git cat-file --batch``; None for a missing or too large one."""
    asked = list(names)
    process = start(where, ["cat-file", "--batch", "--buffer"], stdin=True)
    assert process.stdin is not None  # noqa: S101  (both pipes were asked for)
    assert process.stdout is not None  # noqa: S101
    # --buffer writes its last block only when its input ends: one process serves one list.
    writer = Thread(target=_write, args=(process.stdin, asked), daemon=True)
    writer.start()
    readline = process.stdout.readline
    try:
        for _ in asked:
            header = readline()
            if not header:
                raise RingfenceError("git cat-file ended early", remedy="Run git fsck in this repository.")
            if header.endswith((b" missing\n", b" ambiguous\n")):
                yield None
                continue
            yield _take(process.stdout, int(header.rsplit(b" ", 1)[1]))
    finally:
        process.kill()
        process.stdout.close()
        if process.stderr is not None:
            process.stderr.close()
        process.wait()
        writer.join()


class Objects:
    """Single objects, one after the other, from one ``git cat-file`` that is started when first asked."""

    def __init__(self, where: str | os.PathLike[str]) -> None:
        self._where = where
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, name: str) -> bytes | None:
        """The bytes of a blob by its id or as ``HEAD:path``; None for one that is missing, too large or no blob."""
        if "\n" in name:
            process = start(self._where, ["cat-file", "blob", name])
            out, _ = process.communicate()
            return out if process.returncode == 0 else None
        if self._process is None:
            self._process = start(self._where, ["cat-file", "--batch"], stdin=True, quiet=True)
        assert self._process.stdin is not None  # noqa: S101  (both pipes were asked for)
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(os.fsencode(name) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        header = self._process.stdout.readline()
        if not header.endswith(b"\n") or header.endswith((b" missing\n", b" ambiguous\n")):
            return None
        _, kind, size = header.rsplit(b" ", 2)
        data = _take(self._process.stdout, int(size))
        return data if kind == b"blob" else None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _take(pipe: IO[bytes], size: int) -> bytes | None:
    """One object and the newline after it; None, and nothing kept, for one that is too large."""
    if size <= MAX_FILE:
        data = pipe.read(size)
        pipe.read(1)
        return data
    left = size + 1
    while left:
        left -= len(pipe.read(min(left, 1 << 20)))
    return None


def _write(pipe: IO[bytes], names: list[str]) -> None:
    try:
        for begin in range(0, len(names), 2000):
            pipe.write(("\n".join(names[begin : begin + 2000]) + "\n").encode())
        pipe.close()
    except (BrokenPipeError, ValueError):
        return
