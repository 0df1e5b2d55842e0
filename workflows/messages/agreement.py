"""What an agreement is started with, and continued with."""

from datetime import datetime, timedelta

from pydantic import Field

from workflows.messages.message import Message
from workflows.messages.signers import Sender, SignatureField, Signer
from workflows.messages.sources import Source
from workflows.progress import Progress


class ReminderPlan(Message):
    """When signers who have not signed are reminded: first `after`, then `every`, `at_most` times."""

    after: timedelta = timedelta(days=3)
    every: timedelta = timedelta(days=7)
    at_most: int = Field(default=5, ge=0, le=50)


class Continued(Message):
    """What an agreement that waits for long hands to its next run.

    Args:
        progress: All that is known of the document.
        tag: What marks its document, as claimed.
        pace: How many times faster than usual it waits, as claimed.
        stage_since: Since when it is in its stage.
        sent_at: When the provider accepted it.
        known_time: The latest recorded time: the basis of what is planned next.
        looks: How many times the poll schedule was served since it was last reset.
        next_look_at: When it is polled next.
        reminders: How many reminders were asked for.
        deadline_passed: Whether it is being voided because its deadline passed.
        sends: How many times sending was tried.
        dismissed: Other documents with our marker that a person has dealt with.
        last_error: The last failure of a step, for the card.
    """

    progress: Progress
    tag: str
    pace: float = 1
    stage_since: datetime | None = None
    sent_at: datetime
    known_time: datetime | None = None
    looks: int
    next_look_at: datetime
    reminders: int
    deadline_passed: bool = False
    sends: int
    dismissed: frozenset[str]
    last_error: str | None = None


class AgreementInput(Message):
    """One agreement: a business document that some people must sign.

    Args:
        reference: The caller's order number or the like; names the workflow `agreement-<reference>`. 3 to 40
            characters of `A-Z a-z 0-9 . _ -`; never personal data.
        title: The document's name, as signers see it.
        source: What to sign.
        signers: Who must sign, at least one, each with an address of their own.
        cc: Addresses that get a copy.
        description: A message to the signers.
        sender: Who asks; by default the settings' sender.
        fields: What signers fill; by default one signature for each of them.
        deadline: After it the document is voided at the provider and the agreement is `expired`.
        reminders: When to remind signers; none by default.
        supersedes: The reference of the agreement that this one replaces.
        initiated_by: An opaque id of who started it; appears in logs.
        continued: Set by the workflow itself when it continues as new.
    """

    reference: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,39}$")
    title: str = Field(min_length=1, max_length=200)
    source: Source
    signers: tuple[Signer, ...] = Field(min_length=1, max_length=100)
    cc: tuple[str, ...] = ()
    description: str | None = Field(default=None, max_length=1000)
    sender: Sender | None = None
    fields: tuple[SignatureField, ...] = ()
    deadline: datetime | None = None
    reminders: ReminderPlan | None = None
    supersedes: str | None = None
    initiated_by: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._:-]{1,64}$")
    continued: Continued | None = None
