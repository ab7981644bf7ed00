"""A working tree under git: what git tracks, as it stands on disk."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.errors import RingfenceError
from bot.names import RepoName
from bot.sources.base import MAX_FILE, Entry, LinkedError, MissingObjectError, State, TooLargeError, Unseen
from bot.sources.git import Objects, read_objects, settings_of, start

__all__ = ["Checkout", "head_beneath", "read_beneath"]

_BATCH = 256  # files read before those that disk does not have are asked of git
_BATCH_BYTES = 16 * 1024 * 1024
_FIRST = 64 * 1024  # the first read; most sources are smaller
_LARGE = 1 << 20  # bytes of an index; some ten thousand files
# https://git-scm.com/docs/git-ls-files#_output: mode, object, stage, path.
_LISTED = re.compile(r"(\d+) ([0-9a-f]+) (\d)\t([^\0]*)\0")


def read_beneath(root: str, path: str) -> bytes:
    """A file below a root, following no symbolic link on the way. Raises `MissingObjectError`, `TooLargeError`."""
    full = f"{root}/{path}"
    try:
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise LinkedError(f"{path} is a symbolic link") from None
        raise MissingObjectError(f"{path}: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if status.st_size > MAX_FILE:
            raise TooLargeError(path)
        if "/" in path and os.path.realpath(full) != os.path.join(os.path.realpath(root), path):
            raise MissingObjectError(f"{path} lies behind a symbolic link")
        chunks = []
        while chunk := os.read(descriptor, 1 << 20):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError as error:
        raise MissingObjectError(f"{path}: {error.strerror}") from None
    finally:
        os.close(descriptor)


def head_beneath(root: str, path: str, size: int) -> bytes | None:
    """The first bytes of a file below a root; None for one that cannot be opened."""
    try:
        descriptor = os.open(f"{root}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return os.read(descriptor, size)
    except OSError:
        return None
    finally:
        os.close(descriptor)


class Checkout:
    """A git work tree, or a folder in it (``prefix``).

    The bytes of an unchanged file are exactly those that its blob id stands for: they are read from disk, which is
    cheaper than git's objects, and hashed; where the hash is another (line endings, filters), git's object
    counts. Changed files come from disk as they are. With ``disk=True`` everything comes from disk and
    no blob id is given: for edits, whose offsets must hold on disk.
    """

    def __init__(self, top: Path, root: Path, *, disk: bool = False, named: bool = True) -> None:
        self._top = top
        self._root = str(root)
        self._disk = disk
        self._answers: tuple[bytes, set[str]] | None = None
        self._oids: dict[str, str] | None = None
        self._entries: list[Entry] = []
        self._links: set[str] = set()
        self._converted = False  # most files on disk are not what git has
        self._objects = Objects(root)
        self.revision = ""
        self.label = str(root)
        # As many at once as can be: each is a process to wait for.
        self._listing = start(self._root, ["ls-files", "-s", "-z"])
        settings = settings_of(top)
        self._changed = start(
            self._root,
            ["diff-files", "--name-only", "--relative", "-z", "--ignore-submodules=all"],
            quiet=True,
            environment=settings.filters_off,
        )
        self.identity: RepoName | None = settings.identity if named else None
        self.folder: str | None = root.name if named else None

    def is_listing(self) -> bool:
        """Whether git will be a while with a large tree: there is time for something else."""
        try:
            large = os.stat(self._top / ".git" / "index").st_size > _LARGE
        except OSError:  # a work tree of its own has its index elsewhere
            return False
        return large and self._changed.poll() is None

    def _ask(self) -> tuple[bytes, set[str]]:
        """What git lists, and the paths that differ on disk."""
        if self._answers is None:
            out, err = self._listing.communicate()
            names, _ = self._changed.communicate()
            if self._listing.returncode:
                raise RingfenceError(
                    f"git ls-files: {err.decode(errors='replace').strip()}",
                    where=self._root,
                    remedy="Run git status here.",
                )
            self._answers = out, set(filter(None, os.fsdecode(names).split("\0")))
        return self._answers

    def state(self) -> State | None:
        if self._disk:
            return None
        listing, dirty = self._ask()
        whole = hashlib.sha256(listing)
        for path in sorted(dirty):
            whole.update(f"{path}\0".encode(errors="surrogateescape") if not self._is_there(path) else b"")
        return State(whole.digest(), tuple(sorted(dirty)))

    def _is_there(self, path: str) -> bool:
        return os.path.lexists(f"{self._root}/{path}")

    def entries(self) -> list[Entry]:
        if self._oids is not None:
            return self._entries
        out, dirty = self._ask()
        entries: list[Entry] = []
        oids: dict[str, str] = {}
        for mode, oid, stage, path in _LISTED.findall(os.fsdecode(out)):
            if mode == "120000":
                entries.append(Entry(path, oid, "link"))
                self._links.add(path)
            elif mode == "160000":
                entries.append(Entry(path, oid, "submodule"))
            elif stage != "0" or path in dirty or self._disk:
                # A conflicted path has several stages: its file on disk counts, once.
                if path not in oids:
                    oids[path] = ""
                    if self._is_there(path):
                        entries.append(Entry(path, "", executable=mode == "100755"))
            else:
                oids[path] = oid
                entries.append(Entry(path, oid) if mode == "100644" else Entry(path, oid, executable=True))
        self._oids = oids
        self._entries = entries
        return entries

    def read(self, path: str) -> bytes:
        mode, oid = self._listed(path)
        if mode == "120000":  # where the system has no links, git writes their target into a plain file
            raise LinkedError(f"{path} is a symbolic link")
        data = (self._verified(path, oid) or self._objects.read(oid)) if oid else None
        return read_beneath(self._root, path) if data is None else data

    def _listed(self, path: str) -> tuple[str, str]:
        """Mode and blob id of one file, the latter empty for one that differs on disk or that git does not track.

        One is looked for where git names it: a whole listing takes its time.
        """
        if self._oids is not None:
            return ("120000" if path in self._links else "", self._oids.get(path, ""))
        out, dirty = self._ask()
        # A path may hold a tab: what stands before the first one of its line is mode, id and stage.
        name, at = b"\t" + os.fsencode(path) + b"\0", -1
        head = b""
        while (at := out.find(name, at + 1)) >= 0:
            head = out[out.rfind(b"\0", 0, at) + 1 : at]
            if b"\t" not in head:
                break
        else:
            return "", ""
        mode, oid, stage = head.decode().split(" ")
        plain = stage == "0" and path not in dirty and not self._disk
        return mode, oid if plain and mode.startswith("100") else ""

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        self.entries()
        oids = self._oids or {}
        asked = list(paths)
        begin = 0
        while begin < len(asked) and not self._converted:
            found: dict[str, bytes] = {}
            lacking: list[str] = []
            size, end = 0, begin
            while end < len(asked) and end - begin < _BATCH and size < _BATCH_BYTES:
                path = asked[end]
                end += 1
                oid = oids.get(path)
                data = self._verified(path, oid) if oid else None
                if data is None:
                    lacking.append(path)
                else:
                    found[path] = data
                    size += len(data)
            if lacking:
                otherwise = dict(self._from_git(lacking))
                yield from [(path, found[path] if path in found else otherwise.get(path)) for path in asked[begin:end]]
            else:
                yield from found.items()
            begin = end
            self._converted = len(lacking) > 2 * len(found) + 16
        if begin < len(asked):
            yield from self._from_git(asked[begin:])

    def _verified(self, path: str, oid: str) -> bytes | None:
        """A file's bytes on disk, where they are those of its blob."""
        try:
            descriptor = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            data = os.read(descriptor, _FIRST)
            if len(data) == _FIRST:
                chunks = [data]
                size = len(data)
                while size <= MAX_FILE and (chunk := os.read(descriptor, 1 << 20)):
                    chunks.append(chunk)
                    size += len(chunk)
                data = b"".join(chunks)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        # https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        hashed = (_sha1 if len(oid) == 40 else hashlib.sha256)(b"blob %d\0" % len(data))
        hashed.update(data)
        return data if hashed.hexdigest() == oid else None

    def _from_git(self, asked: list[str]) -> Iterator[tuple[str, bytes | None]]:
        oids = self._oids or {}
        objects = read_objects(self._root, [oids[p] for p in asked if oids.get(p)])
        try:
            for path in asked:
                data = next(objects, None) if oids.get(path) else None
                if data is None:
                    # A partial clone lacks the object, the work tree has the file.
                    try:
                        data = read_beneath(self._root, path)
                    except (MissingObjectError, TooLargeError):
                        data = None
                yield path, data
        finally:
            objects.close()  # type: ignore[attr-defined]

    def head(self, path: str, size: int) -> bytes | None:
        return head_beneath(self._root, path, size)

    def committed(self, path: str) -> bytes | None:
        full = (Path(self._root) / path).relative_to(self._top).as_posix()
        return self._objects.read(f"HEAD:{full}") or b""

    def unseen(self) -> Unseen:
        here = {entry.path for entry in self.entries()}
        others, _ = start(self._root, ["ls-files", "--others", "--exclude-standard", "-z"], quiet=True).communicate()
        head, _ = start(self._root, ["ls-tree", "-r", "-z", "--name-only", "HEAD"], quiet=True).communicate()
        return Unseen(
            untracked=others.count(b"\0"),
            absent=sum(1 for path in os.fsdecode(head).split("\0") if path and path not in here),
        )

    def close(self) -> None:
        self._objects.close()
        for process in (self._listing, self._changed):
            if process.poll() is None:
                process.kill()
                process.communicate()


def _sha1(data: bytes) -> hashlib._Hash:
    return hashlib.sha1(data, usedforsecurity=False)  # git's name for it, no proof of anything
