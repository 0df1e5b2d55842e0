"""Run the command line in this process, or as people do."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.main import app
from countersign.agreements.messages import Stage
from countersign.client.follow import follow_agreement
from countersign.client.start import start_agreement
from tests.workflows.office import TEMPLATE, VARIABLES

ROOT = Path(__file__).parents[2]

NOT_CHECKED = "template not checked, because TURBODOCX_API_KEY is not set: the worker checks it\n"
"""What a start without the provider's key says beside its answer."""


@dataclass(frozen=True)
class Ran:
    """What a command ended with."""

    code: int
    out: str
    err: str


@dataclass
class Shell:
    """A shell in a folder."""

    folder: Path

    def __call__(self, *arguments: str, answer: str = "") -> Ran:
        """Run a verb in this process."""
        done = CliRunner().invoke(app, list(arguments), input=answer)
        return Ran(done.exit_code, done.stdout, done.stderr)

    def process(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `starter.py` as a process of its own."""
        return subprocess.Popen(
            [sys.executable, str(ROOT / "starter.py"), *arguments],
            cwd=self.folder,
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Ran:
        """Run `starter.py` as a process of its own."""
        process = self.process(*arguments)
        out, err = process.communicate(timeout=60)
        return Ran(process.returncode, out, err)

    def at_a_terminal(
        self,
        *arguments: str,
        answers: Sequence[tuple[bytes, bytes | signal.Signals]] = (),
        columns: int = 400,
    ) -> tuple[bytes, int]:
        """Run the command line at a terminal.

        Args:
            arguments: Its arguments.
            answers: The ends of its questions, and what is typed then, or the signal that comes.
            columns: The terminal's width.

        Returns:
            What it showed, and its exit code.
        """
        own, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "starter.py"), *arguments],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": str(columns)},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the terminal is gone when the process is
            for question, answer in answers:
                while question not in shown:
                    shown += os.read(own, 65536)
                _send(process, answer) if isinstance(answer, signal.Signals) else os.write(own, answer)
            while more := os.read(own, 65536):
                shown += more
        os.close(own)
        return shown, process.wait(timeout=30)


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send it again if nothing happens: one in the instant before the answer is waited for goes unheard."""
    for _ in range(4):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return


async def start_waiting(
    reference: str, stage: Stage | None = Stage.AWAITING_SIGNATURES, **changes: Any
) -> str:
    """Start an agreement and wait for a stage; returns the document's id, once there is one."""
    await start_agreement(
        {
            "reference": reference,
            "title": "Order",
            "source": {"kind": "template", "template_id": TEMPLATE, "variables": VARIABLES},
            "signers": ["Ada Lovelace <ada@example.com>", "Grace Hopper <grace@example.com>"],
            **changes,
        }
    )
    async for status in follow_agreement(reference):
        if stage in {None, status.stage}:
            return status.document_id or ""
    raise AssertionError("it ended")


def matches(shown: str, line: str) -> bool:
    """Whether a line is as shown, where `…` stands for anything and spaces count once."""
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in shown.split("…"))
    return re.fullmatch(pattern.replace(r"\ ", " *"), " ".join(line.split())) is not None
