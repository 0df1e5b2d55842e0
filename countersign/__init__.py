"""The machinery that makes any document-and-signature integration dependable."""

__version__ = "0.1.0"
