"""What a provider adds to the core: its API, its webhooks, and what people do with its documents."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from sandbox.core import pages
from sandbox.core.bodies import BodyError
from sandbox.core.errors import ApiError
from sandbox.core.fault_responses import FaultBodies
from sandbox.core.fault_rules import WebhookFault
from sandbox.core.sandbox import Sandbox
from sandbox.core.store import Row

Way = Literal["sign", "embed"]
"""How a signing page is opened: by itself, or in a frame, where the provider has other links for that."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a signer finds behind a signing link.

    Args:
        page: The texts and fields of the page.
        content: The document, a PDF.
    """

    page: pages.SigningPage
    content: bytes


class People(ABC):
    """What people do with documents, on pages and through the control API.

    All methods raise `ApiError` for an unknown id or token, and for what the document's state forbids.
    """

    @abstractmethod
    def documents(self, title: str) -> list[dict[str, Any]]:
        """Return the documents whose title contains `title`, oldest first, as the control API shows them."""

    @abstractmethod
    def document(self, document_id: str) -> dict[str, Any]:
        """Return one document as the control API shows it."""

    @abstractmethod
    def make(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create and send a document as another member of the organization, and return it."""

    @abstractmethod
    def complete(self, document_id: str, body: dict[str, Any]) -> None:
        """Sign for all remaining signers, in their order."""

    @abstractmethod
    def finalize(self, document_id: str, body: dict[str, Any]) -> None:
        """Make the signed PDF of a document whose finalization has failed."""

    @abstractmethod
    def view(self, document_id: str, recipient_id: str) -> None:
        """Open the document as a recipient."""

    @abstractmethod
    def sign(self, document_id: str, recipient_id: str, entries: dict[str, Any] | None) -> None:
        """Sign as a recipient, with the entries by field number."""

    @abstractmethod
    def decline(self, document_id: str, recipient_id: str, reason: str) -> None:
        """Decline to sign as a recipient."""

    @abstractmethod
    def open_link(self, token: str) -> Task | None:
        """Open a signing link, which counts as a view; None if its signer has nothing left to do."""

    @abstractmethod
    def sign_link(self, token: str, form: dict[str, str]) -> None:
        """Sign through a link with the entries of a form; a second signature changes nothing."""

    @abstractmethod
    def decline_link(self, token: str, reason: str) -> None:
        """Decline through a link."""

    @abstractmethod
    def result(self, token: str, base_url: str) -> pages.Outcome | None:
        """Return what a signer has reached; None if they have not acted."""

    @abstractmethod
    def departure(self, token: str, way: Way, *, again: bool) -> pages.Departure:
        """Return what the page does when its signer has acted.

        Args:
            token: The link's token.
            way: How the page was opened.
            again: The signer has acted before, and opens the link once more.
        """

    @abstractmethod
    def frame_ancestors(self, way: Way) -> str:
        """Return who may show a signing page in a frame, in the words of `frame-ancestors`."""

    @abstractmethod
    def current(self, token: str) -> bytes:
        """Return the document behind a link with the signatures that it has so far."""

    @abstractmethod
    def signed_pdf(self, document_id: str) -> bytes:
        """Return the signed PDF of a completed document."""

    @abstractmethod
    def refusal(self, error: ApiError) -> tuple[str, str, str]:
        """Return the headline and the message of an error on a page, and its code."""


class Provider(ABC):
    """A provider's wire format and rules.

    Args:
        sandbox: The state.
        people: What people do.
    """

    sweep_seconds: ClassVar[float] = 1.0
    """How often it does what is due."""
    events: ClassVar[Sequence[str]]
    """The event types of its webhooks."""
    fault_bodies: ClassVar[FaultBodies]
    """The error bodies of scripted faults."""

    def __init__(self, sandbox: Sandbox, people: People) -> None:
        self.sandbox = sandbox
        self.people = people

    @abstractmethod
    def routes(self) -> list[BaseRoute]:
        """Return the routes of the API, and the control routes that only this provider has."""

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Add middleware inside the faults."""
        return app

    @abstractmethod
    def is_api(self, path: str) -> bool:
        """Return whether API faults apply to a path."""

    @abstractmethod
    def unreadable(self, error: BodyError) -> ApiError:
        """Return the response to a body that cannot be read."""

    @abstractmethod
    def no_route(self, status: int, method: str, path: str) -> ApiError:
        """Return the response to an unknown path or method."""

    @abstractmethod
    def crash(self, path: str) -> ApiError:
        """Return the response to a bug of the sandbox."""

    @abstractmethod
    def seed(self) -> None:
        """Add the initial data that does not exist."""

    @abstractmethod
    def reset(self) -> None:
        """Restore the switches and the access of the start."""

    @abstractmethod
    def sweep(self) -> None:
        """Do what is due."""

    @abstractmethod
    def change_access(self, body: dict[str, Any]) -> None:
        """Replace the API key of `body`; the old one is rejected at once."""

    @abstractmethod
    def new_secret(self) -> str:
        """Return a new webhook secret."""

    @abstractmethod
    def attempt(self, row: Row, webhook: Row, fault: WebhookFault | None) -> tuple[dict[str, str], bytes]:
        """Build headers and body of a delivery attempt, with the fault of its rule."""

    @abstractmethod
    def states(self, document: str | None, recipient: str | None) -> tuple[str, str]:
        """Translate statuses into the inbox's words.

        Returns:
            `open`, `completed`, `voided`, `expired` or `declined` for the document; `completed`, `declined`
            or `open` for the recipient.
        """
