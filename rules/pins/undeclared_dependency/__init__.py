"""The rule `undeclared-dependency`."""
