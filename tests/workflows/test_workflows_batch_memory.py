"""Memory does not grow with a table: neither of a check, nor of a start, nor of the worker."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.client import Client

from cli.stack import ROOT
from tests.workflows.batch_memory import peak_megabytes
from tests.workflows.office import TEMPLATE, VARIABLES

ROWS: Final = (10_000, 100_000)
GROWTH: Final = 1.5
"""At most, for ten times the rows. What keeps the rows has five times the memory."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return a small and a large table."""
    folder = tmp_path_factory.mktemp("tables")
    fixed = {"title": "Order", "template": TEMPLATE, "signer_1_name": "Ada Lovelace", "deadline": "30d"}
    fixed |= {f"var.{name}": value for name, value in VARIABLES.items()}
    for rows in ROWS:
        with (folder / f"{rows}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["reference", "signer_1_email", *fixed])
            table.writerows(
                [f"memory-{row:06}", f"{row}@example.com", *fixed.values()] for row in range(rows)
            )
    return [folder / f"{rows}.csv" for rows in ROWS]


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_check_of_ten_times_the_rows_takes_no_more_memory(tables: list[Path]) -> None:
    small, large = [_check(table) for table in tables]
    assert large < small * GROWTH, (small, large)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_a_batch_of_ten_times_the_rows_takes_no_more_memory(
    client: Client, tables: list[Path], tmp_path: Path
) -> None:
    runs = [_run(client, table, tmp_path) for table in tables]
    assert [run["started"] for run in runs] == list(ROWS)
    for phase in ("stored", "run"):
        small, large = (run[phase] for run in runs)
        assert large < small * GROWTH, runs


_CHECK: Final = f"""
import atexit
from {peak_megabytes.__module__} import peak_megabytes
from cli.main import app
atexit.register(lambda: print(peak_megabytes()))
app()
"""


def _check(table: Path) -> float:
    """Check a table with the command; returns its memory at most, in MB."""
    out = _out(["-c", _CHECK, "bulk", "check", "--no-ask-provider", str(table)])
    assert f"{table.stem} rows can be started, 0 mistakes" in out
    return float(out.splitlines()[-1])


def _run(client: Client, table: Path, folder: Path) -> dict[str, Any]:
    batch = f"memory-{table.stem}"
    address = client.service_client.config.target_host
    out = _out(
        ["-m", "tests.workflows.batch_memory", address, str(table), batch],
        COUNTERSIGN_STORE=str(folder / batch),
        COUNTERSIGN_TASK_QUEUE=batch,
    )
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def _out(arguments: list[str], **settings: str) -> str:
    env = {**os.environ, **settings}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True, text=True).stdout
