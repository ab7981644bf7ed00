"""A repository's facts -> its first policy file, as text with comments.

The file draws every line where a run with the same ``--open`` patterns and no policy draws it, and no harder: it leaves out
test fixtures and templates, and suggests the rest in comments. What no pattern speaks of counts as private; that it is a
product which nothing open may name is for people to say.
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

_ASIDE = frozenset(("fixtures", "__fixtures__", "test-fixtures", "testdata", "templates", "__templates__"))
_DOCUMENTS = frozenset(
    ("package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb")
)
_PRIVATE_WORDS = ("internal", "private", "platform")
_TYPES = "@types"  # declarations for everybody's packages: nobody's core
_LISTED = 10


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
    ignored = _aside(repo)
    opened: list[Root] = []
    private: list[Root] = []
    for root in repo.roots:
        if not matches_any(f"{root.directory}/package.json", ignored):
            side = policy.counts_as(repo.stated_side(policy, root))
            (opened if side is Side.OPEN else private).append(root)
    lines = [*_head(repo), *_open(repo, policy, opened, private), *_private(repo, policy, opened, private)]
    lines += [*_ignored(ignored), *_suggestions(repo, patterns)]
    return First(text="\n".join(lines) + "\n", patterns=patterns, guessed=guessed)


# -- which scope is open -------------------------------------------------------------------------


def _guess(repo: Repo) -> tuple[str, str]:
    """The one scope that is likely open, and what speaks for it."""
    own: Counter[str] = Counter()
    private: Counter[str] = Counter()
    unscoped: list[str] = []
    for root in repo.roots:
        manifest, package = root.manifest, root.package
        if manifest is None or manifest.template or package is None or not is_npm_name(package.name):
            continue
        hidden = manifest.private or manifest.access == "restricted"
        if package.scope is not None:
            (private if hidden or _sounds_private(package.scope) else own)[package.scope] += 1
        elif manifest.version is not None and not hidden:
            unscoped.append(package.name)
    used: Counter[str] = Counter()
    for _, declaration in repo.declarations():
        scope = PackageName.npm(declaration.name).scope
        if declaration.ecosystem == "npm" and scope not in (None, _TYPES) and is_npm_name(declaration.name):
            used[str(scope)] += 1
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
    raise _cannot_tell(repo, own, private, used, unscoped)


def _sounds_private(scope: str) -> bool:
    return any(word in _PRIVATE_WORDS for word in scope[1:].lower().replace("_", "-").split("-"))


def _counted(*counts: tuple[int, str, str]) -> list[str]:
    return [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]


def _cannot_tell(
    repo: Repo, own: Counter[str], private: Counter[str], used: Counter[str], unscoped: list[str]
) -> RingfenceError:
    """What it found instead: what the repository itself could publish first, dependencies last."""
    what = "cannot tell which packages are open"
    if not repo.manifests:
        return RingfenceError(
            what,
            where="ringfence init",
            remedy="There is no package.json here (from git, only what git tracks is read). Go where there is one, or say it: ringfence init --open '@scope/*'.",
        )
    ranked = sorted({*own, *private, *used}, key=lambda scope: (-own[scope], -used[scope], scope))
    listed: list[tuple[str, str]] = []
    for scope in ranked:
        said = _counted(
            (own[scope], "own package", "own packages"),
            (private[scope], "private package", "private packages"),
            (used[scope], "dependency", "dependencies"),
        )
        listed.append((f"{scope}/*", f"{scope} ({', '.join(said)})"))
    listed[len(own) : len(own)] = [(name, f"{name} (own package)") for name in sorted(unscoped)]
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    found = ", ".join(said for _, said in listed[:_LISTED])
    return RingfenceError(
        what,
        where="ringfence init",
        remedy=f"Say it: ringfence init --open '{listed[0][0] if listed else '@scope/*'}'. "
        + (f"Names here: {found}{more}." if listed else "No scope is used here."),
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
        lines += ["# Members that are open already, by their packages' names:", f"# {_list('members', members)}"]
        public = [root for root in opened if root.manifest is not None and not root.manifest.private]
        published = _members(public, [*private, *(root for root in opened if root not in public)])
        if published:
            lines.append(f"# {_list('published', published)}  # those that must be public on the registry")
    return [*lines, ""]


def _private(repo: Repo, policy: Policy, opened: list[Root], private: list[Root]) -> list[str]:
    said: list[str] = []
    hints: list[str] = []
    name = _name(repo)
    if name and private and not opened:
        if all(root.manifest is None or root.manifest.private for root in private):
            said = ["# This repository.", _list("repositories", [name])]
        else:
            hints = [f"# {_list('repositories', [name])}  # if the whole repository is a product"]
    names = _private_packages(policy, private)
    members = _members(private, opened) if _both(opened, private) else []
    if names or members:
        hints += [
            "# No open pattern matches these, so they count as private. Those that are products belong here:",
            "# then nothing open may name them, and that they could be published is an error.",
        ]
        hints += [f"# {_list('packages', names)}"] if names else []
        hints += [f"# {_list('members', members)}"] if members else []
    doubtful = sorted(
        root.package.name
        for root in (*opened, *private)
        if root.package
        and root.manifest
        and root.manifest.private
        and is_npm_name(root.package.name)
        and policy.side_of_package(root.package) is Side.OPEN
    )
    if doubtful:
        hints += [
            "# Open by name and `private: true`. Those that are products belong here:",
            f"# {_list('packages', doubtful)}",
        ]
    if not said and not hints:
        return []
    return [f"{'' if said else '# '}[private]  # wins over [open]", *said, *hints, ""]


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
        if root.manifest is None or root.manifest.template or policy.side_of_package(package) is Side.OPEN:
            continue
        shared = any("**" in name or matches_any(package.scope, (name.partition("/")[0],)) for name in opened)
        found[package.name if shared else f"{package.scope}/*"] = None
    return sorted(found)


def _aside(repo: Repo) -> list[str]:
    """Patterns for fixtures and templates that hold manifests or lockfiles, unless a workspace claims what is in them. One that
    lies in such a folder itself claims nothing: it is a fixture, too."""
    claimed = {
        segment
        for root in repo.roots
        if not _ASIDE.intersection((root.workspace or "").split("/"))
        for segment in root.directory.split("/")
    }
    found = {
        segment
        for path in {*repo.paths, *(manifest.path for manifest in repo.manifests)}
        if path.rpartition("/")[2] in _DOCUMENTS
        for segment in path.split("/")[:-1]
        if segment in _ASIDE and segment not in claimed
    }
    return [f"**/{segment}/**" for segment in sorted(found)]


def _ignored(patterns: list[str]) -> list[str]:
    if not patterns:
        return []
    return [
        "[ignore]",
        "# Manifests and lockfiles of test fixtures and templates: nobody installs them. Reports count what is left out.",
        _list("paths", patterns),
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
        '# ghost-member = "warning"  # or "error", "note", "off"',
        "# [gate]",
        "# waiver_days_max = 90  # how long a written exception may last",
        "# [[waiver]]  # a written exception: rule, path or package, reason, owner, expires",
    ]
