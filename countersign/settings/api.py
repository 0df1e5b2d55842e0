"""How the HTTP API runs."""

import re
from typing import Annotated, ClassVar, Final

from pydantic import BeforeValidator, Field

from countersign.configuration import Settings

STORE: Final = "store"
_ORIGIN: Final = re.compile(r"https?://[^\s/,*]+")


def _origins(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(_ORIGIN.fullmatch(origin) for origin in found):
        raise ValueError("must be origins such as https://app.example.com, separated by commas")
    return found


Origins = Annotated[tuple[str, ...], BeforeValidator(_origins)]


class ApiSettings(Settings):
    """How the HTTP API runs, `COUNTERSIGN_API_...`."""

    prefix: ClassVar[str] = "COUNTERSIGN_API_"

    tokens: str = Field(
        default=STORE,
        min_length=1,
        description="Where the hashes of the bearer tokens are: `store`, the store of `COUNTERSIGN_STORE`, "
        "or the path of a file.",
    )
    requests_per_second: float = Field(
        default=50,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="Requests per second with one token and one process, on average over ten seconds.",
    )
    allowed_origins: Origins = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, separated by commas. None by "
        "default: a token does not belong into a page.",
    )
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="The port of the metrics. Not set: no metrics."
    )
