"""Work on many files by several processes at once, where the system forks cheaply: Python's threads would share one core."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["in_parts"]

T = TypeVar("T")

_helping = False  # in a forked process: it does not fork on

_PROCESSES = 4  # more would wait for the disk and cost memory
_PARTS = 200  # a part's number is one byte


def in_parts(
    work: Callable[[Sequence[T]], bytes],
    items: Sequence[T],
    size: int,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[bytes]:
    """What ``work`` makes of each part of the items (``size`` items, more where there are very many), in no order.

    ``meanwhile`` is what this process does first, while others have begun with the parts.

    ``work`` runs in this process and in forked ones, so that it must answer in bytes and leave nothing behind. What a forked process did
    not finish, whatever befell it, is done here. Where only one core is there, the system is not Linux, or
    threads are running, everything is done here.
    """
    size = max(size, -(-len(items) // _PARTS))
    parts = [items[begin : begin + size] for begin in range(0, len(items), size)]
    helpers = min(len(parts), _cores(), _PROCESSES) - 1
    if helpers < 1:
        if meanwhile is not None:
            meanwhile()
        yield from map(work, parts)
        return
    # Each process takes the next part's number from one pipe: a slow one takes fewer.
    numbers, filled = os.pipe()
    os.write(filled, bytes(range(len(parts))))
    os.close(filled)
    children: list[tuple[int, int]] = []
    left = set(range(len(parts)))
    try:
        for _ in range(helpers):
            answers, written = os.pipe()
            try:
                child = os.fork()
            except OSError:
                os.close(answers)
                os.close(written)
                break
            if child == 0:
                _help(work, parts, numbers, written)
            os.close(written)
            children.append((child, answers))
        if meanwhile is not None:
            meanwhile()
        while number := os.read(numbers, 1):
            left.discard(number[0])
            yield work(parts[number[0]])
        while children:
            child, answers = children.pop()
            try:
                for index, data in _answers(answers):
                    left.discard(index)
                    yield data
            finally:
                _end(child, answers)
        yield from (work(parts[index]) for index in sorted(left))
    finally:
        os.close(numbers)
        for child, answers in children:
            _end(child, answers)


def _cores() -> int:
    if _helping or sys.platform != "linux" or threading.active_count() > 1:
        return 1  # elsewhere a forked process may not use the system's libraries
    return len(os.sched_getaffinity(0))


def _help(work: Callable[[Sequence[T]], bytes], parts: Sequence[Sequence[T]], numbers: int, written: int) -> None:
    """The forked process: it ends here, and nothing of the parent's is flushed or closed."""
    global _helping
    _helping = True
    try:
        # The parent reads when it has nothing else to do: a pipe that fills up before then would stop us.
        done: list[bytes] = []
        while number := os.read(numbers, 1):
            data = work(parts[number[0]])
            done += (number, len(data).to_bytes(8, "big"), data)
        with open(written, "wb") as pipe:
            pipe.writelines(done)
        os._exit(0)
    except BaseException:  # the parent does what is missing, and meets the same error
        os._exit(1)


def _answers(descriptor: int) -> Iterator[tuple[int, bytes]]:
    with open(descriptor, "rb", closefd=False) as pipe:
        while len(head := pipe.read(9)) == 9:
            size = int.from_bytes(head[1:], "big")
            data = pipe.read(size)
            if len(data) < size:
                return
            yield head[0], data


def _end(child: int, answers: int) -> None:
    """Read or not, the process is over: what it has not written by now is not wanted."""
    os.close(answers)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, 9)
    os.waitpid(child, 0)
