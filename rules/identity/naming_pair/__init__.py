"""The rule `naming-pair`."""
