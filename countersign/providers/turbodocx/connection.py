"""How to get a `TurboDocxClient`: from settings whose key may be rotated while it is used."""

from collections.abc import Mapping

from countersign.providers.calls import Limits
from countersign.providers.download import DownloadRules
from countersign.providers.transport import Gate, Transport
from countersign.providers.turbodocx.client import PROVIDER, TurboDocxClient
from countersign.providers.turbodocx.refusals import explain
from countersign.secrets.rotation import Rotating
from countersign.settings import TurboDocxSettings


class RotatingKey:
    """The API key and organisation of every call; read again when the provider answers 401.

    Args:
        settings: Holds the current key.
    """

    def __init__(self, settings: Rotating[TurboDocxSettings]) -> None:
        self._settings = settings

    async def headers(self) -> Mapping[str, str]:
        """Return the current key's headers."""
        return _headers(await self._settings.get())

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Have the key read again, unless it was already replaced; True if there is another now."""
        current = self._settings.current
        return _headers(current) != refused or await self._settings.renew(current)


def connect(
    settings: Rotating[TurboDocxSettings],
    *,
    gate: Gate | None = None,
    limits: Limits | None = None,
    downloads: DownloadRules | None = None,
    trust_env: bool = False,
) -> TurboDocxClient:
    """Open a client; nothing is sent yet. Close it, or use it as an async context manager.

    Args:
        settings: Key, organisation and base URL.
        gate: The circuit that its calls pass.
        limits: Times and connections.
        downloads: From where presigned files may come.
        trust_env: Whether the environment's proxy and certificate settings apply.
    """
    transport = Transport(
        settings.current.base_url,
        provider=PROVIDER,
        credentials=RotatingKey(settings),
        explain=explain,
        gate=gate,
        limits=limits,
        trust_env=trust_env,
    )
    return TurboDocxClient(transport, downloads=downloads)


def _headers(settings: TurboDocxSettings) -> Mapping[str, str]:
    return {
        "Authorization": f"Bearer {settings.api_key.get_secret_value()}",
        "x-rapiddocx-org-id": settings.org_id,
    }
