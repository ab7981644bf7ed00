"""The rule `path-escape`."""
