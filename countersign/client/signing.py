"""Links at which signers sign, for a page or an e-mail of the caller's own.

A link is a credential. So it never passes through Temporal, whose history would keep it: the calling process
asks the provider itself, and needs the account's settings for that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from countersign.agreements import search_attributes
from countersign.agreements.messages import AgreementInput, AgreementStatus, ExternalCheck, Signer, Stage
from countersign.agreements.reference import InvalidReferenceError, workflow_id
from countersign.client.connections import explained, shared_client
from countersign.client.errors import (
    AlreadySignedError,
    BadInputError,
    NotInTurnError,
    NotSentYetError,
    NotYetError,
    RefusedError,
    UnknownSignerError,
    UnusableKeyError,
)
from countersign.client.history import recorded_input
from countersign.client.worker_calls import ask_status
from countersign.loopback import LOOPBACK_HOSTS
from countersign.providers.errors import RejectedError, UnauthorizedError

if TYPE_CHECKING:  # other functions of the client need no provider, and start faster without one
    from countersign.providers.port import Document, IdentityAssertion, Recipient
    from countersign.providers.registry import Account

_URL_LIMIT: Final = 2048
_ENDED: Final = frozenset({"completed", "voided", "declined", "expired"})


class SigningLink(BaseModel):
    """A link at which one signer signs. Whoever has it can sign: never log it and never store it.

    Args:
        reference: The agreement's reference.
        signer: The number of the signer, from 1.
        url: The link for a window of its own.
        embed_url: The link for an iframe; with some providers the same.
        expires_at: When the link stops working; None if it works until the agreement ends.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    signer: int
    url: str = Field(repr=False)
    embed_url: str = Field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """A check of a signer's identity by the caller's own identity provider.

    Args:
        id: The identity provider's id of the check.
        at: When it was made, with an offset.
    """

    id: str
    at: datetime


async def signing_link(
    reference: str,
    signer: int,
    *,
    return_url: str | None = None,
    verification: Verification | None = None,
    client: Client | None = None,
) -> SigningLink:
    """Make a link at which a signer signs, if it is the signer's turn.

    Needs the settings of the agreement's account, its API key included.

    Args:
        reference: The agreement's reference.
        signer: The number of the signer, from 1.
        return_url: Where the signer goes after signing: https, or http on this machine for development.
        verification: The check of a signer whose identity is `external`; the link then works once, for five
            minutes.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: The return URL or the verification does not fit, or the provider has no links.
        UnknownSignerError: There is no such signer.
        UnusableKeyError: The account's key is missing or rejected.
        NotInTurnError: Others sign first; `signers` has their numbers.
        NotSentYetError: The signers are not asked yet.
        AlreadySignedError: The signer has signed.
        RefusedError: The agreement has ended, the signer has declined, or the provider makes no link.
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: Temporal, all workers or the provider do not respond.
    """
    from countersign.client import provider as providers  # noqa: PLC0415  # as above

    if return_url is not None and (problem := _url_problem(return_url)):
        raise BadInputError(f"return URL: {problem}")
    agreement, status, account_name = await _known(reference, client or await shared_client())
    if not 1 <= signer <= len(agreement.signers):
        raise UnknownSignerError(
            f"{reference} has no signer {signer}; its signers are 1 to {len(agreement.signers)}"
        )
    document_id = _sent_document(reference, status)
    account = providers.find_account(account_name)
    _check_capabilities(account, return_url)
    if not providers.has_key(account):
        keys = " and ".join(providers.key_variables(account))
        raise UnusableKeyError(f"signing links need the key of account {account.name}: set {keys} here, too")
    person = agreement.signers[signer - 1]
    assertion = _assertion(signer, person, verification)
    async with providers.open_provider(account) as provider:
        document = await provider.document(document_id)
        recipient = _recipient_in_turn(agreement, document, signer)
        with _rejections(reference, signer):
            made = await provider.signing_link(
                document_id, recipient.id, return_url=return_url, assertion=assertion
            )
    return SigningLink(
        reference=reference,
        signer=signer,
        url=made.url,
        embed_url=made.embed_url,
        expires_at=made.expires_at,
    )


async def _known(reference: str, client: Client) -> tuple[AgreementInput, AgreementStatus, str | None]:
    """Return the agreement, its status and the name of its account, while it runs."""
    try:
        handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id(reference))
    except InvalidReferenceError as error:
        raise BadInputError(str(error)) from None
    status = await ask_status(handle, reference)
    async with explained(reference):
        described = await handle.describe()
        if status.result is None and described.status != WorkflowExecutionStatus.RUNNING:
            await handle.result()
            status = await ask_status(handle, reference)
        agreement = (await recorded_input(client, handle)).agreement
    if status.result is not None:
        raise RefusedError(f"{reference} has already ended: {status.result.outcome}")
    name = described.typed_search_attributes.get(search_attributes.ACCOUNT)
    return agreement, status, name or agreement.account


def _sent_document(reference: str, status: AgreementStatus) -> str:
    if status.document_id is None:
        raise NotSentYetError(f"{reference} is not sent yet: there are links once it awaits signatures")
    if status.stage is Stage.IN_REVIEW:
        raise NotSentYetError(f"{reference} is in review: there are links once a person has sent it")
    return status.document_id


def _check_capabilities(account: "Account", return_url: str | None) -> None:
    can = account.plugin.capabilities
    if not can.signing_links:
        raise BadInputError(f"{account.plugin.kind} has no signing links: its signers get e-mails")
    if return_url is not None and not can.return_url:
        raise BadInputError(
            f"{account.plugin.kind} leads no signer to an address: leave the return URL out; its signing "
            "page sends your page a message instead"
        )


def _assertion(number: int, signer: Signer, verification: Verification | None) -> "IdentityAssertion | None":
    if not isinstance(signer.identity, ExternalCheck):
        if verification is not None:
            raise BadInputError(f"signer {number} has no external identity check: leave the verification out")
        return None
    if verification is None:
        raise BadInputError(
            f"signer {number} is checked by your identity provider: give the id and the time of the check"
        )
    if verification.at.tzinfo is None:
        raise BadInputError(
            "the time of the check: add the offset from UTC, for example 2027-01-31T12:00:00Z"
        )
    from countersign.providers.port import IdentityAssertion  # noqa: PLC0415  # as above

    return IdentityAssertion(
        provider=signer.identity.provider,
        verification_id=verification.id,
        verified_at=verification.at,
        email=signer.email,
    )


def _recipient_in_turn(agreement: AgreementInput, document: "Document", number: int) -> "Recipient":
    """Return the signer as the provider knows them, if it is their turn."""
    reference = agreement.reference
    numbers = {signer.email.lower(): place for place, signer in enumerate(agreement.signers, start=1)}
    people = {numbers.get(person.email.lower()): person for person in document.recipients}
    if (recipient := people.get(number)) is None:
        raise RefusedError(f"{reference}: its document no longer has signer {number}: see it at the provider")
    if recipient.signed_at is not None:
        raise AlreadySignedError(f"{reference}: signer {number} has already signed")
    if recipient.declined is not None:
        raise RefusedError(f"{reference}: signer {number} has declined")
    if document.status in _ENDED:
        raise RefusedError(f"{reference} has already ended at the provider: {document.status}")
    waiting = [person for person in document.recipients if person.signed_at is None]
    first = min(person.order for person in waiting)
    if recipient.order > first:
        places = (numbers.get(person.email.lower()) for person in waiting if person.order == first)
        raise NotInTurnError(reference, number, tuple(sorted(place for place in places if place)))
    return recipient


@contextmanager
def _rejections(reference: str, number: int) -> Iterator[None]:
    """Translate the provider's refusal of a link."""
    try:
        yield
    except UnauthorizedError as error:
        if error.about_key:
            raise
        raise RefusedError(f"{reference}: no link for signer {number}: {error}") from None
    except RejectedError as error:
        if error.status == HTTPStatus.CONFLICT:  # the read a moment ago said that it is the signer's turn
            raise NotYetError(
                f"{reference}: the provider does not let signer {number} sign yet: retry in some seconds"
            ) from None
        raise RefusedError(f"{reference}: no link for signer {number}: {error}") from None


def _url_problem(url: str) -> str | None:
    """Return why signers cannot be sent to a URL; None if they can."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a link"
    if not host or not url.isprintable() or " " in url:
        return "is not a link"
    if len(url) > _URL_LIMIT:
        return f"has more than {_URL_LIMIT:,} characters"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or a password"
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK_HOSTS):
        return "must begin with https://"
    return None
