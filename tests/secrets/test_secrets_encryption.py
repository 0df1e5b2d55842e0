"""Encryption: what Temporal keeps is not plain text, and keys may change while histories live on."""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, SecretStr
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from countersign.codec_server import create_app
from countersign.configuration import SettingsError, load
from countersign.connection import data_converter, encryption_codec
from countersign.encryption import ENCODING, EncryptionCodec, UndecryptableError
from countersign.settings import CodecServerSettings, EncryptionSettings

ROOT = Path(__file__).parents[2]
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
CANARY = "wilhelmina@example.com"
RUNNER = SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_all_modules())


def using(client: Client, codec: EncryptionCodec) -> Client:
    return Client(client.service_client, namespace=client.namespace, data_converter=data_converter(codec))


def payload(text: str = CANARY) -> Payload:
    return Payload(metadata={"encoding": b"json/plain", "messageType": b"x"}, data=json.dumps(text).encode())


async def test_a_client_without_keys_says_what_is_missing(client: Client) -> None:
    sealing, name = using(client, EncryptionCodec({"a": NEW})), f"sealed-{uuid.uuid4().hex}"
    memo = {"note": CANARY}
    handle = await sealing.start_workflow("Unserved", id=name, task_queue=name, memo=memo)
    try:
        described = await client.get_workflow_handle(name).describe()
        with pytest.raises(SettingsError, match="is encrypted: set COUNTERSIGN_ENCRYPTION_KEYS"):
            await described.memo_value("note")
    finally:
        await handle.terminate()


class TestCodec:
    async def test_what_comes_back_is_what_went_in(self) -> None:
        codec = EncryptionCodec({"a": NEW})
        sealed = await codec.encode([payload(), payload("")])
        assert [one_payload.metadata["encoding"] for one_payload in sealed] == [ENCODING] * 2
        assert not any(CANARY.encode() in one_payload.SerializeToString() for one_payload in sealed)
        assert await codec.decode(sealed) == [payload(), payload("")]

    async def test_the_same_text_is_never_sealed_alike(self) -> None:
        codec = EncryptionCodec({"a": NEW})
        assert len({item.data for item in await codec.encode([payload()] * 50)}) == 50

    async def test_a_change_of_keys(self) -> None:
        before, during, after = (
            EncryptionCodec({"old": OLD}),
            EncryptionCodec({"new": NEW, "old": OLD}),
            EncryptionCodec({"new": NEW}),
        )
        sealed = await before.encode([payload()])
        assert await during.decode(sealed) == [payload()]
        assert (await during.encode([payload()]))[0].metadata["encryption-key-id"] == b"new"
        assert await after.decode(await during.encode([payload()])) == [payload()]
        with pytest.raises(
            UndecryptableError, match="the key 'old', which COUNTERSIGN_ENCRYPTION_KEYS does not"
        ):
            await after.decode(sealed)

    async def test_plain_text_from_before_stays_readable(self) -> None:
        assert await EncryptionCodec({"a": NEW}).decode([payload()]) == [payload()]

    @pytest.mark.parametrize("place", [0, 12, -1])
    async def test_what_was_tampered_with_is_refused(self, place: int) -> None:
        codec = EncryptionCodec({"a": NEW})
        (sealed,) = await codec.encode([payload()])
        data = bytearray(sealed.data)
        data[place] ^= 1
        sealed.data = bytes(data)
        with pytest.raises(UndecryptableError, match="modified"):
            await codec.decode([sealed])

    @pytest.mark.parametrize("data", [b"", b"short", bytes(40)])
    async def test_what_is_no_ciphertext_is_refused(self, data: bytes) -> None:
        odd = Payload(metadata={"encoding": ENCODING, "encryption-key-id": b"a"}, data=data)
        with pytest.raises(UndecryptableError):
            await EncryptionCodec({"a": NEW}).decode([odd])

    async def test_another_key_of_the_same_id_is_refused(self) -> None:
        sealed = await EncryptionCodec({"a": OLD}).encode([payload()])
        with pytest.raises(UndecryptableError, match="another key of the same id"):
            await EncryptionCodec({"a": NEW}).decode(sealed)


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


class TestSettings:
    def test_without_keys_there_is_no_codec(self) -> None:
        assert encryption_codec() is None

    async def test_the_first_key_encrypts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COUNTERSIGN_ENCRYPTION_KEYS", f"new:{text(NEW)}, old:{text(OLD)}")
        codec = encryption_codec()
        assert codec is not None
        (sealed,) = await codec.encode([payload()])
        assert sealed.metadata["encryption-key-id"] == b"new"
        assert await codec.decode(await EncryptionCodec({"old": OLD}).encode([payload()])) == [payload()]

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ("canary", "must be <id>:<32 bytes in base64>"),
            ("a:canary", "must be <id>:<32 bytes in base64>"),
            (f"a:{text(OLD[:31])}", "must be <id>:<32 bytes in base64>"),
            (f"a b:{text(OLD)}", "must be <id>:<32 bytes in base64>"),
            (f"a:{text(OLD)},", "must be <id>:<32 bytes in base64>"),
            (f"a:{text(OLD)},a:{text(NEW)}", "has two keys of the same id"),
        ],
        ids=["no id", "no base64", "31 bytes", "space in id", "empty entry", "same id twice"],
    )
    def test_what_is_no_key_is_refused_and_not_shown(
        self, monkeypatch: pytest.MonkeyPatch, value: str, reason: str
    ) -> None:
        monkeypatch.setenv("COUNTERSIGN_ENCRYPTION_KEYS", value)
        with pytest.raises(SettingsError) as caught:
            load(EncryptionSettings)
        assert f"COUNTERSIGN_ENCRYPTION_KEYS: {reason}" in str(caught.value)
        assert "canary" not in str(caught.value)
        assert text(OLD) not in str(caught.value)


class Person(BaseModel):
    email: str


@activity.defn
async def refuse(person: Person) -> None:
    raise ApplicationError(f"no such person: {person.email}", person, type="Refused", non_retryable=True)


@workflow.defn
class EncryptedWorkflow:
    def __init__(self) -> None:
        self.mailed: list[str] = []

    @workflow.run
    async def run(self, person: Person) -> Person:
        workflow.upsert_memo({"who": person.email})
        await workflow.wait_condition(lambda: bool(self.mailed))
        await workflow.execute_activity(refuse, person, start_to_close_timeout=timedelta(seconds=10))
        return person

    @workflow.signal
    def mail(self, email: str) -> None:
        self.mailed.append(email)


async def test_a_history_holds_no_plain_text_and_replays_with_new_keys(client: Client) -> None:
    """Inputs, signals, memo, failures with their messages, details and stack traces."""
    sealed = using(client, EncryptionCodec({"old": OLD}))
    queue = f"encrypted-{uuid.uuid4()}"
    both = EncryptionCodec({"new": NEW, "old": OLD})
    handle = await sealed.start_workflow(
        EncryptedWorkflow.run, Person(email=CANARY), id=queue, task_queue=queue
    )
    await handle.signal(EncryptedWorkflow.mail, CANARY)
    later = using(client, both)
    async with Worker(
        later, task_queue=queue, workflows=[EncryptedWorkflow], activities=[refuse], workflow_runner=RUNNER
    ):
        with pytest.raises(WorkflowFailureError) as caught:
            await later.get_workflow_handle(queue).result()
    assert caught.value.cause.__cause__ is not None
    assert CANARY in str(caught.value.cause.__cause__)
    history = (await handle.fetch_history()).to_json()
    for form in (CANARY, base64.b64encode(f'"{CANARY}"'.encode()).decode(), "no such person", "in refuse"):
        assert form not in history
    assert history.count(base64.b64encode(b"old").decode()) >= 2
    assert history.count(base64.b64encode(b"new").decode()) >= 2
    replayer = Replayer(
        workflows=[EncryptedWorkflow], data_converter=data_converter(both), workflow_runner=RUNNER
    )
    await replayer.replay_workflow(await handle.fetch_history())


async def test_the_same_history_holds_it_without_encryption(client: Client) -> None:
    """The control: the search above finds what it looks for."""
    queue = f"plain-{uuid.uuid4()}"
    handle = await client.start_workflow(
        EncryptedWorkflow.run, Person(email=CANARY), id=queue, task_queue=queue
    )
    await handle.signal(EncryptedWorkflow.mail, CANARY)
    async with Worker(
        client, task_queue=queue, workflows=[EncryptedWorkflow], activities=[refuse], workflow_runner=RUNNER
    ):
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    history = (await handle.fetch_history()).to_json()
    for form in (base64.b64encode(f'"{CANARY}"'.encode()).decode(), "no such person", "in refuse"):
        assert form in history


async def test_a_missing_key_stops_the_workflow_visibly_and_its_return_heals_it(client: Client) -> None:
    queue = f"keyless-{uuid.uuid4()}"
    sealed = using(client, EncryptionCodec({"old": OLD}))
    handle = await sealed.start_workflow(
        EncryptedWorkflow.run,
        Person(email=CANARY),
        id=queue,
        task_queue=queue,
        task_timeout=timedelta(seconds=1),
    )
    keyless = using(client, EncryptionCodec({"new": NEW}))
    async with Worker(
        keyless,
        task_queue=queue,
        workflows=[EncryptedWorkflow],
        activities=[refuse],
        workflow_runner=RUNNER,
        max_cached_workflows=0,  # nobody waits for this worker to take it up again
    ):
        while "WORKFLOW_TASK_FAILED" not in (history := (await handle.fetch_history()).to_json()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert CANARY not in history
    async with Worker(
        sealed, task_queue=queue, workflows=[EncryptedWorkflow], activities=[refuse], workflow_runner=RUNNER
    ):
        await handle.signal(EncryptedWorkflow.mail, CANARY)
        with pytest.raises(WorkflowFailureError):
            await handle.result()


class TestCodecServer:
    UI = "http://localhost:8233"

    def test_a_short_token_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COUNTERSIGN_CODEC_TOKEN", "0123456789abcdef0123456789abcde")
        with pytest.raises(SettingsError, match="COUNTERSIGN_CODEC_TOKEN: has fewer than 32 characters"):
            load(CodecServerSettings)
        monkeypatch.setenv("COUNTERSIGN_CODEC_TOKEN", "0123456789abcdef0123456789abcdef")
        load(CodecServerSettings)

    @pytest.fixture
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(
            EncryptionCodec({"a": NEW}),
            token=SecretStr("let me see it"),
            ui=[self.UI],
            hosts=["Codec.example"],
        )
        transport = httpx.ASGITransport(app)
        http_headers = {"Authorization": "Bearer let me see it"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://codec.example", headers=http_headers
        ) as http:
            yield http

    async def test_it_decodes_what_the_codec_encoded(self, http: httpx.AsyncClient) -> None:
        plain = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImEi"}]}
        sealed = (await http.post("/encode", json=plain)).json()
        assert sealed["payloads"][0]["metadata"]["encoding"] == base64.b64encode(ENCODING).decode()
        assert (await http.post("/decode", json=sealed)).json() == plain

    async def test_browsers_may_call_it_from_the_ui_only(self, http: httpx.AsyncClient) -> None:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-namespace"}
        own = await http.options("/decode", headers=asked | {"Origin": self.UI})
        assert own.headers["access-control-allow-origin"] == self.UI
        other = await http.options("/decode", headers=asked | {"Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in other.headers

    @pytest.mark.parametrize("shown", ["", "Bearer wrong", "let me", "Bearer lét me see it"])
    async def test_no_one_sees_without_the_token(self, http: httpx.AsyncClient, shown: str) -> None:
        headers = [(b"Authorization", shown.encode())]
        assert (await http.post("/decode", json={}, headers=headers)).status_code == 401

    @pytest.mark.parametrize(
        ("host", "status"),
        [
            ("codec.example:8234", 200),
            ("localhost:8234", 200),
            ("127.0.0.1", 200),
            ("[::1]:8234", 200),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("[::1", 421),
            ("", 421),
        ],
    )
    async def test_a_foreign_host_name_is_rejected(
        self, http: httpx.AsyncClient, host: str, status: int
    ) -> None:
        assert (await http.post("/decode", json={}, headers={"Host": host})).status_code == status

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"payloads": 1}', b"[" * 10_000])
    async def test_what_cannot_be_read_is_refused(self, http: httpx.AsyncClient, body: bytes) -> None:
        assert (await http.post("/decode", content=body)).status_code == 400

    async def test_what_is_too_large_is_refused(self, http: httpx.AsyncClient) -> None:
        assert (await http.post("/decode", content=bytes(9 * 1024 * 1024))).status_code == 413

    async def test_a_compressed_body_is_rejected(self, http: httpx.AsyncClient) -> None:
        compressed = {"Content-Encoding": "gzip"}
        assert (await http.post("/decode", content=b"", headers=compressed)).status_code == 415

    async def test_a_missing_key_is_reported(self, http: httpx.AsyncClient) -> None:
        (sealed,) = await EncryptionCodec({"b": OLD}).encode([payload()])
        message = {"payloads": [_json(sealed)]}
        answer = await http.post("/decode", json=message)
        assert answer.status_code == 422
        assert "the key 'b', which COUNTERSIGN_ENCRYPTION_KEYS does not have" in answer.text

    @pytest.mark.parametrize(
        ("arguments", "environment", "sentence"),
        [
            ([], {}, "COUNTERSIGN_ENCRYPTION_KEYS is not set"),
            (
                ["--host", "0.0.0.0"],
                {"COUNTERSIGN_ENCRYPTION_KEYS": f"a:{text(NEW)}"},
                "COUNTERSIGN_CODEC_TOKEN",
            ),
        ],
    )
    def test_it_does_not_start_unsafely(
        self, arguments: list[str], environment: dict[str, str], sentence: str
    ) -> None:
        command = [sys.executable, "-m", "countersign.codec_server", "--port", "0", *arguments]
        done = subprocess.run(
            command,
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 2
        assert sentence in done.stderr
        assert len(done.stderr.splitlines()) == 1


def _json(sealed: Payload) -> dict[str, Any]:
    return {
        "metadata": {key: base64.b64encode(value).decode() for key, value in sealed.metadata.items()},
        "data": base64.b64encode(sealed.data).decode(),
    }


def test_the_codec_server_logs_as_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"COUNTERSIGN_LOG_LEVEL=WARNING\nCOUNTERSIGN_ENCRYPTION_KEYS=a:{text(NEW)}\n"
    )
    (tmp_path / ".env").chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "countersign.codec_server", "--port", port],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"codec server: cannot listen on 127.0.0.1:{port}: ")
