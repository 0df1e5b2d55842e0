"""Carries who started an agreement, an opaque id, into every log line of its workflow and its activities.

The worker takes `InitiatorInterceptor()` among its interceptors. A workflow's `initiated_by` is read from its
input and stands in its memo, where the webhook door finds it; activities are told in a header.
"""

from typing import Any, Final

from structlog.contextvars import bind_contextvars
from temporalio import workflow
from temporalio.converter import PayloadConverter
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from countersign.observability.whose import INITIATED_BY, memo

HEADER: Final = "initiated-by"


class InitiatorInterceptor(Interceptor):
    """Puts `initiated_by` on the log lines of workflows and activities."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        """Wrap an activity."""
        return _Activity(next)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - Temporal's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """Wrap a workflow."""
        return _Workflow


class _Activity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - Temporal's name
        header = input.headers.get(HEADER)
        if header is not None:
            bind_contextvars(**memo(PayloadConverter.default.from_payload(header, str)))
        return await super().execute_activity(input)  # still bound when the SDK tells how it failed


class _Workflow(WorkflowInboundInterceptor):
    initiator: str | None = None

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - Temporal's name
        self.initiator = getattr(input.args[0], INITIATED_BY, None) if input.args else None
        self._bind()
        if self.initiator and INITIATED_BY not in workflow.memo() and workflow.patched("initiator-in-memo"):
            workflow.upsert_memo(memo(self.initiator))
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - Temporal's name
        self._bind()
        return await super().handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:  # noqa: A002 - Temporal's name
        self._bind()
        return await super().handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:  # noqa: A002 - Temporal's name
        self._bind()
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - Temporal's name
        self._bind()
        return await super().handle_update_handler(input)

    def _bind(self) -> None:
        """Signals may be handled before the workflow has begun: the memo knows then."""
        initiator = self.initiator or workflow.memo_value(INITIATED_BY, None, type_hint=str)
        bind_contextvars(**memo(initiator))


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, following: WorkflowOutboundInterceptor, inbound: _Workflow) -> None:
        super().__init__(following)
        self._inbound = inbound

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002 - Temporal's name
        if self._inbound.initiator is not None:
            payload = PayloadConverter.default.to_payload(self._inbound.initiator)
            input.headers = {**input.headers, HEADER: payload}
        return super().start_activity(input)
