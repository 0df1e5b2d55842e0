"""The backlog metrics's gauges are true or absent, never old."""

import asyncio
import uuid

import pytest
from prometheus_client import REGISTRY
from temporalio.client import Client

from countersign.connection import connect
from countersign.observability.backlog_metrics import BacklogMetrics, Queue


def backlog_metrics(client: Client, queue: str) -> BacklogMetrics:
    return BacklogMetrics(
        client,
        workflow_type="AgreementWorkflow",
        waiting_for=("signatures",),
        queues=(Queue(queue, "workflow"),),
        seconds=0.001,
        task_queue=queue,
        accounts=("turbodocx",),
    )


def backlog(queue: str) -> float | None:
    labels = {"task_queue": queue, "kind": "workflow", "provider": ""}
    return REGISTRY.get_sample_value("countersign_task_queue_backlog", labels)


async def test_tasks_without_a_worker_are_a_backlog(client: Client) -> None:
    queue = uuid.uuid4().hex
    await client.start_workflow("AgreementWorkflow", id=queue, task_queue=queue)
    counted = backlog_metrics(client, queue)
    async with asyncio.timeout(20):  # the server counts a task a moment after it has come
        while backlog(queue) != 1:
            await counted.refresh()
    assert counted.queues[0].backlog == 1
    await client.get_workflow_handle(queue).terminate()


async def test_nothing_is_reported_while_temporal_does_not_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = uuid.uuid4().hex
    await backlog_metrics(client, queue).refresh()
    assert backlog(queue) == 0
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    lost = backlog_metrics(await connect(lazy=True), queue)
    await lost.refresh()
    assert backlog(queue) is None
    assert lost.queues[0].backlog is None
