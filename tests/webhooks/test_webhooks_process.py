"""The receiver process: output, addresses, graceful stop."""

import asyncio
import socket
import sys
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from temporalio.client import Client

from countersign.configuration import SettingsError, load
from countersign.free_ports import free_port
from countersign.http_server.listening import CannotListenError, Certificate
from countersign.settings import ReceiverSettings
from countersign.webhooks import delivery
from tests.webhooks.webhook_deliveries import encode, envelope, sign
from tests.webhooks.webhook_receiver import start_agreement
from tests.webhooks.webhook_receivers import calling, environment_of, running_receiver, start_receiver
from tests.webhooks.webhook_wire import open_connection, request, status

pytestmark = pytest.mark.thorough


async def run(client: Client, *arguments: str, **changes: str) -> tuple[int | None, str, str]:
    """Run a receiver that does not start; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "receiver", *arguments),
        env=environment_of(client, **changes),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


async def test_a_taken_port_is_one_clear_sentence(receiving: Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output, errors = await run(receiving, "--port", str(port))

    assert (code, output) == (2, "")
    sentence = "another process uses the port; stop it, or choose another port"
    assert errors.endswith(f"\nwebhooks: cannot listen on 127.0.0.1:{port}: {sentence}\n")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("ALLOWED_CALLERS", "203.0.113.0/24, somewhere", "must be addresses or networks"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "must be addresses or networks"),
        ("METRICS_PORT", "70000", "must be at most 65535"),
        ("TLS_KEY", "key.pem", "belong together"),
    ],
)
def test_an_invalid_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(f"COUNTERSIGN_WEBHOOKS_{setting}", value)

    with pytest.raises(SettingsError, match=complaint) as caught:
        load(ReceiverSettings)

    assert f"COUNTERSIGN_WEBHOOKS_{setting}" in str(caught.value)
    assert value not in str(caught.value)


async def test_an_invalid_setting_is_one_sentence_at_start(receiving: Client) -> None:
    code, output, errors = await run(receiving, COUNTERSIGN_WEBHOOKS_ROUTES="nowhere.toml")

    assert (code, output) == (2, "")
    assert errors == "webhooks: nowhere.toml cannot be read: No such file or directory\n"


def test_networks_are_read_from_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_WEBHOOKS_ALLOWED_CALLERS", "203.0.113.7, 2001:db8::/32,")

    (receiver,) = load(ReceiverSettings)

    assert receiver.allowed_callers == (ip_network("203.0.113.7"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize("broken", ["missing", "swapped", "another key", "not PEM", "encrypted"])
def test_an_unusable_certificate_is_rejected(tmp_path: Path, broken: str) -> None:
    issued, other = (trustme.CA().issue_cert("127.0.0.1") for _ in range(2))
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    (other if broken == "another key" else issued).private_key_pem.write_to_path(key)
    if broken == "missing":
        key.unlink()
    if broken == "not PEM":
        chain.write_text("hello")
    if broken == "swapped":
        chain, key = key, chain
    if broken == "encrypted":
        private = load_pem_private_key(key.read_bytes(), None)
        locked = BestAvailableEncryption(b"passphrase")
        key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))

    with pytest.raises(CannotListenError, match="the certificate cannot be used"):
        Certificate(chain, key).context()


async def test_metrics_have_a_port_of_their_own(receiving: Client) -> None:
    port = free_port()
    body = encode(envelope("Somebody else's"))
    separate = {"COUNTERSIGN_WEBHOOKS_METRICS_PORT": str(port)}
    async with running_receiver(receiving, **separate) as receiver, calling(receiver) as http:
        await http.post("/webhooks/turbodocx", content=body, headers=sign(body))
        await http.post("/webhooks/turbodocx", content=body, headers=sign(body, secret="another"))
        assert (await http.get("/metrics")).status_code == 404
        metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).text

    assert 'countersign_webhooks_total{dialect="turbodocx",verdict="not_ours"} 1.0' in metrics
    assert 'countersign_webhooks_total{dialect="turbodocx",verdict="mismatch"} 1.0' in metrics


async def test_stopping_finishes_what_is_in_flight(receiving: Client) -> None:
    agreement = await start_agreement(receiving)
    body = encode(envelope(agreement.title))
    whole = request({**sign(body), "Content-Length": str(len(body))}, body)
    receiver = await start_receiver(receiving)
    async with open_connection(receiver.url) as (reader, writer), open_connection(receiver.url) as (idle, _):
        writer.write(whole[:-10])
        await writer.drain()
        async with calling(receiver) as http:
            assert (await http.get("/healthz")).status_code == 200
        receiver.process.terminate()
        assert await idle.read() == b""  # closed, so the stop has begun
        writer.write(whole[-10:])
        assert status(await reader.read()) == 200

    assert await receiver.process.wait() == 0
    assert len(await agreement.events()) == 1
    with pytest.raises(httpx.ConnectError):
        async with calling(receiver) as http:
            await http.get("/healthz")
    receiver.log.unlink()
    await agreement.handle.terminate()


def test_a_response_takes_less_than_five_seconds() -> None:
    assert delivery.ACKNOWLEDGE_SECONDS <= 4
