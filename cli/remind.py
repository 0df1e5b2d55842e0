"""`remind`: remind the signers who have not signed."""

from countersign.client.agreements import remind_agreement

from .command import OneReference, Where, Yes, verb
from .selection import for_all


@verb
async def remind(reference: OneReference = None, *, where: Where = None, yes: Yes = False) -> int:
    """Remind the signers of an agreement, or of all that match --where."""
    return await for_all(
        reference, where, remind_agreement, verb="remind", done="will be reminded", confirmed=yes
    )
