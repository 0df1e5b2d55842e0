"""Completion in a real bash, as `countersign --install-completion` sets it up."""

import asyncio
import os
import subprocess
import sys
import uuid

import pytest

from countersign.agreements.names import WORKFLOW_NAME
from countersign.client.listing import list_agreements
from countersign.connection import connect
from tests.cli.shell import ROOT, Shell, start_waiting
from tests.conftest import tool

pytestmark = pytest.mark.thorough

_TAB = """
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_countersign_completion ./countersign; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def _offered(shell: Shell, words: str) -> list[str]:
    """What bash offers after these words and Tab."""
    script = shell.folder / "countersign"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "starter.py"} "$@"\n')
    script.chmod(0o700)
    asked = {**os.environ, "_COUNTERSIGN_COMPLETE": "source_bash"}
    lines = subprocess.run([script], env=asked, capture_output=True, text=True, check=True, timeout=60).stdout
    bash = [tool("bash"), "-eu", "-c", lines + _TAB.format(words=words)]
    done = subprocess.run(bash, cwd=shell.folder, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_bash_completes_verbs_and_options(shell: Shell) -> None:
    assert _offered(shell, "countersign re") == ["recover", "remind", "resolve", "replace-signer"]
    assert _offered(shell, "countersign start --de") == ["--deliverable", "--description", "--deadline"]


async def _prepare(reference: str, others: list[str]) -> None:
    """Start an agreement and other workflows of its type, and wait until Temporal's index has them."""
    await start_waiting(reference)
    client = await connect()
    for name in others:
        await client.start_workflow(WORKFLOW_NAME, id=name, task_queue="nobody")
    names = ", ".join(f"'{name}'" for name in [f"agreement-{reference}", *others])
    async with asyncio.timeout(20):
        while len(await list_agreements(where=f"WorkflowId IN ({names})")) <= len(others):  # noqa: ASYNC110  # Temporal's
            await asyncio.sleep(0.05)


async def _terminate(ids: list[str]) -> None:
    client = await connect()
    for name in ids:
        await client.get_workflow_handle(name).terminate()


def test_bash_offers_running_references_and_nothing_that_is_none(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem = f"tab-{uuid.uuid4().hex[:8]}"
    others = [stem, f"agreement-{stem} spaced", f"agreement-{stem}{'x' * 40}"]
    asyncio.run(_prepare(stem, others))
    try:
        assert _offered(shell, f"countersign status {stem[:-2]}") == [stem]
        assert _offered(shell, f"countersign status {stem}%") == [""]
        with monkeypatch.context() as without_temporal:
            without_temporal.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
            assert _offered(shell, f"countersign status {stem}") == [""]
    finally:
        asyncio.run(_terminate(others))
