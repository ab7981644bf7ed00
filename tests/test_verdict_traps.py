"""Ways in which a verdict could lie: folds, waivers, bases, public reports. Each was met once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.registry.loopback import LoopbackRegistry
from tests.world import Content, Repository, check, npm_lock, policy, product, ringfence, rules_of, stock, without_time

NAMING = '[naming]\nnpm = ["@acme/{x}"]\n[[naming.monorepo]]\nrepository = "acme/mono"\nmember = "apps/{x}"\n'


def _monorepo(path: Path, names: dict[str, str], more: str = "") -> Repository:
    """A monorepo of open members: directory -> package."""
    files: dict[str, object] = {
        "ringfence.toml": f'[open]\npackages = ["@acme/*"]\nrepositories = ["acme/mono"]\n{more}{NAMING}',
        "package.json": {"name": "root", "private": True, "workspaces": ["apps/*"]},
    }
    for directory, name in names.items():
        field = {"url": "github:acme/mono", "directory": f"apps/{directory}"}
        files[f"apps/{directory}/package.json"] = {"name": f"@acme/{name}", "version": "1.0.0", "repository": field}
    repository = Repository(path, files)  # type: ignore[arg-type]
    repository.git("remote", "add", "origin", "https://github.com/acme/mono.git")
    return repository


def test_a_folded_finding_counts_each_member_against_the_base(tmp_path: Path) -> None:
    wrong = {f"m{i}": f"x{i}" for i in range(5)}
    repository = _monorepo(tmp_path / "r", wrong | {"m5": "m5", "m6": "m6", "m7": "m7"})
    repository.commit()
    repository.git("tag", "base")
    report = check(repository, "--rule", "naming-pair", "--offline").report
    assert len(report["findings"]) == 1, "what most members share is one finding"
    assert len(report["findings"][0]["related"]) == 4

    manifest = json.loads(repository.read("apps/m5/package.json"))
    repository.write({"apps/m5/package.json": manifest | {"name": "@acme/x5"}})
    outcome = check(repository, "--rule", "naming-pair", "--offline", "--base", "base")
    assert outcome.code == 1, "a sixth wrong member is introduced"
    new = [f for f in outcome.report["findings"] if f["introduced"]]
    assert [f["location"]["path"] for f in new] == ["apps/m5/package.json"]

    repository.write({"apps/m5/package.json": manifest})
    mended = json.loads(repository.read("apps/m0/package.json"))
    repository.write({"apps/m0/package.json": mended | {"name": "@acme/m0"}})
    outcome = check(repository, "--rule", "naming-pair", "--offline", "--base", "base")
    assert outcome.code == 0, "mending one member introduces nothing"


def test_a_waiver_for_one_member_covers_that_member_alone(tmp_path: Path) -> None:
    waiver = '[[waiver]]\nrule = "naming-pair"\npath = "apps/m0/**"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n'
    repository = _monorepo(tmp_path / "r", {f"m{i}": f"x{i}" for i in range(6)}, waiver)
    outcome = check(repository, "--rule", "naming-pair", "--offline", "--all")
    assert outcome.code == 1
    assert sorted(bool(f["waived"]) for f in outcome.report["findings"]) == [False, True]


def test_what_many_members_lack_is_told_once_and_counts_one_by_one(tmp_path: Path) -> None:
    waiver = '[[waiver]]\nrule = "undeclared-dependency"\npath = "apps/m0/**"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n'
    files: dict[str, object] = {
        "ringfence.toml": f'[open]\npackages = ["@acme/*"]\n{waiver}',
        "package.json": {"name": "root", "private": True, "workspaces": ["apps/*"]},
    }

    def member(number: int) -> dict[str, object]:
        manifest = {"name": f"m{number}", "private": True, "dependencies": {}}
        return {
            f"apps/m{number}/package.json": manifest,
            f"apps/m{number}/x.js": 'import "@acme/core"\nimport "@acme/ui"\n',
        }

    for number in range(8):
        files |= member(number)
    repository = Repository(tmp_path / "r", files)  # type: ignore[arg-type]
    only = ("--rule", "undeclared-dependency", "--offline")
    report = check(repository, *only).report
    # For each package: one that is waived, and one that seven members share.
    assert [(f["location"]["path"], bool(f["waived"]), len(f["related"])) for f in report["findings"]] == [
        ("apps/m0/package.json", True, 0),
        ("apps/m0/package.json", True, 0),
        ("apps/m1/package.json", False, 6),
        ("apps/m1/package.json", False, 6),
    ]
    assert check(repository, *only, "--base", "HEAD").code == 0
    repository.write(member(8))  # type: ignore[arg-type]
    repository.git("add", "--all")
    done = check(repository, *only, "--base", "HEAD")
    assert done.code == 1
    new = [f["location"]["path"] for f in done.report["findings"] if f["introduced"] and not f["waived"]]
    assert new == ["apps/m8/package.json"] * 2


def test_ghosts_of_one_pattern_are_told_once_and_count_one_by_one(tmp_path: Path) -> None:
    files: dict[str, object] = {
        "ringfence.toml": '[open]\npackages = ["@acme/*"]\n',
        "package.json": {"name": "root", "private": True, "workspaces": ["apps/*"]},
    }
    files |= {f"apps/g{number}/README.md": "" for number in range(6)}
    repository = Repository(tmp_path / "r", files)  # type: ignore[arg-type]
    only = ("--rule", "ghost-member", "--offline", "--fail-on", "warning")
    [finding] = check(repository, *only).report["findings"]
    assert [place["location"]["path"] for place in finding["related"]] == [f"apps/g{number}" for number in range(6)]
    shown = ringfence("check", repository.path, *only).out
    assert all(f"apps/g{number}" in shown for number in range(6))
    repository.write({"apps/g6/README.md": ""})
    repository.git("add", "--all")
    done = check(repository, *only, "--base", "HEAD")
    assert done.code == 1
    [new] = [f for f in done.report["findings"] if f["introduced"]]
    assert "apps/g6" in new["message"]


def test_a_stale_lock_s_members_count_one_by_one(tmp_path: Path) -> None:
    root = {"name": "root", "private": True, "workspaces": ["apps/*"]}
    members = {f"apps/m{n}": {"name": f"m{n}", "version": "1.0.0", "private": True} for n in range(7)}
    files: dict[str, object] = {
        "ringfence.toml": '[open]\npackages = ["@acme/*"]\n',
        "package.json": root,
        "package-lock.json": npm_lock(root, {}, members),
    }
    for number, (directory, manifest) in enumerate(members.items()):
        files[f"{directory}/package.json"] = manifest | {"version": "1.0.1" if number < 6 else "1.0.0"}
    repository = Repository(tmp_path / "r", files)  # type: ignore[arg-type]
    only = ("--rule", "lock-drift", "--offline", "--fail-on", "warning")
    [finding] = check(repository, *only).report["findings"]
    assert "5 more are alike" in finding["message"]
    assert check(repository, *only, "--base", "HEAD").code == 0
    repository.write({"apps/m6/package.json": members["apps/m6"] | {"version": "1.0.1"}})
    done = check(repository, *only, "--base", "HEAD")
    assert done.code == 1
    new = [f["location"]["path"] for f in done.report["findings"] if f["introduced"]]
    assert new == ["apps/m6/package.json"]


def test_a_waiver_speaks_of_one_ecosystem(tmp_path: Path) -> None:
    waiver = '[[waiver]]\nrule = "floating-pin"\npackage = "{}"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n'
    manifest = {"name": "shop", "private": True, "dependencies": {"acme-core": "^1.0.0"}}
    for package, code in (("pypi:acme-core", 1), ("acme-core", 0)):
        toml = '[open]\npackages = ["acme-*", "pypi:acme-*"]\n' + waiver.format(package)
        repository = Repository(tmp_path / str(code), {"ringfence.toml": toml, "package.json": manifest})
        assert check(repository, "--rule", "floating-pin", "--offline").code == code


def test_moving_a_file_out_of_its_waiver_is_a_new_finding(tmp_path: Path, registry: LoopbackRegistry) -> None:
    integrity = stock(registry)
    waiver = '[[waiver]]\nrule = "deep-import"\npath = "old/**"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n'
    files = product(registry, integrity, more=waiver) | {"old/a.js": 'import "@acme/core/src/secret.js"\n' * 3}
    repository = Repository(tmp_path / "r", files)
    repository.commit()
    repository.git("tag", "base")
    repository.git("mv", "old", "new")
    outcome = check(repository, "--rule", "deep-import", "--base", "base")
    assert outcome.code == 1
    assert ("deep-import", "new/a.js") in rules_of(outcome.report, introduced=True)


def test_a_waiver_that_the_change_brings_is_a_request(tmp_path: Path, registry: LoopbackRegistry) -> None:
    integrity = stock(registry)
    repository = Repository(tmp_path / "r", product(registry, integrity))
    repository.commit()
    repository.git("tag", "base")
    waiver = '[[waiver]]\nrule = "deep-import"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n'
    repository.write({"ringfence.toml": policy(registry, waiver), "src/b.js": 'import "@acme/core/src/secret.js"\n'})
    repository.commit()
    outcome = check(repository, "--base", "base")
    assert outcome.code == 1
    assert any("is requested" in line and "deep-import" in line for line in outcome.report["assumed"])


def test_the_verdict_follows_what_fails_the_run(tmp_path: Path) -> None:
    files = {
        "ringfence.toml": '[open]\npackages = ["@acme/*"]\n',
        "package.json": {"name": "mono", "private": True, "workspaces": ["apps/*"]},
        "apps/gone/README.md": "left behind\n",
    }
    repository = Repository(tmp_path / "r", files)
    for wanted, code, verdict in (("error", 0, "pass"), ("warning", 1, "fail")):
        outcome = check(repository, "--offline", "--fail-on", wanted)
        assert (outcome.code, outcome.report["verdict"]) == (code, verdict)


def test_an_organisations_file_is_told_from_the_repositorys_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An organisation's waiver speaks of many repositories: that it covers nothing in this one is no finding."""
    waiver = '[[waiver]]\nrule = "floating-pin"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n'
    shared = tmp_path / "org"
    shared.mkdir()
    (shared / "ringfence.toml").write_text('[open]\npackages = ["@acme/*"]\n' + waiver)
    repository = Repository(tmp_path / "r", {"package.json": {"name": "shop", "private": True}})
    monkeypatch.chdir(shared)
    for label in ("ringfence.toml", str(shared / "ringfence.toml")):
        assert check(repository, "--policy", label, "--offline").report["findings"] == []


def test_a_policy_may_speak_of_rules_that_are_planned(tmp_path: Path) -> None:
    toml = '[open]\npackages = ["@acme/*"]\n[rules]\nunused-core = "off"\n'
    repository = Repository(tmp_path / "r", {"ringfence.toml": toml, "package.json": {"name": "shop", "private": True}})
    report = check(repository, "--offline").report
    assert {"rule": "unused-core", "reason": "not in this version"} in report["not_run"]


def test_a_lone_surrogate_in_a_name_is_no_bug(tmp_path: Path) -> None:
    files = {
        "package.json": '{"name": "shop", "private": true, "dependencies": {"@acme/c\\ud800": "^1"}}',
        "b.js": 'import "../../\\ud800"\nimport "@acme/core/\\ud800"\n',
    }
    repository = Repository(tmp_path / "r", files)
    for format_ in ("json", "terminal", "sarif", "github"):
        outcome = ringfence("check", repository.path, "--open", "@acme/*", "--offline", "--format", format_)
        assert outcome.code in (1, 2), outcome.err


SECRET = "zebra-billing"


@pytest.mark.parametrize("format_", ["json", "terminal", "sarif", "github"])
def test_nothing_of_the_overlay_is_printed_in_public(tmp_path: Path, registry: LoopbackRegistry, format_: str) -> None:
    """Private names in every place that a report could take text from."""
    integrity = stock(registry)
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(
        f'[private]\nnames = ["{SECRET}"]\npackages = ["@acme-secret/*"]\nrepositories = ["acme-hidden/*"]\n'
    )
    files = product(registry, integrity) | {
        "package.json": '{ "name": "shop", "version": "1.0.0", "private": true, "dependencies": {'
        ' "@acme-secret/x": "1.0.0", "@acme/core": "^1.2.3", "@acme/tool": "github:acme-hidden/zebra#main",'
        f' "@acme/{SECRET}": "1.0.0" }} }}',
        f"{SECRET}/package.json": "{ broken",
        f"{SECRET}/a.js": 'import "@acme/core/src/secret.js"; import "@acme-secret/x/y"; import "../../out"\n',
    }
    repository = Repository(tmp_path / "r", files)
    repository.git("remote", "add", "origin", "https://github.com/acme-hidden/zebra.git")
    outcome = ringfence("check", repository.path, "--overlay", overlay, "--public", "--all", "-v", "--format", format_)
    assert outcome.code == 1, outcome.err
    for name in (SECRET, "@acme-secret", "acme-hidden"):
        assert name not in outcome.out + outcome.err
    assert "[private]" in outcome.out
    assert not [path for path in registry.paths() if SECRET in path or "secret" in path], "nor asked of a registry"
    private = ringfence("check", repository.path, "--overlay", overlay, "--private", "--all", "--format", format_)
    assert SECRET in private.out, "on a workstation the names are shown"


@pytest.mark.parametrize("format_", ["json", "terminal", "sarif", "github"])
def test_what_the_overlay_gives_for_reasons_is_not_printed_in_public(
    tmp_path: Path, registry: LoopbackRegistry, format_: str
) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(
        '[[waiver]]\nrule = "deep-import"\npath = "src/**"\nreason = "until zebra is bought"\nowner = "@zebra/board"\n'
        "expires = 2099-01-01\n"
        '[[waiver]]\nrule = "floating-pin"\npath = "zebra/**"\nreason = "okapi"\nowner = "@zebra/board"\n'
        "expires = 2001-01-01\n"
    )
    own = '[[waiver]]\nrule = "deep-import"\npath = "lib/**"\nreason = "a plain reason"\nowner = "@sam"\nexpires = 2099-01-01\n'
    deep = 'import { x } from "@acme/core/src/other.js"\n'
    files = product(registry, stock(registry), more=own) | {"src/new.js": deep, "lib/new.js": deep}
    repository = Repository(tmp_path / "r", files)

    def printed(mode: str) -> str:
        options = ("--overlay", overlay, mode, "--all", "-v", "--format", format_)
        outcome = ringfence("check", repository.path, *options)
        assert outcome.code == 1, outcome.err  # a waiver has expired
        return outcome.out + outcome.err

    public = printed("--public")
    assert "zebra" not in public
    assert "okapi" not in public
    if format_ != "github":
        assert "a plain reason" in public
        assert "[private]" in public
        assert "until zebra is bought" in printed("--private")


def test_a_public_report_cannot_tell_one_private_name_from_another(tmp_path: Path, registry: LoopbackRegistry) -> None:
    """Whoever guesses a name, and runs the same check with the guess, sees nothing that confirms it."""
    integrity = stock(registry)

    def reported(secret: str, *arguments: str) -> dict[str, Any]:
        overlay = tmp_path / "overlay.toml"
        overlay.write_text(f'[private]\nnames = ["{secret}-todos"]\npackages = ["@{secret}/*"]\n')
        open_one = {"name": "@acme/tool", "version": "1.0.0", "dependencies": {f"@{secret}/x": "1.0.0", "y": "1"}}
        open_one["scripts"] = {"go": f"cd ../{secret}-todos && make", "run": f"npx @{secret}/y"}
        lock = npm_lock(open_one, {f"@{secret}/x": {"version": "1.0.0"}, "y": {"version": "1.0.0"}})
        files: dict[str, Content] = product(registry, integrity) | {
            "tool/package.json": open_one,
            "tool/package-lock.json": lock,
            "tool/index.js": f'import "@{secret}/x/y"\nimport "@{secret}/z"\n',
            "package.json": {"name": "shop", "private": True, "dependencies": {"@acme/core": f"npm:@{secret}/core@^1"}},
            f"{secret}-todos/a.js": 'import "@acme/core/src/secret.js"\nimport "../../out"\n',
        }
        files["ringfence.toml"] = policy(registry).replace(
            'packages = ["@acme/*"]', 'packages = ["@acme/*"]\nmembers = ["tool"]'
        )
        shutil.rmtree(tmp_path / "shop", ignore_errors=True)
        report = check(Repository(tmp_path / "shop", files), "--overlay", overlay, *arguments).report
        return without_time(report)

    public = reported("zebra", "--public")
    assert public == reported("zulus", "--public")
    rules = [f["rule"] for f in public["findings"] if f["private"]]
    assert rules.count("reversed-dependency") > 4
    assert {"side-door-source"} < set(rules)
    # What is shown to be passed on is the same on a workstation.
    private = reported("zebra", "--private")
    assert [f["fingerprint"] for f in private["findings"]] == [f["fingerprint"] for f in public["findings"]]
    assert "zebra" in str(private)


def test_another_private_name_in_the_place_of_a_known_one_is_new(tmp_path: Path, registry: LoopbackRegistry) -> None:
    """Though both have the fingerprint that is shown."""
    overlay = tmp_path / "overlay.toml"
    overlay.write_text('[private]\nnames = ["zebra-todos", "okapi-todos"]\n')

    def manifest(secret: str) -> dict[str, object]:
        return {"name": "@acme/tool", "version": "1.0.0", "dependencies": {f"@other/{secret}-todos": "1.0.0"}}

    repository = Repository(tmp_path / "tool", {"ringfence.toml": policy(registry), "package.json": manifest("zebra")})
    repository.git("checkout", "-q", "-b", "change")
    repository.commit({"package.json": manifest("okapi")})
    for mode in ("--public", "--private"):
        report = check(repository, "--overlay", overlay, "--base", "main", mode).report
        assert rules_of(report, introduced=True) == [("reversed-dependency", "package.json")]


def test_a_fix_shows_nothing_private_in_a_log(
    tmp_path: Path, registry: LoopbackRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    integrity = stock(registry)
    overlay = tmp_path / "overlay.toml"
    overlay.write_text('[private]\npackages = ["@acme-secret/*"]\n')
    files = product(registry, integrity)
    line = b'{"@acme/core": "^1.2.3", "@acme-secret/x": "1.0.0"}'
    files["package.json"] = b'{"name": "shop", "version": "1.0.0", "private": true, "dependencies": ' + line + b"}\n"
    repository = Repository(tmp_path / "r", files)
    monkeypatch.setenv("CI", "true")
    outcome = ringfence("fix", repository.path, "--overlay", overlay, "--dry-run", "--unsafe")
    assert "acme-secret" not in outcome.out + outcome.err


def test_the_evidence_names_the_member_that_is_private(tmp_path: Path) -> None:
    core = {"name": "@acme/core", "version": "1.0.0", "dependencies": {"billing-web": "workspace:*"}}
    files: dict[str, Content] = {
        "ringfence.toml": '[open]\npackages = ["@acme/*"]\n[private]\nmembers = ["platform/*"]\n',
        "package.json": {"name": "root", "private": True, "workspaces": ["apps/*", "platform/*"]},
        "apps/core/package.json": core,
        "platform/billing/package.json": {"name": "billing-web", "private": True},
    }
    outcome = check(Repository(tmp_path / "r", files), "--rule", "reversed-dependency", "--offline")
    (found,) = outcome.report["findings"]
    said = {link["location"]["path"]: link["text"] for link in found["evidence"]}
    assert list(said) == ["apps/core/package.json", "platform/billing/package.json", "ringfence.toml"]
    assert "billing-web is the member of platform/billing/package.json" in said["platform/billing/package.json"]


def test_private_by_policy_is_told_from_private_for_want_of_a_pattern(tmp_path: Path) -> None:
    files: dict[str, Content] = {
        "package.json": {"name": "root", "private": True, "workspaces": ["apps/*"]},
        "apps/core/package.json": {"name": "@acme/core", "version": "1.0.0"},
        "apps/kit/package.json": {"name": "kit", "version": "1.0.0"},
    }
    where = Repository(tmp_path / "r", files)
    arguments = ("--rule", "visibility", "--offline")
    (found,) = check(where, *arguments, "--open", "@acme/*").report["findings"]
    assert found["message"].startswith("kit counts as private, since no open pattern matches it")
    assert "`npm publish` would publish it" in found["message"]
    assert found["remedy"].endswith("; if it is open, say so with --open kit.")
    where.commit({"ringfence.toml": '[open]\npackages = ["@acme/*"]\n'})
    assert (
        check(where, *arguments).report["findings"][0]["remedy"].endswith("; if it is open, say so in [open] packages.")
    )
    where.commit({"ringfence.toml": '[open]\npackages = ["@acme/*"]\n[private]\npackages = ["kit"]\n'})
    (found,) = check(where, *arguments).report["findings"]
    assert found["message"].startswith("kit is private by policy, and its manifest has no")
    assert found["remedy"] == 'Add "private": true to apps/kit/package.json.'


def test_a_deep_import_is_told_what_to_write_instead(tmp_path: Path, registry: LoopbackRegistry) -> None:
    exports = {name: f"{name}.js" for name in ("./alpha", "./render", "./renderers", "./beta", "./gamma", "./delta")}
    exports |= {".": "./index.js", "./hidden": None, "./package.json": "./package.json"}  # type: ignore[dict-item]
    integrity = registry.publish("@acme/core", "1.2.3", {"exports": exports}, {"index.js": b""})
    files = product(registry, integrity)
    where = Repository(tmp_path / "shop", {**files, "src/main.js": 'import "@acme/core/src/renderer.js"\n'})
    (found,) = check(where, "--rule", "deep-import").report["findings"]
    said = "Use what it exports (@acme/core, @acme/core/renderers, @acme/core/render, "
    assert found["remedy"].startswith(said)
    assert found["remedy"].endswith(", …), or have @acme/core export it, release that, and pin it.")
    assert "hidden" not in found["remedy"]
    assert "package.json" not in found["remedy"]


def test_mending_what_is_waived_and_deleting_the_waiver_is_one_clean_change(tmp_path: Path) -> None:
    """The policy in force is the base's, which still holds the waiver: nobody has to be told to delete it."""
    opened = '[open]\npackages = ["@acme/*"]\n'
    waived = '[[waiver]]\nrule = "floating-pin"\npath = "old/**"\nreason = "r"\nowner = "o"\nexpires = 2999-01-01\n'
    old: dict[str, Any] = {"name": "old", "private": True, "dependencies": {"@acme/core": "^1.0.0"}}
    mended = old | {"dependencies": {"@acme/core": "1.0.0"}}
    repository = Repository(tmp_path / "r", {"ringfence.toml": opened + waived, "old/package.json": old})
    repository.git("tag", "base")
    arguments = ("--base", "base", "--offline", "--rule", "waiver", "--rule", "floating-pin")

    repository.commit({"old/package.json": mended})
    (found,) = check(repository, *arguments).report["findings"]
    assert (found["rule"], found["message"]) == ("waiver", "the waiver for floating-pin covers nothing any more")
    repository.commit({"ringfence.toml": opened})
    outcome = check(repository, *arguments)
    assert (outcome.code, outcome.report["findings"]) == (0, [])
    # The waiver alone taken away: it counts until that is merged.
    repository.commit({"old/package.json": old})
    assert [bool(f["waived"]) for f in check(repository, *arguments).report["findings"]] == [True]


def test_what_a_waiver_lacks_is_one_or_several(tmp_path: Path) -> None:
    opened = '[open]\npackages = ["@acme/*"]\n[[waiver]]\nrule = "floating-pin"\nowner = "o"\n'
    repository = Repository(tmp_path / "r", {"ringfence.toml": opened, "package.json": {"name": "@acme/x"}})
    (found,) = check(repository, "--offline", "--rule", "waiver").report["findings"]
    assert found["remedy"].startswith("Write them down")
    repository.commit({"ringfence.toml": opened + 'reason = "r"\n'})
    assert (
        check(repository, "--offline", "--rule", "waiver").report["findings"][0]["remedy"].startswith("Write it down")
    )


def test_a_folder_that_is_only_named_is_a_note(tmp_path: Path) -> None:
    lines = {
        'new URL("../../", import.meta.url)': "note",
        'new URL("../..", import.meta.url)': "note",
        'new URL("../../core/?x", import.meta.url)': "note",
        'new URL("../../x.json", import.meta.url)': "error",
        'import "../../core/"': "error",
    }
    files: dict[str, Content] = {
        "package.json": {"name": "@acme/x", "version": "1.0.0"},
        "src/a.mjs": "\n".join(lines) + "\n",
    }
    report = check(Repository(tmp_path / "r", files), "--open", "@acme/*", "--offline", "--rule", "path-escape").report
    assert [finding["severity"] for finding in report["findings"]] == list(lines.values())
