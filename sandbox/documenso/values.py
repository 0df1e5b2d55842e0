"""The values of requests: strict JSON types, where whole floats are whole numbers, as in JavaScript."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from sandbox.core.validation import Body, is_email

ROLES = Literal["SIGNER", "VIEWER", "APPROVER", "ASSISTANT", "CC"]
FIELD_TYPES = Literal[
    "SIGNATURE",
    "FREE_SIGNATURE",
    "INITIALS",
    "NAME",
    "EMAIL",
    "DATE",
    "TEXT",
    "NUMBER",
    "RADIO",
    "CHECKBOX",
    "DROPDOWN",
]
STATUSES = Literal["DRAFT", "PENDING", "COMPLETED", "REJECTED", "CANCELLED"]
SIGNATURES: Final = frozenset({"SIGNATURE", "FREE_SIGNATURE"})

_DAYS: Final = {"day": 1, "week": 7, "month": 30, "year": 365}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number_in_text(value: Any) -> Any:
    try:
        return _whole(float(value)) if isinstance(value, str) else value
    except ValueError:
        return value


def _email(value: str) -> str:
    if value and not is_email(value):
        raise ValueError("Invalid email")
    return value.lower()


Whole = Annotated[int, BeforeValidator(_whole)]
WholeText = Annotated[int, BeforeValidator(_number_in_text)]
"""A whole number in a query or a path."""
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email)]
Name = Annotated[str, StringConstraints(max_length=255)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=255)]
ExternalId = Annotated[str, StringConstraints(max_length=255)]
AccessAuth = list[Literal["ACCOUNT", "TWO_FACTOR_AUTH"]]
ActionAuth = list[Literal["ACCOUNT", "PASSKEY", "TWO_FACTOR_AUTH", "PASSWORD", "EXPLICIT_NONE"]]


class Period(Body):
    """How long recipients may sign."""

    unit: Literal["day", "week", "month", "year"]
    amount: Annotated[Whole, Field(ge=1)]

    @property
    def days(self) -> int:
        """The period in days; a month has 30."""
        return _DAYS[self.unit] * self.amount


class Unlimited(Body):
    """No end."""

    disabled: Literal[True]


class SendMeta(Body):
    """The settings that a send may change."""

    subject: Annotated[str, StringConstraints(max_length=254)] | None = None
    message: Annotated[str, StringConstraints(max_length=5000)] | None = None
    timezone: str | None = None
    date_format: str | None = None
    distribution_method: Literal["EMAIL", "NONE"] | None = None
    redirect_url: Annotated[str, StringConstraints(pattern=r"^(https?://.*)?$")] | None = None
    language: Literal["de", "en", "fr", "es", "it", "nl", "pl", "pt-BR", "ja", "ko", "zh"] | None = None
    email_id: str | None = None
    email_reply_to: Email | None = None
    email_settings: dict[str, bool] | None = None


class Meta(SendMeta):
    """The settings of an envelope."""

    signing_order: Literal["PARALLEL", "SEQUENTIAL"] | None = None
    allow_dictate_next_signer: bool | None = None
    typed_signature_enabled: bool | None = None
    upload_signature_enabled: bool | None = None
    draw_signature_enabled: bool | None = None
    envelope_expiration_period: Period | Unlimited | None = None
    reminder_settings: dict[str, Any] | None = None


class Place(Body):
    """A field's type and its place in percent of the page."""

    type: FIELD_TYPES
    page: Annotated[Whole, Field(ge=1)]
    position_x: Percent
    position_y: Percent
    width: Percent
    height: Percent
    field_meta: dict[str, Any] | None = None


class NewRecipient(Body):
    """A recipient to add."""

    email: Email
    name: Name
    role: ROLES
    signing_order: Whole | None = None
    access_auth: AccessAuth = Field(default_factory=list)
    action_auth: ActionAuth = Field(default_factory=list)
