"""Which source a path on the command line means."""

from __future__ import annotations

from pathlib import Path

from bot.errors import RingfenceError
from bot.sources.base import Source
from bot.sources.checkout import Checkout
from bot.sources.commit import Commit
from bot.sources.folder import Folder
from bot.sources.git import bare_repository_of, repository_of

__all__ = ["POLICY_FILE", "folder_at", "has_policy", "open_source", "root_of_path"]

POLICY_FILE = "ringfence.toml"


def folder_at(path: Path) -> Path:
    """A folder that is there, resolved. Raises `RingfenceError` for anything else."""
    if not path.exists():
        raise RingfenceError(
            "there is no such folder", where=str(path), remedy="Name a folder that holds a repository."
        )
    if not path.is_dir():
        raise RingfenceError("this is a file", where=str(path), remedy="Name the folder that holds it.")
    return path.resolve()


def open_source(path: Path, *, revision: str | None = None, disk: bool = False, folder: str = "") -> Source:
    """The source behind a path: its git work tree, the folder itself where that holds a ``ringfence.toml``,
    a bare repository, or a plain folder outside git. ``revision`` reads a commit instead, without a checkout;
    ``folder`` is the root in a bare repository's commit."""
    path = folder_at(path)
    top = repository_of(path)
    if top is None:
        bare = bare_repository_of(path)
        if bare is not None and revision:
            return Commit(bare, revision, prefix=f"{folder}/" if folder else "", named=not folder)
        if bare is not None:
            raise RingfenceError(
                "this repository is bare: it has no working tree", where=str(path), remedy="Name a commit with --rev."
            )
        if revision:
            raise RingfenceError("this folder is not under git", where=str(path), remedy="Leave --rev and --base out.")
        return Folder(path)
    root = _root(path, top)
    inner = root != top
    if revision:
        prefix = root.relative_to(top).as_posix() + "/" if inner else ""
        return Commit(top, revision, prefix=prefix, named=not inner)
    return Checkout(top, root, disk=disk, named=not inner)


def _root(path: Path, top: Path) -> Path:
    """An example inside a larger repository is a repository of its own, whose name nobody knows."""
    return path if has_policy(path) else top


def has_policy(folder: Path) -> bool:
    """Whether a folder has a policy file. One that is a symbolic link counts: it is refused in words, not passed over."""
    file = folder / POLICY_FILE
    return file.is_file() or file.is_symlink()


def root_of_path(path: Path) -> Path:
    """The folder that a path on the command line makes the root."""
    path = path.resolve()
    top = repository_of(path)
    return path if top is None else _root(path, top)
