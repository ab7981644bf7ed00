"""What may leave the house: every value in a message is `Public` or `Private`.

A `Private` has no usable ``str``: formatting it raises, so that a private name reaches a
public place only through code that says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

import msgspec

__all__ = ["Private", "Public", "Text", "fill", "printable", "redact"]


class Public(msgspec.Struct, frozen=True, tag=True):
    """Text that anyone may read."""

    value: str

    def __str__(self) -> str:
        return self.value


class Private(msgspec.Struct, frozen=True, tag=True):
    """Text that only the organisation may read: a name from its private overlay."""

    value: str

    def __str__(self) -> NoReturn:
        raise TypeError("a private value has no public text")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a private value has no public text")

    def __repr__(self) -> str:
        return "Private(…)"


Text = Public | Private


def fill(template: str, values: Mapping[str, Text], *, public: bool) -> str:
    """A template with its ``{name}`` parameters put in; private ones become ``[private]`` when public."""
    shown = {
        name: "[private]" if public and isinstance(value, Private) else value.value for name, value in values.items()
    }
    return template.format_map(shown)


def redact(value: object, names: Sequence[str]) -> object:
    """Plain data (dicts, lists, strings) with every private name in it replaced by ``[private]``, whatever its case.

    The last screen before text goes where anyone may read it: a rule that called a value public may have been wrong.
    """
    if not names:
        return value
    pattern = re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)), re.IGNORECASE)

    def screen(part: object) -> object:
        if isinstance(part, str):
            return pattern.sub("[private]", part)
        if isinstance(part, dict):
            return {screen(key): screen(item) for key, item in part.items()}
        if isinstance(part, list | tuple):
            return [screen(item) for item in part]
        return part

    return screen(value)


def printable(text: str, *, newline: bool = False) -> str:
    """Text that cannot steer a terminal or a log: control, bidirectional and surrogate characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or (newline and char == "\n") else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
