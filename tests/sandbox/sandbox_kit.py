"""The sandbox as a process, a client of its API, and a receiver for its webhooks."""

import hashlib
import hmac
import io
import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pypdf import PdfReader

ADMIN_KEY = "TDX-test-administrator"
MEMBER_KEY = "TDX-test-contributor"
ORG_ID = "0f9d3c5e-5a4b-4c1d-8e2f-000000000001"
SERVICES_AGREEMENT = "7e3a1c00-0000-4000-8000-000000000001"
MUTUAL_NDA = "7e3a1c00-0000-4000-8000-000000000002"
ORDER_FORM = "7e3a1c00-0000-4000-8000-000000000003"
EVENTS = ["sent", "viewed", "recipient_signed", "signed", "completed", "finalization_failed", "voided"]


def start_sandbox(
    *arguments: str, provider: str = "turbodocx", **environment: str
) -> tuple[subprocess.Popen[str], str]:
    """Start a sandbox on a free port; returns its process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", provider, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Sandbox: http://"), (line, process.poll())
    return process, line.split()[1]


def stop(process: subprocess.Popen[str]) -> int:
    process.terminate()
    code = process.wait(30)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    return code


class Api(httpx.Client):
    """The API for one key, with the calls of many tests."""

    def __init__(self, base_url: str, key: str = ADMIN_KEY, org_id: str = ORG_ID) -> None:
        headers = {"authorization": f"Bearer {key}", "x-rapiddocx-org-id": org_id}
        super().__init__(base_url=base_url, headers=headers, timeout=20, trust_env=False)

    def deliverable(self, name: str = "Contract", **variables: str) -> str:
        body = {
            "name": name,
            "templateId": SERVICES_AGREEMENT,
            "variables": [
                {"placeholder": f"{{{key}}}", "text": text, "mimeType": "text"}
                for key, text in variables.items()
            ],
        }
        answer = self.post("/v1/deliverable", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["results"]["deliverable"]["id"])

    def dispatch(self, *, signers: int = 2, title: str = "Contract", **changes: Any) -> dict[str, Any]:
        answer = self.post("/turbosign/single/prepare-for-signing", json=self.body(signers, title, **changes))
        assert answer.status_code == 200, answer.text
        sent: dict[str, Any] = answer.json()
        return sent

    def body(self, signers: int = 2, title: str = "Contract", **changes: Any) -> dict[str, Any]:
        people: list[dict[str, Any]] = [
            {"name": f"Signer {n}", "email": f"signer{n}@example.com", "signingOrder": n}
            for n in range(1, signers + 1)
        ]
        fields = [
            signature(person["email"], f"{{signature{min(n, 2)}}}") for n, person in enumerate(people, 1)
        ]
        given = {
            "documentName": title,
            "senderEmail": "sender@example.com",
            "senderName": "The Sender",
            "recipients": json.dumps(people),
            "fields": json.dumps(fields),
        }
        if not {"templateId", "fileLink", "deliverableId"} & set(changes):
            given["templateId"] = SERVICES_AGREEMENT
        return {key: value for key, value in (given | changes).items() if value is not None}

    def complete(self, document_id: str, **body: Any) -> httpx.Response:
        return self.post(f"/_sandbox/documents/{document_id}/complete", json=body)

    def status(self, document_id: str) -> str:
        return str(self.get(f"/turbosign/documents/{document_id}/status").json()["data"]["status"])

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.get("/_sandbox/ledger", params={"kind": kind}).json()["entries"]
        return entries

    def subscribe(self, url: str) -> str:
        body = {
            "name": "signature",
            "urls": [url],
            "events": [f"signature.document.{event}" for event in EVENTS],
        }
        answer = self.post("/api/webhooks", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["secret"])


def signature(email: str, anchor: str) -> dict[str, Any]:
    size = {"width": 100, "height": 30}
    template = {"anchor": anchor, "placement": "replace", "size": size}
    return {"type": "signature", "recipientEmail": email, "template": template}


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


@dataclass
class Delivery:
    headers: dict[str, str]
    raw: bytes

    @property
    def event(self) -> str:
        return str(json.loads(self.raw)["event"]).rpartition(".")[2]

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.raw)["data"]
        return data

    def signed_by(self, secret: str) -> bool:
        message = self.headers["x-turbodocx-timestamp"].encode() + b"." + self.raw
        digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
        return self.headers["x-turbodocx-signature"] == f"sha256={digest}"


@dataclass
class Receiver:
    """A webhook receiver with scripted statuses; without a script it returns 200."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, count: int) -> list[Delivery]:
        """Wait for `count` deliveries and return them."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.deliveries) >= count, 30), self.events()
            return list(self.deliveries)

    def events(self) -> list[str]:
        return [delivery.event for delivery in self.deliveries]

    def take(self, headers: dict[str, str], raw: bytes) -> int:
        with self.changed:
            self.deliveries.append(Delivery(headers, raw))
            self.changed.notify_all()
            return self.answers.pop(0) if self.answers else 200
