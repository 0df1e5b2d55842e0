"""TurboDocx: address, key and sender, with test and live kept apart."""

import re
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from countersign.configuration import Settings, Variable
from countersign.loopback import LOOPBACK_HOSTS
from countersign.settings.environment import PRODUCTION, Environment, check_credential

LIVE_HOST: Final = "api.turbodocx.com"
TEST_KEY_PREFIX: Final = "TDX-test-"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class TurboDocxSettings(Settings):
    """The provider's settings, by the provider's own names: `TURBODOCX_...`."""

    prefix: ClassVar[str] = "TURBODOCX_"

    environment: Environment = Field(
        default="development", description="Decides which keys and addresses are accepted."
    )
    allow_live: Annotated[bool, Variable("COUNTERSIGN_ALLOW_LIVE")] = Field(
        default=False,
        description="Lets an environment other than `production` use the live service and keys.",
    )
    api_key: SecretStr = Field(description="API key, `TDX-...`.")
    org_id: str = Field(description="Organisation id, a UUID.")
    base_url: str = Field(default=f"https://{LIVE_HOST}", description="The API, or a local sandbox.")
    sender_email: str = Field(
        repr=False,
        description="Asks for signatures if the agreement names no sender.",
    )
    sender_name: str = Field(repr=False, description="The sender's name.")
    log_bodies: Annotated[Literal["off", "redacted"], Variable("COUNTERSIGN_LOG_BODIES")] = Field(
        default="off", description="Whether the provider's bodies are logged at DEBUG; never in production."
    )

    @field_validator("log_bodies")
    @classmethod
    def _no_bodies_in_production(cls, value: str, info: ValidationInfo) -> str:
        if value != "off" and info.data.get("environment") == PRODUCTION:
            raise ValueError("must be off in production; bodies hold people's data")
        return value

    @field_validator("api_key")
    @classmethod
    def _key_fits_environment(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        is_test = value.get_secret_value().startswith(TEST_KEY_PREFIX)
        if info.data.get("environment") == PRODUCTION:
            if is_test:
                raise ValueError("is a test key; production needs a live one")
        elif not is_test and not info.data.get("allow_live"):
            raise ValueError(
                f"does not start with {TEST_KEY_PREFIX}, as keys outside production must; use a test key, "
                "or set COUNTERSIGN_ALLOW_LIVE=true"
            )
        return value

    @field_validator("api_key", "org_id")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | str) -> SecretStr | str:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        check_credential(text)
        return value

    @field_validator("org_id")
    @classmethod
    def _is_a_uuid(cls, value: str) -> str:
        if _UUID.fullmatch(value) is None:
            raise ValueError("must be a UUID, 01234567-89ab-cdef-0123-456789abcdef; see the provider's app")
        return value

    @field_validator("sender_email")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if re.fullmatch(r"[^@\s]+@[^@\s]+", value) is None:
            raise ValueError("must be an e-mail address, name@example.com")
        return value

    @field_validator("base_url")
    @classmethod
    def _address_fits_environment(cls, value: str, info: ValidationInfo) -> str:
        host = _host(value)
        if info.data.get("environment") == PRODUCTION:
            if host in LOOPBACK_HOSTS:
                raise ValueError("is a sandbox on this machine; production needs the live service")
        elif host == LIVE_HOST and not info.data.get("allow_live"):
            raise ValueError(
                "is the live service outside production; use a sandbox, or set COUNTERSIGN_ALLOW_LIVE=true"
            )
        return value.rstrip("/")


def _host(address: str) -> str:
    """Return the host of an API's address.

    Raises:
        ValueError: It is neither https to a host nor plain http to this machine.
    """
    try:
        url = urlsplit(address)
        _ = url.port
    except ValueError:
        raise ValueError("is not an address; use https://host") from None
    if url.scheme not in ("https", "http") or not url.hostname or url.username or url.password:
        raise ValueError("must be https://host, without user or password")
    if url.query or url.fragment:
        raise ValueError("must end after its path; take away what follows ? or #")
    if url.scheme == "http" and url.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must be https; plain http is for a sandbox on this machine only")
    return url.hostname
