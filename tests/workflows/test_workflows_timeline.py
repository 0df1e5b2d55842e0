"""The timeline in the archive: who tells of what, and times that compare as text."""

import json

import pytest

from countersign.evidence import one_spelling
from tests.workflows.office import Office


async def test_what_we_did_and_what_the_provider_tells_are_reported_apart_in_one_spelling(
    office: Office,
) -> None:
    handle = await office.start()
    document_id = await office.sent(handle)
    await office.deliver_event(handle, "sent", document_id, event_id="evt_sent")
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    result = await office.result(handle)
    assert result.archive is not None
    entries = json.loads(await office.store.read(result.archive.timeline.key))["timeline"]
    assert [(entry["by"], entry.get("event_id")) for entry in entries if entry["what"] == "sent"] == [
        ("countersign", None),
        ("provider", "evt_sent"),
    ]
    assert [entry["at"] for entry in entries] == [one_spelling(entry["at"]) for entry in entries]
    assert all(entry["at"].endswith("Z") for entry in entries)


@pytest.mark.parametrize(
    ("written", "archived"),
    [
        ("2026-11-25T04:15:00.123456+00:00", "2026-11-25T04:15:00.123Z"),
        ("2026-11-25T06:15:00+02:00", "2026-11-25T04:15:00.000Z"),
        ("2026-11-25T04:15:00Z", "2026-11-25T04:15:00.000Z"),
        ("2026-11-25T04:15:00", "2026-11-25T04:15:00"),
        ("yesterday", "yesterday"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_a_time_has_one_spelling_and_is_not_made_up(written: str, archived: str) -> None:
    assert one_spelling(written) == archived
