"""The Documenso sandbox as a process, and a client of its API."""

import io
import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import httpx
from fpdf import FPDF
from pypdf import PdfReader

from tests.sandbox.sandbox_kit import start_sandbox

API_KEY = "api_sandbox_team_one"
OTHER_KEY = "api_sandbox_team_two"
EXPIRED_KEY = "api_sandbox_expired"
SECRET = "a-secret"
QUICK = {"retry_delays": [0.02, 0.02, 0.02], "delivery_timeout": 2, "mail_delay": 0, "seal_delay": 0}
SLOW_JOBS = {"mail_delay": 3600, "seal_delay": 3600}


def start_documenso(*arguments: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """Start a Documenso sandbox on a free port; returns its process and its address."""
    return start_sandbox(*arguments, provider="documenso", **environment)


def pdf(*lines: str, pages: int = 1) -> bytes:
    document = FPDF(format="letter")
    document.set_font("helvetica", size=12)
    for number in range(pages):
        document.add_page()
        for line in lines or (f"Page {number + 1}",):
            document.multi_cell(0, 12, line, new_x="LMARGIN", new_y="NEXT")
    return bytes(document.output())


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def signer(number: int = 1, **changes: Any) -> dict[str, Any]:
    place = {"page": 1, "positionX": 10, "positionY": 30 + 10 * number, "width": 30, "height": 5}
    person = {
        "email": f"signer{number}@example.com",
        "name": f"Signer {number}",
        "role": "SIGNER",
        "signingOrder": number,
        "fields": [{"type": "SIGNATURE", **place}],
    }
    return person | changes


class Api(httpx.Client):
    """The API for one token, with the calls of many tests."""

    def __init__(self, base_url: str, token: str = API_KEY) -> None:
        headers = {"authorization": token} if token else {}
        super().__init__(base_url=base_url, headers=headers, timeout=20, trust_env=False)

    def call(self, path: str, **body: Any) -> Any:
        answer = self.post(f"/api/v2/envelope/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def try_create(self, payload: dict[str, Any], *files: tuple[str, bytes, str]) -> httpx.Response:
        parts = [("files", file) for file in files or (("contract.pdf", pdf(), "application/pdf"),)]
        return self.post("/api/v2/envelope/create", data={"payload": json.dumps(payload)}, files=parts)

    def create(self, *files: tuple[str, bytes, str], signers: int = 1, **changes: Any) -> str:
        people = [signer(number) for number in range(1, signers + 1)]
        payload = {"type": "DOCUMENT", "title": "Contract", "recipients": people} | changes
        answer = self.try_create(payload, *files)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def use(self, payload: dict[str, Any], *files: tuple[str, bytes, str]) -> httpx.Response:
        parts: list[Any] = [("payload", (None, json.dumps(payload), "application/json"))]
        parts += [("files[]", file) for file in files]
        return self.post("/api/v2/envelope/use", files=parts)

    def dispatch(self, **changes: Any) -> str:
        envelope_id = self.create(**changes)
        self.call("distribute", envelopeId=envelope_id)
        return envelope_id

    def envelope(self, envelope_id: str) -> Any:
        answer = self.get(f"/api/v2/envelope/{envelope_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def find(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.get("/api/v2/envelope", params=query)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows

    def act(self, envelope_id: str, what: str, number: int = 1, **body: Any) -> httpx.Response:
        """Act as the recipient with this place in the order."""
        people = self.get(f"/_sandbox/documents/{envelope_id}").json()["recipients"]
        person = people[number - 1]["id"]
        return self.post(f"/_sandbox/documents/{envelope_id}/recipients/{person}/{what}", json=body)

    def complete(self, envelope_id: str, **body: Any) -> None:
        self.post(f"/_sandbox/documents/{envelope_id}/complete", json=body).raise_for_status()

    def wait(self, envelope_id: str, condition: Callable[[Any], bool]) -> Any:
        """Wait until an envelope fulfills a condition, and return it."""
        deadline = time.monotonic() + 20
        while not condition(envelope := self.envelope(envelope_id)):
            assert time.monotonic() < deadline, envelope
            time.sleep(0.03)
        return envelope

    def ended(self, envelope_id: str) -> Any:
        return self.wait(envelope_id, lambda envelope: envelope["completedAt"] is not None)

    def behave(self, **switches: Any) -> None:
        self.patch("/_sandbox/behaviour", json=switches).raise_for_status()

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.get("/_sandbox/ledger", params={"kind": kind}).json()["entries"]
        return entries

    def subscribe(self, url: str, secret: str = SECRET, **body: Any) -> str:
        answer = self.post("/_sandbox/webhooks", json={"url": url, "secret": secret, **body})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])
