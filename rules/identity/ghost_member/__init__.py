"""The rule `ghost-member`."""
