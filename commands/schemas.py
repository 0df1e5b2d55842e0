"""`schemas`: the JSON Schemas by which services in any language talk to agreements."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel

from commands.errors import BadInputError
from commands.verbs import out, verb
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Resolution,
    VoidRequest,
)

PUBLISHED: Final[tuple[type[BaseModel], ...]] = (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Resolution,
    VoidRequest,
)
_INTERNAL: Final = {"AgreementInput": ("continued",)}
"""Fields that the workflow hands to itself."""


@verb
async def schemas(
    folder: Annotated[
        Path, typer.Argument(help="Where to write them.", metavar="FOLDER", show_default=False)
    ],
) -> None:
    """Write the JSON Schemas of what agreements are started with, told and asked."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for model in PUBLISHED:
            path = folder / f"{model.__name__}.json"
            path.write_text(schema_of(model))
            out.print(str(path))
    except OSError as error:
        raise BadInputError(f"{folder}: {error.strerror}") from None


def schema_of(model: type[BaseModel]) -> str:
    """Describe a message as JSON Schema, without what is the workflow's own."""
    schema = model.model_json_schema()
    for name in _INTERNAL.get(model.__name__, ()):
        del schema["properties"][name]
    _drop_unused(schema)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _drop_unused(schema: dict[str, Any]) -> None:
    """Drop definitions that nothing points at any more."""
    definitions = schema.get("$defs", {})
    used: set[str] = set()
    queue: list[Any] = [{name: part for name, part in schema.items() if name != "$defs"}]
    while queue:
        fresh = {name for name in definitions if f'"#/$defs/{name}"' in json.dumps(queue)} - used
        used |= fresh
        queue = [definitions[name] for name in fresh]
    schema["$defs"] = {name: part for name, part in definitions.items() if name in used}
