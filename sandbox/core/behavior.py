"""Switches that all sandboxes have."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]


class Behavior(BaseModel):
    """Switches of `GET` and `PATCH /_sandbox/behaviour`.

    Args:
        retry_delays: Seconds before a delivery's second and later attempts.
        delivery_timeout: Seconds until an attempt times out.
        http_receivers: Which receivers may use plain http.
        one_at_a_time: Whether attempts of one document to one URL wait for each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    retry_delays: tuple[Seconds, ...] = ()
    delivery_timeout: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 10.0
    http_receivers: Literal["loopback", "any", "none"] = "loopback"
    one_at_a_time: bool = True
