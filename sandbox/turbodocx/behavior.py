"""Switches: choices where the provider's contract is silent, and intervals for fast tests."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from sandbox.core import behavior
from sandbox.core.behavior import Seconds

Origin = Annotated[
    str,
    StringConstraints(pattern=r"^(https://[a-zA-Z0-9.-]+|http://(localhost|127\.0\.0\.1))(:\d{1,5})?$"),
]
"""`https://host`; plain http only for this machine, as the organization's settings have it."""


class Behavior(behavior.Behavior):
    """TurboDocx's switches; see `docs/reference/sandbox.md`.

    Args:
        retry_delays: Seconds before a delivery's second and third attempt.
        reply_status_case: Case of the status in the response of `prepare-*`; the provider documents both.
        presigned_seconds: Lifetime of a download link.
        expiry_lag: Seconds from `expiresAt` until the document's status is `expired`.
        test_payload: Whether a test delivery wraps the payload as `data` or sends it bare.
        filters_work: False copies a known fault of the provider: `isDelivered=true` acts as false,
            `httpStatus` is ignored.
        booleans_as_numbers: Return 1 and 0 for `isActive`, as the provider's database does.
        idempotency_keys: Honor `Idempotency-Key`, which the real service ignores.
        file_download_licence: False returns 403 for the source file of a deliverable.
        embedded_signing: Whether the organization has embedded signing.
        allow_external_idv: Whether a caller may assert an external identity check.
        allow_identity_override: Whether a sender may skip identity verification.
        allowed_frame_ancestors: The organization's origins that may show signing pages in a frame.
        sms_entitled: Whether the plan has passcodes by SMS; False returns 402.
        default_channel: The organization's default passcode channel.
        allow_channel_override: Whether a request may choose another channel.
        default_sender_name: The API key's name, used for sends without `senderName`; empty rejects them.
        require_org_header: Whether a call without the organization header gets 403; False takes the
            organization from the key.
    """

    retry_delays: tuple[Seconds, Seconds] = (5.0, 25.0)
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
    allowed_frame_ancestors: tuple[Origin, ...] = ()
    sms_entitled: bool = True
    default_channel: Literal["none", "email", "sms"] = "none"
    allow_channel_override: bool = True
    default_sender_name: str = "Sandbox API key"
    require_org_header: bool = True
