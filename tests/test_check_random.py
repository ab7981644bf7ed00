"""Random small repositories through the whole check, in memory: no crash, sane places, every format, every time the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.commands.schema import schema_of
from bot.engine import Renderer, judge_all, located
from bot.errors import ReadError
from bot.factcache import FactCache
from bot.fix import plan
from bot.load import load
from bot.model import Report, Summary
from bot.names import RepoName
from bot.policy_file import load_policy
from bot.readers.javascript.imports import parse_imports
from bot.rule import (
    Absent,
    AskChanged,
    AskCommitted,
    AskPackage,
    AskParsed,
    AskPublished,
    AskVersion,
    AskWorkflows,
    Changed,
    Committed,
    Key,
    PackageFacts,
    ParsedFile,
    Published,
    Released,
    Unknown,
)
from bot.rules import ALL
from bot.sources.folder import Memory
from tests.world import rendered

VALIDATOR = jsonschema_rs.validator_for(schema_of("report"))

POLICY = b"""
[open]
packages = ["@acme/*", "solo"]
repositories = ["acme/*"]
members = ["open/*"]
published = ["open/*"]
[private]
packages = ["@acme/secret-*"]
members = ["packages/*"]
names = ["moonshot"]
[naming]
npm = ["@acme/{x}"]
github = ["acme/{x}"]
bin = ["{x}"]
[[waiver]]
rule = "floating-pin"
path = "packages/a/**"
reason = "r"
owner = "o"
expires = 2999-01-01
[[waiver]]
rule = "deep-import"
"""

NAMES = st.sampled_from(
    [
        "@acme/core",
        "@acme/ui",
        "@acme/secret-x",
        "solo",
        "left-pad",
        "@other/x",
        "moonshot",
        "@acme/",
        "{x}",
        "",
        "é",
        "\ud800",
    ]
)
VERSIONS = st.sampled_from(["1.2.3", "1.2.4-rc.1", "2.0.0", "9.9.9", "", "x", "1.2.3+b", "01.2.3", "v1.2.3", "{0}"])
SPECS = st.one_of(
    VERSIONS,
    st.sampled_from(
        [
            "^1.2.0", "~1", "*", "latest", ">=1 <2", "workspace:*", "workspace:^1.0.0", "workspace:../a", "catalog:", "catalog:old",
            "file:../core", "link:../..", "../x.tgz", "npm:@acme/core@1.2.3", "npm:@acme/core@^1", "npm:", "github:acme/core#main",
            "git+ssh://git@host.example.test/acme/core.git", "https://x.example.test/c.tgz", "odd:thing", "patch:@acme/core@1.2.3#p",
        ]
    ),
)  # fmt: skip
DIRECTORIES = st.sampled_from(["", "packages/a", "packages/b", "open/core", "open/ui", "tools", "packages/a/sub"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def or_junk(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what belongs there, now and then something else."""
    return st.integers(0, 11).flatmap(lambda n: JUNK if n == 0 else strategy)


TABLE = or_junk(st.dictionaries(NAMES, or_junk(SPECS), max_size=3))
MANIFEST = st.fixed_dictionaries(
    {},
    optional={
        "name": or_junk(NAMES),
        "version": or_junk(VERSIONS),
        "private": or_junk(st.booleans()),
        "dependencies": TABLE,
        "devDependencies": TABLE,
        "peerDependencies": TABLE,
        "optionalDependencies": TABLE,
        "overrides": TABLE,
        "resolutions": TABLE,
        "pnpm": or_junk(st.fixed_dictionaries({"overrides": TABLE})),
        "workspaces": or_junk(
            st.lists(st.sampled_from(["packages/*", "open/*", "!open/ui", "**", "../*", "{packages,open}/*", "["]), max_size=3)
        ),
        "exports": or_junk(st.sampled_from(["./index.js", {".": "./index.js"}, {"./*": "./src/*.js"}, {".": {"types": None}}, []])),
        "bin": or_junk(st.sampled_from(["x.js", {"core": "x.js"}, {"{x}": ""}])),
        "repository": or_junk(st.sampled_from(["acme/core", {"url": "git+https://github.com/acme/ui.git", "directory": "open/ui"}])),
        "publishConfig": or_junk(st.sampled_from([{"access": "public"}, {"access": "restricted"}])),
        "scripts": or_junk(st.sampled_from([{"build": "moonshot --now"}, {"a": "npx @acme/core"}])),
    },
)  # fmt: skip
ENTRY = or_junk(
    st.fixed_dictionaries(
        {"version": or_junk(VERSIONS)},
        optional={
            "name": NAMES,
            "resolved": st.sampled_from(
                ["https://x.example.test/c.tgz", "packages/a", "file:../x", "git+ssh://x/y#z", ""]
            ),
            "integrity": st.sampled_from(["sha512-AAAA", "sha1-x", "odd", "sha512-" + "A" * 86 + "=="]),
            "link": st.booleans(),
            "dependencies": TABLE,
        },
    )
)
NPM_LOCK = st.fixed_dictionaries(
    {"lockfileVersion": or_junk(st.sampled_from([1, 2, 3]))},
    optional={
        "packages": or_junk(
            st.dictionaries(
                st.one_of(DIRECTORIES, st.builds("node_modules/{}".format, NAMES), st.builds("packages/a/node_modules/{}".format, NAMES)),
                ENTRY,
                max_size=5,
            )
        ),
        "dependencies": or_junk(st.dictionaries(NAMES, ENTRY, max_size=3)),
    },
)  # fmt: skip
PNPM_LOCK = st.builds(
    lambda version, importers, packages: json.dumps(
        {"lockfileVersion": version, "importers": importers, "packages": packages, "snapshots": packages}
    ),
    st.sampled_from(["5.4", "6.0", "9.0", 9, "77"]),
    st.dictionaries(
        DIRECTORIES.map(lambda d: d or "."),
        or_junk(
            st.fixed_dictionaries(
                {
                    "dependencies": st.dictionaries(
                        NAMES, st.fixed_dictionaries({"specifier": SPECS, "version": SPECS}), max_size=3
                    )
                }
            )
        ),
        max_size=3,
    ),
    st.dictionaries(
        st.builds("{}{}@{}".format, st.sampled_from(["", "/"]), NAMES, VERSIONS),
        or_junk(st.fixed_dictionaries({"resolution": or_junk(st.just({"integrity": "sha512-AAAA"}))})),
        max_size=4,
    ),
)
YARN_LOCK = st.lists(
    st.builds(
        '"{0}@{1}":\n  version "{2}"\n  resolved "https://x.example.test/c.tgz#abc"\n'.format, NAMES, SPECS, VERSIONS
    ),
    max_size=4,
).map(lambda entries: "# yarn lockfile v1\n\n" + "\n".join(entries))
SPECIFIER = st.one_of(
    st.builds(
        "{}{}".format,
        NAMES,
        st.sampled_from(["", "/parse", "/src/parser.js", "/src/x.js?raw", "/../x", "/", "/package.json"]),
    ),
    st.sampled_from(
        [
            "../x.js",
            "../../out.js",
            "../../../../../etc/passwd",
            "/abs/olute.js",
            "./a.js",
            "../../packages/b/x.js",
            "../open/core/y.js",
        ]
    ),
)
QUOTED = SPECIFIER.map(lambda text: json.dumps(text, ensure_ascii=True))
STATEMENT = st.one_of(
    *(
        st.builds(form.replace("{", "{{").replace("}", "}}").replace("@@", "{}").format, QUOTED)
        for form in (
            "import @@;", "import a, { b as c } from @@", "import type { T } from @@;", "export * from @@", "const x = require(@@)",
            "await import(/* @acme/core */ @@)", "// import @@", "jest.mock(@@, () => 1)", "type A = import(@@).B", "`@@`", "const s = @@",
            "/// <reference path=@@ />", "import.meta.resolve(@@)", "new URL(@@, import.meta.url)", "import(`@@`)", "export { a } from @@ {",
        )
    ),
    st.text(max_size=20),
)  # fmt: skip
SOURCE = st.builds(
    lambda lines, end, vue: (
        ("<script setup>" + end if vue else "") + end.join(lines) + (end + "</script>" if vue else "")
    ),
    st.lists(STATEMENT, max_size=5),
    st.sampled_from(["\n", "\r\n", "\r", "\u2028", " "]),
    st.booleans(),
)
TEXT = {
    "package.json": MANIFEST.map(json.dumps),
    "package-lock.json": NPM_LOCK.map(json.dumps),
    "npm-shrinkwrap.json": NPM_LOCK.map(json.dumps),
    "pnpm-lock.yaml": PNPM_LOCK,
    "yarn.lock": YARN_LOCK,
    "bun.lock": NPM_LOCK.map(json.dumps),
    "pnpm-workspace.yaml": st.builds(
        lambda packages, catalog: json.dumps({"packages": packages, "catalog": catalog}),
        st.lists(st.sampled_from(["packages/*", "open/*", "!open/*", "."]), max_size=3),
        TABLE,
    ),
    ".yarnrc.yml": TABLE.map(lambda catalog: json.dumps({"catalog": catalog})),
    "a.ts": SOURCE,
    "b.vue": SOURCE,
    "deep/er/c.jsx": SOURCE,
    "acme-core-1.2.3.tgz": st.just("x"),
}


def encoded(text: str, damage: int, at: int) -> bytes:
    data = text.encode("utf-8", errors="surrogatepass")
    if damage == 0:
        return b"\xef\xbb\xbf" + data
    if damage == 1:
        return data.replace(b"\n", b"\r\n")
    if damage == 2 and data:
        at %= len(data)
        return data[:at] + b"\xff" + data[at + 1 :]
    return data


FILE = (
    st.tuples(DIRECTORIES, st.sampled_from(sorted(TEXT)))
    .flatmap(lambda where: st.tuples(st.just("/".join(p for p in where if p)), TEXT[where[1]], st.integers(0, 12), st.integers(0, 999)))
    .map(lambda item: (item[0], encoded(*item[1:])))
)  # fmt: skip
ROOT = MANIFEST.map(lambda value: ("package.json", json.dumps(value, indent=1).encode()))
REPOSITORY = st.builds(lambda root, files: dict([root, *files]), ROOT, st.lists(FILE, max_size=9))
IDENTITY = st.sampled_from([None, "acme/core", "acme/platform-x", "somebody/else"])
WEATHER = st.integers(0, 3)


def answers(files: Mapping[str, bytes], weather: int) -> Any:
    """What the outside says: a package with one version, one without, and nothing at all in bad weather."""

    def answer(key: Key) -> object:
        if isinstance(key, AskParsed):
            try:
                found = parse_imports(key.path, files[key.path])
            except ReadError as error:
                return Unknown(reason=error.reason, detail=error.detail)
            return ParsedFile(path=key.path, imports=found.imports, broken=found.broken)
        if isinstance(key, AskCommitted):
            return Committed(declarations=None if weather else ())
        if isinstance(key, AskChanged | AskWorkflows):
            return Changed()
        if weather == 3:
            return Unknown(reason="registry-unreachable", detail="{bad} weather")
        if isinstance(key, AskPackage):
            if key.package.name == "@acme/ui":
                return Absent(what="package")
            return PackageFacts(package=key.package, versions=("1.2.3",), tags={"latest": "1.2.3"})
        if isinstance(key, AskVersion | AskPublished) and key.version != "1.2.3":
            return Absent(what="version")
        if isinstance(key, AskVersion):
            return Released(package=key.package, version="1.2.3", integrity="sha512-" + "A" * 86 + "==", shasum=None)
        assert isinstance(key, AskPublished)
        exports = [{".": "./index.js", "./parse": "./src/parser.js"}, "./index.js", None][weather]
        manifest: dict[str, object] = {"name": key.package.name, "version": "1.2.3"} | (
            {"exports": exports} if exports else {}
        )
        return Published(
            package=key.package, version="1.2.3", manifest=manifest, files=frozenset({"index.js", "src/parser.js"})
        )

    def fetch(keys: Sequence[Key]) -> Mapping[Key, object]:
        return {key: answer(key) for key in keys}

    return fetch


def judge(files: Mapping[str, bytes], identity: str | None, weather: int, *, public: bool) -> Report:
    name = RepoName.parse(identity) if identity else None
    policy = load_policy(
        repository_file=("ringfence.toml", POLICY),
        organisation_file=None,
        overlay_file=None,
        rule_ids={rule.id: rule.severity for rule in ALL},
        identity=name,
    )
    source = Memory({**files, "ringfence.toml": POLICY}, identity=name, folder="shop")
    loaded = load(source, policy, FactCache(None))
    judged = judge_all(ALL, loaded.repo, policy, answers(files, weather), loaded.not_checked)
    assert not judged.crashed, judged.not_checked
    renderer = Renderer(lambda path: POLICY if path == "ringfence.toml" else files.get(path), public=public)
    findings = tuple(located(judged, renderer))
    assert not renderer.crashes, renderer.crashes
    return Report(
        version="0",
        repository=identity or "shop",
        revision="",
        mode="enforce",
        verdict="fail",
        findings=findings,
        not_checked=tuple(judged.not_checked),
        not_run=tuple(judged.not_run),
        counts=tuple(judged.counts),
        summary=Summary(files=loaded.repo.files),
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(files=REPOSITORY, identity=IDENTITY, weather=WEATHER, public=st.booleans())
def test_random_repositories(files: dict[str, bytes], identity: str | None, weather: int, public: bool) -> None:
    report = judge(files, identity, weather, public=public)
    texts = rendered(report)
    VALIDATOR.validate(json.loads(texts["json"]))
    json.loads(texts["sarif"])
    places = [finding.location for finding in report.findings]
    for finding in report.findings:
        places += [related.location for related in finding.related]
        places += [link.location for link in finding.evidence if link.location is not None]
        assert finding.message
        assert len(finding.fingerprint) == 16
    for place in places:
        if place.path == "ringfence.toml":
            continue
        assert place.path in files, place
        if place.line == 0:
            assert (place.column, place.end_line, place.end_column) == (0, 0, 0)
            continue
        lines = files[place.path].decode("utf-8", errors="replace").split("\n")
        assert 1 <= place.line <= place.end_line <= len(lines), place
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1, place
        assert (place.line, place.column) <= (place.end_line, place.end_column), place
    for problem in report.not_checked:
        assert problem.reason
        assert problem.detail
        assert problem.path == "" or problem.path in files
    # The same again, whatever the order of the files.
    again = judge(dict(reversed(files.items())), identity, weather, public=public)
    assert rendered(again) == texts
    mended = plan(report.findings, files, unsafe=True)
    for change in mended.changes:
        assert change.before == files[change.path] != change.after
    if mended.changes:
        after = judge({**files, **{c.path: c.after for c in mended.changes}}, identity, weather, public=public)
        left = {finding.fingerprint for finding in after.findings if finding.rule == "floating-pin"}
        counted = [finding.fingerprint for finding in report.findings if finding.rule == "floating-pin"]
        assert all(mark not in left for mark in mended.mended if counted.count(mark) == 1)
