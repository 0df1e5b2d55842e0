"""The state of a sandbox: access, store, clock, ledger, switches and faults."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from sandbox.behavior import Behavior
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.ledger import Ledger
from sandbox.store import Store

DEFAULT_API_KEY = "TDX-test-administrator"
DEFAULT_MEMBER_KEY = "TDX-test-contributor"
DEFAULT_ORG_ID = "0f9d3c5e-5a4b-4c1d-8e2f-000000000001"
USER_ID = "0f9d3c5e-5a4b-4c1d-8e2f-000000000002"
"""The user that the API keys belong to."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call the API.

    Args:
        api_key: A key with the administrator role.
        member_key: A key with the contributor role: everything but webhooks.
        org_id: The only organization.
    """

    api_key: str = DEFAULT_API_KEY
    member_key: str = DEFAULT_MEMBER_KEY
    org_id: str = DEFAULT_ORG_ID


@dataclass(slots=True)
class Sandbox:
    """The state of a sandbox with one organization."""

    access: Access
    store: Store
    clock: Clock
    ledger: Ledger
    behavior: Behavior
    faults: Faults
    wake: Callable[[], None] = field(default=lambda: None)
    """Wakes the webhook sender."""

    def flag(self, value: object) -> bool | int:
        """Return a boolean in the API's form: a boolean, or a number with `booleans_as_numbers`."""
        return int(bool(value)) if self.behavior.booleans_as_numbers else bool(value)

    def change_behavior(self, behavior: Behavior) -> None:
        """Change the switches; they survive a restart."""
        self.store.set("behaviour", behavior.model_dump(mode="json"))
        self.behavior = behavior


def open_sandbox(access: Access, folder: Path | None, behavior: Behavior | None = None) -> Sandbox:
    """Open the sandbox of a data folder; None keeps it in memory."""
    store = Store(folder)
    clock = Clock(store)
    kept = store.setting("behaviour")
    chosen = behavior or (Behavior.model_validate(kept) if kept else Behavior())
    return Sandbox(access, store, clock, Ledger(store, clock), chosen, Faults(store))


def of(request: Request) -> Sandbox:
    """Return the sandbox of a request."""
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox
