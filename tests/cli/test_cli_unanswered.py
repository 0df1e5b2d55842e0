"""A worker that is there and cannot answer: one sentence, no traceback."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import activity
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowHandle
from temporalio.common import TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from countersign.client.agreements import agreement_status
from countersign.client.errors import NoWorkerError, UnreachableError
from countersign.client.worker_calls import ask_status
from devstack.sandbox import Sandbox
from tests.workflows.office import an_agreement, open_office
from tests.workflows.reordered import ReorderedWorkflow
from worker import workflow_runner


@activity.defn(name="claim")
async def _claim(request: dict[str, object]) -> None:
    """Stand for the local activity, without which the worker cannot begin."""


async def test_code_that_does_not_fit_is_reported_in_one_sentence(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    agreement = an_agreement()
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        await office.sent(await office.start(agreement))
        queue = office.settings.task_queue
    runner = workflow_runner(sandboxed=True)
    served = Worker(
        client, task_queue=queue, workflows=[ReorderedWorkflow], activities=[_claim], workflow_runner=runner
    )
    async with served:
        with pytest.raises(UnreachableError) as failed:
            await agreement_status(agreement.reference, client=client)
    sentence = str(failed.value)
    assert sentence.startswith(f"{agreement.reference}: its worker cannot respond: [TMPRL1100]")
    assert sentence.endswith("Retrying is safe; the worker's log has details")
    assert "\n" not in sentence


class _Refused:
    """A workflow whose queries Temporal answers by itself, as it does after several failures."""

    def __init__(self, words: str) -> None:
        self._words = words

    async def query(self, *_arguments: object, **_options: object) -> None:
        raise RPCError(self._words, RPCStatusCode.FAILED_PRECONDITION, b"")

    async def describe(self, **_options: object) -> SimpleNamespace:
        """Describe a workflow without a pending workflow task."""
        return SimpleNamespace(
            raw_description=DescribeWorkflowExecutionResponse(),
            typed_search_attributes=TypedSearchAttributes.empty,
        )


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (
            "Cannot query workflow due to Workflow Task in failed state.",
            UnreachableError,
            "its worker cannot respond: Cannot query workflow due to Workflow Task in failed state. Retry",
        ),
        ("no poller seen for task queue recently, worker may be down", NoWorkerError, "no worker responds: "),
    ],
)
async def test_temporals_own_refusals_name_the_right_culprit(
    words: str, kind: type[UnreachableError], says: str
) -> None:
    with pytest.raises(UnreachableError) as failed:
        await ask_status(cast("WorkflowHandle[Any, Any]", _Refused(words)), "order-1")
    assert type(failed.value) is kind
    assert str(failed.value).startswith(f"order-1: {says}")
