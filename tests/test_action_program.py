"""`ringfence action` on every event, over real git and a GitHub on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.action import Ran, Stage, payload_of_pull, recorded, repository
from tests.github_fake import GitHubFake, Link, Pull, Repo, faults
from tests.registry.loopback import LoopbackRegistry
from tests.world import as_bytes, git, policy, product, rules_of, stock

DEEP = 'import { parse } from "@acme/core/src/parser.js"\n'
OTHER = 'import { x } from "@acme/core/src/other.js"\n'
GATE = '[gate]\napprovers = ["@sam", "@acme/boundary"]\n'
WORKFLOW = "on: pull_request\njobs:\n  boundary:\n    steps:\n      - uses: acme/ringfence@v1\n"


def files(registry: LoopbackRegistry, more: str = GATE) -> dict[str, Any]:
    """A clean product."""
    return {path: as_bytes(content) for path, content in product(registry, stock(registry), more=more).items()}


@pytest.fixture
def repo(github_fake: GitHubFake, registry: LoopbackRegistry) -> Repo:
    world = github_fake.world
    world.organization("acme", owners=["ada"])
    world.team("acme", "boundary", ["kim"])
    return world.repository(
        "acme/shop", {**files(registry), "src/old.js": DEEP, ".github/workflows/gate.yml": WORKFLOW}
    )


@pytest.fixture
def stage(github_fake: GitHubFake, repo: Repo, tmp_path: Path) -> Stage:
    return Stage(github_fake, repo, tmp_path / "runner")


def pull(stage: Stage, changes: dict[str, Any], *, branch: str = "change", author: str = "ann") -> Pull:
    """A pull request of a branch of the same repository."""
    stage.repo.commit(changes, branch=branch, parents=[str(stage.repo.head())])
    return stage.fake.world.pull(stage.repo, branch, author=author)


def token(stage: Stage, **permissions: str) -> str:
    given = permissions or {"contents": "read", "pull_requests": "write"}
    return stage.fake.world.job_token(stage.repo, given)


# -- pull requests -------------------------------------------------------------------------------


def test_a_pull_request_that_brings_a_finding(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": "// é\n" + OTHER})
    stage.checkout(stage.merge_of(made))
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert ran.code == 1
    assert ran.outputs | {"report": "", "baseline": ""} == {
        "verdict": "fail",
        "errors": "1",
        "warnings": "0",
        "notes": "0",
        "before": "1",
        "baseline": "",
        "mended": "0",
        "cache": "false",
        "report": "",
    }
    report = ran.report
    assert (report["repository"], report["base"], report["revision"]) == (
        "127.0.0.1/acme/shop",
        "main",
        stage.merge_of(made),
    )
    assert rules_of(report, introduced=True) == [("deep-import", "src/new.js")]
    assert rules_of(report, introduced=False) == [("deep-import", "src/old.js")]
    (annotation,) = ran.annotations
    assert annotation.startswith("::error file=src/new.js,line=2,")
    assert "src/new.js:2" in ran.summary
    (comment,) = made.comments
    assert comment.author.login == "github-actions[bot]"
    assert comment.body.startswith("<!-- ringfence:comment ")
    assert "src/new.js:2" in comment.body
    assert f"{stage.fake.url}/acme/shop/blob/{stage.merge_of(made)}/src/new.js#L2" in comment.body
    assert "src/old.js" not in comment.body
    assert "left out" not in ran.log


def test_a_clean_one_says_nothing_on_the_pull_request(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": "export {}\n"})
    stage.checkout(stage.merge_of(made))
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert (ran.code, ran.outputs["verdict"], ran.annotations) == (0, "pass", [])
    assert made.comments == []
    assert stage.fake.writes() == []
    assert "pass" in ran.summary


@pytest.mark.parametrize("what", ["depth 1", "depth 2", "nothing", "the head", "the base", "other"])
def test_whatever_was_checked_out_the_merge_is_judged(stage: Stage, tmp_path: Path, what: str) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    stage.repo.commit({"src/main2.js": DEEP})  # main goes on, and has its own troubles
    merge = stage.merge_of(made)
    if what == "depth 1":
        stage.checkout(merge)
    elif what == "depth 2":
        stage.checkout(merge, depth=2)
    elif what == "the head":
        stage.checkout(str(stage.repo.head("change")))
    elif what == "the base":
        stage.checkout(str(stage.repo.head()))
    elif what == "other":
        git(stage.workspace, "init", "--quiet")
        (stage.workspace / "evil.js").write_text(OTHER)
    before = {path: path.read_bytes() for path in stage.workspace.rglob("*") if path.is_file()}
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert ran.code == 1
    assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")]
    assert sorted(rules_of(ran.report, introduced=False)) == [
        ("deep-import", "src/main2.js"),
        ("deep-import", "src/old.js"),
    ]
    assert before == {path: path.read_bytes() for path in stage.workspace.rglob("*") if path.is_file()}


def test_a_full_checkout_with_all_there_asks_for_the_tip_alone(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": "export {}\n"})
    stage.checkout(stage.merge_of(made), depth=100)
    with stage.fake.counted() as asked:
        ran = stage.on_pull(made, RINGFENCE_COMMENT="false")
    assert ran.code == 0
    assert {each.kind for each in asked} == {"git"}
    assert len(asked) <= 3


def test_one_that_does_not_merge_is_judged_as_it_is(stage: Stage) -> None:
    made = pull(stage, {"src/main.js": OTHER, "src/new.js": OTHER})
    old = stage.merge_of(made)
    stage.repo.commit({"src/main.js": DEEP, "src/theirs.js": DEEP})
    assert stage.merge_of(made) == old
    for number in range(60):
        stage.repo.commit({"docs.txt": str(number)})
    # GitHub runs nothing on pull_request then, but a review and a target.
    for event in ("pull_request_review", "pull_request_target"):
        stage.repo.commit({"src/new.js": OTHER, "x.js": event}, branch="change")
        ran = stage.on_pull(made, event=event, action="submitted")
        assert ran.report["revision"] == stage.repo.head("change")
        assert rules_of(ran.report, introduced=True) == [("deep-import", "src/main.js"), ("deep-import", "src/new.js")]


def test_what_it_mends_is_told(stage: Stage) -> None:
    made = pull(stage, {"src/old.js": "export {}\n"})
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert (ran.code, ran.outputs["mended"]) == (0, "1")
    assert "this change mends 1 finding" in ran.log
    assert "1 finding mended" in ran.summary
    assert "1 finding mended" in made.comments[0].body


# -- the comment and the review --------------------------------------------------------------------


def test_one_comment_follows_the_pull_request(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    job = token(stage)
    stage.on_pull(made, RINGFENCE_TOKEN=job)
    first = made.comments[0]
    stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert made.comments == [first]
    stage.repo.commit({"src/new.js": "export {}\n"}, branch="change")
    ran = stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert ran.code == 0
    (comment,) = made.comments
    assert comment is first
    assert "src/new.js" not in comment.body


def test_somebody_elses_comment_is_left_alone(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    job = token(stage)
    stage.on_pull(made, RINGFENCE_TOKEN=job)
    ours = made.comments.pop()
    forged = stage.fake.world.comment(made, "mallory", ours.body)
    bot = stage.fake.world.comment(made, "other[bot]", ours.body)
    quoted = stage.fake.world.comment(made, "github-actions[bot]", "> " + ours.body)
    stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert len(made.comments) == 4
    assert {forged.body, bot.body} == {ours.body}
    assert quoted.body == "> " + ours.body
    assert made.comments[-1].author.login == "github-actions[bot]"


def test_of_two_comments_of_ours_one_is_left(stage: Stage) -> None:
    """Two runs at once both find none and make one each."""
    made = pull(stage, {"src/new.js": OTHER})
    job = token(stage)
    stage.on_pull(made, RINGFENCE_TOKEN=job)
    (first,) = made.comments
    twins = [stage.fake.world.comment(made, "github-actions[bot]", first.body) for _ in range(2)]
    said = stage.fake.world.comment(made, "github-actions[bot]", "of another program")
    forged = stage.fake.world.comment(made, "mallory", first.body)
    before = first.body
    stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert made.comments == [first, said, forged]
    made.comments += twins
    stage.repo.commit({"src/new.js": "export {}\n"}, branch="change")
    stage.fake.fail("DELETE */issues/comments/*", faults.not_found())  # another run deleted it meanwhile
    ran = stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert "left out: the comment" not in ran.log
    assert first.body != before
    assert made.comments[:3] == [first, said, forged]
    assert len(made.comments) == 4  # only the one that the fake kept


def test_a_person_with_a_token_of_their_own(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    own = stage.fake.world.user_token("ada")
    for _ in range(2):
        stage.on_pull(made, RINGFENCE_TOKEN=own)
    assert [comment.author.login for comment in made.comments] == ["ada"]


def test_no_comment_where_none_is_wanted(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage), RINGFENCE_COMMENT="false", RINGFENCE_FORMATS="annotations")
    assert ran.code == 1
    assert (made.comments, made.reviews, ran.summary) == ([], [], "")
    assert ran.annotations
    ran = stage.on_pull(made, RINGFENCE_FORMATS="summary", RINGFENCE_COMMENT="false")
    assert ran.annotations == []
    assert "src/new.js" in ran.summary


PINNED = '{\n  "name": "shop",\n  "version": "1.0.0",\n  "private": true,\n  "type": "module",\n  "dependencies": {\n    "@acme/core": "%s"\n  }\n}\n'


def floating(stage: Stage) -> dict[str, Any]:
    """A range where an exact version was, in manifest and lock: both have a safe fix."""
    lock = json.loads(stage.repo.git.git("show", "main:package-lock.json"))
    lock["packages"][""]["dependencies"]["@acme/core"] = "^1.2.3"
    return {"package.json": (PINNED % "^1.2.3").encode(), "package-lock.json": lock}


def test_a_safe_fix_is_suggested_once(stage: Stage) -> None:
    made = pull(stage, floating(stage))
    job = token(stage)
    ran = stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert rules_of(ran.report, introduced=True) == [("floating-pin", "package.json")]
    (review,) = made.reviews
    assert (review.state, review.commit) == ("COMMENTED", stage.repo.head("change"))
    assert {row["path"] for row in review.comments} == {"package.json", "package-lock.json"}
    assert all(row["side"] == "RIGHT" and "```suggestion" in str(row["body"]) for row in review.comments)
    assert '"@acme/core": "1.2.3"' in "".join(str(row["body"]) for row in review.comments)
    # Not on the next push.
    stage.repo.commit({"src/x.js": "export {}\n"}, branch="change")
    stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert len(made.reviews) == 1


def test_nothing_is_suggested_where_the_merge_is_not_the_head(stage: Stage) -> None:
    made = pull(stage, floating(stage))
    manifest = stage.repo.git.git("show", "main:package.json").decode()
    stage.repo.commit({"package.json": manifest.replace('"private"', '"license": "x",\n  "private"')})
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert ("floating-pin", "package.json") in rules_of(ran.report, introduced=True)
    assert made.reviews == []
    assert len(made.comments) == 1


# -- who may not write -----------------------------------------------------------------------------


def fork_pull(stage: Stage, changes: dict[str, Any], author: str = "mallory") -> Pull:
    fork = stage.fake.world.fork(stage.repo, author)
    fork.commit(changes, branch="evil", parents=[str(stage.repo.head())])
    return stage.fake.world.pull(stage.repo, "evil", head_repo=fork, author=author)


@pytest.mark.parametrize("who", ["a fork", "dependabot"])
def test_a_token_that_may_only_read(stage: Stage, who: str) -> None:
    made = (
        fork_pull(stage, {"src/new.js": OTHER})
        if who == "a fork"
        else pull(stage, {"src/new.js": OTHER}, author="dependabot[bot]")
    )
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage, contents="read", pull_requests="read"))
    assert ran.code == 1
    assert len(ran.annotations) == 1
    assert "src/new.js" in ran.summary
    assert "the comment: the token of a fork's pull request, or of Dependabot's, may only read" in ran.log
    assert "may only read" in ran.summary
    assert stage.fake.writes() == []


def test_a_refused_comment_is_a_note(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage, contents="read"))
    assert ran.code == 1
    assert "left out: the comment:" in ran.log
    assert "pull_requests" in ran.log or "may not" in ran.log
    assert made.comments == []


@pytest.mark.parametrize(
    "fault",
    [
        faults.server_error(502),
        faults.no_rights("pull_requests=write"),
        faults.not_found(),
        faults.conflict(),
        faults.unprocessable(),
        faults.bad_credentials(),
        faults.cut(),
        faults.rate_limited(4_000_000_000),
    ],
    ids=["502", "403", "404", "409", "422", "401", "cut", "rate"],
)
def test_whatever_github_says_to_a_comment_the_verdict_stands(stage: Stage, fault: faults.Fault) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    stage.fake.fail("POST /repos/acme/shop/issues/*/comments", fault, times=None)
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert (ran.code, ran.outputs["verdict"]) == (1, "fail")
    assert "left out: the comment: " in ran.log
    assert "Traceback" not in ran.log + ran.outcome.err


# -- targets -----------------------------------------------------------------------------------------


def test_a_target_judges_a_fork_without_checking_it_out(stage: Stage) -> None:
    made = fork_pull(stage, {"src/new.js": OTHER})
    stage.checkout(str(stage.repo.head()))
    ran = stage.on_pull(made, event="pull_request_target", RINGFENCE_TOKEN=token(stage))
    assert ran.code == 1
    assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")]
    assert len(made.comments) == 1
    assert ran.outputs["cache"] == "false"
    assert not (stage.workspace / "src/new.js").exists()


# -- the other events --------------------------------------------------------------------------------


def push(stage: Stage, before: str, after: str, ref: str = "refs/heads/main", **more: Any) -> Ran:
    payload = recorded("push")
    payload["repository"] |= repository(stage.repo)
    zero = "0" * 40
    payload |= {
        "ref": ref,
        "before": before,
        "after": after,
        "created": before == zero,
        "deleted": after == zero,
        **more,
    }
    sha = after if after != zero else str(stage.repo.head())
    return stage.run("push", payload, GITHUB_SHA=sha, GITHUB_REF=ref)


def test_a_push_is_held_against_what_was_there(stage: Stage) -> None:
    before = str(stage.repo.head())
    after = stage.repo.commit({"src/new.js": OTHER})
    stage.checkout(after)
    ran = push(stage, before, after)
    assert (ran.code, ran.report["base"], ran.outputs["cache"]) == (1, before[:12], "true")
    assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")]
    later = stage.repo.commit({"src/y.js": "export {}\n"})
    assert push(stage, after, later).code == 0


def test_a_first_push_is_judged_in_full(stage: Stage) -> None:
    ran = push(stage, "0" * 40, str(stage.repo.head()))
    assert (ran.code, ran.report["base"]) == (1, "")
    assert rules_of(ran.report, introduced=True) == [("deep-import", "src/old.js")]


def test_a_forced_push_over_what_nobody_has_any_more(stage: Stage) -> None:
    ran = push(stage, "d" * 40, str(stage.repo.head()), forced=True)
    assert ran.code == 1
    assert "what was there before (dddddddddddd) is gone: everything is judged" in ran.log


def test_a_push_to_a_branch_is_held_against_the_default_one(stage: Stage, registry: LoopbackRegistry) -> None:
    lax = policy(registry, '[rules]\ndeep-import = "off"\n')
    head = stage.repo.commit(
        {"src/new.js": OTHER, "ringfence.toml": lax}, branch="topic", parents=[str(stage.repo.head())]
    )
    ran = push(stage, "0" * 40, head, "refs/heads/topic")
    assert (ran.code, ran.outputs["cache"]) == (1, "false")
    assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")]


@pytest.mark.parametrize("event", ["push", "workflow_dispatch", "release"])
def test_a_tag_is_judged_in_full_by_the_policy_of_the_default_branch(
    stage: Stage, registry: LoopbackRegistry, event: str
) -> None:
    lax = policy(registry, '[rules]\ndeep-import = "off"\n')
    never_merged = stage.repo.commit(
        {"src/new.js": OTHER, "ringfence.toml": lax}, branch="topic", parents=[str(stage.repo.head())]
    )
    for commit, found in ((str(stage.repo.head()), ["src/old.js"]), (never_merged, ["src/new.js", "src/old.js"])):
        payload = {"repository": repository(stage.repo), "ref": "refs/tags/v1", "before": "0" * 40, "after": commit}
        ran = stage.run(event, payload, GITHUB_SHA=commit, GITHUB_REF="refs/tags/v1")
        assert (ran.code, ran.report["base"]) == (1, "")
        assert rules_of(ran.report, introduced=True) == [("deep-import", path) for path in found]


@pytest.mark.parametrize("ref", ["refs/heads/topic", "refs/tags/v1"])
def test_what_is_gone_is_not_judged(stage: Stage, ref: str) -> None:
    ran = push(stage, "d" * 40, "0" * 40, ref)
    assert (ran.code, ran.outputs) == (0, {"verdict": "skipped"})
    assert ran.annotations == [line for line in ran.annotations if line.startswith("::notice")]
    assert stage.fake.asked == []


@pytest.mark.parametrize(
    ("event", "action"),
    [("pull_request_review", "submitted"), ("pull_request", "closed"), ("pull_request_target", "edited")],
)
def test_a_closed_pull_request_gets_no_green_check(stage: Stage, event: str, action: str) -> None:
    """It may be opened again, and the check is its last commit's."""
    made = pull(stage, {"src/new.js": OTHER})
    made.state = "closed"
    ran = stage.on_pull(made, event=event, action=action)
    assert (ran.code, ran.outputs["verdict"]) == (1, "fail")
    payload = payload_of_pull(stage.fake, stage.repo, made, action=action)
    payload["pull_request"]["merged_at"] = "2026-01-02T03:04:05Z"
    ran = stage.run(event, payload)
    assert (ran.code, ran.outputs) == (0, {"verdict": "skipped"})


def test_a_schedule_and_a_baseline(stage: Stage) -> None:
    ran = stage.run("schedule", {"schedule": "0 3 * * *"})
    assert (ran.code, ran.outputs["cache"]) == (1, "true")
    from bot.baseline import Baseline, Entry, mark
    from bot.baseline import write as as_bytes
    from bot.model import Hit, Place

    hit = Hit(
        place=Place("src/old.js"), package="npm:@acme/core", subject="@acme/core/src/parser.js", message="", remedy=""
    )
    entry = Entry(rule="deep-import", path="src/old.js", mark=mark("deep-import", hit))
    stage.repo.commit({"ringfence-baseline.json": as_bytes(Baseline(entries=(entry,)))})
    ran = stage.run("schedule", {"schedule": "0 3 * * *"})
    assert (ran.code, ran.outputs["before"], ran.outputs["baseline"]) == (0, "1", "1")
    assert "The baseline holds 1 finding." in ran.summary


def test_by_hand_on_a_branch_by_the_policy_of_the_default_one(stage: Stage, registry: LoopbackRegistry) -> None:
    payload = recorded("workflow_dispatch")
    payload["repository"] |= repository(stage.repo)
    lax = policy(registry, '[rules]\ndeep-import = "off"\n')
    head = stage.repo.commit(
        {"src/new.js": OTHER, "ringfence.toml": lax}, branch="topic", parents=[str(stage.repo.head())]
    )
    ran = stage.run("workflow_dispatch", payload, GITHUB_SHA=head, GITHUB_REF="refs/heads/topic")
    assert ran.code == 1
    assert len(rules_of(ran.report, introduced=True)) == 2


def test_the_merge_queue(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    base = str(stage.repo.head())
    head = stage.merge_of(made)
    payload = recorded("merge_group")
    payload["repository"] |= repository(stage.repo)
    payload["merge_group"] |= {
        "head_sha": head,
        "base_sha": base,
        "base_ref": "refs/heads/main",
        "head_ref": f"refs/heads/gh-readonly-queue/main/pr-{made.number}-{base}",
    }
    ran = stage.run("merge_group", payload, GITHUB_SHA=head, GITHUB_REF=payload["merge_group"]["head_ref"])
    assert ran.code == 1
    assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")]
    assert made.comments == []
    assert "left out" not in ran.log


# -- the gate ----------------------------------------------------------------------------------------


def gate(ran: Ran) -> list[tuple[str, str]]:
    return [(rule, path) for rule, path in rules_of(ran.report, introduced=True) if rule == "gate-change"]


def test_a_change_of_the_gate_is_cleared_by_an_approver(stage: Stage, registry: LoopbackRegistry) -> None:
    world = stage.fake.world
    changes: dict[str, Any] = {
        "ringfence.toml": policy(registry, GATE + '[ignore]\npaths = ["gone/**"]\n'),
        ".github/workflows/gate.yml": WORKFLOW.replace("pull_request", "push"),
    }
    made = pull(stage, changes)
    job = token(stage)
    ran = stage.on_pull(made, RINGFENCE_TOKEN=job)
    assert ran.code == 1
    assert gate(ran) == [("gate-change", ".github/workflows/gate.yml"), ("gate-change", "ringfence.toml")]
    assert all("@sam or @acme/boundary" in f["remedy"] for f in ran.report["findings"] if f["rule"] == "gate-change")
    # Not by its author, not by somebody else, not by a comment, not for an earlier commit.
    for who, state in (
        ("ann", "APPROVED"),
        ("mallory", "APPROVED"),
        ("sam", "COMMENTED"),
        ("sam", "CHANGES_REQUESTED"),
    ):
        world.review(stage.repo, made, who, state)
    world.review(stage.repo, made, "sam", commit=str(stage.repo.head()))
    ran = stage.on_pull(made, event="pull_request_review", action="submitted", RINGFENCE_TOKEN=job)
    # Whether mallory is in the team is not known: the job's token may not read teams.
    assert (ran.code, gate(ran)) == (2, [])
    assert [(p["reason"], p["rule"]) for p in ran.report["not_checked"]] == [("approval-unknown", "gate-change")]
    approval = world.review(stage.repo, made, "Sam")
    ran = stage.on_pull(made, event="pull_request_review", action="submitted", RINGFENCE_TOKEN=job)
    assert (ran.code, gate(ran)) == (0, [])
    world.review(stage.repo, made, "sam", "COMMENTED")
    assert stage.on_pull(made, event="pull_request_review", action="submitted", RINGFENCE_TOKEN=job).code == 0
    approval.state = "DISMISSED"
    assert stage.on_pull(made, event="pull_request_review", action="dismissed", RINGFENCE_TOKEN=job).code != 0
    world.review(stage.repo, made, "sam")
    assert stage.on_pull(made, event="pull_request_review", action="submitted", RINGFENCE_TOKEN=job).code == 0
    # A new push takes it back.
    stage.repo.commit({"x.txt": "x"}, branch="change")
    assert stage.on_pull(made, RINGFENCE_TOKEN=job).code != 0


def test_nobody_clears_a_change_of_their_own(stage: Stage, registry: LoopbackRegistry) -> None:
    changed = {"ringfence.toml": policy(registry, GATE + '[rules]\nghost-member = "off"\n')}
    made = pull(stage, changed, author="Sam")
    stage.fake.world.review(stage.repo, made, "sam")
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert (ran.code, gate(ran)) == (1, [("gate-change", "ringfence.toml")])


def test_a_member_of_the_team_clears_it_where_the_team_can_be_read(stage: Stage, registry: LoopbackRegistry) -> None:
    made = pull(stage, {"ringfence.toml": policy(registry, GATE + '[rules]\nghost-member = "off"\n')})
    stage.fake.world.review(stage.repo, made, "mallory")
    reader = stage.fake.world.user_token("ada")
    ran = stage.on_pull(made, RINGFENCE_TOKEN=reader)
    assert (ran.code, gate(ran)) == (1, [("gate-change", "ringfence.toml")])
    stage.fake.world.review(stage.repo, made, "kim")
    ran = stage.on_pull(made, RINGFENCE_TOKEN=reader)
    assert (ran.code, gate(ran)) == (0, [])


def test_the_queue_asks_for_the_approval_of_the_queued_pull_request(stage: Stage, registry: LoopbackRegistry) -> None:
    made = pull(stage, {"ringfence.toml": policy(registry, GATE + '[rules]\nghost-member = "off"\n')})
    base, head = str(stage.repo.head()), stage.merge_of(made)
    payload = recorded("merge_group")
    payload["repository"] |= repository(stage.repo)
    queue = f"refs/heads/gh-readonly-queue/main/pr-{made.number}-{base}"
    payload["merge_group"] |= {"head_sha": head, "base_sha": base, "base_ref": "refs/heads/main", "head_ref": queue}
    run = {"GITHUB_SHA": head, "GITHUB_REF": queue, "RINGFENCE_TOKEN": token(stage)}
    assert gate(stage.run("merge_group", payload, **run)) == [("gate-change", "ringfence.toml")]
    stage.fake.world.review(stage.repo, made, "sam")
    assert stage.run("merge_group", payload, **run).code == 0
    payload["merge_group"]["head_ref"] = "refs/heads/other"
    ran = stage.run("merge_group", payload, **run)
    assert ran.code == 2
    assert "does not say which pull request" in ran.log


def test_a_job_that_takes_the_name_of_the_gate(stage: Stage) -> None:
    fake = "on: pull_request\njobs:\n  boundary:\n    steps:\n      - run: 'true'\n"
    made = pull(
        stage, {".github/workflows/lint.yml": fake, ".github/workflows/other.yml": fake.replace("bound", "prim")}
    )
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert (ran.code, gate(ran)) == (1, [("gate-change", ".github/workflows/lint.yml")])
    # Nobody runs Ringfence here: the check is that of another repository's workflow.
    stage.repo.commit({".github/workflows/gate.yml": None})
    made = pull(stage, {".github/workflows/lint.yml": fake.replace("boundary", "ringfence")}, branch="second")
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert (ran.code, gate(ran)) == (1, [("gate-change", ".github/workflows/lint.yml")])


def test_an_action_of_the_repository_that_the_gate_uses(stage: Stage) -> None:
    outer = "runs:\n  using: composite\n  steps:\n    - uses: ./ci/inner\n"
    inner = "runs:\n  using: composite\n  steps:\n    - uses: acme/ringfence@v1\n"
    stage.repo.commit(
        {
            ".github/workflows/gate.yml": "on: pull_request\njobs:\n  b:\n    steps:\n      - uses: ./ci/gate\n",
            "ci/gate/action.yml": outer,
            "ci/inner/action.yml": inner,
            "ci/other/action.yml": outer,
        }
    )
    empty = "runs:\n  using: composite\n  steps: []\n"
    for number, path in enumerate(("ci/gate/action.yml", "ci/inner/action.yml", "ci/gate/run.sh")):
        made = pull(stage, {path: empty, "ci/other/action.yml": empty}, branch=f"change-{number}")
        ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
        assert (ran.code, gate(ran)) == (1, [("gate-change", path)])
    made = pull(stage, {"ci/gate/action.yml": "# more\n" + outer, "ci/gates": "x"}, branch="comment")
    assert stage.on_pull(made, RINGFENCE_TOKEN=token(stage)).code == 0


@pytest.mark.parametrize("path", ["acme.toml", "boundary/[a]*{b}.toml"])
def test_a_policy_by_address_is_of_the_gate_where_it_lies(stage: Stage, registry: LoopbackRegistry, path: str) -> None:
    stage.repo.commit({"ringfence.toml": None, path: policy(registry, GATE)})
    made = pull(stage, {path: policy(registry, GATE.replace("@sam", "@mallory")), "boundary/abb.toml": "x"})
    for given in (path, f"acme/shop@main:{path}", f"127.0.0.1/Acme/shop:{path}"):
        ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage), RINGFENCE_POLICY=given)
        assert (ran.code, gate(ran)) == (1, [("gate-change", path)])


def test_policy_waivers_and_baseline_of_the_head_have_no_effect(stage: Stage, registry: LoopbackRegistry) -> None:
    from bot.baseline import Baseline, Entry, mark
    from bot.baseline import write as as_bytes
    from bot.model import Hit, Place

    waiver = '[[waiver]]\nrule = "deep-import"\nreason = "x"\nowner = "@x"\nexpires = 2099-01-01\n'
    hit = Hit(
        place=Place("src/new.js"), package="npm:@acme/core", subject="@acme/core/src/other.js", message="", remedy=""
    )
    entry = Entry(rule="deep-import", path="src/new.js", mark=mark("deep-import", hit))
    lax = policy(registry, '[rules]\ngate-change = "off"\n[ignore]\npaths = ["src/**"]\n' + waiver)
    made = pull(
        stage,
        {
            "src/new.js": OTHER,
            "ringfence.toml": lax.replace("schema = 1", 'schema = 1\nmode = "observe"'),
            "ringfence-baseline.json": as_bytes(Baseline(entries=(entry,))),
        },
    )
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert (ran.code, ran.report["mode"]) == (1, "enforce")
    assert rules_of(ran.report, introduced=True) == [
        ("gate-change", "ringfence-baseline.json"),
        ("gate-change", "ringfence.toml"),
        ("deep-import", "src/new.js"),
    ]
    assert "a waiver for deep-import (everything) is requested" in ran.log
    assert "1 waiver requested" in ran.summary


def test_an_old_merge_base_brings_no_old_policy(stage: Stage, registry: LoopbackRegistry) -> None:
    """A branch from before the policy was tightened is judged by the policy of today."""
    lax = str(stage.repo.commit({"ringfence.toml": policy(registry, '[rules]\ndeep-import = "off"\n')}))
    stage.repo.commit({"ringfence.toml": policy(registry, GATE)})
    stage.repo.commit({"src/new.js": OTHER}, branch="old", parents=[lax])
    made = stage.fake.world.pull(stage.repo, "old", author="ann")
    for event in ("pull_request", "pull_request_target"):
        ran = stage.on_pull(made, event=event, RINGFENCE_TOKEN=token(stage))
        assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")], event
    # And where it does not merge any more.
    stage.repo.commit({"src/new.js": "conflict"})
    ran = stage.on_pull(made, event="pull_request_target", RINGFENCE_TOKEN=token(stage))
    assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")]


def test_the_tip_of_the_base_counts_not_the_one_that_was_merged(stage: Stage, registry: LoopbackRegistry) -> None:
    """A run again after the policy was tightened: the runner still names the old merge commit."""
    stage.repo.commit({"ringfence.toml": policy(registry, '[rules]\ndeep-import = "off"\n')})
    made = pull(stage, {"src/new.js": OTHER})
    assert stage.on_pull(made).code == 0
    merge = stage.merge_of(made)
    payload_before = stage.repo.head()
    stage.repo.commit({"ringfence.toml": policy(registry, GATE)})
    payload = payload_of_pull(stage.fake, stage.repo, made)
    payload["pull_request"]["base"]["sha"] = payload_before
    ran = stage.run("pull_request", payload, GITHUB_SHA=merge, GITHUB_REF="refs/pull/1/merge")
    assert ran.code == 1
    assert ran.report["revision"] == merge


# -- where policy and overlay come from --------------------------------------------------------------


def test_the_policy_of_the_organisations_repository(stage: Stage, registry: LoopbackRegistry) -> None:
    world = stage.fake.world
    own = world.repository("acme/policies", {"boundary/ringfence.toml": policy(registry, GATE)}, private=True)
    own.commit({"boundary/ringfence.toml": "broken"}, branch="draft", parents=[str(own.head())])
    stage.repo.commit({"ringfence.toml": None})
    made = pull(stage, {"src/new.js": OTHER})
    where = "acme/policies@main:boundary/ringfence.toml"
    ran = stage.on_pull(made, RINGFENCE_TOKEN=world.user_token("ada"), RINGFENCE_POLICY=where)
    assert ran.code == 1
    assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")]
    # A repository's own file that comes with the change is a change of the gate.
    made = pull(stage, {"ringfence.toml": '[ignore]\npaths = ["src/**"]\n', "src/new.js": OTHER}, branch="two")
    ran = stage.on_pull(made, RINGFENCE_TOKEN=world.user_token("ada"), RINGFENCE_POLICY=where)
    assert rules_of(ran.report, introduced=True) == [("gate-change", "ringfence.toml"), ("deep-import", "src/new.js")]
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage), RINGFENCE_POLICY=where)
    assert (ran.code, ran.outputs) == (2, {"verdict": "incomplete"})
    assert ran.annotations[0].startswith("::error title=ringfence::")
    assert "policies" in ran.log
    ran = stage.on_pull(
        made, RINGFENCE_TOKEN=world.user_token("ada"), RINGFENCE_POLICY=where.replace("boundary", "gone")
    )
    assert ran.code == 2
    assert "there is no file" in ran.log


def test_a_tag_called_like_the_policys_branch_does_not_judge(stage: Stage, registry: LoopbackRegistry) -> None:
    world = stage.fake.world
    own = world.repository("acme/policies", {"x.toml": policy(registry, GATE)})
    lax = own.commit(
        {"x.toml": policy(registry, '[rules]\ndeep-import = "off"\n')}, branch="lax", parents=[str(own.head())]
    )
    stage.repo.commit({"ringfence.toml": None})
    made = pull(stage, {"src/new.js": OTHER})
    own.git.git("update-ref", "refs/tags/main", lax)
    ran = stage.on_pull(made, RINGFENCE_POLICY="acme/policies@main:x.toml")
    assert (ran.code, ran.outputs) == (2, {"verdict": "incomplete"})
    assert "'main' is a branch and a tag" in ran.log
    for ref in ("refs/heads/main", str(own.head()), ""):
        ran = stage.on_pull(made, RINGFENCE_POLICY=f"acme/policies{ref and '@' + ref}:x.toml")
        assert rules_of(ran.report, introduced=True) == [("deep-import", "src/new.js")]


def test_a_policy_in_the_repository_is_read_at_the_base(stage: Stage, registry: LoopbackRegistry) -> None:
    stage.repo.commit({"ringfence.toml": None, "boundary/policy.toml": policy(registry, GATE)})
    made = pull(
        stage, {"boundary/policy.toml": policy(registry, '[rules]\ndeep-import = "off"\n'), "src/new.js": OTHER}
    )
    for given in ("boundary/policy.toml", "./boundary/policy.toml", str(stage.workspace / "boundary/policy.toml")):
        ran = stage.on_pull(made, RINGFENCE_POLICY=given, RINGFENCE_TOKEN=token(stage))
        assert ran.code == 1
        assert rules_of(ran.report, introduced=True) == [
            ("gate-change", "boundary/policy.toml"),
            ("deep-import", "src/new.js"),
        ], given
    ran = stage.on_pull(made, RINGFENCE_POLICY="../policy.toml")
    assert ran.code == 2
    assert "leads out of the repository" in ran.log


def test_a_policy_that_the_head_alone_has_does_not_count(stage: Stage, registry: LoopbackRegistry) -> None:
    lax = policy(registry, '[rules]\ndeep-import = "off"\n')
    made = pull(stage, {"lax.toml": lax, "src/new.js": OTHER})
    ran = stage.on_pull(made, RINGFENCE_POLICY="lax.toml")
    assert ran.code == 2
    assert "there is no file lax.toml" in ran.log


def test_the_change_that_brings_the_first_policy(stage: Stage, registry: LoopbackRegistry) -> None:
    stage.repo.commit({"ringfence.toml": None, ".github/workflows/gate.yml": None})
    first = {"ringfence.toml": policy(registry, GATE), ".github/workflows/gate.yml": WORKFLOW}
    made = pull(stage, first)
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert ran.code == 0
    assert any(item["rule"] == "gate-change" and "first policy" in item["reason"] for item in ran.report["not_run"])


LAX = '[rules]\ndeep-import = "off"\n'


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
@pytest.mark.parametrize("who", ["fork", "own"])
@pytest.mark.parametrize("given", ["", "boundary.toml"])
def test_a_base_without_a_policy_lets_the_default_branchs_judge(
    stage: Stage, registry: LoopbackRegistry, event: str, who: str, given: str
) -> None:
    """Who opens a pull request chooses its base."""
    file = given or "ringfence.toml"
    stage.repo.commit({"ringfence.toml": None})
    stage.repo.commit({"v0.txt": "0"}, branch="v0", parents=[str(stage.repo.head())])
    stage.repo.commit({file: policy(registry, GATE)})
    changes = {file: policy(registry, LAX), "src/new.js": OTHER}
    made = fork_pull(stage, changes) if who == "fork" else pull(stage, changes)
    made.base = "v0"
    ran = stage.on_pull(made, event=event, RINGFENCE_TOKEN=token(stage), RINGFENCE_POLICY=given)
    assert (ran.code, ran.report["base"]) == (1, "v0")
    assert rules_of(ran.report, introduced=True) == [("gate-change", file), ("deep-import", "src/new.js")]
    assert "v0 has no policy of its own: that of main judges" in ran.log
    # One that has its own is judged by it.
    stage.repo.commit({file: policy(registry, LAX)}, branch="v0")
    ran = stage.on_pull(made, event=event, RINGFENCE_TOKEN=token(stage), RINGFENCE_POLICY=given)
    assert (ran.code, "no policy of its own" in ran.log) == (0, False)


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
@pytest.mark.parametrize("given", ["", "boundary.toml"])
def test_no_fork_brings_the_first_policy(stage: Stage, registry: LoopbackRegistry, event: str, given: str) -> None:
    stage.repo.commit({"ringfence.toml": None})
    stage.repo.commit({"v0.txt": "0"}, branch="v0", parents=[str(stage.repo.head())])
    first = {given or "ringfence.toml": policy(registry, LAX), "src/new.js": OTHER}
    for base in ("main", "v0"):
        made = fork_pull(stage, first, "mallory" + base)
        made.base = base
        ran = stage.on_pull(made, event=event, RINGFENCE_TOKEN=token(stage), RINGFENCE_POLICY=given)
        assert (ran.code, ran.outputs) == (2, {"verdict": "incomplete"})
        assert ("there is no file boundary.toml" if given else "there is no policy") in ran.log
    assert stage.on_pull(pull(stage, first), event=event, RINGFENCE_POLICY=given).code == 0


def test_a_link_is_no_policy_of_a_base(stage: Stage, registry: LoopbackRegistry) -> None:
    stage.repo.commit({"ringfence.toml": Link("x.toml")}, branch="v0", parents=[str(stage.repo.head())])
    made = fork_pull(stage, {"ringfence.toml": policy(registry, LAX), "src/new.js": OTHER})
    made.base = "v0"
    ran = stage.on_pull(made)
    assert ("deep-import", "src/new.js") in rules_of(ran.report, introduced=True)
    stage.repo.commit({"ringfence.toml": None})
    ran = stage.on_pull(made)
    assert (ran.code, ran.outputs) == (2, {"verdict": "incomplete"})


@pytest.mark.parametrize("given", [".ringfence/overlay.toml", "absolute"])
@pytest.mark.parametrize("content", ["# nothing\n", None], ids=["emptied", "gone"])
def test_an_overlay_in_the_repository_is_read_at_the_base(
    stage: Stage, registry: LoopbackRegistry, given: str, content: str | None
) -> None:
    path = ".ringfence/overlay.toml"
    given = str(stage.workspace / path) if given == "absolute" else given
    strict = '[private]\nnames = ["platform-secret"]\n[rules]\ndeep-import = "error"\n'
    stage.repo.commit({path: strict, "ringfence.toml": policy(registry, '[rules]\ndeep-import = "note"\n')})
    made = pull(stage, {path: content, "src/new.js": OTHER})
    stage.checkout(stage.merge_of(made))
    ran = stage.on_pull(made, RINGFENCE_OVERLAY=given)
    assert (ran.code, ran.outputs["errors"]) == (1, "1")


def test_an_overlay_that_the_head_alone_has_does_not_count(stage: Stage) -> None:
    made = fork_pull(stage, {"ov/overlay.toml": "# nothing\n"})
    stage.checkout(stage.merge_of(made))
    for given in ("ov/overlay.toml", "ov/other.toml"):
        ran = stage.on_pull(made, RINGFENCE_OVERLAY=given)
        assert (ran.code, [p["reason"] for p in ran.report["not_checked"]]) == (2, ["no-overlay"])
        assert given not in ran.log


def test_an_overlay_that_an_earlier_step_has_put_into_the_workspace(stage: Stage, registry: LoopbackRegistry) -> None:
    stage.repo.commit({"ringfence.toml": policy(registry, '[rules]\ndeep-import = "note"\n')})
    made = pull(stage, {"src/new.js": OTHER})
    stage.checkout(stage.merge_of(made))
    (stage.workspace / "private").mkdir()
    (stage.workspace / "private/overlay.toml").write_text('[rules]\ndeep-import = "error"\n')
    ran = stage.on_pull(made, RINGFENCE_OVERLAY="private/overlay.toml")
    assert (ran.code, ran.outputs["errors"]) == (1, "1")


def test_an_overlay_and_what_is_public(stage: Stage, registry: LoopbackRegistry, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text('[private]\nnames = ["platform-secret"]\n')
    world = stage.fake.world
    secret = world.repository("acme/secrets", {"overlay.toml": overlay.read_bytes()}, private=True)
    assert secret.private
    open_policy = policy(registry, '[not_checked]\nallow = ["no-overlay"]\n').replace(
        'packages = ["@acme/*"]', 'packages = ["@acme/*"]\nrepositories = ["127.0.0.1/acme/*"]'
    )
    stage.repo.commit(
        {
            "ringfence.toml": open_policy,
            "package.json": {"name": "@acme/shop", "version": "1.0.0"},
            "package-lock.json": None,
            "src/old.js": None,
            "src/main.js": None,
        }
    )
    made = pull(
        stage,
        {
            "package.json": {
                "name": "@acme/shop",
                "version": "1.0.0",
                "dependencies": {"@acme/platform-secret": "1.0.0"},
            }
        },
    )
    for given in (str(overlay), "acme/secrets:overlay.toml", "127.0.0.1/acme/secrets@main:overlay.toml"):
        ran = stage.on_pull(made, RINGFENCE_TOKEN=world.user_token("ada"), RINGFENCE_OVERLAY=given)
        assert ran.code == 1
        assert ("reversed-dependency", "package.json") in rules_of(ran.report, introduced=True)
        everything = ran.log + ran.summary + json.dumps(ran.report) + made.comments[0].body
        assert "platform-secret" not in everything
        assert "[private]" in everything
    # A fork is not given it, and that is allowed there.
    forked = fork_pull(stage, {"README.md": "x"})
    ran = stage.on_pull(
        forked,
        RINGFENCE_TOKEN=token(stage, contents="read"),
        RINGFENCE_OVERLAY="127.0.0.1/acme/secrets@main:overlay.toml",
    )
    assert (ran.code, [p["reason"] for p in ran.report["allowed"]]) == (0, ["no-overlay"])
    assert "acme/secrets" not in ran.log + ran.summary + json.dumps(ran.report)


def test_without_the_overlay_a_run_of_our_own_is_incomplete(stage: Stage) -> None:
    ran = stage.run("schedule", {}, RINGFENCE_OVERLAY="/nowhere/overlay.toml")
    assert rules_of(ran.report) == [("deep-import", "src/old.js")]
    assert [p["reason"] for p in ran.report["not_checked"]] == ["no-overlay"]
    assert "/nowhere" not in ran.log
    made = fork_pull(stage, {"README.md": "x"})
    ran = stage.on_pull(made, RINGFENCE_OVERLAY="/nowhere/overlay.toml")
    assert (ran.code, [p["reason"] for p in ran.report["allowed"]]) == (0, ["no-overlay"])


@pytest.mark.parametrize("given", ["acme/gone:overlay.toml", "/nowhere/overlay.toml"])
def test_a_target_has_the_secrets_so_a_forks_overlay_must_be_there(stage: Stage, given: str) -> None:
    made = fork_pull(stage, {"README.md": "x"})
    ran = stage.on_pull(made, event="pull_request_target", RINGFENCE_TOKEN=token(stage), RINGFENCE_OVERLAY=given)
    assert (ran.code, ran.report["allowed"]) == (2, [])
    assert [p["reason"] for p in ran.report["not_checked"]] == ["no-overlay"]


def test_without_secrets_an_overlay_that_fails_otherwise_is_not_allowed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.gather.time.sleep", lambda seconds: None)
    stage.fake.world.repository("acme/secrets", {"overlay.toml": ""})
    made = fork_pull(stage, {"README.md": "x"})
    wrong = stage.on_pull(made, RINGFENCE_OVERLAY="acme/secrets:typo.toml")
    stage.fake.fail("* /acme/secrets.git/*", faults.server_error(502), times=None)
    for ran in (wrong, stage.on_pull(made, RINGFENCE_OVERLAY="acme/secrets:overlay.toml")):
        assert (ran.code, ran.report["allowed"]) == (2, [])
        assert "typo" not in ran.log


@pytest.mark.parametrize("own", [GATE, ""])
def test_approvers_that_the_overlay_alone_names_are_not_shown_in_public(
    stage: Stage, registry: LoopbackRegistry, tmp_path: Path, own: str
) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text('[gate]\napprovers = ["@zebra", "@zebra-takeover/board"]\n')
    stage.repo.commit({"ringfence.toml": policy(registry, own.replace(', "@acme/boundary"', ""))})
    made = pull(stage, {".github/workflows/gate.yml": WORKFLOW.replace("v1", "v2")})
    reader = stage.fake.world.user_token("ada")
    for token_, code in ((reader, 1), (token(stage), 2)):
        ran = stage.on_pull(
            made, RINGFENCE_TOKEN=token_, RINGFENCE_OVERLAY=str(overlay), RINGFENCE_SARIF_FILE="r.sarif"
        )
        assert ran.code == code
        everything = ran.log + ran.summary + json.dumps(ran.report) + "".join(c.body for c in made.comments)
        assert "zebra" not in everything + (stage.workspace / "r.sarif").read_text()
        assert "[private]" in everything
        assert ("Ask @sam or [private]" in everything) is (bool(own) and code == 1)
        stage.fake.world.review(stage.repo, made, "mallory")  # in the team? A job's token cannot tell.


def test_a_private_repository_shows_its_own(
    github_fake: GitHubFake, registry: LoopbackRegistry, tmp_path: Path
) -> None:
    world = github_fake.world
    world.organization("acme")
    repo = world.repository("acme/secret", {**files(registry)}, private=True)
    stage = Stage(github_fake, repo, tmp_path / "runner")
    made = pull(stage, {"src/new.js": OTHER})
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage))
    assert ran.code == 1
    ran = stage.on_pull(made)
    assert ran.code == 2
    assert "needs a token" in ran.log


# -- inputs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FAIL_ON", "never"),
        ("FORMATS", "annotations,html"),
        ("COMMENT", "maybe"),
        ("WORKING_DIRECTORY", "../x"),
        ("WORKING_DIRECTORY", "/etc"),
        ("WORKING_DIRECTORY", "nowhere"),
        ("POLICY", "acme/x@--upload-pack=touch:y"),
        ("POLICY", "acme/x@a b:y"),
        ("POLICY", "acme/x@main:../y"),
        ("POLICY", "file:///etc/passwd"),
        ("SARIF_FILE", "a\nb"),
    ],
)
def test_inputs_that_are_none(stage: Stage, name: str, value: str) -> None:
    ran = stage.run("schedule", {}, **{f"RINGFENCE_{name}": value})
    assert (ran.code, ran.outputs) == (2, {"verdict": "incomplete"})
    assert len(ran.annotations) == 1
    assert name.lower().replace("_", "-") in ran.annotations[0]


def test_fail_on_tightens(stage: Stage, registry: LoopbackRegistry) -> None:
    stage.repo.commit({"ringfence.toml": policy(registry, '[rules]\ndeep-import = "warning"\n')})
    assert stage.run("schedule", {}).code == 0
    assert stage.run("schedule", {}, RINGFENCE_FAIL_ON="warning").code == 1


def test_a_folder_with_a_policy_of_its_own(stage: Stage, registry: LoopbackRegistry) -> None:
    own = {f"apps/shop/{path}": content for path, content in files(registry).items()}
    stage.repo.commit(own)
    made = pull(stage, {"apps/shop/src/new.js": OTHER, "src/other.js": OTHER, "apps/shop/ringfence.toml": "broken"})
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage), RINGFENCE_WORKING_DIRECTORY="./apps/shop/")
    assert rules_of(ran.report, introduced=True) == [("gate-change", "ringfence.toml"), ("deep-import", "src/new.js")]
    assert any("file=apps/shop/src/new.js" in line for line in ran.annotations)
    assert "apps/shop/src/new.js" in made.comments[0].body
    # A folder without one is judged with the whole repository, as on a workstation.
    ran = stage.on_pull(made, RINGFENCE_WORKING_DIRECTORY="src")
    assert ("deep-import", "src/other.js") in rules_of(ran.report, introduced=True)


@pytest.mark.parametrize("organisations", [False, True], ids=["own", "organisation"])
def test_a_head_does_not_narrow_the_check_to_a_folder(
    stage: Stage, registry: LoopbackRegistry, organisations: bool
) -> None:
    stage.repo.commit({"apps/x/readme.md": "x"})
    more = {}
    if organisations:
        stage.repo.commit({"ringfence.toml": None})
        stage.fake.world.repository("acme/policies", {"x.toml": policy(registry, GATE)})
        more["RINGFENCE_POLICY"] = "acme/policies:x.toml"
    made = pull(stage, {"apps/x/ringfence.toml": policy(registry, LAX), "src/new.js": OTHER})
    ran = stage.on_pull(made, RINGFENCE_WORKING_DIRECTORY="apps/x", **more)
    assert ran.code == 1
    assert ("deep-import", "src/new.js") in rules_of(ran.report, introduced=True)


def test_the_first_policy_may_be_a_folders(stage: Stage, registry: LoopbackRegistry) -> None:
    stage.repo.commit({"ringfence.toml": None, "apps/x/readme.md": "x"})
    own = {f"apps/x/{path}": content for path, content in files(registry).items()}
    made = pull(stage, own | {"src/new.js": OTHER})
    ran = stage.on_pull(made, RINGFENCE_WORKING_DIRECTORY="apps/x", RINGFENCE_TOKEN=token(stage))
    assert (ran.code, ran.report["findings"]) == (0, [])


def test_sarif_goes_where_it_is_wanted(stage: Stage, tmp_path: Path) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    ran = stage.on_pull(made, RINGFENCE_SARIF_FILE="out/ringfence.sarif")
    assert ran.outputs["sarif"] == str(stage.workspace / "out/ringfence.sarif")
    results = json.loads((stage.workspace / "out/ringfence.sarif").read_text())["runs"][0]["results"]
    assert [r["ruleId"] for r in results if r["baselineState"] == "new"] == ["deep-import"]
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (stage.workspace / "link").symlink_to(outside)
    (stage.workspace / "out/file.sarif").symlink_to(outside / "file")
    (stage.workspace / "dangling").symlink_to(outside / "gone")
    for name in ("link/x.sarif", "link/deep/er/x.sarif", "dangling/x.sarif", "out/file.sarif"):
        ran = stage.on_pull(made, RINGFENCE_SARIF_FILE=name)
        assert ran.code == 2
        assert "symbolic link" in ran.log
    assert list(outside.iterdir()) == []


def test_code_scanning_when_asked_for_and_its_refusal_is_a_note(stage: Stage) -> None:
    made = pull(stage, {"src/new.js": OTHER})
    formats = {"RINGFENCE_FORMATS": "annotations,code-scanning"}
    ran = stage.on_pull(made, RINGFENCE_TOKEN=token(stage), **formats)
    assert ran.code == 1
    assert "left out: the upload to code scanning: " in ran.log
    job = token(stage, contents="read", pull_requests="write", security_events="write")
    ran = stage.on_pull(made, RINGFENCE_TOKEN=job, **formats)
    assert "left out" not in ran.log
    (upload,) = stage.repo.sarifs
    assert (upload["commit_sha"], upload["ref"]) == (stage.merge_of(made), "refs/pull/1/merge")


def test_outside_of_a_workflow(tmp_path: Path) -> None:
    from tests.world import ringfence

    done = ringfence("action")
    assert done.code == 2
    assert "no run of a GitHub workflow" in done.err
    assert "action" not in ringfence("--help").out.split("Verbs:")[1]
    assert "RINGFENCE_POLICY" in ringfence("action", "--help").out


def test_other_events_are_refused_in_words(stage: Stage) -> None:
    ran = stage.run("issue_comment", {})
    assert (ran.code, ran.outputs["verdict"]) == (2, "incomplete")
    assert "pull_request" in ran.annotations[0]
