"""Logging: every record passes the redaction, and says which agreement it is about."""

import io
import json
import logging
import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from countersign.observability import logging as our_logging
from countersign.observability import redaction
from countersign.observability.patterns import MASK

ROOT = Path(__file__).parents[2]
CANARY = "jane.canary@example.com"
PERSON = "Wilhelmina"


class Log:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Configure logging as a process would, and undo it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    log = Log()
    our_logging.configure(level="DEBUG", style="json", service="worker", stream=log.stream)
    yield log
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    logging.raiseExceptions = True


def test_a_line_is_json_with_who_and_when(log: Log) -> None:
    with structlog.contextvars.bound_contextvars(reference="SO-1", request_id="r1"):
        logging.getLogger("countersign.providers").info("provider call", extra={"status": 200, "ms": 1.5})
    (line,) = log.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "provider call",
        "level": "info",
        "logger": "countersign.providers",
        "service": "worker",
        "reference": "SO-1",
        "request_id": "r1",
        "status": 200,
        "ms": 1.5,
    }


class Signer(BaseModel):
    name: str


def fail() -> None:
    try:
        dict[str, str]()[CANARY]
    except KeyError as error:
        raise ValueError(f"no {CANARY}") from error


def test_no_way_into_the_log_passes_by_the_redaction(log: Log) -> None:
    """Message, arguments, extras, bound values, exceptions with their causes, stack text, nested values."""
    logger = logging.getLogger("third.party")
    logger.info("to %s", CANARY)
    logger.info("signer %s, %r", Signer(name=PERSON), {"variables": {"Customer": PERSON}})
    logger.info("%(email)s and %(n)d", {"email": PERSON, "n": 7})
    logger.info("with extras", extra={"recipients": [PERSON], "deep": {"a": [{"password": PERSON}]}})
    with structlog.contextvars.bound_contextvars(note=CANARY):
        logger.info("with a bound value", stack_info=True)
    try:
        fail()
    except ValueError:
        logger.exception("failed for %s", CANARY)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"mind {CANARY}", stacklevel=1)
    assert CANARY not in log.text
    assert PERSON not in log.text
    assert log.text.count(MASK) >= 10
    assert log.lines[2]["event"] == f"{MASK} and 7"
    assert "test_no_way_into_the_log" in log.lines[4]["stack_info"]
    assert f"ValueError: no {MASK}" in log.lines[5]["exception"]
    assert f"KeyError: '{MASK}'" in log.lines[5]["exception"]


def test_extras_are_not_mistaken_for_what_a_line_states_itself(log: Log) -> None:
    extra = dict.fromkeys(("level", "logger", "service", "timestamp"), "forged") | {
        "color_message": "\x1b[1m"
    }
    logging.getLogger("x").info("said", extra=extra)
    (line,) = log.lines
    assert line.pop("timestamp") != "forged"
    assert line == {"event": "said", "level": "info", "logger": "x", "service": "worker"}


@pytest.mark.parametrize(
    "extra",
    [
        {
            "temporal_activity": {
                "workflow_id": "agreement-so-1",
                "workflow_run_id": "r-1",
                "activity_type": "send",
                "attempt": 2,
            }
        },
        {"temporal_workflow": {"workflow_id": "agreement-so-1", "run_id": "r-1"}},
    ],
    ids=["activity", "workflow"],
)
def test_a_line_that_the_sdk_logs_outside_of_a_task_carries_its_ids(log: Log, extra: dict[str, Any]) -> None:
    logging.getLogger("temporalio").warning("failed", extra=extra)
    (described,) = extra.values()
    (line,) = log.lines
    assert (line["workflow_id"], line["run_id"], line["reference"]) == ("agreement-so-1", "r-1", "so-1")
    assert (line.get("activity_type"), line.get("attempt")) == (
        described.get("activity_type"),
        described.get("attempt"),
    )


def test_a_repeated_line_masks_a_secret_that_became_known_since(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_protected", set[str]())
    monkeypatch.setattr(redaction, "_known", None)
    secret = f"plain words {uuid.uuid4().hex}"
    logging.getLogger("x").info("said", extra={"note": secret})
    redaction.protect(secret)
    logging.getLogger("x").info("said", extra={"note": secret})
    assert [line["note"] for line in log.lines] == [secret, MASK]


def test_a_wrong_format_loses_no_line_and_leaks_nothing(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("x").info("%d of %s", CANARY)  # noqa: PLE1206 - the point
    assert log.lines[0]["event"].startswith("%d of %s")
    assert CANARY not in log.text + capsys.readouterr().err


def test_no_one_forges_a_line(log: Log) -> None:
    logging.getLogger("x").info("title %s", 'a\n{"event": "forged"}\r\x1b[2J\u2028', extra={"note": "b\nc"})
    assert len(log.text.splitlines()) == 1
    assert "\x1b" not in log.text
    our_logging.configure(style="console", stream=log.stream)
    before = len(log.text.splitlines())
    logging.getLogger("x").info("title %s", "a\nINFO forged\x1b[2J", extra={"note": "b\nc"})
    assert len(log.text.splitlines()) == before + 1
    assert "\x1b[2J" not in log.text


async def test_http_clients_and_servers_are_tamed(log: Log) -> None:
    for name in ("httpx", "httpcore.http11", "uvicorn.access", "urllib3.connectionpool", "botocore.endpoint"):
        logging.getLogger(name).info("GET https://s3.example/f?X-Amz-Signature=canary")
        logging.getLogger(name).warning("kept")
    transport = httpx.MockTransport(
        lambda _request: httpx.Response(200, headers={"Set-Cookie": "sid=canary"})
    )
    async with httpx.AsyncClient(transport=transport) as client:
        await client.get("https://s3.example/f?X-Amz-Signature=canary")
    assert [line["event"] for line in log.lines] == ["kept"] * 5


def test_the_console_is_readable_and_redacted(log: Log) -> None:
    our_logging.configure(style="console", service="receiver", stream=log.stream)
    logging.getLogger("x").warning("refused", extra={"verdict": "stale", "email": "jane"})
    assert "refused" in log.text
    assert "verdict=stale" in log.text
    assert f"email={MASK}" in log.text


@pytest.mark.parametrize("where", ["main", "thread"])
def test_an_uncaught_exception_is_logged_and_redacted(where: str) -> None:
    script = f"""
import sys, threading
from countersign.observability import logging as our_logging
from countersign.observability import redaction
our_logging.configure(style="json")
def work():
    raise ValueError("for " + "jane.canary" + "@example.com")
if {where!r} == "main":
    work()
thread = threading.Thread(target=work); thread.start(); thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    (line,) = [json.loads(one_line) for one_line in done.stderr.splitlines()]
    assert line["event"] == "uncaught ValueError"
    assert f"ValueError: for {MASK}" in line["exception"]


@activity.defn
async def log_in_activity() -> None:
    logging.getLogger("countersign.providers").info("in the transport")
    activity.logger.info("in the activity")
    if activity.info().attempt == 1:
        raise ApplicationError(f"no answer from {CANARY}", type="Unavailable")


@workflow.defn
class LoggingWorkflow:
    def __init__(self) -> None:
        self.signalled = False

    @workflow.run
    async def run(self) -> None:
        workflow.logger.info("in the workflow")
        await workflow.execute_activity(log_in_activity, start_to_close_timeout=timedelta(seconds=30))
        await workflow.wait_condition(lambda: self.signalled)

    @workflow.signal
    def signature_event(self) -> None:
        workflow.logger.info("in the signal")
        self.signalled = True


async def test_every_line_of_a_workflow_says_which_agreement(log: Log, client: Client) -> None:
    queue = f"logging-{uuid.uuid4()}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[LoggingWorkflow],
        activities=[log_in_activity],
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_all_modules()
        ),
    ):
        handle = await client.start_workflow(
            LoggingWorkflow.run, id=f"agreement-so-{queue}", task_queue=queue
        )
        await handle.query("__stack_trace")  # so that the signal finds it started
        await handle.signal("signature_event")
        await handle.result()
    own = "in the transport", "in the activity", "in the workflow", "in the signal"
    for event in (*own, "Completing activity as failed"):
        lines = [line for line in log.lines if line["event"] == event]
        assert lines, event
        for line in lines:
            assert line["workflow_id"] == handle.id
            assert line["reference"] == handle.id.removeprefix("agreement-")
            assert line["run_id"] == handle.result_run_id
            assert line["request_id"].startswith(f"{handle.id}."), event
            assert not {"temporal_activity", "temporal_workflow"} & line.keys(), "said once, in our words"
    assert {line["activity_type"] for line in log.lines if line["event"] in own[:2]} == {"log_in_activity"}
    attempts = [line["attempt"] for line in log.lines if line["event"] == "in the transport"]
    assert attempts == [1, 2]
    [failed] = [line for line in log.lines if "failure" in line]
    assert "exception" not in failed, "it was raised on purpose: a traceback says nothing more"
    assert CANARY not in log.text
