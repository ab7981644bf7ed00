"""Whole-repository facts from the parts, recomputed on each run."""
