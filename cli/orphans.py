"""`orphans`: what carries our marker at the provider and no agreement looks after: documents, late events."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from countersign.agreements.times import format_time

from .command import Json, err, out, print_json, verb
from .late_events import LateEvent
from .options import at_least
from .orphaned_documents import find_orphans


@verb
async def orphans(
    *,
    days: Annotated[
        int, typer.Option(parser=at_least(1, 3650), metavar="N", help="How many days to look back.")
    ] = 7,
    account: Annotated[
        str | None, typer.Option(help="The account; the first of COUNTERSIGN_ACCOUNTS.", metavar="NAME")
    ] = None,
    json: Json = False,
) -> None:
    """List documents that no agreement knows, and events that came after an end.

    Changes nothing. There are some if a workflow was terminated, if people signed after an agreement had
    ended, or if a person copied a title. Void them at the provider, or archive them by hand. Needs the
    worker's settings and an administrator's key, which alone can read the provider's delivery log. With
    another key the command says so and checks only documents that Temporal knows.
    """
    found = await find_orphans(since=datetime.now(UTC) - timedelta(days=days), account=account)
    if json:
        print_json(found)
        return
    for note in found.notes:
        err.print(note, style="yellow")
    for document in found.documents:
        status = document.status.replace("_", " ")
        out.print(f"{document.reference}: document {document.document_id} is {status}; {document.why}")
    for late in found.late_events:
        out.print(_reported(late))
    if not found.documents:
        out.print("no orphans")


def _reported(late: LateEvent) -> str:
    kind = late.kind.replace("_", " ")
    return (
        f"{late.reference}: {kind} at {format_time(late.at)}, after the agreement {late.ended} at "
        f"{format_time(late.ended_at)}; event {late.event_id} of document {late.document_id}"
    )
