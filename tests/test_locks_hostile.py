"""Whatever the bytes, a lock reader gives facts or a ReadError with a stable reason, soon."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ReadError
from bot.facts.lock import Lock
from bot.link.locks import dependency, index, resolve
from bot.readers.npm import LOCK_NAMES, lock_reader
from bot.readers.npm.lock_text import MAX_BYTES

REASONS = {"malformed", "unsupported-format", "too-large", "too-deep", "not-utf8"}
NAMES = sorted(LOCK_NAMES)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def attempt(name: str, data: bytes, path: str = "") -> Lock | ReadError:
    reader = lock_reader(name)
    assert reader is not None
    found: Lock | ReadError
    try:
        found = reader(path or name, data)
    except ReadError as error:
        found = error
    if isinstance(found, ReadError):
        assert found.reason in REASONS
        found.detail.encode()
        return found
    lock = found
    # What is read can be used, and kept: everything is text that UTF-8 can carry.
    msgspec.msgpack.decode(msgspec.msgpack.encode(lock), type=Lock)
    table = index(lock)
    for entry in lock.entries[:30]:
        assert type(entry.key) is str
        assert entry.name is not None
        for child in list(entry.dependencies)[:5]:
            dependency(lock, entry, child)
        resolve(lock, "a/b", "x", entry.name, None)
        assert entry.key in table.entries
    return lock


def reason(name: str, data: bytes) -> str:
    found = attempt(name, data)
    return found.reason if isinstance(found, ReadError) else "read"


WORDS = [
    *(
        "packages",
        "dependencies",
        "lockfileVersion",
        "importers",
        "snapshots",
        "workspaces",
        "version",
        "resolved",
        "integrity",
    ),
    *(
        "name",
        "link",
        "",
        ".",
        "..",
        "node_modules/a",
        "node_modules/",
        "a@1.0.0",
        "/a/1.0.0",
        "file:x",
        "link:../x",
        "__metadata",
    ),
    *(
        "resolution",
        "specifier",
        "npm:a@1",
        "@s/p",
        "a@npm:^1.0.0, a@npm:1",
        "catalogs",
        "overrides",
        "patchedDependencies",
    ),
    *(
        "optional",
        "inBundle",
        "requires",
        "specifiers",
        "settings",
        "root",
        "a@workspace:x",
        "\u2028",
        "node_modules/a/node_modules/b",
    ),
]
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8), st.sampled_from(WORDS)
)
keys = st.one_of(st.sampled_from(WORDS), st.text(max_size=5))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=25,
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "lockfileVersion": st.one_of(st.sampled_from([0, 1, 2, 3, 5.4, "6.0", "9.0"]), scalars),
        "packages": st.dictionaries(keys, values, max_size=6),
        "dependencies": st.dictionaries(keys, values, max_size=6),
        "workspaces": st.dictionaries(keys, values, max_size=6),
        "importers": st.dictionaries(keys, values, max_size=6),
        "snapshots": st.dictionaries(keys, values, max_size=6),
        "catalogs": values,
        "overrides": values,
        "settings": values,
        "__metadata": st.fixed_dictionaries({"version": scalars}),
        "a@npm:^1.0.0": values,
        "a@workspace:x": values,
    },
)


@RELAXED
@given(st.sampled_from(NAMES), st.binary(max_size=400))
def test_any_bytes(name: str, data: bytes) -> None:
    attempt(name, data)


@RELAXED
@given(st.sampled_from(NAMES), documents)
def test_any_document(name: str, document: dict[str, Any]) -> None:
    attempt(name, json.dumps(document).encode("utf-8", "surrogatepass"))
    attempt(name, json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@RELAXED
@given(
    st.sampled_from(NAMES),
    st.lists(
        st.sampled_from(
            [
                *(
                    "a@^1:",
                    '"@s/a@npm:^1":',
                    "  version 1",
                    '  version "1.0.0"',
                    "  version: 1.10",
                    '  resolution: "a@npm:1"',
                    "  dependencies:",
                ),
                *(
                    "    a b",
                    '    "a" "b"',
                    '    "a": "b"',
                    "    a: b",
                    "  x:",
                    "      y: z",
                    "",
                    "# c",
                    "__metadata:",
                    "  version: 8",
                ),
                *(
                    "? a",
                    ":",
                    "&x",
                    "*x",
                    "- a",
                    "<<<<<<< HEAD",
                    "=======",
                    "a: {b: [c",
                    "\t",
                    '"',
                    '"\\ud800":',
                    "lockfileVersion: '9.0'",
                ),
                *(
                    "importers:",
                    "  .:",
                    "    dependencies:",
                    "packages:",
                    "  /a/1.0.0:",
                    "    resolution: {integrity: x}",
                    "---",
                    "snapshots:",
                ),
            ]
        ),
        max_size=14,
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_lines(name: str, lines: list[str], ending: str) -> None:
    attempt(name, ending.join(lines).encode())


@pytest.mark.parametrize("name", NAMES)
def test_encodings(name: str) -> None:
    assert reason(name, b"\xff\xfe{\x00}\x00") in ("not-utf8", "unsupported-format")
    if name == "bun.lockb":
        return
    assert reason(name, b'{"a": "\xff"}') == "not-utf8"
    good = {
        "package-lock.json": '{\n"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0"}}}',
        "npm-shrinkwrap.json": '{\n"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0"}}}',
        "yarn.lock": '# yarn lockfile v1\n\n\na@^1:\n  version "1.0.0"\n',
        "pnpm-lock.yaml": "lockfileVersion: '6.0'\npackages:\n\n  /a@1.0.0:\n    resolution: {integrity: x}\n",
        "bun.lock": '{\n"lockfileVersion": 1, "workspaces": {"": {}}, "packages": {"a": ["a@1.0.0", "", {}, "x"],},}',
    }[name]
    for text in (good, "\ufeff" + good, good.replace("\n", "\r\n"), "\ufeff" + good.replace("\n", "\r\n")):
        lock = attempt(name, text.encode())
        assert isinstance(lock, Lock), lock
        assert [(entry.name, entry.version) for entry in lock.entries] == [("a", "1.0.0")]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("package-lock.json", '{"lockfileVersion": 4, "packages": {}}', "unsupported-format"),
        ("package-lock.json", '{"lockfileVersion": true, "packages": {}}', "unsupported-format"),
        ("package-lock.json", '{"lockfileVersion": 3}', "malformed"),
        ("package-lock.json", "{}", "malformed"),
        ("package-lock.json", '{"lockfileVersion": 3, "packages": {"": 1}}', "malformed"),
        ("package-lock.json", '{"lockfileVersion": 3, "packages": {}}', "read"),
        ("package-lock.json", '{"lockfileVersion": 1}', "read"),
        ("package-lock.json", '{"lockfileVersion": 3, "packages": {"": {"name": "\\ud800"}}}', "malformed"),
        ("package-lock.json", '<<<<<<< HEAD\n{"lockfileVersion": 3}', "malformed"),
        ("bun.lock", '{"lockfileVersion": 4, "workspaces": {}, "packages": {}}', "unsupported-format"),
        ("bun.lock", '{"workspaces": {}, "packages": {}}', "malformed"),
        ("bun.lock", '{"lockfileVersion": 1, "workspaces": {"": {}}, "packages": {"a": 1}}', "malformed"),
        ("bun.lock", '{"lockfileVersion": 1, "workspaces": {"": {}}}', "read"),
        ("bun.lockb", "", "unsupported-format"),
        ("pnpm-lock.yaml", "lockfileVersion: '10.0'\n", "unsupported-format"),
        ("pnpm-lock.yaml", "lockfileVersion: 7\n", "unsupported-format"),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "read"),
        ("pnpm-lock.yaml", "", "malformed"),
        ("pnpm-lock.yaml", "importers: {}\n", "malformed"),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\nlockfileVersion: '9.0'\n", "malformed"),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n<<<<<<< HEAD\n", "malformed"),
        ("pnpm-lock.yaml", "---\na: 1\n---\nb: 1\n---\nlockfileVersion: '9.0'\n", "malformed"),
        ("yarn.lock", "", "read"),
        ("yarn.lock", "# THIS IS AN AUTOGENERATED FILE.\n# yarn lockfile v1\n\n\n", "read"),
        ("yarn.lock", "# yarn lockfile v2\n\n", "unsupported-format"),
        ("yarn.lock", "__metadata:\n  version: 11\n  cacheKey: 1\n", "unsupported-format"),
        ("yarn.lock", "__metadata:\n  version: 8\n", "read"),
        ("yarn.lock", "__metadata:\n  cacheKey: 8\n", "malformed"),
        ("yarn.lock", '{"__metadata": {"version": 9}, "entries": {}}', "unsupported-format"),
        ("yarn.lock", 'a@^1:\n  version "1.0.0"\n<<<<<<< HEAD\n', "malformed"),
        ("yarn.lock", 'a@^1:\n  version "1.0.0"\n\n  resolved "x"\n', "malformed"),
        ("yarn.lock", "what is this", "malformed"),
    ],
)
def test_what_is_no_lock(name: str, text: str, wanted: str) -> None:
    assert reason(name, text.encode()) == wanted


def test_a_binary_bun_lock_says_what_to_do() -> None:
    found = attempt("bun.lockb", b"#!/usr/bin/env bun\nbun-lockfile-format-v0\n\x00")
    assert isinstance(found, ReadError)
    assert "--save-text-lockfile" in found.remedy


def test_errors_name_their_line() -> None:
    for name, text, line in (
        ("package-lock.json", '{\n"lockfileVersion": 3,\n"packages": {"a" 1}}', 3),
        ("yarn.lock", '# yarn lockfile v1\n\n\na@^1:\n  version "1.0.0"\n\nb@^1\n', 7),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\na: {\n", 3),
    ):
        found = attempt(name, text.encode())
        assert isinstance(found, ReadError)
        assert found.line == line, (name, found.detail)


def _deep_v1(levels: int) -> str:
    return (
        '{"lockfileVersion": 1, "dependencies": '
        + '{"a": {"version": "1", "dependencies": ' * levels
        + "{}"
        + "}}" * levels
        + "}"
    )


LARGE = 60_000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{','.join(['*' + chr(97 + level)] * 9)}]\n" for level in range(9)
)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("package-lock.json", '{"lockfileVersion": 3, "x": ' + "[" * 10**6 + "]" * 10**6 + "}", {"too-deep"}),
        (
            "package-lock.json",
            '{"lockfileVersion": 3, "packages": {"": {"x": ' + '{"a":' * 10**5 + "1" + "}" * 10**5 + "}}}",
            {"too-deep"},
        ),
        ("package-lock.json", _deep_v1(150), {"too-deep"}),
        ("package-lock.json", _deep_v1(50_000), {"too-deep"}),
        ("package-lock.json", _deep_v1(90), {"read"}),
        (
            "package-lock.json",
            '{"lockfileVersion": 3, "packages": {"%s": {"dependencies": {"b": "1"}}}}' % ("a/" * 10**5),
            {"too-deep"},
        ),
        (
            "package-lock.json",
            json.dumps(
                {
                    "lockfileVersion": 3,
                    "packages": {"": {"workspaces": ["{a,b}" * 40, "*a" * 500, "**/" * 500 + "x"]}}
                    | {f"{'a' * 60}/{'b/' * 99}{n}": {} for n in range(50)}
                    | {
                        f"node_modules/{n}": {"link": True, "resolved": f"{'a' * 60}/{'b/' * 99}{n}"} for n in range(50)
                    },
                }
            ),
            {"read"},
        ),
        ("bun.lock", '{"lockfileVersion": 1, "workspaces": ' + "[" * 10**5, {"too-deep"}),
        (
            "bun.lock",
            '{"lockfileVersion": 1, "workspaces": {"": {}}, "packages": {"%s": ["a@1"]}}' % ("a/" * 10**5),
            {"read"},
        ),
        (
            "bun.lock",
            '{"lockfileVersion": 1, "workspaces": {"": {}}, "overrides": ' + '{"a":' * 150 + '"1"' + "}" * 150 + "}",
            {"read"},
        ),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\nx: " + "[" * LARGE + "\n", {"too-deep"}),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\nx: " + "- " * LARGE + "\n", {"too-deep", "malformed"}),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n" + BOMB, {"malformed"}),
        (
            "pnpm-lock.yaml",
            f"lockfileVersion: '9.0'\nsnapshots:\n  ? a@1{'(' * LARGE}{')' * LARGE}\n  : {{}}\n",
            {"read", "malformed"},
        ),
        (
            "pnpm-lock.yaml",
            f"lockfileVersion: '9.0'\nsnapshots:\n  ? a@1{'()' * LARGE}\n  : {{}}\n",
            {"read", "malformed"},
        ),
        (
            "pnpm-lock.yaml",
            f"lockfileVersion: '9.0'\nsnapshots:\n  ? a@1{')' * LARGE}\n  : {{}}\n",
            {"read", "malformed"},
        ),
        ("yarn.lock", f'"{"a@^1, " * LARGE}":\n  version "1"\n', {"read"}),
        ("yarn.lock", f'"{", " * LARGE}":\n  version "1"\n', {"read"}),
        ("yarn.lock", '"' + "\\" * LARGE + '":\n  version "1"\n', {"read", "malformed"}),
        ("yarn.lock", "".join(f'p{n}@1:\n  version "1"\n  x y\n\n' for n in range(LARGE // 4)), {"read"}),
        ("yarn.lock", 'a@1:\n  version "1"\n  dependencies:\n' + "    a b\n" * LARGE, {"read"}),
        ("yarn.lock", "a@1:\n" + "  dependencies:\n" * LARGE, {"read"}),
        ("yarn.lock", '"a@1' * LARGE, {"malformed"}),
        ("yarn.lock", "a@1:\n  version " + '"' * LARGE, {"malformed"}),
        ("yarn.lock", "\n" * 10**6 + " " * 10**6, {"read"}),
        ("yarn.lock", "__metadata:\n  version: 8\n" + BOMB, {"malformed"}),
        ("yarn.lock", "__metadata:\n  version: 8\nx: " + "[" * LARGE, {"too-deep"}),
        (
            "yarn.lock",
            "__metadata:\n  version: 8\n" + "".join(f'"a@npm:{n}":\n  version: 1\n\n' for n in range(LARGE // 4)),
            {"read"},
        ),
        (
            "yarn.lock",
            "__metadata:\n  version: 8\n"
            + '"a@npm:1":\n  version: 1\n  resolution: "a@npm:1"\n'
            + "  bin:\n    a: b\n" * LARGE,
            {"read"},
        ),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else str(value)[:40],
)
def test_large_and_deep(name: str, text: str, wanted: set[str]) -> None:
    began = time.process_time()
    found = attempt(name, text.encode())
    spent = time.process_time() - began
    assert (found.reason if isinstance(found, ReadError) else "read") in wanted
    assert spent < 3, f"{spent:.1f} s for {len(text)} bytes"


def test_too_large_is_said_before_anything_is_read() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return MAX_BYTES + 1

    for name in NAMES:
        found = attempt(name, Huge(b"{}"))
        assert isinstance(found, ReadError)
        assert found.reason == ("unsupported-format" if name == "bun.lockb" else "too-large")


def test_twenty_thousand_entries_are_read_in_less_than_a_second() -> None:
    """Generous, for a busy machine; the usual time is a tenth (`bench/` has the numbers)."""
    packages = {
        f"node_modules/p{number}": {
            "version": f"{number}.0.0",
            "resolved": f"https://registry.example.test/p{number}/-/p{number}-{number}.0.0.tgz",
            "integrity": "sha512-" + "A" * 86 + "==",
            "dependencies": {f"p{number // 2}": "^1.0.0", f"p{number // 3}": "^2.0.0"},
            "engines": {"node": ">=10"},
        }
        for number in range(20_000)
    }
    text = json.dumps({"lockfileVersion": 3, "packages": {"": {"name": "root"}} | packages}, indent=2)
    blocks = "".join(
        f'p{number}@^{number}.0.0:\n  version "{number}.0.0"\n  resolved "https://registry.example.test/p{number}/-/p.tgz#{"ab" * 20}"\n'
        f'  integrity sha512-{"A" * 86}==\n  dependencies:\n    p{number // 2} "^1.0.0"\n    "@s/p" "^2.0.0"\n\n'
        for number in range(20_000)
    )
    for name, data in (("package-lock.json", text.encode()), ("yarn.lock", blocks.encode())):
        reader = lock_reader(name)
        assert reader is not None
        began = time.process_time()
        lock = reader(name, data)
        assert time.process_time() - began < 3
        assert len(lock.entries) == 20_000
