"""Package roots, ghosts and catalogs, held to npm's and pnpm's own reading of workspace patterns."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.facts.manifest import Declaration, Kind, Manifest, PnpmWorkspace, WorkspaceGlob
from bot.link.globs import Globs, expand_braces
from bot.link.members import Linked, Manager, _Rules, link_members
from bot.model import Place
from bot.readers.npm.package_json import read_package_json
from bot.readers.npm.pnpm_workspace import read_pnpm_workspace
from bot.readers.npm.yarnrc import read_yarnrc
from tests import plain_globs

ORACLE = Path(__file__).parent / "oracle"

SCRIPT = """
const path = require('path')
const map = require('@npmcli/map-workspaces')
const { findPackages } = require('@pnpm/fs.find-packages')
const [root, lists] = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const relative = found => [...new Set(found.map(d => path.relative(root, d)))].filter(Boolean).sort()
const npm = async workspaces => relative([...(await map({ cwd: root, pkg: { workspaces } })).values()])
// The patterns that pnpm itself leaves out, as its workspace reader passes them.
const ignore = ['**/node_modules/**', '**/bower_components/**']
const pnpm = async patterns =>
  relative((await findPackages(root, { ignore, includeRoot: true, patterns })).map(p => p.rootDir))
;(async () => {
  const answers = []
  for (const list of lists) answers.push([await npm(list), await pnpm(list)])
  process.stdout.write(JSON.stringify(answers))
})()
"""

DIRECTORIES = """
packages/a packages/b packages/ab packages/b/sub packages/group/x packages/group/y packages/.hid apps/web
apps/web/node_modules/dep apps/api-1 apps/api-2 libs/x/y/z libs/x tools node_modules/foo examples/ex1/pkg examples/ex1
single packages/b/test/fix .config/pkg packages/[id]
"""
ATOMS = """
packages apps libs tools single examples * ** a b ab x sub group api-* api-? {a,b} {packages,apps} !(a) @(a|b) +(a|b)
?(a)b *(a|b) [ab] [!a] a* *b api-{1..2} test node_modules .* p* packages* ex1 y
"""


# -- small repositories ------------------------------------------------------------------------


def _link(files: dict[str, object], *more: str) -> Linked:
    """A repository of these files: JSON for objects, text for strings; ``more`` are tracked files that nobody reads."""
    manifests: list[Manifest] = []
    workspaces: list[PnpmWorkspace] = []
    for path, content in files.items():
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        name = path.rpartition("/")[2]
        if name == "package.json":
            manifests.append(read_package_json(path, data))
        elif name == "pnpm-workspace.yaml":
            workspaces.append(read_pnpm_workspace(path, data))
        elif name == ".yarnrc.yml":
            workspaces.append(read_yarnrc(path, data))
    return link_members(manifests, workspaces, {*files, *more})


def _directories(linked: Linked) -> list[str]:
    assert linked.roots[0].directory == ""
    return [root.directory for root in linked.roots[1:]]


def _tree(root: dict[str, object], *directories: str) -> dict[str, object]:
    files: dict[str, object] = {"package.json": root}
    return files | {f"{directory}/package.json": {"name": directory.replace("/", "-")} for directory in directories}


# -- against npm and pnpm ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    (root / "package.json").write_text('{"name": "root", "private": true}')
    for index, directory in enumerate(DIRECTORIES.split()):
        (root / directory).mkdir(parents=True, exist_ok=True)
        (root / directory / "package.json").write_text(json.dumps({"name": f"p{index}", "version": "1.0.0"}))
    return root


def _lists(count: int) -> list[list[str]]:
    draw = random.Random(20240607)

    def pattern() -> str:
        row = draw.choices(ATOMS.split(), k=draw.choice([1, 2, 2, 2, 3, 3, 4]))
        text = "/".join(["packages", row[-1]] if draw.random() < 0.3 else row)
        return draw.choice(["", "", "", "./"]) + text + draw.choice(["", "", "/"])

    return [
        [("!" if index and draw.random() < 0.35 else "") + pattern() for index in range(draw.randint(1, 4))]
        for _ in range(count)
    ]


def test_members_are_those_that_npm_and_pnpm_find(tree: Path) -> None:
    known = [
        ["packages/*"],
        ["packages/**", "!packages/b/**", "packages/b/sub"],
        ["!packages/a", "packages/*"],
        ["**"],
        ["./packages/*/"],
        ["!!packages/a"],
        ["packages/*", "!**/test/**"],
    ]
    lists = [*known, *_lists(300)]
    done = subprocess.run(
        ["node", "-e", SCRIPT],
        cwd=ORACLE,
        input=json.dumps([str(tree), lists]),
        capture_output=True,
        text=True,
        check=True,
    )
    files = _tree({"name": "r"}, *DIRECTORIES.split())
    wrong, found = [], 0
    for patterns, (npm, pnpm) in zip(lists, json.loads(done.stdout), strict=True):
        ours = _directories(_link(files | {"package.json": {"workspaces": patterns}}, "package-lock.json"))
        found += len(npm)
        if ours != npm:
            wrong.append(f"npm {patterns}: {sorted(set(npm) ^ set(ours))}")
        # picomatch reads "!(a)" before a slash as "does not begin with a", and a second "!" as itself.
        if not any("!(" in pattern or "!!" in pattern for pattern in patterns):
            workspace = json.dumps({"packages": patterns})
            ours = _directories(_link(files | {"pnpm-workspace.yaml": workspace}, "pnpm-lock.yaml"))
            found += len(pnpm)
            if ours != pnpm:
                wrong.append(f"pnpm {patterns}: {sorted(set(pnpm) ^ set(ours))}")
    assert wrong == []
    assert found > 500


# What yarn 1.22, yarn 4 (`yarn workspaces list`) and bun 1.3 (its lock) said of one tree, read off by hand once.
MANAGERS = {
    "yarn-v1": ({"yarn.lock": "# yarn lockfile v1"}, {}),
    "yarn-berry": ({"yarn.lock": "__metadata:\n  version: 8"}, {"packageManager": "yarn@4.9.0"}),
    "bun": ({"bun.lock": "{}"}, {}),
}


@pytest.mark.parametrize(
    ("patterns", "yarn_v1", "yarn_berry", "bun"),
    [
        (["packages/*"], "a b c", "a b c c/inner/i", "a b c"),
        (["packages/**"], "a b b/sub c c/inner/i", "a b b/sub c c/inner/i", "a b b/sub c c/inner/i"),
        (["packages/*", "!packages/b"], "a b c", "a c c/inner/i", "a c"),
        (["!packages/b", "packages/*"], "a b c", "a c c/inner/i", "a c"),
        (["packages/*", "!packages/b", "packages/b"], "a b c", "a c c/inner/i", "a b c"),
        (["packages/**", "!packages/c"], "a b b/sub c c/inner/i", "a b b/sub", "a b b/sub c/inner/i"),
        (["packages/**", "!packages/c/**"], "a b b/sub c c/inner/i", "a b b/sub", "a b b/sub"),
        (["packages"], "", "", ""),
        (["/packages/*"], "", "", ""),
        (["packages/{a,b}"], "a b", "a b", "a b"),
    ],
)
def test_yarn_and_bun_read_patterns_in_their_own_ways(
    patterns: list[str], yarn_v1: str, yarn_berry: str, bun: str
) -> None:
    for manager, expected in (("yarn-v1", yarn_v1), ("yarn-berry", yarn_berry), ("bun", bun)):
        lock, extra = MANAGERS[manager]
        files = _tree(
            {"workspaces": patterns, **extra},
            *(f"packages/{name}" for name in ("a", "b", "b/sub", "c", "c/inner/i", ".hid", "c/node_modules/nm")),
        )
        files["packages/c/package.json"] = {"name": "c", "workspaces": ["inner/*"]}
        found = _directories(_link(files | lock))
        assert found == [f"packages/{name}" for name in expected.split()], manager


# -- roots -------------------------------------------------------------------------------------


def test_a_repository_without_workspaces_is_one_root() -> None:
    linked = _link(_tree({"name": "x"}, "examples/a"), "examples/a/package-lock.json")
    assert [(r.directory, r.workspace) for r in linked.roots] == [("", None)]
    assert _link({}).roots[0].manifest is None


def test_members_belong_to_their_workspace_root() -> None:
    linked = _link(_tree({"workspaces": ["packages/*"]}, "packages/a", "packages/a/fixture"))
    assert [(r.directory, r.workspace, r.label) for r in linked.roots[1:]] == [("packages/a", "", "packages-a")]
    assert linked.roots[0].workspace == ""


def test_a_nested_workspace_needs_a_lock_of_its_own() -> None:
    files = _tree({"workspaces": ["apps/*"]}, "apps/x", "tools/p/y")
    files["tools/package.json"] = {"workspaces": ["p/*"]}
    assert _directories(_link(files)) == ["apps/x"]
    linked = _link(files, "tools/package-lock.json")
    assert [(r.directory, r.workspace) for r in linked.roots] == [
        ("", ""),
        ("apps/x", ""),
        ("tools", "tools"),
        ("tools/p/y", "tools"),
    ]


def test_the_nearest_workspace_root_has_a_member() -> None:
    files = _tree({"name": "r"}, "a/b/c", "a/d")
    files["pnpm-workspace.yaml"] = "packages: ['**']"
    files["a/b/package.json"] = {"name": "b"}
    files["a/b/pnpm-workspace.yaml"] = "packages: ['*']"
    linked = _link(files, "pnpm-lock.yaml", "a/b/pnpm-lock.yaml")
    assert {r.directory: r.workspace for r in linked.roots} == {"": "", "a/b": "a/b", "a/b/c": "a/b", "a/d": ""}


def test_a_workspace_inside_node_modules_is_none() -> None:
    files = _tree({"workspaces": ["**"]}, "a", "node_modules/m", "a/node_modules/n")
    files["node_modules/m/package.json"] = {"workspaces": ["*"]}
    assert _directories(_link(files, "node_modules/m/package-lock.json")) == ["a"]


@pytest.mark.parametrize(
    ("root", "lock", "expected"),
    [
        ({}, "pnpm-lock.yaml", ["p/a"]),
        ({}, "package-lock.json", ["w/a"]),
        ({}, "yarn.lock", ["w/a"]),
        ({"packageManager": "npm@10.0.0"}, "README.md", ["w/a"]),
        ({"packageManager": "pnpm@10.0.0"}, "README.md", ["p/a"]),
        ({}, "README.md", ["p/a"]),
    ],
)
def test_of_two_declarations_the_package_managers_own_counts(
    root: dict[str, object], lock: str, expected: list[str]
) -> None:
    files = _tree({"workspaces": ["w/*"], **root}, "w/a", "p/a")
    files["pnpm-workspace.yaml"] = "packages: ['p/*']"
    assert _directories(_link(files, lock)) == expected


def test_a_pnpm_workspace_with_settings_alone_has_no_members() -> None:
    files = _tree({"name": "r"}, "packages/a")
    files["pnpm-workspace.yaml"] = "onlyBuiltDependencies: []"
    assert _directories(_link(files, "pnpm-lock.yaml")) == []


def test_a_member_whose_manifest_cannot_be_read_is_a_root() -> None:
    linked = _link({"package.json": {"workspaces": ["apps/*"]}}, "apps/x/package.json", "apps/x/index.js")
    assert [(r.directory, r.manifest) for r in linked.roots[1:]] == [("apps/x", None)]
    assert linked.ghosts == ()


# -- ghosts ------------------------------------------------------------------------------------


def _ghosts(patterns: list[str], *paths: str) -> list[str]:
    files: dict[str, object] = {"package.json": {"workspaces": patterns}}
    files |= {path: {"name": path} for path in paths if path.endswith("package.json")}
    return [directory for directory, _ in _link(files, "package-lock.json", *paths).ghosts]


def test_a_ghost_has_files_and_no_manifest() -> None:
    linked = _link({"package.json": {"workspaces": ["libs/*", "apps/*"]}}, "apps/foo/README.md", "apps/README.md")
    [(directory, glob)] = linked.ghosts
    assert (directory, glob.pattern) == ("apps/foo", "apps/*")
    assert glob.place.pointer == ("workspaces", 1)


@pytest.mark.parametrize(
    ("patterns", "paths", "expected"),
    [
        (["apps/*"], ["apps/a/package.json"], []),
        (["apps/*"], ["apps/README.md"], []),
        (["apps/*"], ["apps/a/src/x.js"], ["apps/a"]),
        (["apps/*"], ["apps/.cache/x"], []),
        (["apps/*"], ["apps/node_modules/x/index.js"], []),
        (["apps/*", "!apps/a"], ["apps/a/x.js"], []),
        (["apps/web"], ["apps/web/x.js"], ["apps/web"]),
        (["apps/web"], ["apps/other/x.js"], []),
        (["apps/**"], ["apps/a/x.js"], []),
        (["apps/**/*"], ["apps/a/src/x.js", "apps/a/package.json"], []),
        (["p/*", "p/group/*"], ["p/group/x/package.json"], []),
        (["p/*"], ["p/group/x/package.json"], ["p/group"]),
        (["p/*"], ["p/a/README.md", "p/b/README.md", "p/c/package.json"], ["p/a", "p/b"]),
    ],
)
def test_what_is_a_ghost_and_what_is_none(patterns: list[str], paths: list[str], expected: list[str]) -> None:
    assert _ghosts(patterns, *paths) == expected


def test_pnpm_takes_other_manifests() -> None:
    files: dict[str, object] = {"pnpm-workspace.yaml": "packages: ['apps/*']"}
    linked = _link(files, "apps/a/package.yaml", "apps/b/package.json5", "apps/c/x.js")
    assert [directory for directory, _ in linked.ghosts] == ["apps/c"]


# -- catalogs ----------------------------------------------------------------------------------


def _declaration(linked: Linked, local: str) -> Declaration:
    [found] = [d for m in linked.manifests for d in m.declarations if d.local == local]
    return found


CATALOG = {"dependencies": {"@acme/x": "catalog:", "y": "catalog:next", "z": "catalog:none", "w": "catalog:"}}


def test_pnpm_catalogs_are_resolved() -> None:
    linked = _link(
        {
            "package.json": {"name": "r"},
            "pnpm-workspace.yaml": "packages: ['p/*']\ncatalog:\n  '@acme/x': 1.2.3\n  w: npm:@acme/w@^1\n"
            "catalogs:\n  next:\n    y: ^2\n",
            "p/a/package.json": CATALOG,
        }
    )
    x, y, z, w = (_declaration(linked, local) for local in ("@acme/x", "y", "z", "w"))
    assert (x.kind, x.version, x.effective, x.spec) == (Kind.EXACT, "1.2.3", "1.2.3", "catalog:")
    assert x.catalog_place is not None
    assert (x.catalog_place.path, x.catalog_place.pointer) == ("pnpm-workspace.yaml", ("catalog", "@acme/x"))
    assert (y.kind, y.effective) == (Kind.RANGE, "^2")
    assert y.catalog_place is not None
    assert y.catalog_place.pointer == ("catalogs", "next", "y")
    assert (z.kind, z.catalog_place) == (Kind.CATALOG, None)
    assert (w.kind, w.name, w.local, w.alias) == (Kind.RANGE, "@acme/w", "w", True)


@pytest.mark.parametrize(
    ("root", "pointer"),
    [
        ({"workspaces": {"packages": ["p/*"], "catalog": {"@acme/x": "1.0.0"}}}, ("workspaces", "catalog", "@acme/x")),
        ({"workspaces": ["p/*"], "catalog": {"@acme/x": "1.0.0"}}, ("catalog", "@acme/x")),
        ({"workspaces": ["p/*"], "catalogs": {"default": {"@acme/x": "1.0.0"}}}, ("catalogs", "default", "@acme/x")),
    ],
)
def test_bun_catalogs_are_resolved(root: dict[str, object], pointer: tuple[str, ...]) -> None:
    linked = _link({"package.json": root, "bun.lock": "{}", "p/a/package.json": CATALOG})
    found = _declaration(linked, "@acme/x")
    assert (found.kind, found.version) == (Kind.EXACT, "1.0.0")
    assert found.catalog_place is not None
    assert (found.catalog_place.path, found.catalog_place.pointer) == ("package.json", pointer)


def test_yarn_catalogs_are_resolved() -> None:
    linked = _link(
        {
            "package.json": {"workspaces": ["p/*"]},
            ".yarnrc.yml": "catalog:\n  '@acme/x': npm:1.2.3\ncatalogs:\n  next:\n    y: latest\n",
            "p/a/package.json": CATALOG,
        },
        "yarn.lock",
    )
    assert (_declaration(linked, "@acme/x").kind, _declaration(linked, "@acme/x").version) == (Kind.EXACT, "1.2.3")
    assert _declaration(linked, "y").kind is Kind.TAG


def test_a_catalog_that_names_a_catalog_stays_unresolved() -> None:
    linked = _link(
        {"pnpm-workspace.yaml": "catalog: {'@acme/x': 'catalog:next'}", "package.json": CATALOG}, "pnpm-lock.yaml"
    )
    assert _declaration(linked, "@acme/x").kind is Kind.CATALOG


def test_overrides_that_name_a_catalog_get_its_kind() -> None:
    files: dict[str, object] = {
        "package.json": {"pnpm": {"overrides": {"@acme/x": "catalog:"}}},
        "pnpm-workspace.yaml": "catalog: {'@acme/x': 1.0.0}\noverrides: {'@acme/x': 'catalog:'}",
    }
    [override] = _link(files).manifests[0].overrides
    assert (override.kind, override.spec) == (Kind.EXACT, "catalog:")


# -- globs -------------------------------------------------------------------------------------


def test_braces() -> None:
    assert list(expand_braces("{a,b}/{1..2}")) == ["a/1", "a/2", "b/1", "b/2"]
    assert list(expand_braces("{a}")) == ["{a}"]
    assert set(expand_braces("{a,b{c,d}}")) == {"a", "bc", "bd"}
    assert len(list(expand_braces("{a,b}" * 40))) == 512


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 500,
        "**/" * 500 + "b",
        "@(" * 500 + ")" * 500,
        "!(*" * 18 + "b" + ")" * 18,
        "*(*(*(*(a|b)|a)|b)|c)" * 30,
        "+(a|aa|aaa)" * 100 + "b",
        "@(" * 900,
        "{a,b}" * 200,
        "[" * 2000,
    ],
    ids=lambda pattern: pattern[:10],
)
def test_no_pattern_is_slow(pattern: str) -> None:
    started = time.process_time()
    for patterns in ([pattern], [pattern, f"a/{pattern}", f"{pattern}/b"]):
        globs = Globs(patterns)
        globs.match("a" * 200)
        globs.match("/".join("a" * 100))
    assert time.process_time() - started < 3


def _glob(pattern: str, negated: bool = False, directory: str = "") -> WorkspaceGlob:
    return WorkspaceGlob(pattern=pattern, negated=negated, directory=directory, place=Place("package.json"))


_NAMES = st.one_of(
    st.sampled_from([name for directory in DIRECTORIES.split() for name in directory.split("/")]),
    st.text(alphabet="ab.-\\[](|)!*", min_size=1, max_size=4),
)
_SEGMENTS = st.one_of(
    st.sampled_from([*ATOMS.split(), "..", ".", "", "**"]),
    st.lists(
        st.sampled_from(
            [*"ab.*?-", "[ab]", "[!a]", "{a,b}", "{1..3}", "@(a|b)", "!(a)", "+(a|b*)", "?(.)", "\\*", "(", "|"]
        ),
        min_size=1,
        max_size=5,
    ).map("".join),
)
_PATTERNS = st.lists(st.lists(_SEGMENTS, min_size=1, max_size=5).map("/".join), max_size=12)
_PATHS = st.lists(st.lists(_NAMES, max_size=5).map("/".join), min_size=1, max_size=12)


@settings(max_examples=400, deadline=None)
@given(patterns=_PATTERNS, paths=_PATHS)
def test_many_patterns_at_once_cover_what_each_covers_alone(patterns: list[str], paths: list[str]) -> None:
    globs = Globs(patterns)
    for path in paths:
        endings = globs.endings(path)
        assert list(endings) == sorted(endings)
        for index, pattern in enumerate(patterns):
            alone = plain_globs.Glob(pattern)
            own = [ending for ending in endings if ending.pattern == index]
            assert bool(own) is alone.match(path), (pattern, path)
            sized = [ending.wild for ending in own if ending.sized]
            assert (sized[0] if sized else None) is alone.last_is_wild(path), (pattern, path)
        assert globs.match(path) is bool(endings)


@settings(max_examples=400, deadline=None)
@given(
    patterns=st.lists(st.tuples(st.booleans(), st.lists(_SEGMENTS, min_size=1, max_size=4).map("/".join)), max_size=8),
    base=st.sampled_from(["", "apps", "a(b)/[c]"]),
    paths=_PATHS,
)
def test_package_managers_weigh_many_patterns_as_they_weigh_each(
    patterns: list[tuple[bool, str]], base: str, paths: list[str]
) -> None:
    globs = [_glob(text, negated, base) for negated, text in patterns]
    managers: tuple[Manager, ...] = ("npm", "pnpm", "yarn-v1", "yarn-berry", "bun")
    for manager in managers:
        ours, plain = _Rules(manager, globs), plain_globs.Rules(manager, globs)
        for path in (f"{base}/{path}".strip("/") for path in paths):
            assert ours.cover(path) is plain.cover(path), (manager, path)
            assert ours.naming(path) is plain.naming(path), (manager, path)


@pytest.mark.parametrize(
    "pattern",
    ["p/a{}/*", "p/x{}", "p/x{}*", "p/*x{}", "**/x{}", "p/@(x|y){}", "!p/x{}", "p/*x{}*"],
)
def test_many_patterns_over_many_directories_are_not_slow(pattern: str) -> None:
    directories = [*(f"p/a{number % 1000}/m{number}" for number in range(5000)), *(f"p/x{n}" for n in range(5000))]
    text, negated = pattern.removeprefix("!"), pattern.startswith("!")
    globs = [_glob("p/**"), *(_glob(text.format(number), negated) for number in range(500))]
    # One pattern after the other took half a minute and more.
    started = time.process_time()
    managers: tuple[Manager, ...] = ("npm", "yarn-berry")
    for manager in managers:
        rules = _Rules(manager, globs)
        for directory in directories:
            rules.cover(directory)
            rules.naming(directory)
    assert time.process_time() - started < 10
