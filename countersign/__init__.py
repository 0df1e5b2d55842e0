"""The machinery that makes any document-and-signature integration dependable."""
