"""The archived evidence: archives that were written before are compared with what is written now."""

import json
from typing import Any

from countersign.evidence import evidence_bytes


def test_evidence_keeps_its_format() -> None:
    content: dict[str, Any] = {
        "reference": "order-1042",
        "empty": [[], {}, None],
        "text": 'ü \u2028 \x00 \x1f \x7f \n \t " \\ /',
        "numbers": [0, -1, 10**20, 1.5, True],
        "timeline": [{"at": "2026-01-31T12:00:00.000Z", "by": "provider", "signer": 0}],
    }
    assert evidence_bytes(content) == json.dumps(content, indent=2, ensure_ascii=False).encode()
