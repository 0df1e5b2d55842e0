"""`up`: the local stack, until Ctrl-C."""

import asyncio
from shlex import quote
from typing import Annotated, Final

import typer

from countersign.client.errors import BadInputError
from devstack.ports import Ports, PortTakenError
from devstack.site import InUseError, Site

from .command import out, print_notice, verb
from .options import at_least
from .stack import (
    AccountNames,
    FreePorts,
    LocalStackError,
    StackDeletedError,
    choose_ports,
    chosen_accounts,
    on_local_stack,
)

Port = Annotated[
    int | None, typer.Option(parser=at_least(1, 65535), metavar="PORT", help="The usual one if free.")
]


_DELETING: Final = 1.0
"""Seconds that a running `rm -rf` gets to finish."""


@verb
async def up(
    *,
    temporal_port: Port = None,
    ui_port: Port = None,
    sandbox_port: Port = None,
    receiver_port: Port = None,
    api_port: Port = None,
    free_ports: FreePorts = False,
    account: AccountNames = None,
) -> int:
    """Run Temporal with its UI, the sandbox, the receiver, the HTTP API and a worker until Ctrl-C."""
    accounts = chosen_accounts(account)
    named = {
        "temporal": temporal_port,
        "ui": ui_port,
        "sandbox": sandbox_port,
        "receiver": receiver_port,
        "api": api_port,
    }
    wanted = {name: port for name, port in named.items() if port}
    try:
        ports = Ports.pick(**wanted) if free_ports else choose_ports(**wanted)
    except PortTakenError as error:
        raise BadInputError(str(error)) from None
    except InUseError as error:
        raise LocalStackError(str(error)) from None
    while True:
        try:
            return await on_local_stack(_stay, ports=ports, accounts=accounts)
        except StackDeletedError as error:
            print_notice(f"{error}; starting an empty one on the same ports")
            await asyncio.sleep(_DELETING)


async def _stay(site: Site) -> int:
    out.print(f"Temporal UI       {site.ui_url}")
    for kind, sandbox in site.sandboxes.items():
        name = "sandbox" if len(site.sandboxes) == 1 else kind
        out.print(f"{name:<17} {sandbox.url}/_sandbox/inbox (the signers' e-mails, with links to sign)")
    out.print(f"webhook receiver  {site.receiver_url}")
    out.print(f"HTTP API          {site.api_url}/v1 (its token: {site.api_token})")
    out.print(f"Temporal          {site.temporal_address}")
    out.print(f"signed PDFs       {site.store}")
    out.print(f"logs              {site.folder / 'logs'}")
    env = quote(str(site.folder / "env"))
    out.print(f"In another terminal, `. {env}` points `countersign` here; `make demo` signs one.")
    pid = quote(str(site.folder / "logs" / "worker.pid"))
    out.print(f"`kill -9 $(cat {pid})` kills the worker: it is restarted, and its agreements go on.")
    out.print("Ctrl-C stops everything; the next start continues with the same data.")
    await asyncio.Event().wait()
    return 0
