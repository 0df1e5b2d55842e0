"""The floors: plain Temporal workflows with the calls of an agreement, tuned as well as is known.

It uses nothing of Countersign: no claim, circuit, marker, checks, search attributes or types, and no
evidence beyond the files. `benchmarks/agreements.py` runs it. This is the one place that says what the
floors are:

| | tuned | one signal |
|---|---|---|
| signals to the workflow | sent, viewed, signed, completed | completed alone |
| task queues | a workflow queue and one for calls, as a circuit and a rate limit need | one |
| eager activities | no: a queue of its own excludes them | yes |
| provider slots | 20 | 20 |

Both: unsandboxed workflows, uvloop, 20 pollers, HTTP by hand on keep-alive connections
(`benchmarks.sandbox.Connection`, cheaper than an HTTP client), the SDK's default converter, a deadline timer.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.sandbox import Connection

TUNED: Final = "floor-tuned"
ONE_SIGNAL: Final = "floor-one-signal"
_POLLERS: Final = 20
_SLOTS: Final = 20


def calls_queue(queue: str) -> str:
    """Return the task queue of the calls: an own one only for the tuned floor."""
    return f"{queue}-calls" if queue == TUNED else queue


@dataclass
class Order:
    """The input: title and signers."""

    reference: str
    template_id: str
    variables: dict[str, str]
    signers: list[dict[str, str]]


class Calls:
    """The same provider calls, and nothing else.

    Args:
        base_url: Where the sandbox is.
        headers: The headers of all calls: credentials.
        folder: Where the files go.
    """

    def __init__(self, base_url: str, headers: dict[str, str], folder: Path) -> None:
        address = urlsplit(base_url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._headers = headers
        self._folder = folder
        self._idle: list[Connection] = []

    async def _call(self, method: str, path: str, body: Any = None, *, key: bool = True) -> bytes:
        connection = self._idle.pop() if self._idle else Connection(self._host, self._port)
        try:
            content = await connection.call(method, path, body, self._headers if key else {})
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return content

    async def _json(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(await self._call(method, path, body))

    @activity.defn
    async def generate(self, order: Order) -> str:
        """Make the document."""
        texts = [
            {"placeholder": f"{{{key}}}", "text": text, "mimeType": "text"}
            for key, text in order.variables.items()
        ]
        body = {"name": order.reference, "templateId": order.template_id, "variables": texts}
        made = await self._json("POST", "/v1/deliverable", body)
        return str(made["data"]["results"]["deliverable"]["id"])

    @activity.defn
    async def send(self, order: Order, deliverable_id: str) -> str:
        """Ask for signatures."""
        recipients = [
            {**signer, "signingOrder": number} for number, signer in enumerate(order.signers, start=1)
        ]
        fields = [
            {"type": "signature", "recipientEmail": signer["email"], "page": 1, "x": 50, "y": y}
            | {"width": 200, "height": 40}
            for y, signer in zip(range(700, 0, -60), order.signers, strict=False)
        ]
        body = {
            "deliverableId": deliverable_id,
            "documentName": order.reference,
            "recipients": json.dumps(recipients),
            "fields": json.dumps(fields),
            "senderEmail": "contracts@example.com",
            "senderName": "Example Contracts",
        }
        return str((await self._json("POST", "/turbosign/single/prepare-for-signing", body))["documentId"])

    @activity.defn
    async def archive(self, reference: str, document_id: str) -> int:
        """Confirm, download, store, with the audit trail."""
        document = f"/turbosign/documents/{document_id}"
        await self._json("GET", f"{document}/recipients")
        link = urlsplit((await self._json("GET", f"{document}/download"))["downloadUrl"])
        folder = self._folder / reference
        folder.mkdir(parents=True, exist_ok=True)
        content = await self._call("GET", f"{link.path}?{link.query}", key=False)
        (folder / "signed.pdf").write_bytes(content)
        (folder / "audit-trail.json").write_bytes(await self._call("GET", f"{document}/audit-trail"))
        return len(content)


@workflow.defn(name="Floor")
class Floor:
    """Generate, send, wait, archive."""

    def __init__(self) -> None:
        self._completed = False

    @workflow.run
    async def run(self, order: Order) -> int:
        """Run to the end."""
        queue = calls_queue(workflow.info().task_queue)
        options: workflow.ActivityConfig = {
            "task_queue": queue,
            "start_to_close_timeout": timedelta(seconds=30),
            "retry_policy": RetryPolicy(maximum_attempts=3),
        }
        deliverable = await workflow.execute_activity_method(Calls.generate, order, **options)
        document = await workflow.execute_activity_method(Calls.send, args=[order, deliverable], **options)
        await workflow.wait_condition(lambda: self._completed, timeout=timedelta(days=30))
        return await workflow.execute_activity_method(
            Calls.archive, args=[order.reference, document], **options
        )

    @workflow.signal
    def signature_event(self, event: dict[str, Any]) -> None:
        """Take an event in."""
        self._completed |= event["kind"] == "completed"


async def main(queue: str) -> None:
    """Run the worker of one floor until it is killed."""
    headers = {
        "authorization": f"Bearer {os.environ['TURBODOCX_API_KEY']}",
        "x-rapiddocx-org-id": os.environ["TURBODOCX_ORG_ID"],
    }
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    calls = Calls(os.environ["TURBODOCX_BASE_URL"], headers, Path(os.environ["FLOOR_STORE"]))
    activities: list[Callable[..., Any]] = [calls.generate, calls.send, calls.archive]
    own_queue = calls_queue(queue) != queue
    workers = [
        Worker(
            client,
            task_queue=queue,
            workflows=[Floor],
            activities=[] if own_queue else activities,
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_workflow_task_polls=_POLLERS,
            max_concurrent_activity_task_polls=_POLLERS,
            max_concurrent_activities=_SLOTS,
        )
    ]
    if own_queue:
        workers.append(
            Worker(
                client,
                task_queue=calls_queue(queue),
                activities=activities,
                max_concurrent_activities=_SLOTS,
                max_concurrent_activity_task_polls=_POLLERS,
                disable_eager_activity_execution=True,
            )
        )
    async with AsyncExitStack() as running:
        for worker in workers:
            await running.enter_async_context(worker)
        print("worker ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("queue", choices=(TUNED, ONE_SIGNAL))
    uvloop.run(main(parser.parse_args().queue))
