"""Commits and refs: every answer is what git says about the bare repository."""

from __future__ import annotations

from typing import Any

from tests.github_fake.rest.route import Answer, ApiError, Call, Paged, route
from tests.github_fake.state import WRITE, Repo

_STATUS = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "C": "copied", "T": "changed"}


def _not_empty(call: Call, level: str = "read") -> Repo:
    repo = call.repo("contents", level)
    if not repo.git.refs("refs/heads/"):
        raise ApiError(409, "Git Repository is empty.")
    return repo


@route("GET", "/repos/{owner}/{repo}/git/ref/{ref}")
def get_ref(call: Call) -> Any:
    repo = _not_empty(call)
    name = f"refs/{call.params['ref']}"
    oid = repo.git.ref(name)
    if oid is None:
        raise ApiError(404, "Not Found")
    return call.shapes.ref(repo, name, oid)


@route("GET", "/repos/{owner}/{repo}/git/matching-refs/{ref}")
def matching_refs(call: Call) -> Any:
    repo = _not_empty(call)
    wanted = f"refs/{call.params['ref']}"
    return Paged([call.shapes.ref(repo, n, o) for n, o in sorted(repo.git.refs().items()) if n.startswith(wanted)])


@route("POST", "/repos/{owner}/{repo}/git/refs")
def create_ref(call: Call) -> Any:
    repo = _not_empty(call, WRITE)
    name, oid = call.body["ref"], call.body["sha"]
    if not name.startswith("refs/") or name.count("/") < 2:
        raise ApiError(422, "Reference name must start with 'refs/' and contain at least two slashes")
    if repo.git.resolve(oid) != oid:
        raise ApiError(422, "Object does not exist")
    if repo.git.ref(name) is not None:
        raise ApiError(422, "Reference already exists")
    repo.git.git("update-ref", name, oid)
    return Answer(201, call.shapes.ref(repo, name, oid))


@route("PATCH", "/repos/{owner}/{repo}/git/refs/{ref}")
def update_ref(call: Call) -> Any:
    repo = _not_empty(call, WRITE)
    name, oid = f"refs/{call.params['ref']}", call.body["sha"]
    before = repo.git.ref(name)
    if before is None:
        raise ApiError(422, "Reference does not exist")
    if repo.git.resolve(oid) != oid:
        raise ApiError(422, "Object does not exist")
    if not call.body.get("force") and repo.git.run("merge-base", "--is-ancestor", before, oid).returncode:
        raise ApiError(422, "Update is not a fast forward")
    repo.git.git("update-ref", name, oid)
    return call.shapes.ref(repo, name, oid)


@route("DELETE", "/repos/{owner}/{repo}/git/refs/{ref}")
def delete_ref(call: Call) -> Any:
    repo = _not_empty(call, WRITE)
    name = f"refs/{call.params['ref']}"
    if repo.git.ref(name) is None:
        raise ApiError(422, "Reference does not exist")
    repo.git.git("update-ref", "-d", name)
    return Answer(204)


@route("GET", "/repos/{owner}/{repo}/git/commits/{commit_sha}")
def get_git_commit(call: Call) -> Any:
    repo = _not_empty(call)
    sha = call.params["commit_sha"]
    if repo.git.resolve(sha) != sha:
        raise ApiError(404, "Not Found")
    return call.shapes.git_commit(repo, sha)


@route("GET", "/repos/{owner}/{repo}/commits")
def list_commits(call: Call) -> Any:
    repo = _not_empty(call)
    oid = repo.git.resolve(call.text("sha") or f"refs/heads/{repo.default_branch}")
    if oid is None:
        raise ApiError(404, "Not Found")
    return Paged([call.shapes.commit(repo, each) for each in repo.git.git("rev-list", oid).decode().split()])


@route("GET", "/repos/{owner}/{repo}/commits/{ref}")
def get_commit(call: Call) -> Any:
    repo = _not_empty(call)
    oid = repo.git.resolve(call.params["ref"])
    if oid is None:
        raise ApiError(422, f"No commit found for SHA: {call.params['ref']}")
    return call.shapes.commit(repo, oid) | {"files": changed_files(call, repo, f"{oid}^", oid)}


@route("GET", "/repos/{owner}/{repo}/compare/{basehead}")
def compare(call: Call) -> Any:
    repo = _not_empty(call)
    base_name, _, head_name = call.params["basehead"].partition("...")
    base, head = repo.git.resolve(base_name), repo.git.resolve(head_name)
    if base is None or head is None:
        raise ApiError(404, "Not Found")
    fork = repo.git.run("merge-base", base, head).stdout.decode().strip()
    if not fork:
        raise ApiError(404, f"No common ancestor between {base_name} and {head_name}.")
    ahead = repo.git.git("rev-list", "--reverse", f"{base}..{head}").decode().split()
    behind = repo.git.git("rev-list", f"{head}..{base}").decode().split()
    status = {(0, 0): "identical", (1, 0): "ahead", (0, 1): "behind", (1, 1): "diverged"}[bool(ahead), bool(behind)]
    # Commits come in pages; files are on the first one, at most 300.
    size = int(call.text("per_page", "250"))
    begin = (int(call.text("page", "1")) - 1) * size
    url = f"{call.shapes.api}/repos/{repo.full_name}/compare/{call.params['basehead']}"
    html = f"{call.shapes.html}/{repo.full_name}/compare/{call.params['basehead']}"
    return {
        "url": url,
        "html_url": html,
        "permalink_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "base_commit": call.shapes.commit(repo, base),
        "merge_base_commit": call.shapes.commit(repo, fork),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [call.shapes.commit(repo, each) for each in ahead[begin : begin + size]],
        "files": changed_files(call, repo, fork, head)[:300] if not begin else [],
    }


def changed_files(call: Call, repo: Repo, base: str, head: str) -> list[dict[str, Any]]:
    """What a diff changes, as the API lists files: with renames, counts and patches."""
    if repo.git.resolve(base) is None:
        base = repo.git.git("hash-object", "-t", "tree", "-w", "--stdin", data=b"").decode().strip()
    raw = repo.git.git("diff", "--raw", "-z", "-M", "--abbrev=40", base, head).decode(errors="replace").split("\0")
    out: list[dict[str, Any]] = []
    fields = iter(raw)
    for head_line in fields:
        if not head_line:
            break
        _, mode, _, oid, letter = head_line.split(" ")
        before = next(fields)
        name = next(fields) if letter[0] in "RC" else before
        added, removed = _counts(repo, base, head, before, name)
        url = f"{call.shapes.api}/repos/{repo.full_name}/contents/{name}?ref={head}"
        html = f"{call.shapes.html}/{repo.full_name}"
        row: dict[str, Any] = {
            "sha": oid if letter[0] != "D" else head_line.split(" ")[2],
            "filename": name,
            "status": _STATUS[letter[0]],
            "additions": added,
            "deletions": removed,
            "changes": added + removed,
            "blob_url": f"{html}/blob/{head}/{name}",
            "raw_url": f"{html}/raw/{head}/{name}",
            "contents_url": url,
        }
        if letter[0] in "RC":
            row["previous_filename"] = before
        patch = repo.git.git("diff", "-M", base, head, "--", before, name).decode(errors="replace")
        hunk = patch.find("\n@@")
        if hunk >= 0 and mode != "160000":
            row["patch"] = patch[hunk + 1 :].rstrip("\n")
        out.append(row)
    return out


def _counts(repo: Repo, base: str, head: str, before: str, name: str) -> tuple[int, int]:
    line = repo.git.git("diff", "--numstat", "-M", base, head, "--", before, name).decode(errors="replace").split("\t")
    if len(line) < 2 or line[0] == "-":  # a binary file
        return 0, 0
    return int(line[0]), int(line[1])
