"""An API of a user's own: settings, one error per ending, Retry-After, circuit, slots and rate."""

import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from temporalio.client import Client
from temporalio.worker import Worker

from countersign.configuration import SettingsError, load
from countersign.free_ports import free_port
from countersign.providers.api import ApiClient, ApiSettings, Call, api_worker, open_api
from countersign.providers.api.error_bodies import explain
from countersign.providers.circuit import State
from countersign.providers.outcomes import Refusal
from countersign.settings import CountersignSettings
from devstack.processes import Part, Supervisor, prints
from devstack.sandbox import Sandbox
from tests.providers.own_api import Invoicing, Quoting, Shop, ShopSettings

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def shop(
    folder: Path, patch: pytest.MonkeyPatch, faults: str = "none", key: str = "stand-in-key"
) -> AsyncIterator[tuple[ApiClient, Sandbox]]:
    """Run the stand-in of the example, with these faults by turns, and open it."""
    port = free_port()
    patch.setenv("SHOP_BASE_URL", f"http://127.0.0.1:{port}/billing")
    patch.setenv("SHOP_API_KEY", key)
    command = [sys.executable, "stand_in.py", str(port), "http://127.0.0.1:9"]
    env = {"PATH": os.environ["PATH"], "STAND_IN_FAULTS": faults, "BILLING_WEBHOOK_SECRET": "s"}
    part = Part("stand-in", command, prints("stand-in on"), env, ROOT / "examples/order_to_cash")
    async with Supervisor(folder / "logs") as parts:
        await parts.start(part)
        async with open_api(ShopSettings, probe="/health") as api:
            yield api, Sandbox(f"http://127.0.0.1:{port}")


async def run(client: Client, api: ApiClient, workflow: Any) -> Any:
    """Run a workflow whose activities call the API."""
    queue, activities = f"shop-{uuid.uuid4().hex}", Shop(api)
    async with (
        Worker(client, task_queue=f"{queue}-orders", workflows=[Invoicing, Quoting]),
        api_worker(client, api, task_queue=queue, activities=[activities.create_invoice, activities.quote]),
    ):
        return await client.execute_workflow(
            workflow.run, args=["1042", queue], id=queue, task_queue=f"{queue}-orders"
        )


async def test_a_write_is_retried_and_done_once(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop(tmp_path, monkeypatch, "drop,lose,500,none") as (api, stand_in):
        assert await run(client, api, Invoicing) == "invoice-1042"
        assert await stand_in.call("GET", "/ledger") == [
            {"id": "invoice-1042", "kind": "invoice", "order": "1042"}
        ]
    labels = {"provider": "shop", "operation": "create_invoice"}
    counted = {
        outcome: REGISTRY.get_sample_value("countersign_provider_calls_total", {**labels, "outcome": outcome})
        for outcome in ("ok", "OutcomeUnknown")
    }
    assert counted == {"ok": 1, "OutcomeUnknown": 3}


@pytest.mark.parametrize(
    ("fault", "kind", "final", "waits"),
    [
        ("429", "Throttled", False, True),
        ("500", "Unavailable", False, True),
        ("lose", "Unavailable", False, False),
        ("404", "Rejected", True, False),
    ],
)
async def test_a_worker_turns_errors_into_failures(
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    fault: str,
    kind: str,
    final: bool,
    waits: bool,
) -> None:
    async with shop(tmp_path, monkeypatch, fault) as (api, _):
        found, non_retryable, delay = await run(client, api, Quoting)
    assert (found, non_retryable, delay is not None) == (kind, final, waits)
    assert delay is None or 1 <= delay <= 1.1  # Retry-After, spread


async def test_a_rejected_key_blocks_the_queue(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop(tmp_path, monkeypatch, key="another-key") as (api, _):
        assert (await run(client, api, Quoting))[0] == "Unauthorised"
        assert (api.circuit.snapshot().state, api.circuit.snapshot().allowed) == (State.BLOCKED, 0)


async def test_the_worker_has_a_queue_of_its_own_with_slots_and_a_rate(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SHOP_WEBHOOK_SECRET", "of-a-route-of-the-receiver")
    monkeypatch.setenv("SHOP_CALLS_PER_SECOND", "30")
    monkeypatch.setenv("COUNTERSIGN_PROVIDER_SLOTS", "7")
    async with shop(tmp_path, monkeypatch) as (api, _):
        worker = api_worker(
            client, api, task_queue="shop", activities=[Shop(api).quote], calls_per_activity=3
        )
        assert api.circuit.snapshot().allowed == 7
    assert "is not a setting" not in caplog.text
    config = worker.config()
    assert config["max_task_queue_activities_per_second"] == 10
    assert config["disable_eager_activity_execution"]
    assert config["graceful_shutdown_timeout"] == timedelta(seconds=150)


def test_the_secret_of_a_route_is_no_unknown_setting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A client of the same environment as the receiver has imported the settings, and opens no API."""

    class SharedSettings(ApiSettings):
        timeout: float = 1

    class DepotSettings(SharedSettings):
        prefix = "DEPOT_"
        live_host = "depot.example.com"

    monkeypatch.setenv("DEPOT_WEBHOOK_SECRET", "of-a-route-of-the-receiver")
    load(CountersignSettings)
    assert DepotSettings.account() == "depot"
    assert "is not a setting" not in caplog.text


async def test_missing_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_BASE_URL", "http://shop.example")
    with pytest.raises(SettingsError) as caught:
        async with open_api(ShopSettings, probe="/health"):
            pass
    assert "SHOP_API_KEY is not set" in str(caught.value)
    assert "SHOP_BASE_URL: must be https" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (None, Refusal()),
        ({"code": "late", "message": "too late for Ada"}, Refusal("late", "too late for <redacted>")),
        ({"error": {"code": "late", "message": "too late"}}, Refusal("late", "too late")),
        ({"title": "Too late", "detail": "by a day", "status": 409}, Refusal(None, "by a day")),
        ({"code": "no code", "message": 7}, Refusal()),
    ],
)
def test_error_bodies_of_several_forms_are_read(body: object, refusal: Refusal) -> None:
    found = explain(body, Call(operation="quote", path="/", private=("Ada",)))
    assert found == refusal
