"""What a check found, and what to do about it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class State(StrEnum):
    """The result: `warning` works and may be intended, `skipped` could not be checked."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Finding(BaseModel):
    """One line of the doctor's table, without secrets and personal data.

    Args:
        check: What was checked.
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
    """It works, or may be intended."""
    return Finding(check=check, state=State.WARNING, found=found, advice=advice)


def failed(check: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check=check, state=State.FAILED, found=found, advice=advice)


def skipped(check: str, found: str) -> Finding:
    """It could not be checked."""
    return Finding(check=check, state=State.SKIPPED, found=found)
