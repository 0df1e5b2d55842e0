"""Each alert fires for its fault, and for nothing before it; each panel of the dashboard shows something."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest

from cli.stack import plan
from countersign.agreements.names import DEFAULT_ACCOUNT, account_task_queue, watcher_id
from countersign.client.agreements import agreement_result
from countersign.connection import connect
from countersign.free_ports import free_port
from devstack.ports import Ports
from devstack.processes import Part, prints
from devstack.stack import Stack
from tests.deploy.prometheus import DEPLOY, RULES, Prometheus
from tests.observability.watched import Watched, get
from tests.workflows.office import CALLBACK_SECRET

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(480)]

QUEUE = "countersign"
PROVIDER_QUEUE = account_task_queue(QUEUE, DEFAULT_ACCOUNT)
PATIENCE = 90.0


@dataclass
class Scene:
    """A local stack under a real Prometheus."""

    watched: Watched
    prometheus: Prometheus
    another_port: int
    expected: set[str] = field(default_factory=set)
    fired: set[str] = field(default_factory=set)

    async def fires(self, alert: str) -> None:
        """Wait for an alert; meanwhile no other fires than this one and those of earlier faults."""
        self.expected.add(alert)
        async with asyncio.timeout(PATIENCE):
            while alert not in (firing := self.prometheus.firing()):
                assert firing <= self.expected
                await asyncio.sleep(0.5)
        assert firing <= self.expected
        self.fired.add(alert)

    async def ends(self, alert: str) -> None:
        """Wait until an alert is over."""
        async with asyncio.timeout(PATIENCE):
            while alert in self.prometheus.firing():  # noqa: ASYNC110  # it is Prometheus's state
                await asyncio.sleep(0.5)
        self.expected.discard(alert)

    async def seen(self, series: str) -> None:
        """Wait until Prometheus has scraped a series."""
        async with asyncio.timeout(PATIENCE):
            while not self.prometheus.query(series):  # noqa: ASYNC110  # it is Prometheus's state
                await asyncio.sleep(0.5)

    async def fault(self, **script: Any) -> None:
        await self.watched.stack.sandbox.call("PUT", "/_sandbox/faults", script)

    async def heal(self) -> None:
        await self.watched.stack.sandbox.call("DELETE", "/_sandbox/faults")

    async def start_and_sign(self, count: int) -> None:
        """Start agreements whose signers sign at once."""
        started = [await self.watched.start() for _ in range(count)]
        for handle in started:
            await self.watched.stack.sandbox.complete(await self.watched.sent(handle))


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    worker, receiver, another = free_port(), free_port(), free_port()
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COUNTERSIGN_PACE": "20",  # the circuit probes every 3 s, within the 5 s of the hurried rates
        "COUNTERSIGN_PROVIDER_CIRCUIT_FAILURES": "5",
        "COUNTERSIGN_CALLBACKS_ALLOW_LOOPBACK": "true",
        "COUNTERSIGN_CALLBACKS_SECRET": CALLBACK_SECRET,
        "COUNTERSIGN_WORKER_METRICS_PORT": str(worker),
        "COUNTERSIGN_WEBHOOKS_METRICS_PORT": str(receiver),
    }
    async with Stack(replace(plan(tmp_path, Ports.pick()), extra_env=env)) as stack:
        prometheus = Prometheus(tmp_path, [f"127.0.0.1:{port}" for port in (worker, receiver, another)])
        await prometheus.start(stack.supervisor)
        client = await connect(environment=stack.env)
        at = (f"http://127.0.0.1:{worker}", f"http://127.0.0.1:{receiver}")
        yield Scene(Watched(stack, client, *at), prometheus, another)


async def test_every_alert_fires_for_its_fault_and_not_before(scene: Scene) -> None:
    for _ in range(5):
        await scene.watched.complete_one()
    await asyncio.sleep(8)  # longer than any `for:`; nothing is waited for, and nothing may come
    assert scene.prometheus.firing() == set()
    for fault in FAULTS:
        await fault(scene)
    named = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    assert scene.fired == named


async def refused(scene: Scene) -> None:
    await scene.fault(api=[{"path": "/v1/deliverable", "method": "POST", "do": "status", "status": 422}])
    await scene.watched.start()
    await scene.fires("AgreementsFailing")


async def unfinalised(scene: Scene) -> None:
    document_id = await scene.watched.sent(await scene.watched.start())
    path = f"/_sandbox/documents/{document_id}/complete"
    await scene.watched.stack.sandbox.call("POST", path, {"finalization": "fails"})
    await scene.fires("NeedsAttention")


async def forged(scene: Scene) -> None:
    await scene.fault(webhooks=[{"do": "wrong_signature", "times": 6}])
    await scene.start_and_sign(1)
    await scene.fires("WebhooksUnverified")
    await scene.heal()


async def no_downloads(scene: Scene) -> None:
    await scene.fault(api=[{"path": "*/download*", "do": "html", "times": None}])
    await scene.start_and_sign(2)
    await scene.fires("ArchiveFailing")
    await scene.heal()


async def throttled_queue(scene: Scene) -> None:
    await _limit(scene, 0.01)
    for _ in range(8):
        await scene.watched.start()
    await scene.fires("Backlog")
    await _limit(scene, None)
    await scene.ends("Backlog")


async def temporal_frozen(scene: Scene) -> None:
    started = await scene.watched.start()
    document_id = await scene.watched.sent(started)
    scene.watched.stack.supervisor.pause("temporal")
    await scene.watched.stack.sandbox.complete(document_id)
    await scene.fires("WebhooksTurnedAway")
    scene.watched.stack.supervisor.resume("temporal")


async def webhooks_dropped(scene: Scene) -> None:
    await scene.fault(webhooks=[{"do": "drop", "times": None}])
    await scene.start_and_sign(1)
    found = 'countersign_agreements_total{resolved_by="watcher"}'
    await scene.seen(found)  # an increase needs a beginning
    await scene.start_and_sign(6)
    await scene.fires("WebhooksLost")
    await scene.heal()


async def callbacks_unheard(scene: Scene) -> None:
    url = f"http://127.0.0.1:{free_port()}/hook"
    for _ in range(3):
        started = await scene.watched.start(callback_url=url)
        await scene.watched.stack.sandbox.complete(await scene.watched.sent(started))
    await scene.fires("CallbacksFailing")


async def watcher_terminated(scene: Scene) -> None:
    watcher = scene.watched.client.get_workflow_handle(watcher_id(QUEUE, DEFAULT_ACCOUNT))
    await watcher.terminate("a person's mistake")
    await scene.fires("WatcherSilent")
    await scene.watched.stack.supervisor.restart("worker")
    await scene.ends("WatcherSilent")


async def key_refused(scene: Scene) -> None:
    await scene.fault(api=[{"do": "status", "status": 401, "times": None}])
    await scene.watched.start()
    await scene.fires("CredentialsRefused")
    assert (await get(f"{scene.watched.worker}/readyz"))[0] == 200
    circuit = json.loads((await get(f"{scene.watched.worker}/status"))[1])["circuits"][DEFAULT_ACCOUNT]
    assert circuit["state"] == "blocked"
    await scene.heal()
    await scene.ends("CredentialsRefused")


async def provider_ill(scene: Scene) -> None:
    await scene.fault(api=[{"do": "status", "status": 503, "times": None}])
    for _ in range(3):
        await scene.watched.start()
    scene.expected.add("ProviderFailing")
    await scene.fires("CircuitOpen")
    await scene.fires("ProviderFailing")
    check_dashboard(scene.prometheus)
    await scene.heal()


async def deployment_broken(scene: Scene) -> None:
    """Put a worker whose code fails in the other's place, until the alert; then do as the runbook says."""
    supervisor = scene.watched.stack.supervisor
    env = {**scene.watched.stack.env, "COUNTERSIGN_WORKER_METRICS_PORT": str(scene.another_port)}
    command = [sys.executable, "-m", "tests.deploy.broken_worker"]
    await supervisor.start(Part("broken", command, prints("worker ready"), env, DEPLOY.parent))
    await scene.seen(f'countersign_build_info{{role="worker",instance="127.0.0.1:{scene.another_port}"}}')
    await supervisor.stop("worker")
    stuck = [await scene.watched.start()]
    await scene.seen("temporal_workflow_task_execution_failed_total")  # an increase needs a beginning
    stuck += [await scene.watched.start() for _ in range(4)]
    scene.expected.add("AgreementsStuck")
    await scene.fires("WorkflowTasksFailing")
    await scene.fires("AgreementsStuck")
    await supervisor.restart("worker")
    await supervisor.stop("broken")
    for agreement in stuck:
        await scene.watched.stack.sandbox.complete(await scene.watched.sent(agreement))
        assert (
            await agreement_result(agreement.reference, client=scene.watched.client)
        ).outcome == "completed"
    await scene.ends("AgreementsStuck")


async def worker_gone(scene: Scene) -> None:
    await scene.watched.stack.supervisor.stop("worker")
    await scene.fires("NoWorker")


FAULTS: list[Callable[[Scene], Any]] = [
    refused,
    unfinalised,
    forged,
    throttled_queue,
    webhooks_dropped,
    no_downloads,
    callbacks_unheard,
    watcher_terminated,
    temporal_frozen,
    key_refused,
    provider_ill,
    deployment_broken,
    worker_gone,
]


async def _limit(scene: Scene, per_second: float | None) -> None:
    """Set the provider queue's live rate limit, as an operator would."""
    client = scene.watched.client
    limit = None if per_second is None else RateLimit(requests_per_second=per_second)
    await client.workflow_service.update_task_queue_config(
        UpdateTaskQueueConfigRequest(
            namespace=client.namespace,
            identity="test",
            task_queue=PROVIDER_QUEUE,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            update_queue_rate_limit=UpdateTaskQueueConfigRequest.RateLimitUpdate(
                rate_limit=limit, reason="test"
            ),
        )
    )


def check_dashboard(prometheus: Prometheus) -> None:
    """Every query of the dashboard has an answer."""
    dashboard = json.loads((DEPLOY / "grafana" / "countersign.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(expressions) > 20
    for expression in expressions:
        concrete = expression.replace("$__rate_interval", "5m").replace("$__range", "5m")
        assert prometheus.query(concrete), expression
