"""The rule `idle-policy`."""
