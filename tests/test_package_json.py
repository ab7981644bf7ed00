"""``package.json``, ``pnpm-workspace.yaml`` and ``.yarnrc.yml``: every field, and bytes of any kind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import ReadError
from bot.facts.manifest import Kind, Manifest, RepositoryField
from bot.readers.npm.package_json import read_package_json
from bot.readers.npm.pnpm_workspace import read_pnpm_workspace
from bot.readers.npm.yarnrc import read_yarnrc
from bot.readers.positions import span

ORACLE = Path(__file__).parent / "oracle"
FIELDS = """
name version private dependencies devDependencies peerDependencies peerDependenciesMeta optionalDependencies overrides resolutions
pnpm workspaces catalog catalogs bin scripts repository publishConfig main files packageManager packageExtensions
peerDependencyRules patchedDependencies
""".split()  # noqa: SIM905
REASONS = {"malformed", "unsupported-format", "too-large", "too-deep", "not-utf8"}


def _read(value: object, path: str = "apps/x/package.json") -> Manifest:
    return read_package_json(path, json.dumps(value).encode())


def _refused(data: bytes) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read_package_json("package.json", data)
    return caught.value


# -- fields ------------------------------------------------------------------------------------


def test_declarations() -> None:
    manifest = _read(
        {
            "name": "x",
            "dependencies": {"@acme/a": "1.2.3", "b": "npm:@acme/b@^1", "c": "workspace:*", "d": "catalog:"},
            "devDependencies": {"e": "../e", "f": ""},
            "peerDependencies": {"g": ">=1", "h": "1 || 2"},
            "peerDependenciesMeta": {"h": {"optional": True}},
            "optionalDependencies": {"i": "org/i#main"},
        }
    )
    assert [(d.local, d.name, d.field, d.kind, d.version, d.alias, d.optional) for d in manifest.declarations] == [
        ("@acme/a", "@acme/a", "dependencies", Kind.EXACT, "1.2.3", False, False),
        ("b", "@acme/b", "dependencies", Kind.RANGE, None, True, False),
        ("c", "c", "dependencies", Kind.WORKSPACE, None, False, False),
        ("d", "d", "dependencies", Kind.CATALOG, None, False, False),
        ("e", "e", "devDependencies", Kind.PATH, None, False, False),
        ("f", "f", "devDependencies", Kind.RANGE, None, False, False),
        ("g", "g", "peerDependencies", Kind.RANGE, None, False, False),
        ("h", "h", "peerDependencies", Kind.RANGE, None, False, True),
        ("i", "i", "optionalDependencies", Kind.GIT, None, False, True),
    ]
    assert manifest.has_dependencies
    assert manifest.declarations[0].place.path == "apps/x/package.json"
    assert manifest.declarations[0].place.pointer == ("dependencies", "@acme/a")
    assert manifest.declarations[5].effective == "*"
    assert manifest.directory == "apps/x"


def test_an_alias_of_the_same_name_is_one() -> None:
    [found] = _read({"dependencies": {"@acme/a": "npm:@acme/a@1.2.3"}}).declarations
    assert (found.name, found.alias, found.version) == ("@acme/a", True, "1.2.3")


def test_everything_that_a_package_says_of_itself() -> None:
    manifest = _read(
        {
            "name": "@acme/x",
            "version": "1.0.0",
            "private": True,
            "bin": "./cli.js",
            "repository": {"type": "git", "url": "git+https://github.com/acme/x.git", "directory": "apps/x"},
            "publishConfig": {"access": "public", "registry": "https://registry.example.test/"},
            "exports": {".": {"import": "./x.mjs"}},
            "imports": {"#a": "./a.js"},
            "main": "x.js",
            "types": "x.d.ts",
            "files": ["dist", 1],
            "packageManager": "pnpm@10.0.0",
            "scripts": {"build": "tsc", "bad": 1},
            "patchedDependencies": {"a@1.0.0": "patches/a.patch"},
            "pnpm": {"patchedDependencies": {"b@1.0.0": "patches/b.patch"}},
        }
    )
    assert (manifest.name, manifest.version, manifest.private, manifest.template) == ("@acme/x", "1.0.0", True, False)
    assert manifest.bins == {"x": "./cli.js"}
    assert manifest.repository == RepositoryField(url="git+https://github.com/acme/x.git", directory="apps/x")
    assert (manifest.access, manifest.publish_registry) == ("public", "https://registry.example.test/")
    assert manifest.exports == {".": {"import": "./x.mjs"}}
    assert manifest.imports == {"#a": "./a.js"}
    assert manifest.entry == {"main": "x.js", "types": "x.d.ts"}
    assert manifest.files == ("dist",)
    assert manifest.package_manager == "pnpm@10.0.0"
    assert [(s.name, s.text, s.place.pointer) for s in manifest.scripts] == [("build", "tsc", ("scripts", "build"))]
    assert manifest.patched == (("a@1.0.0", "patches/a.patch"), ("b@1.0.0", "patches/b.patch"))


def test_other_forms() -> None:
    manifest = _read({"name": "x", "bin": {"a": "a.js", "b": 1}, "repository": "acme/x", "exports": "./x.js"})
    assert manifest.bins == {"a": "a.js"}
    assert manifest.repository == RepositoryField(url="acme/x")
    assert manifest.exports == "./x.js"
    assert manifest.files is None
    assert not manifest.has_dependencies


@pytest.mark.parametrize(
    ("workspaces", "expected"),
    [
        (["a/*", "!a/b", "!!c"], [("a/*", False, 0), ("a/b", True, 1), ("c", False, 2)]),
        ({"packages": ["a/*", 5, "b"]}, [("a/*", False, 0), ("b", False, 2)]),
        ("a/*", []),
        ({"nohoist": ["x"]}, []),
    ],
)
def test_workspaces(workspaces: object, expected: list[tuple[str, bool, int]]) -> None:
    found = _read({"workspaces": workspaces}).workspaces
    assert [(g.pattern, g.negated, g.place.pointer[-1]) for g in found] == expected
    assert all(g.directory == "apps/x" for g in found)


def test_catalogs_of_bun() -> None:
    inside = _read({"workspaces": {"packages": [], "catalog": {"a": "1"}, "catalogs": {"x": {"b": "2"}}}})
    assert inside.catalogs == {"default": {"a": "1"}, "x": {"b": "2"}}
    assert inside.catalog_fields == {"default": ("workspaces", "catalog"), "x": ("workspaces", "catalogs", "x")}
    beside = _read({"catalog": {"a": "1"}, "catalogs": {"x": {"b": "2"}}})
    assert beside.catalogs == inside.catalogs
    assert beside.catalog_fields == {"default": ("catalog",), "x": ("catalogs", "x")}


# -- overrides ---------------------------------------------------------------------------------


def _overrides(value: dict[str, object]) -> list[tuple[str, str, str, str, str]]:
    return [(o.field, o.selector, o.target, o.spec, o.kind.value) for o in _read(value).overrides]


def test_npm_overrides() -> None:
    value = {
        "dependencies": {"d": "1.2.3"},
        "overrides": {
            "a": "1.0.0",
            "b": {".": "^2", "c": "3.0.0"},
            "@acme/e@^1": {"f": {"@acme/g": "npm:h@1.0.0"}},
            "d": "$d",
            "bad": 1,
        },
    }
    assert _overrides(value) == [
        ("overrides", "a", "a", "1.0.0", "exact"),
        ("overrides", "b", "b", "^2", "range"),
        ("overrides", "b>c", "c", "3.0.0", "exact"),
        ("overrides", "@acme/e@^1>f>@acme/g", "@acme/g", "npm:h@1.0.0", "exact"),
        ("overrides", "d", "d", "$d", "exact"),
    ]
    assert [o.place.pointer for o in _read(value).overrides][1:3] == [("overrides", "b", "."), ("overrides", "b", "c")]


@pytest.mark.parametrize(
    ("selector", "target"),
    [
        ("a", "a"),
        ("@acme/a", "@acme/a"),
        ("@acme/a@^1", "@acme/a"),
        ("**/a", "a"),
        ("**/@acme/a", "@acme/a"),
        ("b/@acme/a", "@acme/a"),
        ("b/**/a", "a"),
        ("@s/b/a", "a"),
        ("@s/b@1.0.0/@acme/a", "@acme/a"),
        ("@s/b@npm:1.0.0/@acme/a", "@acme/a"),
        ("a@npm:1.0.0", "a"),
        ("a@git@github.com:x/y", "a"),
        ("b>a", "a"),
        ("", ""),
        ("@", "@"),
        ("/", ""),
    ],
)
def test_resolutions_name_the_package_that_they_change(selector: str, target: str) -> None:
    [(field, found, changed, spec, kind)] = _overrides({"resolutions": {selector: "1.0.0"}})
    assert (field, found, changed, spec, kind) == ("resolutions", selector, target, "1.0.0", "exact")


@pytest.mark.parametrize(
    ("selector", "target"),
    [
        ("a", "a"),
        ("a@1", "a"),
        ("b>a", "a"),
        ("b@1>@acme/a@2", "@acme/a"),
        ("a@>1", "a"),
        ("b@>1>a@>=2", "a"),
        (">", ">"),
    ],
)
def test_pnpm_overrides_name_the_package_that_they_change(selector: str, target: str) -> None:
    assert _overrides({"pnpm": {"overrides": {selector: "1"}}}) == [("pnpm.overrides", selector, target, "1", "range")]


def test_extensions_and_peer_rules() -> None:
    extension = {"@acme/a@1": {"dependencies": {"b": "^1"}, "peerDependencies": {"c": "*"}, "peerDependenciesMeta": {}}}
    rules = {"ignoreMissing": ["@acme/*", 1], "allowedVersions": {"x>y": "2"}, "allowAny": ["z"]}
    expected = [
        ("packageExtensions", "@acme/a@1", "@acme/a", "", "unknown"),
        ("packageExtensions", "@acme/a@1>b", "b", "^1", "range"),
        ("packageExtensions", "@acme/a@1>c", "c", "*", "range"),
        ("peerDependencyRules.allowedVersions", "x>y", "y", "2", "range"),
        ("peerDependencyRules.ignoreMissing", "@acme/*", "@acme/*", "*", "range"),
        ("peerDependencyRules.allowAny", "z", "z", "*", "range"),
    ]
    value: dict[str, object] = {"packageExtensions": extension, "peerDependencyRules": rules}
    assert _overrides(value) == expected
    assert _overrides({"pnpm": value}) == [(f"pnpm.{field}", *rest) for field, *rest in expected]


def test_every_place_leads_to_what_it_says() -> None:
    """A place that leads nowhere would put a finding on the wrong line."""
    value = {
        "name": "x",
        "scripts": {"a": "b"},
        "workspaces": {"packages": ["p/*", "!q"]},
        "dependencies": {"a": "1.0.0", "b~1": "^1"},
        "overrides": {"a": {".": "1.2.3", "b": "2"}},
        "resolutions": {"**/a": "1.2.3"},
        "pnpm": {"overrides": {"a>b": "3"}, "packageExtensions": {"a": {"dependencies": {"c": "4"}}}},
        "peerDependencyRules": {"ignoreMissing": ["m"], "allowedVersions": {"n": "5"}},
    }
    data = json.dumps(value, indent=2).encode()
    manifest = read_package_json("package.json", data)

    def text(found: tuple[int, int] | None) -> str:
        assert found is not None
        return data[found[0] : found[1]].decode()

    assert [text(span(d.place, data)) for d in manifest.declarations] == [d.spec for d in manifest.declarations]
    assert [text(span(s.place, data)) for s in manifest.scripts] == ["b"]
    assert [text(span(g.place, data)) for g in manifest.workspaces] == ["p/*", "!q"]
    shown = [text(span(o.place, data)) for o in manifest.overrides]
    assert shown == ["1.2.3", "2", "1.2.3", "3", "5", "m", "a", "4"]


# -- templates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("@org/microservice-__name__", True),
        ("__name__", True),
        ("n8n-nodes-<...>", True),
        ("{{ name }}", True),
        ("${name}", True),
        ("$repo-utils", True),
        ("@<%= scope %>/x", True),
        ("[name]", True),
        ("%PACKAGE_NAME%", True),
        ("@acme/x", False),
        ("babel__core", False),
        ("foo__bar__baz", False),
        ("__tests", False),
        ("has spaces", False),
        ("UPPER", False),
    ],
)
def test_placeholders(name: str, template: bool) -> None:
    assert _read({"name": name}).template is template


# -- bytes of any kind -------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [None, 5, True, [], [1], "text", {"a": 1}, {"a": {"b": []}}])
def test_a_value_of_the_wrong_type_loses_nothing_else(wrong: object) -> None:
    manifest = _read({**dict.fromkeys(FIELDS, wrong), "dependencies": {"a": "1.0.0", "b": wrong}})
    assert ("a", "1.0.0") in [(d.local, d.version) for d in manifest.declarations]
    assert manifest.name == (wrong if isinstance(wrong, str) else None)


@pytest.mark.parametrize(
    ("private", "expected"),
    [(True, True), ("true", True), (1, True), ({}, True), (False, False), ("", False), (0, False)],
)
def test_private_is_what_javascript_calls_true(private: object, expected: bool) -> None:
    assert _read({"private": private}).private is expected


def test_the_last_of_equal_keys_wins() -> None:
    manifest = read_package_json(
        "package.json", b'{"name": "a", "name": "b", "dependencies": {"x": "1.0.0", "x": "^2"}}'
    )
    assert manifest.name == "b"
    assert [d.spec for d in manifest.declarations] == ["^2"]


def test_bom_and_crlf_are_fine() -> None:
    assert read_package_json("package.json", b'\xef\xbb\xbf{\r\n  "name": "a"\r\n}\r\n').name == "a"


@pytest.mark.parametrize(
    ("data", "reason", "line"),
    [
        (b"", "malformed", 1),
        (b"{", "malformed", 1),
        (b'{\n"a": 1,\n}', "malformed", 3),
        (b'{"a": NaN}', "malformed", None),
        (b'{"a": Infinity}', "malformed", None),
        (b"// x\n{}", "malformed", 1),
        (b"[]", "malformed", None),
        (b"5", "malformed", None),
        (b'{\n"a": "\xff"}', "not-utf8", 2),
        (b'{"a": "x\ny"}', "malformed", 1),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "malformed", 1),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "too-deep", None),
        (b'{"a":' + b"[" * 100_000, "too-deep", None),
        (b" " * (10 * 1024 * 1024 + 1), "too-large", None),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_refused(data: bytes, reason: str, line: int | None) -> None:
    error = _refused(data)
    assert (error.reason, error.line) == (reason, line)


def test_long_numbers_are_no_error() -> None:
    assert read_package_json("package.json", b'{"name": "a", "x": ' + b"9" * 6000 + b"}").name == "a"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_facts_or_a_read_error(data: bytes) -> None:
    for read in (read_package_json, read_pnpm_workspace, read_yarnrc):
        reason = ""
        try:
            read("x/y", data)
        except ReadError as error:
            reason = error.reason
        assert not reason or reason in REASONS


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
def test_any_object_is_facts(value: dict[str, object]) -> None:
    data = json.dumps(value).encode()
    manifest = read_package_json("package.json", data)
    places = [fact.place for fact in manifest.declarations]
    places += [fact.place for fact in manifest.overrides]
    places += [fact.place for fact in manifest.scripts]
    places += [fact.place for fact in manifest.workspaces]
    assert None not in [span(place, data) for place in places]


def test_what_is_json_is_what_javascript_says() -> None:
    texts = [
        '{"a": 1}',
        '{"a": 01}',
        "{'a': 1}",
        '{"a": +1}',
        '{"a": .5}',
        '{"a": 1.}',
        '{"a": "\\x"}',
        '{"a": "\\u12"}',
        '{"a": "\\ud800"}',
        '{"a": "\t"}',
        '{"a": "\x7f"}',
        '{"a": 1}x',
        '{"a": 1}\x0b',
        '\u00a0{"a": 1}',
        '{"a": -Infinity}',
        '{"a": tru}',
        '{"a":1e999}',
        "{}{}",
        '{"a" "b"}',
        '{"a": 1,,"b": 2}',
    ]
    script = (
        "const ok = t => { try { JSON.parse(t); return true } catch { return false } };"
        "console.log(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8')).map(ok)))"
    )
    done = subprocess.run(
        ["node", "-e", script], cwd=ORACLE, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    answers = json.loads(done.stdout)
    assert True in answers
    assert False in answers

    def read(text: str) -> bool:
        try:
            read_package_json("package.json", text.encode())
        except ReadError:
            return False
        return True

    assert [read(text) for text in texts] == answers


# -- YAML --------------------------------------------------------------------------------------


def test_pnpm_workspace() -> None:
    data = b"""\xef\xbb\xbfpackages:\r
  - 'apps/*'\r
  - '!apps/old'\r
  - '!(x)/*'\r
catalog:\r
  a: ^1.0.0\r
catalogs:\r
  next:\r
    b: 2.0.0\r
overrides:\r
  'p>a': 'catalog:'\r
  c: 3.0.0\r
patchedDependencies:\r
  d@1.0.0: patches/d.patch\r
packageExtensions:\r
  e: {dependencies: {f: '1'}}\r
"""
    found = read_pnpm_workspace("w/pnpm-workspace.yaml", data)
    assert found.directory == "w"
    assert [(g.pattern, g.negated) for g in found.workspaces] == [
        ("apps/*", False),
        ("apps/old", True),
        ("!(x)/*", False),
    ]
    assert found.catalogs == {"default": {"a": "^1.0.0"}, "next": {"b": "2.0.0"}}
    assert found.catalog_fields == {"default": "catalog", "next": "catalogs"}
    assert [(o.target, o.spec, o.kind) for o in found.overrides] == [
        ("a", "catalog:", Kind.RANGE),
        ("c", "3.0.0", Kind.EXACT),
        ("e", "", Kind.UNKNOWN),
        ("f", "1", Kind.RANGE),
    ]
    assert found.patched == (("d@1.0.0", "patches/d.patch"),)
    assert None not in [span(o.place, data) for o in found.overrides]


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"packages:\n", b"---\n"])
def test_an_empty_workspace_file_is_an_empty_workspace(data: bytes) -> None:
    assert read_pnpm_workspace("pnpm-workspace.yaml", data).workspaces == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"- a\n", "malformed"),
        (b"a: [", "malformed"),
        (b"a: 1\na: 2\n", "malformed"),
        (b"a: '\xff'\n", "not-utf8"),
        (b"[" * 5000, "too-deep"),
        (b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%b]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(8)
        ), "too-large"),
        (b" " * (10 * 1024 * 1024 + 1), "too-large"),
    ],
    ids=lambda value: str(value)[:10],
)  # fmt: skip
def test_which_yaml_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_pnpm_workspace("pnpm-workspace.yaml", data)
    assert caught.value.reason == reason


def test_yarnrc() -> None:
    found = read_yarnrc(
        ".yarnrc.yml",
        b"nodeLinker: node-modules\ncatalog: {a: ^1}\npackageExtensions:\n  '@acme/x@*':\n    dependencies: {y: '1'}\n",
    )
    assert found.catalogs == {"default": {"a": "^1"}}
    assert found.workspaces == ()
    assert [o.target for o in found.overrides] == ["@acme/x", "y"]
