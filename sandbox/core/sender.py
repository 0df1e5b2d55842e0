"""The webhook sender: posts deliveries, repeats failed ones by the switches, and records the results.

It reads due deliveries from the log, so a killed sandbox continues after its restart.
"""

import asyncio
import time
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from sandbox.core import deliveries
from sandbox.core.clock import iso, parse
from sandbox.core.fault_rules import WebhookFault
from sandbox.core.http_post import PostError, post
from sandbox.core.provider import Provider
from sandbox.core.store import Row

_KEPT_RESPONSE: Final = 1000
_IDLE_SECONDS: Final = 1.0
_AT_ONCE: Final = 100


class Sender:
    """Posts due deliveries until its task is canceled."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._sandbox = provider.sandbox
        self._due = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._lanes: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._postponed: set[str] = set()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._sandbox.wake = self._due.set

    async def run(self) -> None:
        """Deliver forever."""
        try:
            while True:
                self._due.clear()
                self._start_due()
                await self._until_next()
        finally:
            for task in self._running.values():
                task.cancel()

    async def deliver_now(self, delivery_ids: list[str]) -> None:
        """Make the first attempts of deliveries now, and wait for them."""
        self._start_due()
        waiting = [self._running[id_] for id_ in delivery_ids if id_ in self._running]
        await asyncio.gather(*waiting, return_exceptions=True)

    async def settle(self, lane: str) -> None:
        """Make the first attempts of a document's deliveries now, and wait for them."""
        rows = self._sandbox.store.rows("SELECT id FROM deliveries WHERE lane = ?", lane)
        await self.deliver_now([row["id"] for row in rows])

    def _start_due(self) -> None:
        rows = self._sandbox.store.rows(
            "SELECT * FROM deliveries WHERE next_attempt_at <= ? ORDER BY seq", self._sandbox.clock.stamp()
        )
        for row in rows:
            if row["id"] not in self._running:
                self._start(row)

    def _start(self, row: Row) -> None:
        lane = (row["lane"], row["url"])
        before = self._lanes.get(lane) if self._sandbox.behavior.one_at_a_time else None
        task = asyncio.create_task(self._deliver(row["id"], before))
        self._running[row["id"]] = self._lanes[lane] = task
        task.add_done_callback(lambda done: self._ended(row["id"], lane, done))

    def _ended(self, delivery_id: str, lane: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._running.pop(delivery_id, None)
        if self._lanes.get(lane) is task:
            del self._lanes[lane]
        self._due.set()

    async def _until_next(self) -> None:
        row = self._sandbox.store.row(
            "SELECT MIN(next_attempt_at) AS at FROM deliveries WHERE next_attempt_at > ?",
            self._sandbox.clock.stamp(),
        )
        wait = _IDLE_SECONDS
        if row is not None and row["at"] is not None:
            wait = min(wait, max(0.005, (parse(row["at"]) - self._sandbox.clock.now()).total_seconds()))
        try:
            async with asyncio.timeout(wait):
                await self._due.wait()
        except TimeoutError:
            return

    async def _deliver(self, delivery_id: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        row = self._sandbox.store.find("deliveries", delivery_id)
        webhook = self._sandbox.store.find("webhooks", row["webhook_id"]) if row else None
        if row is None or webhook is None or row["next_attempt_at"] is None:
            return
        started = time.perf_counter()
        fault = self._sandbox.faults.for_delivery(row["event_type"])
        if fault is not None and fault.do == "reorder" and row["id"] not in self._postponed:
            self._postpone(row, fault.seconds)
            return
        outcome = (
            await self._attempt(row, webhook) if fault is None else await self._spoil(fault, row, webhook)
        )
        self._record(row, outcome | {"duration_ms": round((time.perf_counter() - started) * 1000)})

    def _postpone(self, row: Row, seconds: float) -> None:
        """Let later deliveries overtake this one, once. This is no attempt."""
        self._postponed.add(row["id"])
        later = iso(self._sandbox.clock.now() + timedelta(seconds=seconds))
        self._sandbox.store.update("deliveries", row["id"], next_attempt_at=later)

    async def _spoil(self, fault: WebhookFault, row: Row, webhook: Row) -> Row:
        """Make an attempt with a fault."""
        if fault.do in {"drop", "fail"}:
            return {"http_status": None, "response_body": None, "error_message": f"fault: {fault.do}"}
        if fault.do == "delay":
            await asyncio.sleep(max(0, fault.seconds))
        if fault.do == "rotate_secret":
            webhook = deliveries.rotate(self._sandbox, webhook, self._provider.new_secret())
        outcome = await self._attempt(row, webhook, fault)
        for _ in range(fault.copies if fault.do == "duplicate" else 0):
            await self._attempt(row | {"id": str(uuid4())} if fault.new_delivery_id else row, webhook)
        return outcome

    async def _attempt(self, row: Row, webhook: Row, fault: WebhookFault | None = None) -> Row:
        headers, body = self._provider.attempt(row, webhook, fault)
        outcome: Row = {"http_status": None, "response_body": None, "error_message": None}
        try:
            async with self._at_once, asyncio.timeout(self._sandbox.behavior.delivery_timeout):
                status, content = await post(row["url"], headers, body)
        except TimeoutError:
            return outcome | {"error_message": "Request timed out"}
        except PostError as error:
            return outcome | {"error_message": str(error)}
        text = content.decode("utf-8", "replace")[:_KEPT_RESPONSE]
        problem = None if 200 <= status < 300 else f"HTTP {status}"  # noqa: PLR2004 - success is 2xx
        return {"http_status": status, "response_body": text, "error_message": problem}

    def _record(self, row: Row, outcome: Row) -> None:
        now = self._sandbox.clock.now()
        attempts, delays = row["attempt_count"] + 1, self._sandbox.behavior.retry_delays
        changes: dict[str, Any] = outcome | {
            "attempt_count": attempts,
            "updated_on": iso(now),
            "next_attempt_at": None,
        }
        if outcome["error_message"] is None:
            changes |= {"status": "delivered", "delivered_at": iso(now)}
        elif attempts <= len(delays) and outcome["error_message"] != "fault: drop":
            delay = delays[attempts - 1]
            changes |= {"status": "retrying", "next_attempt_at": iso(now + timedelta(seconds=delay))}
        else:
            changes |= {"status": "failed"}
        self._sandbox.store.update("deliveries", row["id"], **changes)
