"""Settings as verbs need them: what cannot work is bad input."""

from typing import TypeVar

from countersign.client.errors import BadInputError
from countersign.configuration import Settings, SettingsError, load

SettingsT = TypeVar("SettingsT", bound=Settings)


def load_settings(kind: type[SettingsT]) -> SettingsT:
    """Read settings of one kind.

    Raises:
        BadInputError: Something is missing or cannot work; the message lists all of it by name.
    """
    try:
        return load(kind)[0]
    except SettingsError as error:
        raise BadInputError(str(error)) from None
