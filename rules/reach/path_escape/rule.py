"""A relative or absolute specifier that leads outside its package's side."""

from __future__ import annotations

import re

import msgspec

from bot.facts.module import Import, ImportKind
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import join, matches_any, split_specifier
from bot.policy import Policy, Side
from bot.repo import Repo, Root
from bot.rule import AskParsed, Known, Pending, Rule, RuleSide, Unknown
from bot.text import Private, Public

__all__ = ["RULE"]

# A leading slash mostly means the web root to a bundler; these are folders of a machine.
_MACHINE = re.compile(
    r"file:|[A-Za-z]:[\\/]|\\\\|/(?:home|Users|root|usr|opt|tmp|var|etc|mnt|srv|private|Volumes|workspace|data|@fs)/"
)
# To `require` every absolute path is one. Others than modules (`/api/users`) are not worth a parser's time.
_FILE = re.compile(r"/[^/].*\.(?:[cm]?[jt]sx?|json|node|vue|svelte)(?:[?#].*)?$", re.DOTALL)
_PERCENT_DOT = re.compile("%2e", re.IGNORECASE)
_QUERY = re.compile(r"[?#]")
# What stands at the top of a repository for its own people: tools, their configuration, tests.
_TOOLING = re.compile(
    r"^(?:\.[^/]+|scripts?|tools?|tooling|build|configs?|bench|benchmarks?|e2e|spec|tests?)/"
    r"|/(?:__tests__|__mocks__|tests?|e2e)/"
    r"|\.(?:config|setup|workspace|test|spec|stories|bench)\.[^/]+$"
    r"|(?:^|/)(?:\.[^/]*|[^/]*rc\.[cm]?[jt]s)$"
    r"|^[^/]*(?:gulp|grunt|jake|vite|vitest|jest|eslint|tsup|rollup|webpack|playwright|cypress|setup)[^/]*$",
    re.IGNORECASE,
)


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Follow every specifier that can leave its package root; parse only where one does."""
    count, suspects = repo.once(policy, "path-escape", lambda: _suspects(repo, policy))
    verdict = Verdict(counts={"candidate paths": count, "confirmed": 0})
    for path, those in suspects:
        parsed = known(AskParsed(path))
        if isinstance(parsed, Pending):
            continue
        if isinstance(parsed, Unknown):
            verdict.not_checked.append(NotChecked(reason=parsed.reason, subject=path, detail=parsed.detail, path=path))
            continue
        for suspect in those:
            confirmed = parsed.at(suspect.start)
            if confirmed is None or (suspect.reference and not confirmed.specifier.startswith("./")):
                continue
            if suspect.specifier.startswith(".") or _on_disk(suspect.specifier, confirmed.kind):
                verdict.counts["confirmed"] += 1
                verdict.hits.append(_hit(repo, policy, path, confirmed, suspect.leads))
    return verdict


class _Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate, at ``start``, that leads out if the parser says that it is an import. ``reference``: if it is one of a
    triple slash."""

    start: int
    specifier: str
    reference: bool
    leads: _Outside


def _suspects(repo: Repo, policy: Policy) -> tuple[int, list[tuple[str, list[_Suspect]]]]:
    """How many candidates are paths, and those that would lead out, by file."""
    count = 0
    suspects: list[tuple[str, list[_Suspect]]] = []
    linked = frozenset(path for path, kind in repo.links.items() if kind == "link")
    for path in sorted(repo.sources):
        those: list[_Suspect] = []
        for candidate in repo.sources[path].imports:
            specifier = _plain(candidate.specifier)
            # The path of a triple-slash reference is relative without saying so. Only one that goes up again can lead out.
            reference = "/.." in specifier and split_specifier(specifier) is not None
            if reference:
                specifier = f"./{specifier}"
            relative = specifier.startswith(".")
            if not relative and not _MACHINE.match(specifier) and not _FILE.match(specifier):
                continue
            count += 1
            leads = _escape(repo, policy, path, specifier, linked) if relative else _Outside(home=repo.root_of(path))
            if leads is not None:
                those.append(_Suspect(start=candidate.start, specifier=specifier, reference=reference, leads=leads))
        if those:
            suspects.append((path, those))
    return count, suspects


def _plain(specifier: str) -> str:
    """A specifier without the webpack loaders before it, each with a ``!`` behind it, its dots and slashes written plainly."""
    if "!" in specifier:
        last = specifier.rpartition("!")[2]
        specifier = last if last.startswith((".", "/")) or _MACHINE.match(last) else specifier
    if specifier.startswith((".\\", "..\\")):
        specifier = specifier.replace("\\", "/")  # as Windows reads it
    return _PERCENT_DOT.sub(".", specifier) if "%" in specifier else specifier


def _on_disk(specifier: str, kind: ImportKind) -> bool:
    """Whether an absolute specifier is a place on a machine's disk, and none under a bundler's web root."""
    if kind is ImportKind.REQUIRE:
        return True
    if specifier.startswith("/") and kind in (ImportKind.GLOB, ImportKind.URL):
        return specifier.startswith("/@fs/") or join("", specifier) is None
    return _MACHINE.match(specifier) is not None


class _Outside(msgspec.Struct, frozen=True, kw_only=True):
    """Where a specifier leads: ``target`` is None for a place outside the repository. ``across``: to the other side;
    ``doubtful`` where policy does not say that the repository's own folder is on it. ``link`` is the symbolic link that it goes
    through."""

    home: Root
    target: Root | None = None
    across: bool = True
    doubtful: bool = False
    link: str = ""


def _escape(repo: Repo, policy: Policy, path: str, specifier: str, linked: frozenset[str]) -> _Outside | None:
    home = repo.root_of(path)
    target = join(path.rpartition("/")[0], _QUERY.split(specifier, maxsplit=1)[0])
    if target is None:
        return _Outside(home=home)
    link = _through(target, linked) if linked else ""
    if link:
        return _Outside(home=home, link=link)
    there = repo.root_of(target + "/")
    if there.directory == home.directory:
        return None
    across = repo.side_of(policy, path) is not repo.side_of(policy, target + "/")
    if home.directory and there.directory:
        return _Outside(home=home, target=there, across=across)
    return _from_or_to_the_top(repo, policy, path, home, there) if across else None


def _from_or_to_the_top(repo: Repo, policy: Policy, path: str, home: Root, there: Root) -> _Outside | None:
    """Across the boundary, between a member and the repository's own folder. Where policy does not say what that one is, it
    may be the product or may only hold what the members share."""
    if {repo.stated_side(policy, home), repo.stated_side(policy, there)} == {Side.OPEN, Side.PRIVATE}:
        return _Outside(home=home, target=there)
    if _TOOLING.search(path):
        # A member's configuration and tests take what the top holds for them. The top's own tools look into members: fine in a
        # repository that policy knows by package names alone, and said where it knows the members.
        known = not home.directory and _knows_members(repo, policy)
        return _Outside(home=home, target=there, doubtful=True) if known else None
    product = not home.directory and repo.side_of(policy, path) is Side.PRIVATE
    return _Outside(home=home, target=there, doubtful=not product)


def _knows_members(repo: Repo, policy: Policy) -> bool:
    """Whether policy speaks of members of this repository: what it leaves out counts as private on purpose."""
    tables = policy.tables
    patterns = (*tables.open.members, *tables.open.published, *tables.private.members)
    return any(root.directory and matches_any(root.directory, patterns) for root in repo.roots)


def _through(target: str, linked: frozenset[str]) -> str:
    """The tracked symbolic link that a path goes through."""
    parts = target.split("/")
    return next((above for n in range(1, len(parts) + 1) if (above := "/".join(parts[:n])) in linked), "")


def _is_folder(specifier: str) -> bool:
    """Whether a URL names a folder: one that ends with a slash, or with dots, is no module."""
    return _QUERY.split(specifier, maxsplit=1)[0].rpartition("/")[2] in ("", ".", "..")


def _hit(repo: Repo, policy: Policy, path: str, found: Import, outside: _Outside) -> Hit:
    target = policy.text(outside.target.label if outside.target else "")
    params = {
        # The way to a private member tells its name as well as its manifest does.
        "specifier": Private(found.specifier) if isinstance(target, Private) else policy.text(found.specifier),
        "home": policy.text(outside.home.label),
        "target": target,
        "link": policy.text(outside.link),
    }
    severity = None
    if outside.link:
        message = "{specifier} leads through the symbolic link {link}, to a place that nobody but its machine knows"
        remedy = "Import the released package by its name, or commit the files themselves."
        severity = Severity.WARNING
    elif outside.target is None:
        message = "{specifier} leads out of the repository"
        remedy = "Import the released package by its name, or bring what you need into this repository."
    elif outside.across:
        message = "{specifier} leads from {home} across the boundary into the source of {target}"
        remedy = (
            "Turn it round: the private side may use the open one. Move what is needed into an open package."
            if repo.side_of(policy, path) is Side.OPEN
            else "Pin a released version of {target} and import it by its name."
        )
        if outside.doubtful:
            severity = Severity.WARNING
            remedy += " If the repository's own folder is open, say so in [open] repositories."
    else:
        message = "{specifier} leads from {home} into the source of {target}"
        remedy = "Declare {target} and import it by its name, through its exports."
        if policy.tables.reach.members == "loose":
            severity = Severity.WARNING
    if found.kind is ImportKind.URL and _is_folder(found.specifier):
        severity = Severity.NOTE
        message += "; it names a folder, and loads nothing by itself"
        remedy = "Look at what is read below it: that has to come from a released package, or from here."
    package = outside.target.package if outside.target else None
    return Hit(
        place=Place(path, start=found.start, end=found.end),
        subject=found.specifier,
        package=f"npm:{package.name}" if package else "",
        message=message,
        remedy=remedy,
        params=params,
        severity=severity,
        evidence=(
            Evidence(
                kind="source",
                text="{specifier} is used here ({kind})",
                params=params | {"kind": Public(found.kind.value)},
                place=Place(path, start=found.start, end=found.end),
            ),
            *policy.evidence("reach.members", "private.members", "open.members"),
        ),
    )


RULE = Rule(
    id="path-escape",
    summary="A relative or absolute specifier that leads outside.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
