"""The sandbox's clock: real time plus an offset that the control API sets."""

from datetime import UTC, datetime, timedelta

from sandbox.core.store import Store

_SETTING = "clock_advanced_seconds"


class Clock:
    """A clock with an offset that survives a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._advanced = timedelta(seconds=store.setting(_SETTING) or 0)

    @property
    def advanced(self) -> timedelta:
        """The offset to real time."""
        return self._advanced

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC) + self._advanced

    def stamp(self) -> str:
        """Return the time in the API's format."""
        return iso(self.now())

    def advance(self, by: timedelta) -> None:
        """Move the clock forward."""
        self._advanced += by
        self._store.set(_SETTING, self._advanced.total_seconds())

    def reset(self) -> None:
        """Return to real time."""
        self._advanced = timedelta()
        self._store.set(_SETTING, 0)


def iso(moment: datetime) -> str:
    """Format a time as the provider does: ISO 8601, milliseconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse(text: str) -> datetime:
    """Parse a time that `iso` formatted."""
    return datetime.fromisoformat(text)
