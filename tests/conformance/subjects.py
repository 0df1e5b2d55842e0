"""The providers under test: their sandboxes, what a test needs to know of each, and nothing else."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import SecretStr

from countersign.agreements.messages import Signer
from countersign.agreements.reference import Marker, mark_title
from countersign.providers.documenso.settings import DocumensoSettings
from countersign.providers.registry import Account, account
from countersign.providers.turbodocx.settings import TurboDocxSettings
from countersign.settings.account import AccountSettings
from devstack.sandbox import API_KEY, ORG_ID, Sandbox
from sandbox.documenso.sandbox import DEFAULT_API_KEY

SECRET: Final = "conformance-secret-0123456789"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A provider under test.

    Args:
        kind: The provider.
        command: Starts its sandbox; `--host`, `--port` and `--data-dir` follow.
        api_key: The key that the sandbox takes.
        writes: The writes of a send: method and path, in order. The last one reaches the signers.
        sent: The ledger's kind of entry of a document that reached the signers.
        reads: A path of reads, which a fault may break.
        void: The path of voiding.
        remind: The path of reminding.
        download: The path of the signed file.
        link: The path of making a signing link; None if links come with reads.
        secret_header: Where a shared secret travels; None if deliveries are signed.
    """

    kind: str
    command: tuple[str, ...]
    api_key: str
    writes: tuple[tuple[str, str], ...]
    sent: str
    reads: str
    void: str
    remind: str
    download: str
    link: str | None = None
    secret_header: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> Account:
        """The account that is named like the provider."""
        return account(self.kind, self.kind)

    def settings_at(self, url: str, api_key: str | None = None) -> AccountSettings:
        """The account's settings for a sandbox."""
        key = SecretStr(api_key or self.api_key)
        if self.kind == "turbodocx":
            return TurboDocxSettings(
                api_key=key,
                org_id=ORG_ID,
                base_url=url,
                sender_email="contracts@example.com",
                sender_name="Example Contracts",
            )
        return DocumensoSettings(api_key=key, base_url=url)

    async def subscribe(self, sandbox: Sandbox, url: str) -> str:
        """Have the sandbox deliver to a receiver; return the secret."""
        for webhook in (await sandbox.call("GET", "/_sandbox/webhooks"))["webhooks"]:
            await sandbox.call("DELETE", f"/_sandbox/webhooks/{webhook['id']}")
        made = await sandbox.call(
            "POST", "/_sandbox/webhooks", {"name": "signature", "url": url, "secret": SECRET}
        )
        return str(made["secret"])

    async def send_by_hand(self, sandbox: Sandbox, marker: Marker, title: str, *people: Signer) -> str:
        """Have a colleague send another document that carries an agreement's marker; return its id."""
        listed = [{"name": person.name, "email": person.email} for person in people]
        body = {"title": title, "external_id": str(marker), "recipients": listed}
        if self.kind == "turbodocx":
            body = {"title": mark_title(title, marker), "recipients": listed}
        return str((await sandbox.call("POST", "/_sandbox/documents", body))["id"])

    async def sent_for(self, sandbox: Sandbox, reference: str) -> list[str]:
        """The documents that reached the signers of an agreement, one entry for every time they did."""
        entries = (await sandbox.ledger())["entries"]
        created = {
            entry["subject"]
            for entry in entries
            if entry["kind"] == "document_created" and f"[{reference}~" in json.dumps(entry)
        }
        return [
            entry["subject"]
            for entry in entries
            if entry["kind"] == self.sent and entry["subject"] in created
        ]


SUBJECTS: Final = (
    Subject(
        kind="turbodocx",
        command=(sys.executable, "-m", "sandbox"),
        api_key=API_KEY,
        writes=(("POST", "/turbosign/single/prepare-for-signing"),),
        sent="document_created",
        reads="/turbosign/documents/*/recipients",
        void="/turbosign/documents/*/void",
        remind="/turbosign/documents/*/send-reminder",
        download="/turbosign/documents/*/download",
        link="/turbosign/documents/*/signing-url",
    ),
    Subject(
        kind="documenso",
        command=(sys.executable, "-m", "sandbox", "documenso"),
        api_key=DEFAULT_API_KEY,
        writes=(("POST", "/api/v2/envelope/create"), ("POST", "/api/v2/envelope/distribute")),
        sent="document_sent",
        reads="/api/v2/envelope/envelope_*",
        void="/api/v2/envelope/cancel",
        remind="/api/v2/envelope/redistribute",
        download="/api/v2/envelope/item/*",
        secret_header="X-Documenso-Secret",
    ),
)


def signers_of(document: Mapping[str, Any]) -> list[str]:
    """The ids of a document's signers, in order, as the control API lists them."""
    return [str(person["id"]) for person in document["recipients"]]
