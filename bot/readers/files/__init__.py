"""Readers of files that belong to no ecosystem: workflows."""
