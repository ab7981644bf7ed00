"""Git over HTTP: ``git http-backend`` over the bare repositories, with GitHub's rules about who may."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from tests.github_fake.state import READ, WRITE, Actor

if TYPE_CHECKING:
    from tests.github_fake.server import GitHubFake

__all__ = ["GitAnswer", "is_git", "serve", "token_of"]

_PATH = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")


class GitAnswer(NamedTuple):
    """Status, headers, bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_git(path: str) -> bool:
    """Whether a path is one that git asks for."""
    return _PATH.fullmatch(path) is not None


def token_of(header: str | None) -> str | None:
    """The token in an Authorization header of git's: the password of Basic, as GitHub takes it."""
    kind, _, value = (header or "").partition(" ")
    if kind.lower() != "basic":
        return value or None
    return base64.b64decode(value).decode().partition(":")[2] or None


def serve(
    fake: GitHubFake, actor: Actor | None, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> GitAnswer:
    """One request of a clone, a fetch or a push. ``actor`` None: the token is not known."""
    found = _PATH.fullmatch(path)
    assert found is not None
    owner, name, service = found.groups()
    pushes = "git-receive-pack" in (service, query.partition("service=")[2].partition("&")[0])
    if actor is None:
        return _refuse(401, "Invalid username or token. Password authentication is not supported for Git operations.")
    hit = fake.world.find(owner, name)
    seen = hit is not None and fake.world.may(actor, hit[0], "contents", READ)
    if actor.kind == "anonymous" and (not seen or pushes):
        return _refuse(401, "Authentication required.")
    if hit is None or not seen:
        return _refuse(404, "Repository not found.")
    repo, moved = hit
    if moved:
        where = f"{fake.url}/{repo.full_name}.git/{service}" + (f"?{query}" if query else "")
        return GitAnswer(301, {"Location": where}, b"")
    if pushes and (repo.archived or not fake.world.may(actor, repo, "contents", WRITE)):
        return _refuse(403, f"Permission to {repo.full_name}.git denied to {actor.name}.")
    return _backend(str(repo.git.path), service, method, query, headers, body)


def _refuse(status: int, words: str) -> GitAnswer:
    headers = {"Content-Type": "text/plain"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="GitHub"'
    return GitAnswer(status, headers, words.encode())


def _backend(
    repository: str, service: str, method: str, query: str, headers: Mapping[str, str], body: bytes
) -> GitAnswer:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment = kept | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PROJECT_ROOT": repository,
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{service}",
        "PATH_TRANSLATED": f"{repository}/{service}",
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "REMOTE_USER": "pusher",
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
    head, _, payload = done.stdout.partition(b"\r\n\r\n")
    status, out = 200, {}
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "status":
            status = int(value.split(" ")[0])
        elif name:
            out[name] = value
    return GitAnswer(status, out, payload)
