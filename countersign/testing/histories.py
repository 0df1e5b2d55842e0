"""Record a workflow's history, and replay recordings against today's code."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer

from countersign.connection import data_converter


async def record_history(handle: WorkflowHandle[Any, Any], path: Path) -> None:
    """Write a run's history as JSON, without the name of the process that recorded it.

    Args:
        handle: The workflow; the run that its handle names, or the latest.
        path: The file, for example `tests/histories/approved.json`. It is overwritten.
    """
    text = (await handle.fetch_history()).to_json()
    recorded = re.sub(r'"identity": "[^"]*"', '"identity": "recorded"', text)
    await asyncio.to_thread(path.write_text, recorded, encoding="utf-8")


async def replay_histories(folder: Path, workflows: Sequence[type]) -> int:
    """Replay every recording in a folder against the workflows' code of today.

    Args:
        folder: Holds `*.json` files written by `record_history`.
        workflows: The workflow classes that the recordings are of.

    Returns:
        How many histories were replayed.

    Raises:
        ValueError: The folder holds no recording.
        temporalio.workflow.NondeterminismError: The code takes other steps than the recording.
    """
    texts = await asyncio.to_thread(_read, folder)
    if not texts:
        raise ValueError(f"{folder} holds no recorded history: write one with `record_history`")
    replayer = Replayer(workflows=workflows, data_converter=data_converter())
    for name, text in texts.items():
        await replayer.replay_workflow(WorkflowHistory.from_json(name, text))
    return len(texts)


def _read(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.json"))}
