"""`status`: where an agreement is."""

from countersign.client.agreements import agreement_status

from .command import Json, Names, Reference, notice_if_slow, out, print_json, verb
from .signer_names import SHORTENED, discreet, shows_people
from .views import status_view


@verb
async def status(reference: Reference, *, names: Names = False, json: Json = False) -> None:
    """Show where an agreement is, who has signed, and what it waits for."""
    with notice_if_slow(f"{reference}: waiting for its worker"):
        found = discreet(await agreement_status(reference), names=names)
    if json:
        print_json(found)
    else:
        out.print(status_view(found))
        if not shows_people(names=names):
            out.print(SHORTENED)
