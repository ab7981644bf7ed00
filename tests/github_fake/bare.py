"""Bare repositories on disk: objects written here, everything else asked of git."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Bare", "Content", "Gitlink", "Link"]

_IDENTITY = "A. Tester <tester@example.test>"
_BEGIN = 1_780_000_000  # June 2026; every commit is a minute after the one before it
_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "A. Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.test",
    "GIT_COMMITTER_NAME": "A. Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.test",
    "GIT_AUTHOR_DATE": f"{_BEGIN} +0000",
    "GIT_COMMITTER_DATE": f"{_BEGIN} +0000",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C",
}
_CONFIG = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[http]
\treceivepack = true
[uploadpack]
\tallowAnySHA1InWant = true
[gc]
\tauto = 0
[receive]
\tautogc = false
"""


class Link(NamedTuple):
    """A symbolic link in a tree."""

    target: str


class Gitlink(NamedTuple):
    """A submodule's commit in a tree."""

    oid: str


Content = str | bytes | Link | Gitlink | Mapping[str, Any] | None


class Bare:
    """One bare repository. ``path`` is its directory."""

    _clock = 0

    def __init__(self, path: Path, default_branch: str = "main") -> None:
        self.path = path
        self._default = default_branch
        self._trees: dict[str, dict[str, tuple[str, str]]] = {}
        # What `git init --bare` makes, without a process: tests make a thousand of them.
        for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
            (path / folder).mkdir(parents=True)
        (path / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n")
        (path / "config").write_text(_CONFIG)

    def git(self, *arguments: str, data: bytes | None = None, ok: Sequence[int] = (0,)) -> bytes:
        """Run git here; its output."""
        done = self.run(*arguments, data=data)
        if done.returncode not in ok:
            raise AssertionError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def run(self, *arguments: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run git here, whatever it ends with."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        return subprocess.run(
            ["git", *arguments], cwd=self.path, env=kept | _ENVIRONMENT, input=data, capture_output=True, check=False
        )

    # Writing

    def commit(
        self,
        files: Mapping[str, Content],
        *,
        branch: str | None = "main",
        message: str = "Change",
        parents: Sequence[str] | None = None,
        author: str = _IDENTITY,
    ) -> str:
        """A commit with these files over its first parent's (None takes one away), on the tip of a branch; its id.

        A new branch begins at the default one. ``parents`` names others than the branch's tip (none for a history of its own);
        ``branch`` None moves no branch.
        """
        if parents is None:
            tip = self.ref(f"refs/heads/{branch or self._default}") or self.ref(f"refs/heads/{self._default}")
            parents = [tip] if tip else []
        tree = dict(self.tree(parents[0])) if parents else {}
        for name, content in files.items():
            if content is None:
                del tree[name]
            else:
                tree[name] = self._blob(content)
        Bare._clock += 60
        when = f"{_BEGIN + Bare._clock} +0000"
        lines = [f"tree {self._write_tree(tree)}", *(f"parent {p}" for p in parents)]
        lines += [f"author {author} {when}", f"committer {author} {when}", "", message + "\n"]
        oid = self._write("commit", "\n".join(lines).encode())
        self._trees[oid] = tree
        if branch:
            self.set_ref(f"refs/heads/{branch}", oid)
        return oid

    def merge(self, base: str, head: str, message: str) -> str | None:
        """The commit that merges two others, as GitHub tries for a pull request; None when they do not merge."""
        done = self.run("merge-tree", "--write-tree", base, head)
        if done.returncode:
            return None
        tree = done.stdout.decode().split("\n")[0]
        return self.git("commit-tree", tree, "-p", base, "-p", head, "-m", message).decode().strip()

    def set_ref(self, name: str, oid: str | None) -> None:
        """Set a full ref name, or take it away."""
        file = self.path / name
        if oid is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(oid + "\n")

    def forget(self, oid: str) -> None:
        """Take an object away for good, as GitHub's own housekeeping does with what no ref reaches."""
        (self.path / "objects" / oid[:2] / oid[2:]).unlink()

    # Reading

    def ref(self, name: str) -> str | None:
        """The id that a full ref name has."""
        file = self.path / name
        if file.is_file():
            return file.read_text().strip()
        if not (self.path / "packed-refs").exists():
            return None
        return self.resolve(name)

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Full ref names with their ids."""
        out = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).decode()
        return dict(line.split(" ") for line in out.splitlines())

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, tag or id names."""
        if revision.startswith("-"):
            return None
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return done.stdout.decode().strip() or None

    def tree(self, commit: str) -> dict[str, tuple[str, str]]:
        """Every path of a commit with its mode and object id."""
        if commit not in self._trees:
            out = os.fsdecode(self.git("ls-tree", "-r", "-z", "--full-tree", commit))
            rows = (line.split("\t", 1) for line in out.split("\0") if line)
            self._trees[commit] = {path: (head.split(" ")[0], head.split(" ")[2]) for head, path in rows}
        return self._trees[commit]

    # Objects

    def _blob(self, content: Content) -> tuple[str, str]:
        if isinstance(content, Gitlink):
            return "160000", content.oid
        if isinstance(content, Link):
            return "120000", self._write("blob", os.fsencode(content.target))
        if isinstance(content, Mapping):
            content = json.dumps(content, indent=2) + "\n"
        data = content.encode() if isinstance(content, str) else content
        assert isinstance(data, bytes)
        return "100644", self._write("blob", data)

    def _write_tree(self, files: Mapping[str, tuple[str, str]]) -> str:
        entries: dict[str, tuple[str, str]] = {}
        folders: dict[str, dict[str, tuple[str, str]]] = {}
        for name, entry in files.items():
            head, slash, rest = name.partition("/")
            if slash:
                folders.setdefault(head, {})[rest] = entry
            else:
                entries[head] = entry
        for head, inner in folders.items():
            entries[head] = ("40000", self._write_tree(inner))
        # Git sorts a folder as if its name ended in a slash.
        order = sorted(entries.items(), key=lambda e: os.fsencode(e[0] + ("/" if e[1][0] == "40000" else "")))
        return self._write(
            "tree", b"".join(f"{m} ".encode() + os.fsencode(n) + b"\0" + bytes.fromhex(o) for n, (m, o) in order)
        )

    def _write(self, kind: str, data: bytes) -> str:
        whole = f"{kind} {len(data)}\0".encode() + data
        oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        file = self.path / "objects" / oid[:2] / oid[2:]
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(zlib.compress(whole, 1))
        return oid
