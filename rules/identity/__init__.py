"""The family `identity`."""
