"""AWS Secrets Manager: one secret, a JSON object of variables, `aws:<its name or ARN>`.

Credentials, region and endpoints come from the variables of every AWS tool: `AWS_REGION`, `AWS_PROFILE`,
`AWS_ENDPOINT_URL_SECRETS_MANAGER`, a role of the machine, ... We need `secretsmanager:GetSecretValue` on it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
)

from countersign.secrets.managers import ATTEMPT_SECONDS, SecretManagerError


def fetch(place: str, names: Sequence[str]) -> Mapping[str, str]:
    """Read the secret; return those of its members that have these names.

    Raises:
        SecretManagerError: It cannot be read, or is no JSON object of texts.
    """
    try:
        answer = _client().get_secret_value(SecretId=place)
    except ClientError as error:
        raise SecretManagerError(_refusal(error.response["Error"]["Code"], place)) from None
    except NoCredentialsError:
        raise SecretManagerError(
            "needs credentials and finds none; set AWS_PROFILE or give the machine a role"
        ) from None
    except NoRegionError:
        raise SecretManagerError("needs a region; set AWS_REGION") from None
    except (HTTPClientError, BotoCoreError) as error:
        raise SecretManagerError(
            f"could not be reached ({type(error).__name__}); check AWS_REGION and the network"
        ) from None
    return _members(answer.get("SecretString"), place, names)


def _client() -> Any:
    limits = Config(
        connect_timeout=ATTEMPT_SECONDS,
        read_timeout=ATTEMPT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    region = os.environ.get("AWS_REGION")  # boto3 reads AWS_DEFAULT_REGION only
    return Session(region_name=region).client("secretsmanager", config=limits)


def _refusal(code: str, place: str) -> str:
    if code == "ResourceNotFoundException":
        return f"has no secret {place}; create it in this region, or correct COUNTERSIGN_SECRETS"
    if code in ("AccessDeniedException", "AccessDenied"):
        return f"does not let us read {place}; allow secretsmanager:GetSecretValue on it"
    return f"rejected the request for {place} ({code})"


def _members(text: str | None, place: str, names: Sequence[str]) -> Mapping[str, str]:
    try:
        members = json.loads(text or "")
        return {name: members[name] for name in names if isinstance(members.get(name), str)}
    except (ValueError, AttributeError):
        raise SecretManagerError(
            f'has no JSON object in {place}; store {{"{names[0]}": "...", ...}}'
        ) from None
