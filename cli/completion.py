"""What a shell's completion offers for a reference."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from countersign.agreements.reference import WORKFLOW_ID_PREFIX, InvalidReferenceError, check_reference
from countersign.client.errors import CommandError
from countersign.client.listing import list_agreements

_PATIENCE: Final = 2.0
"""Seconds after which nothing is offered, so that Tab does not hang."""
_MOST: Final = 50
_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


def running_references(incomplete: str) -> list[str]:
    """Find the references of running agreements that begin with a text, at most 50.

    Returns none if Temporal does not answer within two seconds. Logs nothing, to keep the prompt clean.
    """
    logging.disable()
    with suppress(CommandError, TimeoutError):
        return asyncio.run(_running_references(incomplete.lower()))
    return []


async def _running_references(beginning: str) -> list[str]:
    if not _CHARACTERS.issuperset(beginning):  # it is part of a query
        return []
    where = f'WorkflowId STARTS_WITH "{WORKFLOW_ID_PREFIX}{beginning}"'
    async with asyncio.timeout(_PATIENCE):
        listed = await list_agreements(where=where, limit=_MOST)
    return [agreement.reference for agreement in listed if _is_reference(agreement.reference)]


def _is_reference(text: str) -> bool:
    """Return whether a text may be a reference: a workflow's id may be any text."""
    with suppress(InvalidReferenceError):
        return check_reference(text) == text
    return False
