"""The list of files that one reference passes through, in docs/explanation/how-it-flows.md, is complete.

A file is on the way if a function in it holds the reference between start and archive: in an argument or a
local variable, directly or in a message or another object of this project. Bytes do not count.
"""

import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from countersign.client import agreement_result, start_agreement
from countersign.free_ports import free_port
from devstack.sandbox import Sandbox
from tests.webhooks.webhook_deliveries import PATH
from tests.webhooks.webhook_receivers import receiver_in_process
from tests.workflows.office import an_agreement, open_office

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("activities", "cli", "countersign", "workflows")
HARNESS: Final = ("countersign/testing/", "devstack/", "tests/")
PAGE: Final = ROOT / "docs" / "explanation" / "how-it-flows.md"
_DEPTH: Final = 4


class Recorder:
    """Records in which files of the project a function holds a text."""

    def __init__(self, text: str) -> None:
        self.files: dict[str, str] = {}
        self._text = text
        self._codes: dict[Any, str | None] = {}
        self._busy = threading.local()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "return" or getattr(self._busy, "now", False):
            return
        name = self._file(frame)
        if name is None or name in self.files:
            return
        self._busy.now = True
        try:
            for variable, value in frame.f_locals.items():
                if self.holds(value, _DEPTH):
                    self.files[name] = f"{frame.f_code.co_qualname}: {variable}"
                    break
        finally:
            self._busy.now = False

    def _file(self, frame: FrameType) -> str | None:
        code = frame.f_code
        if code not in self._codes:
            path = Path(code.co_filename)
            inside = path.is_relative_to(ROOT) and ".venv" not in path.parts
            name = str(path.relative_to(ROOT)) if inside else None
            self._codes[code] = None if name and name.startswith(HARNESS) else name
        return self._codes[code]

    def holds(self, value: Any, depth: int) -> bool:
        """Whether a value is or contains the text."""
        if isinstance(value, str):
            return self._text in value
        if depth == 0:
            return False
        return any(self.holds(part, depth - 1) for part in _parts(value))


def documented() -> list[str]:
    """The files that the page lists, from the root."""
    section = PAGE.read_text().partition("## The files on the way\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([\w/]+\.py)` \|", section, re.MULTILINE)


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from list(value.values())
    elif isinstance(value, list | tuple):
        yield from value
    elif type(value).__module__.split(".")[0] in PACKAGES:
        names = {*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())}
        yield from (getattr(value, name, None) for name in names)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


async def test_the_list_of_files_on_the_way_is_complete(
    client: Client,
    time_skipper: TimeSkipper,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agreement = an_agreement()
    recorder = Recorder(agreement.reference)
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}"
    secret = await sandbox.subscribe(url)
    async with receiver_in_process(client, port, TURBODOCX_WEBHOOK_SECRET=secret):
        with recording(recorder):
            async with open_office(client, time_skipper, sandbox, tmp_path) as office:
                monkeypatch.setenv("COUNTERSIGN_TASK_QUEUE", office.settings.task_queue)
                await start_agreement(agreement, client=client, ask_provider=False)
                document_id = await office.sent(office.handle(agreement.reference))
                await sandbox.complete(document_id)
                result = await agreement_result(agreement.reference, client=client)
    assert (result.outcome, result.resolved_by) == ("completed", "webhook")
    reasons = "\n".join(f"{name}: {reason}" for name, reason in sorted(recorder.files.items()))
    assert sorted(recorder.files) == sorted(documented()), reasons
