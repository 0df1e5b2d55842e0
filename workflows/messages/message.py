"""What all types that cross the wire have in common."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A frozen value; unknown fields are ignored, so that old workers read new messages."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
