"""Repositories, their files, branches and collaborators."""

from __future__ import annotations

import base64
from typing import Any

from tests.github_fake.rest.route import Answer, ApiError, Call, Paged, route
from tests.github_fake.state import WRITE, Repo


@route("GET", "/repos/{owner}/{repo}")
def get_repo(call: Call) -> Any:
    repo = call.repo()
    shape = call.shapes.repo(repo)
    if repo.owner.kind == "Organization":
        shape["organization"] = call.shapes.user(repo.owner)
    if repo.parent is not None:
        shape["parent"] = shape["source"] = call.shapes.repo(repo.parent)
    return shape


@route("GET", "/repositories/{repository_id}")
def get_repo_by_id(call: Call) -> Any:
    repo = call.world.repos.get(call.number("repository_id"))
    if repo is None or not call.world.sees(call.actor, repo):
        raise ApiError(404, "Not Found")
    return call.shapes.repo(repo)


@route("GET", "/repos/{owner}/{repo}/contents/{path}")
def get_content(call: Call) -> Any:
    repo = call.repo("contents")
    path = call.params["path"].strip("/")
    commit = _commit(repo, call.text("ref"))
    tree = repo.git.tree(commit)
    if path in tree:
        return _file(call, repo, commit, path)
    inside = sorted({name[len(path) + 1 :].partition("/")[0] for name in tree if name.startswith(path + "/")})
    if not inside:
        raise ApiError(404, "Not Found")
    return [_entry(call, repo, commit, f"{path}/{name}") for name in inside]


def _commit(repo: Repo, ref: str) -> str:
    if repo.head() is None and not ref:
        raise ApiError(404, "This repository is empty.")
    commit = repo.git.resolve(ref or f"refs/heads/{repo.default_branch}")
    if commit is None:
        raise ApiError(404, f"No commit found for the ref {ref}")
    return commit


def _entry(call: Call, repo: Repo, commit: str, path: str) -> dict[str, Any]:
    tree = repo.git.tree(commit)
    mode, oid = tree.get(path, ("040000", ""))
    kind = {"040000": "dir", "120000": "symlink", "160000": "submodule"}.get(mode, "file")
    size = 0
    if not oid:
        oid = repo.git.git("rev-parse", f"{commit}:{path}").decode().strip()
    elif kind != "submodule":
        size = int(repo.git.git("cat-file", "-s", oid))
    base = f"{call.shapes.api}/repos/{repo.full_name}"
    url = f"{base}/contents/{path}?ref={commit}"
    git = f"{base}/git/{'trees' if kind == 'dir' else 'blobs'}/{oid}"
    html = f"{call.shapes.html}/{repo.full_name}/{'tree' if kind == 'dir' else 'blob'}/{commit}/{path}"
    return {
        "type": kind,
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": oid,
        "size": size,
        "url": url,
        "git_url": git,
        "html_url": html,
        "download_url": None,
        "_links": {"self": url, "git": git, "html": html},
    }


def _file(call: Call, repo: Repo, commit: str, path: str) -> Any:
    entry = _entry(call, repo, commit, path)
    if entry["type"] == "submodule":
        return entry | {"submodule_git_url": None}
    data = repo.git.git("cat-file", "blob", entry["sha"])
    if call.raw:
        return Answer(200, data)
    if entry["type"] == "symlink":
        return entry | {"target": data.decode()}
    if len(data) > 1_000_000:  # GitHub gives larger files as raw alone
        return entry | {"encoding": "none", "content": ""}
    return entry | {"encoding": "base64", "content": base64.encodebytes(data).decode()}


@route("GET", "/repos/{owner}/{repo}/branches/{branch}")
def get_branch(call: Call) -> Any:
    repo = call.repo("contents")
    name = call.params["branch"]
    oid = repo.head(name)
    if oid is None:
        raise ApiError(404, "Branch not found")
    url = f"{call.shapes.api}/repos/{repo.full_name}/branches/{name}"
    return {
        "name": name,
        "commit": call.shapes.commit(repo, oid),
        "_links": {"self": url, "html": f"{call.shapes.html}/{repo.full_name}/tree/{name}"},
        "protected": False,
        "protection": {"enabled": False},
        "protection_url": f"{url}/protection",
    }


@route("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission")
def get_permission(call: Call) -> Any:
    repo = call.repo()
    if call.actor.permissions is None and not call.world.may(call.actor, repo, "contents", WRITE):
        raise ApiError(403, "Must have push access to view collaborator permission.")
    account = call.world.accounts.get(call.params["username"].lower())
    if account is None:
        raise ApiError(404, f"{call.params['username']} is not a user")
    role = call.world.role(repo, account)
    old = {"maintain": "write", "triage": "read"}.get(role, role)
    return {"permission": old, "role_name": role, "user": call.shapes.user(account)}


@route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs")
def list_check_runs(call: Call) -> Any:
    repo = call.repo("checks")
    oid = repo.git.resolve(call.params["ref"])
    if oid is None:
        raise ApiError(422, f"No commit found for SHA: {call.params['ref']}")
    name = call.text("check_name")
    found = [run for run in repo.checks if run.commit == oid and name in ("", run.name)]
    return Paged(
        [call.shapes.check_run(repo, run) for run in found],
        lambda page: {"total_count": len(found), "check_runs": page},
    )


@route("POST", "/repos/{owner}/{repo}/code-scanning/sarifs")
def upload_sarif(call: Call) -> Any:
    repo = call.repo()
    if repo.private:
        raise ApiError(403, "Advanced Security must be enabled for this repository to use code scanning.")
    call.need(repo, "security_events", WRITE)
    number = f"{call.world.id():08d}-0000-0000-0000-000000000000"
    repo.sarifs.append({"id": number, **call.body})
    url = f"{call.shapes.api}/repos/{repo.full_name}/code-scanning/sarifs/{number}"
    return Answer(202, {"id": number, "url": url})
