"""Ringfence keeps an open-core boundary hard."""
