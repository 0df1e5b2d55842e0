"""Azure Key Vault: one secret per variable, `ACME-API-KEY` for `ACME_API_KEY`, `azure:<vault URL>`.

Credentials: a managed identity, a workload identity, `AZURE_CLIENT_ID`, ... as for every Azure tool. We
need the role "Key Vault Secrets User"; nothing is listed.
"""

from collections.abc import Mapping, Sequence

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from countersign.secrets.managers import ATTEMPT_SECONDS, SecretManagerError


def fetch(place: str, names: Sequence[str]) -> Mapping[str, str]:
    """Read the secrets of these names; those that the vault lacks are left out.

    Raises:
        SecretManagerError: The vault cannot be read.
    """
    if not place.startswith("https://"):
        raise SecretManagerError(
            "is named by its URL: COUNTERSIGN_SECRETS=azure:https://<vault>.vault.azure.net"
        )
    try:
        with (
            DefaultAzureCredential() as credential,
            SecretClient(
                place,
                credential,
                connection_timeout=ATTEMPT_SECONDS,
                read_timeout=ATTEMPT_SECONDS,
                retry_total=1,
            ) as client,
        ):
            found = {name: _read(client, name) for name in names}
    except ClientAuthenticationError:
        raise SecretManagerError(
            "does not know us; set AZURE_CLIENT_ID and its kin, or give us a managed identity"
        ) from None
    except HttpResponseError as error:
        raise SecretManagerError(_refusal(error.status_code)) from None
    except (ServiceRequestError, ServiceResponseError, AzureError) as error:
        raise SecretManagerError(
            f"could not be reached ({type(error).__name__}); check its URL and the network"
        ) from None
    return {name: value for name, value in found.items() if value is not None}


def _read(client: SecretClient, name: str) -> str | None:
    try:
        return client.get_secret(name.replace("_", "-")).value
    except ResourceNotFoundError:
        return None


def _refusal(status: int | None) -> str:
    if status == 403:  # noqa: PLR2004 - Forbidden
        return "does not let us read; give us the role Key Vault Secrets User, and its firewall our address"
    return f"rejected the request (HTTP {status})"
