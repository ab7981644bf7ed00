"""What a start costs, by what it imports and which processes it waits for: no clock, so that a busy machine fails nothing.

An idle `check` is one of a repository in which nothing is open: it asks no registry and parses no source.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.world import Repository

POLICY = '[open]\npackages = ["@acme/*"]\n'

# The only packages of others that a start may load. typing_extensions is msgspec's choice, where it is installed.
OTHERS = {"click", "msgspec", "typing_extensions"}

# Dear modules of Python's own, each of which once cost a start some milliseconds or soon would.
DEAR = {
    "argparse", "asyncio", "concurrent", "dataclasses", "difflib", "email", "http", "importlib.metadata",
    "importlib.resources", "logging", "multiprocessing", "optparse", "pickle", "pprint", "random", "shutil", "ssl",
    "tempfile", "unittest", "urllib.request", "xml", "zipfile",
}  # fmt: skip

# Of ours: what only findings, source files, locks, parsers and registries need.
LATE = {
    "bot.cases", "bot.fix", "bot.github", "bot.init", "bot.pages", "bot.readers.javascript.candidates", "bot.readers.javascript.imports",
    "bot.readers.npm.npm_lock", "bot.readers.npm.semver", "bot.readers.npm.yarn_v1", "bot.readers.positions", "bot.registry",
    "bot.report.json_report", "bot.report.sarif",
}  # fmt: skip

# With a warm cache not even the manifest is read.
UNREAD = {"bot.readers.npm.package_json", "bot.readers.npm.spec", "json"}

# Modules beyond those of the interpreter itself and of the rules, of which there may be more. Raise a number only with
# what it buys in mind: a module costs about 0.4 ms.
HELP_MAX = 100
CHECK_MAX = 165


class Start(NamedTuple):
    """One run: its exit code, what it printed, and the modules that it loaded beyond the interpreter's own."""

    code: int
    out: str
    modules: frozenset[str]

    def loaded(self, names: set[str]) -> set[str]:
        """Those of these modules and packages that were loaded."""
        return {name for name in names if any(m == name or m.startswith(f"{name}.") for m in self.modules)}

    @property
    def count(self) -> int:
        """How many there are, rules left out."""
        return sum(not name.startswith("bot.rules.") for name in self.modules)

    @property
    def others(self) -> set[str]:
        """The packages that are neither ours nor Python's own."""
        tops = {name.partition(".")[0] for name in self.modules}
        return {top for top in tops if top not in sys.stdlib_module_names and top not in ("bot", "__mp_main__")}


# Runs the console script itself. What an editable install's finder loads is the interpreter's here, as in a baseline run.
_PROGRAM = """
import atexit, sys
before = set(sys.modules)
script, listing = sys.argv[1:3]
sys.argv = [script, *sys.argv[3:]]
with open(script) as file:
    text = file.read()

@atexit.register
def list_modules():
    with open(listing, "w") as file:
        file.write("\\n".join(set(sys.modules) - before))

exec(compile(text, script, "exec"), {"__name__": "__main__"})
"""


def start(where: Path, *arguments: str, path: str | None = None) -> Start:
    """Run the installed program in a folder."""
    script = Path(sys.executable).with_name("ringfence")
    listing = where.parent / "modules.txt"
    environment = os.environ | ({"PATH": path} if path else {})
    done = subprocess.run(
        # -I would hide PYTHONPATH too, -P only the folder that the program stands in.
        [sys.executable, "-P", "-c", _PROGRAM, script, listing, *arguments],
        cwd=where, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Start(done.returncode, done.stdout, frozenset(listing.read_text().split("\n")))


@pytest.fixture
def tiny(tmp_path: Path) -> Repository:
    """A repository that holds nothing to judge."""
    manifest = {"name": "@acme/tiny", "version": "1.0.0", "private": True}  # the policy's pattern meets something
    return Repository(tmp_path / "tiny", {"package.json": manifest, "ringfence.toml": POLICY})


def test_help_loads_the_command_line_and_nothing_else(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for arguments in (("--help",), ("--version",)):
        done = start(here, *arguments)
        assert (done.code, "ingfence" in done.out) == (0, True)
        assert done.others <= OTHERS
        assert done.loaded(DEAR) <= {"shutil"}  # click's, to know how wide a page of help may be
        assert {m for m in done.modules if m.startswith("bot.")} == {"bot.cli", "bot.errors", "bot.text"}
        assert done.count <= HELP_MAX


def test_an_idle_check_loads_no_more_than_it_must(tiny: Repository) -> None:
    cold = start(tiny.path, "check")
    warm = start(tiny.path, "check")
    for done in (cold, warm):
        assert (done.code, "PASS nothing found" in done.out) == (0, True)
        assert done.others <= OTHERS
        assert done.loaded(DEAR) == set()
        assert done.loaded(LATE) == set()
        assert done.count <= CHECK_MAX
    assert cold.loaded(UNREAD) == UNREAD  # the cold run shows that the names are right
    assert warm.loaded(UNREAD) == set()


def test_a_check_that_has_something_to_do_loads_what_it_needs(tiny: Repository) -> None:
    """The lists above name modules that exist: a run with findings loads many of them."""
    tiny.commit(
        {
            "package.json": {
                "name": "tiny",
                "private": True,
                "dependencies": {"@acme/core": "1.0.0", "@acme/ui": "^1.0.0"},
            },
            "src/main.js": 'import { parse } from "@acme/core/src/parser.js"\n',
        }
    )
    done = start(tiny.path, "check", "--offline", "--json")
    assert done.code == 1
    assert json.loads(done.out)["verdict"] == "fail"
    assert done.loaded(LATE) >= {
        "bot.readers.javascript.candidates",
        "bot.readers.positions",
        "bot.registry",
        "bot.report.json_report",
    }


def test_an_idle_check_waits_for_few_processes(tiny: Repository, tmp_path: Path) -> None:
    real = shutil.which("git")
    log = tmp_path / "git.log"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
    assert start(tiny.path, "check", path=path).code == 0
    # Where the work tree is, its origin and filters, what is tracked, what has changed.
    asked = [word for line in log.read_text().splitlines() for word in line.split() if word in VERBS]
    assert sorted(asked) == sorted(VERBS)


VERBS = ("rev-parse", "config", "ls-files", "diff-files")


def test_what_is_imported_ahead_is_there() -> None:
    """In a large repository alone it is imported at all, as long as git lists it."""
    code = (
        "import sys; from bot.commands.common import _import_ahead as ahead; early = set(sys.modules); ahead(lambda: False); "
        "assert set(sys.modules) == early; ahead(lambda: True); print('hyperscan' in sys.modules, 'hyperscan' in early)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["True", "False"]), done.stderr
