"""Mistakes in a table."""

from dataclasses import dataclass
from pathlib import Path

from countersign.client.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a table.

    Args:
        line: Where the row begins, from 1; the header is line 1, and 0 stands for the whole file.
        column: The column, or several; empty for the whole row, and for JSON Lines.
        reason: What to do, in one sentence without the cell's content.
    """

    line: int
    column: str
    reason: str


class UnusableTableError(BadInputError):
    """A table cannot be read, or its header has mistakes.

    Args:
        path: The file.
        mistakes: What is wrong, all on one line.
    """

    def __init__(self, path: Path, *mistakes: Mistake) -> None:
        line = mistakes[0].line
        reasons = (f"{found.column}: {found.reason}" if found.column else found.reason for found in mistakes)
        super().__init__(f"{path}{f', line {line}' if line else ''}: {'; '.join(reasons)}")
        self.mistakes = mistakes


def unusable(path: Path, reason: str, line: int = 0) -> UnusableTableError:
    """Make the error for one mistake of a line, or of the whole file."""
    return UnusableTableError(path, Mistake(line, "", reason))
