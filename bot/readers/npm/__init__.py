"""npm's ecosystem: which reader is for which lockfile. Readers are imported when a file asks for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from bot.facts.lock import Lock

__all__ = ["LOCK_NAMES", "LOCK_READERS", "lock_reader"]

LOCK_READERS: Mapping[str, str] = {
    "package-lock.json": "bot.readers.npm.npm_lock:read_npm_lock",
    "npm-shrinkwrap.json": "bot.readers.npm.npm_lock:read_npm_lock",
    "yarn.lock": "bot.readers.npm.yarn_v1:read_yarn_lock",
    "pnpm-lock.yaml": "bot.readers.npm.pnpm_lock:read_pnpm_lock",
    "bun.lock": "bot.readers.npm.bun_lock:read_bun_lock",
    "bun.lockb": "bot.readers.npm.bun_lock:read_bun_binary_lock",
}
LOCK_NAMES = frozenset(LOCK_READERS)


def lock_reader(basename: str) -> Callable[[str, bytes], Lock] | None:
    """The reader for a lockfile of this name: ``(path, bytes) -> Lock``, raising `ReadError`; None for other files."""
    target = LOCK_READERS.get(basename)
    if target is None:
        return None
    module, _, function = target.partition(":")
    return cast("Callable[[str, bytes], Lock]", getattr(import_module(module), function))
