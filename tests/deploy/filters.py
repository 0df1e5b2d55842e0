"""The filters that the runbook gives, as people copy them."""

import re
from pathlib import Path

OPERATING = Path(__file__).parents[2] / "docs" / "how-to" / "be-on-call.md"
_ROW = re.compile(r"^\| ([^|`]+) \| `(\w+ = '[^`]+)` \|$", re.MULTILINE)
_MOMENT = "2026-01-31T00:00:00Z"
_DOCUMENT = "264f5c1e-fa16-451e-8940-9807cec12f26"


def saved_filters(*, now: str = _MOMENT, document: str = _DOCUMENT) -> dict[str, str]:
    """The filters by what they find, with a moment and a document of one's own."""
    rows = _ROW.findall(OPERATING.read_text())
    return {name: query.replace(_MOMENT, now).replace(_DOCUMENT, document) for name, query in rows}
