"""Replacement of an agreement: void it, then start a new agreement that links to it."""

from temporalio.client import Client

from countersign.agreements.messages import AgreementInput, Outcome, Signer, SmsCode
from countersign.client.agreements import agreement_input, agreement_status, void_agreement
from countersign.client.errors import BadInputError, RefusedError
from countersign.client.follow import follow_agreement
from countersign.client.progress import Report, ignore
from countersign.client.references import StartedAgreement, next_reference
from countersign.client.start import check_agreement, start_agreement
from countersign.client.view import AgreementView


async def replace_signer(
    reference: str,
    signer: int,
    by: Signer,
    *,
    new_reference: str | None = None,
    client: Client | None = None,
    on_wait: Report = ignore,
) -> StartedAgreement:
    """Replace a signer: void the agreement and start a new one with another signer or address.

    Starts the new agreement only after the provider has confirmed the void. After an interruption, a repeated
    call resumes.

    Args:
        reference: The agreement to replace.
        signer: The number of the signer, from 1.
        by: The new signer, with the order, role and identity check of the old one unless set.
        new_reference: The new agreement's reference; by default the old one with the next number.
        client: A connection to use; by default a shared one.
        on_wait: Called with a sentence about what delays the void.

    Raises:
        BadInputError: The signer does not exist, the new signer's phone is not known, or the new agreement is
            invalid; nothing was done.
        RefusedError: The agreement has ended with another outcome.
        ReferenceTakenError: The new reference belongs to an agreement with other content.
        UnknownAgreementError: No agreement has this reference.
        UnreachableError: Temporal, the provider or all workers are unreachable.
    """
    old = await agreement_input(reference, client=client)
    if not 1 <= signer <= len(old.signers):
        raise BadInputError(f"{reference} has no signer {signer}; its signers are 1 to {len(old.signers)}")
    signers = list(old.signers)
    known = signers[signer - 1]
    if isinstance(known.identity, SmsCode) and by.identity is None:
        raise BadInputError(
            f"signer {signer} is verified by a code to a phone, and the new signer's phone is not known: "
            f"void {reference}, and start another agreement that supersedes it"
        )
    signers[signer - 1] = by.model_copy(
        update={
            "order": by.order or known.order,
            "role": by.role or known.role,
            "identity": by.identity or known.identity,
        }
    )
    new = old.model_copy(
        update={"reference": new_reference or next_reference(old.reference), "signers": tuple(signers)}
    )
    return await supersede(old, new, client=client, on_wait=on_wait)


async def supersede(
    old: AgreementInput,
    new: AgreementInput,
    *,
    client: Client | None = None,
    on_wait: Report = ignore,
) -> StartedAgreement:
    """Void an agreement and, once the provider has confirmed it, start a new agreement that links to it."""
    draft = new.model_dump() | {"supersedes": old.reference}
    new = await check_agreement(draft, client=client)
    reason = f"Superseded by {new.reference}."
    status = await agreement_status(old.reference, client=client)
    if status.result is None:
        await void_agreement(old.reference, reason, client=client)
    elif not _was_voided(status, reason):
        raise RefusedError(f"{old.reference} has already ended: {status.result.outcome}")
    outcome = await _outcome(old.reference, client, on_wait)
    if outcome != Outcome.VOIDED:
        raise RefusedError(f"{old.reference} ended {outcome} before it was voided; nothing was started")
    return await start_agreement(new, client=client)


async def _outcome(reference: str, client: Client | None, on_wait: Report) -> Outcome | None:
    """Wait until an agreement has ended, and report what delays it."""
    reported, outcome = None, None
    async for status in follow_agreement(reference, client=client, on_trouble=on_wait):
        outcome = status.result.outcome if status.result else None
        wait = (status.provider_wait or "").partition("; ")[0]
        if wait not in {"", reported}:
            on_wait(f"{reference}: not yet void: {wait}")
        reported = wait
    return outcome


def _was_voided(status: AgreementView, reason: str) -> bool:
    return (
        status.result is not None
        and status.result.outcome == Outcome.VOIDED
        and status.result.reason == reason
    )
