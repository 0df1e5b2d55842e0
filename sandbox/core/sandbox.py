"""The state of a sandbox: store, clock, ledger, switches and faults."""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from sandbox.core.behavior import Behavior
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.core.ledger import Ledger
from sandbox.core.store import Store


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """The state that all sandboxes have."""

    store: Store
    clock: Clock
    ledger: Ledger
    behavior: Behavior
    faults: Faults
    wake: Callable[[], None] = field(default=lambda: None)
    """Wakes the webhook sender."""

    def change_behavior(self, behavior: Behavior) -> None:
        """Change the switches; they survive a restart."""
        self.store.set("behaviour", behavior.model_dump(mode="json"))
        self.behavior = behavior


def of(request: Request) -> Sandbox:
    """Return the sandbox of a request."""
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox
