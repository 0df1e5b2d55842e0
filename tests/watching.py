"""Run an account's watcher in a test, and read what it did from its history."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from activities.requests import Reading
from countersign.agreements.events import SignatureEvent
from countersign.agreements.names import SIGNATURE_EVENT, watcher_id
from countersign.settings import CountersignSettings
from countersign.testing import eventually
from countersign.watchers import WatcherState, watcher_state
from worker import start_watchers

PATIENCE = 60
LONG = timedelta(days=1)


@dataclass(frozen=True)
class Watching:
    """A watcher that runs."""

    client: Client
    settings: CountersignSettings
    account: str

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(watcher_id(self.settings.task_queue, self.account))

    async def state(self, silence: timedelta = LONG) -> WatcherState:
        return await watcher_state(self.client, self.settings.task_queue, self.account, silence=silence)

    async def until(self, *, watches: bool) -> WatcherState:
        """Wait until its memo says that it does, or does not, read what changes."""
        return await eventually(self.state, lambda state: (state.lack is None) == watches, patience=PATIENCE)

    async def readings(self) -> list[Reading]:
        """Read what the readings of the newest run ended in."""
        found: list[Reading] = []
        async for event in self.handle.fetch_history_events():
            result = event.activity_task_completed_event_attributes.result
            if result.payloads:
                (value,) = await self.client.data_converter.decode(list(result.payloads), [object])
                if isinstance(value, dict) and "next_in" in value:
                    found.append(Reading.model_validate(value))
        return found

    async def is_reading(self) -> bool:
        """Whether a reading has begun and not ended."""
        return bool((await self.handle.describe()).raw_description.pending_activities)

    async def read_again(self, times: int = 2) -> list[Reading]:
        """Wait for complete readings that begin after now; the first of them may have begun before."""
        seen = len(await self.readings())
        return await eventually(self.readings, lambda found: len(found) > seen + times, patience=PATIENCE)


@asynccontextmanager
async def watching(client: Client, settings: CountersignSettings, account: str) -> AsyncIterator[Watching]:
    """Run an account's watcher until the block ends; it reads what changes when the block begins."""
    await start_watchers(client, settings, [account])
    watcher = Watching(client, settings, account)
    await watcher.until(watches=True)
    try:
        yield watcher
    finally:
        with suppress(RPCError):  # it has ended
            await watcher.handle.terminate()


async def signalled(client: Client, handle: WorkflowHandle[Any, Any]) -> list[SignatureEvent]:
    """Read the events that an agreement was signalled, in their order."""
    found: list[SignatureEvent] = []
    async for event in handle.fetch_history_events():
        signal = event.workflow_execution_signaled_event_attributes
        if signal.signal_name == SIGNATURE_EVENT:
            found += await client.data_converter.decode(list(signal.input.payloads), [SignatureEvent])
    return found
