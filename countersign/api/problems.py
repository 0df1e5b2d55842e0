"""Errors of the API: problem details by RFC 9457, with a stable `type` and no person's data."""

import logging
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import Response
from structlog.contextvars import get_contextvars

from countersign.api.encoding import encoded
from countersign.client.errors import (
    AlreadySignedError,
    BadInputError,
    BatchEndedError,
    BatchTakenError,
    CommandError,
    NotInTurnError,
    NotYetError,
    NoWorkerError,
    ReferenceTakenError,
    StuckAgreementError,
    UnknownAgreementError,
    UnknownBatchError,
    UnknownSignerError,
    UnreachableError,
    UnusableKeyError,
)
from countersign.client.tables import Mistake
from countersign.http_server.limits import RETRY_AFTER_SECONDS, RejectedRequestError

_log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_URN: Final = "urn:countersign:problem:"
_RUN_OUT: Final = re.compile(r": see `status [^`]*`")
"""What messages for the command line add."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: the end of its `type`, its status, and its title."""

    name: str
    status: HTTPStatus
    title: str

    @property
    def urn(self) -> str:
        """The `type` of its problems."""
        return _URN + self.name


MALFORMED: Final = Kind("malformed-request", HTTPStatus.BAD_REQUEST, "The request cannot be read.")
UNAUTHORIZED: Final = Kind("unauthorized", HTTPStatus.UNAUTHORIZED, "A valid bearer token is needed.")
FORBIDDEN: Final = Kind("insufficient-scope", HTTPStatus.FORBIDDEN, "The token's scopes do not allow this.")
UNKNOWN: Final = Kind("unknown-agreement", HTTPStatus.NOT_FOUND, "There is no such agreement.")
UNKNOWN_BATCH: Final = Kind("unknown-batch", HTTPStatus.NOT_FOUND, "There is no such batch.")
UNKNOWN_SIGNER: Final = Kind(
    "unknown-signer", HTTPStatus.NOT_FOUND, "The agreement has no signer with this number."
)
NOT_ARCHIVED: Final = Kind(
    "not-archived", HTTPStatus.NOT_FOUND, "The archive does not have this file, or not yet."
)
UNKNOWN_TEMPLATE: Final = Kind("unknown-template", HTTPStatus.NOT_FOUND, "There is no such template.")
NO_TEMPLATES: Final = Kind("no-templates", HTTPStatus.NOT_FOUND, "This account has no templates to show.")
NO_PATH: Final = Kind("unknown-path", HTTPStatus.NOT_FOUND, "There is no such path.")
NO_METHOD: Final = Kind("wrong-method", HTTPStatus.METHOD_NOT_ALLOWED, "The path has no such method.")
TAKEN: Final = Kind(
    "reference-taken", HTTPStatus.CONFLICT, "The reference belongs to an agreement with other content."
)
BATCH_TAKEN: Final = Kind("batch-taken", HTTPStatus.CONFLICT, "The name belongs to a batch of another table.")
BATCH_ENDED: Final = Kind(
    "batch-ended", HTTPStatus.CONFLICT, "The batch has ended: it starts no further rows."
)
CONFLICT: Final = Kind("state-conflict", HTTPStatus.CONFLICT, "The agreement's state does not allow this.")
NOT_IN_TURN: Final = Kind("not-in-turn", HTTPStatus.CONFLICT, "Other signers sign before this one.")
NOT_YET: Final = Kind(
    "not-yet", HTTPStatus.CONFLICT, "The agreement's state does not allow this yet; repeat it later."
)
ALREADY_SIGNED: Final = Kind("already-signed", HTTPStatus.CONFLICT, "The signer has already signed.")
TOO_LARGE: Final = Kind("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
MEDIA: Final = Kind(
    "unsupported-media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body has another media type."
)
NO_RANGE: Final = Kind(
    "range-not-satisfiable", HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The file has no such range."
)
INVALID: Final = Kind(
    "invalid-input", HTTPStatus.UNPROCESSABLE_ENTITY, "The input is invalid; nothing was done."
)
THROTTLED: Final = Kind(
    "too-many-requests", HTTPStatus.TOO_MANY_REQUESTS, "The token makes too many requests."
)
DEFECT: Final = Kind("defect", HTTPStatus.INTERNAL_SERVER_ERROR, "The API has a defect.")
NO_WORKER: Final = Kind(
    "no-worker", HTTPStatus.SERVICE_UNAVAILABLE, "No worker responds; nothing is lost meanwhile."
)
STUCK: Final = Kind(
    "agreement-stuck",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The agreement's worker cannot go on; a person must look.",
)
UNAVAILABLE: Final = Kind(
    "unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Temporal, a worker, the store or the provider does not respond.",
)
NO_KEY: Final = Kind(
    "unusable-key",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The API does not have the account's key, or the provider rejects it; an operator must set it.",
)
VOIDING: Final = Kind(
    "still-voiding", HTTPStatus.SERVICE_UNAVAILABLE, "The old agreement is not void yet; repeat the request."
)

KINDS: Final = tuple(value for value in list(globals().values()) if isinstance(value, Kind))
"""All kinds."""


class FieldError(BaseModel):
    """One thing that is wrong with a request.

    Args:
        pointer: Where in the body, as a JSON pointer; null if it is about no single field.
        line: Where a row of a table begins, from 1; the header is line 1.
        column: The column of a table, or several.
        detail: What is wrong, in a clause without values.
    """

    pointer: str | None = Field(default=None, examples=["/signers/0/email"])
    line: int | None = None
    column: str | None = None
    detail: str = Field(examples=["signer 1: email: is not an e-mail address"])


class Problem(BaseModel):
    """What went wrong, by RFC 9457.

    Args:
        type: A stable name of the kind of problem.
        title: The kind in a sentence.
        status: The HTTP status.
        detail: What happened, and what to do.
        request_id: The id of this request in the API's logs.
        errors: What is wrong with the request.
        fields: The fields that differ from the agreement that has the reference.
        reference: The reference of the start that failed: repeat the request with it.
        signers: The numbers of the signers whose turn it is.
    """

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str | None = None
    errors: tuple[FieldError, ...] | None = None
    fields: tuple[str, ...] | None = None
    reference: str | None = None
    signers: tuple[int, ...] | None = None


@dataclass(eq=False)
class ProblemError(Exception):
    """A request ends in a problem.

    Args:
        kind: The kind.
        detail: What happened, in a sentence without a person's data.
        more: Further members of the problem.
        headers: Headers of the response.
    """

    kind: Kind
    detail: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the response."""
        status = self.kind.status
        body = Problem(
            type=self.kind.urn,
            title=self.kind.title,
            status=status,
            detail=self.detail,
            request_id=get_contextvars().get("request_id"),
            **self.more,
        )
        headers = dict(self.headers)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        content = encoded(body.model_dump(mode="json", exclude_none=True))
        return Response(content, status, headers, media_type=MEDIA_TYPE)


def invalid(*problems: str) -> ProblemError:
    """Return the problem of invalid input.

    Args:
        problems: What is wrong, one clause each, beginning with its place: `signer 1: email: ...`.
    """
    errors = tuple(FieldError(pointer=pointer(text), detail=text) for text in problems)
    return ProblemError(INVALID, "; ".join(problems), {"errors": errors})


def in_table(mistakes: Sequence[Mistake], *, complete: bool = True) -> ProblemError:
    """Return the problem of a table with mistakes.

    Args:
        mistakes: The mistakes.
        complete: Whether these are all.
    """
    errors = tuple(
        FieldError(line=found.line or None, column=found.column or None, detail=found.reason)
        for found in mistakes
    )
    more = "" if complete else ", and maybe more after them"
    return ProblemError(INVALID, f"mistakes in the table: {len(errors)}{more}", {"errors": errors})


def explained(error: CommandError) -> ProblemError:
    """Translate an error of the client."""
    if isinstance(error, ReferenceTakenError) and not isinstance(error, BatchTakenError):
        return _taken(error.fields)
    if isinstance(error, NotInTurnError):
        return ProblemError(NOT_IN_TURN, str(error), {"signers": error.signers})
    if isinstance(error, UnusableKeyError):
        _log.warning("an account cannot be used: %s", " ".join(str(error).split()))
    for kind_of_error, kind, detail in _EXPLAINED:
        if isinstance(error, kind_of_error):
            return ProblemError(kind, detail)
    if isinstance(error, BadInputError):
        return invalid(*error.problems)
    if isinstance(error, UnreachableError):
        kind = UNAVAILABLE
    else:
        kind = NOT_YET if isinstance(error, NotYetError) else CONFLICT
    return ProblemError(kind, _RUN_OUT.sub("", str(error)))


_EXPLAINED: Final[tuple[tuple[type[CommandError], Kind, str | None], ...]] = (
    (UnknownBatchError, UNKNOWN_BATCH, None),
    (UnknownAgreementError, UNKNOWN, None),
    (BatchTakenError, BATCH_TAKEN, "choose another name"),
    (BatchEndedError, BATCH_ENDED, "void its agreements instead"),
    (NoWorkerError, NO_WORKER, "repeat the request later"),
    (StuckAgreementError, STUCK, "its workflow task keeps failing: the worker's log has details"),
    (UnusableKeyError, NO_KEY, "its settings need the key that the workers have"),
    (UnknownSignerError, UNKNOWN_SIGNER, None),
    (AlreadySignedError, ALREADY_SIGNED, None),
)


@asynccontextmanager
async def as_problems() -> AsyncIterator[None]:
    """Translate errors of the client into problems."""
    try:
        yield
    except CommandError as error:
        raise explained(error) from None


_SENT_AS: Final = {"callback_secret_key": "callback_secret"}
"""Fields of the contract that a request has by another name."""


def _taken(fields: Iterable[str]) -> ProblemError:
    named = tuple(_SENT_AS.get(name, name) for name in fields)
    other = f"other {', '.join(named)}" if named else "other content"
    return ProblemError(
        TAKEN, f"the agreement that has this reference was started with {other}", {"fields": named}
    )


def of_rejection(error: RejectedRequestError) -> ProblemError:
    """Translate a limit of the server that the request exceeds; the connection is closed, its body unread."""
    kinds = {kind.status: kind for kind in (TOO_LARGE, MEDIA)}
    kind = kinds.get(HTTPStatus(error.rejection.status), MALFORMED)
    return ProblemError(kind, f"the request was rejected: {error.rejection}", headers={"Connection": "close"})


_ITEM: Final = re.compile(
    r"(?P<list>signer|cc|field|variable) (?P<number>\d+)\b(?:: (?P<field>\w+)(?=:| is missing))?"
)
_FIELD: Final = re.compile(r"(?P<path>[A-Za-z_][\w.-]*)(?=:| is missing)")
_LISTS: Final = {"signer": "signers", "cc": "cc", "field": "fields"}


def pointer(problem: str) -> str | None:
    """Return the JSON pointer of a problem's place: `/signers/0/email` for `signer 1: email: ...`."""
    if found := _ITEM.match(problem):
        if found["list"] not in _LISTS:
            return "/source/variables"
        place = f"/{_LISTS[found['list']]}/{int(found['number']) - 1}"
        return f"{place}/{found['field']}" if found["field"] else place
    if problem.startswith("file "):
        return "/source"
    if found := _FIELD.match(problem):
        return "/" + found["path"].replace(".", "/")
    return None
