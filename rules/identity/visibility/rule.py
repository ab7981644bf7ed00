"""A private product that could be published, or an open member that a stranger could not install."""

from __future__ import annotations

from bot.facts.manifest import Manifest
from bot.model import Evidence, Hit, NotChecked, Place, Severity, Verdict
from bot.names import PackageName, registry_host
from bot.policy import Policy, Side
from bot.repo import Repo, Root, is_published
from bot.rule import Absent, AskPackage, Known, Rule, RuleSide, Unknown
from bot.text import Public

__all__ = ["RULE"]


def judge(repo: Repo, policy: Policy, known: Known) -> Verdict:
    """Judge every package root by its side: private ones must not be publishable, listed open ones must be public."""
    verdict = Verdict(counts={"private": 0, "published": 0, "unpublished under an open name": 0})
    for root in repo.roots:
        manifest = root.manifest
        if manifest is None or manifest.template:
            continue
        if manifest.private and root.package is not None and not is_published(policy, root):
            named = policy.side_of_package(root.package) is Side.OPEN
            verdict.counts["unpublished under an open name"] += named
        side = repo.side_of(policy, manifest.path)
        if side is Side.PRIVATE:
            verdict.counts["private"] += 1
            hit = _publishable(repo, policy, root, manifest)
            if hit is not None:
                verdict.hits.append(hit)
        elif is_published(policy, root):
            verdict.counts["published"] += 1
            found = _hidden(policy, root, manifest, known)
            if isinstance(found, Hit):
                verdict.hits.append(found)
            elif found is not None:
                verdict.not_checked.append(found)
    return verdict


def _publishable(repo: Repo, policy: Policy, root: Root, manifest: Manifest) -> Hit | None:
    """npm refuses a manifest that says ``private: true``, and one without name or version."""
    if manifest.private or not manifest.name or not manifest.version:
        return None
    elsewhere = manifest.publish_registry is not None and not _is_public(policy, manifest.publish_registry)
    restricted = manifest.access == "restricted" or elsewhere
    if restricted and manifest.access != "public":
        return None
    params = {"package": policy.text(manifest.name), "manifest": Public(manifest.path)}
    public = manifest.access == "public"
    stated = policy.side_of_root(repo.identity, root.directory, root.package) is Side.PRIVATE
    is_private = (
        "{package} is private by policy" if stated else "{package} counts as private, since no open pattern matches it"
    )
    remedy = 'Add "private": true to {manifest}'
    if not stated:
        # Two words "private" meet here: the side, and what npm reads.
        remedy += "; if it is open, say so" + (" with --open {package}" if policy.assumed else " in [open] packages")
    return Hit(
        place=Place(manifest.path, ("publishConfig", "access")) if public else Place(manifest.path, ("name",)),
        subject="publishable",
        message=is_private
        + (
            " and publishes itself publicly"
            if public
            else ', and its manifest has no "private": true: `npm publish` would publish it'
        ),
        remedy=remedy + ".",
        params=params,
        # What policy only left unmatched is perhaps no product at all.
        severity=None if stated else Severity.WARNING,
        evidence=(
            Evidence(
                kind="declaration",
                text='{manifest} has a name, a version and no "private": true',
                params=params,
                place=Place(manifest.path, ("name",)),
            ),
            *policy.evidence("private.repositories", "private.members", "private.packages", "open.packages"),
        ),
    )


def _is_public(policy: Policy, url: str) -> bool:
    """Whether a registry is the public one: the policy's, or the one that the purl standard names."""
    host = registry_host(url)
    table = policy.tables.registry.get("npm")
    if table is not None and table.url is not None and host == registry_host(table.url):
        return True
    from packageurl.validate import DEFINITIONS_BY_TYPE

    return host == registry_host(str(DEFINITIONS_BY_TYPE["npm"].default_repository_url))


def _hidden(policy: Policy, root: Root, manifest: Manifest, known: Known) -> Hit | NotChecked | None:
    if manifest.private:
        place, message = Place(manifest.path, ("private",)), '{package} must be public and says "private": true'
    elif manifest.access == "restricted":
        place, message = (
            Place(manifest.path, ("publishConfig", "access")),
            "{package} must be public and is published restricted",
        )
    elif manifest.name and manifest.name.startswith("@") and manifest.access != "public":
        # A scoped package is born restricted; one that the registry already shows is public whatever its manifest says.
        answer = known(AskPackage(PackageName.npm(manifest.name)))
        if isinstance(answer, Unknown):
            return NotChecked(
                reason=answer.reason,
                subject=manifest.name,
                detail=f"nobody could say whether it is public: {answer.detail}",
                remedy='Add "publishConfig": {"access": "public"}, or run again when the registry answers.',
                path=manifest.path,
            )
        if not isinstance(answer, Absent):
            return None
        place = Place(manifest.path, ("name",))
        message = "{package} must be public, and a scoped package is published restricted unless it says otherwise"
    else:
        return None
    params = {"package": Public(manifest.name or root.label), "manifest": Public(manifest.path)}
    return Hit(
        place=place,
        subject="hidden",
        package=f"npm:{manifest.name}" if manifest.name else "",
        message=message,
        remedy='Set "publishConfig": {{"access": "public"}} in {manifest}, without "private".',
        params=params,
        evidence=(
            Evidence(kind="declaration", text="{manifest} says so here", params=params, place=place),
            *policy.evidence("open.published"),
        ),
    )


RULE = Rule(
    id="visibility",
    summary="A private product that could be published, or an open member that a stranger could not install.",
    side=RuleSide.BOTH,
    severity=Severity.ERROR,
    judge=judge,
)
