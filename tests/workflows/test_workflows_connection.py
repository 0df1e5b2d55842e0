from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from countersign.client.connections import shared_client
from countersign.client.errors import BadInputError
from countersign.configuration import SettingsError
from countersign.connection import ConnectionFailedError, connect
from countersign.observability.patterns import MASK
from countersign.observability.redaction import redact
from devstack.ports import Ports
from devstack.site import Site

_NO_ONE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ADDRESS", "NAMESPACE", "API_KEY", "TLS", "PROFILE"):
        monkeypatch.delenv(f"TEMPORAL_{name}", raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def _address(client: Client) -> str:
    return client.service_client.config.target_host


async def test_connects_where_the_environment_says(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", _address(client))
    connected = await connect()
    assert connected.namespace == "default"
    assert await connected.service_client.check_health(timeout=timedelta(seconds=5))


async def test_the_environment_goes_before_the_env_file_and_that_before_the_profile(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = f'[profile.default]\naddress = "{_NO_ONE}"\nnamespace = "profile"\n'
    _write(Path("temporal.toml"), profile)
    _write(Path(".env"), f"TEMPORAL_ADDRESS={_address(client)}\nTEMPORAL_API_KEY=\n")
    connected = await connect()
    assert (connected.namespace, _address(connected)) == ("profile", _address(client))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "")  # is one that is not set
    assert _address(await connect(lazy=True)) == _address(client)
    monkeypatch.setenv("TEMPORAL_ADDRESS", _NO_ONE)
    assert _address(await connect(lazy=True)) == _NO_ONE


async def test_production_does_not_read_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    _write(Path(".env"), f"TEMPORAL_ADDRESS={_NO_ONE}\n")
    monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "production")
    assert _address(await connect(lazy=True)) == "localhost:7233"


async def test_an_env_file_for_all_eyes_is_refused_and_nothing_of_it_used() -> None:
    _write(Path(".env"), "TEMPORAL_API_KEY=canary-0123456789\n", mode=0o644)
    with pytest.raises(SettingsError, match=r"\.env can be read by other users") as caught:
        await connect(lazy=True)
    assert "canary" not in str(caught.value)
    with pytest.raises(BadInputError, match="chmod 600"):
        await shared_client()


async def test_the_key_of_an_env_file_is_used_and_masked_in_logs() -> None:
    _write(Path(".env"), f"TEMPORAL_ADDRESS={_NO_ONE}\nTEMPORAL_API_KEY=canary-0123456789\n")
    connected = await connect(lazy=True)
    assert connected.service_client.config.api_key == "canary-0123456789"
    assert redact("refused canary-0123456789") == f"refused {MASK}"


async def test_a_local_stacks_settings_leave_tls_of_the_env_file_aside(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A shell that took `.countersign/local/env` in may stand where `.env` means Temporal Cloud."""
    _write(Path(".env"), "TEMPORAL_ADDRESS=cloud.invalid:7233\nTEMPORAL_API_KEY=canary-0123456789\n")
    for name, value in Site(tmp_path, Ports.pick()).settings().items():
        if name.startswith("TEMPORAL_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("TEMPORAL_ADDRESS", _address(client))
    assert await (await connect()).service_client.check_health(timeout=timedelta(seconds=5))


@pytest.mark.parametrize("value", ["maybe", "no", "off"])
async def test_tls_is_true_or_false(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal's own reading takes everything but `false` and `0` for true."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", _NO_ONE)
    monkeypatch.setenv("TEMPORAL_TLS", value)
    with pytest.raises(SettingsError, match="TEMPORAL_TLS: must be true or false"):
        await connect()


async def test_says_in_one_sentence_that_no_one_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", _NO_ONE)
    with pytest.raises(ConnectionFailedError) as caught:
        await connect()
    assert f"Temporal does not respond at {_NO_ONE}" in str(caught.value)
    assert "\n" not in str(caught.value)
