"""Registries: what has been released, asked anonymously and as seldom as can be."""
