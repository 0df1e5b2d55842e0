"""The command line's local stack: in `.countersign/local`, on the usual ports if they are free."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.command import print_notice
from countersign.agreements import search_attributes
from countersign.client.errors import BadInputError, CommandError, ExitCode
from countersign.settings import ReceiverSettings
from devstack.ports import Ports
from devstack.processes import PartFailedError, prints
from devstack.sandbox import SandboxError
from devstack.site import ACCOUNTS, InUseError, Lock, Site, last_ports
from devstack.stack import PARTS, FolderDeletedError, Plan, Stack
from devstack.temporal import TemporalNotFoundError

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = Path(".countersign/local")
USUAL_PORTS: Final = {
    "temporal": 7233,
    "ui": 8233,
    "sandbox": 8300,
    "documenso": 8301,
    "receiver": 8080,
    "api": 8090,
}

FreePorts = Annotated[
    bool,
    typer.Option("--free-ports", metavar="", help="Use any free ports instead of the usual ones."),
]


class LocalStackError(CommandError):
    """A part of the local stack did not start, or does not stay up."""

    exit_code = ExitCode.PART_FAILED


class StackDeletedError(LocalStackError):
    """The folder of the local stack was deleted while it ran; the stack is stopped."""


def choose_ports(**wanted: int) -> Ports:
    """Take the wanted ports, else the usual ones, else those of the last start, else free ones.

    Reports on stderr which ports were taken.

    Raises:
        InUseError: A stack runs already.
        PortTakenError: A wanted port is taken.
    """
    with Lock(FOLDER):
        last = last_ports(FOLDER)
    ports = Ports.prefer(USUAL_PORTS, last, **wanted)
    for name, port in (last | USUAL_PORTS | wanted).items():
        if (taken := getattr(ports, name)) != port:
            print_notice(f"port {port} is taken: {name} listens on {taken} instead")
    return ports


AccountNames = Annotated[
    str | None,
    typer.Option(
        "--account",
        metavar="NAME",
        help=f"{', '.join(ACCOUNTS)}, or both with a comma. [default: {ACCOUNTS[0]}]",
        show_default=False,
    ),
]


def chosen_accounts(names: str | None) -> tuple[str, ...]:
    """Read the accounts that a stack serves, by default the first of `ACCOUNTS`.

    Raises:
        BadInputError: The local stack has no sandbox for one of them.
    """
    found = tuple(part.strip() for part in (names or ACCOUNTS[0]).split(",") if part.strip())
    unknown = [name for name in found if name not in ACCOUNTS]
    if unknown or not found:
        raise BadInputError(f"--account: use {' or '.join(ACCOUNTS)}, or both with a comma")
    return found


def plan(
    folder: Path, ports: Ports, accounts: Sequence[str] = ACCOUNTS[:1], parts: Sequence[str] = PARTS
) -> Plan:
    """Plan the whole stack, or some parts, with this checkout's worker, for some accounts."""
    return Plan(
        folder=folder,
        worker=[sys.executable, str(ROOT / "worker.py")],
        worker_ready=prints("worker ready"),
        search_attributes=search_attributes.TYPES,
        ports=ports,
        accounts=accounts,
        parts=parts,
        extra_env=_routes(),
    )


def _routes() -> dict[str, str]:
    """Return the setting of the receiver's further routes, the only one that a stack takes from outside."""
    name = ReceiverSettings.variable("routes")
    return {name: str(Path(os.environ[name]).resolve())} if os.environ.get(name) else {}


def is_running() -> bool:
    """Return whether a local stack runs here, started by `make up` in another terminal."""
    return Lock.is_held(FOLDER)


async def on_local_stack(
    work: Callable[[Site], Awaitable[int]],
    *,
    ports: Ports | None = None,
    accounts: Sequence[str] = ACCOUNTS[:1],
    parts: Sequence[str] = PARTS,
) -> int:
    """Work on the local stack: the running one, or one that is started for this work.

    Args:
        work: What to do; returns the exit code.
        ports: Where a stack of our own listens; then one that runs already is refused.
        accounts: The accounts that must be served.
        parts: What a stack of our own runs.

    Raises:
        LocalStackError: A part did not start, or does not stay up; or another stack is in the way.
        StackDeletedError: The stack's folder was deleted.
    """
    if ports is None and is_running():
        running = Site.of_running(FOLDER)
        if missing := [name for name in accounts if name not in running.accounts]:
            raise LocalStackError(
                f"the local stack that runs has no account {missing[0]}: stop it first, or start it with "
                f"`make up ACCOUNT={','.join((*running.accounts, *missing))}`"
            )
        return await work(running)
    try:
        async with Stack(plan(FOLDER, ports or choose_ports(), accounts, parts)) as stack:
            return await _unless_a_part_fails(stack, work(stack))
    except FolderDeletedError as error:
        raise StackDeletedError(str(error)) from None
    except (InUseError, PartFailedError, SandboxError, TemporalNotFoundError) as error:
        raise LocalStackError(str(error)) from None


async def _unless_a_part_fails(stack: Stack, work: Awaitable[int]) -> int:
    watch = asyncio.ensure_future(stack.keep_running(print_notice))
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({watch, task}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            watch.result()
        return task.result()
    finally:
        watch.cancel()
        task.cancel()
        await asyncio.wait({watch, task})
