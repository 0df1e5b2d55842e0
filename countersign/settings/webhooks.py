"""The secrets that deliveries are signed with, and how the webhook receiver listens."""

from datetime import datetime
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from countersign.configuration import Settings
from countersign.settings.account import prefix
from countersign.settings.environment import check_credential

WebhookEvents = Literal["all", "essential"]
"""The events that agreements are signalled."""
WEBHOOK_EVENTS: Final = (
    "`essential` saves billable actions: no agreement is signalled that its document was sent or viewed, and "
    "`webhook setup` subscribes to no views. See docs/how-to/use-fewer-actions.md for what is lost."
)


class WebhookSettings(Settings):
    """The secrets of an account's webhooks; see `webhook_settings`."""

    prefix: ClassVar[str]

    webhook_secret: SecretStr = Field(description="The secret of the account's webhooks.")
    webhook_secret_previous: SecretStr | None = Field(default=None, description="The secret it replaced.")
    webhook_secret_previous_until: datetime | None = Field(
        default=None, description="When the previous secret stops being accepted, ISO 8601 with an offset."
    )
    webhook_events: WebhookEvents = Field(default="all", description=WEBHOOK_EVENTS)

    @field_validator("webhook_secret", "webhook_secret_previous")
    @classmethod
    def _is_a_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_credential(value.get_secret_value())
        return value

    @field_validator("webhook_secret_previous_until")
    @classmethod
    def _has_offset(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs an offset, for example 2026-01-31T12:00:00Z")
        return value

    @model_validator(mode="after")
    def _previous_has_an_end(self) -> Self:
        if (self.webhook_secret_previous is None) != (self.webhook_secret_previous_until is None):
            raise ValueError(
                f"{self.prefix}WEBHOOK_SECRET_PREVIOUS and {self.prefix}WEBHOOK_SECRET_PREVIOUS_UNTIL "
                "belong together; set both or neither"
            )
        return self

    def accepted(self, now: datetime) -> tuple[SecretStr, ...]:
        """Return the secrets that are accepted at a time, the current one first."""
        previous, until = self.webhook_secret_previous, self.webhook_secret_previous_until
        return (
            (self.webhook_secret, previous) if previous and until and now < until else (self.webhook_secret,)
        )


@cache
def webhook_settings(account: str) -> type[WebhookSettings]:
    """Return the settings with an account's secrets: `acme` reads `ACME_WEBHOOK_SECRET` and so on."""
    members = {
        "prefix": prefix(account),
        "__doc__": f"Secrets of webhooks, `{prefix(account)}...`.",
        "__module__": __name__,
    }
    return type(WebhookSettings.__name__, (WebhookSettings,), members)


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError(
            "must be addresses or networks such as 203.0.113.7 or 203.0.113.0/24, separated by commas"
        ) from None


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]


HomePath = Annotated[Path, AfterValidator(Path.expanduser)]
"""A path in which `~` is the user's home folder."""


class ReceiverSettings(Settings):
    """How the webhook receiver listens, `COUNTERSIGN_WEBHOOKS_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_WEBHOOKS_"

    allowed_callers: Networks = Field(
        default=(),
        description="Addresses or networks that may deliver, separated by commas. If empty, the signature "
        "alone decides.",
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of your own proxies, separated by commas. The receiver uses "
        "`X-Forwarded-For` of these alone.",
    )
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="The port of the metrics. Not set: no metrics."
    )
    tls_certificate: HomePath | None = Field(
        default=None, description="PEM file of the certificate chain, where no proxy speaks TLS."
    )
    tls_key: HomePath | None = Field(default=None, description="PEM file of its private key.")
    find_unmarked: bool = Field(
        default=False,
        description="Find the agreement of an unmarked document by its id. Only for agreements that are sent "
        "without a marker.",
    )
    routes: HomePath | None = Field(
        default=None,
        description="TOML file of further routes: to agreements, and to workflows of your own, see "
        "`countersign/webhooks/configured/README.md`.",
    )

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError(
                "COUNTERSIGN_WEBHOOKS_TLS_CERTIFICATE and COUNTERSIGN_WEBHOOKS_TLS_KEY belong together; "
                "set both or neither"
            )
        return self
