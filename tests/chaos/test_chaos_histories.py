"""Test what is read from histories."""

import json

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from tests.chaos.chaos_histories import HistoryFacts


@pytest.mark.parametrize(
    ("stage", "waiting_for", "asked"),
    [
        ("sending", "operator", True),
        ("sending", "provider", False),
        ("awaiting_signatures", "operator", False),
    ],
)
def test_only_a_question_about_the_send_asks_a_person(stage: str, waiting_for: str, *, asked: bool) -> None:
    event = HistoryEvent()
    fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
    for name, value in {"AgreementStage": stage, "WaitingFor": waiting_for}.items():
        fields[name].CopyFrom(Payload(data=json.dumps(value).encode()))
    facts = HistoryFacts()
    facts.read([event, HistoryEvent()])
    assert facts.asked is asked
