"""Canaries: planted as every key, name, address and text, they are found nowhere that we write."""

import asyncio
import hashlib
import json
import os
import secrets
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format
from temporalio.client import Client

from cli.stack import plan
from countersign.agreements.messages import AgreementInput
from countersign.connection import connect
from countersign.encryption import EncryptionCodec
from countersign.free_ports import free_port
from countersign.loopback import LOOPBACK
from countersign.observability.patterns import MASK
from countersign.storage import put
from devstack.ports import Ports
from devstack.processes import Part, responds
from devstack.stack import Stack
from tests.callbacks.callback_receiver import receiving
from tests.observability.collector import Collector, collecting
from tests.polling import poll
from tests.secrets import canaries
from tests.workflows.office import SEND, TEMPLATE, Handle, Office, an_agreement
from workflows.agreement import AgreementWorkflow

ROOT = Path(__file__).parents[2]
KEY = secrets.token_bytes(32)
FAULTS: list[dict[str, Any]] = [
    {"path": SEND, "do": "status", "status": 500, "at": "after"},
    {"path": SEND, "do": "drop", "at": "after"},
    {"path": SEND, "do": "truncate", "at": "after"},
    {"path": "/v1/deliverable", "method": "POST", "do": "html"},
    {"path": "/v1/deliverable", "do": "status", "status": 503, "body": {"message": "for {everything}"}},
    {"path": "/turbosign/documents/*/download", "do": "corrupt"},
    {"path": "/_sandbox/storage/*", "do": "status", "status": 403, "body": "<Error>{everything}</Error>"},
]
"""What goes wrong on the way of one agreement each; each of them gets well again."""
IDS = {"reference", "workflow_id", "run_id", "request_id"}
BY_NATURE = ("Started server process", "webhook not_ours", "webhook test")
REFUSAL = {
    "path": SEND,
    "do": "status",
    "status": 400,
    "body": {"message": "no: {everything}", "code": "Bad"},
}
"""A provider that quotes people: its words are in the failure, which is encrypted, and on terminals."""


@dataclass
class House:
    """A stack full of canaries."""

    stack: Stack
    office: Office
    client: Client
    webhook_secret: str
    metrics: list[int]
    collector: Collector
    out: bytes = b""

    @property
    def canaries(self) -> tuple[str, ...]:
        own = (canaries.API_KEY, canaries.CALLBACK_KEY, canaries.CALLBACK_SECRET.removeprefix("whsec_"))
        return (*own, self.webhook_secret, b64encode(KEY).decode(), *canaries.PEOPLE)

    async def type(self, *commands: Sequence[str]) -> None:
        """Run commands, and keep what they print."""
        done = await self._type(commands)
        self.out += done.stdout + done.stderr

    async def link(self, reference: str, signer: int) -> str:
        """Make a signing link; return its secret part, and keep all else that is printed."""
        done = await self._type([("signing-link", reference, "--signer", str(signer))])
        self.out += done.stderr
        url = done.stdout.decode().strip()
        assert url.startswith(self.stack.sandbox.url)
        return url.rpartition("/")[2]

    async def _type(self, commands: Sequence[Sequence[str]]) -> "subprocess.CompletedProcess[bytes]":
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(Path(__file__).with_name("command_line_session.py"))],
            input=json.dumps(commands).encode(),
            env=self.stack.env,
            cwd=self.stack.folder,
            capture_output=True,
            timeout=60,
            check=True,
        )

    def log(self, name: str) -> bytes:
        return self.stack.supervisor.log(name).read_bytes()

    async def pages(self) -> bytes:
        """All metrics, of worker and receiver."""
        urls = [f"http://{LOOPBACK}:{port}/{page}" for port in self.metrics for page in ("metrics", "status")]
        return b"".join([await asyncio.to_thread(_get, url) for url in urls[:-1]])


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback
        content: bytes = answer.read()
    return content


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> AsyncIterator[House]:
    metrics = [free_port(), free_port()]
    planned = replace(
        plan(tmp_path_factory.mktemp("canary"), Ports.pick()),
        worker=[sys.executable, str(Path(__file__).with_name("canary_worker.py"))],
        parts=("temporal", "sandbox"),
        extra_env={
            "TURBODOCX_API_KEY": canaries.API_KEY,
            "TURBODOCX_SENDER_EMAIL": canaries.SENDER_EMAIL,
            "TURBODOCX_SENDER_NAME": canaries.SENDER_NAME,
            "COUNTERSIGN_ENCRYPTION_KEYS": f"k1:{b64encode(KEY).decode()}",
            "COUNTERSIGN_LOG_LEVEL": "DEBUG",
            "COUNTERSIGN_LOG_BODIES": "redacted",
            "COUNTERSIGN_WORKER_METRICS_PORT": str(metrics[0]),
            "COUNTERSIGN_WEBHOOKS_METRICS_PORT": str(metrics[1]),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        },
    )
    async with Stack(planned) as stack:
        secret = await stack.sandbox.subscribe(f"{stack.receiver_url}/webhooks/turbodocx")
        await stack.sandbox.call("PUT", "/_sandbox/access", {"api_key": canaries.API_KEY})
        stack.sandbox = replace(stack.sandbox, api_key=canaries.API_KEY)
        stack.env = {**stack.env, "TURBODOCX_WEBHOOK_SECRET": secret}
        await stack.start("worker")
        await _start_receiver(stack)
        client = await connect(environment=stack.env, codec=EncryptionCodec({"k1": KEY}))
        office = Office.on(stack, client)
        yield House(stack, office, client, secret, metrics, collector)


async def _start_receiver(stack: Stack) -> None:
    command = [
        sys.executable,
        "-m",
        "receiver",
        "--host",
        LOOPBACK,
        "--port",
        str(stack.ports.receiver),
    ]
    await stack.supervisor.start(
        Part("receiver", command, responds(f"{stack.receiver_url}/healthz"), stack.env, stack.folder)
    )


def agreement(**changes: Any) -> AgreementInput:
    values = (canaries.COMPANY, canaries.SENDER_NAME, canaries.PHONE, "1,000", "2026-01-01")
    names = ("CustomerName", "CompanyName", "Service", "Price", "StartDate")
    return an_agreement(
        title=canaries.TITLE,
        description=canaries.DESCRIPTION,
        source={
            "kind": "template",
            "template_id": TEMPLATE,
            "variables": dict(zip(names, values, strict=True)),
        },
        signers=[{"name": name, "email": email} for name, email in canaries.SIGNERS.items()],
        cc=[canaries.COPY],
        initiated_by="user-17",
        **changes,
    )


async def sign(house: House, handle: Handle) -> None:
    """Wait until it is out, sign it as everybody, wait for the archive."""
    document_id = await house.office.sent(handle)
    first, *_ = await house.office.sandbox.recipient_ids(document_id)
    await house.office.sandbox.view(document_id, first)
    await house.office.sandbox.complete(document_id)
    await house.office.result(handle)


def quoting(fault: dict[str, Any]) -> dict[str, Any]:
    """Have the provider quote what is private in its answer."""
    everything = " ".join((*canaries.PEOPLE, canaries.API_KEY))
    quoted: dict[str, Any] = json.loads(json.dumps(fault).replace("{everything}", everything))
    return quoted


async def be_called_back(house: House) -> Handle:
    """Complete an agreement with a credential in its callback URL and a secret; the first attempt fails."""
    secret = canaries.CALLBACK_SECRET.encode()
    key = f"files/{hashlib.sha256(secret).hexdigest()}.secret"
    await put(house.office.store, key, secret)
    async with receiving() as receiver:
        receiver.script = [500]
        url = f"http://{LOOPBACK}:{receiver.port}/hook?key={canaries.CALLBACK_KEY}"
        handle = await house.office.start(agreement(callback_url=url, callback_secret_key=key))
        await sign(house, handle)
        await asyncio.to_thread(poll, lambda: receiver.types().count("sent") == 2)  # repeated
        await asyncio.to_thread(poll, lambda: "completed" in receiver.types())
    assert all(canaries.CALLBACK_KEY in call.target for call in receiver.calls)
    return handle


async def live_through_faults(house: House) -> list[Handle]:
    handles = []
    for fault in FAULTS:
        await house.office.sandbox.call("PUT", "/_sandbox/faults", {"api": [quoting(fault)]})
        handle = await house.office.start(agreement())
        await sign(house, handle)
        handles.append(handle)
    await house.office.sandbox.call("PUT", "/_sandbox/faults", {"api": [quoting(REFUSAL)]})
    refused = await house.office.start(agreement())
    await house.office.eventually(
        lambda: _state(refused), lambda state: state["attention"] or state["closed"]
    )
    await house.office.mend()
    return [*handles, refused]


async def _state(handle: Handle) -> dict[str, bool]:
    described = await handle.describe()
    closed = described.close_time is not None
    attention = not closed and (await handle.query(AgreementWorkflow.status)).needs_attention is not None
    return {"closed": closed, "attention": attention}


def write_drafts(folder: Path) -> list[str]:
    """Write an agreement, one with an address that is none, and one that is cut off."""
    good = agreement(reference="canary-1").model_dump(mode="json", exclude_none=True)
    bad = json.loads(json.dumps(good).replace("@", " at ")) | {"reference": "canary-2"}
    texts = json.dumps(good), json.dumps(bad), json.dumps(good)[:-2]
    files = [folder / f"{number}.json" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return list(map(str, files))


async def use_the_command_line(house: House, folder: Path) -> str:
    """Use every verb that shows something, and type what cannot work; return the secret of a signing link."""
    drafts = write_drafts(folder)
    await house.type(*(("start", item) for item in (drafts[0], *drafts)))
    handle: Handle = house.client.get_workflow_handle("agreement-canary-1")
    first, *_ = await house.office.sandbox.recipient_ids(await house.office.sent(handle))
    await house.office.sandbox.sign(await house.office.sent(handle), first)
    await house.office.until(handle, lambda status: status.signers[0].signed_at is not None)
    link = await house.link("canary-1", 2)
    await house.type(
        ("status", "canary-1"),
        ("status", "canary-1", "--json"),
        ("remind", "canary-1"),
        ("void", "canary-1", "--reason", canaries.REASON),
        ("watch", "canary-1"),
        ("list", "--all"),
        ("doctor",),
        ("doctor", "--json"),
    )
    return link


def lines(log: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith(b'{"')]


def stages(log: bytes, workflow_id: str) -> list[str]:
    """List what the log says of an agreement's way."""
    reported = [line for line in lines(log) if "stage" in line and line["workflow_id"] == workflow_id]
    return [line["stage"] for line in reported]


@pytest.mark.heavy
async def test_canaries_are_found_nowhere_that_we_write(house: House, tmp_path: Path) -> None:
    happy = await be_called_back(house)
    handles = [happy, *await live_through_faults(house)]
    link = await use_the_command_line(house, tmp_path)
    described = [json_format.MessageToJson((await handle.describe()).raw_description) for handle in handles]
    places = {
        "worker's log": house.log("worker"),
        "receiver's log": house.log("receiver"),
        "Temporal's log": house.log("temporal"),
        "command line": house.out,
        "metrics": await house.pages(),
        "traces": house.collector.received,
        "visible in Temporal": "".join(described).encode(),
        "histories": "".join([(await handle.fetch_history()).to_json() for handle in handles]).encode(),
        "Temporal's database": b"".join(
            path.read_bytes() for path in house.stack.folder.glob("temporal.db*")
        ),
        "names in the archive": "\n".join(str(path) for path in house.stack.store.rglob("*")).encode(),
    }
    secret = (*house.canaries, link)
    leaks = {place: canaries.found(content, secret) for place, content in places.items()}
    assert {place: sorted(leak) for place, leak in leaks.items() if leak} == {}
    assert all(len(content) > 100 for content in places.values()), "nothing was searched"
    assert places["worker's log"].count(MASK.encode()) > 100
    assert b'"initiated_by":"user-17"' in places["worker's log"].replace(b": ", b":")
    assert stages(places["worker's log"], happy.id) == [
        "sending",
        "awaiting_signatures",
        "archiving",
        "completed",
    ]
    assert b"signalled" in places["receiver's log"]
    assert b"canary-1" in places["command line"]
    assert {span.service for span in house.collector.spans} >= {
        "countersign-worker",
        "countersign-webhooks",
    }


def lacks(line: dict[str, Any]) -> set[str]:
    """Name what a line lacks of what every line carries; docs/explanation/security.md lists exceptions."""
    if line["event"].startswith(BY_NATURE):
        return set()
    if line.get("workflow_id", "").startswith("watcher-"):  # it is about an account
        return IDS - {"reference"} - set(line)
    if line["service"] == "webhooks" or (
        line["event"].startswith("provider ") and line["service"] == "starter"
    ):
        return IDS - {"run_id"} - set(line)
    return IDS - set(line)


@pytest.mark.heavy
async def test_every_line_carries_the_ids_of_its_agreement(house: House, tmp_path: Path) -> None:
    draft, *_ = write_drafts(tmp_path)
    before = len(house.out)
    await house.type(("start", draft, "--reference", "canary-3"))
    handle: Handle = house.client.get_workflow_handle("agreement-canary-3")
    await sign(house, handle)
    run_id = (await handle.describe()).run_id

    def about(log: bytes) -> list[dict[str, Any]]:
        return [line for line in lines(log) if line.get("workflow_id") == handle.id]

    delivered = {line["event_id"] for line in about(house.log("receiver"))}
    applied = [line for line in about(house.log("worker")) if line["event"] == "event applied"]
    assert "completed" in {line["kind"] for line in applied}
    assert {line["event_id"] for line in applied} <= delivered
    assert {line["initiated_by"] for line in applied} == {"user-17"}
    calls = [line for line in about(house.log("worker")) if line["event"] == "provider call"]
    assert {(line["method"], line["path"]) for line in calls} >= {
        ("POST", "/v1/deliverable"),
        ("POST", SEND),
        ("GET", "/turbosign/documents/{id}/download"),
    }
    for line in calls:
        assert line.keys() >= {"host", "status", "ms", "attempt", "request_id"}
    for log in (house.log("worker"), house.log("receiver"), house.out[before:]):
        assert [(line, lack) for line in lines(log) if (lack := lacks(line))] == []
        assert {line["run_id"] for line in about(log) if "run_id" in line} <= {run_id}


@pytest.mark.heavy
async def test_the_same_search_finds_them_where_redaction_is_off(house: House) -> None:
    """The control: what the worker says is full of them, and the search sees it."""
    await house.stack.supervisor.stop("worker")
    before = len(house.log("worker"))
    house.stack.env = {**house.stack.env, "CANARY_REDACTION": "off"}
    await house.stack.start("worker")
    await sign(house, await house.office.start(agreement()))
    leaked = {canary for canary, _ in canaries.found(house.log("worker")[before:], house.canaries)}
    never_said = {house.webhook_secret, b64encode(KEY).decode(), canaries.REASON}
    callbacks = {canaries.CALLBACK_KEY, canaries.CALLBACK_SECRET.removeprefix("whsec_")}  # this one has none
    assert leaked == set(house.canaries) - never_said - callbacks


@pytest.mark.parametrize("form", list(canaries.disguises("x")))
def test_the_search_sees_through_every_disguise(form: str) -> None:
    for canary in (canaries.API_KEY, *canaries.PEOPLE):
        for lead in (b"", b"a", b"ab"):
            content = lead + b"{" + canaries.disguises(canary)[form] + b"}"
            assert canary in {name for name, _ in canaries.found(content, [canary])}
    assert canaries.found(os.urandom(10_000), canaries.PEOPLE) == set()
