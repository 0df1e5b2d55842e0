"""What is exported, what is documented, and that they are the same."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

import countersign
from countersign.testing import eventually
from tests.observability.watched import Watched, get

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>countersign_\w+)` \| (?P<kind>\w+) \| (?P<labels>.*?) \|")
QUEUES = {"countersign", "countersign-turbodocx", "countersign.callbacks"}
FROM_TEMPORAL = {"namespace", "task_queue", "workflow_type", "service_name"}
"""Labels that the SDK adds to what workflows count."""


class Metric(NamedTuple):
    kind: str
    labels: frozenset[str]


def documented() -> dict[str, Metric]:
    rows = filter(None, map(ROW.match, DOCS.read_text().splitlines()))
    return {
        row["name"]: Metric(row["kind"], frozenset(re.findall(r"`(\w+)`", row["labels"]))) for row in rows
    }


async def scrape(url: str) -> dict[str, Any]:
    status, page = await get(f"{url}/metrics")
    assert status == 200
    families = {}
    for family in text_string_to_metric_families(page):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name not in families, f"{name} is told twice"
        families[name] = family
    return families


def own(families: dict[str, Any]) -> dict[str, Any]:
    return {name: family for name, family in families.items() if name.startswith("countersign_")}


def labels_of(family: Any) -> frozenset[str]:
    return frozenset().union(*(sample.labels for sample in family.samples)) - {"le"}


def value(families: dict[str, Any], name: str, **labels: str) -> float:
    found: list[float] = [
        sample.value
        for sample in families[name.removesuffix("_count").removesuffix("_sum")].samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found)


async def test_the_documented_metrics_are_the_exported_ones(watched: Watched) -> None:
    worker, receiver = own(await scrape(watched.worker)), own(await scrape(watched.receiver))
    reported = documented()
    assert set(reported) == set(worker) | set(receiver)
    for name, metric in reported.items():
        families = [item[name] for item in (worker, receiver) if name in item]
        assert {family.type for family in families} == {metric.kind}, name
        labels = frozenset().union(*map(labels_of, families))
        if labels:
            extra = FROM_TEMPORAL if "workflow_type" in labels else set()
            assert labels - extra == metric.labels, name


async def test_an_agreement_is_counted_where_it_happens(watched: Watched) -> None:
    worker, receiver = await scrape(watched.worker), await scrape(watched.receiver)
    ended = value(worker, "countersign_agreements_total", outcome="completed", resolved_by="webhook")
    await watched.complete_one()
    worker, receiver = await scrape(watched.worker), await scrape(watched.receiver)
    assert (
        value(worker, "countersign_agreements_total", outcome="completed", resolved_by="webhook") == ended + 1
    )
    for stage in ("generating", "sending", "awaiting_signatures", "archiving"):
        assert value(worker, "countersign_agreement_stage_seconds_count", stage=stage) == ended + 1
    assert value(worker, "countersign_archive_bytes_total") > 0
    assert (
        value(receiver, "countersign_webhooks_total", dialect="turbodocx", verdict="signalled") >= ended + 1
    )
    assert value(receiver, "countersign_webhook_delay_seconds_count") >= ended + 1


async def test_the_sdk_tells_what_official_dashboards_ask_for(watched: Watched) -> None:
    worker = await scrape(watched.worker)
    assert worker["temporal_request_latency_seconds"].type == "histogram"
    assert value(worker, "temporal_workflow_completed_total", workflow_type="AgreementWorkflow") >= 1
    assert value(worker, "temporal_activity_execution_latency_seconds_count", activity_type="send") >= 1


async def test_the_backlog_counts_what_waits(watched: Watched) -> None:
    await watched.sent(await watched.start())

    async def waiting() -> bool:
        counts = await scrape(watched.worker)
        return value(counts, "countersign_agreements_running", waiting_for="signatures") >= 1

    assert await eventually(waiting, bool)  # the backlog metrics counts every few seconds
    worker = await scrape(watched.worker)
    assert value(worker, "countersign_agreements_need_attention") == 0
    queues = {sample.labels["task_queue"] for sample in worker["countersign_task_queue_backlog"].samples}
    assert queues == QUEUES


async def test_a_worker_tells_how_it_is(watched: Watched) -> None:
    assert await get(f"{watched.worker}/healthz") == (200, "alive\n")
    assert await get(f"{watched.worker}/readyz") == (200, "ready\n")
    status = json.loads((await get(f"{watched.worker}/status"))[1])
    assert (status["version"], status["ready"]) == (countersign.__version__, True)
    assert status["circuits"]["turbodocx"]["state"] == "closed"
    assert {queue["task_queue"] for queue in status["queues"]} == QUEUES
