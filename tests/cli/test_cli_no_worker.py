"""Without a worker that answers, every verb ends soon and says so, and nothing is done later unseen."""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from countersign.agreements.reference import workflow_id
from countersign.client import worker_calls
from countersign.client.errors import ExitCode, UnreachableError
from countersign.connection import connect
from countersign.entry import INTERRUPTED
from devstack.stack import Stack
from tests.cli.shell import Ran, Shell, start_waiting
from tests.polling import poll

pytestmark = pytest.mark.thorough

_NO_ONE = (
    "no worker responds: start one with `python worker.py` or as a service, "
    "or check why your worker is blocked; "
)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_calls, "_QUERY_TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr(worker_calls, "_UPDATE_TIMEOUT", timedelta(seconds=1))


@contextmanager
def frozen(stack: Stack, part: str = "worker") -> Iterator[None]:
    """A part of the stack that stands still, and goes on afterwards."""
    stack.supervisor.pause(part)
    try:
        yield
    finally:
        stack.supervisor.resume(part)


def _status(shell: Shell, reference: str) -> Any:
    """What a worker tells that has just gone on."""

    def answered() -> Any:
        ran = shell("status", reference, "--json")
        return json.loads(ran.out) if ran.code == 0 else None

    return poll(answered)


@pytest.mark.usefixtures("impatient")
def test_what_no_worker_was_asked_is_not_done_later(shell: Shell, stack: Stack, reference: str) -> None:
    where = f'WorkflowId = "agreement-{reference}"'
    verbs = {
        "void": ["--reason", "Only a test"],
        "remind": [],
        "resolve": ["--abandon"],
    }
    with frozen(stack):
        reported = {verb: shell(verb, reference, *rest) for verb, rest in verbs.items()}
        many = shell("void", "--where", where, "--reason", "Only a test", "--yes")
        shown = shell("status", reference)
        replaced = shell("replace-signer", reference, "--signer", "1", "--by", "Joan <joan@example.com>")
    for verb, ran in reported.items():
        sentence = f"{reference}: {_NO_ONE}nothing is lost meanwhile; `{verb}` was not requested\n"
        assert (ran.code, ran.out, _said(ran)) == (ExitCode.UNREACHABLE, "", sentence)
    assert (many.code, _said(many)) == (ExitCode.UNREACHABLE, _said(reported["void"]))
    for ran in (shown, replaced):
        assert (ran.code, ran.out) == (ExitCode.UNREACHABLE, "")
        assert _said(ran) == f"{reference}: {_NO_ONE}nothing is lost meanwhile\n"
    assert _status(shell, reference)["stage"] == "awaiting_signatures"
    assert not asyncio.run(_updates(reference))


def _said(ran: Ran) -> str:
    """The last line; one before it may tell what is waited for."""
    return ran.err.splitlines(keepends=True)[-1]


async def _updates(reference: str) -> list[str]:
    """What the agreement was told, as its history has it."""
    history = await (await connect()).get_workflow_handle(workflow_id(reference)).fetch_history()
    accepted = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name
        for event in history.events
    ]
    return [name for name in accepted if name]


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_stops_in_the_middle_may_do_it_yet_and_that_is_said(
    shell: Shell, stack: Stack, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answered(*_: object) -> None:
        """As if the worker had stopped a moment later."""

    with frozen(stack), monkeypatch.context() as patch:
        patch.setattr(worker_calls, "ask_status", answered)
        ran = shell("void", reference, "--reason", "Only a test")
    assert (ran.code, ran.out) == (ExitCode.UNREACHABLE, "")
    assert ran.err == (
        f"{reference}: the worker did not respond in time and may still execute `void`; it is blocked or "
        f"waits for the provider: see `status {reference}`\n"
    )
    assert poll(lambda: _status(shell, reference)["result"])["outcome"] == "voided"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_stands_still_is_not_taken_for_a_worker(
    shell: Shell, stack: Stack, reference: str
) -> None:
    async def both() -> None:
        handle = (await connect()).get_workflow_handle(workflow_id(reference))
        with frozen(stack, "temporal"), pytest.raises(UnreachableError) as failed:
            await worker_calls.ask_status(handle, reference)
        assert str(failed.value) == "Temporal did not respond in time: retrying is safe"

    asyncio.run(both())
    assert _status(shell, reference)["stage"] == "awaiting_signatures"


def test_anyone_waits_is_reported_for_what_and_may_stop(shell: Shell, stack: Stack, reference: str) -> None:
    with frozen(stack), shell.process("void", reference, "--reason", "Only a test") as void:
        assert void.stderr is not None
        assert void.stderr.readline() == f"{reference}: waiting for its worker\n"
        os.kill(void.pid, signal.SIGINT)
        assert (void.wait(30), void.stderr.read()) == (INTERRUPTED, "")


async def test_ctrl_c_while_an_update_is_under_way_is_no_answer(
    shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    del shell
    reference = f"alone-{uuid.uuid4().hex[:10]}"
    await start_waiting(reference)
    asked = asyncio.Event()

    async def answered(*_: object) -> None:
        asyncio.get_running_loop().call_later(0.2, asked.set)

    handle = (await connect()).get_workflow_handle(workflow_id(reference))
    monkeypatch.setattr(worker_calls, "ask_status", answered)
    with frozen(stack):
        sending = asyncio.create_task(worker_calls.send_update(handle, reference, "remind", None))
        await asked.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
