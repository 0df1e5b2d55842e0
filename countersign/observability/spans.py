"""A process's spans and their exporter; imported only if traces are on, see `tracing.py`."""

import os
import time
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import TracingInterceptor, TracingWorkflowInboundInterceptor
from temporalio.worker import WorkflowInboundInterceptor, WorkflowInterceptorClassInput

import countersign
from countersign.observability.redaction import redact
from countersign.observability.webhook_spans import WebhookSpans


class Spans:
    """Makes and exports spans.

    Args:
        role: What this process is.
    """

    def __init__(self, role: str) -> None:
        self._provider = _provider(role)
        self._tracer = self._provider.get_tracer("countersign", countersign.__version__)
        self._role = role

    def interceptors(self) -> Sequence[Interceptor]:
        """Return what the Temporal client needs; its workers take it over."""
        temporal = _Temporal(self._tracer)
        if self._role == "webhooks":
            return WebhookSpans(self._tracer, header=temporal.header_key), temporal
        return (temporal,)

    def record_call(
        self, method: str, template: str, *, host: str, seconds: float, status: int | None, error: str | None
    ) -> None:
        """Add a call that has just ended."""
        end = time.time_ns()
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "url.template": template,
            "server.address": host,
        }
        if status is not None:
            attributes["http.response.status_code"] = status
        span = self._tracer.start_span(
            f"{method} {template}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=end - int(seconds * 1e9),
        )
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def flush(self) -> None:
        """Export what is left; blocks."""
        self._provider.force_flush()


def _provider(role: str) -> TracerProvider:
    name = os.environ.get("OTEL_SERVICE_NAME") or f"countersign-{role}"
    resource = Resource.create({"service.name": name, "service.version": countersign.__version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(_Exporter()))
    return provider


class _Exporter(OTLPSpanExporter):
    """Redacts as logs are redacted: a span that fails takes its exception along, message and stack."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return super().export([_redacted(span) for span in spans])


def _redacted(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=redact(span.attributes),
        events=[Event(event.name, redact(event.attributes), event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, redact(span.status.description)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


class _Temporal(TracingInterceptor):
    """Temporal's interceptor without baggage, because histories keep headers in plain text."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__(tracer)
        self.text_map_propagator = TraceContextTextMapPropagator()

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002  # the SDK's name
    ) -> type[TracingWorkflowInboundInterceptor]:
        """Trace workflows likewise."""
        super().workflow_interceptor_class(input)
        return _InWorkflow


class _InWorkflow(TracingWorkflowInboundInterceptor):
    def __init__(self, next: WorkflowInboundInterceptor) -> None:  # noqa: A002  # the SDK's name
        super().__init__(next)
        self.text_map_propagator = TraceContextTextMapPropagator()
