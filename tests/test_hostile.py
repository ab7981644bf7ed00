"""Hostile repositories: nothing is followed, executed or believed, and no input makes the program fall over."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.commands import common
from bot.rules import ALL
from tests.registry.loopback import LoopbackRegistry
from tests.world import Outcome, Repository, check, git, npm_lock, policy, product, rendered, ringfence, rules_of, stock

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'


@pytest.fixture
def shop(registry: LoopbackRegistry, tmp_path: Path) -> Repository:
    """A clean private product."""
    return Repository(tmp_path / "shop", product(registry, stock(registry)))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the repository whose content must never appear in a report."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "stolen-name", "dependencies": {"@acme/core": "*"}}')
    (folder / "secret.js").write_text("// stolen-text\n" + DEEP)
    (folder / "ringfence.toml").write_text('[open]\npackages = ["@stolen/*"]\n')
    (folder / "package-lock.json").write_text('{"name": "stolen-lock", "lockfileVersion": 3, "packages": {}}')
    return folder


def sane(done: Outcome) -> Outcome:
    """Whatever it said, it was a verdict: no bug, and at most a few clear lines beside the report."""
    assert done.code in (0, 1, 2), (done.code, done.err)
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) <= 3
    return done


def all_formats(where: Path) -> dict[str, str]:
    """One run in every format, and `fix` and `init` beside them; all of them sane."""
    done = sane(check(where))
    run = common.check(common.Options(path=where), ALL)
    texts = rendered(run.report)
    for name in ("terminal", "github"):
        assert not any(ord(char) < 32 and char not in "\n" for char in texts[name]), texts[name]
    said = [json.loads(texts["json"])["findings"], done.report["findings"]]
    for finding in (finding for findings in said for finding in findings):
        del finding["next"]  # the command line names the folder
    assert said[0] == said[1]
    json.loads(texts["sarif"])
    sane(ringfence("fix", where, "--dry-run"))
    sane(ringfence("init", where, "--stdout"))
    return texts


# -- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("git_less", [False, True], ids=["git", "folder"])
@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("src/leak.js", "secret.js"),
        ("sub/package.json", "package.json"),
        ("sub/package-lock.json", "package-lock.json"),
        ("package.json", "package.json"),
        ("lib", ""),
        ("ringfence.toml", "ringfence.toml"),
    ],
)
def test_links_out_of_the_tree_are_not_followed(
    shop: Repository, outside: Path, link: str, target: str, git_less: bool
) -> None:
    place = shop.path / link
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(outside / target)
    shop.commit()
    if git_less:
        subprocess.run(["rm", "-rf", ".git"], cwd=shop.path, check=True)
    for extra in ([], ["--rev", "HEAD"]) if not git_less else ([],):
        done = sane(check(shop, *extra))
        assert "stolen" not in done.out + done.err
        if link == "ringfence.toml":
            assert done.code == 2
            assert "ringfence.toml" in done.err
        elif link.endswith(".json"):
            assert done.code != 0, "a manifest or lock that is a link was passed over in silence"


@pytest.mark.parametrize("way", ["committed", "untracked", "dangling", "folder", "in a folder of the repository"])
def test_a_policy_that_is_a_link_is_refused_by_that_name(
    shop: Repository, outside: Path, registry: LoopbackRegistry, way: str
) -> None:
    where = shop.path
    if way == "in a folder of the repository":
        where = shop.path / "example"
        where.mkdir()
    else:
        shop.git("rm", "--quiet", "--cached", "ringfence.toml")
        (where / "ringfence.toml").unlink()
        shop.git("commit", "--quiet", "--message", "no policy")
    (where / "ringfence.toml").symlink_to(outside / ("nothing" if way == "dangling" else "ringfence.toml"))
    if way != "untracked":
        shop.commit()
    if way == "folder":
        subprocess.run(["rm", "-rf", ".git"], cwd=shop.path, check=True)
    organisation = shop.path.parent / "organisation.toml"
    organisation.write_text(policy(registry))
    runs: list[list[str | Path]] = [
        ["check", where],
        ["check", where, "--open", "@acme/*"],
        ["check", where, "--policy", organisation],
        ["fix", where, "--dry-run"],
        ["rules", where],
        ["selftest", where],
    ]
    if way not in ("untracked", "folder"):
        runs += [["check", where, "--rev", "HEAD"], ["check", where, "--base", "HEAD"]]
    for arguments in runs:
        done = ringfence(*arguments)
        assert done.code == 2, arguments
        assert "ringfence.toml: the policy is a symbolic link, and links are never followed" in done.err, arguments
        assert "Commit the file itself." in done.err
        assert "there is no policy" not in done.err
    assert "stolen" not in done.out + done.err


def test_the_change_that_makes_a_policy_of_a_link_is_judged_by_it(shop: Repository, outside: Path) -> None:
    text = shop.read("ringfence.toml")
    (shop.path / "ringfence.toml").unlink()
    (shop.path / "ringfence.toml").symlink_to(outside / "ringfence.toml")
    shop.commit()
    (shop.path / "ringfence.toml").unlink()
    shop.commit({"ringfence.toml": text})
    assert check(shop, "--base", "HEAD~1").code == 0
    # The other way round the change would take the gate away.
    assert check(shop, "--base", "HEAD~2").code == 0
    (shop.path / "ringfence.toml").unlink()
    (shop.path / "ringfence.toml").symlink_to(outside / "ringfence.toml")
    shop.commit()
    done = check(shop, "--base", "HEAD~1")
    assert done.code == 2
    assert "symbolic link" in done.err


@pytest.mark.parametrize("swapped", ["src", "src/main.js"])
def test_a_tracked_file_that_is_a_link_on_disk_is_not_followed(shop: Repository, outside: Path, swapped: str) -> None:
    (outside / "main.js").write_text(DEEP)
    subprocess.run(["rm", "-rf", swapped], cwd=shop.path, check=True)
    (shop.path / swapped).symlink_to(outside if swapped == "src" else outside / "main.js")
    done = sane(check(shop))
    assert rules_of(done.report) == []


def test_a_loop_of_links(shop: Repository) -> None:
    (shop.path / "loop").symlink_to(".")
    (shop.path / "a.js").symlink_to("b.js")
    (shop.path / "b.js").symlink_to("a.js")
    shop.commit()
    assert sane(check(shop)).code == 0
    subprocess.run(["rm", "-rf", ".git"], cwd=shop.path, check=True)
    assert sane(check(shop)).code == 0


def test_a_submodule_is_not_entered(shop: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner", {"package.json": '{"name": "inner", "dependencies": {"@acme/core": "*"}}'})
    shop.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.path), "vendor/inner")
    marker = tmp_path / "executed"
    git(shop.path / "vendor/inner", "config", "core.fsmonitor", f"touch {marker}; false")
    shop.commit()
    (shop.path / "vendor/inner/package.json").write_text("{}")
    marker.unlink(missing_ok=True)
    for extra in ([], ["--rev", "HEAD"], ["--base", "HEAD~1"]):
        assert sane(check(shop, *extra)).code == 0
    assert not marker.exists()


# -- programs --------------------------------------------------------------------------------------


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


def test_nothing_that_gits_configuration_names_is_executed(shop: Repository, marker: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {marker}\ncat\n')
    program.chmod(0o755)
    hooks = shop.path / ".git/hooks"
    for hook in ("post-index-change", "fsmonitor-watchman", "post-checkout", "reference-transaction"):
        (hooks / hook).write_text(program.read_text())
        (hooks / hook).chmod(0o755)
    shop.commit(
        {
            ".gitattributes": "* filter=evil diff=evil merge=evil\n",
            "src/long.js": "".join(f"// {n}\n" for n in range(100)),
        }
    )
    for key in (
        "core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "core.alternateRefsCommand",
        "diff.external", "diff.evil.command", "diff.evil.textconv", "merge.evil.driver", "interactive.diffFilter",
        "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "credential.helper", "gpg.program",
        "uploadpack.packObjectsHook", "pager.diff", "pager.ls-files", "sequence.editor", "remote.origin.uploadpack",
    ):  # fmt: skip
        shop.git("config", key, str(program))
    shop.git("config", "filter.evil.required", "true")
    shop.git("config", "core.hooksPath", str(hooks))
    shop.git("config", "alias.ls-files", f"!{program}")
    shop.git("config", "core.untrackedCache", "true")
    marker.unlink(missing_ok=True)
    # Touched, changed, moved: whatever would make git look at content.
    for file in shop.path.glob("src/*"):
        os.utime(file)
    os.utime(shop.path / ".git/index")
    shop.write({"src/main.js": DEEP})
    (shop.path / "src/long.js").rename(shop.path / "src/longer.js")
    for extra in ([], ["--rev", "HEAD"], ["--base", "HEAD~1"], ["--base", "HEAD~1", "--rev", "HEAD"]):
        done = sane(check(shop, *extra))
        assert done.code in (0, 1), done.err
    sane(ringfence("fix", shop.path, "--yes"))
    sane(ringfence("explain", "deep-import", "--path", shop.path))
    sane(ringfence("init", shop.path, "--stdout"))
    assert not marker.exists(), marker.read_text()


def test_a_hostile_environment_for_git(
    shop: Repository, outside: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = Repository(tmp_path / "other", {"package.json": '{"name": "stolen-name"}'})
    for name, value in {
        "GIT_DIR": str(other.path / ".git"),
        "GIT_WORK_TREE": str(other.path),
        "GIT_INDEX_FILE": str(other.path / ".git/index"),
        "GIT_OBJECT_DIRECTORY": str(other.path / ".git/objects"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.worktree",
        "GIT_CONFIG_VALUE_0": str(other.path),
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_TRACE": "2",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NAMESPACE": "x",
    }.items():
        monkeypatch.setenv(name, value)
    for extra in ([], ["--rev", "HEAD"], ["--base", "HEAD"]):
        done = check(shop, *extra)
        assert (done.code, done.report["repository"]) == (0, "shop")


def test_no_python_of_the_repository_is_imported(shop: Repository, marker: Path) -> None:
    planted = f"open({str(marker)!r}, 'w').close()\nraise SystemExit(0)\n"
    shop.commit(
        dict.fromkeys(
            (
                "bot/__init__.py",
                "bot/cli.py",
                "click.py",
                "msgspec.py",
                "sitecustomize.py",
                "usercustomize.py",
                "json.py",
                "rules/__init__.py",
                "httpx/__init__.py",
            ),
            planted,
        )
    )
    shop.commit({"src/main.js": DEEP})
    done = subprocess.run(
        [Path(sys.executable).with_name("ringfence"), "check"], cwd=shop.path, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert not marker.exists()


# -- paths out of the tree -------------------------------------------------------------------------


def test_paths_that_lead_out_are_not_read(shop: Repository, outside: Path) -> None:
    manifest = {
        "name": "shop",
        "private": True,
        "workspaces": [
            "../*",
            "../outside",
            str(outside),
            "packages/../../outside",
            "/etc",
            "./",
            ".",
            "..",
            "",
            "a//b",
        ],
        "dependencies": {
            "@acme/core": "file:../outside",
            "@acme/a": f"file:{outside}",
            "@acme/b": "../outside",
            "@acme/c": "link:../../../../../../../../etc",
            "@acme/d": "portal:~/x",
            "@acme/e": "workspace:../outside",
            "@acme/f": "file:",
            "@acme/g": "git+file:///etc/passwd",
        },
    }
    installed = {"@acme/core": {"resolved": "../outside", "link": True}, "x": {"resolved": "file:/etc/passwd"}}
    lock = npm_lock(manifest, installed)
    lock["packages"]["../outside"] = {"name": "@acme/core", "version": "1.0.0"}
    lock["packages"]["/etc"] = {"version": "1.0.0"}
    lock["packages"]["a/../../outside"] = {"version": "1.0.0"}
    shop.commit(
        {"package.json": manifest, "package-lock.json": lock, "pnpm-workspace.yaml": 'packages: ["../*", "/"]\n'}
    )
    texts = all_formats(shop.path)
    found = {f["subject"] for f in json.loads(texts["json"])["findings"] if f["rule"] == "side-door-source"}
    assert any(subject.startswith("dependencies.@acme/core") for subject in found)
    assert not any("stolen" in text for text in texts.values())


# -- names -----------------------------------------------------------------------------------------

ODD = [
    b"new\nline.js",
    b"\x1b[31mred\x1b]0;title\x07.js",
    b"::error file=x::planted.js",
    b"%0A::set-output name=a::b.js",
    b"quote\"'`$(touch x).js",
    b"\xff\xfe\x80.js",
    b"caf\xc3\xa9 \xe2\x98\x83.js",
    b"\xe2\x80\xae\xe2\x80\x8bbidi.js",
    b" leading and trailing .js",
    b"-rf.js",
    b"--help.js",
    b"a:b\\c*?[x]{y}.js",
    b"tab\tcr\rend.js",
    b"{0}{package.__class__}%s%(x)d.js",
    b"@acme/core.js",
]


def test_file_names_of_every_kind(shop: Repository) -> None:
    for name in ODD:
        odd = b"odd-" + name.replace(b"/", b"") + b"/"
        for folder in (b"src/", odd):
            file = os.fsencode(shop.path) + b"/" + folder + name
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "wb") as handle:
                handle.write(DEEP.encode() + b'import "../../../../out.js"\n')
        with open(os.fsencode(shop.path) + b"/" + odd + b"package.json", "wb") as handle:
            handle.write(b'{"name": "x", "private": true, "dependencies": {"@acme/core": "^1.0.0"')
    shop.git("add", "--all")
    shop.git("commit", "-q", "-m", "odd")
    texts = all_formats(shop.path)
    report = json.loads(texts["json"])
    assert len(report["findings"]) == 4 * len(ODD)
    assert len(report["not_checked"]) == len(ODD)
    assert {os.fsencode(f["location"]["path"]) for f in report["findings"]} >= {
        b"src/" + name for name in ODD if name[:1] != b"\xff"
    }
    for line in texts["github"].splitlines():
        assert re.match(r"::(error|warning|notice|group|endgroup)( [^:]*)?::|(?!\s*::)", line), line
    assert len(rules_of(check(shop, "--rev", "HEAD").report)) == 4 * len(ODD)
    assert check(shop, "--base", "HEAD").code == 0
    assert json.loads(ringfence("fix", shop.path, "--json", "--yes").out)["changed"] is True
    assert {f["rule"] for f in check(shop).report["findings"]} == {"path-escape"}
    subprocess.run(["rm", "-rf", ".git"], cwd=shop.path, check=True)
    report = json.loads(all_formats(shop.path)["json"])
    assert {f["rule"] for f in report["findings"]} == {"path-escape"}
    assert len(report["findings"]) == 2 * len(ODD)


BRACES = [
    "{x}", "{", "}", "{}", "{0}", "{package}", "{package.__class__}", "{package!r:>999999}", "%s", "%(x)s", "%n",
    "{{x}}", "${x}", "`x`", "a{b", "__name__", "<name>", "\\", "\u202e", "\x1b[2J", "\n::error::x", "@", "[(*", "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", BRACES, ids=lambda text: ascii(text)[:30])
def test_text_from_the_repository_is_never_a_template(registry: LoopbackRegistry, tmp_path: Path, text: str) -> None:
    integrity = stock(registry)
    name = f"@acme/{text}"
    manifest = {
        "name": f"shop{text}",
        "version": text,
        "private": True,
        "bin": {text: text},
        "repository": {"url": text, "directory": text},
        "workspaces": [text, f"packages/{text}"],
        "scripts": {text: f"npx {name} {text}"},
        "publishConfig": {"access": text, "registry": text},
        "dependencies": {
            name: text,
            "@acme/core": f"^1.0.0{text}",
            f"alias{text}": f"npm:{name}@{text}",
            text: "1.0.0",
        },
        "devDependencies": {
            "@acme/ui": f"workspace:{text}",
            "@acme/cat": f"catalog:{text}",
            "@acme/git": f"git+ssh://{text}",
        },
        "overrides": {text: text, "@acme/core": {text: text, ".": text}},
    }
    installed: dict[str, Any] = {
        name: {"version": text, "integrity": text, "resolved": text, "dependencies": {text: text}},
        "@acme/core": {"version": f"1.2.3{text}", "integrity": integrity, "resolved": f"https://x/{text}"},
        text: {"name": text, "version": text},
    }
    source = json.dumps(f"@acme/core/{text}", ensure_ascii=False)
    files = {
        "ringfence.toml": policy(registry, '[private]\npackages = ["@acme/p*"]\nmembers = ["packages/*"]\n'),
        "package.json": manifest,
        "package-lock.json": npm_lock(manifest, installed),
        "packages/a/package.json": manifest,
        "src/a.js": f'import {source}\nimport "../../{"x" if chr(10) in text else text}"\nimport {json.dumps(name)}\n',
    }
    all_formats(Repository(tmp_path / "shop", files).path)


def test_many_names_that_look_like_templates(shop: Repository) -> None:
    """Findings that are alike are joined into one that lists the others."""
    manifest = json.loads(shop.read("package.json"))
    lock = json.loads(shop.read("package-lock.json"))
    for number in range(40):
        lock["packages"][f"node_modules/{{x{number}.y}}"] = {"version": "1.0.0", "integrity": "sha512-AAAA"}
        lock["packages"][f"packages/{{y{number}}}"] = {"name": f"{{y{number}}}", "version": "1.0.0"}
        lock["packages"][""]["dependencies"][f"{{z{number}!r}}"] = "^1.0.0"
        manifest["dependencies"][f"{{z{number}!r}}"] = "1.x"
    shop.commit({"package.json": manifest, "package-lock.json": lock})
    found = json.loads(all_formats(shop.path)["json"])["findings"]
    assert any("39 more are alike" in finding["message"] for finding in found)
    assert any("{z7!r}" in finding["message"] for finding in found)


def test_braces_in_what_policy_says(registry: LoopbackRegistry, tmp_path: Path) -> None:
    more = (
        '[private]\nnames = ["{package.__class__}", "a{b"]\nmembers = ["{x}/*", "(["]\npackages = ["@acme/{x}-*"]\n'
        '[naming]\nnpm = ["@acme/{x}"]\nlocal = ["open-{x}"]\ngithub = ["acme/{x}"]\n'
        '[ignore]\npaths = ["([{x}**"]\n'
        '[[waiver]]\nrule = "deep-import"\nreason = "{x} %s {0} \\u001b[31m"\nowner = "{owner}"\nexpires = 2999-01-01\n'
    )
    files = product(registry, stock(registry), more=more) | {"src/main.js": DEEP}
    texts = all_formats(Repository(tmp_path / "shop", files).path)
    assert json.loads(texts["json"])["summary"]["waived"] == 1


# -- bytes -----------------------------------------------------------------------------------------


def nested(opening: str, closing: str, depth: int = 100_000) -> str:
    return opening * depth + closing * depth


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xef\xbb\xbf", id="only a BOM"),
        pytest.param(b"\0" * 1000, id="zeros"),
        pytest.param(b"\xff\xfe{\0}\0", id="UTF-16"),
        pytest.param(b"\xed\xa0\x80", id="surrogates"),
        pytest.param(nested("[", "]").encode(), id="deep lists"),
        pytest.param(nested('{"a":', "}").encode(), id="deep objects"),
        pytest.param(nested("- ", "").encode(), id="deep YAML"),
        pytest.param(("{" * 5000).encode(), id="unclosed"),
        pytest.param(b'"' + b"a" * 3_000_000, id="unclosed text"),
        pytest.param(BOMB.encode(), id="aliases"),
        pytest.param(b"a: &a [*a]\n", id="an alias of itself"),
        pytest.param(b"!!python/object/apply:os.system ['touch executed']\n", id="tags"),
        pytest.param(b'{"a": 1e999999, "b": NaN, "c": ' + b"9" * 5000 + b"}", id="numbers"),
        pytest.param(b'{"name": "\\ud800", "dependencies": {"@acme/\\udfff": "\\ud800"}}', id="lone surrogates"),
        pytest.param(b'{"__proto__": {"x": 1}, "name": {"a": []}, "dependencies": [1, null]}', id="wrong types"),
        pytest.param(
            b'{"packages": {"": null, "node_modules/": 3, "node_modules/a": []}, "lockfileVersion": 3}', id="lock"
        ),
        pytest.param(b'{"a": 1, "a": 2, "dependencies": {"@acme/core": "1.0.0", "@acme/core": "*"}}', id="duplicates"),
        pytest.param(b"\r\n" * 100_000, id="line ends"),
        pytest.param(bytes(random.Random(7).randbytes(50_000)), id="noise"),
    ],
)
def test_bytes_of_every_kind_in_every_file(shop: Repository, data: bytes) -> None:
    names = [
        "package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb",
        "pnpm-workspace.yaml", ".yarnrc.yml", "tsconfig.json", ".npmrc", "bunfig.toml",
        "x.js", "x.ts", "x.tsx", "x.vue", "x.svelte", "x.astro", "x.mjs",
    ]  # fmt: skip
    shop.commit({f"sub/{name}": data for name in names})
    done = sane(check(shop))
    assert done.report["summary"]["seconds"] < 10
    assert done.code != 0
    for extra in (["--no-cache"], ["--rev", "HEAD", "--format", "sarif"]):
        assert sane(check(shop, *extra)).code == done.code


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"a" * 2_000_000, nested("[", "]").encode(), b"[open]\npackages=1\n"]
)
def test_bytes_of_every_kind_in_the_policy(shop: Repository, data: bytes) -> None:
    shop.commit({"ringfence.toml": data})
    done = check(shop)
    assert done.code == 2
    assert "ringfence.toml" in done.err
    assert len(done.err) < 2000


@pytest.mark.parametrize("name", ["src/huge.js", "sub/package.json", "sub/yarn.lock", "sub/pnpm-lock.yaml"])
def test_a_huge_file_is_said_and_not_read(shop: Repository, name: str) -> None:
    file = shop.path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}\n")
    shop.commit()
    # On disk alone: nobody wants 150 MB of zeros compressed for a test.
    os.truncate(file, 150 * 1024 * 1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = sane(check(shop))
    assert done.code == 2
    assert [p["path"] for p in done.report["not_checked"]] == [name]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kilobytes


def test_a_huge_policy(shop: Repository) -> None:
    os.truncate(shop.path / "ringfence.toml", 150 * 1024 * 1024)
    done = check(shop)
    assert done.code == 2
    assert "too large" in done.err


def test_a_lock_that_unfolds(shop: Repository) -> None:
    """Small in git, large in memory: 20 MB of one entry repeated."""
    entry = '    "node_modules/@acme/x%d": {"version": "1.0.0", "dependencies": {"@acme/core": "*"}},\n'
    body = "".join(entry % n for n in range(30_000))
    lock = '{"lockfileVersion": 3, "packages": {\n' + body + '    "": {}}}\n'
    shop.commit({"other/package.json": '{"private": true}', "other/package-lock.json": lock})
    done = sane(check(shop, "--offline"))
    assert done.code in (1, 2)
    assert done.report["summary"]["seconds"] < 20


@pytest.mark.parametrize(
    "script", ["npx " + "--yes " * 5000 + "!", "npx " + "-" * 20_000 + " !", "npx " + " " * 50_000 + "!"]
)
def test_a_script_that_backtracks(shop: Repository, script: str) -> None:
    shop.commit({"package.json": {"name": "@acme/tool", "version": "1.0.0", "scripts": {"x": script}}})
    done = sane(check(shop, "--offline", "--rule", "reversed-dependency"))
    assert done.report["summary"]["seconds"] < 5


def test_brackets_without_end(shop: Repository) -> None:
    """One file that the parser gives up is one that was not checked."""
    deep = b"import('@acme/core/src/parser.js')"
    shop.commit({"src/deep.js": b"(" * 4_000_000 + deep, "src/other.js": deep})
    done = sane(check(shop))
    assert ("deep-import", "src/other.js") in rules_of(done.report)
    assert {(p["reason"], p["path"]) for p in done.report["not_checked"]} == {("too-deep", "src/deep.js")}


def test_folders_where_files_should_be(shop: Repository) -> None:
    shop.commit({"a/package.json/x.txt": "x", "a/yarn.lock/package.json": "{}", "a/x.js/y.js": DEEP})
    (shop.path / "src/main.js").unlink()
    (shop.path / "src/main.js").mkdir()
    done = sane(check(shop))
    assert ("deep-import", "a/x.js/y.js") in rules_of(done.report)


def test_a_pipe_and_a_socket_in_a_plain_folder(shop: Repository) -> None:
    import socket

    subprocess.run(["rm", "-rf", ".git"], cwd=shop.path, check=True)
    os.mkfifo(shop.path / "src/pipe.js")
    (shop.path / "sub").mkdir()
    os.mkfifo(shop.path / "sub/package.json")
    with socket.socket(socket.AF_UNIX) as there:
        here = os.getcwd()
        os.chdir(shop.path)  # a socket's path must be short
        try:
            there.bind("s.js")
        finally:
            os.chdir(here)
        assert sane(check(shop)).code == 0


def test_a_tracked_file_that_is_a_pipe_on_disk(shop: Repository) -> None:
    (shop.path / "src/main.js").unlink()
    os.mkfifo(shop.path / "src/main.js")
    (shop.path / "package.json").unlink()
    os.mkfifo(shop.path / "package.json")
    assert sane(check(shop)).code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(shop: Repository) -> None:
    shop.write({"src/main.js": DEEP})
    (shop.path / "src/main.js").chmod(0)
    done = sane(check(shop))
    assert done.code == 2
    assert [p["path"] for p in done.report["not_checked"]] == ["src/main.js"]


# -- many ------------------------------------------------------------------------------------------


def test_ten_thousand_members_and_patterns(registry: LoopbackRegistry, tmp_path: Path) -> None:
    stock(registry)
    shop = Repository(tmp_path / "shop")
    patterns = [
        "packages/*",
        "**/*",
        "a*a*a*a*a*a*a*a*b",
        "{a,b,{c,d}}/*",
        "**/**/**/**/x",
        "!(x)",
        "[",
        "+(a|b)*",
        *["p/*"] * 50,
    ]
    root = {"name": "root", "private": True, "workspaces": patterns}
    shop.write({"ringfence.toml": policy(registry), "package.json": root})
    lines = [
        b"blob\nmark :1\ndata 2\n{}\n",
        b"commit refs/heads/main\ncommitter a <a@example.test> 1 +0000\ndata 1\nx\n",
    ]
    lines += [b"M 100644 :1 packages/m%d/package.json\n" % n for n in range(10_000)]
    lines += [b"M 100644 :1 " + b"a/" * 200 + b"aaaaaaaaaaaaaaaaaaaaaaaaaaaa/package.json\n"]
    git(shop.path, "fast-import", "--quiet", data=b"".join(lines))
    shop.git("add", "ringfence.toml", "package.json")
    shop.git("commit", "-q", "-m", "more", "--only", "ringfence.toml", "package.json")
    done = sane(check(shop, "--rev", "main"))
    assert done.report["summary"]["seconds"] < 15
