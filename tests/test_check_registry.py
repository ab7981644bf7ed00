"""`ringfence check` and the registry: what is asked, what its answers mean, what is kept, and that runs repeat."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bot.registry.fetch import Patience, Registry
from tests.registry.loopback import Failure, LoopbackRegistry
from tests.world import Repository, check, npm_lock, policy, product, rules_of, stock, without_time

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'


@pytest.fixture
def shop(registry: LoopbackRegistry, tmp_path: Path) -> Repository:
    """A clean private product."""
    return Repository(tmp_path / "shop", product(registry, stock(registry)))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that does not answer costs milliseconds."""
    quick = Patience(attempts=2, pause=0.01, pause_max=0.1, connect=0.5, read=0.3, whole_document=1, whole_tarball=1)
    monkeypatch.setitem(Registry.__init__.__kwdefaults__, "patience", quick)


def asked(registry: LoopbackRegistry) -> set[str]:
    """The package names that the registry heard."""
    names = set()
    for path in registry.paths():
        parts = unquote(path).strip("/").split("/")
        names.add("/".join(parts[:2]) if parts[0].startswith("@") else parts[0])
    return names


def problems(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(p["rule"], p["reason"], p["subject"]) for p in report["not_checked"]]


# -- what its answers mean -------------------------------------------------------------------------


def test_a_version_that_was_never_released(shop: Repository, registry: LoopbackRegistry) -> None:
    registry.unpublish("@acme/core", "1.2.3")
    report = check(shop).report
    assert report["verdict"] == "fail"
    found = [f for f in report["findings"] if f["rule"] == "unreleased-pin"]
    # One finding, where the version is asked for; the lock that repeats it is no second one.
    assert [f["location"]["path"] for f in found] == ["package.json"]
    assert "1.2.2" in found[0]["remedy"] + found[0]["message"]


def test_a_package_that_was_never_released(tmp_path: Path, registry: LoopbackRegistry) -> None:
    shop = Repository(tmp_path / "shop", product(registry, "sha512-" + "A" * 86 + "=="))
    report = check(shop).report
    assert report["verdict"] == "fail"
    assert ("unreleased-pin", "package.json") in rules_of(report)
    # What nobody published has no exports to judge by.
    assert problems(report) == [("deep-import", "no-version", "@acme/core@1.2.3")]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        pytest.param(Failure(status=500), "registry-unreachable", id="500"),
        pytest.param(Failure(status=503, headers={"Retry-After": "3600"}), "registry-unreachable", id="503"),
        pytest.param(Failure(close=True), "registry-unreachable", id="closed"),
        pytest.param(Failure(cut=True), "registry-unreachable", id="cut"),
        pytest.param(Failure(delay=0.8, status=200, body=b"{}"), "registry-unreachable", id="slow"),
        pytest.param(Failure(status=401), "registry-forbidden", id="401"),
        pytest.param(Failure(status=403), "registry-forbidden", id="403"),
        pytest.param(Failure(status=200, body=b"<html>"), "malformed", id="no JSON"),
    ],
)
def test_a_registry_that_fails_is_no_verdict(
    shop: Repository, registry: LoopbackRegistry, failure: Failure, reason: str
) -> None:
    registry.fail(failure)
    done = check(shop)
    assert (done.code, done.report["verdict"]) == (2, "incomplete")
    assert done.report["findings"] == []
    assert {p[1] for p in problems(done.report)} == {reason}
    assert {p[0] for p in problems(done.report)} == {"unreleased-pin", "lock-source", "deep-import"}
    registry.heal()
    assert check(shop).code == 0


@pytest.mark.usefixtures("impatient")
def test_a_registry_that_is_not_there(tmp_path: Path, registry: LoopbackRegistry) -> None:
    files = product(registry, stock(registry))
    files["ringfence.toml"] = policy("http://127.0.0.1:9")
    shop = Repository(tmp_path / "shop", files)
    shop.commit({"src/main.js": DEEP})
    report = check(shop).report
    assert report["verdict"] == "incomplete"
    assert {p[1] for p in problems(report)} == {"registry-unreachable"}
    # Without the published manifest nobody can say whether the subpath is exported.
    assert {p[0] for p in problems(report)} == {"unreleased-pin", "lock-source", "deep-import"}


def test_a_tarball_that_is_not_what_the_registry_says(tmp_path: Path, registry: LoopbackRegistry) -> None:
    integrity = registry.publish("@acme/core", "1.2.3", dist={"integrity": "sha512-" + "A" * 86 + "=="})
    assert integrity
    shop = Repository(tmp_path / "shop", product(registry, "sha512-" + "A" * 86 + "=="))
    shop.commit({"src/main.js": DEEP})
    report = check(shop).report
    assert ("deep-import", "integrity-mismatch", "@acme/core@1.2.3") in problems(report)
    assert report["verdict"] == "incomplete"


def test_another_integrity_than_the_registrys(shop: Repository) -> None:
    lock = json.loads(shop.read("package-lock.json"))
    lock["packages"]["node_modules/@acme/core"]["integrity"] = "sha512-" + "B" * 86 + "=="
    shop.commit({"package-lock.json": lock})
    report = check(shop).report
    assert ("lock-source", "package-lock.json") in rules_of(report)
    assert report["verdict"] == "fail"


# -- what is asked ---------------------------------------------------------------------------------


def test_only_open_names_are_ever_asked(tmp_path: Path, registry: LoopbackRegistry) -> None:
    integrity = stock(registry)
    root = {
        "name": "shop",
        "private": True,
        "workspaces": ["packages/*"],
        "dependencies": {
            "@acme/core": "1.2.3",
            "@acme/hidden": "1.0.0",  # an open name, and a private member here
            "@acme/secret-plan": "1.0.0",  # policy calls it private
            "left-pad": "1.3.0",
            "@other/thing": "2.0.0",
            "alias": "npm:@acme/core@1.2.2",
            "trap": "npm:left-pad@1.3.0",
            "@acme/../../left-pad": "1.0.0",
            "@acme/%2e%2e/x": "1.0.0",
            "@acme/core?x=1": "1.0.0",
            "@acme/core#x": "1.0.0",
            "@acme/a b\r\nHost: elsewhere": "1.0.0",
            "@acme/ä": "1.0.0",
            "@acme/" + "x" * 300: "1.0.0",
            "@acme/": "1.0.0",
            "@acme/.hidden": "1.0.0",
        },
    }
    hidden = {"name": "@acme/hidden", "version": "1.0.0", "private": True}
    installed = {name: {"version": "1.0.0", "integrity": integrity} for name in root["dependencies"]}
    files = {
        "ringfence.toml": policy(registry, '[private]\npackages = ["@acme/secret-*"]\nnames = ["moonshot"]\n'),
        "package.json": root,
        "packages/hidden/package.json": hidden,
        "package-lock.json": npm_lock(root, installed, {"packages/hidden": hidden}),
        "src/main.js": "".join(
            f'import "{name}/deep.js"\n'
            for name in ("@acme/core", "@acme/hidden", "@acme/secret-plan", "left-pad", "@acme/../x", "moonshot")
        ),
    }
    repository = Repository(tmp_path / "shop", files)
    done = check(repository)
    assert done.code in (1, 2)
    assert "@acme/core" in asked(registry)
    assert asked(registry) <= {"@acme/core"}
    assert all(a.headers.get("Authorization") is None and a.method == "GET" for a in registry.asked)


def test_what_head_calls_private_is_not_asked_for_the_base_either(tmp_path: Path, registry: LoopbackRegistry) -> None:
    files = product(registry, stock(registry))
    manifest: Any = files["package.json"]
    manifest["dependencies"]["@acme/hidden"] = "1.0.0"
    shop = Repository(tmp_path / "shop", files)
    shop.git("checkout", "-q", "-b", "change")
    shop.commit(
        {
            "package.json": manifest | {"workspaces": ["packages/*"]},
            "packages/hidden/package.json": {"name": "@acme/hidden", "version": "1.0.0", "private": True},
        }
    )
    check(shop, "--base", "main")
    assert asked(registry) == {"@acme/core"}


def test_versions_that_are_none_are_never_asked(tmp_path: Path, registry: LoopbackRegistry) -> None:
    stock(registry)
    spec = "1.2.3/../../@acme/core/latest"
    files = product(registry, "sha512-" + "A" * 86 + "==")
    lock: Any = files["package-lock.json"]
    lock["packages"]["node_modules/@acme/core"]["version"] = spec
    done = check(Repository(tmp_path / "shop", files))
    assert done.code == 1
    assert not any("latest" in path or ".." in path for path in registry.paths())


def test_what_the_repository_calls_private_against_the_organisation_is_judged_and_not_asked_for(
    tmp_path: Path, registry: LoopbackRegistry
) -> None:
    files = product(registry, stock(registry), spec="^1.2.0")
    organisation = tmp_path / "organisation.toml"
    organisation.write_text(str(files["ringfence.toml"]))
    files["ringfence.toml"] = '[private]\nnames = ["core"]\n'
    done = check(Repository(tmp_path / "shop", files), "--policy", organisation)
    assert ("floating-pin", "package.json") in rules_of(done.report)
    assert {reason for _, reason, _ in problems(done.report)} == {"not-open"}
    assert any("ringfence.toml:2:10" in note for note in done.report["assumed"])
    assert registry.requests == 0


@pytest.mark.parametrize("where", ["overlay", "policy"])
def test_a_private_name_in_a_version_is_not_sent(tmp_path: Path, registry: LoopbackRegistry, where: str) -> None:
    private = '[private]\nnames = ["Platform-Todos"]\n'
    files = product(registry, stock(registry), more=private if where == "policy" else "")
    manifest: Any = files["package.json"]
    lock: Any = files["package-lock.json"]
    manifest["dependencies"]["@acme/core"] = "1.2.3-platform-todos.1"
    lock["packages"]["node_modules/@acme/core"]["version"] = "1.2.3+platform-todos"
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(private if where == "overlay" else "")
    done = check(Repository(tmp_path / "shop", files), "--overlay", overlay, "--public")
    assert {reason for _, reason, _ in problems(done.report)} == {"private-version"}
    assert not any("todos" in path.lower() for path in registry.paths())
    assert where == "policy" or "todos" not in done.out.lower()


# -- who is given a token --------------------------------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackRegistry]:
    """Another host, and a variable whose value it would like to have."""
    monkeypatch.setenv("DEPLOY_KEY", "value-of-" + "the-variable")
    with LoopbackRegistry() as running:
        yield running


def sending(registry: LoopbackRegistry, elsewhere: LoopbackRegistry) -> str:
    """A policy whose mirror is asked, with a token: the registry itself is down."""
    registry.fail(Failure(status=403))
    mirror = f'mirrors = [{{ url = "{elsewhere.url}", token_env = "DEPLOY_KEY", enough = true }}]\n'
    return 'mode = "observe"\n' + policy(registry).rstrip() + "\n" + mirror


def tokens(elsewhere: LoopbackRegistry) -> set[str]:
    assert elsewhere.asked
    return {a.headers.get("Authorization", "") for a in elsewhere.asked}


@pytest.mark.parametrize("way", ["the checkout", "a commit", "the first policy"])
def test_a_policy_of_those_who_are_judged_sends_no_token(
    tmp_path: Path, registry: LoopbackRegistry, elsewhere: LoopbackRegistry, way: str
) -> None:
    files = product(registry, stock(registry))
    files.pop("ringfence.toml")
    shop = Repository(tmp_path / "shop", files)
    shop.git("checkout", "-q", "-b", "change")
    shop.commit({"ringfence.toml": sending(registry, elsewhere)})
    more = {"a commit": ["--rev", "change"], "the first policy": ["--base", "main"]}.get(way, [])
    done = check(shop, *more)
    assert tokens(elsewhere) == {""}
    assert any("without its token: ringfence.toml may be anybody's" in note for note in done.report["assumed"])


@pytest.mark.parametrize("way", ["named", "the base's"])
def test_a_policy_that_somebody_vouches_for_sends_its_token(
    tmp_path: Path, registry: LoopbackRegistry, elsewhere: LoopbackRegistry, way: str
) -> None:
    files = product(registry, stock(registry)) | {"ringfence.toml": sending(registry, elsewhere)}
    shop = Repository(tmp_path / "shop", files)
    shop.git("checkout", "-q", "-b", "change")
    shop.commit({"docs/a.txt": "a\n"})
    more: list[str | Path] = ["--policy", shop.path / "ringfence.toml"] if way == "named" else ["--base", "main"]
    done = check(shop, *more)
    assert tokens(elsewhere) == {"Bearer value-of-" + "the-variable"}
    assert done.report["assumed"] == []


def test_the_repository_s_own_file_may_be_named_as_the_policy(shop: Repository, registry: LoopbackRegistry) -> None:
    waiver = '[[waiver]]\nrule = "deep-import"\npath = "src/**"\nreason = "r"\nowner = "@o"\nexpires = 2099-01-01\n'
    shop.commit({"ringfence.toml": policy(registry, waiver), "src/main.js": DEEP})
    done = check(shop, "--policy", shop.path / "ringfence.toml")
    assert (done.code, done.report["summary"]["waived"]) == (0, 1)


# -- what is kept ----------------------------------------------------------------------------------


def test_a_second_run_asks_nothing(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.commit({"src/main.js": DEEP})
    first = check(shop).report
    assert first["summary"]["requests"] == registry.requests > 0
    registry.forget()
    second = check(shop).report
    assert registry.requests == second["summary"]["requests"] == 0
    assert without_time(second) == without_time(first)


def test_offline_cold_is_incomplete_and_warm_is_the_same(shop: Repository, registry: LoopbackRegistry) -> None:
    shop.commit({"src/main.js": DEEP})
    cold = check(shop, "--offline")
    assert (cold.code, cold.report["verdict"]) == (2, "incomplete")
    assert {p[1] for p in problems(cold.report)} == {"offline"}
    assert registry.requests == 0
    online = check(shop).report
    registry.forget()
    warm = check(shop, "--offline")
    assert warm.code == 1
    assert without_time(warm.report) == without_time(online)
    assert registry.requests == 0


def test_two_runs_print_the_same_bytes(shop: Repository) -> None:
    shop.commit(
        {
            "src/main.js": DEEP * 3 + 'import "../../out.js"\n',
            **{f"src/m{n}.ts": f'import "@acme/core/x{n}"\n' for n in range(30)},
            "b/package.json": "{",
            "a/package.json": "{",
        }
    )
    check(shop)
    outputs = set()
    for seed in ("0", "1", "2"):
        import subprocess
        import sys

        done = subprocess.run(
            [Path(sys.executable).with_name("ringfence"), "check", "--json"],
            cwd=shop.path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=False,
        )
        outputs.add(b"\n".join(line for line in done.stdout.split(b"\n") if b'"seconds"' not in line))
    assert len(outputs) == 1
    assert len(json.loads(done.stdout)["findings"]) > 30


# -- the cache of facts ----------------------------------------------------------------------------


def damaged(cache: Path) -> None:
    for file in cache.glob("facts.sqlite*"):
        file.unlink()
    (cache / "facts.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def no_database(cache: Path) -> None:
    for file in cache.glob("facts.sqlite*"):
        file.unlink()
    (cache / "facts.sqlite").mkdir()


def garbled(cache: Path) -> None:
    with sqlite3.connect(cache / "facts.sqlite") as connection:
        connection.execute("UPDATE facts SET value = x'c1ff00'")
        connection.execute("UPDATE snapshots SET value = x'93a161'")


def of_another_kind(cache: Path) -> None:
    with sqlite3.connect(cache / "facts.sqlite") as connection:
        connection.execute("UPDATE facts SET value = 'text'")
        connection.execute("UPDATE snapshots SET value = 7")


def other_tables(cache: Path) -> None:
    with sqlite3.connect(cache / "facts.sqlite") as connection:
        connection.execute("DROP TABLE facts")
        connection.execute("DROP TABLE snapshots")
        connection.execute("CREATE TABLE facts (other TEXT)")
        connection.execute("CREATE TABLE snapshots (other TEXT)")


def locked(cache: Path) -> None:
    (cache / "facts.sqlite").chmod(0o444)


@pytest.mark.parametrize("harm", [damaged, no_database, garbled, of_another_kind, other_tables, locked])
def test_whatever_happens_to_the_cache_the_report_is_the_same(
    shop: Repository, harm: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.commit({"src/main.js": DEEP, "b/package.json": "{", "src/ok.js": 'import "@acme/core"\n'})
    fresh = without_time(check(shop, "--no-cache").report)
    assert without_time(check(shop).report) == fresh
    assert without_time(check(shop).report) == fresh
    harm(Path(os.environ["RINGFENCE_CACHE"]))
    for _ in range(2):
        done = check(shop)
        assert done.err == ""
        assert without_time(done.report) == fresh


def test_a_cache_that_cannot_be_had(shop: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = without_time(check(shop).report)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RINGFENCE_CACHE", str(tmp_path / "file/cache"))
    done = check(shop)
    assert done.code == 0
    assert "cache cannot be used" in done.err
    assert without_time(done.report) == fresh


def test_the_cache_follows_what_changes(shop: Repository, registry: LoopbackRegistry) -> None:
    assert check(shop).code == 0
    # The same blob in another place, and the same place with another blob.
    shop.commit({"lib/copy.js": shop.read("src/main.js")})
    judged = {count["rule"]: count["judged"] for count in check(shop).report["counts"]}
    assert judged["path-escape"]["candidate paths"] == 0
    shop.commit({"src/main.js": 'import "../x.js"\n', "lib/deep/er/x.js": 'import "../../../../x.js"\n'})
    assert rules_of(check(shop).report) == [("path-escape", "lib/deep/er/x.js")]
    # The same blob, one folder higher: now it leaves the root.
    shop.git("mv", "src/main.js", "main.js")
    assert rules_of(check(shop).report) == [("path-escape", "lib/deep/er/x.js"), ("path-escape", "main.js")]
    # Another policy looks for other names in the same blobs.
    shop.commit({"src/other.js": 'import "@beta/kit/deep.js"\n'})
    assert ("undeclared-dependency", "package.json") not in rules_of(check(shop).report)
    shop.commit({"ringfence.toml": policy(registry).replace('["@acme/*"]', '["@acme/*", "@beta/*"]')})
    assert ("undeclared-dependency", "package.json") in rules_of(check(shop).report)
