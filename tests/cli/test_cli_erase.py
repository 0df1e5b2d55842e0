"""`erase` lists what it deletes, asks, says what stays elsewhere, and can be repeated."""

import asyncio
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.cli.shell import Shell
from tests.cli.test_cli_purge import archived
from tests.storage.disks import files_in

__all__ = ["archived"]
KEPT = {"claim.json", "end.json", "sending-1.json", "sent-1.json"}


async def test_lists_asks_erases_and_says_what_stays(shell: Shell, archived: Path) -> None:
    reference, before = archived.name, files_in(archived)
    personal = sorted(before - KEPT)
    listed = [
        f"{reference}: the store has {len(personal)} files to delete:",
        *(f"  local/default/{reference}/{name}" for name in personal),
        f"kept, because they name no one and keep the reference used: {', '.join(sorted(KEPT))}",
    ]
    shown = await asyncio.to_thread(shell.run, "erase", reference, "--dry-run")
    assert (shown.code, shown.out.splitlines()[: len(listed)]) == (0, listed)
    temporal, provider, copies = shown.out.splitlines()[len(listed) :]
    assert temporal.endswith(
        f"temporal workflow delete --yes --namespace default --query \"WorkflowId = 'agreement-{reference}'\""
    )
    assert provider.startswith("turbodocx keeps document ")
    assert copies == "copies of the store, such as backups, keep what they have: delete it there too"
    refused = await asyncio.to_thread(shell.run, "erase", reference)
    assert (refused.code, files_in(archived)) == (10, before)
    asked, code = await asyncio.to_thread(
        shell.at_a_terminal, "erase", reference, answers=[(b"for good? [y/N]: ", b"n\n")]
    )
    assert (code, files_in(archived)) == (10, before), asked

    erased = await asyncio.to_thread(shell.run, "erase", reference, "--yes")
    assert erased.out.splitlines()[-1] == f"{reference}: erased, {len(personal)} files"
    assert (erased.code, files_in(archived)) == (0, KEPT)
    again = await asyncio.to_thread(shell.run, "erase", reference, "--yes")
    assert (again.code, again.out.splitlines()[0]) == (
        0,
        f"{reference}: nothing is left to erase in the store",
    )


def test_what_runs_is_refused_with_the_command_that_ends_it(
    shell: Shell, stack: Stack, reference: str
) -> None:
    before = files_in(stack.store / "local/default" / reference)
    ran = shell("erase", reference, "--yes")
    command = f'`countersign void {reference} --reason "…"`'
    assert (ran.code, ran.err) == (4, f"{reference} is running: nothing was erased; {command} ends it\n")
    assert files_in(stack.store / "local/default" / reference) == before


@pytest.mark.usefixtures("stack")
def test_an_unknown_reference(shell: Shell) -> None:
    ran = shell("erase", "never-claimed")
    assert (ran.code, ran.err) == (4, "never-claimed: the store knows no such agreement\n")
    assert shell("erase", "a b").code == 2
