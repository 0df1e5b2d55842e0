"""How often an agreement asks the provider, and the setting that limits the waits."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.agreements.messages import Outcome
from devstack.sandbox import Sandbox
from tests.workflows.office import Handle, open_office
from workflows.agreement.policies import until_next_check

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("longest", "later", "last"),
    [(DAY, HOUR, DAY), (6 * HOUR, HOUR, 6 * HOUR), (15 * MINUTE, 15 * MINUTE, 15 * MINUTE)],
)
def test_waits_grow_up_to_the_limit(longest: timedelta, later: timedelta, last: timedelta) -> None:
    waits = [until_next_check(checks, longest) for checks in range(30)]
    assert waits[:3] == [MINUTE, 5 * MINUTE, 15 * MINUTE]
    assert (waits[3], waits[26], waits[27], waits[29]) == (later, later, last, last)


async def test_an_agreement_without_webhooks_checks_as_often_as_the_setting_says(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with open_office(
        client, time_skipper, sandbox, tmp_path, check_interval_hours=0.25, time_scale=600
    ) as office:
        handle = await office.start()
        document_id = await office.sent(handle)
        await _checked(handle, 5)
        await office.sign_all(document_id)
        result = await office.result(handle)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "poll")
    waits = [wait * 600 for wait in await _timers(handle)]
    assert max(waits) <= 15 * MINUTE
    assert max(waits[3:]) > 5 * MINUTE


async def _timers(handle: Handle) -> list[timedelta]:
    return [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        async for event in handle.fetch_history_events()
        if event.HasField("timer_started_event_attributes")
    ]


async def _checked(handle: Handle, checks: int) -> None:
    """Wait until the agreement has planned so many checks."""
    async with asyncio.timeout(60):
        while len(await _timers(handle)) < checks:  # noqa: ASYNC110  # it is the server's state
            await asyncio.sleep(0.05)
