"""Which jobs run Ringfence, what they are called, and which files of the repository they use on the way.

The format is GitHub's "Workflow syntax for GitHub Actions" and "Metadata syntax for GitHub Actions": a job's check has the job's
``name``, else its id; ``uses: ./path`` is a workflow of the repository, or the folder of an action.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bot.errors import ReadError
from bot.names import join
from bot.readers.files.workflow import Workflow, read_workflow, uses_and_runs

__all__ = ["ActionFiles", "Side", "document_of", "is_workflow", "runs_ringfence"]

# A larger file is no workflow that GitHub runs: it is compared as it is.
_SIZE_MAX = 1024 * 1024
# How deep GitHub lets composite actions use each other.
_DEPTH = 10
_DEFAULT = "ringfence"
_USES = re.compile(r"/ringfence(?:[/@:.-]|$)", re.IGNORECASE)
_RUNS = re.compile(r"(?<![\w-])ringfence(?![\w-]|\.toml)", re.IGNORECASE)
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_OF_MATRIX = re.compile(r"\s*matrix\.[\w.-]+\s*")

Read = Workflow | bytes | None


def is_workflow(path: str) -> bool:
    """Whether GitHub runs a file by itself."""
    return path.startswith(".github/workflows/")


def document_of(data: bytes | None) -> object:
    """What a workflow or an action says, without comments and layout; its bytes where it is no YAML."""
    read = _read(data)
    return read.document if isinstance(read, Workflow) else read


def runs_ringfence(data: bytes | None) -> bool:
    """Whether a workflow or an action speaks of Ringfence itself."""
    return _speaks(_read(data))


class ActionFiles:
    """The files of the repository that the gate's jobs use: by name, and by folder with all that lies there."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.folders: set[str] = set()

    def holds(self, path: str) -> bool:
        """Whether a path is one of them."""
        return path in self.files or any(path.startswith(f"{folder}/") for folder in self.folders)

    def add(self, path: str, read: Read) -> None:
        """A workflow, or an action with its folder. An action at the repository's top has the files that it names: its folder
        is everything."""
        self.files.add(path)
        folder = path.rpartition("/")[0]
        if is_workflow(path):
            return
        if folder:
            self.folders.add(folder)
        elif isinstance(read, Workflow) and isinstance(read.document, dict):
            runs = read.document.get("runs")
            said = [runs.get(key) for key in ("main", "pre", "post", "image")] if isinstance(runs, dict) else []
            self.files.update(filter(None, (join("", name) for name in said if isinstance(name, str))))


class Side:
    """The workflows and actions of one commit, by path from its top."""

    def __init__(self, files: Mapping[str, bytes | None]) -> None:
        self._read = {path: _read(data) for path, data in files.items() if data is not None}

    def gate(self) -> tuple[frozenset[str], ActionFiles]:
        """What jobs that run Ringfence are called, in lower case, and what of the repository they use."""
        names: set[str] = set()
        files = ActionFiles()
        for path, workflow in self._read.items():
            for identifier, job in _jobs(workflow) if is_workflow(path) else ():
                reached = self._reached(job)
                if _job_speaks(job) or any(_speaks(self._read[other]) for other in reached):
                    names |= {name.lower() for name in (identifier, job.get("name")) if isinstance(name, str) and name}
                    for other in reached:
                        files.add(other, self._read[other])
        return frozenset(names or {_DEFAULT}), files

    def called(self, path: str, names: frozenset[str]) -> object:
        """All that a workflow says of jobs with one of these names; None where it has no such job."""
        workflow = self._read.get(path)
        if isinstance(workflow, bytes):
            return workflow if any(name.encode() in workflow.lower() for name in names) else None
        jobs = {identifier: job for identifier, job in _jobs(workflow) if _is_called(identifier, job, names)}
        if workflow is None or not jobs or not isinstance(workflow.document, dict):
            return None
        return {**workflow.document, "jobs": jobs}

    def _reached(self, job: object) -> list[str]:
        """The workflows and actions of the repository that a job uses, and those that they use."""
        found: dict[str, None] = {}
        uses, _ = uses_and_runs(job)
        for _ in range(_DEPTH):
            level = [path for name in uses for path in self._local(name) if path not in found]
            found.update(dict.fromkeys(level))
            uses = tuple(name for path in level if isinstance(read := self._read[path], Workflow) for name in read.uses)
        return list(found)

    def _local(self, name: str) -> list[str]:
        where = join("", name) if name.startswith("./") else None
        if where is None:
            return []
        return [path for path in (where, join(where, "action.yml"), join(where, "action.yaml")) if path in self._read]


def _read(data: bytes | None) -> Read:
    if data is None or len(data) > _SIZE_MAX:
        return data
    try:
        return read_workflow(data)
    except ReadError:
        return data


def _speaks(read: Read) -> bool:
    if isinstance(read, bytes):  # no YAML of ours: a mention is enough
        return b"ringfence" in read.lower()
    return read is not None and _said(read.uses, read.runs)


def _job_speaks(job: object) -> bool:
    return _said(*uses_and_runs(job))


def _said(uses: tuple[str, ...], runs: tuple[str, ...]) -> bool:
    return any(_USES.search(name) for name in uses) or any(_RUNS.search(script) for script in runs)


def _jobs(read: Read) -> Iterator[tuple[str, dict[str, object]]]:
    document = read.document if isinstance(read, Workflow) else None
    jobs = document.get("jobs") if isinstance(document, dict) else None
    if isinstance(jobs, dict):
        yield from ((str(identifier), job) for identifier, job in jobs.items() if isinstance(job, dict))


def _is_called(identifier: str, job: Mapping[str, object], names: frozenset[str]) -> bool:
    name = job.get("name")
    if identifier.lower() in names:
        return True
    return isinstance(name, str) and any(_may_be(name.lower(), job, wanted) for wanted in names)


def _may_be(name: str, job: Mapping[str, object], wanted: str) -> bool:
    """Whether a job's name may come out so, with anything for an expression, or with what its matrix holds.

    Where the name may have got to is kept as a set: strangers write these names, and a regular expression would try every way.
    """
    strategy = job.get("strategy")
    values = {value.lower() for value in _scalars(strategy.get("matrix") if isinstance(strategy, dict) else None)}
    literals, expressions = _EXPRESSION.split(name)[::2], _EXPRESSION.findall(name)
    closed = all(map(_OF_MATRIX.fullmatch, expressions)) and not any("${{" in value for value in values)
    ends = {0}
    for number, literal in enumerate(literals):
        if number and closed:
            ends = {end + len(value) for end in ends for value in values if wanted.startswith(value, end)}
        elif number:
            ends = set(range(min(ends), len(wanted) + 1))
        ends = {end + len(literal) for end in ends if wanted.startswith(literal, end)}
        if not ends:
            return False
    return len(wanted) in ends


def _scalars(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for value in part.values():
            yield from _scalars(value)
    elif isinstance(part, list):
        for value in part:
            yield from _scalars(value)
    elif part is not None:
        yield str(part)
