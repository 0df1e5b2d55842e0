"""Identity checks of signers: the requests of a send, and the organization's settings."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from sandbox.core.validation import Body, Problem, check
from sandbox.turbodocx import errors
from sandbox.turbodocx.behavior import Behavior


class _Closed(Body):
    model_config = ConfigDict(extra="forbid")


class Passcode(_Closed):
    """A one-time passcode by e-mail or SMS."""

    mode: Literal["otp"]
    channel: Literal["email", "sms"] | None = None


class ExternalCheck(_Closed):
    """A check by the sender's identity provider."""

    mode: Literal["external_idv"]
    provider: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    max_age_minutes: Annotated[int, Field(ge=5, le=10080)]


class Override(_Closed):
    """No check, with a reason."""

    mode: Literal["override"]
    override_identity_verification: Literal[True]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


_MODES: dict[str, type[Passcode | ExternalCheck | Override]] = {
    "otp": Passcode,
    "external_idv": ExternalCheck,
    "override": Override,
}


def check_identity(behavior: Behavior, asked: dict[str, Any] | None, phone: str | None) -> dict[str, Any]:
    """Return a recipient's identity check; empty for none.

    Raises:
        ApiError: 400, invalid; 402, not in the plan; 403, not allowed by the organization.
    """
    if asked is None:
        return _default(behavior, phone)
    model = _MODES.get(str(asked.get("mode")))
    if model is None:
        raise _config_error([("mode", '"mode" must be one of [otp, external_idv, override]')])
    wanted = check(model, asked, _config_error)
    if not behavior.embedded_signing:
        raise errors.identity(403, "Embedded signing is not enabled", "EmbeddedSigningNotEnabled")
    if isinstance(wanted, Passcode):
        return _passcode(behavior, wanted, phone)
    if isinstance(wanted, ExternalCheck) and not behavior.allow_external_idv:
        raise errors.identity(403, "External identity verification is not allowed", "ExternalIdvNotAllowed")
    if isinstance(wanted, Override) and not behavior.allow_identity_override:
        raise errors.identity(403, "Identity override is not allowed", "IdentityOverrideNotAllowed")
    return wanted.model_dump(by_alias=True)


def _default(behavior: Behavior, phone: str | None) -> dict[str, Any]:
    if not behavior.embedded_signing or behavior.default_channel == "none":
        return {}
    return _with_phone(behavior, behavior.default_channel, phone)


def _passcode(behavior: Behavior, wanted: Passcode, phone: str | None) -> dict[str, Any]:
    default = behavior.default_channel
    channel = wanted.channel or ("email" if default == "none" else default)
    if default not in {"none", channel} and not behavior.allow_channel_override:
        raise errors.identity(403, "The passcode channel is set by the organization", "OtpOverrideNotAllowed")
    return _with_phone(behavior, channel, phone)


def _with_phone(behavior: Behavior, channel: str, phone: str | None) -> dict[str, Any]:
    if channel == "sms" and not behavior.sms_entitled:
        raise errors.identity(402, "Your plan does not include SMS passcodes", "OtpNotEntitled")
    if channel == "sms" and phone is None:
        raise errors.identity(400, "phone is required for SMS passcodes", "OtpPhoneRequired")
    return {"mode": "otp", "channel": channel}


def _config_error(problems: list[Problem]) -> errors.ApiError:
    return errors.identity(400, "; ".join(message for _, message in problems), "IdentityConfigInvalid")
