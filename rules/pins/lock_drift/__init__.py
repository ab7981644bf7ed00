"""The rule `lock-drift`."""
