"""A specifier whose subpath the pinned version does not export."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from bot.facts.lock import Source
from bot.facts.module import Import, ImportKind
from bot.model import Edit, Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName, split_specifier
from bot.policy import Policy
from bot.readers.javascript.exports import (
    Legal,
    LegalKind,
    Usage,
    always_leads_to,
    legal_subpath,
    package_json,
    suggest,
)
from bot.repo import Pin, Repo, Root, mapped_imports
from bot.rule import Absent, AskParsed, AskPublished, Known, ParsedFile, Pending, Rule, RuleSide, Unknown
from bot.text import Public, Text

__all__ = ["RULE"]

# How many public subpaths a remedy names when none fits exactly.
_SHOWN = 6
# A subpath that means the same in any string, query parameters and webpack's loaders included.
_PLAIN = re.compile(r"[\w.~@/+=,()\[\]$-]+")
_TYPESCRIPT = (".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte", ".astro")


class _Surface(msgspec.Struct, frozen=True, kw_only=True):
    """What a package offers: a published version's own manifest, or a sibling's in this tree (``root``); the ``legal`` keys of
    its map, by usage, where somebody asked."""

    package: PackageName
    version: str
    manifest: Mapping[str, object]
    files: Collection[str] | None
    pin: Pin | None
    root: Root | None = None
    legal: dict[Usage, list[str]] = msgspec.field(default_factory=dict)


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Judge every candidate specifier; parse a file only where one of its candidates would be a finding."""
    verdict = Verdict(counts={"candidate imports": 0, "confirmed": 0, "without a version": 0})
    problems: dict[str, NotChecked] = {}
    surfaces: dict[tuple[PackageName, str], _Surface | None] = {}
    suspicious: dict[tuple[PackageName, str, str, bool], bool] = {}
    for path in sorted(repo.sources):
        if repo.in_template(path):
            continue
        for candidate in repo.sources[path].imports:
            parts = split_specifier(candidate.specifier)
            if parts is None:
                continue
            local, subpath = parts
            pin = _own(repo, path, local) or repo.pin(path, local)
            package = pin.package if pin else PackageName.npm(local)
            if not repo.is_open(policy, package):
                continue
            verdict.counts["candidate imports"] += 1
            if pin is None or (pin.root is None and pin.version is None):
                judged = repo.manifest_of(path) is not None and subpath != "."
                # What only looks like an import needs no version.
                if judged and _is_import(known(AskParsed(path)), candidate):
                    verdict.counts["without a version"] += 1
                    problems[f"{candidate.specifier} in {path}"] = _no_version(path, candidate.specifier, local)
                continue
            surface = _surface(pin, policy, known, problems, surfaces)
            if surface is None:
                continue
            shown = _shows_all(repo, policy, path, surface)
            # Many files import the same.
            which = (surface.package, f"/{surface.root.directory}" if surface.root else surface.version, subpath, shown)
            if which not in suspicious:
                suspicious[which] = _suspicious(surface, subpath, policy, shown=shown)
            if not suspicious[which]:
                continue
            parsed = known(AskParsed(path))
            if isinstance(parsed, Pending):
                continue
            if isinstance(parsed, Unknown):
                problems[path] = NotChecked(reason=parsed.reason, subject=path, detail=parsed.detail, path=path)
                continue
            confirmed = parsed.of_package(candidate.start)
            if confirmed is None:
                continue
            verdict.counts["confirmed"] += 1
            legal = _judged(surface, subpath, _usage(path, confirmed), policy, shown=shown)
            if legal is not None:
                place = Place(path, start=confirmed.start, end=confirmed.end)
                verdict.hits.append(_hit(repo, policy, place, confirmed, surface, legal))
    for manifest in repo.manifests:
        if manifest.imports is None or manifest.template:
            continue
        for place, specifier in mapped_imports(manifest):
            local, subpath = split_specifier(specifier) or ("", ".")
            pin = _own(repo, manifest.path, local) or repo.pin(manifest.path, local)
            if pin is None or (pin.root is None and pin.version is None) or not repo.is_open(policy, pin.package):
                continue  # `undeclared-dependency` says so
            verdict.counts["candidate imports"] += 1
            surface = _surface(pin, policy, known, problems, surfaces)
            if surface is None:
                continue
            shown = _shows_all(repo, policy, manifest.path, surface)
            legal = _judged(surface, subpath, "any", policy, shown=shown)
            if legal is not None:
                verdict.counts["confirmed"] += 1
                found = Import(specifier, ImportKind.RESOLVE, 0, 0)
                verdict.hits.append(_hit(repo, policy, place, found, surface, legal))
    verdict.not_checked += problems.values()
    return verdict


def _is_import(parsed: ParsedFile | Unknown | Pending, candidate: Import) -> bool:
    """Whether a parser confirms a candidate; a file that it cannot read may well hold the import."""
    if isinstance(parsed, ParsedFile):
        return parsed.of_package(candidate.start) is not None
    return isinstance(parsed, Unknown)


def _own(repo: Repo, path: str, local: str) -> Pin | None:
    """A package that imports itself by its own name gets its own tree."""
    root = repo.root_of(path)
    if root.manifest is not None and root.manifest.name == local:
        return Pin(package=PackageName.npm(local), version=None, root=root)
    return None


def _no_version(path: str, specifier: str, local: str) -> NotChecked:
    return NotChecked(
        reason="no-version",
        subject=specifier,
        detail=f"no lock and no exact declaration says which version of {local} is imported",
        remedy=f"Declare {local} with one released version, and commit the lockfile.",
        path=path,
    )


def _surface(
    pin: Pin,
    policy: Policy,
    known: Known,
    problems: dict[str, NotChecked],
    surfaces: dict[tuple[PackageName, str], _Surface | None],
) -> _Surface | None:
    if pin.root is not None:
        key = (pin.package, f"/{pin.root.directory}")
        if key not in surfaces:
            surfaces[key] = _Surface(
                package=pin.package,
                version=(pin.root.manifest.version if pin.root.manifest else None) or "",
                manifest=package_json(pin.root.manifest) if pin.root.manifest else {},
                files=None,
                pin=pin,
                root=pin.root,
            )
        return surfaces[key]
    version = pin.version or ""
    subject = f"{pin.package}@{version}"
    if pin.entry is not None and pin.entry.source not in (Source.REGISTRY, Source.PATCH):
        # What comes from a path or from git has no published exports; `side-door-source` says so.
        if pin.entry.source is Source.UNKNOWN:
            problems[f"{subject} in the lock"] = NotChecked(
                reason="unknown-source",
                subject=subject,
                detail="the lock does not say where it comes from, so nobody can say what it exports",
                remedy="Write the lock again with a package manager of today.",
                path=pin.lock.path if pin.lock is not None else "",
            )
        return None
    key = (pin.package, version)
    if key in surfaces:
        return surfaces[key]
    surfaces[key] = None
    published = known(AskPublished(pin.package, version))
    if isinstance(published, Pending):
        return None
    if not isinstance(published, Unknown) and published.mirrored and not policy.mirror_is_enough(pin.package.ecosystem):
        problems[subject] = NotChecked(
            reason="mirrored",
            subject=subject,
            detail="only a mirror answered, and policy does not say that its facts are enough",
            remedy="Run again when the public registry answers, or set enough = true for the mirror.",
        )
        return None
    if isinstance(published, Unknown):
        problems[subject] = NotChecked(
            reason=published.reason,
            subject=subject,
            detail=f"its exports could not be read: {published.detail}",
            remedy=published.remedy,
        )
    elif isinstance(published, Absent):
        problems[subject] = NotChecked(
            reason="no-version",
            subject=subject,
            detail="the registry does not have it, so nobody can say what it exports",
            remedy="Pin a released version.",
        )
    else:
        surfaces[key] = _Surface(
            package=pin.package, version=version, manifest=published.manifest, files=published.files, pin=pin
        )
    return surfaces[key]


def _usage(path: str, found: Import) -> Usage:
    if found.types or found.kind in (ImportKind.TYPE, ImportKind.REFERENCE):
        return "type"
    if found.kind in (ImportKind.IMPORT, ImportKind.EXPORT):
        # TypeScript accepts a subpath that only has types in a plain import, and leaves the import out of what it emits.
        return "any" if path.endswith(_TYPESCRIPT) else "import"
    if found.kind is ImportKind.REQUIRE:
        return "require"
    return "any" if found.kind in (ImportKind.RESOLVE, ImportKind.MOCK) else "import"


def _shows_all(repo: Repo, policy: Policy, path: str, surface: _Surface) -> bool:
    """Siblings of one side without a map show each other everything, until policy asks them for more."""
    if surface.root is None or policy.tables.reach.members != "loose":
        return False
    return repo.side_of(policy, path) is repo.side_of(policy, f"{surface.root.directory}/package.json".lstrip("/"))


def _loading(path: str, found: Import) -> Usage:
    """How the file itself is loaded: a plain import loads by ``import``, in TypeScript too."""
    usage = _usage(path, found)
    plain = found.kind in (ImportKind.IMPORT, ImportKind.EXPORT) and not found.types
    return "import" if plain and usage == "any" else usage


def _suspicious(surface: _Surface, subpath: str, policy: Policy, *, shown: bool) -> bool:
    """Whether some way to use this subpath would be a finding: then a parser says which way it is."""
    if _judged(surface, subpath, "any", policy, shown=shown) is not None:
        return True
    return legal_subpath(surface.manifest, subpath, files=surface.files, usage="any").types_only


def _judged(surface: _Surface, subpath: str, usage: Usage, policy: Policy, *, shown: bool) -> Legal | None:
    """The judgement, where it is a finding. A subpath that either way of loading reaches is legal for both."""
    legal = legal_subpath(surface.manifest, subpath, files=surface.files, usage=usage)
    if legal.legal and legal.kind is not LegalKind.NO_MAP:
        return None
    if legal.kind is LegalKind.NO_MAP:
        off = shown or policy.tables.reach.no_exports_map == "off"
        return None if legal.subpath == "." or off else legal
    if usage in ("import", "require"):
        other = legal_subpath(
            surface.manifest, subpath, files=surface.files, usage="require" if usage == "import" else "import"
        )
        if other.legal:
            return None
    return legal


def _severity(repo: Repo, path: str, surface: _Surface, legal: Legal, policy: Policy) -> Severity | None:
    if legal.kind is LegalKind.NO_MAP:
        return Severity.ERROR if policy.tables.reach.no_exports_map == "error" else Severity.WARNING
    if legal.manifest_file:
        return Severity.WARNING  # tools read it from disk
    if surface.root is not None and policy.tables.reach.members == "loose":
        there = f"{surface.root.directory}/package.json".lstrip("/")
        return Severity.WARNING if repo.side_of(policy, path) is repo.side_of(policy, there) else None
    return None


def _hit(repo: Repo, policy: Policy, place: Place, found: Import, surface: _Surface, legal: Legal) -> Hit:
    path = place.path
    what = f"{surface.package}@{surface.version}" if surface.version else str(surface.package)
    instead = suggest(surface.manifest, legal.subpath, surface.files, usage=_loading(path, found))
    local = (split_specifier(found.specifier) or (surface.package.name, "."))[0]
    params: dict[str, Text] = {
        "specifier": Public(found.specifier),
        "what": Public(what),
        "subpath": Public(legal.subpath),
        "conditions": Public(", ".join(legal.only_under)),
    }
    if legal.kind is LegalKind.NO_MAP:
        message = "{specifier} reaches into {what}, which has no exports map"
    elif legal.only_under:
        message = "{specifier}: {what} exports {subpath} only under {conditions}, which strangers do not set"
    elif legal.types_only:
        message = "{specifier}: {what} exports {subpath} for types only; at run time it is not there"
    else:
        message = "{specifier}: {what} does not export {subpath}"
    edits: tuple[Edit, ...] = ()
    same = next(
        (
            name
            for name in instead
            if always_leads_to(surface.manifest, name, legal.subpath, surface.files, usage=_loading(path, found))
        ),
        None,
    )
    if instead:
        query = re.search(r"[?#].*", found.specifier[len(local) :], re.DOTALL)
        better = local + (same or instead[0])[1:] + (query[0] if query is not None else "")
        params["better"] = Public(better)
        remedy = (
            "Import {better}: it is the same file."
            if same is not None
            else "Perhaps {better} will do: under some conditions it is the same file."
        )
        raw_is_plain = found.end - found.start == len(found.specifier.encode(errors="surrogateescape"))
        # The registry's word goes into a string whose quotes nobody looked at.
        if raw_is_plain and same is not None and _PLAIN.fullmatch(same):
            edits = (Edit(place=place, old=found.specifier, new=better),)
    else:
        offered = _offered(surface, legal.subpath, _loading(path, found))
        params["offered"] = Public(", ".join(local + key[1:] for key in offered[:_SHOWN]))
        params["more"] = Public(", …" if len(offered) > _SHOWN else "")
        params["package"] = Public(str(surface.package))
        remedy = "Use what it exports ({offered}{more})" if offered else "Use its main entry"
        remedy += ", or have {package} export it" + (", release that, and pin it." if surface.root is None else ".")
    return Hit(
        place=place,
        subject=found.specifier,
        package=f"{surface.package.ecosystem}:{surface.package.name}",
        message=message,
        remedy=remedy,
        params=params,
        severity=_severity(repo, path, surface, legal, policy),
        evidence=_evidence(policy, place, surface, legal, params),
        edits=edits,
    )


def _evidence(
    policy: Policy, place: Place, surface: _Surface, legal: Legal, params: Mapping[str, Text]
) -> tuple[Evidence, ...]:
    chain = [Evidence(kind="source", text="{specifier} is imported here", params=dict(params), place=place)]
    pin = surface.pin
    if pin is not None and pin.lock is not None and pin.entry is not None:
        chain.append(
            Evidence(kind="lock", text="the lock gives {what}", params=dict(params), place=pin.lock.place(pin.entry))
        )
    elif pin is not None and pin.declaration is not None:
        chain.append(
            Evidence(kind="declaration", text="{what} is declared", params=dict(params), place=pin.declaration.place)
        )
    if surface.root is not None and surface.root.manifest is not None:
        chain.append(
            Evidence(
                kind="exports",
                text="the exports of {what} in this tree do not offer {subpath}",
                params=dict(params),
                place=Place(surface.root.manifest.path, ("exports",), key=True),
            )
        )
    else:
        chain.append(
            Evidence(
                kind="exports",
                text="package.json in the published {what} {reason}",
                params=dict(params) | {"reason": Public(_reason(legal))},
            )
        )
    if legal.kind is LegalKind.NO_MAP:
        chain += policy.evidence("reach.no_exports_map")
    elif surface.root is not None:
        chain += policy.evidence("reach.members")
    return tuple(chain)


def _reason(legal: Legal) -> str:
    """Why Node refuses the subpath, in words."""
    if legal.kind is LegalKind.NO_MAP:
        return "has no exports map"
    if legal.legacy_folder:
        return f"maps a folder that covers {legal.subpath}, which Node no longer reads"
    code = legal.resolution.reason if legal.resolution else ""
    key = (legal.resolution.key if legal.resolution else None) or legal.subpath
    words = {
        "null-target": f"closes {legal.subpath} on purpose: its key {key} leads to null",
        "no-condition": f"has {key}, under no condition that a stranger's tools set",
        "no-key": f"has exports, and no key for {legal.subpath}",
    }
    return words.get(code, f"does not resolve {legal.subpath} ({code or 'types only'})")


def _offered(surface: _Surface, subpath: str, usage: Usage) -> list[str]:
    """The subpaths that a stranger may use in the same way: the main entry, then those whose names are nearest."""
    exports = surface.manifest.get("exports")
    if not isinstance(exports, Mapping) or not any(key.startswith(".") for key in exports):
        return ["."] if exports else []
    legal = surface.legal.get(usage)
    if legal is None:
        legal = surface.legal[usage] = [
            key
            for key in exports
            if key != "./package.json"
            and key.startswith(".")
            and legal_subpath(surface.manifest, key, files=None, usage=usage).legal
        ]
    wanted = _pairs(subpath)

    def likeness(key: str) -> tuple[bool, float]:
        pairs = _pairs(key)
        return key == ".", len(pairs & wanted) / (len(pairs) + len(wanted))

    return sorted(legal, key=likeness, reverse=True)


def _pairs(text: str) -> set[str]:
    """Letters with their neighbours: two names are as alike as they share these (Dice's coefficient)."""
    return {text[index : index + 2] for index in range(len(text))}


RULE = Rule(
    id="deep-import",
    summary="A specifier whose subpath the pinned version does not export.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
