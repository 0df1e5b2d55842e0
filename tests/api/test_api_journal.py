"""The log line of a request that failed: what an operator must mend, and nothing of the request."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from countersign.api.journal import Journal
from countersign.configuration import SettingsError
from countersign.encryption import UndecryptableError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SettingsError("set COUNTERSIGN_ENCRYPTION_KEYS"), "request failed: set COUNTERSIGN_ENCRYPTION_KEYS"),
        (
            UndecryptableError("encrypted with the key 'k2'"),
            "request failed: Undecryptable: encrypted with the key 'k2'",
        ),
        (ValueError("Ada"), "request failed: ValueError at "),
    ],
)
async def test_a_failure_is_logged_without_the_request(
    error: Exception, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_request: Request) -> None:
        raise error

    app = Journal(Starlette(routes=[Route("/", fail)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        response = await client.get("/?name=Ada")
    assert response.status_code == 500
    (failed,) = [message for message in caplog.messages if message.startswith("request failed")]
    assert failed.startswith(line)
    assert "Ada" not in caplog.text
