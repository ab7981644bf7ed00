"""Lock entries against what package managers really install from them."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import subprocess
from pathlib import Path

import pytest

from bot.names import PackageName
from bot.rule import Released
from bot.rules.pins.lock_source.rule import _same_integrity
from tests.registry.loopback import sha1_hex, sri

ORACLE = Path(__file__).parent / "oracle"

# -- what an integrity lets through -----------------------------------------------------------------

GOOD, EVIL = b"the registry's\n", b"somebody else's\n"
ALGORITHMS = ("sha512", "sha384", "sha256", "sha224", "sha1", "md5", "ripemd160", "sha3")

SCRIPT = """
const ssri = require(process.argv[1])
const [good, evil, asked] = JSON.parse(require("fs").readFileSync(0, "utf8"))
const takes = (data, integrity) => {
  if (!ssri.parse(integrity)) return null // nothing is checked
  try {
    return Boolean(ssri.checkData(data, integrity))
  } catch {
    return false // an algorithm that nobody has
  }
}
console.log(JSON.stringify(asked.map((integrity) => [takes(good, integrity), takes(evil, integrity)])))
"""


def token(algorithm: str, data: bytes, rng: random.Random) -> str:
    if algorithm == "sha3":
        text = f"sha3-512-{base64.b64encode(hashlib.sha3_512(data).digest()).decode()}"
    elif algorithm == "ripemd160":
        text = f"ripemd160-{base64.b64encode(hashlib.sha256(data).digest()[:20]).decode()}"
    else:
        text = sri(data, algorithm)
    return text + rng.choice(("", "", "", "?x", "?x?y"))


def integrities() -> list[str]:
    rng = random.Random(20261201)
    found = ["", " ", "sha512", "sha512-", "-", "sha512-?x", "SHA512-" + sri(EVIL)[7:]]
    for _ in range(3000):
        words = [token(rng.choice(ALGORITHMS), rng.choice((GOOD, GOOD, EVIL)), rng) for _ in range(rng.randint(1, 4))]
        found.append(rng.choice((" ", "  ", "\t", "\n", "\ufeff", "\u00a0", "\x85", "\x1c")).join(words))
    return found


@pytest.mark.parametrize("copy", ["ssri", "@pnpm/crypto.hash/node_modules/ssri"])
@pytest.mark.parametrize("offers", ["sha512 and sha1", "sha1 alone"])
def test_what_counts_as_the_registry_s_installs_nothing_else(copy: str, offers: str) -> None:
    """By ssri itself, the library that npm, pnpm and yarn 1 hold a tarball to a lock's integrity with."""
    asked = integrities()
    done = subprocess.run(
        ["node", "-e", SCRIPT, str(ORACLE / "node_modules" / copy)],
        input=json.dumps([GOOD.decode(), EVIL.decode(), asked]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    released = Released(
        package=PackageName.npm("@acme/core"),
        version="1.2.3",
        integrity=sri(GOOD) if "512" in offers else None,
        shasum=sha1_hex(GOOD),
    )
    outcomes = {True: 0, False: 0, None: 0}
    for integrity, (takes_good, takes_evil) in zip(asked, json.loads(done.stdout), strict=True):
        same = _same_integrity(integrity, released)
        outcomes[same] += 1
        if takes_good is None:
            assert same is None, integrity
        elif same is not None:
            assert same is (takes_good and not takes_evil), integrity
    assert min(outcomes.values()) > 100
