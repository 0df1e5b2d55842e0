"""The generated reference of the command line is current."""

from pathlib import Path

from cli.reference import PAGE, reference

ROOT = Path(__file__).parents[2]


def test_the_reference_of_the_command_line_is_current() -> None:
    assert (ROOT / PAGE).read_text() == reference(), "run: make reference"
