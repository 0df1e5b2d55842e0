"""A worker that retries failed sends blindly and without their fence, which violates rule 1."""

from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import AsyncMock, patch

import worker
from activities import signatures
from countersign import entry
from countersign.storage import Fence
from workflows.agreement import policies


def retry_sends() -> None:
    """Give the send the retry policy of a read, and let workflows import the changed policies."""
    vars(policies)["SEND"] = replace(policies.SEND, retry=policies.CHECK.retry)
    vars(signatures)["final"] = nullcontext
    vars(worker)["_PASSED_THROUGH"] = (*worker._PASSED_THROUGH, policies.__name__)


if __name__ == "__main__":
    retry_sends()
    with patch.object(Fence, "begin", AsyncMock()):  # it forbids a second attempt of the same send
        entry.leave(worker.main())
