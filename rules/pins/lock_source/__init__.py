"""The rule `lock-source`."""
