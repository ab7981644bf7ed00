"""What a GitHub workflow, or a composite action, uses and runs.

The format is GitHub's "Workflow syntax for GitHub Actions": ``uses`` stands on jobs and steps, ``run`` on steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bot.errors import ReadError

__all__ = ["Workflow", "read_workflow", "uses_and_runs"]


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """``uses`` and ``runs`` are every value of those keys, wherever they stand; ``document`` is the whole as plain data."""

    uses: tuple[str, ...]
    runs: tuple[str, ...]
    document: object


def read_workflow(data: bytes) -> Workflow:
    """Read one file. Raises `ReadError`."""
    import ryaml

    try:
        document: object = ryaml.loads(data.decode("utf-8-sig"))  # type: ignore[attr-defined]
    except UnicodeDecodeError:
        raise ReadError("not-utf8", "the workflow is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ReadError("malformed", f"the workflow is no YAML: {error}") from None
    uses, runs = uses_and_runs(document)
    return Workflow(uses=uses, runs=runs, document=document)


def uses_and_runs(part: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every value of ``uses``, and of ``run``, in a part of a workflow."""
    return tuple(_values(part, "uses")), tuple(_values(part, "run"))


def _values(document: object, wanted: str) -> Iterator[str]:
    stack = [document]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            value = part.get(wanted)
            if isinstance(value, str):
                yield value
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
