"""The rule `floating-pin`."""
