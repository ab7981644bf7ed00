"""The rules: the explicit list, family by family. A new rule is one folder and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from bot.model import Severity
from bot.rule import Rule

if TYPE_CHECKING:
    from bot.fleet import FleetRule

__all__ = ["ACROSS", "ALL", "FLEET", "LISTED", "PLANNED"]

_RULES = (
    "identity.naming_pair",
    "identity.ghost_member",
    "identity.visibility",
    "identity.reversed_dependency",
    "pins.unreleased_pin",
    "pins.floating_pin",
    "pins.missing_lock",
    "pins.side_door_source",
    "pins.lock_drift",
    "pins.lock_source",
    "pins.undeclared_dependency",
    "reach.deep_import",
    "reach.path_escape",
    "identity.waiver",
    "identity.idle_policy",
    "identity.stale_baseline",
    "identity.gate_change",
)

# Judged by an audit, over the summaries of many repositories, and loaded for that alone. The first stands beside the
# rule of its name.
_FLEET = (
    "identity.naming_pair.halves",
    "fleet.missing_half.rule",
    "fleet.missing_core.rule",
    "fleet.orphaned_half.rule",
    "fleet.repository_mismatch.rule",
)

# What a policy must know of those that are no others' namesakes.
ACROSS: Mapping[str, Severity] = {
    "missing-half": Severity.WARNING,
    "missing-core": Severity.WARNING,
    "orphaned-half": Severity.WARNING,
    "repository-mismatch": Severity.ERROR,
}


def _rule(name: str) -> Rule:
    rule: Rule = import_module(f"{__name__}.{name}.rule").RULE
    return rule


ALL: tuple[Rule, ...] = tuple(_rule(name) for name in _RULES)
if TYPE_CHECKING:
    FLEET: tuple[FleetRule, ...]
    LISTED: tuple[Rule | FleetRule, ...]  # each id once, for lists and pages


def __getattr__(name: str) -> tuple[Rule | FleetRule, ...]:
    if name == "FLEET":
        return tuple(import_module(f"{__name__}.{module}").RULE for module in _FLEET)
    if name == "LISTED":
        return (*ALL, *(rule for rule in __getattr__("FLEET") if rule.id in ACROSS))
    raise AttributeError(name)


# Rules that policies may already speak of and that this version does not have: listed as not run.
PLANNED: tuple[str, ...] = (
    "claimable-name",
    "override",
    "patched-package",
    "withdrawn-release",
    "prerelease-pin",
    "duplicate-core",
    "registry-redirect",
    "floating-tool",
    "unproven-release",
    "fresh-release",
    "unused-core",
    "missing-export",
    "internal-export",
    "alias-escape",
    "source-reach",
    "vendored-copy",
    "shared-table",
    "shared-database",
    "contract-bypass",
    "hidden-switch",
    "private-string",
    "missing-surface",
    "missing-boundary",
    "private-capability",
    "leaky-status",
    "broken-export",
    "breaking-release",
)
