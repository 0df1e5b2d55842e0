"""Settings of the client, with invalid settings as `BadInputError`."""

from typing import TypeVar

from countersign.client.errors import BadInputError
from countersign.configuration import Settings, SettingsError, load

SettingsT = TypeVar("SettingsT", bound=Settings)


def load_settings(kind: type[SettingsT]) -> SettingsT:
    """Load one settings class.

    Raises:
        BadInputError: Settings are missing or invalid; the message lists all of them by name.
    """
    try:
        return load(kind)[0]
    except SettingsError as error:
        raise BadInputError(str(error)) from None
