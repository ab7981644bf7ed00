"""The rule `gate-change`."""
