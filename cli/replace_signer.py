"""`replace-signer`: let another person sign, or the same person at another address."""

from typing import Annotated

import typer

from countersign.client.drafts import read_signer
from countersign.client.supersede import replace_signer as replace

from .command import Json, Reference, notice_if_slow, out, print_json, print_notice, verb
from .options import at_least


@verb
async def replace_signer(
    reference: Reference,
    *,
    signer: Annotated[
        int,
        typer.Option(
            parser=at_least(1),
            metavar="N",
            help="Which signer, as `status` numbers them.",
            show_default=False,
        ),
    ],
    by: Annotated[
        str, typer.Option(help="Who signs instead.", metavar="'NAME <ADDRESS>'", show_default=False)
    ],
    new_reference: Annotated[
        str | None,
        typer.Option(help="The new agreement's; if none, the old one numbered on.", metavar="REFERENCE"),
    ] = None,
    json: Json = False,
) -> None:
    """Replace a signer: void the agreement and start one that supersedes it.

    Use it to correct an address, too: the provider cannot change a document that it has sent. The new
    document is sent after the old one is void.
    """
    with notice_if_slow(f"{reference}: waiting until it is void"):
        started = await replace(
            reference, signer, read_signer("--by", by), new_reference=new_reference, on_wait=print_notice
        )
    if json:
        print_json(started)
    else:
        out.print(f"{reference}: voided\n{started.reference}: started")
