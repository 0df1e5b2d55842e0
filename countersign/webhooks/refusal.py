"""How every step of the door says no."""

from countersign.webhooks.verdict import Verdict


class RefusedError(Exception):
    """The request is not looked at any further.

    Args:
        verdict: Why.
        caller: Who sent it, where that is the reason.
    """

    def __init__(self, verdict: Verdict, *, caller: str | None = None) -> None:
        super().__init__(verdict)
        self.verdict = verdict
        self.caller = caller
