"""The API's reference: current, complete, and every request on it does what it says."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from temporalio.client import Client

from countersign.agreements.batches import BATCH_ID_PREFIX
from countersign.api import reference
from countersign.api.app import document
from countersign.api.examples import EXAMPLES
from devstack.stack import Stack
from tests.api.api_caller import Caller, a_draft, start_paused_batch
from tests.conftest import tool

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / reference.PAGE).read_text()
HOW_TO = (ROOT / "docs/how-to/call-it-over-http.md").read_text()
STEP = re.compile(
    r"^(?:<!-- sign (?P<sign>\S+) -->|<!-- await (?P<awaited>\S+) -->|"
    r"<!-- run -->\n```sh\n(?P<script>.*?)^```)$",
    re.MULTILINE | re.DOTALL,
)
SCRIPT = re.compile(r"^```sh\n(curl .*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_reference_is_current() -> None:
    assert reference.page() == PAGE, "run: make reference"
    assert (ROOT / reference.OPENAPI).read_text() == reference.openapi(), "run: make reference"


async def test_the_served_document_is_the_published_one(api: Caller) -> None:
    served = await api.with_token(None).get("/openapi.json")
    assert served.json() == json.loads(reference.openapi())


def test_every_operation_is_described_and_has_an_example() -> None:
    described = document().openapi()
    operations = [operation for item in described["paths"].values() for operation in item.values()]
    assert {operation["operationId"] for operation in operations} == set(EXAMPLES)
    schemas = described["components"]["schemas"]
    for name in ("NewAgreement", "Agreement", "NewSigner", "Resolution"):
        missing = [
            field for field, about in schemas[name]["properties"].items() if "description" not in about
        ]
        assert missing == [], name


def test_the_examples_fit_their_schemas() -> None:
    described = document().openapi()

    def check(value: Any, name: str) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        assert list(Draft202012Validator(schema).iter_errors(value)) == [], name

    check(EXAMPLES["get_agreement"].result, "Agreement")
    check(EXAMPLES["remind_agreement"].result, "Accepted")
    for item in described["paths"].values():
        for operation in item.values():
            if body := operation.get("requestBody"):
                if (media := body["content"].get("application/json")) is None:
                    continue  # a form, which the requests of the page send
                check(media["example"], media["schema"]["$ref"].rpartition("/")[2])


async def test_every_request_of_the_page_does_what_it_says(
    api: Caller, stack: Stack, temporal: Client, tmp_path: Path
) -> None:
    for batch in ("autumn-renewal", "winter-renewal"):
        await start_paused_batch(temporal, batch)
    await api.start(a_draft("order-4710"))
    await api.start(a_draft("order-4713", review=True))
    await stack.sandbox.complete((await api.until("order-4710", "awaiting_signatures"))["document_id"])
    await api.until("order-4710", "completed")
    await api.until("order-4713", "in_review")
    on_page = {f"{reference.CURL} \\\n    {example.command}\n" for example in EXAMPLES.values()}
    assert set(SCRIPT.findall(PAGE)) == on_page
    for name, example in EXAMPLES.items():
        status = _curl(stack, tmp_path, f"{reference.CURL} -w '\\n%{{http_code}}' {example.command}")
        assert status == example.status, name
        if name == "start_agreement":
            await api.until("order-4711", "awaiting_signatures")
    assert (tmp_path / "signed.pdf").read_bytes().startswith(b"%PDF-")
    await temporal.get_workflow_handle(f"{BATCH_ID_PREFIX}autumn-renewal").terminate()  # it has no rows


def _curl(stack: Stack, folder: Path, script: str) -> int:
    env = {"PATH": os.environ["PATH"], "API": stack.api_url, "TOKEN": stack.api_token.read_text().strip()}
    tool("curl")
    done = subprocess.run(
        [tool("sh"), "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return int(done.stdout.rpartition("\n")[2])


async def test_the_recipes_work_in_their_order(api: Caller, stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    steps = list(STEP.finditer(HOW_TO))
    assert len(steps) > 6
    head = str(steps[0]["script"])
    for step in steps:
        if step["sign"]:
            view = await api.until(step["sign"], "awaiting_signatures")
            await stack.sandbox.complete(view["document_id"])
            await api.until(step["sign"], "completed")
        elif step["awaited"]:
            await api.until(step["awaited"], "awaiting_signatures")
        else:
            script = f"set -e\n{head}{step['script']}printf '\\n200'\n"
            assert _curl(stack, tmp_path, script) == 200
    assert (tmp_path / "signed.pdf").read_bytes().startswith(b"%PDF-")
