"""`schemas`: the JSON Schemas by which services in any language talk to agreements."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import BaseModel

from countersign.agreements.callbacks import CallbackEvent
from countersign.agreements.messages import (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    CallbackAddress,
    Resolution,
    VoidRequest,
)
from countersign.agreements.notices import Notice
from countersign.client.errors import BadInputError

from .command import out, verb

PUBLISHED: Final[tuple[type[BaseModel], ...]] = (
    AgreementInput,
    AgreementResult,
    AgreementStatus,
    Resolution,
    VoidRequest,
    CallbackAddress,
    CallbackEvent,
    Notice,
)


@verb
async def schemas(
    folder: Annotated[
        Path, typer.Argument(help="Where to write them.", metavar="FOLDER", show_default=False)
    ],
) -> None:
    """Write the JSON Schemas of input, status, result, updates, callbacks and notices."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for model in PUBLISHED:
            path = folder / f"{model.__name__}.json"
            path.write_text(schema_of(model))
            out.print(str(path))
    except OSError as error:
        raise BadInputError(f"{folder}: {error.strerror}") from None


def schema_of(model: type[BaseModel]) -> str:
    """Describe a message as JSON Schema."""
    return json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
