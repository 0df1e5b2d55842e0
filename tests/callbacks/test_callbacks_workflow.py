"""How often a callback is repeated, and what each response means, over real HTTP and a real Temporal."""

import logging
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as AttemptTimeoutError
from temporalio.testing import TimeSkipper

from activities.requests import Attempted
from countersign.agreements.callbacks import (
    CALLBACK_WORKFLOW,
    CALLER,
    CallbackData,
    CallbackEvent,
    CallbackName,
    CallbackRequest,
    CallbackType,
    callback_name,
    event_id,
    read_callback_name,
)
from countersign.agreements.names import callback_task_queue
from devstack.sandbox import Sandbox
from tests.callbacks.callback_receiver import (
    QUERY,
    SECRET,
    Receiver,
    Respond,
    drop,
    hang,
    receiving,
    responding,
)
from tests.workflows.office import Office, open_office
from workflows.callbacks import policies
from workflows.callbacks.policies import Verdict, judge
from workflows.callbacks.workflow import unreported

HURRY = 1_000_000
"""A day in less than a tenth of a second."""
Script = list[int | Respond]


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(
    temporal_env: Any, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    client: Client = temporal_env.client
    folder = tmp_path_factory.mktemp("callbacks")
    async with open_office(client, TimeSkipper(client), sandbox, folder) as office:
        yield office


def request(receiver: Receiver, **changes: Any) -> CallbackRequest:
    reference = f"t-{uuid.uuid4().hex[:12]}"
    event = CallbackEvent(
        type=CallbackType.COMPLETED, timestamp=datetime.now(UTC), data=CallbackData(reference=reference)
    )
    given = {
        "event": event,
        "event_id": event_id(name_of(event)),
        "targets": (CALLER,),
        "url": receiver.url,
        "time_scale": HURRY,
    }
    return CallbackRequest.model_validate(given | changes)


def name_of(event: CallbackEvent) -> CallbackName:
    return callback_name(event.data.reference, "0" * 32, event.type)


async def start(office: Office, request: CallbackRequest) -> WorkflowHandle[Any, Any]:
    return await office.client.start_workflow(
        CALLBACK_WORKFLOW, request, id=name_of(request.event).workflow_id, task_queue=office.task_queue
    )


async def failure(office: Office, request: CallbackRequest) -> str:
    with pytest.raises(WorkflowFailureError) as failed:
        await (await start(office, request)).result()
    return str(failed.value.cause)


async def test_what_fails_is_repeated_with_the_same_id(office: Office, receiver: Receiver) -> None:
    receiver.script = [503, drop, 404, 302, 429]
    sent = request(receiver)
    await (await start(office, sent)).result()
    # The 404 comes after what may have arrived, so it ends it.
    assert [call.id for call in receiver.calls] == [sent.event_id] * 3
    receiver.calls.clear()
    receiver.script = [404, 302, 429, 401, 200]
    sent = request(receiver)
    await (await start(office, sent)).result()
    assert [call.id for call in receiver.calls] == [sent.event_id] * 5
    assert len({call.body for call in receiver.calls}) == 1


async def test_after_ten_attempts_it_is_given_up(office: Office, receiver: Receiver) -> None:
    receiver.script = [500] * 20
    assert await failure(office, request(receiver)) == "NotDelivered: callback_url: answered with HTTP 500"
    assert len(receiver.calls) == len(policies.WAITS) + 1 == 10


async def test_a_receiver_that_is_gone_is_left_alone(office: Office, receiver: Receiver) -> None:
    receiver.script = [410]
    assert await failure(office, request(receiver)) == "NotDelivered: callback_url: answered with HTTP 410"
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("script", [[drop, 409], [504, 410], [drop, 429, 404]])
async def test_a_refusal_of_what_may_have_arrived_is_a_success(
    office: Office, receiver: Receiver, script: Script
) -> None:
    receiver.script = script
    count = len(script)
    await (await start(office, request(receiver))).result()
    assert len(receiver.calls) == count


async def test_a_replay_of_what_was_delivered_may_be_refused(office: Office, receiver: Receiver) -> None:
    receiver.script = [409]
    await (await start(office, request(receiver, was_delivered=True))).result()
    assert len(receiver.calls) == 1


async def test_a_retry_after_is_obeyed(office: Office, receiver: Receiver) -> None:
    receiver.script = [responding(429, "Retry-After: 7200")]
    handle = await start(office, request(receiver))

    async def waits() -> list[timedelta]:
        events = (await handle.fetch_history()).events
        return [
            event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
            for event in events
            if event.HasField("timer_started_event_attributes")
        ]

    assert await office.eventually(waits, bool) == [timedelta(hours=2)]
    await handle.terminate()
    receiver.script = [responding(503, "Retry-After: 1"), responding(503, "Retry-After: soon")]
    handle = await start(office, request(receiver, time_scale=1))
    (wait,) = await office.eventually(waits, bool)
    assert wait >= policies.WAITS[0]  # a receiver cannot use the attempts up
    await handle.terminate()


async def test_a_target_that_fails_does_not_keep_another_from_its_event(
    office: Office, receiver: Receiver
) -> None:
    problem = await failure(office, request(receiver, targets=(CALLER, "crm")))
    assert problem == "NotDelivered: crm: COUNTERSIGN_CALLBACKS_SUBSCRIPTIONS no longer names it"
    assert len(receiver.calls) == 1


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://hooks.example.com/x", "callback_url: hooks.example.com may not be called back; "),
        (
            "https://user:canary@hooks.example.com/x",
            "callback_url: must not contain a user name or a password",
        ),
        ("http://10.0.0.1/x?canary", "callback_url: must begin with https://"),
    ],
)
async def test_a_url_that_is_not_allowed_is_not_called(
    office: Office, receiver: Receiver, url: str, problem: str
) -> None:
    found = await failure(office, request(receiver, url=url))
    assert found.startswith(f"NotDelivered: {problem}")
    assert "canary" not in found


async def test_a_callback_waits_in_a_queue_of_its_own_and_shows_no_url(
    office: Office, receiver: Receiver
) -> None:
    handle = await start(office, request(receiver))
    await handle.result()
    described = await handle.describe()
    history = await handle.fetch_history()
    (scheduled,) = [
        event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")
    ]
    queue = scheduled.activity_task_scheduled_event_attributes.task_queue.name
    assert queue == callback_task_queue(office.task_queue)
    assert QUERY not in str(scheduled.user_metadata)
    assert QUERY not in str(described.raw_info)
    assert "canary" not in handle.id


def test_the_waits_make_a_day() -> None:
    assert timedelta(hours=23) < sum(policies.WAITS, timedelta()) < timedelta(hours=25)
    assert sorted(policies.WAITS) == list(policies.WAITS)


def test_every_status_has_one_meaning() -> None:
    for status in range(100, 600):
        first = judge(Attempted(status=status), may_have_arrived=False)
        later = judge(Attempted(status=status), may_have_arrived=True)
        is_final = 400 <= status < 500 and status not in {408, 425, 429}
        if 200 <= status < 300:
            assert (first, later) == (Verdict.DELIVERED, Verdict.DELIVERED)
        else:
            assert first is (Verdict.STOP if status == 410 else Verdict.REPEAT)
            assert later is (Verdict.DELIVERED if is_final else Verdict.REPEAT)


def test_an_id_tells_reference_and_event_apart() -> None:
    run, next_run = "01a221aa-4b53-7000-8000-00000123abcd", "01a221aa-4f50-7000-8000-0000cdef0123"
    for reference in ("order-1042", "order-1-sent", "x-signed-2"):
        for kind, number in ((CallbackType.SENT, None), (CallbackType.SIGNED, 12)):
            name = callback_name(reference, run, kind, number)
            assert read_callback_name(name.workflow_id) == name
    assert name.workflow_id == "callback-x-signed-2-signed-12-0123abcd"
    assert read_callback_name("callback-order-1042") is None
    assert event_id(name) != event_id(callback_name("x-signed-2", run, CallbackType.SIGNED, 11))
    assert event_id(name) != event_id(callback_name("x-signed-2", next_run, CallbackType.SIGNED, 12))
    assert len(event_id(name)) == 36


@pytest.mark.parametrize(
    ("cause", "may_have_arrived"),
    [
        (AttemptTimeoutError("", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[]), True),
        (AttemptTimeoutError("", type=TimeoutType.SCHEDULE_TO_START, last_heartbeat_details=[]), False),
        (AttemptTimeoutError("", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[]), False),
        (ApplicationError("a worker that stopped", type="WorkerShutdown"), True),
    ],
)
def test_an_attempt_that_was_never_made_has_not_arrived(cause: Exception, *, may_have_arrived: bool) -> None:
    """Else a receiver that does not know the address would count as one that has had it."""
    assert unreported(cause).may_have_arrived is may_have_arrived


async def test_no_log_line_has_a_url_or_a_secret(
    office: Office, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.script = [503, drop, 204]
    await (await start(office, request(receiver))).result()
    assert await failure(office, request(receiver, url="https://hooks.example.com/x?signature=canary"))
    records = [str(vars(record)) for record in caplog.records]
    assert len([record for record in records if "'target': 'callback_url'" in record]) == 4
    assert not [record for record in records if "canary" in record or SECRET in record]


async def test_a_worker_that_stops_meanwhile_has_delivered_or_repeats(
    temporal_env: Any, sandbox: Sandbox, tmp_path: Path, receiver: Receiver
) -> None:
    client: Client = temporal_env.client
    receiver.script = [hang]
    async with open_office(client, TimeSkipper(client), sandbox, tmp_path) as first:
        handle = await start(first, request(receiver))

        async def calls() -> int:
            return len(receiver.calls)

        await first.eventually(calls, bool)
    async with open_office(
        client, TimeSkipper(client), sandbox, tmp_path, task_queue=first.task_queue
    ) as second:
        await second.eventually(calls, lambda count: count > 1)
        await handle.result()
    assert len({call.id for call in receiver.calls}) == 1
