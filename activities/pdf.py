"""Is a file a whole PDF? Asked of every download before it is archived."""

import os
from pathlib import Path
from typing import Final

from countersign.isolation import IsolatedCallError, run_isolated

LIMIT_SECONDS: Final = 30.0
"""A few kB of nested page tree keep a reader busy for seconds, and other tricks for longer."""

_HEADER: Final = b"%PDF-"
_TRAILER: Final = b"%%EOF"
_TAIL: Final = 1024
"""Where readers look for the trailer (ISO 32000-1, annex H, note 18)."""


class NotAPdfError(Exception):
    """The download is no PDF, or not all of it."""


async def check_pdf(path: Path, *, seconds: float = LIMIT_SECONDS) -> None:
    """Check, in another process, that a file begins, ends and reads as a PDF with pages.

    Args:
        path: The file.
        seconds: How long reading may take.

    Raises:
        NotAPdfError: It does not, or not in time.
    """
    try:
        await run_isolated(_check, seconds, path)
    except IsolatedCallError:
        raise NotAPdfError(f"the download cannot be read as a PDF within {seconds:g} s") from None


def _check(path: Path) -> None:
    from pypdf import PdfReader  # noqa: PLC0415 (only the other process needs it)

    with path.open("rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            raise NotAPdfError("the download is not a PDF")
        file.seek(-min(_TAIL, path.stat().st_size), os.SEEK_END)
        if _TRAILER not in file.read():
            raise NotAPdfError("the download is not a whole PDF: its end is missing")
    try:
        pages = len(PdfReader(path).pages)
    except Exception:  # noqa: BLE001  # whatever the reader stumbles over, the file is not to be archived
        raise NotAPdfError("the download is not a readable PDF") from None
    if not pages:
        raise NotAPdfError("the download is a PDF without pages")
