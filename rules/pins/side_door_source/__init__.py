"""The rule `side-door-source`."""
