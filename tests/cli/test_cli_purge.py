"""`purge` lists, counts, asks, and deletes what it listed; `hold` keeps it."""

import json
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from countersign.client.agreements import agreement_result
from devstack.stack import Stack
from tests.cli.shell import Shell, start_waiting
from tests.storage.disks import files_in


@pytest_asyncio.fixture
async def archived(
    shell: Shell, standing_stack: tuple[Stack, Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of a completed agreement, in a store without any other."""
    del shell
    stack, client = standing_stack
    reference = f"done-{uuid.uuid4().hex[:8]}"
    await stack.sandbox.complete(await start_waiting(reference))
    await agreement_result(reference, client=client)
    folder = tmp_path / "store" / "local" / "default" / reference
    shutil.copytree(stack.store / "local" / "default" / reference, folder)
    monkeypatch.setenv("COUNTERSIGN_STORE", str(tmp_path / "store"))
    return folder


def test_lists_asks_and_deletes(shell: Shell, archived: Path) -> None:
    files, now = len(files_in(archived)), datetime.now(UTC).isoformat()
    purge = ("purge", "--ended-before", now)
    shown = shell(*purge, "--dry-run")
    line, count = shown.out.splitlines()[1:]
    assert line.split()[:2] == [archived.name, "completed"]
    assert count.endswith(f": 1 to delete ({files} files), 0 on hold, 0 running")
    assert (shown.code, len(files_in(archived))) == (0, files)
    refused = shell(*purge)
    assert (refused.code, len(files_in(archived))) == (10, files)

    held = shell("hold", "add", archived.name)
    assert held.out == f"{archived.name}: on hold\n"
    ran = shell(*purge, "--yes")
    assert ran.out.splitlines()[-1].endswith(": 0 to delete (0 files), 1 on hold, 0 running")
    shell("hold", "remove", archived.name)
    listed = json.loads(shell(*purge, "--json").out)
    assert [(item["reference"], item["retention"]) for item in listed] == [(archived.name, "delete")]

    ran = shell(*purge, "--yes")
    assert ran.out.splitlines()[-1] == f"{archived.name}: deleted, {files} files"
    assert files_in(archived) == set()


@pytest.mark.thorough
@pytest.mark.usefixtures("archived")
def test_an_age_counts_from_now(shell: Shell) -> None:
    ran = shell("purge", "--ended-before", "3650d", "--yes")
    assert ran.out.endswith(": 0 to delete (0 files), 0 on hold, 0 running\n")


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("soon", "write a date such as 2027-01-31, or an age such as 3650d"),
        ("0d", "write a date such as 2027-01-31, or an age such as 3650d"),
        ("9999-01-01", "the date is in the future"),
    ],
)
def test_a_time_that_is_none(shell: Shell, when: str, why: str) -> None:
    ran = shell("purge", "--ended-before", when)
    assert (ran.code, ran.err) == (2, f"--ended-before: {why}\n")


def test_a_hold_of_what_is_unknown(shell: Shell) -> None:
    ran = shell("hold", "add", "never-claimed")
    assert (ran.code, ran.err) == (4, "never-claimed: the store knows no such agreement\n")
    ran = shell("hold", "remove", "never-claimed")
    assert (ran.code, ran.err) == (4, "never-claimed is not on hold\n")
    assert shell("hold", "add", "a b").code == 2
