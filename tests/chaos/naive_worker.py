"""A worker that retries failed sends blindly, which violates rule 1."""

from dataclasses import replace

import worker
from countersign import entry
from workflows.agreement import policies


def retry_sends() -> None:
    """Give the send the retry policy of a read, and let workflows import the changed policies."""
    vars(policies)["SEND"] = replace(policies.SEND, retry=policies.CHECK.retry)
    vars(worker)["_PASSED_THROUGH"] = (*worker._PASSED_THROUGH, policies.__name__)


if __name__ == "__main__":
    retry_sends()
    entry.leave(worker.main())
