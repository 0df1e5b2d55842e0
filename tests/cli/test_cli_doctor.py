"""`doctor`: one line per thing, what to do for each failure, and never a secret."""

import asyncio
import json
import re
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse, RegisterNamespaceRequest
from temporalio.service import RPCError

from cli.checks import provider, store, temporal
from cli.checks.finding import Finding, State
from cli.checks.store import check_store
from countersign.agreements import search_attributes
from countersign.connection import connect
from countersign.free_ports import free_port
from countersign.storage import FolderStore, StoredFile
from countersign.storage.draft import Draft
from countersign.task_queues import describe_task_queue
from devstack.sandbox import API_KEY, MEMBER_KEY
from devstack.stack import Stack
from tests.cli.shell import Shell
from tests.workflows.office import CALLBACK_SECRET

CHECKS = [
    "versions",
    "settings",
    "callbacks",
    "notices",
    "Temporal",
    "search attributes",
    "workers",
    "watcher",
    "clock",
    "provider's key",
    "key's role",
    "webhook subscription",
    "test event",
    "store",
]
SECRET = "whsec_doctor-0123456789abcdef"


@pytest.fixture
def doctor(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> "Doctor":
    monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET", SECRET)
    return Doctor(shell)


class Doctor:
    """Runs the doctor and reads its report."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.code = 0

    def __call__(self, *arguments: str) -> list[Finding]:
        ran = self.shell("doctor", "--json", *arguments)
        self.code = ran.code
        assert not any(
            item in ran.out + ran.err for item in (API_KEY, MEMBER_KEY, SECRET, "contracts@example")
        )
        report: dict[str, Any] = json.loads(ran.out)
        of_others = {"API token"}  # other tests make them on this stack
        findings = [
            Finding.model_validate(finding)
            for finding in report["findings"]
            if finding["check"] not in of_others
        ]
        assert report["healthy"] == (self.code == 0)
        assert all(finding.advice for finding in findings if finding.state is State.FAILED)
        return findings

    def of(self, check: str, *arguments: str) -> Finding:
        """Run it and return the one line about a check."""
        (finding,) = [finding for finding in self(*arguments) if finding.check == check]
        return finding


def test_a_healthy_stack_is_healthy(doctor: Doctor) -> None:
    findings = doctor()
    assert doctor.code == 0
    assert [finding.check for finding in findings if finding.check != "secret"] == CHECKS
    # The worker may have started before the subscription: then its watcher sees it a minute later.
    assert {finding.state for finding in findings if finding.check != "watcher"} == {State.OK}
    secrets = [finding.found for finding in findings if finding.check == "secret"]
    assert secrets == [
        "TURBODOCX_API_KEY from environment",
        "TURBODOCX_WEBHOOK_SECRET from environment",
        "COUNTERSIGN_CALLBACKS_SECRET from environment",
    ]


def test_it_is_a_table_for_people(doctor: Doctor) -> None:
    ran = doctor.shell("doctor")
    assert ran.code == 0
    assert "what to do" in ran.out
    assert "administrator" in ran.out
    assert re.search(r"test event +arrived and verified at its address *\n", ran.out)
    assert SECRET not in ran.out


@pytest.mark.thorough
def test_its_table_is_not_folded_in_a_pipe(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    far = doctor.shell.folder / "/".join(["a-folder-of-some-depth"] * 6)
    monkeypatch.setenv("COUNTERSIGN_STORE", str(far))
    monkeypatch.delenv("TURBODOCX_WEBHOOK_SECRET")
    ran = doctor.shell.run("doctor", "--no-test-event")
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert f"ok       store                 {far} is writable, and what is there stays" in lines
    place = lines.index("mind     secret                TURBODOCX_WEBHOOK_SECRET is not set here")
    assert lines[place + 1].strip() == "→ the webhook receiver needs it, on its machine"


@pytest.mark.thorough
@pytest.mark.usefixtures("doctor")
def test_a_narrow_terminal_cuts_no_address_that_fits_a_line(shell: Shell, stack: Stack) -> None:
    shown, code = shell.at_a_terminal("doctor", "--no-test-event", columns=80)
    assert code == 0, shown
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in shown.decode().splitlines()]
    assert max(map(len, lines)) <= 80
    assert any(line.endswith(f"{stack.receiver_url}/webhooks/turbodocx") for line in lines)


@pytest.mark.thorough
def test_settings_that_cannot_work_are_lines_of_their_own(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", "TDX-live-canary")
    monkeypatch.setenv("COUNTERSIGN_PROVIDER_SLOTS", "many")
    findings = doctor("--no-test-event")
    bad = [finding.found for finding in findings if finding.state is State.FAILED]
    assert len(bad) == 2
    assert bad[0].startswith("COUNTERSIGN_PROVIDER_SLOTS: ")
    assert bad[1].startswith(
        "TURBODOCX_API_KEY: does not start with TDX-test-, as keys outside production must"
    )
    assert doctor.code == 8
    unseen = [finding.check for finding in findings if finding.state is State.SKIPPED]
    assert unseen == ["workers", "watcher", "provider's key", "store"]


@pytest.mark.thorough
def test_a_missing_webhook_secret_is_something_to_mind(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TURBODOCX_WEBHOOK_SECRET")
    (line,) = [finding for finding in doctor("--no-test-event") if finding.state is State.WARNING]
    assert line.found == "TURBODOCX_WEBHOOK_SECRET is not set here"
    assert doctor.code == 0


@pytest.mark.thorough
def test_callbacks_need_hosts_and_a_secret(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def line() -> Finding:
        return doctor.of("callbacks", "--no-test-event")

    assert (line().state, line().found) == (State.OK, "agreements may name this machine")
    monkeypatch.setenv("COUNTERSIGN_CALLBACKS_ALLOW_LOOPBACK", "false")
    assert (line().state, line().advice) == (State.WARNING, "set COUNTERSIGN_CALLBACKS_HOSTS")
    monkeypatch.setenv("COUNTERSIGN_CALLBACKS_HOSTS", "hooks.example.com")
    monkeypatch.setenv(
        "COUNTERSIGN_CALLBACKS_SUBSCRIPTIONS", f"crm https://crm.example.com/canary {CALLBACK_SECRET}"
    )
    assert (line().state, line().found) == (
        State.OK,
        "subscriptions crm; agreements may name hooks.example.com",
    )
    monkeypatch.delenv("COUNTERSIGN_CALLBACKS_SECRET")
    assert (line().state, doctor.code) == (State.WARNING, 0)
    assert line().found.endswith("no secret signs them")
    monkeypatch.delenv("COUNTERSIGN_CALLBACKS_HOSTS")
    monkeypatch.delenv("COUNTERSIGN_CALLBACKS_SUBSCRIPTIONS")
    assert (line().state, line().found) == (State.OK, "none: no host may be called back")


@pytest.mark.thorough
def test_production_without_encryption_is_something_to_mind(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "production")
    reported = [finding.found for finding in doctor("--no-test-event") if finding.state is State.WARNING]
    assert any(line.startswith("COUNTERSIGN_ENCRYPTION_KEYS is not set") for line in reported)


def test_a_refused_key(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", "TDX-test-nobodys")
    line = doctor.of("provider's key")
    assert (line.state, doctor.code) == (State.FAILED, 8)
    assert line.found.startswith("the provider rejects the API key")


@pytest.mark.thorough
def test_a_contributors_key(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", MEMBER_KEY)
    line = doctor.of("key's role")
    assert (line.state, doctor.code) == (State.WARNING, 0)
    assert line.found.startswith("contributor")


@pytest.mark.thorough
def test_a_provider_that_is_not_there(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("TURBODOCX_BASE_URL", f"{address}/some/path")
    findings = {finding.check: finding for finding in doctor()}
    assert findings["provider's key"].found == (
        f"the check with the provider failed: probe: not sent: {address} cannot be reached (ConnectError); "
        "retrying is safe"
    )
    assert findings["clock"].state is State.SKIPPED


@pytest.mark.parametrize(("ahead", "words"), [(600, "600 s ahead of"), (-600, "600 s behind")])
def test_a_clock_that_is_off(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, ahead: float, words: str
) -> None:
    monkeypatch.setattr(provider, "_now", lambda: time.time() + ahead)
    line = doctor.of("clock", "--no-test-event")
    assert line.state is State.FAILED
    assert abs(int(line.found.split()[0]) - 600) <= 2
    assert words.split(" ", 2)[2] in line.found


def ask(stack: Stack, method: str, path: str, body: object = None) -> Any:
    return asyncio.run(stack.sandbox.call(method, path, body))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"isActive": False}, "it is switched off"),
        ({"events": ["signature.document.sent"]}, "it lacks signature.document.viewed, "),
    ],
)
def test_a_subscription_that_brings_too_little(
    doctor: Doctor, stack: Stack, change: dict[str, Any], words: str
) -> None:
    events = ask(stack, "GET", "/api/webhooks/signature")["data"]["events"]
    try:
        ask(stack, "PATCH", "/api/webhooks/signature", change)
        line = doctor.of("webhook subscription", "--no-test-event")
    finally:
        ask(stack, "PATCH", "/api/webhooks/signature", {"isActive": True, "events": events})
    assert line.state is State.FAILED
    assert line.found.startswith(words)
    assert "webhook setup" in line.advice


@pytest.mark.thorough
def test_a_test_event_that_no_one_takes(doctor: Doctor, stack: Stack) -> None:
    urls = ask(stack, "GET", "/api/webhooks/signature")["data"]["urls"]
    unused = f"http://127.0.0.1:{free_port()}/webhooks/turbodocx"
    try:
        ask(stack, "PATCH", "/api/webhooks/signature", {"urls": [*urls, unused]})
        line = doctor.of("test event")
    finally:
        ask(stack, "PATCH", "/api/webhooks/signature", {"urls": urls})
    assert line.state is State.FAILED
    assert line.found == f"{unused}: no response: is the receiver up, and can the provider reach it?"


class TestTemporal:
    @pytest.fixture
    def fresh_namespace(self, shell: Shell, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        """A namespace that nobody has set up."""
        del shell  # sets the environment, before us
        namespace = f"doctor-{uuid.uuid4().hex[:8]}"
        asyncio.run(make_namespace(stack, namespace))
        monkeypatch.setenv("TEMPORAL_NAMESPACE", namespace)

    @pytest.mark.thorough
    def test_it_is_not_there(self, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{free_port()}")
        line = doctor.of("Temporal", "--no-test-event")
        assert line.state is State.FAILED
        assert line.found.startswith("Temporal does not respond at 127.0.0.1:")

    @pytest.mark.thorough
    def test_it_has_no_such_namespace(self, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")
        line = doctor.of("Temporal", "--no-test-event")
        assert (line.state, line.found) == (State.FAILED, "the namespace nowhere does not exist")
        assert line.advice.startswith("`temporal operator namespace create -n nowhere`")

    @pytest.mark.thorough
    @pytest.mark.usefixtures("fresh_namespace")
    def test_search_attributes_are_registered_when_reported(self, doctor: Doctor) -> None:
        line = doctor.of("search attributes", "--no-test-event")
        assert (line.state, line.found) == (
            State.FAILED,
            f"not registered: {', '.join(search_attributes.TYPES)}",
        )
        assert "doctor --register" in line.advice
        line = doctor.of("search attributes", "--no-test-event", "--register")
        assert (line.state, line.found) == (State.OK, f"registered now: {', '.join(search_attributes.TYPES)}")
        findings = {finding.check: finding for finding in doctor("--no-test-event")}
        assert findings["search attributes"].found == f"all {len(search_attributes.TYPES)} registered"
        assert findings["workers"].state is State.WARNING
        assert findings["workers"].found == "no worker polls countersign, countersign-turbodocx"

    @pytest.mark.thorough
    def test_a_worker_with_an_old_last_poll_is_gone(
        self, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Temporal lists a worker for five minutes after its last poll."""

        async def eighty_seconds_later(*given: Any, **options: Any) -> DescribeTaskQueueResponse:
            described = await describe_task_queue(*given, **options)
            for poller in described.pollers:
                poller.last_access_time.seconds -= 80
            return described

        assert doctor.of("workers", "--no-test-event").state is State.OK
        monkeypatch.setattr(temporal, "describe_task_queue", eighty_seconds_later)
        line = doctor.of("workers", "--no-test-event")
        assert line.state is State.WARNING
        assert re.fullmatch(
            r"no worker polls countersign: the last poll was \d+ s ago; "
            r"no worker polls countersign-turbodocx: the last poll was \d+ s ago",
            line.found,
        )

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("answer", "code", "reported"),
        [
            (b"y\n", 0, b"registered now: AgreementStage"),
            (b"\n", 8, b"not registered"),
            (signal.SIGINT, 130, b""),
        ],
        ids=["yes", "no", "Ctrl-C"],
    )
    @pytest.mark.usefixtures("doctor", "fresh_namespace")
    def test_it_offers_to_register_them_at_a_terminal(
        self, shell: Shell, answer: bytes | signal.Signals, code: int, reported: bytes
    ) -> None:
        shown, ended = shell.at_a_terminal("doctor", "--no-test-event", answers=[(b"[y/N]", answer)])
        assert ended == code, shown
        assert b"Temporal lacks the search attributes AgreementStage, " in shown
        assert reported in shown.partition(b"[y/N]")[2]


async def make_namespace(stack: Stack, name: str) -> None:
    """Make a namespace, and wait until Temporal's every part knows it."""
    client = await connect(environment=stack.env)
    period = Duration(seconds=86_400)
    asked = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=period)
    await client.workflow_service.register_namespace(asked)
    listed = ListSearchAttributesRequest(namespace=name)
    async with asyncio.timeout(30):
        while True:
            try:
                await client.operator_service.list_search_attributes(listed)
            except RPCError:
                await asyncio.sleep(0.1)
            else:
                return


class TestStore:
    @pytest.mark.thorough
    def test_it_cannot_be_written(
        self, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "file" / "store"))
        line = doctor.of("store", "--no-test-event")
        assert (line.state, line.found) == (
            State.FAILED,
            f"COUNTERSIGN_STORE: {tmp_path}/file/store cannot be used as a folder: Not a directory",
        )

    @pytest.mark.thorough
    def test_it_is_looked_at_as_often_as_one_likes(self, doctor: Doctor, stack: Stack) -> None:
        for _ in range(3):
            assert doctor.of("store", "--no-test-event").state is State.OK
        assert len(list((stack.store / "doctor").iterdir())) == 1

    @pytest.mark.thorough
    async def test_it_lets_files_be_replaced(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        class Careless(FolderStore):
            async def publish(self, key: str, draft: Draft) -> StoredFile:
                (tmp_path / key).unlink(missing_ok=True)
                return await super().publish(key, draft)

        monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path))
        monkeypatch.setattr(store, "open_store", lambda _url: Careless(tmp_path))
        (line,) = [finding async for finding in check_store()]
        assert (line.state, line.found) == (State.FAILED, "a file could be replaced")


@pytest.mark.thorough
def test_a_secret_managers_trouble_is_one_line(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", "")
    monkeypatch.setenv("COUNTERSIGN_SECRETS", "vault:secret/app")
    monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.canary")
    bad = [finding for finding in doctor("--no-test-event") if finding.state is State.FAILED]
    assert [item.found.split(" (")[0] for item in bad if item.check == "settings"] == [
        "HashiCorp Vault could not be reached"
    ]
