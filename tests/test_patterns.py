"""Policy's patterns: matched as plainly as they can be read, in time that no text runs up, and held against each other."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable

import pytest

from bot.patterns import common_text, compile_pattern, placeholders
from bot.policy_checks import CHECKS, quoted

ATOMS = ("a", "a", "b", "/", "/", "*", "*", "**", "**/", "?", "{x}", "{y}", "{z}")


def plain(text: str) -> re.Pattern[str]:
    """The pattern as an expression that tries everything."""
    out: list[str] = []
    seen: set[str] = set()
    index = 0
    while index < len(text):
        if text.startswith("**/", index) and text[index - 1 : index] in ("", "/"):
            out.append("(?:.*/)?")
            index += 3
        elif text.startswith("**", index):
            out.append(".*")
            index += 2
        elif text[index] in "*?":
            out.append("[^/]*" if text[index] == "*" else "[^/]")
            index += 1
        elif found := re.match(r"\{([a-z])\}", text[index:]):
            out.append(f"(?P={found[1]})" if found[1] in seen else f"(?P<{found[1]}>[^/]+?)")
            seen.add(found[1])
            index += 3
        else:
            out.append(re.escape(text[index]))
            index += 1
    return re.compile("".join(out), re.DOTALL)


def test_they_match_what_the_plain_reading_matches() -> None:
    rng = random.Random(20261201)
    matched = 0
    for _ in range(6000):
        pattern = "".join(rng.choice(ATOMS) for _ in range(rng.randint(1, 9)))
        ours, theirs = compile_pattern(pattern), plain(pattern)
        for _ in range(20):
            text = "".join(rng.choice("aab/") for _ in range(rng.randint(0, 12)))
            captured, found = ours.match(text), theirs.fullmatch(text)
            assert (captured is None) == (found is None), (pattern, text)
            if captured is None or found is None:
                continue
            matched += 1
            if "*" not in pattern:
                assert captured == found.groupdict(), (pattern, text)
            # What is captured is what stands there.
            assert all(captured.values())
            assert plain(ours.fill(captured)).fullmatch(text), (pattern, text, captured)
    assert matched > 10_000


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a*a*a*a*a*a*b", "a" * 1_000_000 + "!"),
        ("**a*aaaa*b", "a" * 1_000_000 + "!"),
        ("**a*b*c/**d*e", "ac/d" * 200_000 + "!"),
        ("{x}a{y}a{z}a*a*b", "a" * 1_000_000 + "!"),
        ("**/a*b/**/c*d", "a/" * 300_000 + "!"),
        ("**" + "a" * 100 + "*b*c", "a" * 300_000 + "!"),
        ("{x}{x}b", "a" * 4096),
        ("{x}{x}b", "a" * 1_000_000),
    ],
)
def test_no_text_runs_up_the_time(pattern: str, text: str) -> None:
    began = time.process_time()
    assert compile_pattern(pattern).match(text) is None
    assert time.process_time() - began < 2


def test_a_repeated_placeholder_stands_alone() -> None:
    def says(pattern: str) -> bool:
        flaw = CHECKS["pattern"](pattern, quoted)
        return flaw is not None and "repeats a placeholder beside another wildcard" in flaw[0]

    assert [p for p in ("{x}/{x}", "{x}-{y}/*", "apps/{x}/{x}-sdk", "{x}") if says(p)] == []
    assert all(says(p) for p in ("{x}/{x}-*", "**/{x}/{x}", "{x}{y}{x}"))


def _pattern(rng: random.Random) -> str:
    return "".join(rng.choice(("a", "b", "/", "*", "**", "**/", "?", "{x}")) for _ in range(rng.randint(1, 5)))


def test_what_they_have_in_common_is_what_matches() -> None:
    rng = random.Random(20261201)
    texts = ["".join(letters) for size in range(6) for letters in itertools.product("ab/", repeat=size)]
    found = 0
    for _ in range(2500):
        pattern, among, outside = _pattern(rng), [_pattern(rng) for _ in range(2)], [_pattern(rng) for _ in range(2)]
        if any(len(placeholders(p)) > 1 for p in (pattern, *among, *outside)):
            continue

        def fits(text: str, one: Callable[[str, str], bool] = lambda p, t: plain(p).fullmatch(t) is not None) -> bool:
            wanted = one(pattern, text) and any(one(p, text) for p in among)  # noqa: B023 (called in this round)
            return wanted and not any(one(p, text) for p in outside)  # noqa: B023

        common = common_text(pattern, among, outside)
        if common is None:
            assert not any(map(fits, texts)), (pattern, among, outside)
        else:
            found += 1
            assert fits(common), (pattern, among, outside, common)
    assert found > 500


def test_what_takes_too_long_is_in_common() -> None:
    pattern = "*a*a*a*a*a*a*b"
    assert common_text(pattern, ["*?????????????????b*"], ["*a??????????????*"]) == pattern
