"""A worker as one writes it first: a send that fails is simply tried again. Shows that rule 1 can break."""

from dataclasses import replace

import worker
from countersign import entry
from workflows.agreement import policies


def be_naive() -> None:
    """Give the send the retries of a read; workflows then read the policies from this very module."""
    vars(policies)["SEND"] = replace(policies.SEND, retry=policies.CHECK.retry)
    vars(worker)["_PASSED_THROUGH"] = (*worker._PASSED_THROUGH, policies.__name__)


if __name__ == "__main__":
    be_naive()
    entry.leave(worker.main())
