"""What could not end well is refused before anything is done, whoever started it."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from countersign.agreements.failures import BAD_INPUT
from countersign.agreements.messages import TemplateSource
from countersign.agreements.validation import SIZE_LIMIT, is_email, problems
from tests.workflows.office import ADA, GRACE, TEMPLATE, Office, an_agreement


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
        "signers 1 and 2 have the same e-mail address; each needs one of their own"
    )
    assert await office.documents_of(agreement) == []
    assert [path for path in office.folder.rglob("*") if path.is_file()] == []


def test_what_would_not_fit_into_a_history_is_refused() -> None:
    large = TemplateSource(template_id=TEMPLATE, variables={"CustomerName": "x" * SIZE_LIMIT})
    (sentence,) = problems(an_agreement(source=large), datetime.now(UTC))
    assert sentence.endswith("and at most 1,500,000 can be started: shorten its variables, or send a file")


def test_half_a_character_is_refused() -> None:
    broken = TemplateSource(template_id=TEMPLATE, variables={"CustomerName": "\ud800"})
    (sentence,) = problems(an_agreement(source=broken), datetime.now(UTC))
    assert sentence.startswith("a text holds half a character")


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
