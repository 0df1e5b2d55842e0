"""Rules for an agreement beyond its types, checked before its first step. Pure.

Messages identify a signer by number, never by name or address, because logs and histories hold them.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from operator import not_
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from countersign.agreements.addresses import CallbackUrl, is_public, may_be_public, read_callback_url
from countersign.agreements.messages import (
    AgreementInput,
    ExternalCheck,
    FileSource,
    Image,
    JsonData,
    LinkSource,
    Message,
    ReminderPlan,
    Repeated,
    RichText,
    RolesSource,
    SignatureField,
    Table,
    TemplateSource,
    Variable,
)
from countersign.agreements.reference import InvalidReferenceError, workflow_id

LATEST_DEADLINE: Final = timedelta(days=999)
"""The longest time that the provider keeps a document open (`expireAfter`)."""
SIZE_LIMIT: Final = 1_500_000
"""Bytes of JSON. Temporal refuses a payload over 2 MiB, and encryption and base64 add to it."""
FILE_TYPES: Final = (".pdf", ".docx", ".pptx")
"""The file types that the provider accepts."""
IMAGE_TYPES: Final = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif"}
"""The media types of images for a document, by extension."""

LONGEST_SIDE: Final = 14_400
"""Points. No page of a PDF is longer (ISO 32000-1, annex C)."""
MOST_DEFAULT_FIELDS: Final = 22
"""Signatures that fit on an A4 page in the default layout. `documents.default_fields` knows other sizes."""
SHORTEST_REMINDER: Final = timedelta(hours=1)
"""The shortest time from a send to the first reminder, and between two reminders."""
LATEST_REMINDER: Final = timedelta(days=365)

_JOINERS: Final = frozenset("\u200c\u200d")
"""Invisible characters that correct spelling needs in Persian, Hindi and other languages."""
_LINE_BREAKS: Final = frozenset("\n\r\t")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of control, format, private, unassigned and separator characters. `_size_problems`
reports surrogates (Cs), which UTF-8 cannot encode."""

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"\\]+@[^\s@<>()\[\],;:\"\\.]+(\.[^\s@<>()\[\],;:\"\\.]+)+")
_VARIABLE = re.compile(r"[^{}\s]{1,100}")


def problems(agreement: AgreementInput, now: datetime) -> tuple[str, ...]:
    """Return the problems of an agreement, one sentence per problem; empty if there are none.

    Args:
        agreement: An agreement with valid types.
        now: The current time, with an offset. The deadline must be after it.
    """
    return (
        *_reference_problems(agreement),
        *_text_problems(agreement),
        *_address_problems(agreement),
        *_order_problems(agreement),
        *_source_problems(agreement),
        *_field_problems(agreement),
        *_deadline_problems(agreement.deadline, now),
        *_reminder_problems(agreement.reminders),
        *_email_problems(agreement),
        *_callback_problems(agreement),
        *_size_problems(agreement),
    )


def is_email(text: str) -> bool:
    """Return whether a text is formatted as an e-mail address."""
    return _EMAIL.fullmatch(text) is not None and text_problem(text) is None


def text_problem(text: str, *, may_break: bool = False, may_be_blank: bool = False) -> str | None:
    """Return the problem of a text that people read or sign; None if there is none.

    Args:
        text: The text to check.
        may_break: Allow line breaks and tabs.
        may_be_blank: Allow an empty text and one of spaces only.
    """
    allowed = _JOINERS | _LINE_BREAKS if may_break else _JOINERS
    for character in text:
        if unicodedata.category(character) in _INVISIBLE and character not in allowed:
            return f"has the invisible character U+{ord(character):04X}; delete it"
    return None if may_be_blank or text.strip() else "is blank"


def _text_problems(agreement: AgreementInput) -> Iterator[str]:
    for place, text in _lines(agreement):
        if problem := text_problem(text):
            yield f"{place}: {problem}"
    if agreement.description is not None and (problem := text_problem(agreement.description, may_break=True)):
        yield f"description: {problem}"
    if isinstance(agreement.source, TemplateSource):
        for number, value in enumerate(agreement.source.variables.values(), 1):
            problems = (text_problem(text, may_break=True, may_be_blank=True) for text in texts_of(value))
            yield from (f"variable {number}: {problem}" for problem in problems if problem)


def texts_of(value: Variable) -> Iterator[str]:
    """Yield every text in the value of a variable, but no names of placeholders and no image."""
    match value:
        case str():
            yield value
        case RichText(text=text, variables=variables):
            yield from (text, *variables.values())
        case Repeated(items=items):
            for item in items:
                yield from texts_of(item)
        case Table(columns=columns, rows=rows):
            yield from columns
            for row in rows:
                yield from row
        case JsonData(value=data):
            yield from _texts_in(data)
        case Image():
            return


def images_of(source: TemplateSource) -> Iterator[Image]:
    """Yield the images among the variables of a source."""
    for value in source.variables.values():
        for item in value.items if isinstance(value, Repeated) else (value,):
            if isinstance(item, Image):
                yield item


def _texts_in(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for item in data.values() if isinstance(data, dict) else data:
            yield from _texts_in(item)


def _lines(agreement: AgreementInput) -> Iterator[tuple[str, str]]:
    yield "title", agreement.title
    for number, signer in enumerate(agreement.signers, 1):
        yield f"signer {number}: name", signer.name
        if signer.role is not None:
            yield f"signer {number}: role", signer.role
        if isinstance(signer.identity, ExternalCheck):
            yield f"signer {number}: identity.provider", signer.identity.provider
    if agreement.sender:
        yield "sender: name", agreement.sender.name
    for number, field in enumerate(agreement.fields, 1):
        yield f"field {number}: type", field.type
        if field.anchor is not None:
            yield f"field {number}: anchor", field.anchor
    if isinstance(agreement.source, FileSource):
        yield "source.file_name", agreement.source.file_name


def link_problem(url: str) -> str | None:
    """Return why the provider must not download from a link; None if it may.

    Does not resolve host names, because the provider resolves them in its own network. Allows this machine,
    because the sandbox may run on it; the send refuses it if the provider runs elsewhere.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is not a link"
    if parts.scheme != "https":
        return "must begin with https://"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or a password, because its readers could use them"
    if text_problem(url) or " " in url or not host:
        return "is not a link"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_reachable = host == "localhost" or may_be_public(host)
        return None if is_reachable else "the provider cannot reach this host"
    return (
        None if is_public(address) or address.is_loopback else "the provider cannot reach a private address"
    )


def _reference_problems(agreement: AgreementInput) -> Iterator[str]:
    if agreement.supersedes is None:
        return
    try:
        superseded = workflow_id(agreement.supersedes)
    except InvalidReferenceError as error:
        yield f"supersedes: {str(error).removeprefix('reference: ')}"
    else:
        if superseded == workflow_id(agreement.reference):
            yield "supersedes: an agreement cannot replace itself; give the new agreement another reference"


def _address_problems(agreement: AgreementInput) -> Iterator[str]:
    for place, signer in enumerate(agreement.signers, 1):
        if not is_email(signer.email):
            yield f"signer {place}: is not an e-mail address"
    for (first, signer), (second, duplicate) in combinations(enumerate(agreement.signers, 1), 2):
        if signer.email.lower() == duplicate.email.lower():
            yield f"signers {first} and {second} have the same e-mail address; give every signer another one"
    for place, address in enumerate(agreement.cc, 1):
        if not is_email(address):
            yield f"cc {place}: is not an e-mail address"
    if agreement.sender and not is_email(agreement.sender.email):
        yield "sender: is not an e-mail address"


def _order_problems(agreement: AgreementInput) -> Iterator[str]:
    orders = {signer.order for signer in agreement.signers}
    if orders == {None}:
        return
    numbers = orders - {None}
    if None in orders:
        yield "order: set it for every signer or for none"
    elif numbers != set(range(1, len(numbers) + 1)):
        missing = next(number for number in range(1, len(numbers) + 1) if number not in numbers)
        yield f"order: no signer has {missing}; number the signers from 1 without gaps"


def _source_problems(agreement: AgreementInput) -> Iterator[str]:
    source = agreement.source
    named = [signer.role is not None for signer in agreement.signers]
    if isinstance(source, RolesSource):
        if not all(named):
            yield "role: set it for every signer of a template with roles"
        if agreement.fields:
            yield "fields: remove them; a template with roles defines its fields"
        if any(signer.order for signer in agreement.signers):
            yield "order: remove it; a template with roles defines the order"
    elif any(named):
        yield "role: remove it; only signers of a template with roles have roles"
    if isinstance(source, FileSource) and not source.file_name.lower().endswith(FILE_TYPES):
        yield f"file: the provider accepts {', '.join(FILE_TYPES)}"
    if isinstance(source, LinkSource) and (problem := link_problem(source.url)):
        yield f"source.url: {problem}"
    if isinstance(source, TemplateSource):
        yield from _variable_problems(source)


def _variable_problems(source: TemplateSource) -> Iterator[str]:
    for number, (name, value) in enumerate(source.variables.items(), 1):
        items = value.items if isinstance(value, Repeated) else (value,)
        inner = [inner for item in items if isinstance(item, RichText) for inner in item.variables]
        if not all(map(_VARIABLE.fullmatch, (name, *inner))):
            yield "variables: use names of 1 to 100 characters without spaces and braces"
        if isinstance(value, Table):
            for place, row in enumerate(value.rows, 1):
                if len(row) != len(value.columns):
                    yield (
                        f"variable {number}: row {place} must have {len(value.columns)} cells, one per column"
                    )
        for item in items:
            if isinstance(item, Image) and PurePath(item.key).suffix.lower() not in IMAGE_TYPES:
                yield f"variable {number}: the image's key must end in {', '.join(IMAGE_TYPES)}"


def _field_problems(agreement: AgreementInput) -> Iterator[str]:
    signers = len(agreement.signers)
    for place, field in enumerate(agreement.fields, 1):
        if field.signer > signers:
            yield f"field {place}: there is no signer {field.signer}"
        if (field.anchor is None) == (not _has_position(field)):
            yield f"field {place}: set either an anchor or a page with x and y"
        if not all(0 <= number <= LONGEST_SIDE for number in (field.x or 0, field.y or 0)):
            yield f"field {place}: x and y must be 0 to {LONGEST_SIDE} points from the page's top left"
        if not all(0 < number <= LONGEST_SIDE for number in (field.width, field.height)):
            yield f"field {place}: width and height must be more than 0 and at most {LONGEST_SIDE} points"
    without = set(range(1, signers + 1)) - {field.signer for field in agreement.fields}
    has_layout = bool(agreement.fields) or isinstance(agreement.source, RolesSource)
    if not has_layout and signers > MOST_DEFAULT_FIELDS:
        yield f"fields: at most {MOST_DEFAULT_FIELDS} signatures fit on a page; list a field for every signer"
    if agreement.fields and without:
        yield f"fields: signer {min(without)} has none; list a field for every signer, or no fields"


def _has_position(field: SignatureField) -> bool:
    return None not in (field.page, field.x, field.y)


def _deadline_problems(deadline: datetime | None, now: datetime) -> Iterator[str]:
    if deadline is None:
        return
    if deadline.tzinfo is None:
        yield "deadline: add the offset from UTC, for example 2027-01-31T12:00:00Z"
    elif deadline <= now:
        yield "deadline: has passed"
    elif deadline > now + LATEST_DEADLINE:
        yield f"deadline: must be at most {LATEST_DEADLINE.days} days from now, the provider's limit"


def _reminder_problems(plan: ReminderPlan | None) -> Iterator[str]:
    if plan is None:
        return
    for name, span in (("after", plan.after), ("every", plan.every)):
        if not SHORTEST_REMINDER <= span <= LATEST_REMINDER:
            yield f"reminders.{name}: must be at least one hour and at most {LATEST_REMINDER.days} days"
    limit = LATEST_DEADLINE.total_seconds()
    if plan.after.total_seconds() + plan.every.total_seconds() * plan.at_most > limit:
        yield f"reminders: the last one must be due within {LATEST_DEADLINE.days} days"


def _email_problems(agreement: AgreementInput) -> Iterator[str]:
    if agreement.send_emails:
        return
    if agreement.reminders:
        yield "reminders: remove them, or set send_emails to true; reminders are e-mails"
    if agreement.review:
        yield "review: remove it, or set send_emails to true; a document that a person sends is e-mailed"


def _callback_problems(agreement: AgreementInput) -> Iterator[str]:
    if agreement.callback_url is not None:
        try:
            read_callback_url(agreement.callback_url)
        except ValueError as error:
            yield f"callback_url: {error}"
    elif agreement.callback_secret_key is not None:
        yield "callback_secret_key: remove it, or add a callback_url"


def _size_problems(agreement: AgreementInput) -> Iterator[str]:
    try:
        size = len(agreement.model_dump_json().encode())
    except ValueError:
        yield "a text has an unpaired surrogate (\\ud800 to \\udfff); replace it"
        return
    if size > SIZE_LIMIT:
        yield (
            f"the agreement has {size:,} bytes, over the limit of {SIZE_LIMIT:,}: shorten its variables or "
            "send a file"
        )


# What not every provider can do


class Needs(Message):
    """What not every provider or worker can do; compared with both before the first step.

    Args:
        source: The kind of the source.
        file_type: The extension of a file, `.pdf` and the like.
        sender: The agreement names a sender.
        copies: People get a copy.
        anchors: A field stands at a text of the document.
        field_types: The types of its fields.
        identity: The kinds of checks of the signers' identities.
        review: A person reviews the document before it is sent.
        no_emails: Nobody is invited by e-mail.
        callback: The host and the port that callbacks go to.
        callback_plain: They go there by plain http.
        callback_secret: The agreement brings the secret that signs them.
    """

    source: str
    file_type: str | None = None
    sender: bool = False
    copies: bool = False
    anchors: bool = False
    field_types: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    review: bool = False
    no_emails: bool = Field(default=False, exclude_if=not_)
    callback: tuple[str, int] | None = Field(default=None, exclude_if=not_)
    callback_plain: bool = Field(default=False, exclude_if=not_)
    callback_secret: bool = Field(default=False, exclude_if=not_)


def needs_of(agreement: AgreementInput) -> Needs:
    """Return what an agreement asks of a provider, and of the worker that calls back."""
    source, url = agreement.source, _callback_url(agreement.callback_url)
    return Needs(
        source=source.kind,
        file_type=PurePath(source.file_name).suffix.lower() if isinstance(source, FileSource) else None,
        sender=agreement.sender is not None,
        copies=bool(agreement.cc),
        anchors=any(field.anchor is not None for field in agreement.fields),
        field_types=tuple(sorted({field.type for field in agreement.fields})),
        identity=tuple(sorted({signer.identity.kind for signer in agreement.signers if signer.identity})),
        review=agreement.review,
        no_emails=not agreement.send_emails,
        callback=None if url is None else (url.host, url.port),
        callback_plain=url is not None and url.is_plain,
        callback_secret=agreement.callback_secret_key is not None,
    )


def _callback_url(url: str | None) -> CallbackUrl | None:
    """Take a callback URL apart, which is a credential as a whole; None without a valid one."""
    try:
        return None if url is None else read_callback_url(url)
    except ValueError:
        return None
