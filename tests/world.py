"""A small world for tests of the whole program: real git repositories, npm locks, and the program run in this process.

The open scope is ``@acme/*``; everything else is private, as a policy without more says it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.cli import run
from bot.model import Report
from bot.report import github, json_report, sarif, terminal
from bot.rules import ALL
from tests.registry.loopback import LoopbackRegistry

__all__ = [
    "Outcome",
    "Repository",
    "check",
    "git",
    "npm_lock",
    "policy",
    "product",
    "rendered",
    "ringfence",
    "rules_of",
    "stock",
    "without_time",
]

Content = str | bytes | Mapping[str, Any] | Sequence[Any]

_GIT = {
    "GIT_AUTHOR_NAME": "A. Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.test",
    "GIT_COMMITTER_NAME": "A. Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.test",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(where: Path, *arguments: str, data: bytes | None = None) -> str:
    """Run git in a folder and give what it prints, without the last line's end."""
    done = subprocess.run(
        ["git", *arguments], cwd=where, env=os.environ | _GIT, input=data, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return os.fsdecode(done.stdout).rstrip("\n")


def as_bytes(content: Content) -> bytes:
    """Text and bytes as they are, anything else as JSON the way npm writes it."""
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content, indent=2) + "\n").encode()


class Repository:
    """A real git repository below a folder of the test's own."""

    def __init__(self, path: Path, files: Mapping[str, Content] | None = None) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        git(path, "init", "--quiet", "--initial-branch=main")
        git(path, "config", "core.autocrlf", "false")
        if files is not None:
            self.commit(files)

    def write(self, files: Mapping[str, Content]) -> None:
        """Write files, without telling git."""
        for name, content in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(as_bytes(content))

    def commit(self, files: Mapping[str, Content] | None = None, *, message: str = "change") -> str:
        """Write files, commit everything that is there, and give the commit's id."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        """Run git here."""
        return git(self.path, *arguments)

    def read(self, name: str) -> bytes:
        """A file as it stands on disk."""
        return (self.path / name).read_bytes()


@dataclass(frozen=True)
class Outcome:
    """What one run of the program gave: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report that was printed."""
        value: dict[str, Any] = json.loads(self.out)
        return value


def ringfence(*arguments: str | Path) -> Outcome:
    """Run the program on arguments, in this process."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n", write_through=True, errors="backslashreplace")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    texts = []
    for stream in (out, err):
        assert isinstance(stream.buffer, io.BytesIO)
        texts.append(stream.buffer.getvalue().decode("utf-8"))
    assert "Traceback (most recent call last)" not in texts[1], texts[1]
    return Outcome(code, texts[0], texts[1])


def check(repository: Repository | Path, *arguments: str | Path) -> Outcome:
    """``ringfence check --json``."""
    return ringfence(
        "check", repository.path if isinstance(repository, Repository) else repository, "--json", *arguments
    )


def rendered(report: Report) -> dict[str, str]:
    """A report in every format."""
    return {
        "terminal": terminal.render(report, colour=False, width=100, verbose=True, everything=True),
        "json": json_report.render(report),
        "sarif": sarif.render(report, ALL),
        "github": github.render(report),
    }


def rules_of(report: Mapping[str, Any], *, introduced: bool | None = None) -> list[tuple[str, str]]:
    """The (rule, path) pairs of a report's findings."""
    return [
        (finding["rule"], finding["location"]["path"])
        for finding in report["findings"]
        if introduced is None or finding["introduced"] is introduced
    ]


def without_time(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without what may differ between two runs over the same repository."""
    summary = {key: value for key, value in report["summary"].items() if key not in ("seconds", "requests")}
    return {**report, "summary": summary}


def policy(registry: LoopbackRegistry | str, more: str = "") -> str:
    """A policy that opens ``@acme/*`` and asks the loopback registry. ``more`` is appended."""
    url = registry if isinstance(registry, str) else registry.url
    return f'schema = 1\n\n[open]\npackages = ["@acme/*"]\n\n[registry.npm]\nurl = "{url}"\n\n{more}'


def stock(registry: LoopbackRegistry) -> str:
    """Publish ``@acme/core`` 1.2.2, 1.2.3 and 2.0.0, with one public subpath; the integrity of 1.2.3."""
    manifest = {"exports": {".": "./index.js", "./parse": "./src/parser.js"}}
    files = {"index.js": b"export const core = 1\n", "src/parser.js": b"export const parse = 1\n"}
    registry.publish("@acme/core", "1.2.2", manifest, files)
    integrity = registry.publish("@acme/core", "1.2.3", manifest, files)
    registry.publish("@acme/core", "2.0.0", manifest, files)
    return integrity


def npm_lock(
    root: Mapping[str, Any],
    packages: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A ``package-lock.json`` v3. ``packages`` are installed entries by key below ``node_modules/``."""
    fields = ("name", "version", "workspaces", "dependencies", "devDependencies", "optionalDependencies")
    importers = {"": root, **(members or {})}
    entries: dict[str, Any] = {
        directory: {key: manifest[key] for key in fields if key in manifest}
        for directory, manifest in importers.items()
    }
    for directory, manifest in (members or {}).items():
        entries[f"node_modules/{manifest['name']}"] = {"resolved": directory, "link": True}
    entries |= {f"node_modules/{key}": dict(entry) for key, entry in packages.items()}
    return {
        "name": root["name"],
        **({"version": root["version"]} if "version" in root else {}),
        "lockfileVersion": 3,
        "requires": True,
        "packages": entries,
    }


def product(registry: LoopbackRegistry, integrity: str, *, spec: str = "1.2.3", more: str = "") -> dict[str, Content]:
    """The files of a private product that uses ``@acme/core`` 1.2.3 as a stranger could; clean with ``spec`` exact."""
    manifest = {
        "name": "shop",
        "version": "1.0.0",
        "private": True,
        "type": "module",
        "dependencies": {"@acme/core": spec},
    }
    lock = npm_lock(manifest, {"@acme/core": {"version": "1.2.3", "integrity": integrity}})
    return {
        "ringfence.toml": policy(registry, more),
        "package.json": manifest,
        "package-lock.json": lock,
        "src/main.js": 'import { core } from "@acme/core"\n\ncore\n',
    }
