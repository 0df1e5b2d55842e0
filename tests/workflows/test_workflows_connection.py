from datetime import timedelta

import pytest
from temporalio.client import Client

from countersign.connection import ConnectionFailedError, connect


async def test_connects_where_the_environment_says(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    connected = await connect()
    assert connected.namespace == "default"
    assert await connected.service_client.check_health(timeout=timedelta(seconds=5))


async def test_says_in_one_sentence_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ConnectionFailedError) as caught:
        await connect()
    assert "Temporal does not answer at 127.0.0.1:1" in str(caught.value)
    assert "\n" not in str(caught.value)
