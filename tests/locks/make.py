"""Make the lockfile fixtures: the real package managers lock the projects of ``projects.py`` and judge their changes.

    python tests/locks/make.py FOLDER [--members] [TOOL...]

FOLDER holds the package managers in ``node_modules``; what is missing is installed there with npm (see ``TOOLS``). They use the
registry that the machine is configured for. Written are, for each tool, ``fixtures/TOOL/`` (the project with its lock),
``installed.json`` in it (what Node then finds from each member) and ``verdicts.json`` (what the tool's frozen install said of
each change), in ``fixtures/members.json`` which lock a tool reads in a workspace member that has one of its own
(``--members``: this alone), and in ``fixtures/versions.json`` the versions used. A registry's host is no fact worth keeping:
every one is replaced by ``registry.example.test``, after the tool is done with the file.

Not run by the tests. Takes some minutes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from projects import Files, changes, project

HERE = Path(__file__).parent / "fixtures"
TOOLS = {
    "npm6": "npm@6",
    "npm8": "npm@8",
    "npm11": "npm@11",
    "pnpm7": "pnpm@7",
    "pnpm8": "pnpm@8",
    "pnpm9": "pnpm@9",
    "pnpm10": "pnpm@10",
    "pnpm12": "pnpm@12",
    "yarn1": "yarn@1",
    "yarn4": "@yarnpkg/cli-dist@4",
    "bun1": "bun@1",
}
LOCKS = {"npm": "package-lock.json", "pnpm": "pnpm-lock.yaml", "yarn": "yarn.lock", "bun": "bun.lock"}
# A tarball's URL, up to its path; npm also writes addresses of people who ask for money, which stay.
HOST = re.compile(r"https?://[^/\s\"']+(?=/[^\s\"']*/-/)")


def program(folder: Path, tool: str) -> list[str]:
    home = folder / "node_modules" / tool
    if tool.startswith("npm"):
        return ["node", str(home / "bin/npm-cli.js")]
    if tool == "pnpm12":
        return [str(home / "pnpm")]
    if tool.startswith("pnpm"):
        return ["node", str(home / "bin/pnpm.cjs")]
    if tool.startswith("yarn"):
        return ["node", str(home / "bin/yarn.js")]
    return [str(home / "bin/bun.exe")]


def arguments(tool: str, *, frozen: bool) -> list[str]:
    if tool.startswith("npm"):
        verb = ["ci"] if frozen else ["install", "--package-lock-only"]
        return [*verb, "--ignore-scripts", "--no-audit", "--no-fund"]
    if tool.startswith("pnpm"):
        return ["install", "--ignore-scripts", "--frozen-lockfile" if frozen else "--lockfile-only"]
    if tool == "yarn1":
        return ["install", "--ignore-scripts", "--non-interactive", *(["--frozen-lockfile"] if frozen else [])]
    if tool == "yarn4":
        return ["install", *(["--immutable", "--mode=skip-build"] if frozen else ["--mode=update-lockfile"])]
    return ["install", "--ignore-scripts", "--frozen-lockfile" if frozen else "--lockfile-only"]


def write(files: Files, folder: Path) -> None:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def run(folder: Path, tool: str, where: Path, *, frozen: bool) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, NO_COLOR="1", npm_config_update_notifier="false", YARN_ENABLE_TELEMETRY="0")
    environment.pop("CI", None)
    if frozen:
        environment["npm_config_prefer_offline"] = "true"
    if tool == "yarn4":
        environment["YARN_ENABLE_IMMUTABLE_INSTALLS"] = "false"
    command = [*program(folder, tool), *arguments(tool, frozen=frozen)]
    return subprocess.run(
        command,
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The line that says why, without anything that a machine or a day would change."""
    lines = (done.stdout + "\n" + done.stderr).splitlines()
    for wanted in (r"Missing:|Invalid:|YN0028: [^\w]*[+-]|ERR_PNPM_\w+|^error: |frozen", r"\berror\b|\berr!"):
        for line in lines:
            if re.search(wanted, line, re.IGNORECASE):
                return re.sub(r"https?://\S+|/\S*/\S*|[^\x20-\x7e]", "...", line).strip()[:160]
    return ""


def installed(files: Files, where: Path) -> dict[str, dict[str, list[str]]]:
    """Manifest directory -> name -> (real name, version) of what Node finds there, walking up as Node does."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in files:
        if not path.endswith("package.json") or path.startswith("loc/"):
            continue
        directory = path.rpartition("/")[0]
        manifest = json.loads(files[path])
        names = [
            name
            for field in ("dependencies", "devDependencies", "optionalDependencies")
            for name in manifest.get(field, {})
        ]
        reached = found.setdefault(directory, {})
        for name in (*names, "ms", "is-number", "ansi-styles", "b"):
            at = where / directory
            while at != where.parent:
                manifest_path = at / "node_modules" / name / "package.json"
                if manifest_path.is_file():
                    facts = json.loads(manifest_path.read_text())
                    reached[name] = [facts["name"], facts["version"]]
                    break
                at = at.parent
    return found


def make(folder: Path, tool: str) -> None:
    family = tool.rstrip("0123456789")
    lock = LOCKS[family]
    target = HERE / tool
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "base"
        write(project(tool), base)
        done = run(folder, tool, base, frozen=False)
        if done.returncode or not (base / lock).is_file():
            raise SystemExit(f"{tool}: {done.stdout}{done.stderr}")
        text = (base / lock).read_text()
        verdicts = {}
        for name, change in changes(tool).items():
            files = project(tool)
            change(files)
            where = Path(scratch) / name
            write(files, where)
            (where / lock).write_text(text)
            done = run(folder, tool, where, frozen=True)
            verdicts[name] = {"refused": done.returncode != 0, "said": said(done) if done.returncode else ""}
            print(tool, name, verdicts[name], flush=True)
            if name == "nothing":
                if done.returncode:
                    # What such a tool says of changes is no evidence.
                    raise SystemExit(f"{tool} refuses its own lock: {done.stdout}{done.stderr}")
                reached = installed(files, where)
            shutil.rmtree(where)
        shutil.rmtree(target, ignore_errors=True)
        write(project(tool), target)
        (target / lock).write_text(HOST.sub("https://registry.example.test", text))
        (target / "installed.json").write_text(json.dumps(reached, indent=1) + "\n")
        (target / "verdicts.json").write_text(json.dumps(verdicts, indent=1, ensure_ascii=True) + "\n")


def reads(folder: Path, tool: str) -> str:
    """Which lock a frozen install in a workspace member reads, where both have one: the ``workspace``'s, which fits, or
    the member's ``own``, which does not."""
    lock = LOCKS[tool.rstrip("0123456789")]
    app = {"name": "app", "version": "1.0.0", "dependencies": {"ms": "2.1.2"}}
    stale = {"package.json": json.dumps(app)}
    mono = {
        "package.json": json.dumps({"name": "mono", "private": True, "workspaces": ["packages/*"]}),
        "packages/app/package.json": json.dumps(app | {"dependencies": {"ms": "2.1.3"}}),
    }
    if tool.startswith("pnpm"):
        mono["pnpm-workspace.yaml"] = "packages: ['packages/*']\n"
    with tempfile.TemporaryDirectory() as scratch:
        for name, files in (("stale", stale), ("mono", mono)):
            # An empty lock tells yarn 4 where a project begins.
            write(files | ({lock: ""} if tool == "yarn4" else {}), Path(scratch) / name)
            done = run(folder, tool, Path(scratch) / name, frozen=False)
            if done.returncode or not (Path(scratch) / name / lock).is_file():
                raise SystemExit(f"{tool}: {done.stdout}{done.stderr}")
        member = Path(scratch) / "mono/packages/app"
        shutil.copy(Path(scratch) / "stale" / lock, member / lock)
        found = "own" if run(folder, tool, member, frozen=True).returncode else "workspace"
        print(tool, "reads", found, flush=True)
        return found


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    alone = "--members" in sys.argv
    tools = [tool for tool in sys.argv[2:] if not tool.startswith("-")] or list(TOOLS)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [f"{tool}@npm:{TOOLS[tool]}" for tool in tools if not (folder / "node_modules" / tool).is_dir()]
    if missing:
        # bun and pnpm 12 put their binary in place with a script of their own.
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--save-exact", *missing], cwd=folder, check=True)
    members = HERE / "members.json"
    read = json.loads(members.read_text()) if members.is_file() else {}
    for tool in tools:
        if not alone:
            make(folder, tool)
        if tool != "npm6":  # npm had no workspaces then
            read[tool] = reads(folder, tool)
    members.write_text(json.dumps(read, indent=1, sort_keys=True) + "\n")
    if alone:
        return
    known = HERE / "versions.json"
    versions = json.loads(known.read_text()) if known.is_file() else {}
    versions |= {
        tool: json.loads((folder / "node_modules" / tool / "package.json").read_text())["version"] for tool in tools
    }
    known.write_text(json.dumps(versions, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
