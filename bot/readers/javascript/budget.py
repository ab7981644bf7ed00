"""How much one file may cost the parser.

tree-sitter needs about 50 bytes of memory for a byte of real code, and up to 1,300 where every byte is a token that opens
something; it ends the process where the system has no more. It can be asked how far it is, so it is stopped in time.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from bot.errors import ReadError

if TYPE_CHECKING:
    from tree_sitter import Parser, Tree

__all__ = ["Budget", "parse_within"]

MEMORY: Final = 512 * 1024 * 1024  # bytes that a file's trees may add to the process
SECONDS: Final = 60.0  # of processor time; 20 MB of real code take a few
SMALL: Final = 256 * 1024  # bytes of a file that stays far below both, whatever is in it
_CHUNK: Final = 64 * 1024
_EVERY: Final = 64  # questions of the parser, each after a hundred of its steps


class Budget:
    """What is left for one file, begun when it is made."""

    def __init__(self) -> None:
        self._memory = _resident()
        self._began = time.process_time()
        self._asked = 0

    def is_spent(self, offset: int, has_error: bool) -> bool:
        """The parser's question, as it goes along, whether to stop."""
        self._asked += 1
        if self._asked % _EVERY:
            return False
        return _resident() - self._memory > MEMORY or time.process_time() - self._began > SECONDS


def _resident() -> int:
    """Bytes of memory that this process has; where the system does not say, the most that it ever had."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def parse_within(budget: Budget, parser: Parser, text: bytes) -> Tree:
    """The syntax tree of a text. Raises `ReadError` (``too-deep``) when it costs more than is left."""
    if len(text) <= SMALL:
        return parser.parse(text)
    try:
        tree = parser.parse(lambda offset, _: text[offset : offset + _CHUNK], progress_callback=budget.is_spent)
    except ValueError:
        parser.reset()
        detail = f"its syntax is nested or crowded beyond what the parser may use ({MEMORY >> 20} MB, {SECONDS:.0f} s)"
        raise ReadError("too-deep", detail) from None
    # No node of a tree that was read in pieces may be asked for its text. Parsed again, a sound tree costs nothing.
    sound = not tree.root_node.has_error
    again = parser.parse(text, tree) if sound else None
    del tree
    return again if again is not None else parser.parse(text)
