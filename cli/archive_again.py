"""`archive-again`: fetch archives that the store has lost from the provider."""

from countersign.agreements.messages import Stage
from countersign.client import archives

from .command import OneReference, Where, Yes, verb
from .selection import for_all


@verb
async def archive_again(reference: OneReference = None, *, where: Where = None, yes: Yes = False) -> int:
    """Fetch archives that the store has lost from the provider.

    That of one completed agreement, or of all that match --where. Fetches the files that the store lacks, and
    stores the signed PDF only if its SHA-256 is the one in the agreement's result. Changes no file that is
    there. Needs a worker, and the provider's key here.
    """
    return await for_all(
        reference,
        where,
        _archive_again,
        verb="archive again",
        done="its archive is whole",
        confirmed=yes,
        stage=Stage.COMPLETED,
    )


async def _archive_again(reference: str) -> str | None:
    done = await archives.archive_again(reference)
    if not done.restored:
        return None
    differs = f"; other than before: {', '.join(done.differs)}" if done.differs else ""
    return f"stored again: {', '.join(done.restored)}{differs}"
