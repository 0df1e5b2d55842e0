"""The state of the TurboDocx sandbox."""

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from sandbox.core import sandbox as core
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.core.ledger import Ledger
from sandbox.core.store import Store
from sandbox.turbodocx.behavior import Behavior
from sandbox.turbodocx.schema import SCHEMA

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


@dataclass(slots=True, kw_only=True)
class Sandbox(core.Sandbox):
    """The state of a TurboDocx with one organization."""

    access: Access
    behavior: Behavior

    def flag(self, value: object) -> bool | int:
        """Return a boolean in the API's form: a boolean, or a number with `booleans_as_numbers`."""
        return int(bool(value)) if self.behavior.booleans_as_numbers else bool(value)


def open_sandbox(access: Access, folder: Path | None, behavior: Behavior | None = None) -> Sandbox:
    """Open the sandbox of a data folder; None keeps it in memory."""
    store = Store(folder, SCHEMA)
    clock = Clock(store)
    kept = store.setting("behaviour")
    chosen = behavior or (Behavior.model_validate(kept) if kept else Behavior())
    return Sandbox(
        access=access,
        store=store,
        clock=clock,
        ledger=Ledger(store, clock),
        behavior=chosen,
        faults=Faults(store),
    )


def of(request: Request) -> Sandbox:
    """Return the sandbox of a request."""
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox
