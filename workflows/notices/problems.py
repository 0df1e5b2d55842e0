"""Which problems are new, and which are over. Pure."""

from typing import Final, NamedTuple

from activities.requests import Findings
from countersign.agreements.messages import Message
from countersign.agreements.notices import Problem

CONFIRMED: Final = 2
"""Looks in a row that must agree: what the next minute mends is no problem, and workers may differ."""


class Known(Message):
    """A problem that a look has found.

    Args:
        problem: The problem.
        is_reported: Whether operators have been notified of it.
        looks: How many looks in a row have found it before it was reported, or have not found it since.
    """

    problem: Problem
    is_reported: bool = False
    looks: int = 1


class News(NamedTuple):
    """What operators are to be notified of, and what is known."""

    known: tuple[Known, ...]
    new: tuple[Problem, ...]
    over: tuple[Problem, ...]


def compare(known: tuple[Known, ...], findings: Findings) -> News:
    """Compare what a look has found with what is known.

    Args:
        known: What is known, from earlier looks.
        findings: What the look has found.

    Returns:
        What is known now. A problem in `new` or `over` stays in `new` or `over` until `report` is called.
    """
    found = {problem.key: problem for problem in findings.problems}
    kept = [_seen(entry, is_found=entry.problem.key in found, findings=findings) for entry in known]
    old = {entry.problem.key for entry in known}
    added = [Known(problem=problem) for key, problem in found.items() if key not in old]
    entries = (*(entry for entry in kept if entry is not None), *added)
    due = [entry for entry in entries if entry.looks >= CONFIRMED]
    return News(
        known=entries,
        new=tuple(entry.problem for entry in due if not entry.is_reported),
        over=tuple(entry.problem for entry in due if entry.is_reported),
    )


def report(known: tuple[Known, ...], news: tuple[Problem, ...], *, over: bool) -> tuple[Known, ...]:
    """Return what is known after operators have been notified of new problems, or of some that are over."""
    keys = {problem.key for problem in news}
    others = [entry for entry in known if entry.problem.key not in keys]
    reported = [] if over else [Known(problem=problem, is_reported=True, looks=0) for problem in news]
    return (*others, *reported)


def _seen(entry: Known, *, is_found: bool, findings: Findings) -> Known | None:
    """Count the looks of an entry that change it; None if it was a problem for one look alone."""
    if not is_found and any(_covers(mark, entry.problem.key) for mark in findings.unsure):
        return entry
    if is_found is not entry.is_reported:  # one more that says the same
        return entry.model_copy(update={"looks": entry.looks + 1})
    return entry.model_copy(update={"looks": 0}) if entry.is_reported else None


def _covers(mark: str, key: str) -> bool:
    return key == mark or (mark.endswith(":") and key.startswith(mark))
