"""`hold add` and `hold remove`: keep an agreement's archive from being purged or erased."""

import typer

from countersign.client import retention

from .command import Reference, out, verb

app = typer.Typer(help="Keep agreements from being purged or erased: legal hold.", no_args_is_help=True)


@app.command()
@verb
async def add(reference: Reference) -> None:
    """Put an agreement on hold: `purge` and `erase` leave its files alone."""
    await retention.hold(reference)
    out.print(f"{reference}: on hold")


@app.command()
@verb
async def remove(reference: Reference) -> None:
    """End the hold of an agreement."""
    await retention.release_hold(reference)
    out.print(f"{reference}: no longer on hold")
