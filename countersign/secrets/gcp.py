"""Google Secret Manager: one secret per variable, of the variable's name, `gcp:<project>`.

`gcp:<project>@<host>` uses another host, for example a private endpoint. Credentials are those of every
Google tool: the machine's service account, `GOOGLE_APPLICATION_CREDENTIALS`, ... We need the role "Secret
Manager Secret Accessor"; nothing is listed.
"""

from collections.abc import Mapping, Sequence

from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    NotFound,
    Unauthenticated,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud.secretmanager import SecretManagerServiceClient
from requests.exceptions import RequestException

from countersign.secrets.managers import ATTEMPT_SECONDS, SecretManagerError


def fetch(place: str, names: Sequence[str]) -> Mapping[str, str]:
    """Read the newest versions of the secrets of these names. Names without a secret are left out.

    Raises:
        SecretManagerError: They cannot be read.
    """
    project, _, host = place.partition("@")
    try:
        options = {"api_endpoint": host} if host else None
        with SecretManagerServiceClient(transport="rest", client_options=options) as client:
            found = {name: _read(client, project, name) for name in names}
    except DefaultCredentialsError:
        raise SecretManagerError(
            "needs credentials and finds none; set GOOGLE_APPLICATION_CREDENTIALS"
        ) from None
    except Forbidden:
        raise SecretManagerError(
            f"does not let us read secrets of {project}; give us the role Secret Manager Secret Accessor"
        ) from None
    except (Unauthenticated, GoogleAuthError) as error:
        raise SecretManagerError(
            f"does not know us ({type(error).__name__}); check GOOGLE_APPLICATION_CREDENTIALS"
        ) from None
    except GoogleAPICallError as error:
        raise SecretManagerError(f"rejected the request ({type(error).__name__})") from None
    except RequestException as error:
        raise SecretManagerError(
            f"could not be reached ({type(error).__name__}); check the network"
        ) from None
    return {name: value for name, value in found.items() if value is not None}


def _read(client: SecretManagerServiceClient, project: str, name: str) -> str | None:
    version = f"projects/{project}/secrets/{name}/versions/latest"
    try:
        answer = client.access_secret_version(name=version, timeout=ATTEMPT_SECONDS, retry=None)
    except NotFound:
        return None
    return answer.payload.data.decode().strip()
