"""What must hold of an agreement beyond its types, so that nothing is begun that could not end well. Pure.

Sentences name a signer by place, never by name or address: they end in logs and histories.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final

from countersign.agreements.messages import (
    AgreementInput,
    FileSource,
    ReminderPlan,
    RolesSource,
    SignatureField,
)
from countersign.agreements.reference import InvalidReferenceError, workflow_id

LATEST_DEADLINE: Final = timedelta(days=999)
"""The provider's limit on how long a document may stay open (`expireAfter`)."""
SIZE_LIMIT: Final = 1_500_000
"""Bytes of JSON. Temporal refuses a payload over 2 MiB; encryption and base64 take their share."""
FILE_TYPES: Final = (".pdf", ".docx", ".pptx")
"""What the provider takes."""

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"\\]+@[^\s@<>()\[\],;:\"\\.]+(\.[^\s@<>()\[\],;:\"\\.]+)+")
_VARIABLE = re.compile(r"[^{}\s]{1,100}")


def problems(agreement: AgreementInput, now: datetime) -> tuple[str, ...]:
    """List what is wrong with an agreement, one sentence each; empty if nothing is.

    Args:
        agreement: Valid by its types.
        now: The time to judge the deadline by, with an offset.
    """
    return (
        *_reference_problems(agreement),
        *_address_problems(agreement),
        *_order_problems(agreement),
        *_source_problems(agreement),
        *_field_problems(agreement),
        *_deadline_problems(agreement.deadline, now),
        *_reminder_problems(agreement.reminders),
        *_size_problems(agreement),
    )


def is_email(text: str) -> bool:
    """Tell whether a text has the shape of an e-mail address."""
    return _EMAIL.fullmatch(text) is not None


def _reference_problems(agreement: AgreementInput) -> Iterator[str]:
    if agreement.supersedes is None:
        return
    try:
        superseded = workflow_id(agreement.supersedes)
    except InvalidReferenceError as error:
        yield f"supersedes: {error}"
    else:
        if superseded == workflow_id(agreement.reference):
            yield "supersedes: an agreement cannot replace itself; give the new one a reference of its own"


def _address_problems(agreement: AgreementInput) -> Iterator[str]:
    for place, signer in enumerate(agreement.signers, 1):
        if not is_email(signer.email):
            yield f"signer {place}: that is no e-mail address"
    for (one, signer), (other, twin) in combinations(enumerate(agreement.signers, 1), 2):
        if signer.email.lower() == twin.email.lower():
            yield f"signers {one} and {other} have the same e-mail address; each needs one of their own"
    for place, address in enumerate(agreement.cc, 1):
        if not is_email(address):
            yield f"cc {place}: that is no e-mail address"
    if agreement.sender and not is_email(agreement.sender.email):
        yield "sender: that is no e-mail address"


def _order_problems(agreement: AgreementInput) -> Iterator[str]:
    orders = {signer.order for signer in agreement.signers}
    if orders == {None}:
        return
    numbers = orders - {None}
    if None in orders:
        yield "order: give every signer one, or none of them"
    elif numbers != set(range(1, len(numbers) + 1)):
        missing = next(number for number in range(1, len(numbers) + 1) if number not in numbers)
        yield f"order: nobody signs at {missing}; count from 1 without a hole"


def _source_problems(agreement: AgreementInput) -> Iterator[str]:
    source = agreement.source
    named = [signer.role is not None for signer in agreement.signers]
    if isinstance(source, RolesSource):
        if not all(named):
            yield "role: with a template with roles, each signer needs the role they sign as"
        if agreement.fields:
            yield "fields: a template with roles has its own; leave them out"
        if any(signer.order for signer in agreement.signers):
            yield "order: a template with roles has its own; leave it out"
    elif any(named):
        yield "role: only signers of a template with roles have one"
    if isinstance(source, FileSource) and not source.file_name.lower().endswith(FILE_TYPES):
        yield f"file: the provider takes {', '.join(FILE_TYPES)}"
    for name in getattr(source, "variables", {}):
        if not _VARIABLE.fullmatch(name):
            yield "variables: a name has up to 100 characters, no space and no brace"


def _field_problems(agreement: AgreementInput) -> Iterator[str]:
    signers = len(agreement.signers)
    for place, field in enumerate(agreement.fields, 1):
        if field.signer > signers:
            yield f"field {place}: there is no signer {field.signer}"
        if (field.anchor is None) == (not _has_position(field)):
            yield f"field {place}: give it an anchor, or a page with x and y"
    without = set(range(1, signers + 1)) - {field.signer for field in agreement.fields}
    if agreement.fields and without:
        yield f"fields: signer {min(without)} has none; list a field for everybody, or no fields at all"


def _has_position(field: SignatureField) -> bool:
    return None not in (field.page, field.x, field.y)


def _deadline_problems(deadline: datetime | None, now: datetime) -> Iterator[str]:
    if deadline is None:
        return
    if deadline.tzinfo is None:
        yield "deadline: it needs an offset, for example 2027-01-31T12:00:00Z"
    elif deadline <= now:
        yield "deadline: it has passed"
    elif deadline > now + LATEST_DEADLINE:
        yield f"deadline: at most {LATEST_DEADLINE.days} days from now, the provider's limit"


def _reminder_problems(plan: ReminderPlan | None) -> Iterator[str]:
    if plan is None:
        return
    limit = LATEST_DEADLINE.total_seconds()
    if plan.after.total_seconds() + plan.every.total_seconds() * plan.at_most > limit:
        yield f"reminders: the last one must be due within {LATEST_DEADLINE.days} days"


def _size_problems(agreement: AgreementInput) -> Iterator[str]:
    try:
        size = len(agreement.model_dump_json().encode())
    except ValueError:
        yield "a text holds half a character (\\ud800 to \\udfff), which cannot be sent: write it whole"
        return
    if size > SIZE_LIMIT:
        yield (
            f"the agreement has {size:,} bytes, and at most {SIZE_LIMIT:,} can be started: "
            "shorten its variables, or send a file"
        )
