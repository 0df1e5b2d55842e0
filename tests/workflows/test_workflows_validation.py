"""What could not end well is refused before anything is done, whoever started it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from countersign.agreements.failures import BAD_INPUT
from countersign.agreements.messages import AgreementInput, ReminderPlan, TemplateSource
from countersign.agreements.names import WORKFLOW_NAME
from countersign.agreements.reference import workflow_id
from countersign.agreements.validation import SIZE_LIMIT, is_email, needs_of, problems
from tests.workflows.office import ADA, GRACE, TEMPLATE, Office, an_agreement
from tests.workflows.test_workflows_histories import GOLDEN, recorded, replayer

pytestmark = pytest.mark.thorough

HISTORIES = sorted(GOLDEN.glob("*.json"))


async def test_an_agreement_started_by_its_name_is_checked_before_its_reference_is_claimed(
    office: Office,
) -> None:
    twin = GRACE.model_copy(update={"email": ADA.email.upper()})
    agreement = an_agreement(signers=(ADA, twin))
    handle = await office.start(agreement)
    with pytest.raises(WorkflowFailureError) as failed:
        await office.result(handle)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == BAD_INPUT
    assert failed.value.cause.message == (
        "signers 1 and 2 have the same e-mail address; give every signer another one"
    )
    assert await office.documents_of(agreement) == []
    assert [path for path in office.folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"deadline": datetime(2099, 1, 1)}, "deadline: add the offset from UTC"),  # noqa: DTZ001  # on purpose
        ({"reminders": ReminderPlan(every=timedelta(days=999_999_999))}, "reminders: the last one"),
        ({"send_emails": False, "reminders": ReminderPlan()}, "reminders: remove them"),
        ({"send_emails": False, "review": True}, "review: remove it"),
    ],
)
async def test_what_would_stop_the_workflow_later_is_refused(
    office: Office, changes: dict[str, Any], sentence: str
) -> None:
    handle = await office.client.start_workflow(
        WORKFLOW_NAME,
        agreement := an_agreement(**changes),
        id=workflow_id(agreement.reference),
        task_queue=office.task_queue,
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await office.result(handle)
    assert sentence in str(failed.value.cause)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_rule_that_is_added_later_does_not_change_a_replay(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.setattr("workflows.agreement.workflow.problems", lambda *_: ("a rule of tomorrow",))
    await replayer().replay_workflow(recorded(path.stem))


def test_what_would_not_fit_into_a_history_is_refused() -> None:
    large = TemplateSource(template_id=TEMPLATE, variables={"CustomerName": "x" * SIZE_LIMIT})
    (sentence,) = problems(an_agreement(source=large), datetime.now(UTC))
    assert sentence.endswith("over the limit of 1,500,000: shorten its variables or send a file")


def test_the_default_of_send_emails_costs_no_history() -> None:
    assert b"emails" not in to_json([an_agreement(), needs_of(an_agreement())])
    silent = an_agreement(send_emails=False)
    assert b'"send_emails":false' in to_json(silent)
    assert AgreementInput.model_validate_json(to_json(silent)) == silent


def test_half_a_character_is_refused() -> None:
    broken = TemplateSource(template_id=TEMPLATE, variables={"CustomerName": "\ud800"})
    found = problems(an_agreement(source=broken), datetime.now(UTC))
    assert any(sentence.startswith("a text has an unpaired surrogate") for sentence in found)


def test_a_sound_agreement_has_no_problems() -> None:
    now = datetime.now(UTC)
    assert problems(an_agreement(deadline=now + timedelta(days=999)), now) == ()


@pytest.mark.parametrize(
    "address", ["a@example.com", "a.b+c@sub.example.co.uk", "ä@exämple.de", "o'hara@x.ie"]
)
def test_addresses(address: str) -> None:
    assert is_email(address)


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@example.com", "a@example", "a b@example.com", "a@b@example.com", "a@.com", "<a@b.c>"],
)
def test_no_addresses(address: str) -> None:
    assert not is_email(address)
