"""The door as a process: what it says, where it listens, how it stops."""

import asyncio
import socket
import sys
from pathlib import Path

import httpx
import pytest
import trustme
from temporalio.client import Client

from countersign.local.ports import free_port
from countersign.webhooks import delivery
from tests.webhooks.webhook_deliveries import encode, envelope, sign
from tests.webhooks.webhook_doors import calling, environment_of, running_door, start_door
from tests.webhooks.webhook_receiver import start_agreement
from tests.webhooks.webhook_wire import connected, request, status


async def run(client: Client, *arguments: str, **changes: str) -> tuple[int | None, str, str]:
    """Run a door that does not start; returns its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "countersign.webhooks", *arguments),
        env=environment_of(client, **changes),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


async def test_help_says_what_it_is_for(receiving: Client) -> None:
    code, output, _ = await run(receiving, "--help")

    assert code == 0
    assert "signal the agreements" in output


async def test_a_taken_port_is_one_clear_sentence(receiving: Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output, errors = await run(receiving, "--port", str(port))

    assert (code, output) == (2, "")
    assert f"webhooks: cannot listen on 127.0.0.1:{port}: " in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("ALLOWED_CALLERS", "203.0.113.0/24, somewhere", "must be addresses or networks"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "must be addresses or networks"),
        ("BODY_LIMIT_BYTES", "0", "greater than or equal to 1024"),
        ("CONNECTION_LIMIT", "inf", "valid integer"),
        ("METRICS_PORT", "70000", "less than or equal to 65535"),
        ("TLS_KEY", "key.pem", "belong together"),
        ("PROVIDERS", "nowhere.toml", "nowhere.toml cannot be read"),
    ],
)
async def test_settings_that_cannot_work_are_refused_by_name(
    receiving: Client, setting: str, value: str, complaint: str
) -> None:
    code, _, errors = await run(receiving, **{f"COUNTERSIGN_WEBHOOKS_{setting}": value})

    assert code == 2
    assert complaint in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("broken", ["missing", "swapped", "another key", "not PEM"])
async def test_a_certificate_that_cannot_be_used_is_refused(
    receiving: Client, tmp_path: Path, broken: str
) -> None:
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

    code, _, errors = await run(
        receiving,
        COUNTERSIGN_WEBHOOKS_TLS_CERTIFICATE=str(chain),
        COUNTERSIGN_WEBHOOKS_TLS_KEY=str(key),
    )

    assert code == 2
    assert "the certificate cannot be used" in errors
    assert "Traceback" not in errors


async def test_metrics_have_a_port_of_their_own(receiving: Client) -> None:
    port = free_port()
    body = encode(envelope("Somebody else's"))
    separate = {"COUNTERSIGN_WEBHOOKS_METRICS_PORT": str(port)}
    async with running_door(receiving, **separate) as door, calling(door) as http:
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
    door = await start_door(receiving)
    async with connected(door.url) as (reader, writer), connected(door.url) as (idle, _):
        writer.write(whole[:-10])
        await writer.drain()
        async with calling(door) as http:
            assert (await http.get("/healthz")).status_code == 200
        door.process.terminate()
        assert await idle.read() == b""  # closed, so the stop has begun
        writer.write(whole[-10:])
        assert status(await reader.read()) == 200

    assert await door.process.wait() == 0
    assert len(await agreement.events()) == 1
    with pytest.raises(httpx.ConnectError):
        async with calling(door) as http:
            await http.get("/healthz")
    door.log.unlink()
    await agreement.handle.terminate()


def test_the_answer_leaves_time_within_the_providers_five_seconds() -> None:
    assert delivery.ACKNOWLEDGE_SECONDS <= 4
