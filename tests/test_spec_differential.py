"""What a specifier asks for, held to npm's own `npm-package-arg`."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
from pathlib import Path

import pytest

from bot.facts.manifest import Kind
from bot.readers.npm.spec import classify, exact_version, is_range

ORACLE = Path(__file__).parent / "oracle"

SCRIPT = """
if (process.argv[1]) Object.defineProperty(process, 'platform', { value: process.argv[1] })
const npa = require('npm-package-arg')
const semver = require('semver')
const ask = spec => {
  try {
    const found = npa.resolve('x', spec, '/r')
    const { type, name, fetchSpec } = found.type === 'alias' ? found.subSpec : { ...found, name: null }
    return [type, name, type === 'version' ? semver.valid(fetchSpec, true) : null]
  } catch { return ['error', null, null] }
}
process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8')).map(ask)))
"""

KINDS = {
    "version": Kind.EXACT,
    "range": Kind.RANGE,
    "tag": Kind.TAG,
    "file": Kind.PATH,
    "directory": Kind.PATH,
    "git": Kind.GIT,
    "remote": Kind.URL,
}

VERSIONS = """
1.2.3|=1.2.3|v1.2.3| 1.2.3 |= v1.2.3|1.2.3-rc.1|1.2.3-0|1.2.3+build|1.2.3-a+b|1.2.3beta|01.02.03|1.2.3-01|0.0.18
^1.2.3|~1.2.3|^0.0.18|>=1.2.3|>=1.2.3 <2|> 1.2.3|1.2.3 - 2|1.2|1|x|*|X||1.x|1.2.*|1.x.5|x.1|~|^|>|1.2.3 || 2|||~>1.2|>=x
^1.2.3-rc.1|9007199254740991.0.0|9007199254740992.0.0|99999999999999999999.0.0|^99999999999999999999|1.2.3.4|1.2.3-|-|--
>1.2.3<2|>=1.2.3, <2|1.2.3 foo|foo 1.2.3|foo * bar|^x.199999999999999999999|repo +build|+build|**|foo*|1.2.3*
latest|next|beta|v1|release-1.x|a b|é|a~b|$a|a@b|<1|<x|=|==1.2.3|1.2.3\t|\u00a01.2.3|\ufeff1.2.3|\u00851.2.3
"""
OTHERS = """
file:../x|FILE:../x|file:x.tgz|./x|../x|/x|~/x|.|..|x.tgz|x.tar.gz|x.tar|X.TGZ|a/b/c|a/b/c.tgz|C:\\x|C:/x|./x.tgz|~x|~/|.5
org/repo|org/repo#main|org/repo#semver:^1|org/repo.git|org/repo/|org/repo.tgz|-org/repo|@org/repo|@org/repo@1.2.3|org/repo#a/b
org/a b|org/a#b c|org/%zz|org/%41|#a/b|org@x/repo|github:org/repo|GitHub:org/repo|gitlab:a/b/c|bitbucket:a/b|gist:0123456789abcdef
sourcehut:~a/b|github:a|github:|git+ssh://git@github.com/a/b.git#x|git+ssh://git@host.example.test:a/b.git|git+ssh://x:22/a
git://host.example.test/a/b.git|git+https://host.example.test/a.git#v1|git+http://h.example.test/a|git+file:///x|git+rsync://h/a
git@github.com:a/b.git|a@github.com/b/c|github.com/a/b|https://github.com/a/b|https://github.com/a/b.git#x|https://www.github.com/a/b
https://github.com/a/b/tree/x|https://github.com/a/b/archive/x.tar.gz|https://github.com/a|http://github.com/a/b|http://gitlab.com/a/b
https://gitlab.com/a/b/c|https://gitlab.com/a/b/-/archive/x.tar.gz|https://bitbucket.org/a/b|https://bitbucket.org/a/b/get/x.tar.gz
https://gist.github.com/a/0123|https://gist.github.com/a/0123/raw/x|https://git.sr.ht/~a/b|https://git.sr.ht/~a/b/archive/x.tar.gz
https://codeload.github.com/a/b/tar.gz/x|https://host.example.test/a.tgz|http://host.example.test/a|https:host.example.test/a|HTTPS://GITHUB.COM/a/b
https://user:pw@github.com/a/b|https://github.com:443/a/b|https://github.com/../a/b|https://%67ithub.com/a/b|https://github.com\\a\\b
npm:a|npm:a@1.2.3|NPM:a@1.2.3|npm:@a/b|npm:@a/b@^1|npm:@a/b@latest|npm:@a/b@=1.2.3|npm:a@|npm:@a|npm:a@npm:b@1|npm:a@file:x
npm:a@./x|npm:a@c/d|npm:.a@1|npm:_a@1|npm:node_modules@1|npm:a b@1|npm:a.tgz|npm:@a/b.tgz@1.2.3|npm:|npm:A@1.2.3|npm:a@1.2.3 - 2
foo:bar|foo:|svn+ssh://x/y|ftp://x/y|exec:./x|builtin:x|a.b:c|ws://x/y|data:x|backstage:^
"""

ATOMS = """
1.2.3 ^ ~ ~> >= <= > < = v x * X . - || 0 1 12 beta rc.1 +build latest next npm: file: ./ ../ / ~/ C:\\ git+ssh:// git://
git+https:// https:// http:// ssh:// github: gitlab: gist: bitbucket: sourcehut: GitHub: github.com www.github.com
gitlab.com gist.github.com git.sr.ht bitbucket.org host.example.test git@ user:pw@ org/repo org repo .git # #main
#semver:^1 tree/main archive/x.tar.gz /-/archive get/x raw/x : :443 @ @scope/name @scope/name@ name@ .tgz .tar.gz foo %20
%zz ?x=1 \\ é 01.02.03 99999999999999999999 1.x.5 x.1
"""


def _listed() -> list[str]:
    specs = [spec for line in (VERSIONS + OTHERS).strip("\n").split("\n") for spec in line.split("|")]
    # 256 characters are the longest version.
    long = ["1.2.3-" + "a" * length for length in (250, 251)]
    return [*specs, *long, *(f"^{spec}" for spec in long), "1.2.3 || 2", "||"]


def _generated(count: int) -> list[str]:
    draw = random.Random(20240607)
    atoms = [*ATOMS.split(), " ", " - "]
    return sorted({"".join(draw.choices(atoms, k=draw.randint(1, 5))) for _ in range(count)})


def _npm_says(specs: list[str], platform: str = "linux") -> list[tuple[str, str | None, str | None]]:
    done = subprocess.run(
        ["node", "-e", SCRIPT, platform],
        cwd=ORACLE,
        input=json.dumps(specs),
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(answer) for answer in json.loads(done.stdout)]


def _beyond_npm(spec: str) -> bool:
    """Where another package manager's meaning counts, by the list at the head of the module."""
    host = spec.partition("@")[2].partition(":")[0]
    scp = "@" in spec and ":" in spec.partition("@")[2] and "." in host and "/" not in spec.partition(":")[0]
    return scp or (
        spec[:4].lower() == "npm:" and classify(spec).kind in (Kind.EXACT, Kind.RANGE) and not classify(spec).name
    )


def _disagreements(specs: list[str]) -> tuple[list[str], int]:
    wrong, compared = [], 0
    for spec, posix, windows in zip(specs, _npm_says(specs), _npm_says(specs, "win32"), strict=True):
        ours = classify(spec)
        # A backslash parts folders everywhere here, and on Windows only there.
        kind, name, version = windows if "\\" in spec and (posix[0] == "error" or ours.kind is Kind.PATH) else posix
        if kind == "error":
            if ours.kind in (Kind.EXACT, Kind.RANGE, Kind.TAG) and not _beyond_npm(spec):
                wrong.append(f"{spec!r}: npm refuses, ours {ours.kind} {ours.name}")
            continue
        if _beyond_npm(spec):
            continue
        compared += 1
        if (KINDS[kind], name, version) != (ours.kind, ours.name, ours.version):
            wrong.append(f"{spec!r}: npm {kind} {name} {version}, ours {ours.kind} {ours.name} {ours.version}")
    return wrong, compared


def test_listed_specifiers_are_what_npm_says() -> None:
    wrong, compared = _disagreements(_listed())
    assert wrong == []
    assert compared > 130


def test_generated_specifiers_are_what_npm_says() -> None:
    wrong, compared = _disagreements(_generated(20000))
    # npm on POSIX alone takes "~\x/y" for a repository of a user "~\x".
    assert [line for line in wrong if not line.startswith("'~\\\\")] == []
    assert compared > 6000


def test_the_oracle_would_tell() -> None:
    """The comparison is no tautology: npm gives every kind."""
    assert {answer[0] for answer in _npm_says(_listed())} >= {*KINDS, "error"}


@pytest.mark.parametrize(
    ("spec", "kind", "name", "version", "effective"),
    [
        ("workspace:*", Kind.WORKSPACE, None, None, "workspace:*"),
        ("workspace:^1.2.3", Kind.WORKSPACE, None, None, "workspace:^1.2.3"),
        ("workspace:@acme/x@*", Kind.WORKSPACE, "@acme/x", None, "workspace:@acme/x@*"),
        ("workspace:../x", Kind.WORKSPACE, None, None, "workspace:../x"),
        ("catalog:", Kind.CATALOG, None, None, "catalog:"),
        ("catalog:next", Kind.CATALOG, None, None, "catalog:next"),
        ("link:../x", Kind.PATH, None, None, "link:../x"),
        ("portal:../x", Kind.PATH, None, None, "portal:../x"),
        ("npm:^1.2.3", Kind.RANGE, None, None, "npm:^1.2.3"),
        ("npm:1.2.3", Kind.EXACT, None, "1.2.3", "npm:1.2.3"),
        ("npm:x", Kind.RANGE, "x", None, "npm:x"),
        ("git@host.example.test:a/b.git", Kind.GIT, None, None, "git@host.example.test:a/b.git"),
        ("ssh://git@host.example.test/a/b.git", Kind.GIT, None, None, "ssh://git@host.example.test/a/b.git"),
        ("patch:@acme/x@npm%3A1.2.3#~/.yarn/patches/x.patch", Kind.EXACT, "@acme/x", "1.2.3", "npm:1.2.3"),
        ("patch:x@npm%3A@acme/y@1.2.3#./y.patch", Kind.EXACT, "@acme/y", "1.2.3", "npm:@acme/y@1.2.3"),
        ("patch:x@^1.0.0#./y.patch", Kind.RANGE, "x", None, "^1.0.0"),
        ("patch:x@workspace%3Apackages/x#./y.patch", Kind.WORKSPACE, "x", None, "workspace:packages/x"),
        ("patch:x@patch%3Ax@npm%253A1.2.3%23a.patch#b.patch", Kind.EXACT, "x", "1.2.3", "npm:1.2.3"),
        ("patch:", Kind.RANGE, None, None, "*"),
        ("jsr:@acme/x@1.2.3", Kind.EXACT, "@jsr/acme__x", "1.2.3", "jsr:@acme/x@1.2.3"),
        ("jsr:^1", Kind.RANGE, "@jsr/acme__local", None, "jsr:^1"),
        ("", Kind.RANGE, None, None, "*"),
    ],
)
def test_what_other_package_managers_know(
    spec: str, kind: Kind, name: str | None, version: str | None, effective: str
) -> None:
    found = classify(spec, "@acme/local")
    assert (found.kind, found.name, found.version, found.effective) == (kind, name, version, effective)


def test_jsr_without_any_name_is_unknown() -> None:
    assert classify("jsr:1.2.3").kind is Kind.UNKNOWN
    assert classify("jsr:1.2.3", "unscoped").kind is Kind.UNKNOWN


@pytest.mark.parametrize(
    "spec",
    [
        "patch:a@" * 200_000,
        "v=" * 500_000,
        "1" * 1_000_000,
        "> " * 500_000,
        "npm:" + "a@" * 500_000,
        "+a" * 500_000,
        "a-" * 500_000,
        "1.2.3-" + "a." * 500_000,
        "https://" + "a@" * 500_000,
        "||" * 500_000,
        "%41" * 300_000 + "/b",
        "a/../" * 200_000,
        "https://github.com/" + "a/../" * 200_000,
    ],
    ids=lambda spec: spec[:12],
)
def test_long_specifiers_cost_little(spec: str) -> None:
    # Time is asserted by the suite's limit: quadratic work on a megabyte would take hours.
    classify(spec)
    exact_version(spec)
    is_range(spec)


def test_every_pair_of_operators_is_read_without_an_error() -> None:
    for row in itertools.product(
        ["", "^", "~", ">", "=", "v", "npm:", "x", "1", ".", "-", "@", "/", ":", "#"], repeat=4
    ):
        classify("".join(row))
