"""The state of the Documenso sandbox."""

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from sandbox.core import sandbox as core
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.core.ledger import Ledger
from sandbox.core.store import Store
from sandbox.documenso.behavior import Behavior
from sandbox.documenso.schema import SCHEMA

DEFAULT_API_KEY = "api_sandbox_team_one"
DEFAULT_OTHER_KEY = "api_sandbox_team_two"
DEFAULT_EXPIRED_KEY = "api_sandbox_expired"


@dataclass(frozen=True, slots=True)
class User:
    """A user: the owner of API tokens, or a colleague who works by hand."""

    id: int
    name: str
    email: str


OWNER = User(1, "The Sender", "sender@example.com")
COLLEAGUE = User(2, "Another Member", "member@example.com")
USERS = {user.id: user for user in (OWNER, COLLEAGUE)}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call the API: a token belongs to one team.

    Args:
        api_key: The token of team 1.
        other_key: The token of team 2.
        expired_key: A token of team 1 that has expired.
    """

    api_key: str = DEFAULT_API_KEY
    other_key: str = DEFAULT_OTHER_KEY
    expired_key: str = DEFAULT_EXPIRED_KEY


@dataclass(slots=True, kw_only=True)
class Sandbox(core.Sandbox):
    """The state of a Documenso with two teams."""

    access: Access
    behavior: Behavior


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
