"""Validate requests, with the messages of the provider's schema validator (Joi)."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from sandbox.core import errors

ModelT = TypeVar("ModelT", bound=BaseModel)
Problem = tuple[str, str]

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]{2,}")

_WORDING: Final[dict[str, str]] = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "length must be at least {min_length} characters long",
    "string_too_long": "length must be less than or equal to {max_length} characters long",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "too_short": "must contain at least {min_length} items",
    "too_long": "must contain less than or equal to {max_length} items",
    "int_type": "must be a number",
    "int_parsing": "must be a number",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be a boolean",
    "bool_parsing": "must be a boolean",
    "dict_type": "must be of type object",
    "model_type": "must be of type object",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be greater than or equal to {ge}",
    "less_than_equal": "must be less than or equal to {le}",
    "literal_error": "must be one of {expected}",
    "extra_forbidden": "is not allowed",
}


class Body(BaseModel):
    """A request body: strict JSON types, unknown keys ignored, names in camel case."""

    model_config = ConfigDict(frozen=True, strict=True, alias_generator=to_camel, validate_by_name=True)


class Query(BaseModel):
    """A query string."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


def _guid(value: str) -> str:
    if not is_uuid(value):
        raise ValueError("must be a valid GUID")
    return value.lower()


Guid = Annotated[str, AfterValidator(_guid)]


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID with hyphens."""
    return _UUID.fullmatch(text) is not None


def is_email(text: str) -> bool:
    """Return whether a text looks like an e-mail address."""
    return len(text) <= 254 and _EMAIL.fullmatch(text) is not None  # noqa: PLR2004 - the standard's limit


def problems_of(error: ValidationError) -> list[Problem]:
    """Return (path, message) pairs with the provider's messages."""
    return [_problem(dict(problem)) for problem in error.errors(include_input=False, include_url=False)]


def check(model: type[ModelT], data: Any, error_of: Callable[[list[Problem]], errors.ApiError]) -> ModelT:
    """Read `data` as `model`.

    Raises:
        ApiError: As built by `error_of` from the problems.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise error_of(problems_of(error)) from None


def path_id(value: str, name: str = "id") -> str:
    """Read an id from a path.

    Raises:
        ApiError: 400, it is not a UUID.
    """
    if not is_uuid(value):
        raise errors.invalid([(name, f'"{name}" must be a valid GUID')], part="params")
    return str(UUID(value))


def _problem(error: dict[str, Any]) -> Problem:
    path = ".".join(str(part) for part in error["loc"]) or "value"
    wording = _WORDING.get(error["type"])
    text = wording.format(**error.get("ctx", {})) if wording else error["msg"].removeprefix("Value error, ")
    return path, f'"{path}" {text}'
