"""What a user may switch: choices where the provider's contract is silent, and intervals for quick tests."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]


class Behaviour(BaseModel):
    """Switches of `GET` and `PATCH /_sandbox/behaviour`; see `docs/reference/sandbox.md`.

    Args:
        retry_delays: Seconds before a delivery's second and third attempt.
        delivery_timeout: Seconds a receiver has for one attempt.
        http_receivers: Which receivers may use plain http; the real service takes none.
        reply_status_case: How `prepare-*` writes its status; the provider documents both.
        presigned_seconds: How long a download link works.
        expiry_lag: Seconds from `expiresAt` until the sweep sets the document's status.
        test_payload: Whether a test delivery wraps the given payload as `data` or sends it bare.
        filters_work: False repeats a known fault: `isDelivered=true` acts as false, `httpStatus` is ignored.
        booleans_as_numbers: Answer 1 and 0 for `isActive`, as the provider's database does.
        idempotency_keys: Honour `Idempotency-Key`; the real service does not, so this is an extension.
        file_download_licence: False answers 403 for a deliverable's source file.
        embedded_signing: Whether the organisation has embedded signing.
        allow_external_idv: Whether an external identity check may be asserted.
        allow_identity_override: Whether a sender may skip identity verification.
        sms_entitled: Whether the plan has passcodes by SMS; False answers 402.
        default_channel: The organisation's default passcode channel.
        allow_channel_override: Whether a request may choose another channel.
        default_sender_name: The API key's name, for sends without `senderName`; empty refuses them.
        require_org_header: Whether a call without the organization header gets 403; False takes the
            organization from the key.
        one_at_a_time: Attempts of one document to one URL wait for each other; False fires all at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    retry_delays: tuple[Seconds, Seconds] = (5.0, 25.0)
    delivery_timeout: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 10.0
    http_receivers: Literal["loopback", "any", "none"] = "loopback"
    reply_status_case: Literal["upper", "lower"] = "upper"
    presigned_seconds: Seconds = 3600.0
    expiry_lag: Seconds = 60.0
    test_payload: Literal["wrapped", "bare"] = "wrapped"
    filters_work: bool = True
    booleans_as_numbers: bool = False
    idempotency_keys: bool = False
    file_download_licence: bool = True
    embedded_signing: bool = True
    allow_external_idv: bool = True
    allow_identity_override: bool = True
    sms_entitled: bool = True
    default_channel: Literal["none", "email", "sms"] = "none"
    allow_channel_override: bool = True
    default_sender_name: str = "Sandbox API key"
    require_org_header: bool = True
    one_at_a_time: bool = True
