"""The wheel and the source distribution carry everything, in an environment that holds nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _run(*arguments: object, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(a) for a in arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made from the source distribution, which is made from what git tracks."""
    work = tmp_path_factory.mktemp("dist")
    names = os.fsdecode(
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "bot", "rules", "templates", "pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"],
            cwd=ROOT, capture_output=True, check=True,
        ).stdout
    ).split("\0")  # fmt: skip
    source = work / "source"
    for name in filter(None, names):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    code = "import setuptools.build_meta as b; print(b.build_sdist('../sdist'))"
    (work / "sdist").mkdir()
    _run(sys.executable, "-c", code, cwd=source)
    (archive,) = (work / "sdist").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(work / "unpacked", filter="data")
    (unpacked,) = (work / "unpacked").iterdir()
    (work / "wheel").mkdir()
    _run(sys.executable, "-c", "import setuptools.build_meta as b; print(b.build_wheel('../../wheel'))", cwd=unpacked)
    (wheel,) = (work / "wheel").glob("*.whl")
    return wheel


def test_the_wheel_works_in_an_empty_environment(built: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    site = _run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=tmp_path).stdout.strip()
    _run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, built, cwd=tmp_path)
    # Its dependencies are taken from the tests' own environment: what is tested is what the wheel holds.
    ours = Path(
        _run(sys.executable, "-c", "import click; print(click.__file__)", cwd=tmp_path).stdout.strip()
    ).parent.parent
    for name in ours.iterdir():
        if (
            not (Path(site) / name.name).exists()
            and "ringfence" not in name.name
            and name.name not in ("bot", "__pycache__")
        ):
            (Path(site) / name.name).symlink_to(name)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RINGFENCE_CACHE": str(tmp_path / "cache")}
    top = _run(
        python, "-P", "-c", "import bot, os; print(os.path.dirname(bot.__file__))", cwd=tmp_path, env=env
    ).stdout.strip()
    assert top == str(Path(site) / "bot")
    program = "from bot.cli import main; main()"
    tested = _run(python, "-P", "-c", program, "selftest", "--json", cwd=tmp_path, env=env)
    report = json.loads(tested.stdout)
    assert report["passed"]
    assert len(report["rules"]) >= 14
    page = _run(python, "-P", "-c", program, "explain", "deep-import", cwd=tmp_path, env=env).stdout
    assert "What it flags" in page
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "package.json").write_text('{"name": "shop", "private": true}')
    command = ("check", "shop", "--open", "@acme/*", "--offline", "--format", "markdown")
    done = subprocess.run(
        [str(python), "-P", "-c", program, *command], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("## Ringfence: "), "the templates are there: " + done.stderr
    _run("git", "init", "-q", "fleet/one", cwd=tmp_path)
    page = _run(
        python, "-P", "-c", program, "audit", "fleet", "--open", "@acme/*", "--format", "html", cwd=tmp_path, env=env
    ).stdout
    assert "<!doctype html>" in page


def test_only_one_name_lands_at_the_top(built: Path) -> None:
    import zipfile

    names = {name.partition("/")[0] for name in zipfile.ZipFile(built).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"bot"}


def test_a_folder_named_bot_in_the_checked_repository_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "__init__.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "click.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "package.json").write_text('{"name": "@acme/x", "private": true}')
    ringfence = Path(sys.executable).with_name("ringfence")
    done = subprocess.run(
        [str(ringfence), "check", ".", "--open", "@acme/*", "--offline"], cwd=tmp_path, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "executed" not in done.stdout + done.stderr
