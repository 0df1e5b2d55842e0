"""The secrets that one dialect's deliveries may be signed with, and how the door learns of a rotation."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import SecretStr

from countersign.webhooks.verification import Key

REREAD_SECONDS: Final = 30
"""Mismatches make us read the source again this often at most: strangers can cause mismatches at will."""
READ_TIMEOUT_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A secret and, for one that was replaced, the end of its acceptance."""

    value: SecretStr
    until: datetime | None = None


SecretSource = Callable[[], Sequence[WebhookSecret]]
"""Reads the secrets where they are kept. May block; may raise anything."""


class Keyring:
    """The keys that are valid now.

    Args:
        key: The dialect's way from a secret to a key.
        source: Where the secrets are read again after a mismatch.

    Raises:
        ValueError: There is no secret, or one cannot be of this dialect.
    """

    def __init__(self, key: Callable[[str], Key], source: SecretSource) -> None:
        self._key = key
        self._source = source
        self._keys = self._made_of(source())
        self._next_read = 0.0
        self._reading: asyncio.Task[bool] | None = None

    def valid_keys(self, now: float) -> tuple[Key, ...]:
        """The keys that are accepted at a time, in seconds since 1970."""
        return tuple(key for key, until in self._keys if until is None or now < until)

    async def reread(self) -> bool:
        """Read the source again after a mismatch; True if that brought other secrets.

        At most once in 30 s and for 2 s at most; who asks meanwhile waits for the same reading. Secrets
        that cannot be read stay as they were.
        """
        if self._reading is None:
            if time.monotonic() < self._next_read:
                return False
            self._next_read = time.monotonic() + REREAD_SECONDS
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._done)
        return await asyncio.shield(self._reading)

    def _done(self, _task: asyncio.Task[bool]) -> None:
        self._reading = None

    async def _read(self) -> bool:
        try:
            secrets = await asyncio.wait_for(asyncio.to_thread(self._source), READ_TIMEOUT_SECONDS)
            keys = self._made_of(secrets)
        except Exception as error:  # noqa: BLE001 (a source may raise anything; the door must stay open)
            _log.warning("webhook secret not re-read", extra={"error": type(error).__name__})
            return False
        changed, self._keys = keys != self._keys, keys
        return changed

    def _made_of(self, secrets: Sequence[WebhookSecret]) -> list[tuple[Key, float | None]]:
        if not secrets:
            raise ValueError("a webhook secret is not set")
        return [
            (
                self._key(each.value.get_secret_value()),
                each.until.timestamp() if each.until else None,
            )
            for each in secrets
        ]
