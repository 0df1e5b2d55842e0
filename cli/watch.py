"""`watch`: follow an agreement live, until it ends."""

from typing import Final

from countersign.agreements.messages import Outcome
from countersign.agreements.times import format_time
from countersign.client.errors import ExitCode
from countersign.client.follow import follow_agreement
from countersign.client.view import AgreementView

from .command import Json, Names, Reference, out, print_json, print_notice, verb
from .signer_names import SHORTENED, discreet, shows_people
from .views import News, status_view

UNKNOWN_TIME: Final = f"{'-':23}"
"""Replaces an unknown time, and is as wide."""


@verb
async def watch(reference: Reference, *, names: Names = False, json: Json = False) -> int:
    """Follow an agreement until it ends.

    Waits for a lost connection. Exits 0 if the agreement is completed. With --json every change is one JSON
    object.
    """
    news = News()
    status: AgreementView | None = None
    async for found in follow_agreement(reference, on_trouble=_say_trouble):
        status = discreet(found, names=names)
        if json:
            print_json(status)
            continue
        for event in news.of(status):
            out.print(f"{format_time(event.at or None) or UNKNOWN_TIME}  {event.line}")
    if status and not json:
        out.print(status_view(status))
        if not shows_people(names=names):
            out.print(SHORTENED)
    completed = status and status.result and status.result.outcome == Outcome.COMPLETED
    return ExitCode.DONE if completed else ExitCode.NOT_COMPLETED


def _say_trouble(trouble: str) -> None:
    print_notice(f"{trouble}; trying again")
