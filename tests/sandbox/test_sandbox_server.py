"""Test the process: options, hosts, signals, and no lost commit after SIGKILL."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.polling import poll
from tests.sandbox.sandbox_kit import (
    MUTUAL_NDA,
    ORDER_FORM,
    SERVICES_AGREEMENT,
    Api,
    Receiver,
    start_sandbox,
    stop,
)

pytestmark = pytest.mark.thorough


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.heavy
def test_sigkill_loses_no_acknowledged_write(tmp_path: Path, receiver: Receiver) -> None:
    data = str(tmp_path / "data")
    process, url = start_sandbox("--data-dir", data, "--retry-delays", "0.05,0.05")
    with Api(url) as api:
        secret = api.subscribe(receiver.url)
        api.put("/_sandbox/faults", json={"webhooks": [{"event": "completed", "do": "fail", "times": 1}]})
        document = api.dispatch(signers=1)["documentId"]
        receiver.wait(1)
        api.post("/_sandbox/clock", json={"hours": 1})
        before = api.complete(document).json()
        ledger = api.get("/_sandbox/ledger").json()
        link = api.get(f"/turbosign/documents/{document}/download").json()["downloadUrl"].removeprefix(url)
    process.send_signal(signal.SIGKILL)
    assert stop(process) == -signal.SIGKILL
    process, url = start_sandbox("--data-dir", data)
    with Api(url) as api:
        assert api.get(f"/_sandbox/documents/{document}").json() == before
        assert api.get("/_sandbox/ledger").json() == ledger
        assert api.get("/_sandbox/clock").json()["advanced_seconds"] == 3600
        del api.headers["authorization"]
        assert api.get(link).content.startswith(b"%PDF")
        poll(lambda: "completed" in receiver.events())
        assert receiver.deliveries[-1].signed_by(secret)
    assert stop(process) == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_even_while_a_call_hangs(name: str) -> None:
    process, url = start_sandbox()
    port = int(url.rpartition(":")[2])
    with Api(url) as api, socket.create_connection(("127.0.0.1", port)) as connection:
        api.put("/_sandbox/faults", json={"api": [{"do": "hang"}]}).raise_for_status()
        connection.sendall(b"GET /v1/deliverable HTTP/1.1\r\nhost: localhost\r\n\r\n")
        poll(lambda: api.get("/_sandbox/faults").json()["api"][0]["hits"])
        process.send_signal(getattr(signal, name))
        assert process.wait(30) == 0
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b"", "a call that was not done was answered"
    assert process.stderr is not None
    assert process.stderr.read() == ""
    stop(process)


def test_help_names_the_templates() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for template in (SERVICES_AGREEMENT, MUTUAL_NDA, ORDER_FORM):
        assert template in shown.stdout


def test_settings_come_from_the_environment_too() -> None:
    process, url = start_sandbox(SANDBOX_API_KEY="TDX-test-other", SANDBOX_ORG_ID="an-organisation")
    with Api(url, "TDX-test-other", "an-organisation") as api:
        assert api.get("/template-item").status_code == 200
    with Api(url) as api:
        assert api.get("/template-item").status_code == 401
    assert stop(process) == 0


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8300", "localhost", "LOCALHOST:1", "[::1]:8300", "10.1.2.3", "sandbox:8300", "Sandbox.Test"],
)
def test_hosts_that_it_answers_to(named_sandbox: str, host: str) -> None:
    assert httpx.get(f"{named_sandbox}/_sandbox/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8300", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "x@y"],
)
@pytest.mark.parametrize("path", ["/_sandbox/inbox", "/_sandbox/ledger", "/v1/deliverable", "/nowhere"])
def test_hosts_that_it_rejects(named_sandbox: str, host: str, path: str) -> None:
    answer = httpx.get(f"{named_sandbox}{path}", headers={"host": host})
    assert (answer.status_code, answer.json()["type"]) == (421, "MisdirectedRequest")


@pytest.fixture(scope="module")
def named_sandbox() -> Iterator[str]:
    process, url = start_sandbox("--allow-host", "sandbox", "--allow-host", "sandbox.test")
    yield url
    assert stop(process) == 0


def test_links_are_https_behind_a_proxy_that_speaks_tls(named_sandbox: str) -> None:
    made = {"title": "Made by hand", "recipients": [{"name": "Ada", "email": "ada@example.com"}]}
    httpx.post(f"{named_sandbox}/_sandbox/documents", json=made).raise_for_status()
    through = {"host": "sandbox.test", "x-forwarded-proto": "https"}
    (sent, *_) = httpx.get(f"{named_sandbox}/_sandbox/emails", headers=through).json()["emails"]
    assert sent["link"].startswith("https://sandbox.test/_sandbox/sign/")


def test_a_random_seed_is_printed() -> None:
    process, url = start_sandbox()
    with Api(url) as api:
        seed = api.put("/_sandbox/faults", json={"random": {}}).json()["seed"]
    process.terminate()
    assert process.communicate(timeout=30)[1] == f"Sandbox faults: seed {seed}\n"


def test_start_errors_are_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = run("--port", str(port))
    sentence = "another program uses the port; stop it, or choose another port"
    assert shown.stderr == f"sandbox: cannot listen on 127.0.0.1:{port}: {sentence}\n"
    assert shown.returncode == 2
    (tmp_path / "file").write_text("")
    shown = run("--port", "0", "--data-dir", str(tmp_path / "file"))
    assert shown.stderr == f"sandbox: {tmp_path}/file cannot be used: File exists\n"
    assert shown.returncode == 2
    shown = run("--retry-delays", "soon")
    assert shown.returncode == 2
    assert "two numbers" in shown.stderr


def test_it_imports_nothing_of_countersign() -> None:
    code = (
        "import sys, sandbox.__main__, sandbox.turbodocx.command;"
        "print(*[name for name in sys.modules if name.startswith('countersign.')])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert all(part.startswith("sandbox") for part in shown.stdout.split())
