"""Settings of a TurboDocx account: address, key and sender, with test and live kept apart."""

import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from countersign.settings.account import AccountSettings, Credential
from countersign.settings.environment import PRODUCTION, check_credential
from countersign.settings.webhooks import WEBHOOK_EVENTS, WebhookEvents

LIVE_HOST: Final = "api.turbodocx.com"
TEST_KEY_PREFIX: Final = "TDX-test-"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def _uuid(value: str) -> str:
    check_credential(value)
    if _UUID.fullmatch(value) is None:
        raise ValueError("must be a UUID, 01234567-89ab-cdef-0123-456789abcdef; see the provider's app")
    return value


def _address(value: str) -> str:
    if re.fullmatch(r"[^@\s]+@[^@\s]+", value) is None:
        raise ValueError("must be an e-mail address, name@example.com")
    return value


class TurboDocxSettings(AccountSettings):
    """An account of TurboDocx, by the provider's own names: `TURBODOCX_...`."""

    prefix: ClassVar[str] = "TURBODOCX_"
    live_host: ClassVar[str] = LIVE_HOST

    base_url: str = Field(default=f"https://{LIVE_HOST}", description="The API, or a local sandbox.")
    api_key: Credential = Field(description="API key, `TDX-...`.")
    org_id: Annotated[str, AfterValidator(_uuid)] = Field(description="Organization id, a UUID.")
    sender_email: Annotated[str, AfterValidator(_address)] = Field(
        repr=False,
        description="Asks for signatures if the agreement names no sender.",
    )
    sender_name: str = Field(repr=False, description="The sender's name.")
    webhook_events: WebhookEvents = Field(default="all", description=WEBHOOK_EVENTS)

    @field_validator("api_key", mode="after")
    @classmethod
    def _key_fits_environment(cls, value: Credential, info: ValidationInfo) -> Credential:
        is_test = value.get_secret_value().startswith(TEST_KEY_PREFIX)
        if info.data.get("environment") == PRODUCTION:
            if is_test:
                raise ValueError(
                    "is a test key; production needs a live one, and a rehearsal another environment"
                )
        elif not is_test and not info.data.get("allow_live"):
            raise ValueError(
                f"does not start with {TEST_KEY_PREFIX}, as keys outside production must; use a test key, "
                "or set COUNTERSIGN_ALLOW_LIVE=true"
            )
        return value
