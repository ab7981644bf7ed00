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

__all__ = ["SUFFIXES", "Peers", "install"]

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

    def oxlint(self, scopes: Sequence[str], folder: Path) -> list[str]:
        """Deep imports by ``no-restricted-imports``: all that its patterns can say. It follows no ``exports`` map."""
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
            "--format", "unix", ".",
        ]  # fmt: skip

    def dependency_cruiser(
        self, scopes: Sequence[str], members: Sequence[str], folder: Path, without: Sequence[str]
    ) -> list[str]:
        """Deep imports and escapes from a member. ``without`` are files that stop it (one that it cannot parse does)."""
        names = "|".join(re.escape(scope) for scope in scopes)
        inside = "|".join(re.escape(member) for member in sorted(members, reverse=True) if member)
        rules = [
            {"name": "deep-import", "severity": "error", "from": {}, "to": {"path": f"^(?:{names})[^/]+/."}},
            {"name": "out", "severity": "error", "from": {}, "to": {"path": "^\\.\\./"}},
        ]
        if inside:
            rules.append(
                {
                    "name": "path-escape",
                    "severity": "error",
                    "from": {"path": f"^({inside})/"},
                    "to": {"path": f"^(?:{inside})/", "pathNot": "^$1/"},
                }
            )
        config = folder / "dependency-cruiser.json"
        exclude = "|".join(["(^|/)node_modules/", *(f"^{re.escape(path)}$" for path in without)])
        options = {
            "tsPreCompilationDeps": True,
            "exclude": {"path": exclude},
            "doNotFollow": {"path": "node_modules"},
            "moduleSystems": ["es6", "cjs", "amd"],
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


def large_lock(cache: Path) -> Path:
    """A large package-lock.json, made by npm from locks/package.json (a minute, once)."""
    target = cache / "locks"
    lock = target / "package-lock.json"
    manifest = (HERE / "locks" / "package.json").read_bytes()
    if not lock.exists() or (target / "package.json").read_bytes() != manifest:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        (target / "package.json").write_bytes(manifest)
        print("making a large package-lock.json ...", file=sys.stderr)
        subprocess.run(
            [
                "npm",
                "install",
                "--package-lock-only",
                "--ignore-scripts",
                "--legacy-peer-deps",
                "--no-audit",
                "--no-fund",
            ],
            cwd=target,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "npm_config_loglevel": "error"},
        )
    return lock
