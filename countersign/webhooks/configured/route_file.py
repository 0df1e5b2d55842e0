"""The routes of the receiver that a TOML file adds: to agreements, and to workflows of your own.

[payments]                                # deliveries arrive at /webhooks/payments
workflow = "order-{data.metadata.order}"  # the workflow to signal
signal = "payment"
event_id = "id"
data.amount = "data.amount"

[payments.verify]
scheme = "hmac"
header = "X-Signature"
"""

import re
import tomllib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    TypeAdapter,
    ValidationError,
)

from countersign.agreements.events import EventKind
from countersign.agreements.reference import WORKFLOW_ID_PREFIX
from countersign.configuration import SettingsError
from countersign.webhooks.configured.schemes import Scheme, StandardWebhooks

FieldPath = Annotated[str, StringConstraints(pattern=r"^[^.\s{}]+(\.[^.\s{}]+)*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
_TemporalName = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def _check_template(template: str) -> str:
    literal, *paths = PLACEHOLDER.split(template)  # texts and paths by turns
    if not paths or any(brace in text for text in (literal, *paths[1::2]) for brace in "{}"):
        raise ValueError("must contain a path in braces, such as order-{data.order}")
    if not re.fullmatch(r"[A-Za-z0-9._:/-]+", literal):
        raise ValueError("must begin with a text such as order-, so that a sender cannot name any workflow")
    if literal.startswith(WORKFLOW_ID_PREFIX) or WORKFLOW_ID_PREFIX.startswith(literal):
        raise ValueError("must not fit agreements: route to them with kinds, document_id and title")
    for path in paths[::2]:
        TypeAdapter(FieldPath).validate_python(path)
    return template


class _Route(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    verify: Scheme = StandardWebhooks()
    event_id: FieldPath | None = None
    type: FieldPath = "type"


class AgreementRoute(_Route):
    """A provider of signatures: its events signal agreements. The path of a nested field is `outer.inner`.

    Args:
        verify: How deliveries are verified.
        event_id: The event's id; by default that of the scheme.
        kinds: Our event kinds by the provider's event types.
        document_id: The document's id.
        title: The document's title, with the marker at its end.
        recipient_id: The recipient's id, if the event is about one.
        type: The event's type.
        occurred_at: The time of the event.
        document_hash: A hash of the document's content.
    """

    kinds: Annotated[dict[str, EventKind], Field(min_length=1)]
    document_id: FieldPath
    title: FieldPath
    recipient_id: FieldPath | None = None
    occurred_at: FieldPath = "timestamp"
    document_hash: FieldPath | None = None


class WorkflowStart(BaseModel):
    """The workflow that an event starts if it does not run yet. Its argument is the event's `data`.

    Args:
        workflow: The workflow's type.
        task_queue: The task queue of its worker.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflow: _TemporalName
    task_queue: _TemporalName


class WorkflowRoute(_Route):
    """A sender whose events signal workflows of your own.

    Args:
        verify: How deliveries are verified.
        event_id: The event's id; by default that of the scheme: `webhook-id`, or a hash of the body.
        workflow: The workflow's id, with paths in braces.
        signal: The signal's name; its argument is a `WebhookEvent`.
        type: The event's type.
        only: The event types to take; others are ignored. By default all.
        data: The fields that the signal holds, by the names that your workflow uses.
        start: The workflow to start if none with the id runs or has ended.
    """

    workflow: Annotated[str, AfterValidator(_check_template)]
    signal: _TemporalName
    only: frozenset[str] | None = None
    data: dict[str, FieldPath] = Field(default={}, max_length=50)
    start: WorkflowStart | None = None


def _target(value: Any) -> str:
    is_workflow = isinstance(value, Mapping) and ("workflow" in value or "signal" in value)
    return "workflow" if is_workflow else "agreement"


Route = Annotated[
    Annotated[AgreementRoute, Tag("agreement")] | Annotated[WorkflowRoute, Tag("workflow")],
    Discriminator(_target),
]
_FILE: Final = TypeAdapter(dict[Name, Route])


def read_routes(
    path: Path, taken: AbstractSet[str] = frozenset()
) -> dict[str, AgreementRoute | WorkflowRoute]:
    """Read the file of routes.

    Args:
        path: The file.
        taken: Names of accounts, which have routes already.

    Raises:
        SettingsError: The file cannot be read, or is invalid; the message names every invalid place.
    """
    try:
        routes = _FILE.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        places = (
            f"  {_place(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError("\n".join([f"{path} is invalid:", *places])) from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{path} is not TOML: {error}") from None
    if both := taken & routes.keys():
        raise SettingsError(f"{path}: {', '.join(sorted(both))} is an account's name; choose another")
    return routes


def _place(loc: tuple[int | str, ...]) -> str:
    """Name a place as the file does, without the tags that pydantic adds to the route and to `verify`."""
    parts = [str(part) for number, part in enumerate(loc) if number != 1]
    if parts[1:2] == ["verify"]:
        del parts[2:3]
    return ".".join(parts)


def look_up(payload: Mapping[str, Any], path: str | None) -> Any:
    """Return the value at a path; None if there is none. A number in a path is a place in a list, from 0."""
    value: Any = payload
    for part in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            value = None
    return value if path else None
