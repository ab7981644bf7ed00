"""A member whose repository, package, binary, directory and ``repository`` field do not agree with the scheme."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bot.facts.manifest import Manifest
from bot.model import Evidence, Hit, Place, Severity, Verdict
from bot.names import RepoName, compile_pattern
from bot.policy import Naming, Policy, Side
from bot.repo import Repo, Root, is_published
from bot.rule import Known, Rule, RuleSide
from bot.text import Public, Text

__all__ = ["RULE"]

# So many members with the same trouble, and more than half of all, are one finding with a list.
_SHARED = 5


class _Trouble(NamedTuple):
    """One disagreement, before those that most members share are folded."""

    kind: str
    place: Place
    message: str
    remedy: str
    params: dict[str, Text]
    package: str
    severity: Severity | None = None
    key: str = ""


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Hold every package root to the scheme: the open half to `naming`, the private one to `naming.downstream`."""
    verdict = Verdict(counts={"open": 0, "private": 0})
    naming = policy.tables.naming
    if naming is None:
        verdict.not_run = "policy sets no naming scheme"
        return verdict
    troubles: list[_Trouble] = []
    for root in repo.roots:
        if root.manifest is not None and root.manifest.template:
            continue
        side = repo.stated_side(policy, root)
        if side is Side.OPEN and root.manifest is not None and root.manifest.name:
            # A workspace's root publishes nothing, and is none of its members.
            verdict.counts["open"] += not (root.manifest.private and root.workspace == root.directory)
            troubles += _open_half(repo, policy, naming, root, root.manifest)
        elif side is Side.PRIVATE:
            verdict.counts["private"] += 1
            troubles += _private_half(repo, policy, naming, root)
        elif root.manifest is not None and policy.counts_as(side) is Side.PRIVATE:
            troubles += _open_name(policy, root, root.manifest, Severity.WARNING)
    verdict.hits = _fold(troubles, verdict.counts["open"], policy)
    return verdict


# -- the open half -------------------------------------------------------------------------------


def _open_half(repo: Repo, policy: Policy, naming: Naming, root: Root, manifest: Manifest) -> Iterable[_Trouble]:
    name = manifest.name or ""
    unpublished = manifest.private and not is_published(policy, root)
    named = root.package is not None and policy.side_of_package(root.package) is Side.OPEN
    if unpublished and (root.workspace == root.directory or not named):
        return  # a workspace's root, or a helper that is never published: no half of a pair
    stem = _stem(naming.npm, name)
    package = f"npm:{name}"
    shown: dict[str, Text] = {"package": policy.text(name), "manifest": Public(manifest.path)}
    if naming.npm and stem is None:
        yield _Trouble(
            "npm", Place(manifest.path, ("name",)), "{package} fits no npm name of the scheme ({patterns})",
            "Rename the package, or add its pattern to [naming] npm.",
            shown | {"patterns": Public(", ".join(naming.npm))}, package,
        )  # fmt: skip
        return
    monorepo = _monorepo(repo, naming, root.directory)
    if root.directory and monorepo is not None:
        found = compile_pattern(monorepo.member).match(root.directory)
        member = (found or {}).get("x")
        if member is not None and stem is not None and member != stem:
            yield _Trouble(
                "directory", Place(manifest.path, ("name",)), "{package} stands in {directory}, where the scheme wants {wanted}",
                "Rename the directory or the package, so that both say the same.",
                shown | {"directory": Public(root.directory), "wanted": Public(_filled(naming.npm, member))}, package,
            )  # fmt: skip
            stem = member
    elif not root.directory:
        yield from _repository_names(repo, naming, manifest, stem, shown, package)
    if stem is not None:
        yield from _bins(naming, manifest, stem, shown, package)
    if not manifest.private:
        yield from _repository_field(repo, naming, root, manifest, stem, shown, package)


def _repository_names(
    repo: Repo, naming: Naming, manifest: Manifest, stem: str | None, shown: dict[str, Text], package: str
) -> Iterable[_Trouble]:
    if repo.identity is not None and naming.github and stem is not None:
        actual = str(repo.identity)
        wanted = [compile_pattern(p).fill({"x": stem}) for p in naming.github]
        if actual.lower() not in [w.lower() for w in wanted]:
            yield _Trouble(
                "github", Place(manifest.path, ("name",)), "{package} is the package of {repository}, where the scheme wants {wanted}",
                "Rename the repository or the package, so that both say the same.",
                shown | {"repository": Public(actual), "wanted": Public(" or ".join(wanted))}, package,
            )  # fmt: skip
    if repo.folder is not None and naming.local and stem is not None:
        wanted = [compile_pattern(p).fill({"x": stem}) for p in naming.local]
        if repo.folder not in wanted:
            yield _Trouble(
                "local", Place(manifest.path, ("name",)), "{package} is checked out in {folder}, where the scheme wants {wanted}",
                "Rename the checkout's folder.",
                shown | {"folder": Public(repo.folder), "wanted": Public(" or ".join(wanted))}, package,
                Severity.WARNING,
            )  # fmt: skip


def _bins(naming: Naming, manifest: Manifest, stem: str, shown: dict[str, Text], package: str) -> Iterable[_Trouble]:
    if not naming.bin:
        return
    wanted = [compile_pattern(p).fill({"x": stem}) for p in naming.bin]
    for command in manifest.bins:
        if command not in wanted:
            yield _Trouble(
                "bin", Place(manifest.path, ("bin", command), key=True), "{package} installs the command {command}, where the scheme wants {wanted}",
                "Rename the command, or add its pattern to [naming] bin.",
                shown | {"command": Public(command), "wanted": Public(" or ".join(wanted))}, package, key=command,
            )  # fmt: skip


def _repository_field(
    repo: Repo, naming: Naming, root: Root, manifest: Manifest, stem: str | None, shown: dict[str, Text], package: str
) -> Iterable[_Trouble]:
    field = manifest.repository
    if field is None:
        yield _Trouble(
            "no-repository", Place(manifest.path, ("name",)), "{package} has no repository field",
            "Add it: npm shows it, and provenance is checked against it.", shown, package,
        )  # fmt: skip
        return
    named = RepoName.parse(field.url)
    place = Place(manifest.path, ("repository", "url"))
    monorepo = _monorepo(repo, naming, root.directory)
    wanted = _wanted_repositories(repo, naming, monorepo.repository if monorepo and root.directory else None, stem)
    if wanted and (named is None or named.key() not in {w.key() for w in wanted}):
        yield _Trouble(
            "repository", place, "{package} names {url} as its repository, and stands in {wanted}",
            "Set repository.url to {wanted}.",
            shown | {"url": Public(field.url), "wanted": Public(" or ".join(map(str, wanted)))}, package,
        )  # fmt: skip
    elif root.directory and (field.directory or "").strip("/").removeprefix("./") != root.directory:
        yield _Trouble(
            "repository-directory", Place(manifest.path, ("repository", "directory")),
            "{package} names the directory {named}, and stands in {directory}",
            "Set repository.directory to {directory}.",
            shown | {"named": Public(field.directory or "(none)"), "directory": Public(root.directory)}, package,
        )  # fmt: skip


def _wanted_repositories(repo: Repo, naming: Naming, monorepo: str | None, stem: str | None) -> list[RepoName]:
    if repo.identity is not None:
        return [repo.identity]
    if monorepo is not None:
        texts = [monorepo]
    elif stem is not None:
        texts = [compile_pattern(p).fill({"x": stem}) for p in naming.github]
    else:
        texts = []
    return [name for text in texts if (name := RepoName.parse(text)) is not None]


class _Monorepo(NamedTuple):
    repository: str
    member: str


def _monorepo(repo: Repo, naming: Naming, directory: str) -> _Monorepo | None:
    """The monorepo entry that speaks of this repository (of any, where its name is not known) and this directory."""
    for entry in naming.monorepo:
        wanted = RepoName.parse(entry.repository)
        if repo.identity is not None and (wanted is None or wanted.key() != repo.identity.key()):
            continue
        if not directory or compile_pattern(entry.member).match(directory) is not None:
            return _Monorepo(entry.repository, entry.member)
    return None


# -- the private half ----------------------------------------------------------------------------


def _private_half(repo: Repo, policy: Policy, naming: Naming, root: Root) -> Iterable[_Trouble]:
    manifest = root.manifest
    if manifest is not None and manifest.name:
        yield from _open_name(policy, root, manifest)
        for command in manifest.bins:
            # A product must not install a command under its core's plain name.
            stems = {
                s for p in naming.downstream.local if (s := _stem((p,), manifest.name.rpartition("/")[2])) is not None
            }
            if command in stems:
                yield _Trouble(
                    "open-bin", Place(manifest.path, ("bin", command), key=True), "{package} is private and installs {command}, the open package's command",
                    "Rename the command.",
                    {"package": policy.text(manifest.name), "command": Public(command)}, "", key=command,
                )  # fmt: skip
    if root.directory:
        return
    downstream = naming.downstream
    at_forge = _stem(downstream.github, str(repo.identity)) if repo.identity else None
    at_home = _stem(downstream.local, repo.folder) if repo.folder else None
    private = policy.side_of_repository(repo.identity) is Side.PRIVATE
    if private and repo.identity is not None and downstream.github and at_forge is None:
        wanted = ", ".join(downstream.github)
        named = Place(manifest.path, ("name",)) if manifest and manifest.name else Place("package.json")
        yield _Trouble(
            "downstream", named, "{repository} is private, and its name fits no pattern of the scheme ({wanted})",
            "Rename the repository, or add its pattern to [naming.downstream] github.",
            {"repository": policy.text(str(repo.identity)), "wanted": policy.text(wanted)}, "",
            Severity.WARNING,  # perhaps it is no half of a pair
        )  # fmt: skip
    if at_forge is not None and repo.folder is not None and downstream.local and at_home != at_forge:
        wanted = " or ".join(compile_pattern(p).fill({"x": at_forge}) for p in downstream.local)
        yield _Trouble(
            "local", Place(manifest.path if manifest else "package.json"), "{repository} is checked out in {folder}, where the scheme wants {wanted}",
            "Rename the checkout's folder.",
            {"repository": policy.text(str(repo.identity)), "folder": policy.text(repo.folder), "wanted": policy.text(wanted)}, "",
            Severity.WARNING,
        )  # fmt: skip


def _open_name(policy: Policy, root: Root, manifest: Manifest, severity: Severity | None = None) -> Iterable[_Trouble]:
    """A private package under an open name hides the open one from everything that goes by names."""
    if root.package is None or policy.side_of_package(root.package) is not Side.OPEN:
        return
    yield _Trouble(
        "open-name", Place(manifest.path, ("name",)), "{package} is private and carries the name of an open package",
        "Give it a private name: the open name belongs to the package that strangers install.",
        {"package": policy.text(manifest.name or "")}, f"npm:{manifest.name}", severity,
    )  # fmt: skip


# -- names and folding ---------------------------------------------------------------------------


def _stem(patterns: Iterable[str], text: str) -> str | None:
    """The ``x`` of the first pattern that matches."""
    for pattern in patterns:
        found: Mapping[str, str] | None = compile_pattern(pattern).match(text)
        if found is not None and "x" in found:
            return found["x"]
    return None


def _filled(patterns: Iterable[str], stem: str) -> str:
    return " or ".join(compile_pattern(p).fill({"x": stem}) for p in patterns)


def _fold(troubles: list[_Trouble], members: int, policy: Policy) -> list[Hit]:
    by_kind: dict[str, list[_Trouble]] = {}
    for trouble in troubles:
        by_kind.setdefault(trouble.kind, []).append(trouble)
    hits: list[Hit] = []
    for kind, group in by_kind.items():
        fold = kind if len(group) >= _SHARED and len(group) * 2 > members else ""
        hits += [
            Hit(
                place=t.place,
                subject=f"{kind} {t.key}".strip(),
                package=t.package,
                message=t.message,
                remedy=t.remedy,
                params=t.params,
                severity=t.severity,
                evidence=_evidence(t, policy),
                fold=fold,
            )
            for t in group
        ]
    return hits


def _evidence(trouble: _Trouble, policy: Policy) -> tuple[Evidence, ...]:
    keys = {
        "npm": ("naming.npm",),
        "bin": ("naming.bin",),
        "github": ("naming.github", "naming.npm"),
        "local": ("naming.local", "naming.downstream.local"),
        "downstream": ("naming.downstream.github", "private.repositories"),
        "open-name": ("open.packages",),
        "directory": ("naming.monorepo", "naming.npm"),
    }
    said = Evidence(kind="declaration", text="{package} is named here", params=trouble.params, place=trouble.place)
    lines = policy.evidence(*keys.get(trouble.kind, ("naming.github", "naming.monorepo")))
    return ((said,) if "package" in trouble.params else ()) + lines


RULE = Rule(
    id="naming-pair",
    summary="A member whose repository, package, binary, directory and repository field do not agree with the scheme.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
