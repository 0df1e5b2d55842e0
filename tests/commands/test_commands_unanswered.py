"""A worker that is there and cannot answer: one sentence, no traceback."""

from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from commands.agreements import agreement_status
from commands.errors import UnreachableError
from countersign.local.sandbox import Sandbox
from tests.workflows.office import an_agreement, open_office
from tests.workflows.reordered import ReorderedWorkflow
from worker import workflow_runner


async def test_code_that_does_not_fit_is_told_in_one_sentence(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    agreement = an_agreement()
    async with open_office(client, time_skipper, sandbox, tmp_path) as office:
        await office.sent(await office.start(agreement))
        queue = office.settings.task_queue
    runner = workflow_runner()
    async with Worker(client, task_queue=queue, workflows=[ReorderedWorkflow], workflow_runner=runner):
        with pytest.raises(UnreachableError) as failed:
            await agreement_status(agreement.reference, client=client)
    sentence = str(failed.value)
    assert sentence.startswith(f"{agreement.reference}: its worker cannot answer: [TMPRL1100]")
    assert sentence.endswith("Trying again is safe; the worker's log tells more")
    assert "\n" not in sentence
