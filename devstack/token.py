"""The API token of a local stack."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from countersign.api.tokens import RefusedTokenError, Scope, Tokens, Verifier, new_token
from devstack.processes import write_private

NAME: Final = "local"
_LIFETIME: Final = timedelta(days=365)


async def keep_token(path: Path, tokens: Tokens) -> None:
    """Keep the token in a file, or make a new one if it is no longer valid.

    Args:
        path: The file, which only its owner can read.
        tokens: Where its record is.
    """
    try:
        token_before = await asyncio.to_thread(path.read_text)
        await Verifier(tokens).verify(token_before.strip())
    except (FileNotFoundError, RefusedTokenError):
        token, record = new_token(NAME, tuple(Scope), expires_at=datetime.now(UTC) + _LIFETIME)
        await tokens.add(record)
        write_private(path, f"{token.get_secret_value()}\n")
