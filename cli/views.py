"""How an agreement's status, and what changes in it, is shown to people."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from countersign.agreements.messages import Stage, WaitingFor
from countersign.agreements.times import format_time
from countersign.client.view import AgreementView

from .signer_names import initials
from .terminal import one_line


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to an agreement.

    Args:
        line: What happened, in a few words.
        at: When; None or "" if the time is unknown.
    """

    line: str
    at: datetime | str | None = field(default=None, compare=False)


class News:
    """Returns everything that happened to an agreement once."""

    def __init__(self) -> None:
        self._reported: set[Happening] = set()

    def of(self, status: AgreementView) -> list[Happening]:
        """What this status adds."""
        fresh = [happening for happening in _happenings(status) if happening not in self._reported]
        self._reported.update(fresh)
        return fresh


def status_view(status: AgreementView) -> RenderableType:
    """Show a status: where the agreement is, who has signed, what is asked of a person."""
    facts = _facts(status)
    width = max(len(name) for name, _ in facts)
    lines = [
        Text(f"{name:{width}}  {one_line(value)}") for name, value in facts
    ]  # no table: paths must not be folded
    return Group(Text(one_line(status.reference), style="bold"), *lines, signer_table(status))


def signer_table(status: AgreementView) -> RenderableType:
    """Show who has viewed and signed, and when."""
    headings = ("signer", "name", "order", "viewed", "signed")
    table = Table(*headings, box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number, signer in enumerate(status.signers, start=1):
        table.add_row(
            str(number),
            Text(one_line(signer.name)),
            str(signer.order),
            one_line(format_time(signer.viewed_at)) or "-",
            one_line(format_time(signer.signed_at)) or "-",
        )
    return table


def _happenings(status: AgreementView) -> list[Happening]:
    found = []
    if status.ready_at is not None and status.stage != Stage.GENERATING:
        found.append(Happening("document ready to be sent", status.ready_at))
    if status.document_id:
        held = status.stage == Stage.IN_REVIEW
        what = "prepared for review" if held else "sent for signature"
        found.append(Happening(f"{what}: document {one_line(status.document_id)}", status.sent_at))
    found += _deeds(status)
    if status.provider_wait:
        why, _, _ = status.provider_wait.partition("; ")
        found.append(Happening(f"waiting for the provider: {one_line(why)}", datetime.now(UTC)))
    if status.result:
        end = "archived" if status.result.archive else status.result.outcome
        found.append(Happening(end, status.ended_at))
    return found


def _deeds(status: AgreementView) -> list[Happening]:
    """What signers did, in the order in which they did it."""
    viewed = [
        (signer.viewed_at, "viewed", signer.name) for signer in status.signers if signer.viewed_at is not None
    ]
    signed = [
        (signer.signed_at, "signed", signer.name) for signer in status.signers if signer.signed_at is not None
    ]
    deeds, count = [], 0
    for at, deed, name in sorted(viewed + signed, key=lambda happened: happened[0]):
        count += deed == "signed"
        place = f" ({count} of {len(status.signers)})" if deed == "signed" else ""
        deeds.append(Happening(f"{deed} by {one_line(name)}{place}", at))
    return deeds


def _facts(status: AgreementView) -> list[tuple[str, str]]:
    stage = str(status.stage)
    if status.failure:
        facts = [("stage", f"failed while {stage}"), ("why", status.failure)]
    else:
        facts = [("stage", stage), ("waits for", _waits_for(status))]
    if status.provider_wait:
        facts.append(("waiting for the provider", status.provider_wait))
    if status.needs_attention:
        facts.append(("needs attention", status.needs_attention))
    if status.candidates:
        facts.append(("candidates", ", ".join(status.candidates)))
    facts += _trouble(status)
    if status.document_id:
        facts.append(("document", status.document_id))
    if status.review_url:
        facts.append(("review at", status.review_url))
    if status.next_check_at and not status.result:
        facts.append(("next check", format_time(status.next_check_at)))
    if status.deadline:
        facts.append(("deadline", format_time(status.deadline)))
    if status.supersedes:
        facts.append(("supersedes", status.supersedes))
    return facts + _ending(status)


def _trouble(status: AgreementView) -> list[tuple[str, str]]:
    if status.result:
        return []
    known = (("last error", status.last_error), ("provider says", status.provider_message))
    return [(name, text) for name, text in known if text]


def _waits_for(status: AgreementView) -> str:
    turn = signers_turn(status)
    return f"{status.waiting_for}: {', '.join(turn)}" if turn else str(status.waiting_for)


def signers_turn(status: AgreementView) -> list[str]:
    """Name the signers whose turn it is; empty unless the agreement awaits signatures."""
    if status.waiting_for != WaitingFor.SIGNATURES:
        return []
    unsigned = [signer for signer in status.signers if signer.signed_at is None]
    first = min((signer.order for signer in unsigned), default=0)
    return [signer.name for signer in unsigned if signer.order == first]


def signers_progress(status: AgreementView) -> str:
    """Return `1 of 2 signed, waits for B. E.`; "" unless the agreement awaits signatures."""
    turn = ", ".join(initials(name) for name in signers_turn(status))
    signed = sum(signer.signed_at is not None for signer in status.signers)
    return f"{signed} of {len(status.signers)} signed, waits for {turn}" if turn else ""


def _ending(status: AgreementView) -> list[tuple[str, str]]:
    if status.result is None:
        return []
    facts: list[tuple[str, str]] = [("resolved by", status.result.resolved_by)]
    if status.result.reason:
        facts.append(("reason", status.result.reason))
    if status.result.archive:
        document = status.result.archive.document
        facts += [("signed PDF", document.url), ("SHA-256", document.sha256)]
    return facts
