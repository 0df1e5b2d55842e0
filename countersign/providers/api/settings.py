"""Settings of an API of your own."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from countersign.settings.account import AccountSettings, Credential
from countersign.settings.webhooks import webhook_settings


class ApiSettings(AccountSettings):
    """Address and key of an API. Inherit it, and name `prefix` and `live_host`.

    With the prefix `BILLING_`, the variables are `BILLING_BASE_URL`, `BILLING_API_KEY` and
    `BILLING_CALLS_PER_SECOND`. Outside production, the address must not be on `live_host`.
    """

    base_url: str = Field(description="The API's address, `https://host` with or without a path.")
    api_key: Credential = Field(description="The API's key.")

    @classmethod
    def __pydantic_init_subclass__(cls, **given: Any) -> None:
        """Make the secrets of a route of this name known: the receiver may share the environment."""
        super().__pydantic_init_subclass__(**given)
        if hasattr(cls, "prefix"):  # a base class of several may have none
            webhook_settings(cls.account())

    @classmethod
    def account(cls) -> str:
        """Return the name that metrics, logs and routes know the API by: `billing` for `BILLING_`."""
        return cls.prefix.rstrip("_").lower().replace("_", "-")


def bearer(settings: ApiSettings) -> Mapping[str, str]:
    """Write the key as a bearer token."""
    return {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
