"""An agreement keeps the time scale with which it started."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.agreements.messages import Outcome
from devstack.sandbox import Sandbox
from tests.workflows.office import Handle, open_office
from workflows.agreement import policies


async def test_a_hurried_agreement_polls_at_once(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with open_office(client, time_skipper, sandbox, tmp_path, time_scale=600) as office:
        handle = await office.start()
        await office.sign_all(await office.sent(handle))
        result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "poll")
    waits = await timers(handle)  # of a slow machine, more than one
    assert timedelta(0) < min(waits) <= timedelta(minutes=1) / 600  # counted from the send's recorded time


async def timers(handle: Handle) -> set[timedelta]:
    return {
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        async for event in handle.fetch_history_events()
        if event.HasField("timer_started_event_attributes")
    }


@pytest.mark.parametrize("policy", [policies.SEND, policies.ARCHIVE])
def test_a_faster_policy_keeps_its_proportions(policy: policies.Policy) -> None:
    faster = policy.at(10)
    assert policy.retry.maximum_interval is not None
    assert faster.retry.maximum_interval == policy.retry.maximum_interval / 10
    assert (faster.attempt, faster.total) == (policy.attempt / 10, policy.total / 10)
    assert faster.retry.maximum_attempts == policy.retry.maximum_attempts
    assert policy.at(1) == policy
