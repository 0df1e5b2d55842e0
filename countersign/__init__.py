"""The machinery that makes any document-and-signature integration dependable."""

from typing import Final

__version__: Final = "0.1.0"
