"""Test a workflow that runs agreements: a Temporal server, a stand-in for the agreement worker, replays.

Needs the extra `testing`. `open_office()` serves tests of a project that installs the wheel: nothing is sent,
and the test decides how each document ends. Countersign's own tests use the same `Office` with the real
workflow and a sandbox.
"""

from countersign.testing.histories import record_history, replay_histories
from countersign.testing.office import AgreementHandle, Office, an_agreement, eventually, open_office
from countersign.testing.server import start_temporal

__all__ = [
    "AgreementHandle",
    "Office",
    "an_agreement",
    "eventually",
    "open_office",
    "record_history",
    "replay_histories",
    "start_temporal",
]
