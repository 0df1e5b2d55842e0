"""The seven rules: functions from the evidence of a run to its violations, one sentence per agreement."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from tests.chaos.chaos_evidence import Case, Evidence

COMPLETED_SHARE: Final = 0.9
"""Minimum share of completed agreements among those that people want signed and that need no person."""

NO_ARCHIVE: Final = ("claim.", "input.", "sending-", "sent-", "end.")
"""How the files of a reference begin that every agreement may have."""
SIGNED: Final = "signed.pdf"
ARCHIVE: Final = {SIGNED, "audit-trail.json", "timeline.json"}


def sent_once(evidence: Evidence) -> Iterator[str]:
    """Rule 1: at most one live document per agreement, one invitation per signer, no extra reminders."""
    for case in evidence.cases:
        live = [document.document_id for document in case.documents if document.is_live]
        if len(live) > 1:
            yield f"{case.reference}: {len(live)} live documents: {', '.join(live)}"
        invited = Counter(address for document in case.documents for address in document.invited)
        if twice := sorted(address for address, count in invited.items() if count > 1):
            yield f"{case.reference}: asked more than once to sign: {', '.join(twice)}"
        reminded = sum(document.reminded for document in case.documents)
        if reminded > case.reminds:
            yield f"{case.reference}: {reminded} reminders of {case.reminds} steps"


def ends_or_waits(evidence: Evidence) -> Iterator[str]:
    """Rule 2: every agreement ends, or waits visibly for a person.

    It may wait only if the outcome of its send was lost, the provider's ledger has no document and its search
    proves nothing, which it does unless another member's document carries the marker. Such a document lets it
    wait also after a status that asks to send later: the status is no proof that nothing was sent.
    """
    for case in evidence.cases:
        if case.ended is None and not case.waited:
            yield f"{case.reference}: neither ended nor waits for a person"
        if case.waited and not case.unknown_sends and not case.forged:
            yield f"{case.reference}: waited for a person, though no send was lost"
        if case.is_conclusive and not case.forged and (case.asked or case.waited):
            yield f"{case.reference}: asked a person, though the provider's search is conclusive"
        if case.overlooked:
            yield f"{case.reference}: waited for a person, though the ledger has its document"
    yield from _too_few_completed(evidence)


def _too_few_completed(evidence: Evidence) -> Iterator[str]:
    others = [case for case in evidence.cases if case.wish == "sign" and not case.waited]
    completed = sum(case.ended == "completed" for case in others)
    if completed < COMPLETED_SHARE * len(others):
        yield f"only {completed} of {len(others)} agreements that needed no person completed"


def archived_when_completed(evidence: Evidence) -> Iterator[str]:
    """Rule 3: archived once if completed, else not; the bytes equal the provider's."""
    for case in evidence.cases:
        if broken := _archive_is_broken(case):
            yield f"{case.reference}: {broken}"


def _archive_is_broken(case: Case) -> str | None:
    files = {name for name in case.files if not name.startswith(NO_ARCHIVE)}
    signed = [document for document in case.documents if document.status == "completed"]
    if case.ended != "completed":
        if files:
            return f"ended {case.ended}, and has {', '.join(sorted(files))}"
        return f"signed by all, and ended {case.ended}" if signed else None
    if files != ARCHIVE | set(case.attachments):
        return f"completed, and has {', '.join(sorted(files)) or 'no archive'}"
    if [file.signed_sha256 for file in signed] != [case.files[SIGNED]]:
        return "the archive holds other bytes than the provider"
    return None if case.archivings == 1 else f"archived {case.archivings} times"


def events_count_once(evidence: Evidence) -> Iterator[str]:
    """Rule 4: every accepted event is applied once or recorded as ignored."""
    for case in evidence.cases:
        if lost := sorted(set(case.accepted) - set(case.signalled)):
            yield f"{case.reference}: accepted, and never signalled: {', '.join(lost)}"
        if case.recorded is None:
            yield f"{case.reference}: its query fails"
            continue
        recorded = Counter(case.recorded)
        if wrong := sorted(event_id for event_id in set(case.signalled) if recorded[event_id] != 1):
            yield f"{case.reference}: signalled, and not recorded once: {', '.join(wrong)}"


def replays(evidence: Evidence) -> Iterator[str]:
    """Rule 5: every history made during chaos replays."""
    for case in evidence.cases:
        if case.unreplayable is not None:
            yield f"{case.reference}: does not replay: {case.unreplayable}"


def drains(evidence: Evidence) -> Iterator[str]:
    """Rule 6: after the faults everything drains, and no document stays open at the provider."""
    for case in evidence.cases:
        if case.ended is None:
            yield f"{case.reference}: still runs"
        elif case.ended != "completed" and any(document.is_live for document in case.documents):
            yield f"{case.reference}: ended {case.ended}, and its document is still open"
    if evidence.undelivered:
        yield f"{evidence.undelivered} webhooks are still tried"
    if evidence.pending:
        yield f"{evidence.pending} steps are still tried"


def leaves_forgeries_alone(evidence: Evidence) -> Iterator[str]:
    """Rule 7: a document that another member made is never voided, reminded or archived."""
    for case in evidence.cases:
        for document in case.forged:
            if not document.is_live:
                yield f"{case.reference}: {document.document_id} is {document.status}, made by another"
            if document.reminded:
                yield f"{case.reference}: reminded the signers of {document.document_id}, made by another"
            if document.signed_sha256 and document.signed_sha256 == case.files.get(SIGNED):
                yield f"{case.reference}: archived {document.document_id}, made by another"


RULES: Final[tuple[Callable[[Evidence], Iterator[str]], ...]] = (
    sent_once,
    ends_or_waits,
    archived_when_completed,
    events_count_once,
    replays,
    drains,
    leaves_forgeries_alone,
)


def violations(evidence: Evidence) -> dict[str, list[str]]:
    """Return the violations by the name of the rule."""
    return {rule.__name__: list(rule(evidence)) for rule in RULES}
