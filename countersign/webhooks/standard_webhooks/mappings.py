"""Which fields of a provider's payloads hold what, read from a TOML file.

[acme]                            # deliveries arrive at /webhooks/acme
document_id = "data.document.id"
title = "data.document.name"
recipient_id = "data.signer.id"

[acme.kinds]
"document.completed" = "completed"
"""

import tomllib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from countersign.agreements.events import EventKind
from countersign.configuration import SettingsError

FieldPath = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class PayloadMapping(BaseModel):
    """The fields of a payload. The path of a nested field is `outer.inner`.

    Args:
        kinds: Our event kinds by the provider's event types.
        document_id: The document's id.
        title: The document's title, with the marker at its end.
        recipient_id: The recipient's id, if the event is about one.
        type: The event's type.
        occurred_at: The time of the event.
        document_hash: A hash of the document's content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: Annotated[dict[str, EventKind], Field(min_length=1)]
    document_id: FieldPath
    title: FieldPath
    recipient_id: FieldPath | None = None
    type: FieldPath = "type"
    occurred_at: FieldPath = "timestamp"
    document_hash: FieldPath | None = None


_FILE: Final = TypeAdapter(dict[Name, PayloadMapping])


def read_mappings(path: Path, taken: AbstractSet[str] = frozenset()) -> dict[str, PayloadMapping]:
    """Read the providers' file.

    Args:
        path: The file.
        taken: Names of accounts, which have routes already.

    Raises:
        SettingsError: The file cannot be read, or is invalid; the message names every invalid place.
    """
    try:
        mappings = _FILE.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        places = (
            f"  {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError("\n".join([f"{path} is invalid:", *places])) from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{path} is not TOML: {error}") from None
    if both := taken & mappings.keys():
        raise SettingsError(f"{path}: {', '.join(sorted(both))} is an account's name; choose another")
    return mappings


def look_up(payload: Mapping[str, Any], path: str | None) -> object:
    """Return the value at a path; None if there is none."""
    value: object = payload
    for part in path.split(".") if path else ():
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if path else None
