"""Log lines that wait until it is known whose they are, out of the answers' way.

What Temporal answers to a signal names neither the agreement's run nor who started it. One question tells it
of all agreements that were signalled in the last second, so a burst of deliveries costs few questions.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from structlog.contextvars import get_contextvars
from temporalio.client import Client

from countersign.observability.whose import whose

MOST_LINES: Final = 10_000
"""What comes on top while so many wait is written at once, without."""
PATIENCE_SECONDS: Final = 5.0
"""Temporal's visibility may be behind: a line whose agreement it does not know waits so long for it."""
PAUSE_SECONDS: Final = 1.0
"""Between two questions; visibility is what Temporal limits most."""

AGREEMENTS: Final = 100
"""In one question: answering takes Temporal about 0.2 ms for each, and signals must not wait for that."""

_ROWS: Final = 1000
"""Long agreements have several runs."""
_TIMEOUT: Final = timedelta(seconds=2)

Write = Callable[[dict[str, str]], None]
"""Writes a line with what is known besides: `run_id` and `initiated_by`, or nothing."""


@dataclass(frozen=True, slots=True)
class _Line:
    workflow_id: str
    write: Write
    context: Context
    until: float


class LateLines:
    """Holds lines back until Temporal has told of their agreements, or does not in time.

    Args:
        client: Who is asked.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: deque[_Line] = deque()
        self._asking: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, write: Write) -> None:
        """Have a line written, in this context, whose `workflow_id` says which agreement it is about."""
        if len(self._waiting) >= MOST_LINES:
            write({})
            return
        until = time.monotonic() + PATIENCE_SECONDS
        self._waiting.append(_Line(get_contextvars()["workflow_id"], write, copy_context(), until))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._write_all(), name="late-lines", context=Context())

    async def close(self) -> None:
        """Write what waits, with what one more question tells."""
        self._closing.set()
        if self._asking is not None:
            await self._asking

    async def _write_all(self) -> None:
        while self._waiting:
            lines, workflow_ids = self._take()
            known = await self._ask(workflow_ids)
            for line in lines:
                self._write(line, known.get(line.workflow_id))
                await asyncio.sleep(0)  # answers go first
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), PAUSE_SECONDS)

    def _take(self) -> tuple[list[_Line], set[str]]:
        lines: list[_Line] = []
        workflow_ids: set[str] = set()
        while self._waiting and len(workflow_ids) < AGREEMENTS:
            lines.append(self._waiting.popleft())
            workflow_ids.add(lines[-1].workflow_id)
        return lines, workflow_ids

    def _write(self, line: _Line, known: dict[str, str] | None) -> None:
        if known is None and time.monotonic() < line.until and not self._closing.is_set():
            self._waiting.append(line)
        else:
            line.context.run(line.write, known or {})

    async def _ask(self, workflow_ids: set[str]) -> dict[str, dict[str, str]]:
        """Ask for the newest run of each; the running ones come first, then those that ended last."""
        listed = ", ".join(f"'{each}'" for each in sorted(workflow_ids) if "'" not in each)
        known: dict[str, dict[str, str]] = {}
        try:
            async for found in self._client.list_workflows(
                f"WorkflowId IN ({listed})", limit=_ROWS, rpc_timeout=_TIMEOUT
            ):
                if found.id not in known:
                    known[found.id] = await whose(found)
        except Exception:  # noqa: BLE001 - whatever it is, the lines are worth more than what they lack
            return known
        return known
