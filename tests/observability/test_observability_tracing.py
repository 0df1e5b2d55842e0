"""One trace from the starter through workflow, activities, provider calls, webhooks and signals."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import Client
from temporalio.contrib.opentelemetry import TracingInterceptor

from cli.demo import SERVICES_AGREEMENT
from countersign.client.agreements import agreement_result
from countersign.observability import redaction, tracing, webhook_spans
from countersign.observability.patterns import MASK
from countersign.observability.spans import Spans
from countersign.observability.webhook_spans import WebhookSpans
from tests.observability.collector import Collector, Span, collecting
from tests.observability.watched import PATIENCE, Watched

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]


async def run(watched: Watched, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *arguments],
        env=watched.stack.env | env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def start_by_command(watched: Watched, reference: str) -> None:
    variables = ("CustomerName", "CompanyName", "Service", "Price", "StartDate")
    done = await run(
        watched,
        "starter.py",
        "start",
        *("--reference", reference, "--title", "Traced", "--template", SERVICES_AGREEMENT),
        *("--signer", "Ada Example <ada@example.com>"),
        *(word for name in variables for word in ("--var", f"{name}=x")),
    )
    assert done.returncode == 0, done.stderr


async def until(collector: Collector, is_there: Callable[[list[Span]], bool]) -> list[Span]:
    async with asyncio.timeout(PATIENCE):
        while not is_there(collector.spans):  # noqa: ASYNC110  # they come on another thread
            await asyncio.sleep(0.05)
    return list(collector.spans)


def named(spans: list[Span], service: str, name: str) -> list[Span]:
    return [span for span in spans if (span.service, span.name) == (service, name)]


async def test_one_trace_holds_an_agreement_across_processes(watched: Watched, collector: Collector) -> None:
    await start_by_command(watched, "traced-1")
    started = "StartWorkflow:AgreementWorkflow"
    spans = await until(collector, lambda spans: bool(named(spans, "countersign-starter", started)))
    trace_id = named(spans, "countersign-starter", started)[-1].trace_id
    document_id = await watched.sent_by("traced-1")
    await watched.stack.sandbox.complete(document_id)
    await agreement_result("traced-1", client=watched.client)

    def is_whole(spans: list[Span]) -> bool:
        names = {span.name for span in spans if span.trace_id == trace_id}
        return {"CompleteWorkflow:AgreementWorkflow", "RunActivity:archive", "webhook"} <= names

    spans = [span for span in await until(collector, is_whole) if span.trace_id == trace_id]
    by_id = {span.span_id: span for span in spans}
    (call,) = named(spans, "countersign-worker", "POST /turbosign/single/prepare-for-signing")
    assert by_id[call.parent_id].name == "RunActivity:send"
    assert call.attributes["http.response.status_code"] == 200
    signal = named(spans, "countersign-webhooks", "SignalWorkflow:signature_event")[0]
    assert by_id[signal.parent_id].name == "webhook"
    handled = named(spans, "countersign-worker", "HandleSignal:signature_event")
    assert (trace_id, signal.span_id) in [link for span in handled for link in span.links]


async def test_names_and_attributes_hold_nothing_personal(watched: Watched, collector: Collector) -> None:
    await watched.complete_one()
    text = repr(await until(collector, bool))
    assert "RunActivity:send" in text
    assert "ada@example.com" not in text
    assert "Ada Example" not in text


@pytest.mark.parametrize("program", ["worker", "starter", "receiver"])
async def test_tracing_that_is_off_is_not_even_imported(watched: Watched, program: str) -> None:
    code = (
        f"import sys, {program}\n"
        "from countersign.observability import tracing\n"
        "assert tracing.interceptors('worker') == ()\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    done = await run(watched, "-c", code, OTEL_SDK_DISABLED="true")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_decide(variables: dict[str, str], *, on: bool) -> None:
    assert tracing.is_on(variables) is on


@pytest.mark.parametrize("is_long_gone", [False, True])
async def test_a_trace_that_began_long_ago_is_linked_to(
    client: Client, monkeypatch: pytest.MonkeyPatch, *, is_long_gone: bool
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    temporal = TracingInterceptor(tracer)
    receiver = WebhookSpans(tracer, header=temporal.header_key)
    traced = Client(client.service_client, interceptors=[receiver, temporal])
    name = uuid.uuid4().hex
    handle = await traced.start_workflow("AgreementWorkflow", id=name, task_queue=name)
    if is_long_gone:
        monkeypatch.setattr(webhook_spans, "LONG_GONE", timedelta(0))
    await handle.signal("signature_event")
    await handle.terminate()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    start, webhook = spans["StartWorkflow:AgreementWorkflow"].context, spans["webhook"]
    assert start is not None
    assert webhook.context is not None
    assert (webhook.context.trace_id != start.trace_id) is is_long_gone
    assert [link.context.span_id for link in webhook.links] == ([start.span_id] if is_long_gone else [])


async def test_a_missing_extra_is_named(watched: Watched) -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import worker; sys.exit(worker.main([]))"
    done = await run(watched, "-c", code)
    assert done.returncode == 2
    assert "pip install --no-deps -r requirements-telemetry.lock" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.heavy
def test_what_a_failed_span_takes_along_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_protected", set())
    monkeypatch.setattr(redaction, "_known", None)
    redaction.protect("swordfish of the seas")
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        spans = Spans("worker")
        with pytest.raises(ValueError, match="seas"), spans._tracer.start_as_current_span("fails"):
            raise ValueError("ada.canary" + "@example.com has the swordfish of the seas")
        spans.flush()
        spans._provider.shutdown()
    assert [span.name for span in collector.spans] == ["fails"]
    assert b"exception.stacktrace" in collector.received
    assert MASK.encode() in collector.received
    for canary in (b"ada.canary@", b"swordfish of"):
        assert canary not in collector.received


@pytest.mark.heavy
async def test_a_collector_that_is_away_delays_no_one(watched: Watched) -> None:
    ended = await watched.complete_one()
    nowhere = "http://127.0.0.1:1"
    done = await run(watched, "starter.py", "status", ended.reference, OTEL_EXPORTER_OTLP_ENDPOINT=nowhere)
    assert done.returncode == 0, done.stderr
