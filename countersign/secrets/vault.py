"""HashiCorp Vault: one KV version 2 secret whose keys are variables, `vault:<mount>/<path>`.

Address and credentials come from Vault's own variables: `VAULT_ADDR`, `VAULT_NAMESPACE`,
`VAULT_CACERT`, and `VAULT_TOKEN`, or `VAULT_ROLE_ID` and `VAULT_SECRET_ID` for AppRole, or `VAULT_ROLE` for
Kubernetes. `VAULT_TOKEN_FILE` and `VAULT_SECRET_ID_FILE` name files instead.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized, VaultDown, VaultError
from requests.exceptions import RequestException

from countersign.loopback import LOOPBACK_HOSTS
from countersign.secrets.local import read_value
from countersign.secrets.managers import ATTEMPT_SECONDS, SecretManagerError

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def fetch(place: str, names: Sequence[str]) -> Mapping[str, str]:
    """Read the secret; return those of its keys that have these names.

    Raises:
        SecretManagerError: Vault cannot be read, or has no such secret.
    """
    mount, _, path = place.partition("/")
    if not path:
        raise SecretManagerError("is named by mount and path: COUNTERSIGN_SECRETS=vault:<mount>/<path>")
    try:
        client = _sign_in()
        answer = client.secrets.kv.v2.read_secret_version(
            path=path, mount_point=mount, raise_on_deleted_version=True
        )
    except InvalidPath:
        raise SecretManagerError(
            f"has no secret {place}; put it there, or correct COUNTERSIGN_SECRETS"
        ) from None
    except Forbidden:
        raise SecretManagerError(
            f'does not let us read {place}; check our token and its policy: path "{mount}/data/{path}" '
            '{ capabilities = ["read"] }'
        ) from None
    except (InvalidRequest, Unauthorized):
        raise SecretManagerError(
            "does not let us in; check VAULT_ROLE_ID and VAULT_SECRET_ID, or VAULT_ROLE"
        ) from None
    except VaultDown:
        raise SecretManagerError("is sealed or in maintenance (HTTP 503)") from None
    except VaultError as error:
        raise SecretManagerError(f"rejected the request ({type(error).__name__})") from None
    except RequestException as error:
        raise SecretManagerError(
            f"could not be reached ({type(error).__name__}); check VAULT_ADDR and the network"
        ) from None
    members = answer["data"]["data"]
    return {name: members[name] for name in names if isinstance(members.get(name), str)}


def _sign_in() -> Any:
    address = os.environ.get("VAULT_ADDR", "")
    url = urlsplit(address)
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK_HOSTS):
        raise SecretManagerError("needs VAULT_ADDR=https://host; plain http is for this machine only")
    client = hvac.Client(
        url=address,
        token=_variable("VAULT_TOKEN"),
        namespace=os.environ.get("VAULT_NAMESPACE"),
        verify=os.environ.get("VAULT_CACERT") or True,
        timeout=ATTEMPT_SECONDS,
        allow_redirects=False,
    )
    if client.token:
        return client
    if role_id := os.environ.get("VAULT_ROLE_ID"):
        client.auth.approle.login(role_id=role_id, secret_id=_variable("VAULT_SECRET_ID"))
    elif role := os.environ.get("VAULT_ROLE"):
        client.auth.kubernetes.login(role=role, jwt=_file(SERVICE_ACCOUNT))
    else:
        raise SecretManagerError("needs VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID, or VAULT_ROLE")
    return client


def _variable(name: str) -> str | None:
    path = os.environ.get(f"{name}_FILE")
    return _file(Path(path)) if path else os.environ.get(name)


def _file(path: Path) -> str:
    try:
        return read_value(path)
    except ValueError as error:
        raise SecretManagerError(f"needs {path}, which {error}") from None
