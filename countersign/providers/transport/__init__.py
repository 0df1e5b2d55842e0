"""HTTP to a provider: the only place that knows httpx. Nothing here retries or follows a redirect."""

from countersign.providers.transport.ports import Credentials, Gate, RemoteFile
from countersign.providers.transport.transport import Transport

__all__ = ["Credentials", "Gate", "RemoteFile", "Transport"]
