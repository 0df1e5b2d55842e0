"""Secrets that change while a process runs.

A `Rotating` reads its settings again when they are older than their time to live, or after the provider
rejected them. One thread reads at a time. Until it succeeds, the last good settings stay in use.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from countersign.configuration import Settings, SettingsError, load

TTL_SECONDS: Final = 300.0
"""Seconds until secrets are read again. A replaced secret is rejected, and then read again sooner."""
RENEW_SECONDS: Final = 10.0
"""Seconds between two reads at least, so that forged signatures cannot flood a secret manager."""

_log = logging.getLogger(__name__)

SettingsT = TypeVar("SettingsT", bound=Settings)


class Rotating(Generic[SettingsT]):
    """Settings whose secrets may be rotated without a restart.

    The provider's transport calls `get()` before a call, and `renew(used)` after a 401 response. The webhook
    receiver calls `get()` for every delivery, and `renew(used)` if no secret fits the signature.

    Args:
        first: The settings that were read at the start.
        read: Reads them again, blocking; raises `SettingsError` if they cannot work.
        ttl_seconds: The age from which `get` reads them again.
        renew_seconds: Seconds between two reads at least.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        first: SettingsT,
        read: Callable[[], SettingsT] | None = None,
        *,
        ttl_seconds: float = TTL_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._value = first
        self._read = read or (lambda: load(type(first))[0])
        self._ttl, self._pause, self._clock = ttl_seconds, renew_seconds, clock
        self._good_at, self._tried_at = clock(), -math.inf
        self._refresh: asyncio.Task[None] | None = None

    @property
    def current(self) -> SettingsT:
        """The last good settings, however old."""
        return self._value

    async def get(self) -> SettingsT:
        """Return the settings without waiting; if they are old, start to read them again."""
        if self._clock() - self._good_at >= self._ttl and self._may_read():
            self._start_refresh()
        return self._value

    async def renew(self, refused: SettingsT) -> bool:
        """Read the settings again after these were rejected.

        Returns:
            True if other settings are in use now. False if there are none, or if the last read was less than
            `renew_seconds` ago.
        """
        if self._value == refused:
            if self._may_read():
                self._start_refresh()
            if self._refresh is not None:
                await asyncio.shield(self._refresh)
        return self._value != refused

    def _may_read(self) -> bool:
        return self._refresh is None and self._clock() - self._tried_at >= self._pause

    def _start_refresh(self) -> None:
        self._refresh = asyncio.create_task(self._read_again(), name="read-secrets-again")

    async def _read_again(self) -> None:
        try:
            found = await asyncio.to_thread(self._read)
        except SettingsError as error:
            _log.warning("secrets could not be read again; the last good ones serve on: %s", error)
        else:
            self._good_at = self._clock()
            if found != self._value:
                self._value = found
                _log.info("secrets have changed; %s holds the new ones", type(found).__name__)
        finally:
            self._tried_at = self._clock()
            self._refresh = None
