"""What is measured: a copy of the checkout, a registry on 127.0.0.1 that knows its packages, large locks, a tiny repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from registry.loopback import LoopbackRegistry  # noqa: E402

from bot.commands.common import Options, open_repo  # noqa: E402
from bot.errors import ReadError  # noqa: E402
from bot.factcache import FactCache  # noqa: E402
from bot.facts.manifest import Kind  # noqa: E402
from bot.load import load, parse_many  # noqa: E402
from bot.names import PackageName, split_specifier  # noqa: E402
from bot.policy import Policy  # noqa: E402
from bot.repo import Repo  # noqa: E402

__all__ = [
    "HOST",
    "commit",
    "copy",
    "everything",
    "fill",
    "install",
    "judged",
    "lock_project",
    "run_git",
    "spoil",
    "subpaths",
    "with_registry",
]

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


def subpaths(tree: Path, policy: Path, repo: Repo) -> set[tuple[str, str]]:
    """File and specifier of every import of a subpath of an open package that Ringfence's parser confirms."""
    opened = open_repo(Options(path=tree, policy=policy, cache=False), ())

    def deep(specifier: str) -> bool:
        parts = split_specifier(specifier)
        return parts is not None and parts[1] != "." and repo.is_open(opened.policy, PackageName.npm(parts[0]))

    files = [path for path, source in repo.sources.items() if any(deep(found.specifier) for found in source.imports)]
    try:
        return {
            (path, found.specifier)
            for path, parsed in parse_many(opened.source, files, FactCache(None))
            if not isinstance(parsed, ReadError)
            for found in parsed.imports
            if deep(found.specifier)
        }
    finally:
        opened.source.close()


# -- the program -----------------------------------------------------------------------------------


def install(target: Path) -> list[str]:
    """The command that runs Ringfence as a wheel installs it, compiled, in an environment of its own.

    What is installed to be edited is found by a program that Python runs first: neither its start nor Python's would be
    the user's. Dependencies are those of the environment that measures.
    """
    venv.create(target, with_pip=False, symlinks=True)
    python = target / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(target)}))
    built = target / "built"
    subprocess.run([str(HERE.parent / "scripts" / "built-tree"), str(built)], check=True, stdout=subprocess.DEVNULL)
    shutil.move(built / "bot", site / "bot")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    dependencies = Path(sysconfig.get_path("purelib"))
    compiled = [site / "bot", *(dependencies / name for name in ("click", "msgspec", "typing_extensions.py"))]
    subprocess.run([str(python), "-m", "compileall", "-q", *map(str, compiled)], check=False)
    script = target / "bin" / "ringfence"
    script.write_text("import sys\nfrom bot.cli import main\nsys.exit(main())\n")
    return [str(python), str(script)]


# -- locks ---------------------------------------------------------------------------------------


def lock_project(lock: Path, kind: str, target: Path) -> int:
    """A project with that lock, its package.json beside it, every archive from one host; how many entries have one."""
    target.mkdir(parents=True)
    text = lock.read_text()
    if kind == "yarn.lock":
        text, count = re.subn(r'^(  resolved "https?://)[^/"]+/', rf"\g<1>{HOST}/", text, flags=re.MULTILINE)
    else:
        whole = json.loads(text)
        count = 0
        for key, entry in whole["packages"].items():
            if key and entry.get("integrity") and entry.get("version"):
                # npm may have been told to leave the address out.
                name = entry.get("name") or key.rpartition("node_modules/")[2]
                archive = f"{name.rpartition('/')[2]}-{entry['version']}.tgz"
                first = {"version": entry["version"], "resolved": f"https://{HOST}/{name}/-/{archive}"}
                whole["packages"][key] = first | {field: entry[field] for field in entry if field not in first}
                count += 1
        text = json.dumps(whole, indent=2) + "\n"
    (target / kind).write_text(text)
    shutil.copy(lock.with_name("package.json"), target / "package.json")
    commit(target)
    return count


def everything(lock: Path) -> str:
    """A policy that calls every package of a lock open: by first letters, since no pattern may mean all packages."""
    names = re.findall(rf"https://{HOST}/((?:@[^/]+/)?[^/]+)/-/", lock.read_text())
    patterns = {f"{name[:2]}*/*" if name.startswith("@") else f"{name[:1]}*" for name in names}
    return f"[open]\npackages = {json.dumps(sorted(patterns))}\n"


def spoil(lock: Path) -> None:
    """One entry in the middle comes from elsewhere, without integrity."""
    text = lock.read_text()
    begin = text.index(f"https://{HOST}/", len(text) // 2)
    head, tail = text[:begin], text[begin:].replace(HOST, "elsewhere.example.test", 1)
    lock.write_text(head + re.sub(r'\n +"?integrity"?:? .*', "", tail, count=1))
