"""A query that moves a run ahead of its workflow task leaves no run behind that a replay could not reach."""

import os
from pathlib import Path

import pytest

from countersign.testing.server import temporal_executable
from docs.reports.query_ahead_of_task import reproduce
from tests.conftest import cannot_run

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
ARGUMENTS = ("--rounds", "1", "--sticky", "3")


async def histories_replay(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> bool:
    """Run the reproduction; whether its history replays."""
    temporal = temporal_executable() or cannot_run("no Temporal CLI on this machine")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    options = reproduce.read_options(("--temporal", temporal, *ARGUMENTS, *arguments))
    return await reproduce.run(options) == 0


async def test_a_run_that_a_query_moved_ahead_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).with_name("evicting_worker.py")
    assert await histories_replay(monkeypatch, "--script", str(script))


@pytest.mark.heavy
async def test_the_sdk_still_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails for good, the SDK has mended the fault, and countersign/eviction.py can go.

    Whether the query comes first is a matter of seconds, so it has some tries.
    """
    replayed = [await histories_replay(monkeypatch) for _ in range(4)]
    assert not all(replayed)
