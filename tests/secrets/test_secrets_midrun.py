"""Rotation while agreements are in flight: the provider gets another key, its webhooks another secret."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cli.stack import plan
from countersign.agreements.messages import Outcome
from countersign.connection import connect
from countersign.loopback import LOOPBACK
from devstack.ports import Ports
from devstack.processes import Part, responds
from devstack.sandbox import API_KEY
from devstack.stack import Stack
from tests.workflows.office import Office, an_agreement

SECOND_KEY, THIRD_KEY = "TDX-test-second-key", "TDX-test-third-key"


@dataclass
class Keys:
    """Files that hold the secrets, as a secret manager's agent writes them."""

    folder: Path

    def put(self, name: str, value: str) -> None:
        draft = self.folder / f".{name}"
        draft.write_text(value)
        draft.replace(self.folder / name)


@dataclass
class Rotation:
    stack: Stack
    office: Office
    keys: Keys


@pytest_asyncio.fixture(loop_scope="session")
async def rotation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rotation]:
    keys = Keys(tmp_path_factory.mktemp("keys"))
    keys.put("TURBODOCX_API_KEY", API_KEY)
    environment = {
        "TURBODOCX_API_KEY": "",
        "COUNTERSIGN_SECRETS_DIR": str(keys.folder),
        "COUNTERSIGN_PACE": "30",
        "SANDBOX_RETRY_DELAYS": "1,2",
    }
    planned = replace(
        plan(tmp_path_factory.mktemp("rotation"), Ports.pick()),
        parts=("temporal", "sandbox", "worker"),
        extra_env=environment,
    )
    async with Stack(planned) as stack:
        keys.put(
            "TURBODOCX_WEBHOOK_SECRET",
            await stack.sandbox.subscribe(f"{stack.receiver_url}/webhooks/turbodocx"),
        )
        command = [sys.executable, "-m", "receiver"]
        command += ["--host", LOOPBACK, "--port", str(stack.ports.receiver)]
        ready = responds(f"{stack.receiver_url}/healthz")
        await stack.supervisor.start(Part("receiver", command, ready, stack.env, stack.folder))
        client = await connect(environment=stack.env)
        yield Rotation(stack, Office.on(stack, client, patience=60), keys)


async def replace_key(rotation: Rotation, key: str) -> None:
    """Have the provider refuse the old key from now on."""
    await rotation.stack.sandbox.call("PUT", "/_sandbox/access", {"api_key": key})
    rotation.stack.sandbox = rotation.office.sandbox = replace(rotation.stack.sandbox, api_key=key)


async def rotate_secret(rotation: Rotation) -> str:
    made = await rotation.stack.sandbox.call("POST", "/api/webhooks/signature/regenerate")
    return str(made["data"]["secret"])


@pytest.mark.heavy
async def test_not_one_agreement_fails(rotation: Rotation) -> None:
    office = rotation.office
    handles = [await office.start(an_agreement()) for _ in range(4)]
    documents = [await office.sent(handle) for handle in handles]

    rotation.keys.put("TURBODOCX_API_KEY", SECOND_KEY)  # as it should be: first here, then there
    await replace_key(rotation, SECOND_KEY)
    handles += [await office.start(an_agreement()) for _ in range(4)]
    documents += [await office.sent(handle) for handle in handles[4:]]
    assert await refusals(rotation) > 0, "nobody was refused: nothing was shown"

    rotation.keys.put("TURBODOCX_WEBHOOK_SECRET", await rotate_secret(rotation))
    seen = await refusals(rotation)
    await replace_key(rotation, THIRD_KEY)  # as it should not be: the new key comes late
    for document in documents:
        await office.sandbox.complete(document)
    await office.eventually(lambda: refusals(rotation), lambda count: count > seen)
    rotation.keys.put("TURBODOCX_API_KEY", THIRD_KEY)

    results = [await office.result(handle) for handle in handles]
    assert {(result.outcome, result.resolved_by) for result in results} == {(Outcome.COMPLETED, "webhook")}
    assert [str(result.document_id) for result in results] == documents
    committed = [item for item in await ledger(rotation) if item["kind"] == "document_created"]
    assert len(committed) == len(documents), "a refused key made somebody send twice"


async def refusals(rotation: Rotation) -> int:
    log = rotation.stack.supervisor.log("worker").read_text()
    return log.count('"status": 401')


async def ledger(rotation: Rotation) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = (await rotation.stack.sandbox.ledger())["entries"]
    return entries
