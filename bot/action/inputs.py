"""What a workflow tells the Action, by its environment alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bot.errors import RingfenceError
from bot.github.hosts import home_host
from bot.model import Severity
from bot.names import RepoName, join

__all__ = ["FORMATS", "Address", "Inputs", "Runner", "read_inputs", "read_runner"]

FORMATS = ("annotations", "summary", "review", "code-scanning")

_ADDRESS = re.compile(r"((?:[\w.-]+\.[\w.-]+/)?[\w.-]+/[\w.-]+)(?:@([^@:\s]+))?:([^:]+)")
# What git takes for a ref and nothing that it takes for something else: no option, no range, no refspec.
_REF = re.compile(r"(?!-|/|.*(?:\.\.|//|@\{|\.lock$|/$|\.$))[\w./+@#-]{1,250}")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a repository: ``owner/name@ref:path`` on the run's own host, ``host/owner/name@ref:path`` on another. ``ref`` is a branch, a tag or a commit; empty for the default branch."""

    repository: RepoName
    ref: str
    path: str

    def __str__(self) -> str:
        return f"{self.repository}{'@' + self.ref if self.ref else ''}:{self.path}"


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """The Action's inputs. ``policy`` and ``overlay`` are an address or a path as it was given, None where there is none;
    ``folder`` is relative to the repository's top, ``""`` for the whole."""

    policy: Address | str | None = None
    overlay: Address | str | None = None
    fail_on: Severity = Severity.ERROR
    formats: frozenset[str] = frozenset(("annotations", "summary", "review"))
    sarif_file: str = ""
    comment: bool = True
    folder: str = ""


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run happens. ``output`` and ``summary`` are the files that the runner reads afterwards; ``run`` is the
    page of the run."""

    workspace: Path
    temp: Path
    output: Path | None = None
    summary: Path | None = None
    server: str = "https://github.com"
    run: str = ""


def read_inputs(environment: Mapping[str, str]) -> Inputs:
    """Read ``RINGFENCE_*``. Raises `RingfenceError` with the input's name."""

    def given(name: str) -> str:
        return environment.get(f"RINGFENCE_{name}", "").strip()

    level = given("FAIL_ON") or "error"
    if level not in tuple(Severity):
        raise _wrong("fail-on", level, "Write error, warning or note.")
    formats = [part.strip() for part in given("FORMATS").split(",") if part.strip()]
    for part in formats:
        if part not in FORMATS:
            raise _wrong("formats", part, f"Write some of {', '.join(FORMATS)}, with commas between.")
    comment = given("COMMENT").lower() or "true"
    if comment not in ("true", "false"):
        raise _wrong("comment", comment, "Write true or false.")
    folder = given("WORKING_DIRECTORY")
    inside = join("", folder) if not folder.startswith("/") else None
    if inside is None:
        raise _wrong("working-directory", folder, "Name a folder of the repository.")
    sarif = given("SARIF_FILE")
    if not sarif.isprintable():
        raise _wrong("sarif-file", sarif, "Name a file.")
    return Inputs(
        policy=_place(given("POLICY"), "policy", environment),
        overlay=_place(given("OVERLAY"), "overlay", environment),
        fail_on=Severity(level),
        formats=frozenset(formats) if given("FORMATS") else Inputs().formats,
        sarif_file=sarif,
        comment=comment == "true",
        folder=inside,
    )


def _place(text: str, name: str, environment: Mapping[str, str]) -> Address | str | None:
    if not text:
        return None
    if ":" not in text:
        return text
    found = _ADDRESS.fullmatch(text)
    host = "" if found and found[1].count("/") > 1 else home_host(environment) + "/"
    repository = RepoName.parse(f"https://{host}{found[1]}") if found else None
    path = join("", found[3]) if found else None
    if found is None or repository is None or not path or (found[2] and not _REF.fullmatch(found[2])):
        # An overlay's address is nobody's business in a log.
        shown = text if name == "policy" else ""
        raise _wrong(name, shown, "Write a path, or owner/repo@ref:path.")
    return Address(repository=repository, ref=found[2] or "", path=path)


def _wrong(name: str, value: str, remedy: str) -> RingfenceError:
    return RingfenceError(
        f"{value[:80]!r} is no value for it" if value else "its value cannot be read",
        where=f"the input {name}",
        remedy=remedy,
    )


def read_runner(environment: Mapping[str, str]) -> Runner:
    """Read what every runner sets. Raises `RingfenceError` outside of one."""
    workspace = environment.get("GITHUB_WORKSPACE")
    if not workspace or not environment.get("GITHUB_EVENT_PATH"):
        raise RingfenceError(
            "this is no run of a GitHub workflow",
            where="ringfence action",
            remedy="Use `ringfence check`; the Action calls this verb.",
        )

    def file(name: str) -> Path | None:
        return Path(environment[name]) if environment.get(name) else None

    server = environment.get("GITHUB_SERVER_URL", "").rstrip("/") or "https://github.com"
    number = environment.get("GITHUB_RUN_ID", "")
    repository = environment.get("GITHUB_REPOSITORY", "")
    return Runner(
        workspace=Path(workspace),
        temp=Path(environment.get("RUNNER_TEMP") or environment.get("TMPDIR") or "/tmp"),  # noqa: S108
        output=file("GITHUB_OUTPUT"),
        summary=file("GITHUB_STEP_SUMMARY"),
        server=server,
        run=f"{server}/{repository}/actions/runs/{number}" if number.isdecimal() else "",
    )
