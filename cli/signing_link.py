"""`signing-link`: where a signer signs, for a page or an e-mail of your own."""

from datetime import datetime
from typing import Annotated

import typer

from countersign.agreements.times import format_time
from countersign.client.errors import BadInputError
from countersign.client.signing import Verification
from countersign.client.signing import signing_link as make_link

from .command import Json, Reference, notice_if_slow, out, print_json, print_notice, verb
from .options import at_least


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write an ISO 8601 time, for example 2027-01-31T12:00:00Z.") from None


@verb
async def signing_link(
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
    return_url: Annotated[
        str | None,
        typer.Option(
            help="Where the signer goes after signing: https, or http on this machine.", metavar="URL"
        ),
    ] = None,
    verification_id: Annotated[
        str | None,
        typer.Option(help="Your identity provider's id of its check of the signer.", metavar="ID"),
    ] = None,
    verified_at: Annotated[
        datetime | None, typer.Option(parser=_time, help="When it made the check.", metavar="TIME")
    ] = None,
    json: Json = False,
) -> None:
    """Print a link at which a signer signs, for your own page or e-mail.

    Whoever has the link can sign: pass it to the signer alone, and store it nowhere. Make it when the signer
    is ready. Needs the key of the agreement's account. The exit code is 11 while other signers sign first.
    """
    if (verification_id is None) != (verified_at is None):
        raise BadInputError("--verification-id and --verified-at: give both or none")
    verification = Verification(verification_id, verified_at) if verification_id and verified_at else None
    with notice_if_slow(f"{reference}: waiting for its worker and the provider"):
        link = await make_link(reference, signer, return_url=return_url, verification=verification)
    if json:
        print_json(link)
        return
    out.print(link.url)
    if link.expires_at:
        print_notice(f"It works until {format_time(link.expires_at)}.")
