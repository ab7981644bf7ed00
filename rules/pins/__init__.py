"""The family `pins`."""
