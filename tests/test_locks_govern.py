"""Which lock governs which manifest, and what a lock answers where formats differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.facts.lock import Lock, LockEntry, Source
from bot.link.locks import dependency, govern, resolve, rivals
from bot.link.members import link_members
from bot.readers.npm import LOCK_NAMES, lock_reader
from bot.readers.npm.package_json import read_package_json
from bot.readers.npm.pnpm_workspace import read_pnpm_workspace


def lock(path: str, text: str) -> Lock:
    reader = lock_reader(path.rpartition("/")[2])
    assert reader is not None
    return reader(path, text.encode())


def npm(path: str, **packages: object) -> Lock:
    return lock(path, json.dumps({"lockfileVersion": 3, "packages": {"": {"name": "root"}} | packages}))


def governed(files: dict[str, str], locks: list[Lock], bare: tuple[str, ...] = ()) -> dict[str, str]:
    manifests = [
        read_package_json(path, text.encode()) for path, text in files.items() if path.endswith("package.json")
    ]
    pnpm = [
        read_pnpm_workspace(path, text.encode()) for path, text in files.items() if path.endswith("pnpm-workspace.yaml")
    ]
    linked = link_members(manifests, pnpm, {*files, *(one.path for one in locks)})
    found = govern([manifest.directory for manifest in linked.manifests], locks, linked.roots, bare, files)
    return {directory: one.path for directory, one in found.items()}


PNPM = "lockfileVersion: '9.0'\nimporters:\n  .: {}\n  packages/a: {}\n"


def test_members_are_governed_by_the_root_and_strangers_are_not() -> None:
    files = {
        "package.json": "{}",
        "pnpm-workspace.yaml": "packages: ['packages/*']\n",
        "packages/a/package.json": "{}",
        "packages/b/package.json": "{}",
        "packages/a/esm/package.json": '{"type": "module"}',
        "examples/x/package.json": "{}",
        "examples/x/esm/package.json": '{"type": "module"}',
        "examples/y/package.json": "{}",
    }
    locks = [lock("pnpm-lock.yaml", PNPM), npm("examples/y/package-lock.json")]
    assert governed(files, locks) == {
        "": "pnpm-lock.yaml",
        "packages/a": "pnpm-lock.yaml",
        "packages/b": "pnpm-lock.yaml",  # a member that the lock lacks: drift, not another lock's business
        "examples/y": "examples/y/package-lock.json",
    }
    found = governed(files, locks, bare=("packages/a/esm", "examples/x/esm"))
    assert found["packages/a/esm"] == "pnpm-lock.yaml"
    assert "examples/x/esm" not in found
    assert "examples/x" not in found


def test_the_lock_may_record_what_the_workspace_does_not_say() -> None:
    files = {"package.json": "{}", "lib/x/package.json": "{}", "lib/y/package.json": "{}"}
    linked = npm("package-lock.json", **{"lib/x": {"name": "x"}, "node_modules/x": {"link": True, "resolved": "lib/x"}})
    assert governed(files, [linked]) == {"": "package-lock.json", "lib/x": "package-lock.json"}


MEMBERS: dict[str, str] = json.loads((Path(__file__).parent / "locks/fixtures/members.json").read_text())
BUN = '{"lockfileVersion": 1, "workspaces": {"": {}, "a": {"name": "a"}}, "packages": {}}'
NPM = '{"lockfileVersion": 3, "packages": {"": {}, "a": {}}}'
OF_TOOL = {
    "npm": ("package-lock.json", NPM),
    "pnpm": ("pnpm-lock.yaml", "lockfileVersion: '9.0'\nimporters:\n  .: {}\n  a: {}\n"),
    "yarn1": ("yarn.lock", "# yarn lockfile v1\n"),
    "yarn4": ("yarn.lock", "__metadata:\n  version: 8\n"),
    "bun": ("bun.lock", BUN),
}
MONO = {"package.json": '{"workspaces": ["a"]}', "a/package.json": "{}"}


@pytest.mark.parametrize("tool", MEMBERS)
def test_a_members_own_lock_governs_where_the_package_manager_reads_it(tool: str) -> None:
    name, text = next(lock for family, lock in OF_TOOL.items() if tool.startswith(family))
    files = MONO | ({"pnpm-workspace.yaml": "packages: ['a']\n"} if tool.startswith("pnpm") else {})
    locks = [lock(name, text), lock(f"a/{name}", text)]
    assert governed(files, locks)["a"] == (f"a/{name}" if MEMBERS[tool] == "own" else name)
    # A Dockerfile mostly builds the member alone.
    assert governed(files | {"a/Dockerfile": ""}, locks)["a"] == f"a/{name}"
    # Without the workspace's own lock there is no other.
    assert governed(files, locks[1:])["a"] == f"a/{name}"


def test_a_members_own_lock_that_something_else_reads_governs() -> None:
    """Tried with the tools: a lock for each member (pnpm), a tool that knows no such workspace, a shrinkwrap."""
    pnpm = {"package.json": "{}", "pnpm-workspace.yaml": "packages: ['a']\n", "a/package.json": "{}"}
    without = lock("pnpm-lock.yaml", "lockfileVersion: '9.0'\nimporters:\n  .: {}\n")
    assert governed(pnpm, [without, lock("a/pnpm-lock.yaml", PNPM)])["a"] == "a/pnpm-lock.yaml"
    assert governed(pnpm, [lock(*OF_TOOL["pnpm"]), npm("a/package-lock.json")])["a"] == "a/package-lock.json"
    assert governed(MONO, [lock("yarn.lock", ""), lock("a/pnpm-lock.yaml", PNPM)])["a"] == "a/pnpm-lock.yaml"
    assert governed(MONO, [lock("yarn.lock", ""), npm("a/package-lock.json")])["a"] == "yarn.lock"
    assert (
        governed(MONO, [lock("package-lock.json", NPM), npm("a/npm-shrinkwrap.json")])["a"] == "a/npm-shrinkwrap.json"
    )


def test_several_locks_in_one_directory() -> None:
    bun = lock("bun.lock", '{"lockfileVersion": 1, "workspaces": {"": {}}, "packages": {}}')
    yarn, own, shrunk = lock("yarn.lock", ""), npm("package-lock.json"), npm("npm-shrinkwrap.json")
    locks = [own, shrunk, yarn, bun]
    assert governed({"package.json": "{}"}, locks) == {"": "bun.lock"}
    assert governed({"package.json": '{"packageManager": "npm@11.0.0"}'}, locks) == {"": "npm-shrinkwrap.json"}
    assert governed({"package.json": '{"packageManager": "yarn@1.22.0"}'}, locks) == {"": "yarn.lock"}
    manifests = [read_package_json("package.json", b'{"packageManager": "yarn@1.22.0"}')]
    found = rivals(locks, link_members(manifests, [], {"package.json"}).roots)
    assert [one.path for one in found[""]] == ["yarn.lock", "bun.lock", "npm-shrinkwrap.json", "package-lock.json"]
    assert rivals([own], []) == {}


def test_every_lock_name_has_a_reader() -> None:
    assert {
        "bun.lockb",
        "npm-shrinkwrap.json",
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "bun.lock",
    } == LOCK_NAMES
    assert all(lock_reader(name) is not None for name in LOCK_NAMES)
    assert lock_reader("package.json") is None


def entry(found: LockEntry | None) -> tuple[str, str | None, Source]:
    assert found is not None
    return found.name, found.version, found.source


def test_npm_links_and_sources() -> None:
    found = npm(
        "app/package-lock.json",
        **{
            "": {"name": "root", "workspaces": ["p/*", "!p/not"], "dependencies": {"u": "https://host.example/u.tgz"}},
            "p/one": {"name": "@s/one", "version": "1.0.0"},
            "p/not": {"version": "2.0.0"},
            "node_modules/@s/one": {"resolved": "p/one", "link": True},
            "node_modules/not": {"resolved": "p/not", "link": True},
            "node_modules/out": {"resolved": "../out", "link": True},
            "node_modules/far": {"resolved": "../../../out", "link": True},
            "../out": {"name": "out", "version": "3.0.0"},
            "../../../out": {"version": "3.0.0"},
            "node_modules/u": {
                "version": "1.0.0",
                "resolved": "https://host.example/u.tgz",
                "integrity": "sha1-x sha512-y",
            },
            "node_modules/g": {"version": "1.0.0", "resolved": "git+ssh://git@host.example/x/y.git#abc"},
            "node_modules/t": {"version": "1.0.0", "resolved": "file:t.tgz"},
            "node_modules/r": {"version": "1.0.0"},
            "node_modules/b": {"version": "1.0.0", "inBundle": True, "optional": True},
            "node_modules/al": {
                "name": "real",
                "version": "1.0.0",
                "resolved": "https://registry.example.test/real/-/real-1.0.0.tgz",
            },
        },
    )
    ask = {name: resolve(found, "app", "root", name, None) for name in ("@s/one", "not", "out", "far", *"ugtrb", "al")}
    assert entry(ask["@s/one"]) == ("@s/one", "1.0.0", Source.WORKSPACE)
    assert entry(ask["not"]) == ("not", "2.0.0", Source.PATH)
    assert entry(ask["out"]) == ("out", "3.0.0", Source.PATH)
    assert entry(ask["far"]) == ("far", "3.0.0", Source.PATH)
    assert entry(ask["u"]) == ("u", "1.0.0", Source.URL)
    assert entry(ask["g"]) == ("g", "1.0.0", Source.GIT)
    assert entry(ask["t"]) == ("t", "1.0.0", Source.PATH)
    assert entry(ask["r"]) == ("r", "1.0.0", Source.REGISTRY)
    assert entry(ask["al"]) == ("real", "1.0.0", Source.REGISTRY)
    assert ask["al"] is not None
    assert ask["al"].alias == "al"
    assert ask["u"] is not None
    assert ask["u"].integrity == "sha1-x sha512-y"
    assert ask["b"] is not None
    assert (ask["b"].bundled, ask["b"].optional) == (True, True)
    # Outside the repository there is nothing to speak of; `../out` of `app` is within it.
    assert {importer.directory for importer in found.importers} == {"app", "app/p/one", "app/p/not", "out"}


def test_npm_v1_sources() -> None:
    tree = {
        "a": {
            "version": "1.0.0",
            "resolved": "https://registry.example.test/a.tgz",
            "integrity": "sha512-x",
            "requires": {"b": "^1"},
            "dependencies": {"b": {"version": "1.0.0", "bundled": True}},
        },
        "b": {"version": "2.0.0", "optional": True},
        "al": {"version": "npm:@s/real@3.0.0"},
        "f": {"version": "file:../f"},
        "g": {"version": "git+ssh://git@host.example/x/y.git#abc", "from": "git+ssh://x"},
        "h": {"version": "github:x/y#abc"},
        "u": {"version": "https://host.example/u.tgz"},
    }
    found = lock(
        "package-lock.json",
        json.dumps({"name": "root", "version": "1.0.0", "lockfileVersion": 1, "dependencies": tree}),
    )
    entries = {one.key: one for one in found.entries}
    assert entry(dependency(found, entries["node_modules/a"], "b")) == ("b", "1.0.0", Source.REGISTRY)
    assert entry(resolve(found, "", None, "b", None)) == ("b", "2.0.0", Source.REGISTRY)
    assert entry(resolve(found, "", None, "al", None)) == ("@s/real", "3.0.0", Source.REGISTRY)
    assert entry(resolve(found, "", None, "f", None)) == ("f", None, Source.PATH)
    assert entry(resolve(found, "", None, "g", None)) == ("g", None, Source.GIT)
    assert entry(resolve(found, "", None, "h", None)) == ("h", None, Source.GIT)
    assert entry(resolve(found, "", None, "u", None)) == ("u", None, Source.URL)
    assert entries["node_modules/a/node_modules/b"].pointer == ("dependencies", "a", "dependencies", "b")
    assert (found.importers[0].name, found.importers[0].version, found.records_importers) == ("root", "1.0.0", False)


def test_yarn_v1_sources_and_old_integrity() -> None:
    sha = "5608aeadfc00be6c2901df5f9861788de0d597c8"
    found = lock(
        "yarn.lock",
        f"""# yarn lockfile v1


"a@^1.0.0", "al@npm:a@^1.0.0":
  version "1.0.0"
  resolved "https://registry.example.test/a/-/a-1.0.0.tgz#{sha}"

"g@git+https://host.example/x/y.git":
  version "1.0.0"
  resolved "git+https://host.example/x/y.git#{sha}"

"h@x/y":
  version "1.0.0"
  resolved "https://codeload.example/x/y/tar.gz/{sha}"

"u@https://host.example/u.tgz":
  version "1.0.0"
  resolved "https://host.example/u.tgz#{sha}"

"f@file:../f":
  version "1.0.0"
""",
    )
    entries = {one.name: one for one in found.entries}
    assert {name: one.source for name, one in entries.items()} == {
        "a": Source.REGISTRY,
        "g": Source.GIT,
        "h": Source.GIT,
        "u": Source.URL,
        "f": Source.PATH,
    }
    assert entries["a"].integrity == "sha1-VgiurfwAvmwpAd9fmGF4jeDVl8g="
    assert entries["a"].alias is None
    assert entries["g"].integrity is None
    assert entry(resolve(found, "", None, "al", None)) == ("a", "1.0.0", Source.REGISTRY)


def test_yarn_berry_patches_and_archives() -> None:
    found = lock(
        "yarn.lock",
        """__metadata:
  version: 8
  cacheKey: 10c0

"a@npm:1.0.0":
  version: 1.0.0
  resolution: "a@npm:1.0.0::__archiveUrl=https%3A%2F%2Fregistry.example.test%2Fdownload%2Fa%2F1.0.0"
  checksum: 10c0/00
  languageName: node
  linkType: hard

"a@patch:a@npm%3A1.0.0#~/.yarn/patches/a.patch":
  version: 1.0.0
  resolution: "a@patch:a@npm%3A1.0.0#~/.yarn/patches/a.patch::version=1.0.0&hash=01"
  checksum: 10c0/01
  languageName: node
  linkType: hard

"b@https://github.com/x/b.git#commit=0123":
  version: 2.0.0
  resolution: "b@https://github.com/x/b.git#commit=0123"
  languageName: node
  linkType: hard

"root@workspace:., root@workspace:^":
  version: 0.0.0-use.local
  resolution: "root@workspace:."
  dependencies:
    a: "patch:a@npm%3A1.0.0#~/.yarn/patches/a.patch"
    b: "https://github.com/x/b.git#commit=0123"
  languageName: unknown
  linkType: soft
""",
    )
    patched = "a@patch:a@npm%3A1.0.0#~/.yarn/patches/a.patch"
    assert found.patched == (patched,)
    answer = resolve(found, "", "root", "a", None)
    assert entry(answer) == ("a", "1.0.0", Source.PATCH)
    assert entry(resolve(found, "", "root", "b", None)) == ("b", "2.0.0", Source.GIT)
    plain = next(one for one in found.entries if one.key == "a@npm:1.0.0")
    assert (plain.source, plain.resolved) == (Source.REGISTRY, "https://registry.example.test/download/a/1.0.0")


def test_pnpm_without_importers_and_with_foreign_keys() -> None:
    found = lock(
        "pnpm-lock.yaml",
        """lockfileVersion: 5.1
specifiers:
  a: ^1.0.0
  '@s/b': npm:@s/c@2
  yes: 1.0.0
  g: github:x/g
  skipped: ^1.0.0
dependencies:
  a: 1.0.0_r@2.0.0
  '@s/b': /@s/c/2.0.0
  yes: 1.0.0
  g: github.com/x/g/0123
packages:
  /a/1.0.0_r@2.0.0:
    dependencies: {on: 3.0.0}
    resolution: {integrity: sha512-a}
  /@s/c/2.0.0: {resolution: {integrity: sha512-c}}
  /yes/1.0.0: {resolution: {integrity: sha512-y}}
  /on/3.0.0: {resolution: {integrity: sha512-o}, optional: true}
  host.example/@s/d/1.0.0: {resolution: {integrity: sha512-d, tarball: 'https://host.example/d.tgz'}}
  github.com/x/g/0123: {name: g, version: 4.0.0, resolution: {tarball: 'https://codeload.github.com/x/g/tar.gz/0123'}}
  file:t.tgz: {name: t, version: 5.0.0, resolution: {integrity: sha512-t, tarball: 'file:t.tgz'}}
""",
    )
    assert [importer.directory for importer in found.importers] == [""]
    assert entry(resolve(found, "", None, "a", None)) == ("a", "1.0.0", Source.REGISTRY)
    assert entry(resolve(found, "", None, "@s/b", None)) == ("@s/c", "2.0.0", Source.REGISTRY)
    assert entry(resolve(found, "", None, "yes", None)) == ("yes", "1.0.0", Source.REGISTRY)
    assert entry(resolve(found, "", None, "g", None)) == ("g", "4.0.0", Source.GIT)
    assert resolve(found, "", None, "skipped", None) is None
    entries = {one.key: one for one in found.entries}
    assert entry(dependency(found, entries["/a/1.0.0_r@2.0.0"], "on")) == ("on", "3.0.0", Source.REGISTRY)
    assert entry(entries["host.example/@s/d/1.0.0"]) == ("@s/d", "1.0.0", Source.REGISTRY)
    assert entry(entries["file:t.tgz"]) == ("t", "5.0.0", Source.PATH)
    assert {item.name: item.pointer for item in found.importers[0].dependencies}["a"] == ("specifiers", "a")


def test_pnpm_v9_sources() -> None:
    found = lock(
        "pnpm-lock.yaml",
        """lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      u: {specifier: 'https://host.example/u.tgz', version: 'https://host.example/u.tgz'}
      g: {specifier: github:x/g, version: 'https://codeload.github.com/x/g/tar.gz/0123'}
      s: {specifier: 'git+ssh://git@host.example/x/s.git', version: 'git+ssh://git@host.example/x/s.git#0123'}
      i: {specifier: workspace:*, version: 'file:packages/i(r@1.0.0)'}
      p: {specifier: 1.0.0, version: 1.0.0(patch_hash=abc)(r@1.0.0)}
  packages/i: {}
packages:
  u@https://host.example/u.tgz: {resolution: {tarball: 'https://host.example/u.tgz'}, version: 1.0.0}
  g@https://codeload.github.com/x/g/tar.gz/0123: {resolution: {tarball: 'https://codeload.github.com/x/g/tar.gz/0123'}, version: 2.0.0}
  s@git+ssh://git@host.example/x/s.git#0123:
    {resolution: {type: git, repo: 'ssh://git@host.example/x/s.git', commit: '0123'}, version: 6.0.0}
  i@file:packages/i: {resolution: {directory: packages/i, type: directory}}
  p@1.0.0: {resolution: {integrity: sha512-p}, peerDependencies: {r: '*'}}
  alone@1.0.0: {resolution: {integrity: sha512-q}}
snapshots:
  u@https://host.example/u.tgz: {}
  g@https://codeload.github.com/x/g/tar.gz/0123: {}
  i@file:packages/i(r@1.0.0): {}
  s@git+ssh://git@host.example/x/s.git#0123: {}
  p@1.0.0(patch_hash=abc)(r@1.0.0): {}
patchedDependencies:
  p@1.0.0: {hash: abc, path: patches/p.patch}
""",
    )
    assert entry(resolve(found, "", None, "u", None)) == ("u", "1.0.0", Source.URL)
    assert entry(resolve(found, "", None, "g", None)) == ("g", "2.0.0", Source.GIT)
    # The "@" of a user in a URL is not the one between a name and its version.
    assert entry(resolve(found, "", None, "s", None)) == ("s", "6.0.0", Source.GIT)
    assert entry(resolve(found, "", None, "i", None)) == ("i", None, Source.WORKSPACE)
    answer = resolve(found, "", None, "p", None)
    assert answer is not None
    assert (answer.integrity, answer.pointer, answer.peers) == ("sha512-p", ("packages", "p@1.0.0"), {"r": "*"})
    assert found.patched == ("p@1.0.0",)
    assert "alone@1.0.0" in {one.key for one in found.entries}


def test_bun_tuples() -> None:
    found = lock(
        "bun.lock",
        """{
  "lockfileVersion": 0,
  "workspaces": {
    "": { "name": "root", "dependencies": { "a": "^1.0.0" } },
    "packages/m": { "name": "@s/m", "version": "0.1.0", "dependencies": { "a": "2.0.0" } },
  },
  "patchedDependencies": { "a@1.0.0": "patches/a.patch" },
  "overrides": { "x": "1.0.0", "y": { ".": "2.0.0", "z": "3.0.0" } },
  "packages": {
    "@s/m": ["@s/m@workspace:packages/m", { "dependencies": { "a": "2.0.0" } }],
    "a": ["a@1.0.0", "https://registry.example.test/a/-/a-1.0.0.tgz", { "optionalDependencies": { "d": "1" }, "bundled": true }, "sha512-a"],
    "al": ["a@1.0.0", "", {}, "sha512-a"],
    "d": ["d@github:x/d#0123", {}, "x-d-0123", "sha512-d"],
    "e": ["e@https://host.example/e.tgz", {}, "sha512-e"],
    "f": ["f@./f.tgz", {}, "sha512-f"],
    "g": ["g@git+ssh://host.example/g.git#0123", {}, "0123"],
    "l": ["l@link:l", {}],
    "o": ["o@file:o", {}],
    "root": ["root@root:", { "bin": "x" }],
    "@s/m/a": ["a@2.0.0", "", {}, "sha512-2"],
    "a/@t/d": ["@t/d@3.0.0", "", {}, "sha512-3"],
    "a/d": ["d@9.0.0", "", {}, "sha512-9"],
  },
}
""",
    )
    sources = {one.key: one.source.value for one in found.entries}
    assert sources == {
        "@s/m": "workspace", "a": "registry", "al": "registry", "d": "git", "e": "url", "f": "path",
        "g": "git", "l": "path", "o": "path", "root": "workspace", "@s/m/a": "registry", "a/@t/d": "registry",
        "a/d": "registry",
    }  # fmt: skip
    entries = {one.key: one for one in found.entries}
    assert (entries["@s/m"].version, entries["al"].alias, entries["a/@t/d"].alias) == ("0.1.0", "al", None)
    assert (entries["a"].dependencies, entries["a"].bundled) == ({"d": "1"}, True)
    assert entries["a"].resolved == "https://registry.example.test/a/-/a-1.0.0.tgz"
    assert [entries[key].integrity for key in "defgo"] == ["sha512-d", "sha512-e", "sha512-f", None, None]
    assert entry(resolve(found, "packages/m", "@s/m", "a", None)) == ("a", "2.0.0", Source.REGISTRY)
    assert entry(resolve(found, "packages/m/src", None, "a", None)) == ("a", "2.0.0", Source.REGISTRY)
    assert entry(resolve(found, "", "root", "a", None)) == ("a", "1.0.0", Source.REGISTRY)
    assert entry(dependency(found, entries["a/@t/d"], "e")) == ("e", None, Source.URL)
    assert entry(dependency(found, entries["a"], "@t/d")) == ("@t/d", "3.0.0", Source.REGISTRY)
    # What stands beside it under its parent comes before what is hoisted.
    assert entry(dependency(found, entries["a/@t/d"], "d")) == ("d", "9.0.0", Source.REGISTRY)
    assert entry(dependency(found, entries["al"], "d")) == ("d", None, Source.GIT)
    assert {one.directory: [item.entry for item in one.dependencies] for one in found.importers} == {
        "": ["a"],
        "packages/m": ["@s/m/a"],
    }
    assert found.overrides == {"x": "1.0.0", "y": "2.0.0", "y>z": "3.0.0"}
    assert found.patched == ("a@1.0.0",)
