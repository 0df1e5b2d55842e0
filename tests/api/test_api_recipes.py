"""The requests of the page about n8n, Zapier and CRMs, sent as they are."""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from countersign.testing.office import eventually
from devstack.stack import Stack
from tests.api.api_caller import Caller
from tests.callbacks.callback_receiver import receiving
from tests.conftest import tool

PAGE = (Path(__file__).parents[2] / "docs/how-to/n8n-zapier-crm.md").read_text()
REQUESTS = re.findall(r"^<!-- request -->\n```http\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CODE = re.findall(r"^<!-- node -->\n```js\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ZAP = "https://hooks.zapier.com/hooks/catch/123456/abcdef/"
HUBSPOT = """
const event = {
  object: {objectId: 5002},
  inputFields: {company: "Example Ltd", effective_date: "2027-01-01", name: "Ada", email: "ada@example.com"},
};
exports.main(event, (done) => console.log(JSON.stringify(done.outputFields)));
"""


async def send(api: Caller, request: str) -> tuple[str, int, str]:
    """Send a request as it stands on the page; returns its method, the status and the reference."""
    head, _, body = request.partition("\n\n")
    line, *lines = head.splitlines()
    method, path = line.split()
    headers = dict(header.split(": ") for header in lines)
    assert headers["Authorization"] == "Bearer TOKEN"
    headers["Authorization"] = f"Bearer {api.token}"
    response = await api.with_token(None)(method, path, headers=headers, content=body or None)
    return method, response.status_code, response.json().get("reference", response.text)


async def test_the_requests_of_the_recipes_start_and_follow(api: Caller, stack: Stack) -> None:
    assert len(REQUESTS) == 5
    async with receiving() as receiver:
        sent = [
            await send(api, request.replace(ZAP, receiver.url))
            for request in REQUESTS
            if "deal-" not in request
        ]
        assert [(method, status) for method, status, _ in sent] == [("POST", 202), ("GET", 200)] * 2
        zap, _, record, _ = (reference for _, _, reference in sent)
        assert ZAP in PAGE
        for reference in (zap, record):
            view = await api.until(reference, "awaiting_signatures")
            await stack.sandbox.complete(view["document_id"])
            await api.until(reference, "completed")

        async def types() -> list[str]:
            return [call.event["type"] for call in receiver.calls]

        await eventually(types, lambda found: "agreement.completed" in found)
        assert receiver.calls[0].event["data"]["metadata"] == {"deal": "5001"}


@pytest.mark.heavy
async def test_the_code_for_hubspot_starts_an_agreement(api: Caller, stack: Stack) -> None:
    (code,) = CODE
    script = code.replace("https://countersign.example.com", stack.api_url) + HUBSPOT
    env = {"PATH": os.environ["PATH"], "API_TOKEN": str(api.token)}
    command = [tool("node", "nodejs"), "-e", script]
    for _ in range(2):
        done = await asyncio.to_thread(
            subprocess.run, command, env=env, capture_output=True, text=True, check=True, timeout=120
        )
        assert json.loads(done.stdout)["reference"] == "deal-5002"
    (request,) = (request for request in REQUESTS if "deal-5002" in request)
    assert await send(api, request) == ("GET", 200, "deal-5002")
