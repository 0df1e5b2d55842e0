"""How operators are notified of problems."""

import re
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from countersign.agreements.addresses import read_callback_url
from countersign.agreements.notices import Channel
from countersign.configuration import Settings
from countersign.observability.redaction import protect
from countersign.settings.callbacks import CallbackSettings, SigningSecrets

_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?")
_ADDRESS: Final = re.compile(r"[\w!#$%&\'*+./=?^`{|}~-]+@[A-Za-z0-9.-]+", re.ASCII)
_PRINTABLE: Final = re.compile(r"[ -~]+")


def _addresses(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not found or not all(map(_ADDRESS.fullmatch, found)):
        raise ValueError("must be e-mail addresses such as ops@example.com, separated by commas")
    return found


class NoticeSettings(Settings):
    """How operators are notified of problems, `COUNTERSIGN_NOTICES_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_NOTICES_"

    url: SecretStr | None = Field(
        default=None,
        description="The URL that notices are posted to. The rules of callbacks hold for its host, but "
        "`COUNTERSIGN_CALLBACKS_HOSTS` need not name it. Not set: none are posted.",
    )
    format: Literal["standard", "slack"] = Field(
        default="standard",
        description="The body of what is posted: `standard` follows Standard Webhooks; `slack` is "
        '`{"text": …}`, which Slack, Mattermost and Rocket.Chat take.',
    )
    secret: SigningSecrets | None = Field(
        default=None,
        description="What signs notices in the format `standard`: `whsec_` and 24 to 64 random bytes in "
        "base64. During a change two of them, the new one first, separated by a comma.",
    )
    smtp_host: str | None = Field(
        default=None,
        description="The mail server that sends notices, with its port if that is not 587: "
        "`smtp.example.com`. With port 465 it speaks TLS from the start, else after STARTTLS; one on this "
        "machine does without. Not set: no mail.",
    )
    smtp_user: str | None = Field(
        default=None, description="The user name at the mail server, if it wants one."
    )
    smtp_password: SecretStr | None = Field(default=None, description="The password at the mail server.")
    mail_from: str | None = Field(default=None, description="The address that mail comes from.")
    mail_to: Annotated[tuple[str, ...], BeforeValidator(_addresses)] = Field(
        default=(), description="The addresses that mail goes to, separated by commas."
    )
    digest_at: str = Field(default="07:00", description="When the daily digest is sent, in UTC: `07:30`.")

    @field_validator("digest_at")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        if _TIME.fullmatch(value) is None:
            raise ValueError("must be a time such as 07:30, in UTC")
        return value

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_callback_url(value.get_secret_value())
            protect(value.get_secret_value())
        return value

    @field_validator("smtp_host")
    @classmethod
    def _is_a_host(cls, value: str | None) -> str | None:
        if value is not None and _HOST.fullmatch(value) is None:
            raise ValueError("must be a host such as smtp.example.com or smtp.example.com:465")
        return value

    @field_validator("smtp_user", "smtp_password")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and _PRINTABLE.fullmatch(text) is None:  # Python's smtplib can send no other
            raise ValueError("must be printable ASCII")
        if isinstance(value, SecretStr):
            protect(value.get_secret_value())
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and _ADDRESS.fullmatch(value) is None:
            raise ValueError("must be an e-mail address such as countersign@example.com")
        return value

    @model_validator(mode="after")
    def _are_complete(self) -> Self:
        if self.url is not None and self.format == "standard" and self.secret is None:
            raise ValueError("COUNTERSIGN_NOTICES_URL: set COUNTERSIGN_NOTICES_SECRET too, which signs them")
        if self.smtp_host is not None and not (self.mail_from and self.mail_to):
            raise ValueError(
                "COUNTERSIGN_NOTICES_SMTP_HOST: set COUNTERSIGN_NOTICES_MAIL_FROM and "
                "COUNTERSIGN_NOTICES_MAIL_TO too"
            )
        if (self.smtp_user is None) is not (self.smtp_password is None):
            raise ValueError(
                "COUNTERSIGN_NOTICES_SMTP_USER and COUNTERSIGN_NOTICES_SMTP_PASSWORD: set both or neither"
            )
        return self

    def channels(self) -> tuple[Channel, ...]:
        """Return how notices are sent; empty if they are off."""
        named = ((Channel.WEBHOOK, self.url), (Channel.MAIL, self.smtp_host))
        return tuple(channel for channel, where in named if where is not None)

    def reach_problem(self, callbacks: CallbackSettings) -> str | None:
        """Return why the URL must not be called, in one sentence; None if it may be, or there is none.

        Args:
            callbacks: Which networks may be called.
        """
        if self.url is None:
            return None
        url = read_callback_url(self.url.get_secret_value())
        return callbacks.reach_problem(url.host, plain=url.is_plain)
