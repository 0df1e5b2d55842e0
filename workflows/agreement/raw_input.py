"""The input of a run, read from its raw payloads: undecodable input must end the workflow, not its task."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from countersign.agreements.failures import BAD_INPUT
from workflows.agreement.state import RunInput

MethodT = TypeVar("MethodT", bound=Callable[..., Any])

_JSON: Final = frozenset({b"json/plain", b"json/protobuf"})
_OTHER: Final = frozenset({b"binary/null", b"binary/plain", b"binary/protobuf"})
_NAME_LIMIT: Final = 80

_WORDS: Final = {
    "missing": "is missing",
    "json_": "is not valid JSON",
    "model_": "must be a JSON object",
    "dict_": "must be a JSON object",
    "tuple_": "must be a list",
    "string_type": "must be a text",
    "time_delta_": "must be an ISO 8601 duration, for example P3D or PT12H",
    "datetime_": "must be an ISO 8601 time with an offset, for example 2027-01-31T12:00:00Z",
    "union_tag_": "must be an object whose kind is {expected_tags}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "int_": "must be a whole number",
    "float_": "must be a number",
    "bool_": "must be true or false",
}
"""What to write instead, by how pydantic's name of the mistake begins."""


def takes_payloads(method: MethodT) -> MethodT:
    """Let the SDK pass the raw payload to a method `(self, *payloads: RawValue)`, and any number of inputs.

    The SDK decodes arguments by the signature, and a method with `*payloads` would get none of them raw. So
    the signature names one raw payload; the method itself takes what comes.
    """
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = {"self": inspect.Parameter.empty, "payloads": RawValue}
    parameters = [inspect.Parameter(name, kind, annotation=type_) for name, type_ in names.items()]
    vars(method)["__signature__"] = inspect.Signature(parameters)
    return method


def read_input(payloads: Sequence[Any], *, continues: bool) -> RunInput:
    """Read what a run begins with.

    Args:
        payloads: All inputs of the run.
        continues: Whether the run continues another one. Only then it takes over what that one knew: a
            caller who sends the same fields would skip the claim and the send.

    Raises:
        ApplicationError: `BadInput`, with one sentence that names the field and quotes no value.
        RuntimeError: The payload is encrypted, and this worker has no codec: another worker may read it.
    """
    if len(payloads) != 1:
        raise bad_input(f"the workflow takes one input, an AgreementInput, and was given {len(payloads)}")
    (raw,) = payloads
    encoding = raw.payload.metadata.get("encoding", b"")
    if encoding in _OTHER:
        raise bad_input("the input must be a JSON object, an AgreementInput")
    if encoding not in _JSON:
        raise RuntimeError("the input cannot be decoded: does this worker lack its encryption keys?")
    try:
        agreement = RunInput.model_validate_json(raw.payload.data)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False)
        raise bad_input("; ".join(_sentence(mistake) for mistake in mistakes[:5])) from None
    return agreement if continues else agreement.model_copy(update={"carried": None})


def bad_input(sentence: str) -> ApplicationError:
    """Make the failure of an agreement that must not begin."""
    return ApplicationError(sentence, type=BAD_INPUT, non_retryable=True)


def _sentence(mistake: Mapping[str, Any]) -> str:
    kind, limits = mistake["type"], mistake.get("ctx", {})
    words = next((words for name, words in _WORDS.items() if kind.startswith(name)), None)
    place = _place(mistake["loc"])
    if words is None:
        return f"{place}: {mistake['msg'].removeprefix('Value error, ')}"
    return f"{place}: {words.format(**limits)}"


def _place(loc: tuple[int | str, ...]) -> str:
    """Name a field as JSON does, `signers[0].email`, without the source's kind, which pydantic adds."""
    if loc[:1] == ("source",):
        loc = (*loc[:1], *loc[2:])
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    printable = "".join(character if character.isprintable() else "?" for character in path)
    return printable[:_NAME_LIMIT] or "input"
