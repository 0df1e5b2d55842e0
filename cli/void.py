"""`void`: call agreements off."""

from typing import Annotated

import typer

from countersign.client.agreements import void_agreement

from .command import OneReference, Where, Yes, verb
from .selection import for_all


@verb
async def void(
    reference: OneReference = None,
    *,
    reason: Annotated[str, typer.Option(help="Why; the signers will read it.", show_default=False)],
    where: Where = None,
    yes: Yes = False,
) -> int:
    """Void an agreement, or all that match --where: signing stops."""
    return await for_all(
        reference,
        where,
        lambda reference: void_agreement(reference, reason),
        verb="void",
        done="will be voided",
        confirmed=yes,
    )
