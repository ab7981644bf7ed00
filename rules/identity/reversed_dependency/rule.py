"""The open side naming the private side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial

from bot.facts.lock import Lock, LockEntry, Source
from bot.facts.manifest import Declaration, Kind, Override
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName, RepoName, compile_pattern, find_word, join, split_specifier
from bot.policy import Policy, Side
from bot.repo import Repo, Root, mapped_imports
from bot.rule import AskParsed, Known, Pending, Rule, RuleSide, Unknown
from bot.text import Public, Text

__all__ = ["RULE"]


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Look for private names in what the open side declares, locks, imports and runs."""
    verdict = Verdict(counts={"declarations": 0, "lock entries": 0, "candidate imports": 0, "scripts": 0})
    if not any(repo.side_of(policy, f"{root.directory}/package.json".lstrip("/")) is Side.OPEN for root in repo.roots):
        verdict.not_run = "nothing here is on the open side"
        return verdict
    _manifests(repo, policy, verdict)
    _workspaces(repo, policy, verdict)
    _locks(repo, policy, verdict)
    _imports(repo, policy, known, verdict)
    return verdict


# What says where it comes from.
_ELSEWHERE = (Kind.GIT, Kind.URL, Kind.PATH)

# -- manifests -----------------------------------------------------------------------------------


def _manifests(repo: Repo, policy: Policy, verdict: Verdict) -> None:
    # The same names are declared and the same scripts run in many places.
    runs = cache(partial(_run_by, policy))

    @cache
    def may_be_private(name: str) -> bool:
        return _is_named_private(policy, name) or _private_member(repo, policy, name) is not None

    for manifest in repo.manifests:
        if manifest.template or repo.side_of(policy, manifest.path) is not Side.OPEN:
            continue
        for declaration in manifest.declarations:
            verdict.counts["declarations"] += 1
            if declaration.kind not in _ELSEWHERE and not (
                may_be_private(declaration.name) or may_be_private(declaration.local)
            ):
                continue
            name = _private_source(repo, policy, declaration)
            if name is not None:
                subject = f"{declaration.field}.{declaration.local}"
                verdict.hits.append(_hit(repo, policy, declaration.place, subject, name, "depends on"))
        for override in manifest.overrides:
            _override(repo, policy, override, verdict)
        for place, specifier in mapped_imports(manifest):
            parts = split_specifier(specifier)
            if parts is not None and _is_private(repo, policy, manifest.path, parts[0]):
                verdict.hits.append(_hit(repo, policy, place, specifier, parts[0], "imports"))
        for script in manifest.scripts:
            verdict.counts["scripts"] += 1
            name = runs(script.text)
            if name is not None:
                verdict.hits.append(_hit(repo, policy, script.place, f"scripts.{script.name}", name, "runs"))


def _override(repo: Repo, policy: Policy, override: Override, verdict: Verdict) -> None:
    from bot.readers.npm.spec import classify

    verdict.counts["declarations"] += 1
    path, verb = override.place.path, "overrides"
    name: str | None = override.target
    if not _is_private(repo, policy, path, override.target):
        name, verb = classify(override.spec, override.target).name, "depends on"
        if override.kind in (Kind.GIT, Kind.URL):
            name = _private_repository(policy, override.spec)
        elif name is None or not _is_private(repo, policy, path, name):
            return
    if name is not None:
        subject = f"{override.field}.{override.selector}"
        verdict.hits.append(_hit(repo, policy, override.place, subject, name, verb))


def _workspaces(repo: Repo, policy: Policy, verdict: Verdict) -> None:
    """Overrides and catalogs of a workspace's own file, and catalogs of its manifest, where only the open side installs by them."""
    for workspace in repo.pnpm_workspaces:
        if _only_open(repo, policy, workspace.directory):
            for override in workspace.overrides:
                _override(repo, policy, override, verdict)
            fields = {
                name: (field,) if (name, field) == ("default", "catalog") else (field, name)
                for name, field in workspace.catalog_fields.items()
            }
            _catalogs(repo, policy, workspace.path, workspace.catalogs, fields, verdict)
    for manifest in repo.manifests:
        if manifest.catalogs and not manifest.template and _only_open(repo, policy, manifest.directory):
            _catalogs(repo, policy, manifest.path, manifest.catalogs, manifest.catalog_fields, verdict)


def _catalogs(
    repo: Repo,
    policy: Policy,
    path: str,
    catalogs: Mapping[str, Mapping[str, str]],
    fields: Mapping[str, tuple[str, ...]],
    verdict: Verdict,
) -> None:
    from bot.readers.npm.spec import classify

    for catalog, entries in catalogs.items():
        for package, spec in entries.items():
            verdict.counts["declarations"] += 1
            meant = classify(spec, package)
            named = next((n for n in (package, meant.name) if n and _is_private(repo, policy, path, n)), None)
            if named is None and meant.kind in (Kind.GIT, Kind.URL):
                named = _private_repository(policy, spec)
            if named is not None:
                place = Place(path, (*fields.get(catalog, ()), package))
                verdict.hits.append(_hit(repo, policy, place, f"catalog {catalog} {package}", named, "depends on"))


def _only_open(repo: Repo, policy: Policy, directory: str) -> bool:
    """Whether all that a workspace's root speaks for is on the open side: private members may well need private packages."""
    members = [root.directory for root in repo.roots if root.workspace == directory]
    return all(
        repo.side_of(policy, f"{member}/package.json".lstrip("/")) is Side.OPEN for member in (directory, *members)
    )


def _private_source(repo: Repo, policy: Policy, declaration: Declaration) -> str | None:
    for name in dict.fromkeys((declaration.name, declaration.local)):
        if _is_private(repo, policy, declaration.path, name):
            return name
    if declaration.kind in (Kind.GIT, Kind.URL):
        return _private_repository(policy, declaration.effective)
    if declaration.kind is Kind.PATH:
        target = declaration.effective.partition(":")[2] if ":" in declaration.effective else declaration.effective
        inside = join(declaration.path.rpartition("/")[0], target)
        if inside is None:
            return _private_folder(policy, target)
        if repo.manifest_at(inside) is not None:
            there = repo.root_of(f"{inside}/package.json".lstrip("/"))
            if repo.stated_side(policy, there) is Side.PRIVATE:
                return there.label
    return None


def _private_repository(policy: Policy, url: str) -> str | None:
    repository = RepoName.parse(url)
    if repository is None or policy.side_of_repository(repository) is not Side.PRIVATE:
        return None
    return str(repository)


def _private_folder(policy: Policy, target: str) -> str | None:
    """The folder on the way out of the repository that is called as a private product's checkout is."""
    local = [compile_pattern(p) for p in policy.tables.naming.downstream.local] if policy.tables.naming else []
    for part in target.split("/"):
        if find_word(part, policy.tables.private.names) or any(p.match(part) is not None for p in local):
            return part
    return None


# A package's name in a command line: with a scope anywhere, without one after what installs or runs packages.
_COMMAND = re.compile(
    r"(?<![\w./@-])(?P<scoped>@[\w.~-]+/[\w.~-]++)(?!\*)"
    r"|(?<![\w-])(?:npx|bunx|pnpx|uvx|dlx|exec|install|i|add)\s++(?:-[\w=-]++\s++)*+(?P<bare>[A-Za-z0-9_~][\w.~-]*)"
)
# A repository in a command line: a URL, `git@host:owner/name`, `github:owner/name`, or `owner/name` after what clones or installs.
_CLONED = re.compile(
    r"(?<![\w.@:/-])(?P<url>(?:git\+)?(?:https?|ssh|git)://[^\s'\";|&)]+|[\w.-]++@[\w.-]++:[^\s'\";|&)]+"
    r"|(?:github|gitlab|bitbucket):[\w.-]+/[\w.-]+)"
    r"|(?<![\w-])(?:npx|bunx|pnpx|dlx|exec|install|i|add|clone)\s++(?:-[\w=-]++\s++)*+"
    r"(?P<short>[A-Za-z0-9][\w-]*+/[\w.-]++)(?!/)"
)


def _run_by(policy: Policy, script: str) -> str | None:
    """The private product or package that a script names."""
    name = find_word(script, policy.tables.private.names)
    if name is not None:
        return name
    for match in _CLONED.finditer(script):
        repository = _private_repository(policy, match["url"] or match["short"])
        if repository is not None:
            return repository
    for match in _COMMAND.finditer(script):
        package = match["scoped"] or match["bare"]
        if _is_named_private(policy, package):
            return package
    return None


def _is_private(repo: Repo, policy: Policy, path: str, name: str) -> bool:
    """A package that policy calls private: by its name, or as the member of this repository that a file gets by it."""
    if _is_named_private(policy, name):
        return True
    root = _private_member(repo, policy, name)
    # A scope has one owner. Without one the name may be a public package's, too: `web`, `tap`.
    return root is not None and (name.startswith("@") or _answers(repo, path, name, root))


def _is_named_private(policy: Policy, name: str) -> bool:
    return policy.side_of_package(PackageName.npm(name)) is Side.PRIVATE


def _private_member(repo: Repo, policy: Policy, name: str) -> Root | None:
    root = repo.root_named(name)
    # Only what policy states: an unmatched member counts as private for its own imports, not as a secret.
    return root if root is not None and repo.stated_side(policy, root) is Side.PRIVATE else None


def _answers(repo: Repo, path: str, name: str, root: Root) -> bool:
    """Whether a file gets this member by its name, and no registry's package: as the lock says, else as an install would."""
    from bot.readers.npm.semver import satisfies

    pin = repo.pin(path, name)
    if pin is not None and (pin.root is not None or pin.entry is not None):
        return pin.root is not None and pin.root.directory == root.directory
    manifest = repo.manifest_of(path)
    declaration = repo.declared(manifest.directory if manifest is not None else "", name)
    if declaration is None or root.workspace is None or repo.workspace_of(declaration.path) != root.workspace:
        return False
    version = root.manifest.version if root.manifest is not None else None
    return declaration.name == name and satisfies(version or "", declaration.effective)


# -- locks ---------------------------------------------------------------------------------------


def _locks(repo: Repo, policy: Policy, verdict: Verdict) -> None:
    is_private = cache(partial(_is_named_private, policy))
    for lock in repo.locks:
        if not _serves_open_only(repo, policy, lock):
            continue
        verdict.counts["lock entries"] += len(lock.every)
        for entry in lock.every:
            named = is_private(entry.name)
            if named or entry.source in _REPOSITORIES:
                name = entry.name if named else _locked(policy, entry)
                if name is not None and entry.source is not Source.WORKSPACE:
                    verdict.hits.append(_hit(repo, policy, lock.place(entry), entry.key, name, "locks"))


_REPOSITORIES = (Source.GIT, Source.URL)


def _locked(policy: Policy, entry: LockEntry) -> str | None:
    if entry.resolved:
        return _private_repository(policy, entry.resolved)
    return None


def _serves_open_only(repo: Repo, policy: Policy, lock: Lock) -> bool:
    """A lock that also serves private members may well hold private packages."""
    sides = {
        repo.side_of(policy, f"{directory}/package.json".lstrip("/"))
        for directory, governing in repo.governs.items()
        if governing is lock and directory != lock.directory
    }
    sides.add(repo.side_of(policy, lock.path))
    return sides == {Side.OPEN}


# -- imports -------------------------------------------------------------------------------------


def _imports(repo: Repo, policy: Policy, known: Known, verdict: Verdict) -> None:
    for path in sorted(repo.sources):
        if repo.side_of(policy, path) is not Side.OPEN or repo.in_template(path):
            continue
        for candidate in repo.sources[path].imports:
            parts = split_specifier(candidate.specifier)
            if parts is None:
                continue
            verdict.counts["candidate imports"] += 1
            if not _is_private(repo, policy, path, parts[0]):
                continue
            parsed = known(AskParsed(path))
            if isinstance(parsed, Pending):
                continue
            if isinstance(parsed, Unknown):
                verdict.not_checked.append(
                    NotChecked(reason=parsed.reason, subject=path, detail=parsed.detail, path=path)
                )
                break
            if parsed.at(candidate.start) is not None:
                place = Place(path, start=candidate.start, end=candidate.end)
                verdict.hits.append(_hit(repo, policy, place, candidate.specifier, parts[0], "imports"))


def _hit(repo: Repo, policy: Policy, place: Place, subject: str, name: str, verb: str) -> Hit:
    params: dict[str, Text] = {"name": policy.text(name), "verb": Public(verb)}
    root = _private_member(repo, policy, name)
    member: tuple[Evidence, ...] = ()
    if root is not None and root.manifest is not None:
        at = {"manifest": policy.text(root.manifest.path)}
        called = Place(root.manifest.path, ("name",))
        text = "{name} is the member of {manifest}, which is private by policy"
        member = (Evidence(kind="repository", text=text, params=params | at, place=called),)
    return Hit(
        place=place,
        subject=subject,
        message="the open side {verb} {name}, which is private",
        remedy="Turn it round: the private side may use the open one. Move what is needed into an open package.",
        params=params,
        evidence=(
            Evidence(kind="source", text="{name} is named here", params=params, place=place),
            *member,
            *policy.evidence("private.packages", "private.names", "private.members", "private.repositories"),
        ),
    )


RULE = Rule(
    id="reversed-dependency",
    summary="The open side naming the private side: in manifests, locks, imports and scripts.",
    side=RuleSide.OPEN,
    severity=Severity.ERROR,
    judge=judge,
)
