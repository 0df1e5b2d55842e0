"""`resolve`: decide for an agreement that needs attention."""

from typing import Annotated

import typer

from commands.agreements import resolve_agreement
from commands.errors import BadInputError
from commands.verbs import Reference, out, verb
from workflows.messages import Resolution


@verb
async def resolve(
    reference: Reference,
    *,
    adopt: Annotated[
        str | None, typer.Option(help="This document of the provider is the agreement's.", metavar="DOCUMENT")
    ] = None,
    send_again: Annotated[
        bool, typer.Option("--send-again", help="The document was not sent: send it.")
    ] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="End the agreement as it is.")] = False,
) -> None:
    """Decide for an agreement that needs attention; `status` tells why it does."""
    if [adopt is not None, send_again, abandon].count(True) != 1:
        raise BadInputError("name one of --adopt DOCUMENT, --send-again and --abandon")
    action = "adopt" if adopt else "send_again" if send_again else "abandon"
    await resolve_agreement(reference, Resolution.model_validate({"action": action, "document_id": adopt}))
    out.print(f"{reference}: {action.replace('_', ' ')}", markup=False)
