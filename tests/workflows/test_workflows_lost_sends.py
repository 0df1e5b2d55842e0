"""Whatever becomes of the answer to a send, before its work is done or after: one document, or a person."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.agreements.messages import Outcome, WaitingFor
from countersign.providers.calls import Limits
from devstack.sandbox import Sandbox
from tests.workflows.office import SEND, Office, an_agreement, open_office
from tests.workflows.scenarios import NO_ONE

FAULTS: dict[str, dict[str, Any]] = {
    "500": {"do": "status", "status": 500},
    "502": {"do": "status", "status": 502, "body": "bad gateway"},
    "504": {"do": "status", "status": 504, "body": ""},
    "dropped": {"do": "drop"},
    "reset": {"do": "reset"},
    "no answer": {"do": "hang"},
    "too slow": {"do": "drip", "seconds": 0.5},
    "cut": {"do": "truncate"},
    "wrong length": {"do": "content_length"},
    "corrupt": {"do": "corrupt"},
    "empty": {"do": "empty"},
    "html with 200": {"do": "html", "status": 200},
    "html with 502": {"do": "html", "status": 502},
    "redirect": {"do": "redirect", "status": 302, "location": "http://127.0.0.1:9/"},
    "bomb": {"do": "gzip", "size": 100_000_000},
    "endless": {"do": "endless"},
}


QUICK = {"502", "dropped", "no answer", "cut", "html with 200"}
CASES = [
    pytest.param(fault, id=name, marks=[] if name in QUICK else pytest.mark.heavy)
    for name, fault in FAULTS.items()
]


@pytest_asyncio.fixture
async def office(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Office]:
    """An office that waits a second for the provider, and hears nothing from its webhooks."""
    await sandbox.subscribe(NO_ONE)
    async with open_office(client, time_skipper, sandbox, tmp_path, limits=Limits(write_total=1)) as office:
        yield office
    await office.mend()


@pytest.mark.parametrize("fault", CASES)
async def test_a_send_with_answer_was_lost_is_found_again(office: Office, fault: dict[str, Any]) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, at="after", **fault)
    handle = await office.start(agreement)
    await office.skip(handle, timedelta(minutes=15))
    document_id = await office.sent(handle)
    assert await office.documents_of(agreement) == [document_id]
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    result = await office.result(handle)
    assert (result.outcome, result.document_id) == (Outcome.COMPLETED, document_id)
    assert len(list(office.folder.glob(f"*/*/{agreement.reference}/signed.pdf"))) == 1


@pytest.mark.parametrize("fault", CASES)
async def test_a_send_that_left_no_trace_waits_for_a_person(office: Office, fault: dict[str, Any]) -> None:
    agreement = an_agreement()
    await office.break_call(SEND, at="before", **fault)
    handle = await office.start(agreement)
    await office.skip(handle, timedelta(minutes=15))
    status = await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    assert status.needs_attention is not None
    assert await office.documents_of(agreement) == []
