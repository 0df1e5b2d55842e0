"""The format of times for people."""

from datetime import UTC, datetime


def format_time(moment: datetime | str | None) -> str:
    """Format a time as "2027-01-31 12:00:00 UTC".

    Returns "" for None, "yes" for an empty string (it happened, the time is unknown), and unparsable text
    unchanged.
    """
    if moment is None:
        return ""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return str(moment) or "yes"
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
