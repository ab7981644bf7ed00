"""The rule `unreleased-pin`."""
