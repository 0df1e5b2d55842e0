"""An agreement's input in the store: one payload, encrypted as Temporal's are."""

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from countersign.agreements.messages import AgreementInput
from countersign.configuration import SettingsError


class UnreadableInputError(Exception):
    """The stored input cannot be decrypted or parsed by this process."""


async def seal(agreement: AgreementInput, converter: DataConverter) -> bytes:
    """Write an input as a payload in JSON, `{"metadata": …, "data": …}`, through the converter's codec."""
    (payload,) = await converter.encode([agreement])
    return MessageToJson(payload, indent=None).encode()


async def unseal(content: bytes, converter: DataConverter) -> AgreementInput:
    """Read what `seal` wrote.

    Raises:
        UnreadableInputError: The key is missing or another one, or the content is none of `seal`.
    """
    try:
        (agreement,) = await converter.decode([Parse(content, Payload())], [AgreementInput])
        return AgreementInput.model_validate(agreement)
    except (ValueError, KeyError, ParseError, SettingsError, ApplicationError):
        raise UnreadableInputError from None
