"""Ringfence keeps an open-core boundary hard."""

__version__ = "0.1.0"
