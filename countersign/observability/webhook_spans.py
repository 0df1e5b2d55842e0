"""A span for every webhook that becomes a signal, in the agreement's trace or linked to it.

Providers send no trace context, so the first event of the history names the agreement's trace.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import (
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    WorkflowHistoryEventFilterType,
)
from temporalio.converter import PayloadConverter
from temporalio.service import RPCError

LONG_GONE: Final = timedelta(days=1)
"""A trace that began longer ago is linked to instead of joined: backends do not look that far back."""
_LOOK_UP: Final = timedelta(seconds=1)


class WebhookSpans(Interceptor):
    """Adds the spans of webhooks; register it before Temporal's own tracing interceptor.

    Args:
        tracer: Makes the spans.
        header: The Temporal header that holds a workflow's trace.
    """

    def __init__(self, tracer: Tracer, *, header: str) -> None:
        self._tracer = tracer
        self._header = header

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  # the SDK's name
        """Wrap the receiver's client."""
        return _Signals(next, self._tracer, self._header)


class _Signals(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, tracer: Tracer, header: str) -> None:  # noqa: A002  # as above
        super().__init__(next)
        self._tracer = tracer
        self._header = header

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002  # as above
        """Signal within a span."""
        start = time.time_ns()
        began = await self._beginning(input.id)
        agreement = self._context(began)
        joins = began is not None and _age(began) < LONG_GONE
        with self._tracer.start_as_current_span(
            "webhook",
            context=agreement if joins else Context(),
            kind=SpanKind.SERVER,
            links=() if joins else _links(agreement),
            attributes={"countersign.event_id": str(getattr(next(iter(input.args), None), "event_id", ""))},
            start_time=start,
        ):
            await super().signal_workflow(input)

    async def _beginning(self, workflow_id: str) -> HistoryEvent | None:
        events = self.next.fetch_workflow_history_events(
            FetchWorkflowHistoryEventsInput(
                id=workflow_id,
                run_id=None,
                page_size=1,
                next_page_token=None,
                wait_new_event=False,
                event_filter_type=WorkflowHistoryEventFilterType.ALL_EVENT,
                skip_archival=True,
                rpc_metadata={},
                rpc_timeout=_LOOK_UP,
            )
        )
        try:
            return await anext(aiter(events), None)
        except (RPCError, RuntimeError):  # a trace is not worth a webhook
            return None

    def _context(self, began: HistoryEvent | None) -> Context:
        headers = began.workflow_execution_started_event_attributes.header.fields if began else {}
        if self._header not in headers:
            return Context()
        carrier = PayloadConverter.default.from_payload(headers[self._header], dict[str, str])
        return TraceContextTextMapPropagator().extract(carrier, Context())


def _age(began: HistoryEvent) -> timedelta:
    return datetime.now(UTC) - began.event_time.ToDatetime(UTC)


def _links(agreement: Context) -> tuple[Link, ...]:
    span = get_current_span(agreement).get_span_context()
    return (Link(span),) if span.is_valid else ()
