"""`void`: call an agreement off."""

from typing import Annotated

import typer

from commands.agreements import void_agreement
from commands.verbs import Reference, out, verb


@verb
async def void(
    reference: Reference,
    *,
    reason: Annotated[str, typer.Option(help="Why; the signers will read it.", show_default=False)],
) -> None:
    """Void an agreement: nobody can sign its document any more, and it ends `voided`."""
    await void_agreement(reference, reason)
    out.print(f"{reference}: voided", markup=False)
