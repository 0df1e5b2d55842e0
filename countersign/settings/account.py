"""Settings that an account of any provider has, under the account's prefix."""

import re
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from countersign.agreements.names import DEFAULT_ACCOUNT
from countersign.configuration import Settings, Variable
from countersign.loopback import LOOPBACK_HOSTS
from countersign.settings.environment import PRODUCTION, Environment, check_credential

_ACCOUNT: Final = re.compile(r"(?P<name>[a-z][a-z0-9-]{0,30}[a-z0-9])(=(?P<kind>[a-z][a-z0-9_]{0,30}))?")


class AccountSettings(Settings):
    """What every account has; a provider's settings inherit it and name the prefix."""

    live_host: ClassVar[str]
    """The host of the live service, which only production calls, unless `allow_live` is set."""

    environment: Environment = Field(
        default="development", description="Decides which keys and addresses are accepted."
    )
    allow_live: Annotated[bool, Variable("COUNTERSIGN_ALLOW_LIVE")] = Field(
        default=False,
        description="Lets an environment other than `production` use the live service and keys.",
    )
    base_url: str
    calls_per_second: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="Calls per second with this account, for all workers together; by default "
        "`COUNTERSIGN_PROVIDER_CALLS_PER_SECOND`.",
    )
    log_bodies: Annotated[Literal["off", "redacted"], Variable("COUNTERSIGN_LOG_BODIES")] = Field(
        default="off", description="Whether the provider's bodies are logged at DEBUG; never in production."
    )

    @field_validator("log_bodies")
    @classmethod
    def _no_bodies_in_production(cls, value: str, info: ValidationInfo) -> str:
        if value != "off" and info.data.get("environment") == PRODUCTION:
            raise ValueError("must be off in production; bodies hold people's data")
        return value

    @field_validator("base_url")
    @classmethod
    def _address_fits_environment(cls, value: str, info: ValidationInfo) -> str:
        host = _host(value)
        if info.data.get("environment") == PRODUCTION:
            if host in LOOPBACK_HOSTS:
                raise ValueError("is a sandbox on this machine; production needs the live service")
        elif host == cls.live_host and not info.data.get("allow_live"):
            raise ValueError(
                "is the live service outside production; use a sandbox, or set COUNTERSIGN_ALLOW_LIVE=true"
            )
        return value.rstrip("/")

    def is_sandbox(self) -> bool:
        """Return whether the provider is a sandbox on this machine."""
        return urlsplit(self.base_url).hostname in LOOPBACK_HOSTS


def check_secret(value: SecretStr) -> SecretStr:
    """Check that a key fits a header.

    Raises:
        ValueError: It was not copied whole and bare.
    """
    check_credential(value.get_secret_value())
    return value


Credential = Annotated[SecretStr, AfterValidator(check_secret)]
"""A key that was copied whole and bare."""


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


def prefix(account: str) -> str:
    """Return the prefix of an account's settings: `ACME_UK_` for `acme-uk`."""
    return f"{account.upper().replace('-', '_')}_"


def read_accounts(text: str) -> tuple[tuple[str, str], ...]:
    """Parse `uk=acme, documenso` into pairs of an account's name and its provider's kind.

    Raises:
        ValueError: A name or a kind is malformed, a name is there twice, or there is none.
    """
    found: dict[str, str] = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        match = _ACCOUNT.fullmatch(part)
        if match is None:
            raise ValueError(
                f"must be names of accounts such as {DEFAULT_ACCOUNT} or uk={DEFAULT_ACCOUNT}, "
                "separated by commas"
            )
        if match["name"] in found:
            raise ValueError(f"names the account {match['name']} twice")
        found[match["name"]] = match["kind"] or match["name"]
    if not found:
        raise ValueError("must name at least one account")
    return tuple(found.items())


def _accounts(value: object) -> object:
    return read_accounts(value) if isinstance(value, str) else value


AccountKinds = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_accounts)]
"""Accounts: their names and the kinds of their providers; the first one is the default."""
