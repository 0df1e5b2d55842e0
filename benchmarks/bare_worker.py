"""The baseline: a plain Temporal workflow with the same calls and signals.

It uses nothing of Countersign: no claim, circuit, marker or polling, and no evidence beyond the files.
`benchmarks/agreements.py` runs it.
"""

import asyncio
import json
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    import httpx

QUEUE = "bare"
CALLS = "bare-calls"


@dataclass
class Order:
    """The input: title and signers."""

    reference: str
    template_id: str
    variables: dict[str, str]
    signers: list[dict[str, str]]


class Calls:
    """The same provider calls, and nothing else."""

    def __init__(self, http: httpx.AsyncClient, folder: Path) -> None:
        self._http = http
        self._folder = folder

    async def _json(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self._http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

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
        link = await self._json("GET", f"{document}/download")
        folder = self._folder / reference
        folder.mkdir(parents=True)
        async with self._http.stream("GET", link["downloadUrl"], headers={"Authorization": ""}) as file:
            content = await file.aread()
        (folder / "signed.pdf").write_bytes(content)
        trail = await self._json("GET", f"{document}/audit-trail")
        (folder / "audit-trail.json").write_text(json.dumps(trail))
        return len(content)


@workflow.defn(name="BareAgreement")
class BareAgreement:
    """Generate, send, wait, archive."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []

    @workflow.run
    async def run(self, order: Order) -> int:
        """Run to the end."""
        options: workflow.ActivityConfig = {
            "task_queue": CALLS,
            "start_to_close_timeout": timedelta(seconds=150),
        }
        deliverable = await workflow.execute_activity_method(Calls.generate, order, **options)
        document = await workflow.execute_activity_method(Calls.send, args=[order, deliverable], **options)
        await workflow.wait_condition(
            lambda: any(event["kind"] == "completed" for event in self._events), timeout=timedelta(days=30)
        )
        return await workflow.execute_activity_method(
            Calls.archive, args=[order.reference, document], **options
        )

    @workflow.signal
    def signature_event(self, event: dict[str, Any]) -> None:
        """Take an event in."""
        self._events.append(event)


async def main() -> None:
    """Run the worker until it is killed, with the settings of Countersign's worker."""
    headers = {
        "Authorization": f"Bearer {os.environ['TURBODOCX_API_KEY']}",
        "x-rapiddocx-org-id": os.environ["TURBODOCX_ORG_ID"],
    }
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    base_url = os.environ["TURBODOCX_BASE_URL"]
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=120) as http:
        calls = Calls(http, Path(os.environ["BARE_STORE"]))
        async with (
            Worker(client, task_queue=QUEUE, workflows=[BareAgreement]),
            Worker(
                client,
                task_queue=CALLS,
                activities=[calls.generate, calls.send, calls.archive],
                max_concurrent_activities=20,
                disable_eager_activity_execution=True,
            ),
        ):
            print("worker ready", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
