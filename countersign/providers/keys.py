"""The API key of every call, which may be replaced while it is in use."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from countersign.secrets.rotation import Rotating
from countersign.settings.account import AccountSettings

SettingsT = TypeVar("SettingsT", bound=AccountSettings)


class RotatingKey(Generic[SettingsT]):
    """The headers with an account's key; read again after a 401 response.

    Args:
        settings: Holds the current key.
        headers: Writes the key as the provider expects it.
    """

    def __init__(
        self, settings: Rotating[SettingsT], headers: Callable[[SettingsT], Mapping[str, str]]
    ) -> None:
        self._settings = settings
        self._headers = headers

    async def headers(self) -> Mapping[str, str]:
        """Return the current key's headers."""
        return self._headers(await self._settings.get())

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Read the key again unless it was replaced; return whether another one is in use now."""
        current = self._settings.current
        return self._headers(current) != refused or await self._settings.renew(current)
