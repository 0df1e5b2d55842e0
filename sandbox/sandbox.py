"""What every part works with: who may call, the store, the clock, the ledger, switches and faults."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from sandbox.behaviour import Behaviour
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
        org_id: The one organisation.
    """

    api_key: str = DEFAULT_API_KEY
    member_key: str = DEFAULT_MEMBER_KEY
    org_id: str = DEFAULT_ORG_ID


@dataclass(slots=True)
class Sandbox:
    """One organisation at a provider of its own."""

    access: Access
    store: Store
    clock: Clock
    ledger: Ledger
    behaviour: Behaviour
    faults: Faults
    wake: Callable[[], None] = field(default=lambda: None)
    """Tells the webhook sender that something is due."""

    def flag(self, value: object) -> bool | int:
        """Write a boolean as the API does: as one, or as the number that the database behind it holds."""
        return int(bool(value)) if self.behaviour.booleans_as_numbers else bool(value)

    def change_behaviour(self, behaviour: Behaviour) -> None:
        """Switch, and remember it over a restart."""
        self.store.set("behaviour", behaviour.model_dump(mode="json"))
        self.behaviour = behaviour


def open_sandbox(access: Access, folder: Path | None, behaviour: Behaviour | None = None) -> Sandbox:
    """Open a sandbox in a data folder (None: in memory), as it was left there."""
    store = Store(folder)
    clock = Clock(store)
    kept = store.setting("behaviour")
    chosen = behaviour or (Behaviour.model_validate(kept) if kept else Behaviour())
    return Sandbox(access, store, clock, Ledger(store, clock), chosen, Faults(store))


def of(request: Request) -> Sandbox:
    """Find the sandbox that a request came to."""
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox
