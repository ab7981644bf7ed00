"""`scripts/live-smoke` against a small GitHub on loopback: it reads only unless told to write, and sees what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.act import git

ROOT = Path(__file__).parent.parent
TOKEN = "secret-of-the-test"
PINS = {
    (m[1], m[3]): m[2]
    for path in [ROOT / "action.yml", *(ROOT / "examples" / "workflows").glob("*.yml")]
    for m in re.finditer(r"uses: ([\w.-]+/[\w.-]+)\S*@([0-9a-f]{40}) # (v[\d.]+)$", path.read_text(), re.MULTILINE)
}


@dataclass
class Hub:
    """A GitHub with one repository, whose check always fails and whose bot may repeat itself."""

    remote: Path
    repeats: bool = False
    moved: bool = False
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)
    address: str = ""

    def commits(self) -> list[str]:
        branches = git(self.remote, "branch", "--format=%(refname:short)").split()
        branch = next((b for b in branches if b.startswith("ringfence-smoke-")), "main")
        return git(self.remote, "rev-list", f"main..{branch}").split()

    def answer(self, method: str, path: str) -> Any:
        path, _, _ = path.partition("?")
        pushes = len(self.commits())
        if path == "/rate_limit":
            return {"resources": {"core": {"limit": 5000, "remaining": 4999}}}
        if path == "/orgs/acme":
            return {"login": "acme"}
        if found := re.fullmatch(r"/repos/(\S+)/git/ref/tags/(\S+)", path):
            sha = "f" * 40 if self.moved else PINS[found[1], found[2]]
            if found[1] == "actions/cache":  # an annotated tag
                return {"object": {"type": "tag", "sha": "a" * 40}}
            return {"object": {"type": "commit", "sha": sha}}
        if path == f"/repos/actions/cache/git/tags/{'a' * 40}":
            return {"object": {"type": "commit", "sha": next(v for k, v in PINS.items() if k[0] == "actions/cache")}}
        if path == "/repos/acme/scratch":
            return {"default_branch": "main"}
        if path.endswith("/check-runs"):
            return {
                "check_runs": [{"id": 5, "name": "ringfence-smoke", "status": "completed", "conclusion": "failure"}]
            }
        if path.endswith("/annotations"):
            return [{"title": "ringfence deep-import"}]
        if path == "/repos/acme/scratch/issues/7/comments":
            return [{"id": 1, "body": "LGTM"}, {"id": 2, "body": f"<!-- ringfence:comment ab -->\n{pushes}"}]
        if path == "/repos/acme/scratch/pulls/7/comments":
            times = pushes if self.repeats else 1
            return [{"body": "x <!-- ringfence:suggestion 0a.0 -->"}] * times
        if path in ("/repos/acme/scratch/pulls", "/repos/acme/scratch/pulls/7") and method in ("POST", "PATCH"):
            return {"number": 7}
        return None


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "acme").mkdir()
    remote = tmp_path / "acme" / "scratch.git"
    work = tmp_path / "first"
    work.mkdir()
    (work / "README.md").write_text("scratch\n")
    git(work, "init", "-q")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "first")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(remote))
    running = Hub(remote)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode() if length else None
            running.seen.append((self.command, self.path, body))
            assert self.headers["Authorization"] == f"Bearer {TOKEN}"
            found = running.answer(self.command, self.path)
            data = json.dumps({"message": "Not Found"} if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    running.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The script with what it reads, and a program that answers for ours."""
    folder = tmp_path / "tree"
    for name in ("scripts", "examples", "setup"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "action.yml", folder)
    program = folder / ".venv" / "bin" / "ringfence"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!{sys.executable}\nimport json, pathlib, sys\n"
        "if sys.argv[1] == 'audit' and {'--open', '--policy'} & {*sys.argv}: print(json.dumps({})); sys.exit(1)\n"
        "path = pathlib.Path(sys.argv[-1], 'package.json'); path.write_text(path.read_text().replace('^', ''))\n"
    )
    program.chmod(0o755)
    return folder


def smoke(tree: Path, hub: Hub, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "GH_"))}
    surroundings |= {"GITHUB_API_URL": hub.address, "GITHUB_SERVER_URL": f"file://{hub.remote.parent.parent}"}
    surroundings |= {"GITHUB_TOKEN": token} if token else {}
    command = [sys.executable, "-P", str(tree / "scripts" / "live-smoke"), *arguments]
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)


def test_it_only_reads(tree: Path, hub: Hub) -> None:
    done = smoke(tree, hub, "acme")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    assert done.stdout.count("is the commit that we pin") == len(PINS) >= 5
    assert {method for method, _, _ in hub.seen} == {"GET"}
    assert TOKEN not in done.stdout + done.stderr
    assert git(hub.remote, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_it_sees_a_tag_that_moved(tree: Path, hub: Hub) -> None:
    hub.moved = True
    done = smoke(tree, hub, "acme", "--policy", "acme.toml")
    assert done.returncode == 1
    assert "ok     an audit of the organisation" in done.stdout
    assert "FAILED actions/checkout@" in done.stdout


def test_a_pull_request_from_beginning_to_end(tree: Path, hub: Hub) -> None:
    done = smoke(tree, hub, "acme", "--write", "acme/scratch", "--action", "acme/ringfence@" + "0" * 40)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok     the same comment, changed in place" in done.stdout
    writes = [(method, path, json.loads(body or "null")) for method, path, body in hub.seen if method != "GET"]
    assert [(method, path) for method, path, _ in writes] == [
        ("POST", "/repos/acme/scratch/pulls"),
        ("PATCH", "/repos/acme/scratch/pulls/7"),
    ]
    assert writes[1][2] == {"state": "closed"}
    assert git(hub.remote, "for-each-ref", "--format=%(refname)") == "refs/heads/main", "the branch is taken away"


def test_it_sees_a_suggestion_that_comes_twice_and_still_cleans_up(tree: Path, hub: Hub) -> None:
    hub.repeats = True
    done = smoke(tree, hub, "acme", "--write", "acme/scratch", "--action", "acme/ringfence@" + "0" * 40)
    assert done.returncode == 1
    assert "FAILED no suggestion twice" in done.stdout
    assert git(hub.remote, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


@pytest.mark.parametrize(("arguments", "token"), [([], "t"), (["acme"], ""), (["acme", "--write", "a/b"], "t")])
def test_bad_usage(tree: Path, hub: Hub, arguments: list[str], token: str) -> None:
    done = smoke(tree, hub, *arguments, token=token)
    assert done.returncode == 2
    assert "usage: live-smoke" in done.stderr
    assert hub.seen == []
