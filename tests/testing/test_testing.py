"""A project that runs agreements from its own workflow tests it with `countersign.testing` alone."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker
from temporalio.workflow import NondeterminismError

from countersign.agreements.events import EventKind
from countersign.agreements.messages import AgreementInput, Outcome, Stage
from countersign.client import void_agreement
from countersign.testing import (
    Office,
    an_agreement,
    open_office,
    record_history,
    replay_histories,
    start_temporal,
)
from countersign.testing.server import temporal_executable
from tests.testing.orders import Order, ReorderedOrder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office() -> AsyncIterator[Office]:
    async with open_office() as office, Worker(office.client, task_queue="orders", workflows=[Order]):
        yield office


async def order(office: Office, agreement: AgreementInput) -> Any:
    return await office.client.start_workflow(
        Order.run, agreement, id=f"order-{uuid.uuid4().hex}", task_queue="orders"
    )


@pytest.mark.parametrize(
    "kind", [EventKind.COMPLETED, EventKind.VOIDED, EventKind.DECLINED, EventKind.EXPIRED]
)
async def test_a_test_decides_how_a_document_ends(office: Office, kind: EventKind) -> None:
    agreement = an_agreement()
    handle = await order(office, agreement)
    await office.end(agreement.reference, kind)
    assert await handle.result() == f"order {kind}"


async def test_an_agreement_can_be_started_followed_and_voided(office: Office) -> None:
    agreement = an_agreement()
    handle = await office.start(agreement)
    await office.until_stage(handle, Stage.AWAITING_SIGNATURES)
    await void_agreement(agreement.reference, "A test.", client=office.client)
    result = await office.result(handle)
    assert (result.outcome, result.reason) == (Outcome.VOIDED, "A test.")


async def test_cancelling_the_parent_voids_the_document(office: Office) -> None:
    agreement = an_agreement()
    handle = await order(office, agreement)
    child = office.handle(agreement.reference)
    await office.until_stage(child, Stage.AWAITING_SIGNATURES)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    status = await office.until(child, lambda status: status.result is not None)
    assert status.stage is Stage.VOIDED


async def test_a_recorded_history_replays_until_the_code_takes_other_steps(
    office: Office, tmp_path: Path
) -> None:
    agreement = an_agreement()
    handle = await order(office, agreement)
    await office.end(agreement.reference)
    await handle.result()
    await record_history(handle, tmp_path / "completed.json")
    assert await replay_histories(tmp_path, [Order]) == 1
    with pytest.raises(NondeterminismError):
        await replay_histories(tmp_path, [ReorderedOrder])


async def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no recorded history"):
        await replay_histories(tmp_path, [Order])


async def test_a_server_that_is_slow_to_start_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK waits five seconds, which are too few on a busy machine."""
    slow_once = tmp_path / "temporal"
    slow_once.write_text(
        f'#!/bin/sh\n[ -e "{tmp_path}/called" ] || {{ touch "{tmp_path}/called"; exec sleep 60; }}\n'
        f'exec "{temporal_executable()}" "$@"\n'
    )
    slow_once.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    async with start_temporal() as environment:
        assert await environment.client.service_client.check_health()
