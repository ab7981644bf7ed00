"""The rule `stale-baseline`."""
