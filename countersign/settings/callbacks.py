"""Who may be called back, and the secrets that sign it."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from countersign.agreements.addresses import may_be_public, read_callback_url, read_private_networks
from countersign.agreements.callbacks import CALLER
from countersign.callbacks.signing import read_secrets
from countersign.configuration import Settings
from countersign.loopback import LOOPBACK_HOSTS
from countersign.observability.redaction import protect
from countersign.settings.environment import PRODUCTION, Environment

_HOST: Final = re.compile(r"(http://)?\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:(?P<port>[1-9][0-9]{0,4}))?")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PARTS: Final = 3
_HTTPS: Final = 443
_HTTP: Final = 80
_PLAIN: Final = "http://"
_UNLESS_PRIVATE: Final = "; for one in your own network, set COUNTERSIGN_CALLBACKS_PRIVATE_NETWORKS"


def _hosts(value: object) -> object:
    if not isinstance(value, str):
        return value
    hosts = tuple(part.strip().lower() for part in value.split(",") if part.strip())
    if not all(map(_HOST.fullmatch, hosts)):
        raise ValueError("must be hosts such as hooks.example.com, .example.com or hooks.example.com:8443")
    return hosts


Hosts = Annotated[tuple[str, ...], BeforeValidator(_hosts)]
"""Hosts, or with a leading dot their domains; with a port if that is not 443."""


def _signing(value: SecretStr) -> SecretStr:
    read_secrets(value.get_secret_value())
    protect(*value.get_secret_value().split(","))
    return value


SigningSecrets = Annotated[SecretStr, AfterValidator(_signing)]
"""One or two secrets of Standard Webhooks, `whsec_...`, the new one first, separated by a comma."""


def _networks(value: object) -> object:
    return read_private_networks(value) if isinstance(value, str) else value


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
"""Private networks, such as 10.1.2.0/24."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """An operator's subscription to the events of all agreements.

    Args:
        name: Its name, for logs and commands.
        url: The URL that receives the events.
        secret: What signs them: one or more `whsec_...`, separated by commas.
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)


class CallbackSettings(Settings):
    """Who may be called back, and the secrets that sign it, `COUNTERSIGN_CALLBACKS_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_CALLBACKS_"

    environment: Environment = Field(default="development", description="See above.")
    hosts: Hosts = Field(
        default=(),
        description="Hosts that may be called back, separated by commas: `hooks.example.com`, `.example.com` "
        "for a whole domain, `hooks.example.com:8443` for a port other than 443, `http://n8n:5678` for plain "
        "http in a private network. None by default. The hosts of subscriptions need not be listed.",
    )
    private_networks: Networks = Field(
        default=(),
        description="Networks, separated by commas, in which hosts may be called back beside the internet: "
        "`10.1.2.0/24`. Name the smallest that will do. None by default.",
    )
    allow_loopback: bool = Field(
        default=False,
        description="Whether this machine may be called back, with plain http and at any port. For "
        "development and tests; not in production.",
    )
    secret: SigningSecrets | None = Field(
        default=None,
        description="What signs the callbacks of agreements without a secret of their own: `whsec_` and 24 "
        "to 64 random bytes in base64. During a change two of them, the new one first, separated by a comma.",
    )
    subscriptions: SecretStr | None = Field(
        default=None,
        description="Who receives the events of every agreement: `<name> <URL> <secret>`, several separated "
        "by spaces or line ends.",
    )
    api_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="The public address of the HTTP API, for the links in callbacks: "
        "`https://api.example.com`. Not set: no links.",
    )

    @field_validator("allow_loopback")
    @classmethod
    def _not_in_production(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # pydantic's signature
        if value and info.data.get("environment") == PRODUCTION:
            raise ValueError("must be false in production")
        return value

    @field_validator("subscriptions")
    @classmethod
    def _are_subscriptions(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            subscriptions = _read_subscriptions(value)
            protect(*(secret for found in subscriptions for secret in (found.url, *found.secret.split(","))))
        return value

    @model_validator(mode="after")
    def _can_reach_subscribers(self) -> Self:
        for subscription in self.subscribers().values():
            url = read_callback_url(subscription.url)
            if (
                url.is_loopback
            ):  # refused when it is called, as `allow_loopback` may be set for the worker alone
                continue
            if problem := self.reach_problem(url.host, plain=url.is_plain):
                raise ValueError(f"subscription {subscription.name}: {problem}")
        return self

    def subscribers(self) -> dict[str, Subscription]:
        """Return the subscriptions by name."""
        found = _read_subscriptions(self.subscriptions) if self.subscriptions else ()
        return {subscription.name: subscription for subscription in found}

    def problem(self, host: str, port: int, *, plain: bool, has_secret: bool) -> str | None:
        """Return why an agreement's `callback_url` must not be called, in one sentence; None if it may be.

        Args:
            host: Its host.
            port: Its port.
            plain: Whether it is plain http.
            has_secret: Whether the agreement brings a secret of its own.
        """
        if (problem := self.reach_problem(host, plain=plain)) is not None:
            return problem
        if host not in LOOPBACK_HOSTS and not any(
            _matches(allowed, host, port, plain=plain) for allowed in self.hosts
        ):
            named = f"{'http://' if plain else ''}{host}{'' if port == _port(plain=plain) else f':{port}'}"
            return f"{named} may not be called back; COUNTERSIGN_CALLBACKS_HOSTS must name it"
        if self.secret is None and not has_secret:
            return "no secret signs it; set COUNTERSIGN_CALLBACKS_SECRET, or give callback_secret"
        return None

    def reach_problem(self, host: str, *, plain: bool) -> str | None:
        """Return why no one at a host may be called, in one sentence; None if the host may be.

        Args:
            host: The host, a name or an address; names are not resolved.
            plain: Whether it is called with plain http.
        """
        if host in LOOPBACK_HOSTS:
            if self.allow_loopback:
                return None
            return (
                "this machine may not be called back; for development, set "
                "COUNTERSIGN_CALLBACKS_ALLOW_LOOPBACK=true"
            )
        if self.private_networks:  # the addresses are checked when it is called
            return None
        if plain:
            return f"must begin with https://{_UNLESS_PRIVATE}"
        return None if may_be_public(host) else f"must name a public host{_UNLESS_PRIVATE}"


def _port(*, plain: bool) -> int:
    return _HTTP if plain else _HTTPS


def _matches(allowed: str, host: str, port: int, *, plain: bool) -> bool:
    name, _, listed = allowed.removeprefix(_PLAIN).partition(":")
    fits = host.endswith(name) and host != name[1:] if name.startswith(".") else host == name
    is_plain = allowed.startswith(_PLAIN)
    return fits and plain is is_plain and port == int(listed or _port(plain=is_plain))


def _read_subscriptions(value: SecretStr) -> tuple[Subscription, ...]:
    """Split `name url secret name url secret ...`.

    Raises:
        ValueError: It has another form; the message repeats no URL and no secret.
    """
    words = value.get_secret_value().split()
    if not words or len(words) % _PARTS:
        raise ValueError("must be <name> <URL> <secret>, several separated by spaces or line ends")
    found = [Subscription(*words[place : place + _PARTS]) for place in range(0, len(words), _PARTS)]
    for number, subscription in enumerate(found, 1):
        if _NAME.fullmatch(subscription.name) is None or subscription.name == CALLER:
            raise ValueError(
                f"the name of subscription {number} must be lower-case letters, digits and dashes"
            )
        try:
            read_callback_url(subscription.url)
            read_secrets(subscription.secret)
        except ValueError as error:
            raise ValueError(f"subscription {subscription.name}: {error}") from None
    if len({subscription.name for subscription in found}) < len(found):
        raise ValueError("names a subscription twice")
    return tuple(found)
