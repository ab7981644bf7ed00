"""Lock entries against what package managers really install from them."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import subprocess
from pathlib import Path

import pytest

from bot.facts.lock import Source
from bot.names import PackageName
from bot.readers.npm.npm_lock import read_npm_lock
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


# -- the half of an npm lock that only npm 6 reads ---------------------------------------------------


def test_what_npm_wrote_says_the_same_twice() -> None:
    """npm 8 wrote it, with members, aliases, a folder by path and a nested duplicate."""
    data = (ORACLE.parent / "locks/fixtures/npm8/package-lock.json").read_bytes()
    lock = read_npm_lock("package-lock.json", data)
    assert len(lock.entries) > 20
    assert lock.older == ()
    value = json.loads(data)

    def older(number: int, **change: object) -> list[tuple[str, str | None, Source, tuple[object, ...]]]:
        said = json.loads(data)
        said["lockfileVersion"] = number
        said["dependencies"]["chalk"] |= change
        found = read_npm_lock("package-lock.json", json.dumps(said).encode())
        assert found.entries == lock.entries
        return [(entry.key, entry.version, entry.source, entry.pointer) for entry in found.older]

    chalk, here = "node_modules/chalk", ("dependencies", "chalk")
    version = value["dependencies"]["chalk"]["version"]
    for number in (1, 2, 3):
        assert older(number) == []
        assert older(number, version="9.9.9") == [(chalk, "9.9.9", Source.REGISTRY, here)]
        assert older(number, integrity="sha512-AAAA") == [(chalk, version, Source.REGISTRY, here)]
        assert older(number, version="file:x") == [(chalk, None, Source.PATH, here)]
        assert older(number, version=f"npm:other@{version}") == [(chalk, version, Source.REGISTRY, here)]
        assert older(number, bundled=True) == [(chalk, version, Source.REGISTRY, here)]
        more = {"@acme/core": {"version": "1.2.3"}}
        assert older(number, dependencies=more)[-1][:2] == (f"{chalk}/node_modules/@acme/core", "1.2.3")
