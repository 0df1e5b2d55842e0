import asyncio
import os
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client

from devstack.stack import Stack
from tests.cli.shell import Shell, start_waiting


@pytest.fixture
def stack(standing_stack: tuple[Stack, Client]) -> Stack:
    """The whole of Countersign, running."""
    return standing_stack[0]


@pytest.fixture
def shell(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell that is set up for the stack, as `. .countersign/local/env` does it."""
    for name in set(os.environ) - set(stack.env):
        monkeypatch.delenv(name)
    for name, value in stack.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


@pytest.fixture
def reference(shell: Shell) -> str:
    """An agreement that awaits signatures."""
    del shell
    name = f"waiting-{uuid.uuid4().hex[:10]}"
    asyncio.run(start_waiting(name))
    return name
