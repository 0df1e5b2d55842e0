"""Which environment a process runs in, and the kinds of values that several groups share."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from countersign.configuration import Variable

PRODUCTION: Final = "production"
"""The environment in which documents reach real people."""
_ENVIRONMENT: Final = re.compile(r"[a-z0-9-]{1,32}")


def _plain_name(value: str) -> str:
    if _ENVIRONMENT.fullmatch(value) is None:
        raise ValueError("must be 1 to 32 lower-case letters, digits and dashes")
    return value


Environment = Annotated[str, Variable("COUNTERSIGN_ENVIRONMENT"), AfterValidator(_plain_name)]
GracefulStop = Annotated[
    float, Variable("COUNTERSIGN_GRACEFUL_STOP_SECONDS"), Field(gt=0, le=3600, allow_inf_nan=False)
]
TimeScale = Annotated[float, Variable("COUNTERSIGN_PACE"), Field(ge=1, le=1000, allow_inf_nan=False)]


_CREDENTIAL: Final = re.compile(r"[!-~]+")


def check_credential(text: str) -> None:
    """Check that a key or a secret was copied whole and bare.

    Raises:
        ValueError: It is in quotes, or holds a blank, a line end, a byte order mark or the like.
    """
    if text[:1] in {'"', "'"} or text[-1:] in {'"', "'"}:
        raise ValueError("is in quotes; take them away")
    if _CREDENTIAL.fullmatch(text) is None:
        raise ValueError("holds a blank, a line end or a letter that no header carries; copy it again")
