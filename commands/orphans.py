"""`orphans`: documents at the provider that carry our marker, and that no agreement looks after."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from commands.orphaned_documents import find_orphans
from commands.verbs import Json, out, verb


@verb
async def orphans(
    *,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How many days to look back.")] = 7,
    json: Json = False,
) -> None:
    """List documents that carry our marker and that no agreement looks after; nothing is changed.

    There are some where a workflow was terminated, where events came after an agreement had ended, or where
    somebody copied a title. Void them at the provider, or archive them by hand. Needs the worker's settings,
    and an administrator's key: the provider shows its delivery log to no other.
    """
    found = await find_orphans(since=datetime.now(UTC) - timedelta(days=days))
    if json:
        typer.echo(f"[{', '.join(each.model_dump_json() for each in found)}]")
        return
    for each in found:
        status = each.status.replace("_", " ")
        out.print(f"{each.reference}: document {each.document_id} is {status}; {each.why}", markup=False)
    if not found:
        out.print("no orphans")
