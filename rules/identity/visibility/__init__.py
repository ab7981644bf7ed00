"""The rule `visibility`."""
