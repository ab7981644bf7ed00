"""What is measured: a copy of the checkout, a registry on 127.0.0.1 that knows its packages, large locks, a tiny repository."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from registry.loopback import LoopbackRegistry  # noqa: E402

from bot.commands.common import Options, open_repo  # noqa: E402
from bot.factcache import FactCache  # noqa: E402
from bot.facts.manifest import Kind  # noqa: E402
from bot.load import load  # noqa: E402
from bot.names import PackageName  # noqa: E402
from bot.policy import Policy  # noqa: E402
from bot.repo import Repo  # noqa: E402

__all__ = ["copy", "fill", "judged", "npm_project", "with_registry", "yarn_project"]

HOST = "registry.example.test"


def run_git(where: Path, *arguments: str) -> str:
    """Git's output; its words on failure."""
    return subprocess.run(
        [
            "git",
            "-c",
            "core.autocrlf=false",
            "-c",
            "user.name=bench",
            "-c",
            "user.email=bench@example.test",
            *arguments,
        ],
        cwd=where,
        check=True,
        capture_output=True,
        text=True,
        errors="surrogateescape",
    ).stdout


def copy(checkout: Path, target: Path) -> None:
    """The checkout's tracked files as they stand on disk, in a repository of their own with the same ``origin``."""
    target.mkdir(parents=True)
    for path in run_git(checkout, "ls-files", "-z").split("\0"):
        source = checkout / path
        if path and source.is_file() and not source.is_symlink():
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
    commit(target)
    try:
        origin = run_git(checkout, "config", "--get", "remote.origin.url").strip()
    except subprocess.CalledProcessError:
        return
    run_git(target, "remote", "add", "origin", origin)


def commit(where: Path) -> None:
    """Everything in a folder, as the first commit of a new repository."""
    run_git(where, "init", "-q", "-b", "main")
    run_git(where, "add", "-A", "-f")
    run_git(where, "commit", "-q", "-m", "as it stands")
    run_git(where, "repack", "-q", "-a", "-d")


def with_registry(policy: str, url: str) -> str:
    """The policy with the registry on 127.0.0.1 in it."""
    if "[registry.npm]" in policy:
        sys.exit("the policy names a registry of its own: measure with one that does not")
    return f'{policy}\n[registry.npm]\nurl = "{url}"\n'


def judged(tree: Path, policy: Path) -> tuple[Repo, Policy]:
    """The facts of a tree and the policy that judges it."""
    opened = open_repo(Options(path=tree, policy=policy, cache=False), ())
    try:
        return load(opened.source, opened.policy, FactCache(None)).repo, opened.policy
    finally:
        opened.source.close()


def fill(registry: LoopbackRegistry, repo: Repo, policy: Policy) -> int:
    """Publish every version of an open package that the locks or the manifests name; how many.

    A tarball carries the manifest of the member of that name, if there is one. The version's integrity is the lock's
    or the tarball's: either is what a strict reader accepts.
    """
    versions: dict[tuple[str, str], str | None] = {}
    for lock in repo.locks:
        for entry in lock.entries:
            if entry.version is not None and repo.is_open(policy, PackageName.npm(entry.name)):
                known = versions.get((entry.name, entry.version))
                versions[entry.name, entry.version] = known or entry.integrity
    for _, declaration in repo.declarations():
        if declaration.kind is not Kind.EXACT or declaration.version is None:
            continue
        if repo.is_open(policy, PackageName.npm(declaration.name)):
            versions.setdefault((declaration.name, declaration.version), None)
    for (name, version), integrity in versions.items():
        manifest = _manifest(repo, name)
        ours = registry.publish(name, version, manifest)
        if integrity is not None:
            registry.publish(name, version, manifest, dist={"integrity": f"{integrity} {ours}"})
    return len(versions)


def _manifest(repo: Repo, name: str) -> Mapping[str, Any]:
    root = repo.root_named(name)
    if root is None or root.manifest is None:
        return {}
    exports = {} if root.manifest.exports is None else {"exports": root.manifest.exports}
    return {**root.manifest.entry, **exports}


# -- locks ---------------------------------------------------------------------------------------


def _packages(lock: Path) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for key, entry in json.loads(lock.read_text())["packages"].items():
        if key and not entry.get("link") and entry.get("integrity") and entry.get("version"):
            yield key, entry.get("name") or key.rpartition("node_modules/")[2], entry


def _address(name: str, version: str) -> str:
    return f"https://{HOST}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"


def npm_project(lock: Path, target: Path) -> int:
    """A project with that package-lock.json, every entry from one host; how many entries it has."""
    target.mkdir(parents=True)
    tree = json.loads(lock.read_text())
    count = 0
    for key, name, _ in _packages(lock):
        tree["packages"][key]["resolved"] = _address(name, tree["packages"][key]["version"])
        count += 1
    (target / "package-lock.json").write_text(json.dumps(tree, indent=2) + "\n")
    shutil.copy(lock.with_name("package.json"), target / "package.json")
    commit(target)
    return count


def yarn_project(lock: Path, target: Path) -> int:
    """The same entries as a yarn.lock (v1); how many."""
    target.mkdir(parents=True)
    seen: dict[str, str] = {}
    for _, name, entry in _packages(lock):
        version = entry["version"]
        lines = [
            f'"{name}@{version}":',
            f'  version "{version}"',
            f'  resolved "{_address(name, version)}#{"0" * 40}"',
            f"  integrity {entry['integrity']}",
        ]
        wanted = entry.get("dependencies", {})
        if wanted:
            lines += ["  dependencies:", *(f'    "{key}" "{spec}"' for key, spec in sorted(wanted.items()))]
        seen.setdefault(f"{name}@{version}", "\n".join(lines))
    text = "\n\n".join(seen[key] for key in sorted(seen))
    (target / "yarn.lock").write_text(f"# yarn lockfile v1\n\n\n{text}\n")
    manifest = json.loads(lock.with_name("package.json").read_text())
    (target / "package.json").write_text(json.dumps(manifest, indent=2) + "\n")
    commit(target)
    return len(seen)
