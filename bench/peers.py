"""The tools that Ringfence is measured against, and their rules for the same question: installed once, into a cache folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["SUFFIXES", "Peers", "cruiser_found", "cruiser_stopped_by", "install", "large_locks", "oxlint_found"]

HERE = Path(__file__).parent
SUFFIXES = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte", ".astro")
_OXLINT = ("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte", "astro")


class Peers:
    """Where the peers are. ``bin`` is the folder of their commands, ``cache`` everything that a later run can use again."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.bin = cache / "peers" / "node_modules" / ".bin"

    def ripgrep(self, scopes: Sequence[str], files: Sequence[str]) -> list[str]:
        """The floor: which of these files hold the scope at all."""
        found = shutil.which("rg")
        if found is None:
            sys.exit("ripgrep (rg) is not on PATH: install it (Debian: ripgrep) and run again")
        asked = [word for scope in scopes for word in ("-e", scope)]
        return [found, "-uuu", "-lF", *asked, "--", *files]

    def oxlint(self, scopes: Sequence[str], folder: Path, files: Sequence[str]) -> list[str]:
        """Deep imports by ``no-restricted-imports``: all that its patterns can say. It follows no ``exports`` map.

        Files in folders called ``dist``, which it leaves out of its own accord, are named to it one by one.
        """
        config = folder / "oxlint.json"
        groups = [f"{scope}*/**" for scope in scopes]
        config.write_text(
            json.dumps(
                {
                    "plugins": [],
                    "categories": {"correctness": "off"},
                    "rules": {"no-restricted-imports": ["error", {"patterns": [{"group": groups}]}]},
                }
            )
        )
        return [
            str(self.bin / "oxlint"), "--config", str(config), "--disable-nested-config", "--no-ignore",
            "--format", "unix", ".", *(path for path in files if "dist" in path.split("/")[:-1]),
        ]  # fmt: skip

    def dependency_cruiser(
        self, scopes: Sequence[str], members: Sequence[str], folder: Path, without: Sequence[str]
    ) -> list[str]:
        """Deep imports and escapes from a member. ``without`` are files that stop it (one that it cannot parse does)."""
        names = "|".join(re.escape(scope) for scope in scopes)
        inside = "|".join(re.escape(member) for member in sorted(members, reverse=True) if member)
        rules = [
            {"name": "deep-import", "severity": "error", "from": {}, "to": {"path": f"^(?:{names})[^/]+/."}},
            # What it cannot resolve it leaves as it is written: that path begins anywhere.
            {
                "name": "out",
                "severity": "error",
                "from": {},
                "to": {"path": "^\\.\\./", "couldNotResolve": False},
            },
        ]
        if inside:
            rules.append(_crossing({"path": f"^({inside})/"}, {"path": f"^(?:{inside})/", "pathNot": "^$1/"}))
        for member in members:
            # Members may stand in members.
            nested = "|".join(re.escape(other) for other in members if other.startswith(f"{member}/"))
            if nested:
                into = f"^(?:{nested})/"
                rules.append(_crossing({"path": f"^{re.escape(member)}/", "pathNot": into}, {"path": into}))
        config = folder / "dependency-cruiser.json"
        exclude = "|".join(["(^|/)node_modules/", *(f"^{re.escape(path)}$" for path in without)])
        options = {
            "tsPreCompilationDeps": True,
            "exclude": {"path": exclude},
            "doNotFollow": {"path": "node_modules"},
            "moduleSystems": ["es6", "cjs", "amd"],
            "skipAnalysisNotInRules": True,  # otherwise it also counts the dependents of every module: many minutes
        }
        config.write_text(json.dumps({"forbidden": rules, "options": options}))
        return [
            "node", "--max-old-space-size=12288", str(self.bin / "depcruise"), "--config", str(config),
            "--output-type", "err", ".",
        ]  # fmt: skip

    def lockfile_lint(self, lock: Path, kind: str, host: str) -> list[str]:
        """Hosts, https and integrity of every entry; it compares nothing with a registry."""
        return [
            str(self.bin / "lockfile-lint"), "--path", str(lock), "--type", kind, "--allowed-hosts", host,
            "--validate-https", "--validate-integrity",
        ]  # fmt: skip


def _crossing(begin: dict[str, str], end: dict[str, str]) -> dict[str, object]:
    return {"name": "path-escape", "severity": "error", "from": begin, "to": end}


def install(cache: Path) -> Peers:
    """``npm ci`` of package-lock.json here into the cache folder, unless that is done."""
    target = cache / "peers"
    lock = (HERE / "package-lock.json").read_bytes()
    done = target / "installed"
    if not done.exists() or done.read_bytes() != lock:
        if shutil.which("npm") is None:
            sys.exit("npm is not on PATH: install Node 20 or newer, or leave the peers out with --without-peers")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, target / name)
        print("installing the peers ...", file=sys.stderr)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=target, check=True, stdout=subprocess.DEVNULL)
        done.write_bytes(lock)
    return Peers(cache)


def large_locks(cache: Path) -> Path:
    """The folder of a large package-lock.json and a large yarn.lock, made by npm and by yarn 1 from locks/package.json
    (some minutes, once)."""
    target = cache / "locks"
    manifest = (HERE / "locks" / "package.json").read_bytes()
    done = target / "made"
    if done.exists() and done.read_bytes() == manifest:
        return target
    shutil.rmtree(target, ignore_errors=True)
    (target / "yarn").mkdir(parents=True)
    (target / "package.json").write_bytes(manifest)
    environment = {**os.environ, "npm_config_loglevel": "error"}
    npm = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
    print("npm makes a large package-lock.json ...", file=sys.stderr)
    subprocess.run(npm, cwd=target, check=True, stdout=subprocess.DEVNULL, env=environment)
    # yarn 1 takes over the versions of a lock that is old enough for it to read.
    for name in ("package.json", "package-lock.json"):
        shutil.copy(target / name, target / "yarn" / name)
    old = [*npm, "--lockfile-version", "2"]
    subprocess.run(old, cwd=target / "yarn", check=True, stdout=subprocess.DEVNULL, env=environment)
    print("yarn makes a yarn.lock of it ...", file=sys.stderr)
    yarn = [
        str(cache / "peers" / "node_modules" / ".bin" / "yarn"),
        "import",
        "--ignore-scripts",
        "--ignore-engines",
        "--non-interactive",
    ]
    subprocess.run(yarn, cwd=target / "yarn", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.move(target / "yarn" / "yarn.lock", target / "yarn.lock")
    shutil.rmtree(target / "yarn")
    done.write_bytes(manifest)
    return target


# -- what they said --------------------------------------------------------------------------------


def oxlint_found(output: str) -> set[tuple[str, str]]:
    """File and specifier of each restricted import."""
    line = re.compile(r"^(.+?):\d+:\d+: '(.+?)' import is restricted", re.MULTILINE)
    return {(found[1].removeprefix("./"), found[2]) for found in line.finditer(output)}


def cruiser_found(output: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """File and target of each deep import, and of each import that leaves its member."""
    line = re.compile(r"^\s*error (deep-import|path-escape|out): (\S+) → (\S+)", re.MULTILINE)
    found = [(match[1], (match[2], match[3])) for match in line.finditer(output)]
    return {pair for rule, pair in found if rule == "deep-import"}, {
        pair for rule, pair in found if rule != "deep-import"
    }


def cruiser_stopped_by(output: str, tree: Path) -> str | None:
    """The file that made dependency-cruiser give up."""
    if "ran afoul" not in output:
        return None
    for line in output.splitlines():
        path = line.strip().removeprefix("... in ").removeprefix(f"{tree}/")
        if path.endswith(SUFFIXES) and (tree / path).is_file():
            return path
    return None
