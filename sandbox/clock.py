"""The sandbox's clock: real time plus what the control API has advanced it by."""

from datetime import UTC, datetime, timedelta

from sandbox.store import Store

_SETTING = "clock_advanced_seconds"


class Clock:
    """Tells the time; how far it was advanced survives a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._advanced = timedelta(seconds=store.setting(_SETTING) or 0)

    @property
    def advanced(self) -> timedelta:
        """How far ahead of real time it is."""
        return self._advanced

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC) + self._advanced

    def stamp(self) -> str:
        """The time as the API writes it."""
        return iso(self.now())

    def advance(self, by: timedelta) -> None:
        """Move it forward."""
        self._advanced += by
        self._store.set(_SETTING, self._advanced.total_seconds())

    def reset(self) -> None:
        """Return to real time."""
        self._advanced = timedelta()
        self._store.set(_SETTING, 0)


def iso(moment: datetime) -> str:
    """Write a time as the provider does: ISO 8601, milliseconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse(text: str) -> datetime:
    """Read a time that `iso` wrote."""
    return datetime.fromisoformat(text)
