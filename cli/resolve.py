"""`resolve`: decide for agreements that need attention."""

from typing import Annotated

import typer

from countersign.agreements.messages import Resolution
from countersign.client.agreements import resolve_agreement
from countersign.client.errors import BadInputError

from .command import OneReference, Where, Yes, verb
from .selection import for_all


@verb
async def resolve(
    reference: OneReference = None,
    *,
    adopt: Annotated[
        str | None, typer.Option(help="This document of the provider is the agreement's.", metavar="DOCUMENT")
    ] = None,
    send_again: Annotated[
        bool, typer.Option("--send-again", metavar="", help="It was not sent: send it.")
    ] = False,
    send_now: Annotated[
        bool, typer.Option("--send-now", metavar="", help="The review is over: send it to the signers.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", metavar="", help="The other document has been dealt with: go on.")
    ] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", metavar="", help="End the agreement as it is.")
    ] = False,
    where: Where = None,
    yes: Yes = False,
) -> int:
    """Decide for agreements that need attention or are in review.

    `status` shows what the decision is about.
    """
    choices = {
        "adopt": adopt is not None,
        "send_again": send_again,
        "send_now": send_now,
        "keep": keep,
        "abandon": abandon,
    }
    chosen = [action for action, is_chosen in choices.items() if is_chosen]
    if len(chosen) != 1:
        raise BadInputError("name one of --adopt DOCUMENT, --send-again, --send-now, --keep and --abandon")
    if adopt and where:
        raise BadInputError("--adopt: a document belongs to one agreement; name its reference")
    resolution = Resolution.model_validate({"action": chosen[0], "document_id": adopt})
    return await for_all(
        reference,
        where,
        lambda reference: resolve_agreement(reference, resolution),
        verb="resolve",
        done=chosen[0].replace("_", " "),
        confirmed=yes,
    )
