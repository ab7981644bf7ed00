"""What an audit judges: repositories, each with a label, its head, and where its bytes are when they are needed.

An audit asks for a target's head first. Where that is the head of last time nothing else is asked for, so that a
target whose bytes are far away (an organisation's repositories) costs no transfer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from bot.errors import RingfenceError
from bot.facts.summary import RepoInfo
from bot.names import RepoName
from bot.sources.base import Source
from bot.sources.commit import Commit
from bot.sources.head import git_directory, head_of, origin_of

__all__ = ["BrokenTarget", "Inventory", "LocalTarget", "Target", "folder_inventory", "listed_inventory"]


class Target(Protocol):
    """One repository. ``label`` is unique in its audit and the same each time; ``key`` tells it from all others on this machine,
    for the cache. ``folder`` is the checkout folder's own name, on workstations only; ``where`` the repository on this machine, where
    other verbs find it; ``info`` what a forge says of it."""

    label: str
    key: str
    folder: str | None
    where: Path | None
    info: RepoInfo | None

    def head(self) -> str:
        """The commit to judge. Raises `EmptyRepositoryError`, or `RingfenceError` where nobody can say."""
        ...

    def identity(self) -> RepoName | None:
        """The repository's name on its forge."""
        ...

    def open(self, commit: str) -> Source:
        """Its bytes at that commit. Raises `RingfenceError`."""
        ...


class Inventory(NamedTuple):
    """The targets of an audit. ``scope`` says what was asked for, the same each time; ``complete`` are owners (host, owner) all of whose repositories are among them, ``notes`` what the
    reader should know of what is not."""

    targets: tuple[Target, ...]
    complete: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    scope: str = ""


class LocalTarget:
    """A checkout or a bare repository on disk, judged at its HEAD."""

    info: RepoInfo | None = None

    def __init__(self, path: Path, label: str) -> None:
        self.label = label
        self.key = os.path.abspath(path)
        self.where: Path | None = path
        self._path = path
        self._git = git_directory(path)
        self.folder: str | None = path.name if self._git != str(path) else None

    def head(self) -> str:
        return head_of(self._path, self._git)

    def identity(self) -> RepoName | None:
        return origin_of(self._path, self._git)

    def open(self, commit: str) -> Source:
        return Commit(self._path, commit)


class BrokenTarget:
    """One that is known and cannot be had: it is reported as not audited, with this error."""

    folder: str | None = None
    where: Path | None = None

    def __init__(self, label: str, error: RingfenceError, info: RepoInfo | None = None) -> None:
        self.label = self.key = label
        self.info = info
        self._error = error

    def head(self) -> str:
        raise self._error

    def identity(self) -> RepoName | None:
        return RepoName.parse(self.info.name) if self.info is not None else None

    def open(self, commit: str) -> Source:
        raise self._error


def folder_inventory(folder: Path) -> Inventory:
    """The repositories in a folder: its children, and in those that are none (``owner/name``) their children.

    Raises `RingfenceError` where there is none. Symbolic links are not followed.
    """
    if not folder.is_dir():
        raise RingfenceError(
            "there is no such folder",
            where=str(folder),
            remedy="Name a folder that holds checkouts or bare repositories.",
        )
    targets: list[Target] = []
    without: list[str] = []
    for child in _folders(folder):
        if git_directory(child) is not None:
            targets.append(LocalTarget(child, child.name))
            continue
        try:
            inner = [grandchild for grandchild in _folders(child) if git_directory(grandchild) is not None]
        except RingfenceError as error:
            targets.append(BrokenTarget(child.name, error))
            continue
        targets += [LocalTarget(grandchild, f"{child.name}/{grandchild.name}") for grandchild in inner]
        if not inner:
            without.append(child.name)
    if not targets:
        one = git_directory(folder) is not None
        raise RingfenceError(
            "this is one repository, and holds no others" if one else "there is no repository in this folder",
            where=str(folder),
            remedy=f"ringfence check {folder} judges it."
            if one
            else "An audit looks at the folder's children and, one level deeper, at owner/name.",
        )
    shown = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
    notes = (f"not under git, left alone: {shown}",) if without else ()
    return Inventory(
        tuple(sorted(targets, key=lambda target: target.label)), notes=notes, scope=f"folder {os.path.abspath(folder)}"
    )


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as children:
            found = [child.name for child in children if child.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise RingfenceError(f"cannot list this folder: {error.strerror}", where=str(folder)) from None
    return [folder / name for name in sorted(found) if not name.startswith(".")]


def listed_inventory(
    file: Path, forge: Callable[[Sequence[RepoName]], Mapping[RepoName, Target]] | None = None
) -> Inventory:
    """The repositories that a file lists, one a line: a path, relative to where the program runs, or ``owner/name`` where there
    is no such path, which ``forge`` looks up; ``#`` begins a comment.

    A path where there is no repository is a target too, which is then not audited. Raises `RingfenceError` for a file
    that cannot be read or lists nothing.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RingfenceError(f"cannot read the list of repositories: {why}", where=str(file)) from None
    lines = [(number, line.partition(" #")[0].strip()) for number, line in enumerate(text.splitlines(), 1)]
    wanted = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not wanted:
        raise RingfenceError("it lists no repository", where=str(file), remedy="Write one path or owner/name a line.")
    names = {item: name for item in wanted if forge is not None and (name := _on_a_forge(item[1])) is not None}
    targets = {target.label: target for target in _listed(file, [item for item in wanted if item not in names])}
    try:
        far = forge(list(dict.fromkeys(names.values()))) if forge is not None and names else {}
        for label in {target.label for target in far.values()} & targets.keys():
            # A path that reads like the name of another: both are judged. No path's own label begins so.
            near = targets.pop(label)
            near.label = f"./{label}"
            targets[near.label] = near
        targets |= {target.label: target for target in far.values()}
    except RingfenceError as error:  # a path that is not there may well look like a name
        for number, line in names:
            what = RingfenceError(
                f"there is no such folder: {line}, and {error.what}", where=f"{file}:{number}", remedy=error.remedy
            )
            targets[line] = BrokenTarget(line, what)
    return Inventory(tuple(targets[label] for label in sorted(targets)), scope=f"list {os.path.abspath(file)}")


def _on_a_forge(line: str) -> RepoName | None:
    """The repository that a line names where it is no path: ``owner/name``, ``host/owner/name`` or a URL."""
    if line.startswith((".", "/", "~")) or Path(line).exists():
        return None
    return RepoName.parse(line)


def _listed(file: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Target]:
    for number, line in lines:
        path = Path(line).expanduser()
        label = os.path.normpath(line)
        if git_directory(path) is not None:
            yield LocalTarget(path if path.name not in ("", "..") else path.resolve(), label)
        else:
            what = "there is no git repository" if path.is_dir() else "there is no such folder"
            error = RingfenceError(
                f"{what}: {line}", where=f"{file}:{number}", remedy="Correct the line or take it out."
            )
            yield BrokenTarget(label, error)
