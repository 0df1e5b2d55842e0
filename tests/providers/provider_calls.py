"""One read and one write, to try every fault on."""

from collections.abc import Awaitable, Callable

from countersign.providers.errors import ProviderError
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.requests import Field, Recipient, SignatureRequest

DOCUMENT_ID = "3f0e9c1a-0000-4000-8000-00000000d0c1"

Operation = Callable[[TurboDocxClient], Awaitable[object]]


def request(name: str = "Contract [X-1~abc123]") -> SignatureRequest:
    return SignatureRequest(
        document_name=name,
        recipients=(Recipient(name="Jane Canary", email="jane@canary.example", signing_order=1),),
        sender_email="sender@canary.example",
        sender_name="Sam Canary",
        fields=(
            Field(
                type="signature", recipient_email="jane@canary.example", anchor="{S}", width=200, height=40
            ),
        ),
        deliverable_id="3f0e9c1a-0000-4000-8000-00000000de11",
    )


async def read(client: TurboDocxClient) -> object:
    return await client.document_status(DOCUMENT_ID)


async def write(client: TurboDocxClient) -> object:
    return await client.prepare_for_signing(request(), idempotency_key="x-1-abc123-send-1")


async def error_of(operation: Operation, client: TurboDocxClient) -> ProviderError:
    """What an operation ends in, which must be a provider error of exactly one class."""
    try:
        result = await operation(client)
    except ProviderError as error:
        return error
    raise AssertionError(f"succeeded: {result!r}")
