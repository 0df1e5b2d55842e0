"""What operators are notified of, and how often: agreements, accounts and watchers on a real Temporal."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import ActivityEnvironment, TimeSkipper

from activities import notices as activity_module
from activities.notices import ProblemActivities
from activities.requests import Findings, FindProblemsRequest
from countersign.agreements.messages import WaitingFor
from countersign.agreements.names import DEFAULT_ACCOUNT, notices_id
from countersign.agreements.notices import Channel
from countersign.providers.circuit import Circuit, CircuitRules
from countersign.settings import NoticeSettings
from devstack.processes import Part, Supervisor, prints
from devstack.sandbox import API_KEY, ORG_ID, Sandbox, SandboxError
from tests.callbacks.callback_receiver import SECRET, Receiver, receiving
from tests.notices.mail_server import MailServer, mail_server
from tests.watching import Watching, watching
from tests.workflows.office import SEND, Handle, Office, an_agreement, open_office
from tests.workflows.test_workflows_histories import replayer, runs_of
from worker import start_notices
from workflows.notices import NoticesState, NoticesWorkflow
from workflows.notices import workflow as workflow_module
from workflows.watcher import workflow as watcher_module

pytestmark = pytest.mark.thorough

ROOT: Final = Path(__file__).parents[2]
HURRY: Final = 600
"""Looks every tenth of a second."""


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest_asyncio.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
def settings(receiver: Receiver, mails: MailServer) -> NoticeSettings:
    return NoticeSettings(
        url=SecretStr(receiver.url),
        secret=SecretStr(SECRET),
        smtp_host=f"{mails.host}:{mails.port}",
        mail_from="countersign@example.com",
        mail_to=("ops@example.com",),
    )


@pytest_asyncio.fixture
async def recorded(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """A sandbox that records all events and delivers none."""
    await sandbox.subscribe("http://127.0.0.1:9/webhooks")
    yield sandbox
    await sandbox.call("DELETE", "/_sandbox/faults")
    with suppress(SandboxError):
        await sandbox.call("DELETE", "/api/webhooks/signature")


@pytest_asyncio.fixture
async def office(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path, settings: NoticeSettings
) -> AsyncIterator[Office]:
    async with open_office(
        client, time_skipper, sandbox, tmp_path, notices=settings, sandboxed=True
    ) as office:
        yield office
        for channel in Channel:
            with suppress(Exception):
                await handle_of(office, channel).terminate()
    await sandbox.call("DELETE", "/_sandbox/faults")


def handle_of(office: Office, channel: Channel = Channel.WEBHOOK) -> WorkflowHandle[Any, Any]:
    return office.client.get_workflow_handle(notices_id(office.task_queue, channel))


async def watch(office: Office, channel: Channel = Channel.WEBHOOK, **state: Any) -> WorkflowHandle[Any, Any]:
    """Start the notices of a channel, in a hurry."""
    given = NoticesState(channel=channel, environment="production", time_scale=HURRY, **state)
    return await office.client.start_workflow(
        NoticesWorkflow.run, given, id=notices_id(office.task_queue, channel), task_queue=office.task_queue
    )


async def in_need(office: Office) -> Handle:
    """Start an agreement whose send has an unknown outcome, so that a person must decide."""
    await office.break_call(SEND, "drop", at="before")
    handle = await office.start(an_agreement())
    await office.skip(handle, timedelta(minutes=15))
    await office.until(handle, lambda status: status.waiting_for is WaitingFor.OPERATOR)
    return handle


def reference(handle: Handle) -> str:
    return handle.id.removeprefix("agreement-")


def reported(receiver: Receiver) -> list[tuple[str, list[str]]]:
    """List what was delivered: types of notices, and the subjects of their problems."""
    return [
        (event["type"], sorted(problem["subject"] for problem in event["data"]["problems"]))
        for event in (call.event for call in receiver.calls)
    ]


async def looks(office: Office, count: int) -> None:
    """Wait until so many looks have begun from now on."""

    async def begun() -> int:
        found = 0
        for history in await runs_of(office, notices_id(office.task_queue, Channel.WEBHOOK)):
            names = (e.activity_task_scheduled_event_attributes.activity_type.name for e in history.events)
            found += sum(name == "find_problems" for name in names)
        return found

    until = await begun() + count
    await office.eventually(begun, lambda found: found >= until)


async def arrives(office: Office, receiver: Receiver, count: int) -> None:
    async def arrived() -> int:
        return len(receiver.calls)

    await office.eventually(arrived, lambda found: found >= count)


async def test_operators_are_notified_once_of_a_problem_and_once_of_its_end(
    office: Office, receiver: Receiver, mails: MailServer
) -> None:
    needy = await in_need(office)
    receiver.script = [503, 404]
    await watch(office)
    await watch(office, Channel.MAIL)
    await arrives(office, receiver, 3)
    assert len({call.id for call in receiver.calls}) == 1, "one notice, repeated until it is taken"
    del receiver.calls[:2]
    await looks(office, 4)
    assert reported(receiver) == [("notice.problem", [reference(needy)])]
    await office.resolve(needy, "abandon")
    await arrives(office, receiver, 2)
    await looks(office, 4)
    assert reported(receiver) == [
        ("notice.problem", [reference(needy)]),
        ("notice.over", [reference(needy)]),
    ]

    async def subjects() -> list[str]:
        return [str(mail["Subject"]) for mail in mails.mails]

    expected = ["Countersign production: a problem", "Countersign production: a problem is over"]
    assert await office.eventually(subjects, lambda found: len(found) > 1) == expected
    sent = json.dumps([call.event for call in receiver.calls]) + "".join(map(str, mails.mails))
    for person in ("Ada", "Grace", "ada@example.com", "grace@example.com"):
        assert person not in sent
    for history in await runs_of(office, handle_of(office).id):
        await replayer(NoticesWorkflow).replay_workflow(history)


async def test_what_operators_know_survives_a_new_run_and_a_new_worker(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    settings: NoticeSettings,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workflow_module, "HISTORY_LIMIT", 30)
    given: dict[str, Any] = {"task_queue": uuid.uuid4().hex, "notices": settings}
    async with open_office(client, time_skipper, sandbox, tmp_path, **given) as office:
        needy = await in_need(office)
        await watch(office)
        await arrives(office, receiver, 1)
        await looks(office, 6)
    async with open_office(client, time_skipper, sandbox, tmp_path, **given) as office:
        await start_notices(client, office.settings, settings)  # as a worker does
        await looks(office, 6)
        runs = await runs_of(office, handle_of(office).id)
        for channel in Channel:
            await handle_of(office, channel).terminate()
        await needy.terminate()
    assert len(runs) > 2
    assert reported(receiver) == [("notice.problem", [reference(needy)])]


async def test_an_account_that_is_blocked_is_a_problem_until_it_is_not(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    *,
    settings: NoticeSettings,
    receiver: Receiver,
) -> None:
    rules = CircuitRules(blocked_probe=0.2)
    async with open_office(client, time_skipper, sandbox, tmp_path, notices=settings, rules=rules) as office:
        await office.break_call("/*", "status", status=401, times=None, body="")
        try:
            await office.start()  # its first call is refused, and it ends
            await watch(office)
            await arrives(office, receiver, 1)
        finally:
            await office.mend()
        await arrives(office, receiver, 2)
        await handle_of(office).terminate()
    assert [call.event["data"]["text"] for call in receiver.calls] == [
        "- account turbodocx is blocked: credentials refused",
        "- over: account turbodocx is blocked: credentials refused",
    ]


async def test_the_digest_is_sent_once_a_day(office: Office, receiver: Receiver) -> None:
    handle = await office.start()
    await office.sent(handle)
    needy = await in_need(office)
    ended = await in_need(office)
    await office.resolve(ended, "abandon")
    await office.result(ended)
    await watch(office, digested_at=datetime.now(UTC) - timedelta(days=2))

    def digests() -> list[Any]:
        return [call.event["data"] for call in receiver.calls if call.event["type"] == "notice.digest"]

    async def delivered() -> int:
        return len(digests())

    await office.eventually(delivered, bool)
    await looks(office, 4)
    (digest,) = digests()
    assert digest["digest"]["running"] == {"sending": 1, "awaiting_signatures": 1}
    assert digest["digest"]["ended"] == {"abandoned": 1}
    assert digest["digest"]["longest_waiting"] == [reference(handle)]
    assert f"- {reference(needy)} needs attention" in digest["text"]
    await handle.terminate()
    await needy.terminate()


async def test_a_digest_is_due_when_its_time_has_come_since_the_last_one(client: Client) -> None:
    morning = datetime(2027, 1, 31, 7, 30, tzinfo=UTC)
    settings = NoticeSettings(
        smtp_host="smtp.example.com",
        mail_from="a@example.com",
        mail_to=("b@example.com",),
        digest_at="07:30",
    )
    activities = ProblemActivities(client, "q", (), {}, settings)
    minute, day = timedelta(minutes=1), timedelta(days=1)
    for last, at, is_due in [
        (None, morning, False),
        (morning - minute, morning, True),
        (morning - day, morning - minute, False),
        (morning - day - minute, morning - minute, True),
        (morning, morning + minute, False),
        (morning, morning + day, True),
    ]:
        assert activities._is_due(last, at) is is_due, (last, at)


async def test_notices_end_when_the_settings_have_them_no_more(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, tmp_path: Path, settings: NoticeSettings
) -> None:
    off = NoticeSettings()
    async with open_office(client, time_skipper, sandbox, tmp_path, notices=off) as office:
        await start_notices(client, office.settings, off)
        with pytest.raises(Exception, match="not found"):
            await handle_of(office).describe()
        await start_notices(client, office.settings, settings)
        for channel in Channel:
            await handle_of(office, channel).result()
            described = await handle_of(office, channel).describe()
            assert described.status is WorkflowExecutionStatus.COMPLETED


async def look(office: Office, **request: Any) -> Findings:
    circuit = Circuit(CircuitRules())
    activities = ProblemActivities(
        office.client,
        office.task_queue,
        (DEFAULT_ACCOUNT, "uk"),
        {DEFAULT_ACCOUNT: circuit},
        NoticeSettings(smtp_host="smtp.example.com", mail_from="a@example.com", mail_to=("b@example.com",)),
    )
    environment = ActivityEnvironment(client=office.client)
    asked = FindProblemsRequest(channel=Channel.MAIL, **request)
    found: Findings = await environment.run(activities.find_problems, asked)
    return found


@asynccontextmanager
async def without_webhooks(
    client: Client, time_skipper: TimeSkipper, sandbox: Sandbox, folder: Path
) -> AsyncIterator[tuple[Office, Watching]]:
    """Run a worker and its watcher while no webhook arrives."""
    await sandbox.call("PUT", "/_sandbox/faults", {"webhooks": [{"do": "drop", "times": None}], "api": []})
    async with (
        open_office(client, time_skipper, sandbox, folder, time_scale=20) as office,
        watching(client, office.settings, DEFAULT_ACCOUNT) as watcher,
    ):
        yield office, watcher


async def test_events_that_no_webhook_brought_are_a_problem_for_a_day(
    client: Client, time_skipper: TimeSkipper, recorded: Sandbox, tmp_path: Path
) -> None:
    async with without_webhooks(client, time_skipper, recorded, tmp_path) as (office, watcher):
        handle = await office.start()
        document_id = await office.sent(handle)
        assert (await look(office)).missed_at == {}
        await office.sign_all(document_id)
        await office.result(handle)
        readings = await office.eventually(
            watcher.readings, lambda found: any(reading.signalled for reading in found)
        )
        seen = max(reading.at for reading in readings if reading.signalled)
        findings = await look(office)
        assert findings.missed_at == {DEFAULT_ACCOUNT: seen}
        assert [problem.sentence() for problem in findings.problems] == [
            "account turbodocx: the watcher found events that no webhook had brought"
        ]
        assert findings.unsure == ("account_blocked:uk",), "another process serves it"
        lately, long_ago = (datetime.now(UTC) - timedelta(hours=hours) for hours in (23, 25))
        assert (await look(office, missed_at={"uk": lately})).missed_at == {"uk": lately} | findings.missed_at
        assert (await look(office, missed_at={"uk": long_ago})).missed_at == findings.missed_at


async def test_a_look_reads_on_from_the_last_one_over_pages_and_runs(
    client: Client,
    time_skipper: TimeSkipper,
    recorded: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A notice may take hours to be delivered, and nothing looks meanwhile."""
    monkeypatch.setattr(watcher_module, "HISTORY_LIMIT", 20)
    monkeypatch.setattr(activity_module, "_READINGS", 5)
    async with without_webhooks(client, time_skipper, recorded, tmp_path) as (office, watcher):
        last_look = datetime.now(UTC)
        handle = await office.start()
        await office.sign_all(await office.sent(handle))
        await office.result(handle)
        run_id = (await watcher.handle.describe()).run_id

        async def runs_on() -> bool:
            return (await watcher.handle.describe()).run_id != run_id

        await office.eventually(runs_on, bool)
        assert (await look(office)).missed_at == {}
        assert (await look(office, looked_at=last_look)).missed_at.keys() == {DEFAULT_ACCOUNT}


async def test_a_watcher_that_was_stopped_is_a_problem_after_a_while(
    client: Client,
    time_skipper: TimeSkipper,
    recorded: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_office(client, time_skipper, recorded, tmp_path) as office:
        async with watching(client, office.settings, DEFAULT_ACCOUNT):
            monkeypatch.setattr(activity_module, "SILENT", timedelta(0))
            assert (await look(office)).problems == ()
        (stopped,) = (await look(office)).problems
        assert stopped.sentence().startswith(
            "account turbodocx: its watcher does not read what changes: it was stopped; "
            "the next worker that starts will start it, since 20"
        )
        monkeypatch.undo()
        assert (await look(office)).problems == (), "not before a quarter of an hour"


async def test_more_problems_than_a_look_names_are_never_taken_for_over(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    needy = [await in_need(office) for _ in range(2)]

    async def found() -> Findings:
        return await look(office)

    whole = await office.eventually(found, lambda findings: len(findings.problems) == len(needy))
    assert {problem.subject for problem in whole.problems} == set(map(reference, needy))
    assert "needs_attention:" not in whole.unsure
    monkeypatch.setattr(activity_module, "NAMED", 1)
    cut = await look(office)
    assert len(cut.problems) == 1
    assert "needs_attention:" in cut.unsure
    for handle in needy:
        await handle.terminate()


def worker_part(client: Client, sandbox: Sandbox, folder: Path, **notices: str) -> Part:
    """A worker's process with notices and a task queue of its own, the name of the folder."""
    env = {
        "PATH": os.environ["PATH"],
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "COUNTERSIGN_STORE": str(folder / "store"),
        "COUNTERSIGN_TASK_QUEUE": folder.name,
        "TURBODOCX_API_KEY": API_KEY,
        "TURBODOCX_ORG_ID": ORG_ID,
        "TURBODOCX_BASE_URL": sandbox.url,
        "TURBODOCX_SENDER_EMAIL": "contracts@example.com",
        "TURBODOCX_SENDER_NAME": "Example Contracts",
        **{f"COUNTERSIGN_NOTICES_{name}": value for name, value in notices.items()},
    }
    command = [sys.executable, str(ROOT / "worker.py")]
    return Part("worker", command, prints("worker ready"), env=env, folder=folder)


async def test_a_worker_starts_the_notices_of_its_settings(
    client: Client, sandbox: Sandbox, tmp_path: Path, mails: MailServer
) -> None:
    where = {
        "SMTP_HOST": f"{mails.host}:{mails.port}",
        "MAIL_FROM": "a@example.com",
        "MAIL_TO": "b@example.com",
    }
    async with Supervisor(tmp_path) as supervisor:
        await supervisor.start(worker_part(client, sandbox, tmp_path, **where))
        handle = client.get_workflow_handle(notices_id(tmp_path.name, Channel.MAIL))
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        supervisor.kill("worker")
    await handle.terminate()


async def test_a_worker_does_not_start_with_a_url_that_must_not_be_called(
    client: Client, sandbox: Sandbox, tmp_path: Path, receiver: Receiver
) -> None:
    part = worker_part(client, sandbox, tmp_path, URL=receiver.url, SECRET=SECRET)
    process = await asyncio.create_subprocess_exec(
        *part.command, cwd=tmp_path, env=part.env, stderr=asyncio.subprocess.PIPE
    )
    _, printed = await process.communicate()
    assert process.returncode == 2
    assert "COUNTERSIGN_NOTICES_URL: this machine may not be called back" in printed.decode()
    assert "canary" not in printed.decode()
