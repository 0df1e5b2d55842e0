"""Secrets that change while we run.

A `Rotating` holds settings that are read again when they are older than their time to live, or when
somebody on the other side refused them. Reading happens in a thread, one at a time; while it lasts, or when
it fails, the last good settings serve on.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from countersign.configuration import Settings, SettingsError, load

TTL_SECONDS: Final = 300.0
"""How old secrets may get: a secret that was replaced is refused at once and then read again in any case."""
RENEW_SECONDS: Final = 10.0
"""The least time between two readings, so that forged signatures cannot make us hammer a secret manager."""

_log = logging.getLogger(__name__)

SettingsT = TypeVar("SettingsT", bound=Settings)


class Rotating(Generic[SettingsT]):
    """Settings whose secrets may be rotated without a restart.

    The provider's transport asks `get()` before a call and, when the provider answers 401, `renew(used)`.
    The webhook receiver asks `get()` for each delivery and `renew(used)` when no secret fits its signature.

    Args:
        first: Settings read at start, known to be good.
        read: Reads them again, blocking; raises `SettingsError` if what it finds cannot work.
        ttl_seconds: How old settings may get before `get` has them read again.
        renew_seconds: The least time between two readings.
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
        """Return the settings at once; if they are too old, have them read again meanwhile."""
        if self._clock() - self._good_at >= self._ttl and self._may_read():
            self._start_refresh()
        return self._value

    async def renew(self, refused: SettingsT) -> bool:
        """Look for other settings than the refused ones.

        Returns:
            True if there are others now: try with them. False if there are none, or if it was looked for
            them less than `renew_seconds` ago.
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
