"""The baseline: what a repository had when it began, which can only shrink."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.baseline import BASELINE_FILE, Baseline, Entry, grown, mark, match, read, write
from bot.errors import ReadError
from bot.model import Hit, Place
from bot.text import Private
from tests.registry.loopback import LoopbackRegistry
from tests.world import Repository, check, policy, product, ringfence, rules_of, stock

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'
OTHER = 'import { x } from "@acme/core/src/other.js"\n'
LONG = "".join(f"export const line{n} = {n}\n" for n in range(40))


@pytest.fixture
def shop(registry: LoopbackRegistry, tmp_path: Path) -> Repository:
    """A product with two findings from before."""
    files = product(registry, stock(registry))
    return Repository(tmp_path / "shop", {**files, "src/a.js": DEEP, "src/b.js": LONG + DEEP + OTHER})


def baseline(shop: Repository, *arguments: str) -> dict[str, Any]:
    """``ringfence baseline write --json``."""
    done = ringfence("baseline", "write", shop.path, "--json", *arguments)
    assert done.code == 0, done.err
    said: dict[str, Any] = json.loads(done.out)
    return said


# -- the file ------------------------------------------------------------------------------------


def hit(path: str, subject: str = "x", package: str = "npm:@acme/core") -> Hit:
    return Hit(place=Place(path), subject=subject, package=package, message="", remedy="")


def entry(path: str, subject: str = "x", count: int = 1) -> Entry:
    return Entry(rule="r", path=path, mark=mark("r", hit(path, subject)), count=count)


texts = st.text(max_size=8) | st.sampled_from(["a\nb", "\udc80", "${x}", "../x", "é"])
baselines = st.builds(
    Baseline,
    entries=st.lists(
        st.builds(
            Entry,
            rule=texts,
            path=texts,
            mark=st.from_regex("[0-9a-f]{16}", fullmatch=True),
            count=st.integers(1, 5),
        ),
        max_size=6,
    ).map(tuple),
)


@given(baselines)
def test_what_is_written_reads_back(made: Baseline) -> None:
    once = write(made)
    again = read(once)
    assert write(again) == once
    assert grown(made, again) == grown(again, made) == 0
    assert again.size == made.size
    assert once.count(b"\n") == len(again.entries) + (5 if again.entries else 4)  # one entry a line


@given(
    st.binary(max_size=60)
    | st.from_regex(r'\{"schema": *[0-9]+, *"entries": *\[.*\]\}', fullmatch=True).map(str.encode)
)
def test_any_bytes_are_a_baseline_or_a_clear_error(data: bytes) -> None:
    try:
        size = read(data).size
    except ReadError as error:
        size = len(error.detail)
    assert size >= 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000, "too-deep"),
        (b"\xff\xfe", "not-utf8"),
        (b"", "malformed"),
        (b"<<<<<<< ours\n{}", "malformed"),
        (b'{"schema": 2, "entries": []}', "malformed"),
        (b'{"schema": 1, "entries": [{"rule": "r", "path": "p", "mark": "short"}]}', "malformed"),
        (
            b'{"schema": 1, "entries": [{"rule": "r", "path": "p", "mark": "0123456789abcdef", "count": -1}]}',
            "malformed",
        ),
        (b'{"schema": 1, "entries": [], "extra": 1}', "malformed"),
        (b" " * (20 * 1024 * 1024 + 1), "too-large"),
    ],
)
def test_what_is_no_baseline(text: bytes, reason: str) -> None:
    with pytest.raises(ReadError) as raised:
        read(text)
    assert raised.value.reason == reason


def test_entries_cover_as_often_as_they_count_here_first() -> None:
    known = Baseline(entries=(entry("a", count=2), entry("b"), entry("b", subject="y")))
    found = [("r", hit(path)) for path in ("c", "b", "a", "a", "a")]
    matched = match(known, found)
    # The one that moved to c finds nothing left: a and b took theirs.
    assert matched.covered == {1: 1, 2: 0, 3: 0}
    assert matched.left == {2: 1}
    moved = match(known, [("r", hit("c")), ("r", hit("a")), ("other", hit("a"))])
    assert moved.covered == {0: 0, 1: 0}
    assert moved.left == {1: 1, 2: 1}


def test_a_private_name_leaves_no_hash_and_is_found_again_without_the_overlay() -> None:
    plain = hit("a", "platform-secret")
    private = msgspec.structs.replace(plain, params={"name": Private("platform-secret")})
    other = msgspec.structs.replace(hit("a", "other-secret"), params={"name": Private("other-secret")})
    assert mark("r", private) == mark("r", other) != mark("r", plain)
    assert mark("r", private) != mark("s", private)
    with_overlay = Baseline(entries=(Entry(rule="r", path="a", mark=mark("r", private)),))
    without = Baseline(entries=(Entry(rule="r", path="a", mark=mark("r", plain)),))
    for known in (with_overlay, without):
        for found in (plain, private):
            assert match(known, [("r", found)]).covered == {0: 0}
    # What is known exactly comes first.
    both = Baseline(entries=(*with_overlay.entries, *without.entries))
    assert match(both, [("r", plain), ("r", private)]).covered == {0: 1, 1: 0}


def test_growth_is_what_was_nowhere_before() -> None:
    before = Baseline(entries=(entry("a", count=2),))
    assert grown(before, Baseline(entries=(entry("b"), entry("c")))) == 0
    assert grown(before, Baseline(entries=(entry("a", count=3),))) == 1
    assert grown(before, Baseline(entries=(entry("a", subject="y"),))) == 1
    assert grown(None, before) == 2
    assert grown(before, None) == 0


# -- check ---------------------------------------------------------------------------------------


def test_a_repository_begins_today(shop: Repository) -> None:
    assert check(shop).code == 1
    assert baseline(shop) == {
        "changed": True,
        "file": BASELINE_FILE,
        "size": 3,
        "added": 3,
        "taken_out": 0,
        "not_added": 0,
    }
    shop.commit()
    done = check(shop)
    assert (done.code, done.report["verdict"]) == (0, "pass")
    assert (done.report["summary"]["before"], done.report["summary"]["baseline"]) == (3, 3)
    assert rules_of(done.report, introduced=True) == []
    said = ringfence("check", shop.path).out
    assert "3 findings of the baseline do not decide; --all shows them" in said
    assert "PASS nothing found that decides" in said
    assert "src/a.js" not in said
    assert "(in the baseline)" in ringfence("check", shop.path, "--all").out
    # A second write changes nothing.
    assert not baseline(shop)["changed"]
    assert shop.git("status", "--porcelain") == ""


def test_what_another_policy_does_not_find_is_not_mended(shop: Repository) -> None:
    baseline(shop)
    shop.git("rm", "-q", "--cached", "ringfence.toml")
    (shop.path / "ringfence.toml").unlink()
    done = ringfence("check", shop.path, "--open", "@other/*", "--json")
    report = json.loads(done.out)
    assert "stale-baseline" in {item["rule"] for item in report["not_run"]}
    assert not [f for f in report["findings"] if f["rule"] == "stale-baseline"]


def test_a_new_one_decides_and_is_not_added(shop: Repository) -> None:
    baseline(shop)
    shop.commit({"src/c.js": DEEP})
    done = check(shop)
    assert done.code == 1
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/c.js")]
    said = baseline(shop)
    assert (said["changed"], said["size"], said["not_added"]) == (False, 3, 1)
    assert "1 finding is not in it" in ringfence("baseline", "write", shop.path).out
    assert check(shop).code == 1


def test_what_is_mended_must_be_taken_out(shop: Repository) -> None:
    baseline(shop)
    shop.commit({"src/a.js": "export {}\n"})
    done = check(shop)
    assert done.code == 1
    (finding,) = [f for f in done.report["findings"] if f["introduced"]]
    assert finding["rule"] == "stale-baseline"
    assert (
        finding["location"]["line"]
        == shop.read(BASELINE_FILE)
        .decode()
        .split("\n")
        .index(next(line for line in shop.read(BASELINE_FILE).decode().split("\n") if "src/a.js" in line))
        + 1
    )
    assert "src/a.js" in finding["message"]
    assert "ringfence baseline write" in finding["next"]
    said = baseline(shop)
    assert (said["size"], said["taken_out"], said["added"]) == (2, 1, 0)
    assert check(shop).code == 0
    # What was mended cannot come back.
    shop.write({"src/a.js": DEEP})
    assert check(shop).code == 1


def test_a_file_that_moves_takes_its_entries_along(shop: Repository) -> None:
    baseline(shop)
    shop.commit()
    (shop.path / "lib").mkdir()
    shop.git("mv", "src/b.js", "lib/moved.js")
    assert check(shop).code == 0
    said = baseline(shop)
    assert (said["changed"], said["size"], said["added"], said["taken_out"]) == (True, 3, 0, 0)
    assert b"lib/moved.js" in shop.read(BASELINE_FILE)
    assert b"src/b.js" not in shop.read(BASELINE_FILE)
    assert check(shop).code == 0


def test_it_grows_with_a_reason_that_is_written_down(shop: Repository) -> None:
    baseline(shop)
    shop.write({"src/c.js": DEEP})
    shop.git("add", "--all")
    assert ringfence("baseline", "write", shop.path, "--grow").code == 2
    assert ringfence("baseline", "write", shop.path, "--reason", "because").code == 2
    assert not baseline(shop, "--dry-run", "--grow", "--reason", "x")["changed"]
    said = baseline(shop, "--grow", "--reason", "floating-tool is new")
    assert (said["size"], said["added"]) == (4, 1)
    assert check(shop).code == 0
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    assert f"grew by 1 on {today}: floating-tool is new" in ringfence("baseline", "show", shop.path).out
    baseline(shop)
    assert b"floating-tool is new" in shop.read(BASELINE_FILE)


def test_show_says_how_many_of_what(shop: Repository) -> None:
    assert "no baseline" in ringfence("baseline", "show", shop.path).out
    assert json.loads(ringfence("baseline", "show", shop.path, "--json").out)["size"] == 0
    baseline(shop)
    said = ringfence("baseline", "show", shop.path).out
    assert said.split() == ["deep-import", "3", "1", "src/a.js", "2", "src/b.js", "3", "in", "all"]
    shown = json.loads(ringfence("baseline", "show", shop.path, "--json").out)
    assert (shown["size"], len(shown["entries"])) == (3, 3)
    shop.write({BASELINE_FILE: "{\n<<<<<<<"})
    broken = ringfence("baseline", "show", shop.path)
    assert broken.code == 2
    assert f"{BASELINE_FILE}:2" in broken.err
    (shop.path / BASELINE_FILE).unlink()
    (shop.path / BASELINE_FILE).symlink_to("/etc/passwd")
    assert "symbolic link" in ringfence("baseline", "show", shop.path).err


def test_a_broken_one_is_not_checked_and_not_replaced(shop: Repository) -> None:
    shop.commit({BASELINE_FILE: "{", "src/a.js": "", "src/b.js": ""})
    done = check(shop)
    assert done.code == 2
    assert [(p["reason"], p["path"]) for p in done.report["not_checked"]] == [("malformed", BASELINE_FILE)]
    assert ringfence("baseline", "write", shop.path).code == 2
    assert shop.read(BASELINE_FILE) == b"{"


def test_nothing_is_taken_out_that_nobody_could_judge(shop: Repository) -> None:
    baseline(shop)
    shop.commit({"package.json": "{"})
    done = check(shop)
    assert done.code == 2
    assert rules_of(done.report) == []
    assert baseline(shop)["size"] == 3
    shop.git("checkout", "-q", "HEAD~1", "--", "package.json")
    off = shop.read("ringfence.toml").decode() + '[rules]\ndeep-import = "off"\n'
    shop.commit({"ringfence.toml": off})
    assert baseline(shop)["size"] == 3


def test_an_organisation_that_grants_none(shop: Repository, registry: LoopbackRegistry, tmp_path: Path) -> None:
    baseline(shop)
    shop.commit()
    organisation = tmp_path / "organisation.toml"
    organisation.write_text(policy(registry, '[gate]\nrepository_may = ["waive"]\n'))
    done = check(shop, "--policy", organisation)
    assert done.code == 1
    assert any(BASELINE_FILE in note and "no effect" in note for note in done.report["assumed"])
    assert done.report["summary"]["baseline"] == 0
    refused = ringfence("baseline", "write", shop.path, "--policy", organisation)
    assert refused.code == 2
    assert "grants no baseline" in refused.err
    organisation.write_text(policy(registry))
    assert check(shop, "--policy", organisation).code == 0


def test_waived_findings_stay_out_of_it(shop: Repository, registry: LoopbackRegistry) -> None:
    expires = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=30)
    waiver = f'[[waiver]]\nrule = "deep-import"\npath = "src/b.js"\nreason = "x"\nowner = "@web"\nexpires = {expires}\n'
    shop.commit({"ringfence.toml": policy(registry, waiver)})
    assert baseline(shop)["size"] == 1
    # Nor does what watches exceptions go in.
    shop.commit({"ringfence.toml": policy(registry, waiver.replace("src/b.js", "gone/**"))})
    assert ("waiver", "ringfence.toml") in rules_of(check(shop).report, introduced=True)
    assert baseline(shop, "--grow", "--reason", "more")["size"] == 3
    assert rules_of(check(shop).report, introduced=True) == [("waiver", "ringfence.toml")]


# -- against a base ------------------------------------------------------------------------------


def test_head_cannot_add_its_own_findings(shop: Repository) -> None:
    baseline(shop)
    shop.commit()
    shop.git("checkout", "-q", "-b", "change")
    shop.write({"src/c.js": DEEP})
    shop.git("add", "--all")
    assert baseline(shop, "--grow", "--reason", "mine")["added"] == 1
    shop.commit()
    assert check(shop).code == 0
    done = check(shop, "--base", "main")
    assert done.code == 1
    assert rules_of(done.report, introduced=True) == [("deep-import", "src/c.js")]
    assert rules_of(done.report, introduced=False) == [("deep-import", f"src/{x}.js") for x in "abb"]


def test_mending_without_taking_out_is_news_once(shop: Repository) -> None:
    baseline(shop)
    shop.commit()
    shop.git("checkout", "-q", "-b", "change")
    shop.commit({"src/a.js": "export {}\n"})
    done = check(shop, "--base", "main")
    assert done.code == 1
    assert rules_of(done.report, introduced=True) == [("stale-baseline", BASELINE_FILE)]
    # One that was there before does not decide, another one does.
    shop.git("branch", "--force", "main", "change")
    shop.commit({"src/x.js": "export {}\n"})
    assert check(shop, "--base", "main").code == 0
    shop.commit({"src/b.js": LONG + OTHER})
    done = check(shop, "--base", "main")
    assert rules_of(done.report, introduced=True) == [("stale-baseline", BASELINE_FILE)]
    assert baseline(shop)["size"] == 1
    assert check(shop, "--base", "main").code == 0


def test_what_the_baseline_of_main_forgets_may_not_come_back(shop: Repository) -> None:
    """An entry that outlived its finding is no room for a new one: the base decides, not the baseline."""
    baseline(shop)
    shop.commit()
    shop.commit({"src/a.js": "export {}\n"})
    shop.git("checkout", "-q", "-b", "change")
    shop.commit({"src/z.js": DEEP})
    done = check(shop, "--base", "main")
    assert done.code == 1
    assert ("deep-import", "src/z.js") in rules_of(done.report, introduced=True)


def test_many_mended_entries_are_one_finding_with_a_list(registry: LoopbackRegistry, tmp_path: Path) -> None:
    files = product(registry, stock(registry))
    shop = Repository(tmp_path / "shop", {**files, **{f"src/{n}.js": DEEP for n in range(30)}})
    assert baseline(shop)["size"] == 30
    shop.commit({f"src/{n}.js": "" for n in range(30)})
    done = check(shop)
    (finding,) = done.report["findings"]
    assert "29 more are alike" in finding["message"]
    assert baseline(shop)["size"] == 0
    assert check(shop).code == 0
