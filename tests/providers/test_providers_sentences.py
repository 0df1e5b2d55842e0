"""The sentences about provider calls that did not end well, in one snapshot.

`pytest tests/providers/test_providers_sentences.py --snapshot-update` takes improved sentences over.
"""

import ssl

import httpx
import pytest
from syrupy.assertion import SnapshotAssertion

from countersign.configuration import load
from countersign.providers.errors import ProviderError
from countersign.providers.outcomes import Refusal, broken, error_of_failure, error_of_status
from countersign.providers.registry import account, plugins
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings

FAILURES: tuple[Exception, ...] = (
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("late"),
    httpx.ReadError("cut"),
    httpx.ReadTimeout("late"),
    httpx.RemoteProtocolError("odd"),
    httpx.WriteTimeout("slow"),
    httpx.DecodingError("packed"),
    TimeoutError(),
    ssl.SSLCertVerificationError("self-signed"),
)


def shown(error: ProviderError) -> str:
    return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("writes", [True, False], ids=["write", "read"])
@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 408, 409, 429, 500, 503])
def test_a_status(snapshot: SnapshotAssertion, status: int, *, writes: bool) -> None:
    for refusal in (Refusal(), Refusal(code="Broken", message="no such thing")):
        error = error_of_status(
            status, operation="send", writes=writes, needs_role=False, refusal=refusal, retry_after=None
        )
        assert "no such thing" not in str(error)
        assert shown(error) == snapshot


@pytest.mark.parametrize("left", [True, False], ids=["left", "not left"])
@pytest.mark.parametrize("cause", FAILURES, ids=lambda cause: type(cause).__name__)
def test_a_broken_exchange(snapshot: SnapshotAssertion, cause: Exception, *, left: bool) -> None:
    for writes in (True, False):
        error = error_of_failure(
            cause, operation="send", origin="https://api.example.com:443", writes=writes, left=left
        )
        assert shown(error) == snapshot


def test_a_response_that_breaks_the_contract(snapshot: SnapshotAssertion) -> None:
    for writes in (True, False):
        assert shown(broken("not as JSON", operation="send", writes=writes)) == snapshot


@pytest.mark.parametrize("kind", sorted(plugins()))
async def test_advice_about_a_key(
    monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion, kind: str
) -> None:
    entry = account(kind, kind)
    for name, value in {
        "api_key": "TDX-test-0123456789",
        "org_id": "0f9d3c5e-5a4b-4c1d-8e2f-000000000001",
        "base_url": "http://127.0.0.1:1",
        "sender_email": "a@example.com",
        "sender_name": "Ada",
    }.items():
        if name in entry.settings.model_fields:
            monkeypatch.setenv(entry.settings.variable(name), value)
    settings, options = load(entry.settings, ProviderSettings)
    provider = entry.plugin.connect(entry.name, Rotating(settings), options)
    for status in (401, 402, 403, 429):
        assert provider.advice(status) == snapshot(name=str(status))
    await provider.close()
