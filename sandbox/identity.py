"""How a signer proves who they are: what a send may ask for, and what the organisation allows."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from sandbox import errors
from sandbox.behaviour import Behaviour
from sandbox.validation import Body, Problem, check


class _Closed(Body):
    model_config = ConfigDict(extra="forbid")


class Passcode(_Closed):
    """A one-time passcode by e-mail or SMS."""

    mode: Literal["otp"]
    channel: Literal["email", "sms"] | None = None


class ExternalCheck(_Closed):
    """A check made by the sender's own identity provider."""

    mode: Literal["external_idv"]
    provider: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    max_age_minutes: Annotated[int, Field(ge=5, le=10080)]


class Override(_Closed):
    """No check, and why."""

    mode: Literal["override"]
    override_identity_verification: Literal[True]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


_MODES: dict[str, type[Passcode | ExternalCheck | Override]] = {
    "otp": Passcode,
    "external_idv": ExternalCheck,
    "override": Override,
}


def check_identity(behaviour: Behaviour, asked: dict[str, Any] | None, phone: str | None) -> dict[str, Any]:
    """Settle a recipient's identity check; empty where there is none.

    Raises:
        ApiError: 400 for what makes no sense, 403 for what the organisation does not allow.
    """
    if asked is None:
        return _default(behaviour, phone)
    model = _MODES.get(str(asked.get("mode")))
    if model is None:
        raise _refuse([("mode", '"mode" must be one of [otp, external_idv, override]')])
    wanted = check(model, asked, _refuse)
    if not behaviour.embedded_signing:
        raise errors.identity(403, "Embedded signing is not enabled", "EmbeddedSigningNotEnabled")
    if isinstance(wanted, Passcode):
        return _passcode(behaviour, wanted, phone)
    if isinstance(wanted, ExternalCheck) and not behaviour.allow_external_idv:
        raise errors.identity(403, "External identity verification is not allowed", "ExternalIdvNotAllowed")
    if isinstance(wanted, Override) and not behaviour.allow_identity_override:
        raise errors.identity(403, "Identity override is not allowed", "IdentityOverrideNotAllowed")
    return wanted.model_dump(by_alias=True)


def _default(behaviour: Behaviour, phone: str | None) -> dict[str, Any]:
    if not behaviour.embedded_signing or behaviour.default_channel == "none":
        return {}
    return _with_phone(behaviour, behaviour.default_channel, phone)


def _passcode(behaviour: Behaviour, wanted: Passcode, phone: str | None) -> dict[str, Any]:
    default = behaviour.default_channel
    channel = wanted.channel or ("email" if default == "none" else default)
    if default not in {"none", channel} and not behaviour.allow_channel_override:
        raise errors.identity(403, "The passcode channel is set by the organization", "OtpOverrideNotAllowed")
    return _with_phone(behaviour, channel, phone)


def _with_phone(behaviour: Behaviour, channel: str, phone: str | None) -> dict[str, Any]:
    if channel == "sms" and not behaviour.sms_entitled:
        raise errors.identity(402, "Your plan does not include SMS passcodes", "OtpNotEntitled")
    if channel == "sms" and phone is None:
        raise errors.identity(400, "phone is required for SMS passcodes", "OtpPhoneRequired")
    return {"mode": "otp", "channel": channel}


def _refuse(problems: list[Problem]) -> errors.ApiError:
    return errors.identity(400, "; ".join(message for _, message in problems), "IdentityConfigInvalid")
