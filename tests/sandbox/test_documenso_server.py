"""Test the process: options, provider names, and no lost commit after SIGKILL."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.polling import poll
from tests.sandbox.documenso_kit import Api, start_documenso
from tests.sandbox.sandbox_kit import Receiver, stop

pytestmark = pytest.mark.thorough


@pytest.mark.heavy
def test_sigkill_loses_no_acknowledged_write_and_no_job(tmp_path: Path, receiver: Receiver) -> None:
    data = str(tmp_path / "data")
    process, url = start_documenso("--data-dir", data, "--webhook-url", receiver.url, "--webhook-secret", "s")
    with Api(url) as api:
        api.behave(mail_delay=3600, seal_delay=3600)
        envelope_id = api.dispatch(externalId="A-1")
        api.complete(envelope_id)
        before, ledger = api.envelope(envelope_id), api.get("/_sandbox/ledger").json()
    process.send_signal(signal.SIGKILL)
    assert stop(process) == -signal.SIGKILL
    process, url = start_documenso("--data-dir", data, "--webhook-url", receiver.url, "--webhook-secret", "s")
    with Api(url) as api:
        assert api.envelope(envelope_id) == before
        assert api.get("/_sandbox/ledger").json() == ledger
        assert len(api.get("/_sandbox/webhooks").json()["webhooks"]) == 1
        api.post("/_sandbox/clock", json={"hours": 2})
        assert api.ended(envelope_id)["status"] == "COMPLETED"
        poll(lambda: any(b"DOCUMENT_COMPLETED" in delivery.raw for delivery in receiver.deliveries))
        assert receiver.deliveries[-1].headers["x-documenso-secret"] == "s"
    assert stop(process) == 0


def test_options_and_environment() -> None:
    process, url = start_documenso("--other-key", "api_second", SANDBOX_API_KEY="api_first")
    for token, status in (("api_first", 200), ("api_second", 200), ("api_sandbox_team_one", 401)):
        with Api(url, token) as api:
            assert api.get("/api/v2/envelope").status_code == status
    assert stop(process) == 0


@pytest.mark.parametrize(("name", "text"), [("documenso", "Documenso"), ("turbodocx", "TurboDocx")])
def test_the_first_word_names_the_provider(name: str, text: str) -> None:
    command = [sys.executable, "-m", "sandbox", name, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert f"A local {text}" in shown.stdout


def test_a_webhook_url_must_be_allowed() -> None:
    command = [sys.executable, "-m", "sandbox", "documenso", "--webhook-url", "http://example.com"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 2
    assert "https URL" in shown.stderr
