"""The provider's own words name people: logs get its code, `status` on a terminal gets the words."""

import io
import logging
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from cli.signer_names import discreet
from cli.terminal import SafeConsole
from cli.views import status_view
from countersign.agreements.failures import provider_message
from countersign.client.agreements import agreement_result, agreement_status
from countersign.client.errors import FailedAgreementError
from countersign.client.view import AgreementView
from countersign.observability.logging import WORDY
from tests.workflows.office import SEND, Handle, Office, an_agreement
from workflows.agreement import AgreementWorkflow

pytestmark = pytest.mark.thorough

PERSON = "Ludmilla Brontosaurus"
CODE = "RecipientUnwanted"
BODY = {"message": f"{PERSON} has left\x1b[2J the company{'!' * 400}", "code": CODE}
CHECK, REMIND = "/turbosign/documents/*/recipients", "/turbosign/documents/*/send-reminder"
AUDIT = "/turbosign/documents/*/audit-trail"


@pytest.fixture(autouse=True)
def every_line_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, but for the loggers that our configuration keeps at INFO."""
    caplog.set_level(logging.DEBUG)
    for name in WORDY:
        caplog.set_level(logging.INFO, logger=name)


async def refuse(office: Office, path: str, status: int, **rule: Any) -> None:
    await office.break_call(path, "status", status=status, body=BODY, **{"times": None, **rule})


async def view(office: Office, handle: Handle) -> AgreementView:
    return await agreement_status(handle.id.removeprefix("agreement-"), client=office.client)


async def failure_in_history(handle: Handle) -> str:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return str(provider_message(failed.value.cause.details))


def shown(status: AgreementView, *, names: bool) -> str:
    file = io.StringIO()
    SafeConsole(file=file, width=500).print(status_view(discreet(status, names=names)))
    return file.getvalue()


def check_shown_to_the_caller_alone(
    status: AgreementView, caplog: pytest.LogCaptureFixture, *, code: str = CODE
) -> None:
    on_a_terminal = shown(status, names=True)
    assert f"{PERSON} has left [2J the company!!!" in on_a_terminal
    assert on_a_terminal.count("!") < 300
    assert code in on_a_terminal
    in_a_file = shown(status, names=False)
    assert "Brontosaurus" not in in_a_file
    assert code in in_a_file
    check_not_logged(caplog)


def check_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    plain = logging.Formatter()
    lines = [f"{plain.format(record)} {vars(record)}" for record in caplog.records]
    assert any("provider call" in line for line in lines), "nothing was logged"
    assert [line for line in lines if "Brontosaurus" in line] == []
    assert b"Brontosaurus" not in generate_latest()


@pytest.mark.parametrize("status", [400, 404, 409])
async def test_words_about_a_refused_send_are_in_the_failure_and_the_status(
    office: Office, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    await refuse(office, SEND, status)
    handle = await office.start(an_agreement())
    with pytest.raises(FailedAgreementError) as failed:
        await agreement_result(handle.id.removeprefix("agreement-"), client=office.client)
    assert f"refused (HTTP {status}): {CODE}" in str(failed.value)
    assert "Brontosaurus" not in str(failed.value)
    assert "Brontosaurus" in await failure_in_history(handle)
    check_shown_to_the_caller_alone(await view(office, handle), caplog)


async def test_words_about_a_step_that_is_retried_are_in_the_status(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    handle = await office.start(an_agreement())
    document_id = await office.sent(handle)
    await refuse(office, CHECK, 403)
    await office.deliver_event(handle, "completed", document_id)
    status = await office.eventually(lambda: view(office, handle), lambda found: bool(found.provider_message))
    # A refused key also opens the circuit, which may be the reason that is shown: it has no code.
    check_shown_to_the_caller_alone(status, caplog, code="")


async def test_words_about_a_reminder_are_in_the_status(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    handle = await office.start(an_agreement())
    await office.sent(handle)
    await refuse(office, REMIND, 409)
    await handle.execute_update(AgreementWorkflow.remind)
    status = await office.eventually(lambda: view(office, handle), lambda found: bool(found.last_error))
    assert "Brontosaurus" not in str(status.last_error)
    check_shown_to_the_caller_alone(status, caplog)


async def test_words_about_an_archive_are_in_the_status(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    handle = await office.start(an_agreement())
    document_id = await office.sent(handle)
    await refuse(office, AUDIT, 404)
    await office.sign_all(document_id)
    await office.deliver_event(handle, "completed", document_id)
    status = await office.eventually(lambda: view(office, handle), lambda found: bool(found.provider_message))
    check_shown_to_the_caller_alone(status, caplog)


async def test_words_of_a_server_error_are_nowhere(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    await refuse(office, "/v1/deliverable", 503, times=2)
    handle = await office.start(an_agreement(), skipping=True)
    await office.sent(handle)
    await office.skip(handle, timedelta(seconds=1))
    assert "Brontosaurus" not in shown(await view(office, handle), names=True)
    check_not_logged(caplog)
