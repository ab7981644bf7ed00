"""What the last run found is used again only where judging anew says the very same."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bot import lastrun
from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, check, policy, product, stock, without_time

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'
LONG = "".join(f"export const line{n} = {n}\n" for n in range(40))


@pytest.fixture
def recalled(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry a recall: whether the last run's judgement held."""
    seen: list[bool] = []
    recall = lastrun.LastRun.recall

    def watched(*arguments: Any) -> Any:
        found = recall(*arguments)
        seen.append(found is not None)
        return found

    monkeypatch.setattr(lastrun.LastRun, "recall", watched)
    return seen


@pytest.fixture
def shop(registry: LoopbackRegistry, tmp_path: Path) -> Repository:
    files = product(registry, stock(registry), spec="^1.2.3", more='[ignore]\npaths = ["skipped/**"]\n')
    files |= {
        "src/deep.js": DEEP,
        "src/twice.ts": f"// one\n{DEEP}\n{DEEP}",
        "src/out.js": 'import x from "../../outside"\n',
        "src/plain.js": "export {}\n",
        "bin/run": f"#!/usr/bin/env node\n{DEEP}",
        "bin/shell": f"#!/bin/sh\n{DEEP}",
        "skipped/a.js": DEEP,
        "README.md": "# A shop\n",
    }
    return Repository(tmp_path / "shop", files)


def both(shop: Repository, *options: str) -> dict[str, Any]:
    """The report of a run that may remember; judging from the start must give the same."""
    report = without_time(check(shop, *options).report)
    anew = without_time(check(shop, "--no-cache", *options).report)
    assert report == anew
    return report


HOLDS: dict[str, dict[str, str]] = {
    "nothing": {},
    "a line before an import": {"src/deep.js": f"// more\n{DEEP}"},
    "many lines before several": {"src/twice.ts": f"{LONG}{DEEP}{LONG}{DEEP}"},
    "a file without imports": {"src/plain.js": LONG},
    "an ignored file": {"skipped/a.js": DEEP * 3},
    "a script without a suffix": {"bin/run": f"#!/usr/bin/env node\n// more\n{DEEP}"},
    "what is no script": {"bin/shell": f"#!/bin/sh\n{DEEP}{DEEP}"},
    "a file that is not read": {"README.md": "# Another\n"},
    "CRLF": {"src/deep.js": DEEP.replace("\n", "\r\n")},
}
DIFFERS: dict[str, dict[str, str]] = {
    "an import more": {"src/plain.js": DEEP},
    "an import less": {"src/deep.js": "export {}\n"},
    "another import": {"src/deep.js": DEEP.replace("parser", "lexer")},
    "an import in a comment": {"src/deep.js": f"/* {DEEP} */\n"},
    "another kind of import": {"src/twice.ts": f"// one\n{DEEP}\n{DEEP.replace('import', 'import type')}"},
    "a script that a shell runs now": {"bin/run": f"#!/bin/sh\n{DEEP}"},
    "a script that Node runs now": {"bin/shell": f"#!/usr/bin/env node\n{DEEP}"},
    "a manifest": {"package.json": '{"name": "shop", "private": true}\n'},
    "a lockfile": {"package-lock.json": "{}\n"},
    "a new file, once git tracks it": {"src/new.js": DEEP},
}


@pytest.mark.parametrize("commit", [False, True], ids=["on disk", "committed"])
@pytest.mark.parametrize("what", [*HOLDS, *DIFFERS])
def test_a_change(shop: Repository, recalled: list[bool], what: str, commit: bool) -> None:
    before = both(shop)
    recalled.clear()
    shop.write((HOLDS | DIFFERS)[what])
    if "new" in what:
        shop.git("add", "--all")
    if commit:
        shop.commit()
    after = both(shop)
    assert recalled[0] is (what in HOLDS)
    if what in DIFFERS:
        assert after["findings"] != before["findings"] or after["not_checked"] != before["not_checked"]
    shop.git("reset", "-q", "--hard", "HEAD~1" if commit else "HEAD")
    assert both(shop) == before


def test_a_file_that_goes_on_disk_is_seen(shop: Repository, recalled: list[bool]) -> None:
    both(shop)
    (shop.path / "src/deep.js").unlink()
    assert all(f["location"]["path"] != "src/deep.js" for f in both(shop)["findings"])
    (shop.path / "README.md").unlink()
    both(shop)
    assert recalled[2] is False
    assert recalled[4] is False


def test_a_file_that_becomes_a_link_is_seen(shop: Repository) -> None:
    both(shop)
    (shop.path / "src/deep.js").unlink()
    (shop.path / "src/deep.js").symlink_to("plain.js")
    both(shop)
    shop.commit()
    both(shop)


def test_another_policy_judges_anew(shop: Repository, registry: LoopbackRegistry, recalled: list[bool]) -> None:
    both(shop)
    shop.write({"ringfence.toml": policy(registry, '[rules]\ndeep-import = "off"\n')})
    assert "deep-import" not in {f["rule"] for f in both(shop)["findings"]}
    assert recalled[2] is False


def test_another_answer_of_the_registry_judges_anew(
    shop: Repository, registry: LoopbackRegistry, recalled: list[bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RINGFENCE_CACHE", str(tmp_path / "kept"))
    first = both(shop)
    registry.publish(
        "@acme/core", "1.2.3", {"exports": {".": "./index.js", "./src/*": "./src/*"}}, {"src/parser.js": b""}
    )
    for file in (tmp_path / "kept").glob("registry*"):
        file.unlink()
    assert both(shop)["findings"] != first["findings"]
    assert recalled[2] is False


def test_only_what_was_asked_before_is_asked_again(shop: Repository, registry: LoopbackRegistry) -> None:
    check(shop)
    asked = registry.requests
    done = check(shop)
    assert (done.report["summary"]["requests"], registry.requests) == (0, asked)


def test_base_and_head_each_have_a_memory(shop: Repository, recalled: list[bool]) -> None:
    shop.git("checkout", "-q", "-b", "change")
    shop.commit({"src/new.js": DEEP})
    first = both(shop, "--base", "main")
    recalled.clear()
    assert both(shop, "--base", "main") == first
    assert recalled[:2] == [True, True]


@pytest.mark.parametrize("seed", range(12))
def test_random_histories(shop: Repository, seed: int) -> None:
    dice = random.Random(seed)
    pieces = [
        DEEP,
        LONG,
        "// a comment\n",
        f"/* {DEEP} */\n",
        'require("@acme/core")\n',
        'import("../../x.js")\n',
        "é\n",
    ]
    for _ in range(8):
        for _ in range(dice.randint(1, 3)):
            name = dice.choice(
                ["src/deep.js", "src/twice.ts", "src/plain.js", "src/new.mjs", "skipped/a.js", "README.md"]
            )
            file = shop.path / name
            if file.exists() and dice.random() < 0.15:
                file.unlink()
            else:
                kept = file.read_bytes() if file.exists() and dice.random() < 0.7 else b""
                more = "".join(dice.choices(pieces, k=dice.randint(0, 3))).encode()
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(more + kept if dice.random() < 0.5 else kept + more)
        if dice.random() < 0.4:
            shop.commit()
        elif dice.random() < 0.3:
            shop.git("stash", "--include-untracked", "--quiet")
        both(shop)
