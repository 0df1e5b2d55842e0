"""A client at the sandbox, and the sandbox's own record of what reached it and what it did."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from countersign.providers.calls import Limits
from countersign.providers.open_account import OpenAccount
from countersign.providers.registry import account
from countersign.providers.turbodocx.adapter import TurboDocx, connect
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.requests import Field, Recipient, SignatureRequest
from countersign.providers.turbodocx.settings import TurboDocxSettings
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings
from devstack.sandbox import API_KEY, ORG_ID, Sandbox

TEMPLATE_ID = "7e3a1c00-0000-4000-8000-000000000002"
SEND = "/turbosign/single/prepare-for-signing"
IMPATIENT = Limits(read_total=0.6, write_total=0.6, download_total=0.6)
ENDED_BY_TIME = {"hang", "drip"}
"""Faults that nothing but our own limits ends."""


ACCOUNT = account("turbodocx", "turbodocx")


def client_of(
    settings: Rotating[TurboDocxSettings],
    options: ProviderSettings | None = None,
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> TurboDocxClient:
    return connect(ACCOUNT.name, settings, options or ProviderSettings(), limits=limits, tls=tls).client


def client_in(opened: OpenAccount) -> TurboDocxClient:
    """The client of an account that is open as a worker opens it."""
    assert isinstance(opened.provider, TurboDocx)
    return opened.provider.client


def settings_of(sandbox: Sandbox, key: str = API_KEY) -> TurboDocxSettings:
    return TurboDocxSettings(
        api_key=SecretStr(key),
        org_id=ORG_ID,
        base_url=sandbox.url,
        sender_email="contracts@example.com",
        sender_name="Example Contracts",
    )


@dataclass(frozen=True)
class Desk:
    """A client at the sandbox, what to send, and the sandbox's own record of it."""

    sandbox: Sandbox
    client: TurboDocxClient
    deliverable_id: str
    title: str

    async def break_calls(self, path: str, method: str | None, **fault: Any) -> None:
        rule = {"path": path, "method": method, "times": None} | fault
        await self.sandbox.call("PUT", "/_sandbox/faults", {"api": [rule]})

    def client_for(self, fault: Mapping[str, Any]) -> TurboDocxClient:
        """A client for a fault; on a busy machine, others than these may take their time."""
        limits = IMPATIENT if fault["do"] in ENDED_BY_TIME else None
        return client_of(Rotating(settings_of(self.sandbox)), limits=limits)

    async def watch_calls(self) -> None:
        """Have `calls` count all calls, none of which goes wrong."""
        await self.break_calls("*", None, do="latency", skip=1_000_000)

    async def calls(self) -> int:
        """How many calls the fault has met."""
        return int((await self.sandbox.call("GET", "/_sandbox/faults"))["api"][0]["seen"])

    async def sent(self) -> int:
        """How many documents of this title were really created."""
        entries = (await self.sandbox.ledger())["entries"]
        return sum(
            entry["kind"] == "document_created" and entry["details"]["title"] == self.title
            for entry in entries
        )

    def request(self) -> SignatureRequest:
        return SignatureRequest(
            document_name=self.title,
            recipients=(Recipient(name="Ann Signer", email="ann@example.com", signing_order=1),),
            fields=(
                Field(
                    type="signature",
                    recipient_email="ann@example.com",
                    anchor="{signature1}",
                    width=200,
                    height=40,
                ),
            ),
            sender_email="contracts@example.com",
            sender_name="Example Contracts",
            deliverable_id=self.deliverable_id,
        )

    async def send(self, client: TurboDocxClient) -> object:
        return await client.prepare_for_signing(self.request(), idempotency_key=self.title)
