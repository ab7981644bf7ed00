"""The family `reach`."""
