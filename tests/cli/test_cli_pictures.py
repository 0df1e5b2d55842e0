"""The docs' pictures of `bulk` are what a terminal shows. `make screenshots` records them anew."""

import asyncio
import csv
import io
import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from devstack.sandbox import SandboxError
from devstack.stack import Stack
from tests.cli.shell import Shell
from tests.workflows.office import TEMPLATE, VARIABLES

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]

COLUMNS: Final = 144
ROWS: Final = 150
_FOLDER: Final = Path(folder).resolve() if (folder := os.environ.get("COUNTERSIGN_SCREENSHOTS")) else None
"""Read now: the shell's settings and folder are others."""
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich's pictures load a font from the internet."""
_SIGNED: Final = 4
"""One of so many documents is signed."""
_PEOPLE: Final = (("Ada Lovelace", "ada@example.com"), ("Grace Hopper", "grace@example.com"))


def _write(path: Path, changes: list[dict[str, str]]) -> None:
    header = ["reference", "title", "template", "signer_1_name", "signer_1_email", "deadline"]
    header += [f"var.{name}" for name in VARIABLES]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, header)
        table.writeheader()
        for number, cells in enumerate(changes, 1):
            name, email = _PEOPLE[number % len(_PEOPLE)]
            row = {"reference": f"renewal-{number:03}", "title": "Renewal", "template": TEMPLATE}
            row |= {"signer_1_name": name, "signer_1_email": email, "deadline": "30d"}
            row |= {f"var.{variable}": value for variable, value in VARIABLES.items()}
            table.writerow(row | cells)


def _save(name: str, title: str, shown: str) -> str:
    """Draw what a terminal shows; keep the picture if that is wanted. Returns its text."""
    width = max(len(line) for line in Text.from_ansi(shown).plain.splitlines()) + 1
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    text = Text.from_ansi(shown.strip())
    console.print(text)
    picture = console.export_svg(title=title, theme=DIMMED_MONOKAI, unique_id=name)
    if _FOLDER:
        (_FOLDER / f"{name}.svg").write_text(_FONTS.sub("", picture), encoding="utf-8")
    return text.plain


def test_a_check_shows_its_mistakes(shell: Shell) -> None:
    changes: list[dict[str, str]] = [{} for _ in range(40)]
    changes[3] = {"signer_1_email": "grace.example.com"}
    changes[7] = {"reference": "RENEWAL-003"}
    changes[11] = {"deadline": "30", "title": ""}
    changes[18] = {"var.Price": "#REF!"}
    changes[26] = {"template": ""}
    changes[33] = {"signer_1_name": "Bj\ufffdrn"}
    _write(shell.folder / "agreements.csv", changes)
    shown, code = shell.at_a_terminal("bulk", "check", "agreements.csv", columns=COLUMNS)
    assert code == 2
    text = _save("bulk-check", "countersign bulk check agreements.csv", _last_frame(shown.decode()))
    assert "34 rows can be started, 7 mistakes" in text


async def test_a_batch_shows_its_progress(shell: Shell, stack: Stack) -> None:
    _write(shell.folder / "agreements.csv", [{} for _ in range(ROWS)])
    signing = asyncio.create_task(_sign_some(stack))
    command = ("bulk", "start", "agreements.csv", "--batch", "spring-renewal", "--yes")
    answers = [(b" completed", signal.SIGINT)]  # Ctrl-C ends the command, and not the batch
    try:
        shown, _ = await asyncio.to_thread(shell.at_a_terminal, *command, answers=answers, columns=COLUMNS)
    finally:
        signing.cancel()
    frames = [frame for frame in _frames(shown.decode()) if " completed" in frame]
    started = next(frame for frame in _frames(shown.decode()) if "spring-renewal: started" in frame)
    title = "countersign bulk start agreements.csv --batch spring-renewal"
    text = _save("bulk-watch", title, f"{started.strip()}\n{frames[0].strip()}")
    assert re.search(rf"of {ROWS} started, .* completed .*\d+/{ROWS} 0:00:\d\d", text)


async def _sign_some(stack: Stack) -> None:
    """Sign one document of a few once half of them are there, until it is canceled."""
    done: set[str] = set()
    while True:
        with suppress(SandboxError):
            found = (await stack.sandbox.call("GET", "/_sandbox/documents?title=Renewal"))["documents"]
            for document in found[::_SIGNED] if len(found) >= ROWS / 2 else ():
                if document["id"] not in done:
                    await stack.sandbox.complete(document["id"])
                    done.add(document["id"])
        await asyncio.sleep(0.5)


def _frames(shown: str) -> list[str]:
    """Split what a terminal was sent at the places where a line is drawn anew."""
    return re.split(r"\r\x1b\[2K|\x1b\[\?25[lh]|\r(?!\n)", shown.replace("\r\n", "\n"))


def _last_frame(shown: str) -> str:
    return next(frame for frame in reversed(_frames(shown)) if frame.strip())
