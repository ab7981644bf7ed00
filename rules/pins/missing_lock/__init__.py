"""The rule `missing-lock`."""
