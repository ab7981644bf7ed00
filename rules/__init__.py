"""The rules: the explicit list, family by family. A new rule is one folder and one line here."""

from __future__ import annotations

from importlib import import_module

from bot.fleet import FleetRule
from bot.rule import Rule

__all__ = ["ALL", "FLEET", "LISTED", "PLANNED"]

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
)

# Judged by an audit, over the summaries of many repositories. The first stands beside the rule of its name.
_FLEET = (
    "identity.naming_pair.halves",
    "fleet.missing_half.rule",
    "fleet.missing_core.rule",
    "fleet.orphaned_half.rule",
    "fleet.repository_mismatch.rule",
)


def _rule(name: str) -> Rule:
    rule: Rule = import_module(f"{__name__}.{name}.rule").RULE
    return rule


def _fleet_rule(name: str) -> FleetRule:
    rule: FleetRule = import_module(f"{__name__}.{name}").RULE
    return rule


ALL: tuple[Rule, ...] = tuple(_rule(name) for name in _RULES)
FLEET: tuple[FleetRule, ...] = tuple(_fleet_rule(name) for name in _FLEET)

# Each id once, for lists and pages.
LISTED: tuple[Rule | FleetRule, ...] = (*ALL, *(rule for rule in FLEET if rule.id not in {r.id for r in ALL}))

# Rules that policies may already speak of and that this version does not have: listed as not run.
PLANNED: tuple[str, ...] = (
    "claimable-name",
    "gate-change",
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
