"""A repository's facts -> its first policy file, as text with comments.

The file draws every line where a run with the same ``--open`` patterns and no policy draws it: it adds words for
what is so already, leaves out test fixtures and templates, and suggests the rest in comments.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from bot.errors import RingfenceError
from bot.facts.root import Root
from bot.names import PackageName, is_npm_name, matches_any
from bot.policy import Open, Policy, PolicyTables, Side
from bot.policy_checks import CHECKS, package_pattern, quoted
from bot.repo import Repo

__all__ = ["First", "first_policy"]

_ASIDE = ("fixtures", "__fixtures__", "test-fixtures", "testdata", "templates", "__templates__")
_DOCUMENTS = frozenset(
    ("package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb")
)
_PRIVATE_WORDS = ("internal", "private", "platform")


class First(msgspec.Struct, frozen=True, kw_only=True):
    """A first policy: its text, the patterns it calls open, and how they were found (empty: they were given)."""

    text: str
    patterns: tuple[str, ...]
    guessed: str = ""


def first_policy(repo: Repo, open_patterns: Sequence[str] = ()) -> First:
    """Write a repository's first ``ringfence.toml``. Raises `RingfenceError` where it cannot tell what is open."""
    guessed = ""
    for pattern in open_patterns:
        flaw = package_pattern(pattern, quoted)
        if flaw is not None:
            raise RingfenceError(flaw[0], where="--open", remedy=flaw[1])
    patterns = tuple(dict.fromkeys(open_patterns))
    if not patterns:
        scope, guessed = _guess(repo)
        patterns = (f"{scope}/*",)
    policy = Policy(tables=PolicyTables(open=Open(packages=patterns)))
    sides = {
        root.directory: policy.counts_as(policy.side_of_root(repo.identity, root.directory, root.package))
        for root in repo.roots
    }
    opened = [root for root in repo.roots if sides[root.directory] is Side.OPEN]
    private = [root for root in repo.roots if sides[root.directory] is Side.PRIVATE]
    lines = [*_head(repo), *_open(repo, policy, opened, private), *_private(repo, policy, opened, private)]
    lines += [*_ignored(repo), *_suggestions(repo, patterns)]
    return First(text="\n".join(lines) + "\n", patterns=patterns, guessed=guessed)


# -- which scope is open -------------------------------------------------------------------------


def _guess(repo: Repo) -> tuple[str, str]:
    """The one scope that is likely open, and what speaks for it."""
    own: Counter[str] = Counter()
    private: Counter[str] = Counter()
    for root in repo.roots:
        scope = root.package.scope if root.package and is_npm_name(root.package.name) else None
        if root.manifest is not None and not root.manifest.template and scope is not None:
            hidden = root.manifest.private or root.manifest.access == "restricted" or _sounds_private(scope)
            (private if hidden else own)[scope] += 1
    used: Counter[str] = Counter()
    for _, declaration in repo.declarations():
        scope = PackageName.npm(declaration.name).scope
        if declaration.ecosystem == "npm" and scope is not None and is_npm_name(declaration.name):
            used[scope] += 1
    owner = repo.identity.owner.lower() if repo.identity else ""
    of_owner = [
        scope
        for scope in used
        if owner
        and not _sounds_private(scope)
        and (owner == scope[1:].lower() or owner.startswith(scope[1:].lower() + "-"))
    ]
    found = list(dict.fromkeys([*own, *of_owner]))
    if len(found) == 1:
        scope = found[0]
        said = _counted((own[scope], "own package", "own packages"), (used[scope], "dependency", "dependencies"))
        return scope, f"guessed from {' and '.join(said)}"
    raise _cannot_tell(own, private, used)


def _sounds_private(scope: str) -> bool:
    return any(word in _PRIVATE_WORDS for word in scope[1:].lower().replace("_", "-").split("-"))


def _counted(*counts: tuple[int, str, str]) -> list[str]:
    return [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]


def _cannot_tell(own: Counter[str], private: Counter[str], used: Counter[str]) -> RingfenceError:
    ranked = sorted({*own, *private, *used}, key=lambda scope: (-own[scope], -used[scope], scope))
    counted = []
    for scope in ranked[:10]:
        said = _counted(
            (own[scope], "own package", "own packages"),
            (private[scope], "private package", "private packages"),
            (used[scope], "dependency", "dependencies"),
        )
        counted.append(f"{scope} ({', '.join(said)})")
    more = f" and {len(ranked) - 10} more" if len(ranked) > 10 else ""
    listed = f" Scopes here: {', '.join(counted)}{more}." if counted else " No scope is used here."
    return RingfenceError(
        "cannot tell which packages are open",
        where="ringfence init",
        remedy=f"Say it: ringfence init --open '{ranked[0] if ranked else '@scope'}/*'.{listed}",
    )


# -- the file ----------------------------------------------------------------------------------


def _list(key: str, values: Iterable[str]) -> str:
    return f"{key} = [{', '.join(json.dumps(value, ensure_ascii=False) for value in values)}]"


def _sayable(kind: str, value: str) -> bool:
    """Whether the policy can say it: names come from the repository, which may hold anything."""
    return CHECKS[kind](value, quoted) is None


def _name(repo: Repo) -> str | None:
    text = str(repo.identity) if repo.identity else ""
    return text if text and _sayable("repository", text) and not set(text) & set("*?{}") else None


def _head(repo: Repo) -> list[str]:
    name = _name(repo)
    return [
        f"# The open-core boundary{f' of {name}' if name else ''}: what is open, what is private, how hard the line is.",
        "# Only [open] is needed. `ringfence check` judges by this file, `ringfence schema` prints all that it can say.",
        "schema = 1",
        '# mode = "observe"  # show everything, fail nothing: while the first findings are being mended',
        "",
    ]


def _open(repo: Repo, policy: Policy, opened: list[Root], private: list[Root]) -> list[str]:
    lines = [
        "[open]",
        "# Packages that anyone may install. Private code uses them only as a stranger could.",
        _list("packages", policy.tables.open.packages),
    ]
    name = _name(repo)
    if name and opened and not private and not any(root.manifest and root.manifest.private for root in opened):
        lines += ["# This repository is open itself.", _list("repositories", [name])]
    elif name and opened:
        lines.append(f"# {_list('repositories', [name])}  # if the whole repository is open, its root too")
    members = _members(opened, private) if _both(opened, private) else []
    if members:
        lines += ["# Members on the open side.", _list("members", members)]
        lines.append(f"# {_list('published', members)}  # those that must be public on the registry")
    return [*lines, ""]


def _private(repo: Repo, policy: Policy, opened: list[Root], private: list[Root]) -> list[str]:
    said: list[str] = []
    names = _private_packages(policy, private)
    if names:
        said += ["# Packages that never leave: nothing open may name them.", _list("packages", names)]
    name = _name(repo)
    if name and private and not opened:
        said += ["# This repository.", _list("repositories", [name])]
    if _both(opened, private):
        members = _members(private, opened)
        if members:
            said += ["# Members on the private side.", _list("members", members)]
    doubtful = sorted(
        root.package.name
        for root in opened
        if root.package and root.manifest and root.manifest.private and is_npm_name(root.package.name)
    )
    hint = []
    if doubtful:
        hint = [
            "# Open by name and `private: true`. Those that are products belong here:",
            f"# {_list('packages', doubtful)}",
        ]
    if not said:
        return [*(["# [private]  # wins over [open]", *hint, ""] if hint else [])]
    return ["[private]  # wins over [open]", *said, *hint, ""]


def _both(opened: list[Root], private: list[Root]) -> bool:
    """Whether the members are on both sides; the workspace's own root does not count."""
    return any(root.directory for root in opened) and any(root.directory for root in private)


def _members(mine: list[Root], others: list[Root]) -> list[str]:
    """Patterns for the directories of some roots that match none of the others'."""
    found: list[str] = []
    by_parent: dict[str, list[str]] = {}
    for root in mine:
        if root.directory and _sayable("member", root.directory) and not set(root.directory) & set("*?{}"):
            by_parent.setdefault(root.directory.rpartition("/")[0], []).append(root.directory)
    for parent, directories in sorted(by_parent.items()):
        pattern = f"{parent}/*"
        clash = not parent or any(matches_any(root.directory, (pattern,)) for root in others)
        found += sorted(directories) if clash or len(directories) == 1 else [pattern]
    return found


def _private_packages(policy: Policy, private: list[Root]) -> list[str]:
    """The scopes of private packages with names of their own; single names where the scope is an open one too."""
    opened = [name for ecosystem, name in map(PackageName.parse, policy.tables.open.packages) if ecosystem == "npm"]
    found: dict[str, None] = {}
    for root in private:
        package = root.package
        if package is None or package.scope is None or not is_npm_name(package.name):
            continue
        if root.manifest is None or root.manifest.template:
            continue
        shared = any("**" in name or matches_any(package.scope, (name.partition("/")[0],)) for name in opened)
        found[package.name if shared else f"{package.scope}/*"] = None
    return sorted(found)


def _ignored(repo: Repo) -> list[str]:
    """Fixtures and templates that hold manifests or lockfiles, unless a workspace claims what is in them."""
    claimed = {segment for root in repo.roots for segment in root.directory.split("/")}
    found = {
        segment
        for path in {*repo.paths, *(manifest.path for manifest in repo.manifests)}
        if path.rpartition("/")[2] in _DOCUMENTS
        for segment in path.split("/")[:-1]
        if segment in _ASIDE and segment not in claimed
    }
    if not found:
        return []
    return [
        "[ignore]",
        "# Manifests and lockfiles of test fixtures and templates: nobody installs them. Reports count what is left out.",
        _list("paths", (f"**/{segment}/**" for segment in sorted(found))),
        "",
    ]


def _suggestions(repo: Repo, patterns: tuple[str, ...]) -> list[str]:
    scope = next((found for pattern in patterns if (found := PackageName.parse(pattern).scope)), None)
    example = f"{scope}/{{x}}" if scope and _sayable("naming", f"{scope}/{{x}}") else "@scope/{x}"
    return [
        "# What else can be said; each line shows what is in force without it, or an example.",
        "# [naming]  # names that must agree",
        f"# {_list('npm', [example])}",
        "# [pins]",
        '# form = "exact"  # "locked": a range is enough where a committed lockfile pins a release',
        "# [reach]",
        '# no_exports_map = "warn"  # or "error", "off": subpaths of packages without an `exports` map',
        '# members = "loose"  # "strict": members of one side use each other\'s exports too',
        "# [rules]  # `ringfence rules` lists them",
        '# unused-core = "warning"  # or "error", "note", "off"',
        "# [gate]",
        '# approvers = ["@owner/team"]  # who approves changes of this file',
        "# [[waiver]]  # a written exception: rule, path or package, reason, owner, expires",
    ]
