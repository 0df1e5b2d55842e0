"""Switches: choices where the contract is silent, limits of the plan, and the delays of background jobs."""

from typing import Annotated

from pydantic import Field

from sandbox.core import behavior
from sandbox.core.behavior import Seconds

Limit = Annotated[int, Field(ge=1, le=1_000_000)]


class Behavior(behavior.Behavior):
    """Documenso's switches; see `docs/reference/documenso-sandbox.md`.

    Args:
        retry_delays: Seconds before a delivery's later attempts: the local queue makes four in a row.
        one_at_a_time: False, because deliveries are jobs of their own: they can overtake each other.
        mail_delay: Seconds until the job sends an invitation and sets `sendStatus`.
        seal_delay: Seconds from the last signature or a refusal until the sealing job.
        mails_lost: Drop invitations silently, as over an organization's e-mail limit.
        signed_after_completed: Emit the last signer's `DOCUMENT_SIGNED` after `DOCUMENT_COMPLETED`.
        requests_per_minute: Per client address; more get 429. None for no limit.
        document_limit: Documents that may be created; None for no limit.
        recipient_limit: Recipients of an envelope; None for no limit.
        item_limit: Files of an envelope.
        converts_docx: Whether the instance converts DOCX files.
    """

    retry_delays: tuple[Seconds, ...] = (0.1, 0.1, 0.1)
    one_at_a_time: bool = False
    mail_delay: Seconds = 0.2
    seal_delay: Seconds = 0.2
    mails_lost: bool = False
    signed_after_completed: bool = False
    requests_per_minute: Limit | None = 1000
    document_limit: Limit | None = None
    recipient_limit: Limit | None = None
    item_limit: Limit = 5
    converts_docx: bool = True
