"""The import order holds on the built tree, and a forbidden import is seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("built") / "tree"
    # A copy is built, so that tests that run at the same time do not meet in one build folder.
    source = tmp_path_factory.mktemp("source")
    for name in ("bot", "rules", "templates"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "--target",
            str(target),
            str(source),
        ],
        check=True,
        cwd=source,
    )
    return target


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    lint = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(lint), str(ROOT / "pyproject.toml"), "--no-cache"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_built_tree_keeps_the_order(tree: Path) -> None:
    done = _lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("bot/rules/pins/floating_pin/rule.py", "import bot.registry.fetch\n"),
        ("bot/rules/pins/floating_pin/rule.py", "import bot.rules.pins.missing_lock.rule\n"),
        ("bot/readers/npm/spec.py", "import bot.engine\n"),
        ("bot/model.py", "import bot.policy\n"),
        ("bot/commands/check.py", "import github\n"),
        ("bot/registry/fetch.py", "import bot.github.hosts\n"),
    ],
)
def test_a_planted_import_is_refused(tree: Path, module: str, line: str) -> None:
    file = tree / module
    before = file.read_text()
    try:
        file.write_text(before + "\n" + line)
        done = _lint(tree)
    finally:
        file.write_text(before)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout
