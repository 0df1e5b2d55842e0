"""Read the sends, events, archives and end of an agreement from its Temporal histories."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.history.v1 import HistoryEvent

from countersign.agreements.failures import NOT_SENT, POSTPONED, REFUSED, SOURCE_UNUSABLE
from countersign.agreements.messages import Stage, WaitingFor
from countersign.agreements.search_attributes import STAGE, WAITING_FOR


@dataclass
class HistoryFacts:
    """Facts from the histories of one agreement's runs.

    Args:
        ended: Its end; None if it still runs.
        closed_at: The time of its end.
        unknown_sends: Number of sends with an unknown outcome.
        reminds: Number of reminder activities.
        asked: Whether a person was asked whether the document was sent.
        archivings: Number of activities that stored the archive.
        signalled: Ids of the events in its signals, in their order.
        unreplayable: The error of a replay.
        shown: The stage and what it waits for, by its search attributes; an upsert has those that changed.
    """

    ended: str | None = None
    closed_at: datetime | None = None
    unknown_sends: int = 0
    reminds: int = 0
    asked: bool = False
    archivings: int = 0
    signalled: list[str] = field(default_factory=list)
    unreplayable: str | None = None
    shown: dict[str, str] = field(default_factory=dict)

    def read(self, events: Iterable[HistoryEvent]) -> None:
        """Read one run's history."""
        steps: dict[int, str] = {}
        for event in events:
            if event.HasField("activity_task_scheduled_event_attributes"):
                scheduled = event.activity_task_scheduled_event_attributes
                steps[event.event_id] = scheduled.activity_type.name
                self.reminds += scheduled.activity_type.name == "remind"
            self._read_signal(event)
            self._read_question(event)
            self._read_step(event, steps)
            self._read_end(event)

    def _read_signal(self, event: HistoryEvent) -> None:
        signal = event.workflow_execution_signaled_event_attributes
        if signal.signal_name == "signature_event":
            self.signalled.append(_json(signal.input)["event_id"])

    def _read_question(self, event: HistoryEvent) -> None:
        changed = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        question = {STAGE.name: Stage.SENDING, WAITING_FOR.name: WaitingFor.OPERATOR}
        self.shown |= {name: json.loads(changed[name].data) for name in question if name in changed}
        self.asked |= self.shown == question

    def _read_step(self, event: HistoryEvent, steps: dict[int, str]) -> None:
        completed = event.activity_task_completed_event_attributes
        if steps.get(completed.scheduled_event_id) == "archive":
            self.archivings += not {"archive", "filed"}.isdisjoint(_json(completed.result))
        failed = event.activity_task_failed_event_attributes
        if steps.get(failed.scheduled_event_id) == "send":
            kind = failed.failure.application_failure_info.type
            self.unknown_sends += kind not in POSTPONED | REFUSED | {NOT_SENT, SOURCE_UNUSABLE}
        timed_out = event.activity_task_timed_out_event_attributes
        self.unknown_sends += steps.get(timed_out.scheduled_event_id) == "send"

    def _read_end(self, event: HistoryEvent) -> None:
        ended = None
        if event.HasField("workflow_execution_completed_event_attributes"):
            ended = _json(event.workflow_execution_completed_event_attributes.result)["outcome"]
        elif event.HasField("workflow_execution_canceled_event_attributes"):
            ended = "cancelled"
        elif event.HasField("workflow_execution_failed_event_attributes"):
            ended = "failed"
        if ended is not None:
            self.ended, self.closed_at = ended, event.event_time.ToDatetime(tzinfo=UTC)


def _json(payloads: Payloads) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payloads.payloads[0].data)
    return found
