"""The rule `waiver`."""
