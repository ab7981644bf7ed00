"""npm's versions and ranges, held to npm's own `semver` and `npm-package-arg`.

RINGFENCE_FUZZ_SEED and RINGFENCE_FUZZ_CASES make it another run, or a longer one.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.readers.npm import semver

ORACLE = Path(__file__).parent / "oracle"
SEED = int(os.environ.get("RINGFENCE_FUZZ_SEED", "20240607"))
CASES = int(os.environ.get("RINGFENCE_FUZZ_CASES", "12000"))

SCRIPT = """
const semver = require('semver')
const npa = require('npm-package-arg')
const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const exact = spec => {
  try {
    const found = npa.resolve('x', spec)
    return found.type === 'version' ? semver.valid(found.fetchSpec, true) : null
  } catch { return null }
}
const compare = (a, b) => { try { return semver.compare(a, b) } catch { return null } }
process.stdout.write(JSON.stringify({
  valid: asked.versions.map(v => semver.valid(v)),
  prerelease: asked.versions.map(v => semver.prerelease(v) !== null),
  range: asked.ranges.map(r => semver.validRange(r) !== null),
  exact: asked.specs.map(exact),
  satisfies: asked.pairs.map(([v, r]) => [
    semver.satisfies(v, r), semver.satisfies(v, r, { includePrerelease: true }),
  ]),
  intersects: asked.both.map(([a, b]) => { try { return semver.intersects(a, b) } catch { return false } }),
  compare: asked.compares.map(([a, b]) => compare(a, b)),
  max: asked.lists.map(([vs, r]) => [
    semver.maxSatisfying(vs, r), semver.maxSatisfying(vs, r, { includePrerelease: true }),
  ]),
}))
"""

# Written by hand: each has been a trap to somebody.
VERSIONS = [
    *("1.2.3", "0.0.0", "0.0.1", "0.1.0", "v1.2.3", "=1.2.3", " 1.2.3 ", "\ufeff1.2.3\u2003", "1.2.3\n", "\x1c1.2.3"),
    *("1.2", "1", "", " ", "latest", "01.2.3", "1.02.3", "1.2.3.4", "1.2.3-", "1.2.3+", "1.2.3-a..b", "1.2.3-01"),
    *("1.2.3-0", "1.2.3-a", "1.2.3-a.1", "1.2.3-a.b", "1.2.3-1.a", "1.2.3-a+b", "1.2.3+b", "1.2.3+b.01", "1.2.3--"),
    *("9007199254740991.0.0", "9007199254740992.0.0", "1.2.9007199254740992", "1.2.3-9007199254740991"),
    *(
        "1.2.3-9007199254740990",
        "1.2.3-9007199254740992",
        "1.2.3-0099999999999999999999",
        "1.2.3-90071992547409930.a",
        "1.2.3-90071992547409931.b",
    ),
    *("٣.2.3", "1.2.3-é", "1.2.3-0x", "1.2.3-0-1", "1.2.3alpha", "1.2.3alpha.1", "v 1.2.3", "vv1.2.3", "V1.2.3"),
    *("1.2.3-" + "a" * 250, "1.2.3-" + "a" * 251, "1.2.3+" + "b" * 250, " " * 251 + "1.2.3", " " * 252 + "1.2.3"),
    *("1." * 4000, "9" * 5000 + ".0.0", "1.2.3-" + "1" * 200, "1.2.3-rc.1", "2.0.0-rc.1", "2.0.0", "1.9.9", "0.0.1-a"),
]
RANGES = [
    *("", "*", "x", "X", "latest", "1", "1.2", "1.2.3", "1.x", "1.x.5", "1.2.x", "1.*.*", "x.1", "x.x.1", "1.x.x-a"),
    *(
        "^1.2.3",
        "^0.2.3",
        "^0.0.3",
        "^1",
        "^0",
        "^0.0",
        "^0.x",
        "^x",
        "^x.5",
        "^1.x.5",
        "^1.2.x-a",
        "^0.0.18",
        "^ 1.2.3",
    ),
    *("~1.2.3", "~1", "~1.2", "~x", "~>1.2", "~> 1.2.3", "~ 1.2", "^1.2.3-rc.1", "~1.2.3-rc.1", "^0.0.1-a", "^0.1.0-a"),
    *(
        "1.2.3 - 2",
        "1.2 - 2.3",
        "1.2.3 - 2.3.4",
        "1 - x",
        "x - 1",
        "1.2.3-a - 2.0.0-b",
        "=1.2.3 - 2",
        "1.2.3 -2",
        "- 2",
    ),
    *(
        ">1",
        ">=1",
        "<1",
        "<=1",
        ">1.2",
        "<=1.2",
        ">x",
        "<x",
        ">=x",
        "<=x",
        "=1",
        "= 1.2.3",
        "==1.2.3",
        ">==1.2.3",
        "=v1",
    ),
    *("> 1.2.3", ">= 1.2.3 < 2", "> = 1.2.3", ">=1.2.3<2", ">=1.2.3,<2", "1.2.3 || 2", "1.2.3||2", "||", "|| 1", "| 1"),
    *(
        "* || 1.2.3-rc.1",
        "1.2.3-rc.1 || *",
        "<0.0.0-0 || 1",
        ">x || <x",
        "^1 ^2",
        "^1.0.0 >=2.0.0-rc.0",
        ">=2.0.0-rc <2",
    ),
    *(
        ">=0.0.0",
        ">=0.0.0-0",
        ">=0.0.0 <0.0.0-b",
        "^0.0.0",
        "1.2.3*",
        "1.2.*3",
        ">*1.2.3",
        "a*",
        "<*",
        ">=*",
        "=*",
        "**",
    ),
    *("1.2.3+b", "+b", "+b 1", "^ +b 1", "1 +b 2", "1.2.3++b", ">=1.2.3+b <2+c", "^1.2.3+b", "1.2.3 +b - 2.0.0", "+"),
    *(
        "^v1.2.3",
        "^=1.2.3",
        "^vv1.2.3",
        ">=v1.2.3",
        "v 1.2.3",
        "=v1.2.3",
        "~v=1",
        "1.2.3-v 2.0.0",
        "<v1",
        "v",
        "=",
        ">",
    ),
    *("^9007199254740991.0.0", "9007199254740991", "<9007199254740992", "^x.9007199254740992", "1.2.9007199254740992"),
    *("9" * 300, "x." + "9" * 300, "^x." + "9" * 300, "^1.x." + "9" * 300, "^1.x." + "9" * 256, "1.2.3-" + "a" * 300),
    *(
        "\ufeff^1\u2003||\u20032",
        "1\n2",
        "1\x1c2",
        "^\t1.2.3",
        "٣",
        "workspace:*",
        "npm:x@1",
        "file:..",
        "git+ssh://x",
        "1e3",
    ),
    *("1.2.3 " * 2000, "||" * 2000, "v" * 20000, "=" * 20000 + "1", " " * 20000, "1." * 9000, "-" * 9000, "<" * 9000),
]


def number(rng: random.Random) -> str:
    odd = rng.random() < 0.05
    return rng.choice(["01", "9007199254740991", "9007199254740992"] if odd else ["0", "0", "1", "1", "2", "3", "10"])


def prerelease(rng: random.Random) -> str:
    parts = ["a", "b", "rc", "0", "1", "2", "10", "01", "a1", "1a", "-", "x", "alpha", "99999999999999999999"]
    return ".".join(rng.choice(parts[: rng.randint(6, 14)]) for _ in range(rng.randint(1, 3)))


def version(rng: random.Random) -> str:
    text = ".".join(number(rng) for _ in range(3))
    if rng.random() < 0.45:
        text += "-" + prerelease(rng)
    if rng.random() < 0.08:
        text += "+" + prerelease(rng)
    if rng.random() < 0.08:
        text = rng.choice(["v", "=", " ", "=v", "v=", "V"]) + text
    return text


def partial(rng: random.Random) -> str:
    parts = [number(rng) if rng.random() < 0.8 else rng.choice("xX*") for _ in range(rng.choice([1, 2, 3, 3, 3]))]
    text = ".".join(parts)
    if rng.random() < (0.3 if len(parts) == 3 else 0.03):
        text += "-" + prerelease(rng)
    if rng.random() < 0.05:
        text += "+" + prerelease(rng)
    return text


def range_text(rng: random.Random) -> str:
    operators = ["", "", "^", "~", "~>", ">", ">=", "<", "<=", "=", "^ ", "> ", "<= ", "v", "=v", "> =", "==", "^^"]

    def one() -> str:
        if rng.random() < 0.12:
            return partial(rng) + rng.choice([" - ", " - ", "  -  ", " -", "-"]) + partial(rng)
        words = [rng.choice(operators) + partial(rng) for _ in range(rng.choice([1, 1, 1, 2, 2, 3]))]
        return rng.choice([" ", " ", " ", "  ", "\t", ",", ""]).join(words)

    text = rng.choice(["||", " || ", "||", " | "]).join(one() for _ in range(rng.choice([1, 1, 1, 2, 3])))
    if rng.random() < 0.06:  # a slip of the finger
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(" *x.-+<>=^~v|\u00a0a0") + text[at + rng.randint(0, 1) :]
    return text


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    rng = random.Random(SEED)
    versions = VERSIONS + [version(rng) for _ in range(CASES // 4)]
    ranges = RANGES + [range_text(rng) for _ in range(CASES // 2)]
    # Every trap with every other, and the huge ones with a few.
    short = [v for v in VERSIONS if len(v) < 300]
    pairs = [(v, r) for r in RANGES for v in (short if len(r) < 300 else rng.sample(short, 3))]
    pairs += [(v, r) for v in VERSIONS if len(v) >= 300 for r in ("*", "", "^1.0.0")]
    for text in ranges:
        pairs += [(rng.choice(versions), text), (version(rng), text)]
    # The fast path: plain releases against plain ranges, near each other.
    for _ in range(CASES // 4):
        near = [rng.randint(0, 2) for _ in range(6)]
        release = "{}.{}.{}".format(*near[:3])
        pairs.append((release, rng.choice("^~^~ =") + "{}.{}.{}".format(*near[3:])))
    return {
        "versions": versions,
        "ranges": ranges,
        "specs": VERSIONS
        + RANGES
        + versions
        + [f" ={v}" for v in versions[-500:]]
        + ["1.2.3-a.tgz", "1.2.3-a.TAR", "1.2.3-a.tgz ", "1.2.3-atgz"],
        "pairs": pairs,
        "both": [(a, b) for a in RANGES for b in RANGES if len(a) + len(b) < 300]
        + [(rng.choice(ranges), rng.choice(ranges)) for _ in range(CASES)],
        "compares": [(a, b) for a in short for b in short]
        + [(rng.choice(versions), rng.choice(versions)) for _ in range(CASES // 4)],
        "lists": [([version(rng) for _ in range(8)], range_text(rng)) for _ in range(CASES // 8)],
    }


@pytest.fixture(scope="module")
def answers(asked: dict[str, Any]) -> dict[str, Any]:
    run = subprocess.run(
        ["node", "-e", SCRIPT], input=json.dumps(asked), capture_output=True, text=True, cwd=ORACLE, check=False
    )
    assert run.returncode == 0, run.stderr
    answered: dict[str, Any] = json.loads(run.stdout)
    return answered


def agree(questions: list[Any], theirs: list[Any], ours: list[Any]) -> None:
    """Fail with every disagreement in full, the shortest first."""
    wrong = [
        f"{question!r}: npm says {their!r}, we say {our!r}"
        for question, their, our in zip(questions, theirs, ours, strict=True)
        if their != our
    ]
    if wrong:
        pytest.fail(f"{len(wrong)} disagreements\n" + "\n".join(sorted(wrong, key=len)[:20]), pytrace=False)


def test_versions(asked: dict[str, Any], answers: dict[str, Any]) -> None:
    agree(asked["versions"], answers["valid"], [semver.valid(v) for v in asked["versions"]])
    ours = [semver.is_prerelease(v) for v in asked["versions"]]
    agree(asked["versions"], answers["prerelease"], ours)
    assert 0.2 < sum(v is not None for v in answers["valid"]) / len(answers["valid"]) < 0.95


def test_exact_specs(asked: dict[str, Any], answers: dict[str, Any]) -> None:
    agree(asked["specs"], answers["exact"], [semver.is_exact(s) for s in asked["specs"]])


def test_ranges(asked: dict[str, Any], answers: dict[str, Any]) -> None:
    agree(asked["ranges"], answers["range"], [semver.valid_range(r) for r in asked["ranges"]])
    assert 0.2 < sum(answers["range"]) / len(answers["range"]) < 0.95


def test_satisfies(asked: dict[str, Any], answers: dict[str, Any]) -> None:
    pairs = asked["pairs"]
    assert len(pairs) >= 5000
    ours = [[semver.satisfies(v, r), semver.satisfies(v, r, prerelease=True)] for v, r in pairs]
    agree(pairs, answers["satisfies"], ours)
    # Agreement says little where nothing is ever satisfied.
    assert sum(plain for plain, _ in answers["satisfies"]) > len(pairs) / 20
    assert sum(plain != wide for plain, wide in answers["satisfies"]) > len(pairs) / 100


def test_intersects(asked: dict[str, Any], answers: dict[str, Any]) -> None:
    pairs = [(pair, their) for pair, their in zip(asked["both"], answers["intersects"], strict=True) if _is_short(pair)]
    agree([pair for pair, _ in pairs], [their for _, their in pairs], [semver.intersects(*pair) for pair, _ in pairs])
    assert 0.1 < sum(their for _, their in pairs) / len(pairs) < 0.9


def _is_short(texts: Sequence[str]) -> bool:
    return all(len(text) <= 256 for text in texts)


def test_compare(asked: dict[str, Any], answers: dict[str, Any]) -> None:
    valid = [
        (pair, their) for pair, their in zip(asked["compares"], answers["compare"], strict=True) if their is not None
    ]
    pairs = [pair for pair, _ in valid]
    agree(pairs, [their for _, their in valid], [semver.compare(a, b) for a, b in pairs])
    assert len(valid) > 500


def test_max_satisfying(asked: dict[str, Any], answers: dict[str, Any]) -> None:
    ours = [[semver.max_satisfying(vs, r), semver.max_satisfying(vs, r, prerelease=True)] for vs, r in asked["lists"]]
    agree(asked["lists"], answers["max"], ours)
    assert sum(found is not None for found, _ in answers["max"]) > len(ours) / 20


def test_what_is_no_version_is_ordered_all_the_same() -> None:
    texts = ["", "b", "a", "2.0.0", "1.0.0", "1.0.0-rc.1"]
    order = sorted(texts, key=lambda text: sum(semver.compare(text, other) for other in texts))
    assert order == ["", "a", "b", "1.0.0-rc.1", "1.0.0", "2.0.0"]
    assert semver.compare("x", "x") == 0


@pytest.mark.parametrize(
    "text",
    [
        *("v" * 60_000, " " * 60_000, "1" * 60_000, "1." * 30_000, "- " * 30_000, "<" * 60_000, "=1 " * 20_000),
        *("||" * 30_000, "-1" * 30_000, "+a" * 30_000, "~ " * 30_000, "1.2.3-" + "a." * 30_000, "*" * 60_000),
        *("1 - " * 15_000, "\ud800", "\x00", "1.2.3\x00", "^" * 60_000, "\u2003" * 60_000 + "1", "^1 " * 10**6),
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_hostile_text_is_answered_in_no_time(text: str) -> None:
    start = time.process_time()
    for asked in (text, "^1.0.0 " + text, text + " 1.0.0"):
        semver.valid(asked)
        semver.is_exact(asked)
        semver.valid_range(asked)
        semver.satisfies("1.2.3", asked, prerelease=True)
        semver.satisfies(asked, "*")
        semver.intersects(asked, "^1.0.0")
        semver.max_satisfying([asked, "1.0.0"], asked)
        semver.compare(asked, "1.0.0")
    assert time.process_time() - start < 5
