"""A small organisation for tests of audits: real git repositories in one folder, halves of pairs, a loopback registry.

``acme/core`` and ``acme/platform-core`` are as they should be; what tests plant is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.registry.loopback import LoopbackRegistry
from tests.world import Content, Outcome, Repository, npm_lock, ringfence

__all__ = ["Organisation", "same"]

_POLICY = """schema = 1

[open]
packages     = ["@acme/*"]
repositories = ["acme/*"]

[private]
repositories = ["acme/platform-*"]

[naming]
local  = ["open-{x}", "{x}"]
github = ["acme/{x}"]
npm    = ["@acme/{x}"]
[naming.downstream]
local  = ["platform-{x}"]
github = ["acme/platform-{x}"]
"""


class Organisation:
    """``folder`` holds the checkouts, ``policy`` is the organisation's policy beside it."""

    def __init__(self, place: Path, registry: LoopbackRegistry) -> None:
        self.folder = place / "work"
        self.folder.mkdir(parents=True)
        self.policy = place / "acme.toml"
        self.registry = registry
        self.integrity: dict[str, str] = {}
        self.write_policy()

    def write_policy(self, more: str = "") -> None:
        """The organisation's policy with more behind it."""
        self.policy.write_text(f'{_POLICY}\n[registry.npm]\nurl = "{self.registry.url}"\n\n{more}')

    def pair(self, stem: str, *, repository: str = "") -> tuple[Repository, Repository]:
        """Two clean halves, the open one published as from ``repository`` (its own unless given)."""
        return self.core(stem, repository=repository), self.product(stem, f"@acme/{stem}")

    def core(self, stem: str, *, repository: str = "", published: bool = True) -> Repository:
        """The open half in ``open-STEM``."""
        name = f"@acme/{stem}"
        url = f"git+https://github.com/acme/{stem}.git"
        if published:
            document = {"repository": {"type": "git", "url": repository or url}, "exports": {".": "./index.js"}}
            self.integrity[name] = self.registry.publish(
                name, "1.0.0", document, {"index.js": b"export const made = 1\n"}
            )
        manifest = {"name": name, "version": "1.0.0", "repository": {"type": "git", "url": url}}
        return self.repository(f"open-{stem}", f"acme/{stem}", {"package.json": manifest, "index.js": "export {}\n"})

    def product(self, stem: str, core: str, more: Mapping[str, Content] | None = None) -> Repository:
        """A private half in ``platform-STEM`` that uses a core as a stranger could."""
        manifest = {
            "name": f"platform-{stem}",
            "version": "1.0.0",
            "private": True,
            "type": "module",
            "dependencies": {core: "1.0.0"},
        }
        files: dict[str, Content] = {
            "package.json": manifest,
            "package-lock.json": npm_lock(manifest, {core: {"version": "1.0.0", "integrity": self.integrity[core]}}),
            "src/main.js": f'import {{ made }} from "{core}"\n\nmade\n',
        }
        return self.repository(f"platform-{stem}", f"acme/platform-{stem}", {**files, **(more or {})})

    def repository(self, folder: str, name: str, files: Mapping[str, Content] | None) -> Repository:
        """Any repository, with its name on the forge in ``origin``."""
        made = Repository(self.folder / folder)
        if name:
            made.git("remote", "add", "origin", f"https://github.com/{name}.git")
        if files is not None:
            made.commit(files)
        return made

    def audit(self, *arguments: str | Path) -> Outcome:
        """``ringfence audit FOLDER --json``."""
        return ringfence("audit", self.folder, "--policy", self.policy, "--json", *arguments)

    def fleet(self, *arguments: str | Path) -> list[tuple[str, str, str, int]]:
        """The (rule, repository, path, line) of every fleet finding of an audit."""
        report = self.audit(*arguments).report
        return [
            (f["finding"]["rule"], f["repository"], f["finding"]["location"]["path"], f["finding"]["location"]["line"])
            for f in report["fleet"]
        ]


def same(report: Mapping[str, Any]) -> dict[str, Any]:
    """An audit without what may differ between two runs over the same repositories."""
    plain: dict[str, Any] = json.loads(json.dumps(report))
    for key in ("seconds", "requests", "unchanged", "shards"):
        del plain["summary"][key]
    trend = plain["baseline"]
    trend["change"], trend["not_compared"], trend["repositories"] = None, 0, []
    for item in plain["not_audited"]:
        item["shard"] = item["remedy"] = ""
    for repository in plain["repositories"]:
        del repository["unchanged"]
        for summary in (repository["summary"], *([repository["report"]["summary"]] if repository["report"] else [])):
            summary["seconds"] = summary["requests"] = summary["parsed"] = 0
    return plain
