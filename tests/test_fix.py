"""`ringfence fix`: exact pins in manifest and lock, public subpaths, nothing else; the real package managers take the result."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ryaml

from bot.commands import common
from tests.registry.loopback import LoopbackRegistry
from tests.world import Outcome, Repository, check, npm_lock, policy, product, ringfence, rules_of, stock

ORACLE = Path(__file__).parent / "oracle"
PNPM = ["node", str(ORACLE / "node_modules/pnpm/bin/pnpm.cjs")]


def fix(shop: Repository, *arguments: str) -> Outcome:
    return ringfence("fix", shop.path, *arguments)


def stood(shop: Repository) -> dict[str, bytes]:
    """Every file on disk."""
    return {
        path.relative_to(shop.path).as_posix(): path.read_bytes()
        for path in sorted(shop.path.rglob("*"))
        if path.is_file() and ".git" not in path.parts and "node_modules" not in path.parts
    }


@pytest.fixture
def floating(registry: LoopbackRegistry, tmp_path: Path) -> Repository:
    """A product whose lock pins 1.2.3 for a range, and that imports a file behind a public subpath."""
    files = product(registry, stock(registry), spec="^1.2.0")
    return Repository(tmp_path / "shop", files | {"src/deep.js": 'import { parse } from "@acme/core/src/parser.js"\n'})


# -- what it does ----------------------------------------------------------------------------------


def test_it_mends_what_it_can_and_the_check_agrees(floating: Repository) -> None:
    assert {rule for rule, _ in rules_of(check(floating).report)} == {"floating-pin", "deep-import"}
    done = fix(floating, "--yes")
    assert done.code == 0
    assert '-    "@acme/core": "^1.2.0"' in done.out
    assert '+    "@acme/core": "1.2.3"' in done.out
    assert json.loads(floating.read("package.json"))["dependencies"] == {"@acme/core": "1.2.3"}
    lock = json.loads(floating.read("package-lock.json"))
    assert lock["packages"][""]["dependencies"] == {"@acme/core": "1.2.3"}
    assert floating.read("src/deep.js") == b'import { parse } from "@acme/core/parse"\n'
    assert (check(floating).code, check(floating).report["findings"]) == (0, [])


@pytest.mark.parametrize(
    "key", ["it's", 'a"b', "a`b", "a\\b", "a${b}", "a*/b", "a\nb", "a?b", "a#b", "a!b", "a b", "a%62"]
)
@pytest.mark.parametrize(
    "line", ["import x from '{}'", 'import x from "{}"', "import(`{}`)", "/** @type {{import('{}')}} */"]
)
def test_a_subpath_that_a_string_would_not_hold_is_put_into_none(
    tmp_path: Path, registry: LoopbackRegistry, key: str, line: str
) -> None:
    exports = {".": "./index.js", f"./{key}": "./dist/x.js", "./fine-(1)/$x": "./dist/y.js"}
    files = {"index.js": b"", "dist/x.js": b"", "dist/y.js": b""}
    shop = product(registry, registry.publish("@acme/core", "1.2.3", {"exports": exports}, files))
    text = "".join(line.format(f"@acme/core/dist/{name}.js") + "\n" for name in "xy")
    repository = Repository(tmp_path / "shop", shop | {"src/main.js": text})
    found = check(repository).report["findings"]
    assert [bool(finding["edits"]) for finding in found] == [False, True]
    fix(repository, "--yes")
    assert repository.read("src/main.js").decode() == text.replace("dist/y.js", "fine-(1)/$x")


def test_a_diff_cannot_steer_a_log(floating: Repository) -> None:
    text = 'a()\r::error::planted\n// \x1b[31m\u2028\x0c\r\n\ufeffb()\timport("@acme/core/src/parser.js")\n'
    floating.commit({"src/deep.js": text})
    shown = fix(floating, "--dry-run", "--rule", "deep-import").out
    assert "\\r::error::planted\n" in shown
    assert "\\x1b[31m" in shown
    assert not any(char in shown for char in "\x1b\x0c")
    assert shown.count("\r") == shown.count("\r\n") == 1
    assert '-\ufeffb()\timport("@acme/core/src/parser.js")\n' in shown


def test_a_second_run_changes_nothing(floating: Repository) -> None:
    fix(floating, "--yes")
    before = stood(floating)
    done = fix(floating, "--yes")
    assert (done.code, done.out) == (0, "")
    assert "nothing to do" in done.err
    assert stood(floating) == before
    assert json.loads(fix(floating, "--json").out)["changed"] is False


def test_a_dry_run_shows_all_and_changes_nothing(floating: Repository) -> None:
    before = stood(floating)
    shown = fix(floating, "--dry-run")
    assert (shown.code, stood(floating)) == (0, before)
    assert "would change 3 files" in shown.err
    as_json = json.loads(fix(floating, "--dry-run", "--json").out)
    assert as_json["changed"] is False
    assert as_json["diff"] == shown.out
    assert stood(floating) == before
    assert fix(floating, "--yes").out == shown.out


def test_the_diff_is_one_that_git_applies(floating: Repository) -> None:
    patch = fix(floating, "--dry-run").out
    done = subprocess.run(
        ["git", "apply", "-"], cwd=floating.path, input=patch.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert check(floating).code == 0


def test_json_says_what_was_done(floating: Repository) -> None:
    before = stood(floating)
    assert json.loads(fix(floating, "--json").out)["changed"] is False  # not without a word
    done = fix(floating)
    assert (done.code, stood(floating)) == (0, before)
    assert "would change 3 files; add --yes to apply" in done.err
    said = json.loads(fix(floating, "--json", "--yes").out)
    assert said["changed"] is True
    assert said["files"] == ["package-lock.json", "package.json", "src/deep.js"]
    assert len(said["mended"]) == 2
    assert said["skipped"] == []
    assert check(floating).code == 0


def test_one_rule_or_one_finding_alone(floating: Repository) -> None:
    marks = {f["rule"]: f["fingerprint"] for f in check(floating).report["findings"]}
    dry = json.loads(fix(floating, "--dry-run", "--json", "--rule", "deep-import").out)
    assert dry["mended"] == [marks["deep-import"]]
    dry = json.loads(fix(floating, "--dry-run", "--json", "--only", marks["floating-pin"][:8]).out)
    assert dry["mended"] == [marks["floating-pin"]]
    unknown = fix(floating, "--json", "--yes", "--only", "ffffffff")
    assert (unknown.code, unknown.out) == (2, "")
    assert "no finding of this check has the fingerprint ffffffff" in unknown.err


def test_what_is_waived_is_let_be(floating: Repository, registry: LoopbackRegistry) -> None:
    waived = '[[waiver]]\nrule = "floating-pin"\nreason = "r"\nowner = "@acme/web"\nexpires = 2999-01-01\n'
    floating.commit({"ringfence.toml": policy(registry, waived)})
    said = json.loads(fix(floating, "--json").out)
    assert [s["reason"] for s in said["skipped"]] == ["waived"]
    assert b"^1.2.0" in floating.read("package.json")


def test_a_finding_without_an_edit_is_no_error(floating: Repository) -> None:
    floating.commit({"src/deep.js": 'import "@acme/core/src/nowhere.js"\n'})
    done = fix(floating, "--rule", "deep-import")
    assert (done.code, done.out) == (0, "")
    assert "no finding has an edit" in done.err


# -- and nothing else ------------------------------------------------------------------------------

TABBED = (
    '{\n\t"name" : "shop", "private":true,\n\n\t"dependencies"  : { "@acme\\/core" :"^1.2.0" } , "é": "\\u00e9 ☃"\n}'
)


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(lambda data: data, id="as it is"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="BOM"),
        pytest.param(lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"), id="BOM and CRLF"),
        pytest.param(lambda data: data.rstrip(b"\n"), id="no last line end"),
        pytest.param(lambda data: data.replace(b"  ", b"\t"), id="tabs"),
    ],
)
def test_every_other_byte_stays(floating: Repository, shape: Callable[[bytes], bytes]) -> None:
    source = (
        "// prettier-ignore 'a' \u2028 ☃\n/* ^1.2.0 @acme/core/src/parser.js */\n"
        "const ü = 1;  import  {parse}from '@acme/core/src/parser.js' // end\n"
    )
    floating.write({"src/deep.js": source})
    before = {path: shape(data) for path, data in stood(floating).items() if path != "ringfence.toml"}
    floating.commit(before)
    assert fix(floating, "--yes").code == 0
    assert floating.read("package.json") == before["package.json"].replace(b"^1.2.0", b"1.2.3")
    assert floating.read("package-lock.json") == before["package-lock.json"].replace(b"^1.2.0", b"1.2.3")
    assert floating.read("src/deep.js") == before["src/deep.js"].replace(
        b"'@acme/core/src/parser.js'", b"'@acme/core/parse'"
    )
    assert check(floating).code == 0


def test_odd_spacing_and_escapes_stay(floating: Repository) -> None:
    floating.commit({"package.json": TABBED})
    fix(floating, "--yes")
    assert floating.read("package.json").decode() == TABBED.replace("^1.2.0", "1.2.3")


def test_the_mode_of_a_file_stays(floating: Repository) -> None:
    (floating.path / "package.json").chmod(0o640)
    fix(floating, "--yes")
    assert (floating.path / "package.json").stat().st_mode & 0o777 == 0o640
    assert not list(floating.path.glob(".ringfence-*"))


def test_what_is_not_committed_yet_is_mended_too(floating: Repository) -> None:
    text = "// a new line\n\n" + floating.read("src/deep.js").decode()
    floating.write({"src/deep.js": text})
    fix(floating, "--yes")
    assert floating.read("src/deep.js").decode() == text.replace("src/parser.js", "parse")
    assert floating.git("diff", "--cached", "--name-only") == ""


def test_an_alias_stays_an_alias(registry: LoopbackRegistry, tmp_path: Path) -> None:
    files = product(registry, stock(registry))
    manifest: Any = files["package.json"]
    manifest["dependencies"] = {"core": "npm:@acme/core@^1.2.0"}
    entry = {"name": "@acme/core", "version": "1.2.3", "integrity": stock(registry)}
    files |= {"package-lock.json": npm_lock(manifest, {"core": entry}), "src/main.js": 'import "core"\n'}
    shop = Repository(tmp_path / "shop", files)
    fix(shop, "--yes")
    assert json.loads(shop.read("package.json"))["dependencies"] == {"core": "npm:@acme/core@1.2.3"}
    assert json.loads(shop.read("package-lock.json"))["packages"][""]["dependencies"] == {
        "core": "npm:@acme/core@1.2.3"
    }
    assert check(shop).code == 0


@pytest.mark.parametrize("spec", ["latest", "*", "", "1.x", ">=1 <2", "~1.2.0", "^1.2.2 || ^2"])
def test_every_floating_form(registry: LoopbackRegistry, tmp_path: Path, spec: str) -> None:
    shop = Repository(tmp_path / "shop", product(registry, stock(registry), spec=spec))
    fix(shop, "--yes")
    assert json.loads(shop.read("package.json"))["dependencies"] == {"@acme/core": "1.2.3"}
    assert check(shop).code == 0


def test_without_a_lock_there_is_nothing_to_pin(floating: Repository) -> None:
    floating.git("rm", "-q", "package-lock.json")
    floating.commit()
    before = floating.read("package.json")
    fix(floating, "--yes")
    assert floating.read("package.json") == before


def test_unsafe_edits_only_on_request(registry: LoopbackRegistry, tmp_path: Path) -> None:
    integrity = stock(registry)
    lock = (
        "# yarn lockfile v1\n\n\n"
        f'"@acme/core@^1.2.0":\n  version "1.2.3"\n  resolved "{registry.url}/@acme/core/-/core-1.2.3.tgz"\n'
        f"  integrity {integrity}\n"
    )
    files = product(registry, integrity, spec="^1.2.0")
    del files["package-lock.json"]
    shop = Repository(tmp_path / "shop", files | {"yarn.lock": lock})
    said = json.loads(fix(shop, "--json", "--yes").out)
    assert said["changed"] is False
    assert ["--unsafe" in s["reason"] for s in said["skipped"]] == [True]
    assert b"^1.2.0" in shop.read("package.json")
    assert "--unsafe" in fix(shop).err
    assert fix(shop, "--unsafe", "--yes").code == 0
    assert json.loads(shop.read("package.json"))["dependencies"] == {"@acme/core": "1.2.3"}
    assert shop.read("yarn.lock").decode() == lock


# -- when something stands in the way --------------------------------------------------------------


def between(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Something happens after the check has looked and before the edits are written."""
    real = common.check

    def interrupted(*arguments: Any, **more: Any) -> common.Run:
        run = real(*arguments, **more)
        change()
        return run

    monkeypatch.setattr(common, "check", interrupted)


def test_a_file_that_changed_in_between_is_refused(floating: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = b"// somebody else's line\n" + floating.read("src/deep.js")
    between(monkeypatch, lambda: floating.write({"src/deep.js": changed}))
    done = fix(floating, "--yes")
    assert done.code == 0
    assert "src/deep.js does not say" in done.err
    assert floating.read("src/deep.js") == changed


def test_edits_of_one_finding_go_together_or_not_at_all(floating: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    before = floating.read("package.json")
    between(monkeypatch, lambda: floating.write({"package-lock.json": "{}\n"}))
    fix(floating, "--yes")
    assert floating.read("package.json") == before
    assert floating.read("package-lock.json") == b"{}\n"


def test_nothing_is_written_through_a_link(
    floating: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes(floating.read("package.json"))

    def swap() -> None:
        (floating.path / "package.json").unlink()
        (floating.path / "package.json").symlink_to(outside)

    before = outside.read_bytes()
    between(monkeypatch, swap)
    done = fix(floating, "--yes")
    assert done.code == 2
    assert "package.json" in done.err
    assert outside.read_bytes() == before
    assert (floating.path / "package.json").is_symlink()
    monkeypatch.undo()


def test_a_committed_link_is_not_read(floating: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes(floating.read("package.json"))
    (floating.path / "package.json").unlink()
    (floating.path / "package.json").symlink_to(outside)
    floating.commit()
    before = outside.read_bytes()
    fix(floating, "--yes", "--unsafe")
    assert outside.read_bytes() == before


def test_a_folder_that_cannot_be_written_to(floating: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    before = stood(floating)
    monkeypatch.setattr("bot.commands.writing.tempfile.mkstemp", refuse)
    done = fix(floating, "--yes")
    assert done.code == 2
    assert "Permission denied" in done.err
    assert stood(floating) == before


# -- the real package managers take the result -----------------------------------------------------


def tool(command: list[str], where: Path, home: Path, registry: LoopbackRegistry) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "npm_config_registry": registry.url,
        "npm_config_cache": str(home / "cache"),
        "npm_config_userconfig": os.devnull,
        "npm_config_update_notifier": "false",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_store_dir": str(home / "store"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    return subprocess.run(
        command,
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def workspace(registry: LoopbackRegistry) -> dict[str, Any]:
    """A root, a member, an alias, a development dependency, ranges and a tag, in open packages and another."""
    stock(registry)
    registry.publish("@acme/ui", "3.1.0", {"dependencies": {"@acme/core": "^1.2.0"}})
    registry.publish("left-pad", "1.3.0")
    registry.publish("left-pad", "1.2.0")
    root = {
        "name": "shop",
        "version": "1.0.0",
        "private": True,
        "workspaces": ["packages/*"],
        "dependencies": {"@acme/core": "^1.2.0", "left-pad": "^1.1.0", "old": "npm:@acme/core@~1.2.2"},
        "devDependencies": {"@acme/ui": "latest"},
    }
    member = {
        "name": "shop-web",
        "version": "0.1.0",
        "private": True,
        "dependencies": {"@acme/ui": ">=3 <4", "@acme/core": "^2.0.0"},
        "optionalDependencies": {"left-pad": "1.x"},
    }
    return {"ringfence.toml": policy(registry), "package.json": root, "packages/web/package.json": member}


def test_npm_ci_takes_the_result(registry: LoopbackRegistry, tmp_path: Path) -> None:
    shop = Repository(tmp_path / "shop", workspace(registry))
    made = tool(["npm", "install", "--package-lock-only"], shop.path, tmp_path, registry)
    assert made.returncode == 0, made.stderr
    shop.commit()
    before = stood(shop)
    pins = [path for rule, path in rules_of(check(shop).report) if rule == "floating-pin"]
    assert sorted(pins) == ["package.json"] * 3 + ["packages/web/package.json"] * 2
    said = json.loads(fix(shop, "--json", "--yes").out)
    assert len(said["mended"]) == 5
    root = json.loads(shop.read("package.json"))
    assert root["dependencies"] == {"@acme/core": "1.2.3", "left-pad": "^1.1.0", "old": "npm:@acme/core@1.2.3"}
    assert root["devDependencies"] == {"@acme/ui": "3.1.0"}
    member = json.loads(shop.read("packages/web/package.json"))
    assert member["dependencies"] == {"@acme/ui": "3.1.0", "@acme/core": "2.0.0"}
    assert check(shop).report["findings"] == []
    # npm writes the very same lock for the mended manifests: nothing is left for it to change.
    mended = shop.read("package-lock.json")
    assert mended != before["package-lock.json"]
    again = tool(["npm", "install", "--package-lock-only"], shop.path, tmp_path, registry)
    assert again.returncode == 0, again.stderr
    assert shop.read("package-lock.json") == mended
    frozen = tool(["npm", "ci", "--ignore-scripts"], shop.path, tmp_path, registry)
    assert frozen.returncode == 0, frozen.stderr
    installed = json.loads((shop.path / "node_modules/old/package.json").read_bytes())
    assert (installed["name"], installed["version"]) == ("@acme/core", "1.2.3")


def test_pnpms_frozen_lockfile_takes_the_result(registry: LoopbackRegistry, tmp_path: Path) -> None:
    files = workspace(registry)
    del files["package.json"]["workspaces"]
    files["pnpm-workspace.yaml"] = 'packages: ["packages/*"]\nminimumReleaseAge: 0\n'
    shop = Repository(tmp_path / "shop", files)
    made = tool([*PNPM, "install", "--lockfile-only"], shop.path, tmp_path, registry)
    assert made.returncode == 0, made.stdout + made.stderr
    shop.commit()
    manifest = shop.read("package.json")
    assert len(json.loads(fix(shop, "--json", "--yes").out)["mended"]) == 5
    assert check(shop).report["findings"] == []
    mended = shop.read("pnpm-lock.yaml")
    frozen = [*PNPM, "install", "--ignore-scripts", "--frozen-lockfile", "--lockfile-only"]
    done = tool(frozen, shop.path, tmp_path, registry)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tool([*PNPM, "install", "--lockfile-only"], shop.path, tmp_path, registry).returncode == 0
    # Nothing is left for it to say otherwise (it would leave quotes out that were there for the range).
    assert ryaml.loads_all(shop.read("pnpm-lock.yaml").decode()) == ryaml.loads_all(mended.decode())
    # It looks: half of the edits would not do.
    shop.write({"package.json": manifest})
    assert tool(frozen, shop.path, tmp_path, registry).returncode != 0


def test_bun_and_comments_in_its_lock(registry: LoopbackRegistry, tmp_path: Path) -> None:
    integrity = stock(registry)
    lock = (
        '{\n  "lockfileVersion": 1,\n  "configVersion": 1,\n  "workspaces": {\n    "": {\n      "name": "shop",\n'
        '      "dependencies": {\n        "@acme/core": "^1.2.0",\n      },\n    },\n  },\n  "packages": {\n'
        f'    "@acme/core": ["@acme/core@1.2.3", "", {{}}, "{integrity}"],\n  }}\n}}\n'
    )
    files = product(registry, integrity, spec="^1.2.0")
    del files["package-lock.json"]
    shop = Repository(tmp_path / "shop", files | {"bun.lock": lock})
    assert fix(shop, "--yes").code == 0
    assert shop.read("bun.lock").decode() == lock.replace("^1.2.0", "1.2.3")
    assert json.loads(shop.read("package.json"))["dependencies"] == {"@acme/core": "1.2.3"}
    assert check(shop).report["findings"] == []


def test_a_catalog_line_is_changed_where_it_stands(registry: LoopbackRegistry, tmp_path: Path) -> None:
    files = workspace(registry)
    del files["package.json"]["workspaces"]
    files["package.json"]["dependencies"] = {"@acme/core": "catalog:"}
    files["packages/web/package.json"]["dependencies"] = {"@acme/core": "catalog:"}
    workspaces = (
        "packages:\n  - packages/*\nminimumReleaseAge: 0\ncatalog:\n  # the core\n  '@acme/core': ^1.2.0 # one line\n"
    )
    files["pnpm-workspace.yaml"] = workspaces
    files["package.json"].pop("devDependencies")
    shop = Repository(tmp_path / "shop", files)
    made = tool([*PNPM, "install", "--lockfile-only"], shop.path, tmp_path, registry)
    assert made.returncode == 0, made.stdout + made.stderr
    shop.commit()
    assert rules_of(check(shop, "--rule", "floating-pin").report) == [("floating-pin", "pnpm-workspace.yaml")]
    manifest = shop.read("package.json")
    assert fix(shop, "--yes", "--unsafe").code == 0
    assert shop.read("pnpm-workspace.yaml").decode() == workspaces.replace("^1.2.0", "1.2.3")
    assert shop.read("package.json") == manifest
    assert tool([*PNPM, "install", "--lockfile-only"], shop.path, tmp_path, registry).returncode == 0
    assert check(shop).report["findings"] == []


# -- what is suggested -----------------------------------------------------------------------------


def test_every_command_that_is_suggested_works_as_it_is_printed(
    floating: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder, with the policy given by name."""
    monkeypatch.chdir(tmp_path)
    organisation = tmp_path / "the policy.toml"
    organisation.write_bytes(floating.read("ringfence.toml"))
    floating.commit({"src/other.js": 'import { x } from "@acme/core/src/other.js"\n'})
    floating.git("rm", "-q", "ringfence.toml")
    where = ("shop", "--policy", "the policy.toml")

    def suggested(*arguments: str) -> set[str]:
        done = ringfence(*arguments)
        text = " ".join((done.out + done.err).split()).replace("│", "")
        stop = r"(?=[`\";)]| shows| mends| src/| 1\.| \+|, when| The edits|$| FAIL| why|\\)"
        return {found.strip() for found in re.findall(r"(?:ringfence) (?:check|fix|explain) .*?" + stop, text)}

    findings = json.loads(ringfence("check", *where, "--json").out)["findings"]
    assert len(findings) == 3
    commands: set[str] = set()
    for finding in findings:
        mark = finding["fingerprint"]
        commands |= suggested("explain", mark, "--path", *where)
        commands |= {
            f["next"] for f in json.loads(ringfence("explain", mark, "--path", *where, "--json").out)["findings"]
        }
    commands |= suggested("check", *where, "--format", "markdown") | suggested("fix", *where, "--dry-run")
    commands |= suggested("fix", *where, "--only", "deadbeefdeadbeef")
    commands = {
        command for command in commands if command.startswith("ringfence ") and "explain deep-import" not in command
    }
    assert {command.split()[1] for command in commands} == {"check", "explain", "fix"}
    for command in sorted(commands):
        arguments = shlex.split(command)[1:]
        done = ringfence(*arguments)
        assert done.code == (1 if arguments[0] == "check" else 0), (command, done.err)
