"""Agreements on Temporal: generate, send, sign and archive documents exactly once."""

__version__ = "0.1.0"
