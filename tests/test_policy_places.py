"""Positions in TOML files: every value that tomllib reads is found where its text stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.toml_places import Pointer, spots

DOCUMENTS = [
    'a = "1"\nb.c = "2"\n"d e".f."g.h" = "3"\n',
    "[a]\nx = '1'\n[a.b]\ny = '2'\n[c.d.e]\nz = '3'\n",
    "[[a]]\nx = '1'\n[[a]]\nx = '2'\n[a.sub]\ny = '3'\n[[a.list]]\nz = '4'\n[[a.list]]\nz = '5'\n[[a]]\n[[a.list]]\nz = '6'\n",
    "a = ['1', # one\n  '2',\n  ['3', { b = '4', c = ['5'] }],\n]\n",
    'a = """\n1"""\nb = \'\'\'\n2\n\'\'\'\nc = "\\u0031"\n# d = "no"\n',
    '[x . "y" . \'z\']\né = "1"\n'.replace("é", '"é"'),
    "a = '1'\r\n[b]\r\nc = '2'\r\n",
    "a = '1' # '2'\nb=\t'3'#x\n[c] # d\ne = '4' # f = '5'\n\"#\" = '#' # '#'\n",
    "[[a]] # x\nb = [ # x\n  '1', # '2'\n] # x\nc = { d = '3' } # e\n",
    "",
]


def leaves(value: Any, pointer: Pointer = ()) -> Iterator[tuple[Pointer, Any]]:
    if pointer:
        yield pointer, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*pointer, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*pointer, index))


def check(text: str) -> None:
    data = text.encode()
    found = spots(data)
    rows = data.split(b"\n")
    wanted = dict(leaves(tomllib.loads(text)))
    assert set(found) == set(wanted)
    for pointer, value in wanted.items():
        row, offset = found[pointer].value
        if isinstance(value, str):
            rest = b"\n".join([rows[row][offset:], *rows[row + 1 :]]).decode()
            assert any(_starts(rest, value, end) for end in range(1, len(rest) + 1)), (pointer, rest[:20])


def _starts(rest: str, value: str, end: int) -> bool:
    try:
        return bool(tomllib.loads("v = " + rest[:end]) == {"v": value})
    except tomllib.TOMLDecodeError:
        return False


@pytest.mark.parametrize("text", DOCUMENTS)
def test_every_value_is_found_where_it_stands(text: str) -> None:
    check(text)


_keys = st.text(st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters="\x7f"), min_size=1, max_size=4)
_leaf = st.sampled_from(["", "1", "é", 'a"b', "x\ny", "\\"]) | st.integers(0, 9) | st.booleans()
_tables = st.recursive(
    st.dictionaries(_keys, _leaf, max_size=3),
    lambda inner: st.dictionaries(
        _keys, _leaf | inner | st.lists(inner, min_size=1, max_size=2) | st.lists(_leaf, max_size=3), max_size=3
    ),
    max_leaves=6,
)


@given(_tables)
@settings(max_examples=100, deadline=None)
def test_what_tomlkit_writes_is_found(table: dict[str, Any]) -> None:
    check(tomlkit.dumps(table))
