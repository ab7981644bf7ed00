"""Which overrides a package manager reads, and which of them its lock says are in force.

Tried with the real ones (``tests/locks/fixtures/*/verdicts.json`` has what their frozen installs said of the others' fields):

- npm: ``overrides`` of the root's manifest.
- yarn: ``resolutions``; version 2 and later none with ``**`` in it.
- bun: ``overrides``, and ``resolutions`` where there are none.
- pnpm up to 9: the manifest's ``resolutions`` and, over them, ``pnpm.overrides``. pnpm 10 the same, and where there are none of these
  ``overrides`` in ``pnpm-workspace.yaml``. pnpm 11 and later that file alone. Rush hands it ``globalOverrides``, whichever it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from bot.facts.lock import Lock
from bot.facts.manifest import Declaration, Manifest, Override

__all__ = ["applies", "in_force", "key_in_lock", "readings"]

_PNPM = re.compile(r"pnpm@\^?(\d+)")
_PARTS = re.compile(r"[^ |@<>=]>|/")
# The first lock of bun that can say which parent an override is for.
_BUN_NESTED = 3


def readings(lock: Lock, overrides: Iterable[Override], manager: str | None = None) -> list[list[Override]]:
    """The overrides that the lock's package manager reads, of all that its root has. Several readings, the likeliest
    first, where nobody says which version it is: ``manager`` is ``packageManager``'s value (pnpm 9 to 12 write the same format)."""
    by_field: defaultdict[str, dict[str, Override]] = defaultdict(dict)
    for override in overrides:
        file = override.place.path.rpartition("/")[2]
        field = override.field if file == "package.json" else f"{file} {override.field}"
        by_field[field][key_in_lock(lock, override.selector)] = override
    if lock.format == "pnpm":
        rush = by_field["pnpm-config.json overrides"]
        if rush:
            return [list(rush.values())]
        manifest = list((by_field["resolutions"] | by_field["pnpm.overrides"]).values())
        return _of_pnpm(lock, manifest, list(by_field["pnpm-workspace.yaml overrides"].values()), manager)
    if lock.format == "bun":
        read = by_field["overrides"] or by_field["resolutions"]
        nested = _number(lock.version) >= _BUN_NESTED
        return [[override for selector, override in read.items() if nested or ">" not in selector]]
    read = by_field["overrides" if lock.format == "npm" else "resolutions"]
    # Yarn 2 and later warn of `**` and go on without (YN0057).
    return [[o for selector, o in read.items() if lock.format != "yarn-berry" or "**" not in selector]]


def _of_pnpm(lock: Lock, manifest: list[Override], yaml: list[Override], manager: str | None) -> list[list[Override]]:
    found = _PNPM.match(manager or "")
    if _number(lock.version) < 9 or (found is not None and int(found[1]) <= 9):
        return [manifest]
    if found is not None:
        return [manifest or yaml] if int(found[1]) == 10 else [yaml]
    return [manifest or yaml, manifest, yaml]


def _number(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdecimal() else 0


def in_force(lock: Lock, overrides: Iterable[Override]) -> Iterator[tuple[str, str, str]]:
    """Selector, target and spec of the overrides that the lock was made with: what it records, or what its package manager
    reads."""
    if lock.format in ("pnpm", "bun"):
        from bot.readers.npm.overrides import override_target

        yield from ((selector, override_target(selector), spec) for selector, spec in lock.overrides.items())
    else:
        read = readings(lock, overrides)[0]
        yield from ((override.selector, override.target, override.spec) for override in read)


def applies(lock: Lock, selector: str, target: str, manifest: Manifest, declaration: Declaration) -> bool:
    """Whether an override changes what a manifest's own dependency of that name means.

    A selector with parents (``foo>bar``, ``foo/bar``) does only where the last of them is the manifest itself. One with a range
    does where the declaration's own has versions in common with it (npm, pnpm, bun), or is the same text (yarn 2 and
    later); of what is no range, a tag say, nobody can tell. yarn 1 makes nothing of such a selector.
    """
    asked = _asked_of(selector.removeprefix("**/"), target, manifest)
    if not asked:
        return asked is not None
    if lock.format == "yarn-v1":
        return False
    spec = declaration.effective
    if lock.format == "yarn-berry":
        return asked.removeprefix("npm:") == spec.removeprefix("npm:")
    if lock.format == "bun":
        asked = asked.removeprefix("npm:")
    from bot.readers.npm.semver import intersects, valid_range

    return asked == spec or not valid_range(spec) or intersects(asked, spec)


def _asked_of(selector: str, target: str, manifest: Manifest) -> str | None:
    """The range of the target in a selector that is for a manifest's own dependency, empty for all of them; None where it is for
    another package's."""
    asked = _asked(selector, target)
    if asked is None and manifest.name and selector.startswith(manifest.name):
        above, _, rest = selector[len(manifest.name) :].rpartition(target)
        if above.startswith((">", "/", "@")) and above.endswith((">", "/")):
            asked = _asked(target + rest, target)
    return asked


def _asked(selector: str, target: str) -> str | None:
    """``foo`` and ``foo@>=1``; not ``foo@1>foo``: a ``>`` that follows neither a space nor an operator parts names."""
    if not selector.startswith(target):
        return None
    rest = selector[len(target) :]
    if rest and (rest[0] != "@" or _PARTS.search(rest, 1)):
        return None
    return rest[1:]


def key_in_lock(lock: Lock, selector: str) -> str:
    """How a lock spells a selector. bun takes yarn's and npm's spellings and drops the ``**``: ``a/**/b`` is ``a>b``."""
    if lock.format != "bun":
        return selector
    names: list[str] = []
    for part in selector.replace(">", "/").split("/"):
        if names and names[-1].startswith("@") and "/" not in names[-1]:
            names[-1] += f"/{part}"
        elif part != "**":
            names.append(part)
    return ">".join(names)
