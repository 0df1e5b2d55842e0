"""What a look at one thing found, and what to do about it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class State(StrEnum):
    """How a thing is: `warning` works and may be meant so, `skipped` could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(BaseModel):
    """One line of the doctor's table. Never holds a value that is secret or somebody's.

    Args:
        check: What was looked at.
        state: How it is.
        found: What was found.
        advice: What to do; empty where nothing is.
    """

    model_config = ConfigDict(frozen=True)

    check: str
    state: State
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(check=check, state=State.OK, found=found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, or may be meant so."""
    return Finding(check=check, state=State.WARNING, found=found, advice=advice)


def failed(check: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check=check, state=State.FAILED, found=found, advice=advice)


def skipped(check: str, found: str) -> Finding:
    """It could not be looked at."""
    return Finding(check=check, state=State.SKIPPED, found=found)
