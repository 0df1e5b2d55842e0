"""`remind`: ask those who have not signed once more."""

from commands.agreements import remind_agreement
from commands.bulk import for_each
from commands.verbs import OneReference, Where, Yes, verb


@verb
async def remind(reference: OneReference = None, *, where: Where = None, yes: Yes = False) -> int:
    """Remind whoever has not signed an agreement, or all that --where holds for."""
    return await for_each(
        reference, where, remind_agreement, verb="remind", done="will be reminded", confirmed=yes
    )
