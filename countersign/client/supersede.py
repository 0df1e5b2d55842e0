"""Replace one agreement by another: void the first, then start the second, linked to it."""

from temporalio.client import Client

from countersign.agreements.messages import AgreementInput, Outcome, Signer
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
    """Have somebody else sign, or the same person at another address: void, and start anew.

    The second agreement is started only once the provider has confirmed that the first is void. Repeating
    this after an interruption goes on where it was.

    Args:
        reference: The agreement to replace.
        signer: Which of its signers, counted from 1.
        by: Who signs instead; takes over order and role unless they are given.
        new_reference: The new agreement's reference; by default the old one with the next number behind it.
        client: A connection to use.
        on_wait: Told, in a sentence, what is waited for while the first is not void yet.

    Raises:
        BadInputError: There is no such signer, or the new agreement could not work; nothing was done.
        RefusedError: The agreement has ended otherwise.
        ReferenceTakenError: The new reference belongs to an agreement with other content.
        UnknownAgreementError: There is none.
        UnreachableError: Temporal, the provider or every worker is out of reach.
    """
    old = await agreement_input(reference, client=client)
    if not 1 <= signer <= len(old.signers):
        raise BadInputError(f"{reference} has signers 1 to {len(old.signers)}, and no {signer}")
    signers = list(old.signers)
    known = signers[signer - 1]
    signers[signer - 1] = by.model_copy(
        update={"order": by.order or known.order, "role": by.role or known.role}
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
    """Void an agreement and, once that is confirmed, start another that is linked to it."""
    draft = new.model_dump(exclude={"continued"}) | {"supersedes": old.reference}
    new = await check_agreement(draft, client=client)
    reason = f"Superseded by {new.reference}."
    status = await agreement_status(old.reference, client=client)
    if status.result is None:
        await void_agreement(old.reference, reason, client=client)
    elif not _was_voided(status, reason):
        raise RefusedError(f"{old.reference} has ended already: {status.result.outcome}")
    outcome = await _outcome(old.reference, client, on_wait)
    if outcome != Outcome.VOIDED:
        raise RefusedError(f"{old.reference} ended {outcome} before it was voided; nothing was started")
    return await start_agreement(new, client=client)


async def _outcome(reference: str, client: Client | None, on_wait: Report) -> Outcome | None:
    """Wait until an agreement has ended, and tell meanwhile why that takes long."""
    reported, outcome = None, None
    async for status in follow_agreement(reference, client=client, on_trouble=on_wait):
        outcome = status.result.outcome if status.result else None
        wait = (status.provider_wait or "").partition("; ")[0]
        if wait not in {"", reported}:
            on_wait(f"{reference}: not void yet: {wait}")
        reported = wait
    return outcome


def _was_voided(status: AgreementView, reason: str) -> bool:
    return (
        status.result is not None
        and status.result.outcome == Outcome.VOIDED
        and status.result.reason == reason
    )
