"""The rule `reversed-dependency`."""
