"""Steps wait for the provider by priority: what people asked for, then sends and archives, then checks.

Temporal orders each partition of a queue, so the order of a whole backlog is no assertion.
"""

import pytest

from countersign.agreements.messages import Outcome, VoidRequest
from tests.workflows.office import Office
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.thorough


async def test_steps_are_scheduled_with_their_priority(office: Office) -> None:
    handle = await office.start()
    await office.sent(handle)
    await handle.execute_update(AgreementWorkflow.void, VoidRequest(reason="No longer needed."))
    assert (await office.result(handle)).outcome is Outcome.VOIDED
    priorities = {
        event.activity_task_scheduled_event_attributes.activity_type.name: (
            event.activity_task_scheduled_event_attributes.priority.priority_key
        )
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    assert priorities == {"send": 3, "void": 1, "look": 4}
