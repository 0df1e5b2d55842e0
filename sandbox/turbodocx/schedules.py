"""The schedule of a send: reminders and expiry."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field
from pydantic.alias_generators import to_snake

from sandbox.core.validation import Body, check
from sandbox.turbodocx import errors

_HOURS: Final = {"hours": 1, "days": 24}
_LONGEST: Final = 999 * 24


class Duration(Body):
    """A whole number of hours or days."""

    value: Annotated[int, Field(ge=0, le=_LONGEST)]
    unit: Literal["hours", "days"]

    @property
    def hours(self) -> int:
        """The duration in hours."""
        return self.value * _HOURS[self.unit]


class Schedule(Body):
    """The schedule of a send; None is the organization's default."""

    reminders_enabled: bool | None = None
    reminder_delay: Duration | None = None
    reminder_interval: Duration | None = None
    max_reminders: Annotated[int, Field(ge=-1, le=50)] | None = None
    expiration_enabled: bool | None = None
    expire_after: Duration | None = None
    expiration_warning: Duration | None = None
    expiration_warning_interval: Duration | None = None

    def duration(self, name: str) -> Duration | None:
        """Return a duration by its JSON name."""
        found: Duration | None = getattr(self, to_snake(name))
        return found


def settle(raw: dict[str, Any]) -> dict[str, Any]:
    """Check a schedule and add the documented defaults. All durations are in hours.

    Raises:
        ApiError: 400 `InvalidSignatureSchedule`, or the schema validator's.
    """
    asked = check(Schedule, raw, errors.invalid)
    _long_enough(asked)
    settled = {
        "reminders": asked.reminders_enabled or False,
        "delay": _hours(asked.reminder_delay, 3 * 24),
        "interval": _hours(asked.reminder_interval, 3 * 24),
        "max": 5 if asked.max_reminders is None else asked.max_reminders,
        "expires": asked.expiration_enabled or False,
        "after": _hours(asked.expire_after, 120 * 24),
        "warning": _hours(asked.expiration_warning, 3 * 24),
        "warning_interval": _hours(asked.expiration_warning_interval, 24),
    }
    if settled["expires"]:
        _fit_before_expiry(asked, settled["after"])
        if settled["warning"] >= settled["after"]:
            settled["warning"] = 0
    return settled


def _hours(duration: Duration | None, default: int) -> int:
    return default if duration is None else duration.hours


def _long_enough(asked: Schedule) -> None:
    for name, code in (
        ("expireAfter", "ExpiryWindowTooShort"),
        ("expirationWarningInterval", "WarningIntervalTooShort"),
    ):
        if (duration := asked.duration(name)) is not None and duration.hours < 1:
            raise _schedule_error(f"{name} must be at least 1 hour", code, name)
    for name in ("reminderDelay", "reminderInterval"):
        if (duration := asked.duration(name)) is not None and duration.hours < 1:
            raise errors.invalid([(name, f'"{name}.value" must be greater than or equal to 1')])
    for name in ("reminderDelay", "reminderInterval", "expireAfter", "expirationWarning"):
        if (duration := asked.duration(name)) is not None and duration.hours > _LONGEST:
            raise errors.invalid([(name, f'"{name}" must not exceed 999 days')])


def _fit_before_expiry(asked: Schedule, after: int) -> None:
    """Reject given durations that do not fit into the signing window."""
    for name, code in (
        ("expirationWarning", "WarningExceedsExpiry"),
        ("reminderDelay", "ReminderDelayExceedsExpiry"),
        ("reminderInterval", "ReminderIntervalExceedsExpiry"),
    ):
        if (duration := asked.duration(name)) is not None and duration.hours >= after:
            raise _schedule_error(f"{name} must be shorter than the signing window", code, name)


def _schedule_error(message: str, code: str, field: str) -> errors.ApiError:
    return errors.domain(400, message, "InvalidSignatureSchedule", {"code": code, "fields": [field]})
