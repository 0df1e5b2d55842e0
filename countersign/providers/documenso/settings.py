"""Settings of a Documenso account: address and key."""

from typing import ClassVar, Final

from pydantic import Field

from countersign.settings.account import AccountSettings, Credential

LIVE_HOST: Final = "app.documenso.com"


class DocumensoSettings(AccountSettings):
    """An account of Documenso: `DOCUMENSO_...`."""

    prefix: ClassVar[str] = "DOCUMENSO_"
    live_host: ClassVar[str] = LIVE_HOST

    base_url: str = Field(
        default=f"https://{LIVE_HOST}", description="The service, your own instance, or a local sandbox."
    )
    api_key: Credential = Field(description="API token of a team, `api_...`.")
