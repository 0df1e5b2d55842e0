"""How values become payloads: pydantic's JSON, with fewer fields of Countersign's own messages."""

from typing import Any, Final

from pydantic_core import to_json
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
)

from countersign.agreements.events import SignatureEvent
from countersign.agreements.messages import Message, Short
from countersign.configuration import SettingsError

ENCRYPTED: Final = "binary/encrypted"
"""The encoding of encrypted payloads in Temporal's samples and UI."""


class _JsonConverter(PydanticJSONPlainPayloadConverter):
    """Leaves fields that are None out of Countersign's messages, and all defaults out of `Short` ones.

    Other values keep theirs: a model of yours may require the field.
    """

    def to_payload(self, value: Any) -> Payload | None:
        if not isinstance(value, Message | SignatureEvent):
            return super().to_payload(value)
        usual = _usual(value) if isinstance(value, Short) else None
        data = (
            value.__pydantic_serializer__.to_json(value, exclude=usual, exclude_none=True)
            if usual
            else to_json(value, exclude_none=True)
        )
        return Payload(metadata={"encoding": self.encoding.encode()}, data=data)


class _EncryptedConverter(EncodingPayloadConverter):
    """Explains a payload that no codec has decrypted."""

    @property
    def encoding(self) -> str:
        return ENCRYPTED

    def to_payload(self, value: Any) -> Payload | None:  # noqa: ARG002  # it encodes nothing
        return None

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:  # noqa: ARG002
        raise SettingsError("what Temporal holds is encrypted: set COUNTERSIGN_ENCRYPTION_KEYS here, too")


def _usual(value: Short) -> set[str]:
    fields = type(value).model_fields
    return {name for name, field in fields.items() if getattr(value, name) == field.default}


_JSON: Final = _JsonConverter()
_CONVERTERS: Final = tuple(
    _JSON if converter.encoding == _JSON.encoding else converter
    for converter in DefaultPayloadConverter.default_encoding_payload_converters
)


class PayloadConverter(CompositePayloadConverter):
    """The converter of clients, workers and replays.

    The SDK makes one for each workflow task. All share one JSON converter, and so what it caches by type.
    """

    def __init__(self) -> None:
        """Use the SDK's converters, but for JSON and for what is encrypted."""
        super().__init__(*_CONVERTERS, _EncryptedConverter())
