"""Workflows of a user's project that run an agreement as a step."""

import asyncio
import time
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from countersign.agreements.child import AgreementFailedError, run_agreement
    from countersign.agreements.messages import AgreementInput, AgreementResult


@workflow.defn
class Parent:
    """Run an agreement, and nothing else."""

    @workflow.run
    async def run(self, agreement: AgreementInput, task_queue: str) -> AgreementResult:
        return await run_agreement(agreement, account="turbodocx", task_queue=task_queue)


@workflow.defn
class Slow:
    """Run an agreement, and take a second for the task that starts it: what comes meanwhile comes next."""

    @workflow.run
    async def run(self, agreement: AgreementInput, task_queue: str) -> AgreementResult:
        asyncio.get_running_loop().call_soon(self.take_a_second)
        return await run_agreement(agreement, task_queue=task_queue)

    def take_a_second(self) -> None:
        with workflow.unsafe.sandbox_unrestricted():
            time.sleep(1)


@workflow.defn
class Catching:
    """Run an agreement and return how it failed."""

    @workflow.run
    async def run(self, agreement: AgreementInput, task_queue: str) -> tuple[Any, ...]:
        try:
            result = await run_agreement(agreement, task_queue=task_queue)
        except AgreementFailedError as error:
            return (error.type, error.nothing_sent, error.message)
        return (result.outcome,)


@workflow.defn
class Restarting:
    """Start an agreement, then begin again when told to: as a retry, or by continuing as new."""

    def __init__(self) -> None:
        self.begin_again = ""

    @workflow.signal
    def restart(self, how: str) -> None:
        self.begin_again = how

    @workflow.run
    async def run(self, agreement: AgreementInput, task_queue: str) -> AgreementResult:
        running = asyncio.create_task(run_agreement(agreement, task_queue=task_queue))
        first = workflow.info().attempt == 1 and workflow.info().continued_run_id is None
        if first:
            await workflow.wait_condition(lambda: bool(self.begin_again))
            if self.begin_again == "retry":
                raise ApplicationError("a bug of the parent")
            workflow.continue_as_new(args=[agreement, task_queue])
        return await running
