"""Whose a webhook's line is, is found out behind the answer: for many at once, and not for ever."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars
from temporalio.client import (
    Client,
    Interceptor,
    ListWorkflowsInput,
    OutboundInterceptor,
    WorkflowExecutionAsyncIterator,
)

from countersign.webhooks import late_lines
from countersign.webhooks.late_lines import LateLines
from tests.webhooks.webhook_deliveries import PATH, encode, envelope, sign
from tests.webhooks.webhook_doors import calling, door_in_process, running_door
from tests.webhooks.webhook_receiver import Agreement, start_agreement


class Questions(Interceptor):
    """Counts the questions to Temporal's visibility, and can hold up the answers.

    `behind`: so many questions are answered as if visibility had not heard of anything yet.
    """

    def __init__(self) -> None:
        self.count = 0
        self.behind = 0
        self.answering = asyncio.Event()
        self.answering.set()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  # the SDK's name
        return _Counted(next, self)


class _Counted(OutboundInterceptor):
    def __init__(self, following: OutboundInterceptor, questions: Questions) -> None:
        super().__init__(following)
        self._questions = questions

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:  # noqa: A002  # as above
        self._questions.count += 1
        found: Any = _held(super().list_workflows(input), self._questions)
        return found  # type: ignore[no-any-return]  # iterated, nothing else


async def _held(found: WorkflowExecutionAsyncIterator, questions: Questions) -> AsyncIterator[Any]:
    await questions.answering.wait()
    is_behind = questions.behind >= questions.count
    async for each in found:
        if not is_behind:
            yield each


@pytest.fixture
def questions() -> Questions:
    return Questions()


@pytest.fixture
def asked(receiving: Client, questions: Questions) -> Client:
    config = receiving.config()
    config["interceptors"] = [questions]
    return Client(**config)


class Page:
    """What was written."""

    def __init__(self, late: LateLines) -> None:
        self._late = late
        self.lines: list[tuple[str, dict[str, str]]] = []
        self._written = asyncio.Event()

    def write(self, workflow_id: str) -> None:
        def line(more: dict[str, str]) -> None:
            self.lines.append((workflow_id, more))
            self._written.set()

        with bound_contextvars(workflow_id=workflow_id):
            self._late.add(line)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.lines) < count:
                self._written.clear()
                await self._written.wait()


async def deliver(url: str, agreement: Agreement) -> int:
    body = encode(envelope(agreement.title))
    async with calling(url) as http:
        return (await http.post(PATH, content=body, headers=sign(body))).status_code


async def test_a_doors_line_carries_the_run_and_the_initiator(receiving: Client) -> None:
    running = await start_agreement(receiving, initiator="user-17")
    ended = await start_agreement(receiving, initiator="user-17", AgreementStage="completed")
    await ended.end()
    async with running_door(receiving) as door:
        assert [await deliver(door.url, each) for each in (running, ended)] == [200, 200]
        door.process.terminate()  # what still waits is written on the way out
        await door.process.wait()
        told = [json.loads(line) for line in door.logged().splitlines() if "verdict" in line]
        assert all(line.count('"timestamp"') == 1 for line in door.logged().splitlines())
    assert {line["verdict"] for line in told} == {"signalled", "contradicted"}
    for line in told:
        agreement = running if line["verdict"] == "signalled" else ended
        assert line["workflow_id"] == agreement.handle.id
        assert line["reference"] == agreement.handle.id.removeprefix("agreement-")
        assert line["run_id"] == agreement.handle.result_run_id
        assert line["initiated_by"] == "user-17"
        assert len(line["request_id"]) == 32
    await running.handle.terminate()


async def test_an_answer_does_not_wait_for_it(
    asked: Client, questions: Questions, agreement: Agreement, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "countersign.webhooks.journal")
    questions.answering.clear()
    async with door_in_process(asked) as url:
        assert [await deliver(url, agreement) for _ in range(3)] == [200] * 3
        assert caplog.records == []
        answered = time.time()
        questions.answering.set()
    assert [record.run_id for record in caplog.records] == [agreement.handle.result_run_id] * 3  # type: ignore[attr-defined]
    assert max(record.created for record in caplog.records) <= answered, "a line bears the time of its answer"


async def test_many_lines_are_one_question(asked: Client, questions: Questions) -> None:
    agreements = [await start_agreement(asked, initiator=f"user-{number}") for number in range(5)]
    late = LateLines(asked)
    page = Page(late)
    questions.answering.clear()
    for agreement in agreements * 20:
        page.write(agreement.handle.id)
    questions.answering.set()
    await page.until(100)
    known = {each.handle.id: each.handle.result_run_id for each in agreements}
    assert {name: more["run_id"] for name, more in page.lines} == known
    assert {more["initiated_by"] for _, more in page.lines} == {f"user-{number}" for number in range(5)}
    assert questions.count <= 2  # a second one if visibility was behind
    await late.close()
    await asyncio.gather(*(each.handle.terminate() for each in agreements))


async def test_a_line_waits_for_a_visibility_that_is_behind(
    asked: Client, questions: Questions, agreement: Agreement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_lines, "PAUSE_SECONDS", 0.05)
    questions.behind = 1
    late = LateLines(asked)
    page = Page(late)
    page.write(agreement.handle.id)
    await page.until(1)
    assert page.lines[0][1]["run_id"] == agreement.handle.result_run_id
    assert questions.count > 1
    await late.close()


async def test_what_temporal_does_not_know_is_not_waited_for_for_ever(
    asked: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_lines, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(late_lines, "PAUSE_SECONDS", 0.05)
    late = LateLines(asked)
    page = Page(late)
    page.write("agreement-nobody")
    await page.until(1)
    assert page.lines == [("agreement-nobody", {})]
    await late.close()


async def test_a_temporal_that_fails_costs_no_line(asked: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_lines, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(late_lines, "PAUSE_SECONDS", 0.05)
    late = LateLines(asked)
    page = Page(late)
    page.write("agreement-\\")  # no query of Temporal's
    await page.until(1)
    assert page.lines == [("agreement-\\", {})]
    await late.close()


async def test_what_is_too_much_is_written_at_once(
    asked: Client, questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_lines, "MOST_LINES", 2)
    late = LateLines(asked)
    page = Page(late)
    questions.answering.clear()
    for number in range(3):
        page.write(f"agreement-{number}")
    assert page.lines == [("agreement-2", {})]
    questions.answering.set()
    await late.close()
    assert len(page.lines) == 3, "closing loses none"
