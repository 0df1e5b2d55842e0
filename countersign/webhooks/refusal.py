"""How every step of the receiver says no."""

from countersign.webhooks.outcome import DeliveryOutcome


class RefusedError(Exception):
    """The request is not looked at any further.

    Args:
        outcome: Why.
        caller: Who sent it, where that is the reason.
    """

    def __init__(self, outcome: DeliveryOutcome, *, caller: str | None = None) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.caller = caller
