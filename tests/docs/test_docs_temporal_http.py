"""The requests of the page about Temporal's own HTTP API, against a server that has one."""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from countersign.agreements.names import TASK_QUEUE
from countersign.free_ports import free_port
from countersign.testing.server import start_temporal
from devstack.sandbox import Sandbox
from tests.conftest import tool
from tests.workflows.office import open_office

PAGE = (Path(__file__).parents[2] / "docs/how-to/temporals-http-api.md").read_text()
SCRIPTS = re.findall(r"^<!-- run -->\n```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.heavy
async def test_the_requests_start_follow_and_void_an_agreement(sandbox: Sandbox, tmp_path: Path) -> None:
    port = free_port()
    async with start_temporal(http_port=port) as server:
        skipper = TimeSkipper(server.client, config=TimeSkippingConfig(enabled=False))
        async with open_office(server.client, skipper, sandbox, tmp_path, task_queue=TASK_QUEUE) as office:
            head, start, follow, end = SCRIPTS
            url = f"http://127.0.0.1:{port}/api/v1/namespaces/default"
            runs = {json.loads(await run(url, head + start))["runId"] for _ in range(2)}
            assert len(runs) == 1
            await office.sent(office.handle("order-4001"))
            followed = await run(url, head + follow)
            assert '"stage":"awaiting_signatures"' in followed.replace(" ", "")
            (event,) = json.loads(await run(url, head + end))["history"]["events"]
            (result,) = event["workflowExecutionCompletedEventAttributes"]["result"]
            assert (result["reference"], result["outcome"]) == ("order-4001", "voided")


async def run(url: str, script: str) -> str:
    tool("curl")
    done = await asyncio.to_thread(
        subprocess.run,
        [tool("sh"), "-ec", script],
        env={"PATH": os.environ["PATH"], "API": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
