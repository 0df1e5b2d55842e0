"""Draw a session at the terminal as an SVG: `make recordings` writes those of the tests that record one."""

import io
import os
import re
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from tests.cli.shell import Shell

_WANTED: Final = os.environ.get("COUNTERSIGN_SCREENSHOTS")
FOLDER: Final = Path(_WANTED).absolute() if _WANTED else None
"""Where pictures go; None if none are wanted. Read at once: tests change the environment and the folder."""
COLUMNS: Final = 124
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich's SVGs fetch a font from the internet."""


class Recording:
    """Records commands and what they show.

    Args:
        shell: Runs the commands.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._ran: list[tuple[str, str]] = []

    def run(self, *arguments: str, typed: str) -> str:
        """Run a verb at a terminal, and record it.

        Args:
            arguments: Its arguments.
            typed: The command as a reader types it; it may go on in further lines.

        Returns:
            What it showed.
        """
        output, code = self._shell.at_a_terminal(*arguments, columns=COLUMNS)
        shown = output.decode().replace("\r\n", "\n").rstrip("\n")
        assert code == 0, shown
        self._ran.append((typed, shown))
        return shown

    def svg(self, name: str, replaced: Mapping[str, str]) -> str:
        """Draw what was recorded.

        Args:
            name: What the picture's styles are named after.
            replaced: Texts of this machine, such as folders and ports, and what is shown in their place.
        """
        console = Console(
            record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )
        for typed, shown in self._ran:
            console.print(Text.assemble(("$ ", "bold green"), (typed, "bold")))
            neutral = reduce(lambda text, pair: text.replace(*pair), replaced.items(), shown)
            console.print(Text.from_ansi(neutral))
            console.print()
        return _FONTS.sub("", console.export_svg(title="countersign", unique_id=name))

    def save(self, name: str, replaced: Mapping[str, str]) -> None:
        """Draw what was recorded into `<name>.svg` of the docs' pictures, if they are wanted; see `svg`."""
        drawn = self.svg(name, replaced)
        assert "url(" not in drawn.replace("url(#", ""), "it fetches nothing"
        assert not [old for old in replaced if old in drawn]
        if FOLDER:
            (FOLDER / f"{name}.svg").write_text(drawn, encoding="utf-8")
