"""Hostile pull requests: whatever they hold, they change nothing but their own escaped text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.action import Ran, Stage
from tests.gfm import seen
from tests.github_fake import GitHubFake, Link, Pull
from tests.registry.loopback import LoopbackRegistry
from tests.world import as_bytes, policy, product, stock

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'
GATE = '[gate]\napprovers = ["@sam"]\n'

# What a branch may be called (git-check-ref-format), and what a file may.
BRANCHES = [
    "$(touch${IFS}pwned)",
    "`touch${IFS}pwned`",
    "';touch${IFS}pwned;'",
    '"&&touch${IFS}pwned',
    "x|touch${IFS}pwned",
    "-–upload-pack=touch",
    "%0A%0D::error::x",
    "<img/src=x/onerror=alert(1)>",
    "@acme/everyone",
    "]](javascript;alert)",
    "refs/heads/main",
    "main",
    "HEAD",
    "0" * 40,
]
FILES = [
    "src/::error::x.js",
    "src/a\n::error::x.js",
    "src/a\r\n::add-mask::x.js",
    "src/\x1b[31mred\x1b]0;title\x07.js",
    "src/%0A::error::x.js",
    "src/$(touch pwned).js",
    "src/`touch pwned`.js",
    "src/';touch pwned;'.js",
    "src/<script>alert(1)<.js",
    "src/<!-- ringfence:comment e3b0c44298fc -->.js",
    "src/<!-- x.js",
    "src/![x](evil.example).js",
    "src/www.evil.example.js",
    "src/@acme-team closes #1.js",
    "src/```suggestion\nevil\n```.js",
    "src/a|b\u202etxt.js",
    "src/-rf.js",
    "src/\udcff.js",
    "src/##[add-mask]x.js",
    "src/x,line=1,title=y.js",
]
NAMES = [
    "@acme/$(touch pwned)",
    "@acme/`id`",
    "@acme/x\n::error::y",
    "@acme/<img src=x>",
    "@acme/[a](https://evil.example)",
    "@acme/\x1b[2J",
    "@acme/--help",
    "@acme/..%2f..%2fx",
    "@acme/../../x",
    "@acme/core@evil",
]


@pytest.fixture
def stage(github_fake: GitHubFake, registry: LoopbackRegistry, tmp_path: Path) -> Stage:
    files = {path: as_bytes(content) for path, content in product(registry, stock(registry), more=GATE).items()}
    github_fake.world.organization("acme")
    repo = github_fake.world.repository("acme/shop", files)
    return Stage(github_fake, repo, tmp_path / "runner")


def pull(stage: Stage, changes: dict[str, Any], branch: str = "change", **more: Any) -> Pull:
    stage.repo.commit(changes, branch=branch, parents=[str(stage.repo.head())], **more.pop("commit", {}))
    return stage.fake.world.pull(stage.repo, branch, author="mallory", **more)


def judge(stage: Stage, made: Pull, **more: str) -> Ran:
    stage.checkout(stage.merge_of(made))
    job = stage.fake.world.job_token(stage.repo, {"contents": "read", "pull_requests": "write"})
    return stage.on_pull(made, RINGFENCE_TOKEN=job, **more)


def assert_harmless(stage: Stage, made: Pull, ran: Ran) -> None:
    """Nothing ran, nothing was written but our words, and these mean nothing to whoever reads them."""
    assert not list(stage.folder.rglob("pwned"))
    assert "\x1b" not in ran.log
    assert "\r" not in ran.log
    for line in ran.log.split("\n"):
        if re.match(r"\W*::|.*##\w*\[", line):
            assert re.match(
                r"::(error|warning|notice) (file=[^,:]*,)?(line=\d+,endLine=\d+,)?(col=\d+,endColumn=\d+,)?title=ringfence[ \w-]*::|::(end)?group::",
                line,
            ), line
    markdown = {"summary": ran.summary}
    markdown |= {f"comment {number}": comment.body for number, comment in enumerate(made.comments)}
    for review in made.reviews:
        markdown["review"] = review.body
        markdown |= {f"on {number}": str(row["body"]) for number, row in enumerate(review.comments)}
    for name, text in markdown.items():
        found = seen(text)
        assert found.second_look == {}, (name, found.second_look)
        assert not {"script", "img", "input", "iframe"} & set(found.names), name
        for link in found.of("a"):
            assert str(link["href"]).startswith(stage.fake.url + "/acme/shop/"), name
    assert len(made.comments) <= 1
    assert {each.path.rpartition("/")[2] for each in stage.fake.writes()} <= {"comments", "reviews"}
    assert ran.outputs["verdict"] in ("pass", "fail", "incomplete")


@pytest.mark.parametrize(
    ("branch", "event"), [(name, ("pull_request", "pull_request_target")[n % 2]) for n, name in enumerate(BRANCHES)]
)
def test_branch_names(stage: Stage, branch: str, event: str) -> None:
    if branch == "main":
        # A fork's branch may be called like the base.
        fork = stage.fake.world.fork(stage.repo, "mallory")
        fork.commit({"src/new.js": DEEP}, branch="main", parents=[str(stage.repo.head())])
        made = stage.fake.world.pull(stage.repo, "main", head_repo=fork, author="mallory")
    else:
        made = pull(stage, {"src/new.js": DEEP}, branch)
    job = stage.fake.world.job_token(stage.repo, {"contents": "read", "pull_requests": "write"})
    ran = stage.on_pull(made, event=event, RINGFENCE_TOKEN=job)
    assert ran.outputs["verdict"] == "fail"
    assert [f["location"]["path"] for f in ran.report["findings"]] == ["src/new.js"]
    assert_harmless(stage, made, ran)


@pytest.mark.parametrize("branch", ["$(touch${IFS}pwned)", "-x", "a&b;c", "HEAD", "0" * 40])
def test_base_branches_with_such_names(stage: Stage, branch: str) -> None:
    """Their tip decides about policy: the name must lead to that branch and nothing else."""
    base = str(stage.repo.head())
    strict = stage.repo.commit({"src/base.js": DEEP}, branch=branch, parents=[base])
    made = pull(stage, {"src/new.js": DEEP, "src/base.js": DEEP}, "change")
    made.base = branch
    stage.repo.commit({"src/new.js": DEEP}, branch="change", parents=[strict])
    ran = judge(stage, made)
    assert ran.report["base"] == branch
    assert [f["location"]["path"] for f in ran.report["findings"] if f["introduced"]] == ["src/new.js"]
    assert_harmless(stage, made, ran)


def test_file_names(stage: Stage) -> None:
    made = pull(stage, dict.fromkeys(FILES, DEEP))
    ran = judge(stage, made)
    assert ran.outputs["errors"] == str(len(FILES))
    assert_harmless(stage, made, ran)
    assert len(ran.annotations) == 11  # ten, and how many more
    assert f"{len(FILES) - 10} more findings not shown as annotations" in ran.annotations[-1]


def test_package_names_versions_and_manifests(stage: Stage) -> None:
    manifest = {
        "name": "::error::x\n</details>",
        "version": "$(touch pwned)",
        "private": True,
        "type": "module",
        "dependencies": dict.fromkeys(NAMES, "^1.0.0\n::error::") | {"@acme/core": "1.2.3"},
        "repository": "https://evil.example/@acme/x.git",
    }
    made = pull(
        stage, {"package.json": manifest, "src/new.js": "".join(f"import {json.dumps(n + '/x')};\n" for n in NAMES)}
    )
    ran = judge(stage, made)
    assert ran.outputs["verdict"] == "fail"
    assert_harmless(stage, made, ran)


@pytest.mark.parametrize(
    "words",
    [
        "::error::x\n\n$(touch pwned) `touch pwned`",
        "<!-- ringfence:comment e3b0c44298fc --> <script>alert(1)</script>",
        "\x1b[31m closes #1 @acme/everyone",
    ],
)
def test_titles_bodies_and_commit_messages(stage: Stage, words: str) -> None:
    made = pull(
        stage, {"src/new.js": DEEP}, title=words, body=words, commit={"message": words, "author": "$(id) <x@y.example>"}
    )
    ran = judge(stage, made)
    assert ran.outputs["verdict"] == "fail"
    assert_harmless(stage, made, ran)


def test_waivers_and_reasons_of_the_head(stage: Stage, registry: LoopbackRegistry) -> None:
    hostile = "x\\n::error::y <img src=x> @acme/everyone `id` </details>"
    text = policy(registry, GATE) + "".join(
        f'[[waiver]]\nrule = "deep-import"\npath = "{number} {hostile}"\nreason = "{hostile}"\nowner = "{hostile}"\nexpires = 2099-01-01\n'
        for number in range(3)
    )
    made = pull(stage, {"ringfence.toml": text, "src/new.js": DEEP})
    ran = judge(stage, made)
    assert "3 waivers requested" in ran.summary
    assert_harmless(stage, made, ran)


@pytest.mark.parametrize(
    "gate",
    [
        {"ringfence.toml": "schema = ["},
        {"ringfence.toml": None},
        {"ringfence.toml": b"\xff\xfe\x00"},
        {"ringfence-baseline.json": "[" * 50_000},
        {"ringfence-baseline.json": Link("ringfence.toml")},
        {
            "ringfence-baseline.json": '{"schema": 1, "entries": [{"rule": "r", "path": "p", "mark": "0123456789abcdef", "count": 999999999}]}'
        },
        {".github/workflows/x.yml": "ringfence: [" + "a: &a [" * 1000},
        {".github/workflows/x.yml": "&a [*a, ringfence]\n---\n"},
        {".github/workflows/x.yml": Link("../../ringfence.toml")},
        {".github/workflows/ringfence.yml": b"\xff ringfence"},
    ],
    ids=[
        "broken",
        "gone",
        "binary",
        "deep",
        "linked",
        "huge",
        "nested",
        "two",
        "linked workflow",
        "binary workflow",
    ],
)
def test_gates_of_the_head(stage: Stage, gate: dict[str, Any]) -> None:
    made = pull(stage, {"src/new.js": DEEP, **gate})
    ran = judge(stage, made)
    assert ran.code in (1, 2)
    assert ("deep-import", "src/new.js") in [(f["rule"], f["location"]["path"]) for f in ran.report["findings"]]
    assert_harmless(stage, made, ran)


def test_a_policy_that_becomes_a_link_takes_no_gate_away(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": DEEP, "ringfence.toml": Link("/etc/passwd")})
    ran = judge(stage, made)
    assert (ran.code, ran.outputs) == (2, {"verdict": "incomplete"})
    assert "symbolic link" in ran.annotations[0]


def test_a_tree_full_of_links_and_programs(stage: Stage, tmp_path: Path) -> None:
    script = "import pathlib; pathlib.Path('pwned').touch()\n"
    made = pull(
        stage,
        {
            "bot/__init__.py": script,
            "sitecustomize.py": script,
            "src/out.js": Link("/etc/passwd"),
            "src/up.js": Link("../../../../etc/passwd"),
            ".gitattributes": "* filter=evil diff=evil merge=evil\n",
            ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% pwned\n',
            ".npmrc": "registry=http://evil.example\n",
            "src/new.js": DEEP,
        },
    )
    ran = judge(stage, made)
    assert ran.outputs["verdict"] == "fail"
    assert "root:" not in ran.log + ran.summary + json.dumps(ran.report)
    assert_harmless(stage, made, ran)


def test_a_hostile_checkout_runs_nothing(stage: Stage) -> None:
    """An earlier step of the job may have left anything in the checkout's configuration."""
    made = pull(stage, {"src/new.js": DEEP})
    stage.checkout(stage.merge_of(made))
    evil = "sh -c 'touch pwned'"
    config = stage.workspace / ".git/config"
    config.write_text(
        config.read_text()
        + f'[core]\n\tfsmonitor = {evil}\n\thooksPath = hooks\n\tsshCommand = {evil}\n[filter "evil"]\n\tclean = {evil}\n\tsmudge = {evil}\n'
        f'[diff]\n\texternal = {evil}\n[credential]\n\thelper = !{evil}\n[url "ext::{evil}"]\n\tinsteadOf = {stage.fake.url}\n'
        f"[uploadpack]\n\tpackObjectsHook = {evil}\n"
    )
    job = stage.fake.world.job_token(stage.repo, {"contents": "read", "pull_requests": "write"})
    ran = stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert ran.outputs["verdict"] == "fail"
    assert_harmless(stage, made, ran)


def test_what_github_is_told_holds_no_token(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": DEEP})
    job = stage.fake.world.job_token(stage.repo, {"contents": "read", "pull_requests": "write"})
    ran = stage.on_pull(made, RINGFENCE_TOKEN=job)
    everything = ran.log + ran.summary + ran.outcome.err + json.dumps(ran.report) + made.comments[0].body
    assert job not in everything
    for file in stage.folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert job.encode() not in file.read_bytes(), file


def test_repositories_that_a_pull_request_comes_from(stage: Stage, github_fake: GitHubFake) -> None:
    """A fork that is gone, and one whose name is not what it seems."""
    fork = github_fake.world.fork(stage.repo, "acme-")
    fork.commit({"src/new.js": DEEP}, branch="evil", parents=[str(stage.repo.head())])
    made = github_fake.world.pull(stage.repo, "evil", head_repo=fork, author="mallory")
    stage.merge_of(made)
    made.head_repo = None
    github_fake.world.delete(fork)
    ran = stage.on_pull(made, RINGFENCE_TOKEN=github_fake.world.job_token(stage.repo, {"contents": "read"}))
    assert ran.outputs["verdict"] == "fail"
    assert "may only read" in ran.log
    assert_harmless(stage, made, ran)


def test_the_branch_goes_during_the_run(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": DEEP})

    def gone() -> None:
        stage.repo.git.git("update-ref", "-d", "refs/heads/main")

    stage.checkout(stage.merge_of(made), depth=2)
    stage.fake.before("* /acme/shop.git/info/refs", gone)
    ran = stage.on_pull(made)
    assert ran.outputs["verdict"] == "fail"
    assert "policy is that of main at" in ran.log
    assert_harmless(stage, made, ran)
