"""Which environment a process runs in, and the kinds of values that several groups share."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from countersign.configuration import Variable

PRODUCTION: Final = "production"
"""The environment in which documents reach real people."""
Environment = Annotated[
    str, Variable("COUNTERSIGN_ENVIRONMENT"), StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")
]
GracefulStop = Annotated[
    float, Variable("COUNTERSIGN_GRACEFUL_STOP_SECONDS"), Field(gt=0, le=3600, allow_inf_nan=False)
]
TimeScale = Annotated[float, Variable("COUNTERSIGN_PACE"), Field(ge=1, le=1000, allow_inf_nan=False)]
