"""Inviting signers apart from the send, each once and when it is their turn: what is known of it. Pure."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from workflows.progress import Progress, RecipientProgress


class Invitations(BaseModel):
    """Who was invited in a step of its own, the send itself having e-mailed nobody.

    Args:
        apart: Whether this agreement invites apart from the send, as claimed.
        attempts: How many times inviting was tried.
        invited: Ids of recipients who are not to be invited again.
        doubtful: Ids of recipients who may or may not have been e-mailed.
        turn: Ids of those whose turn it was at the last attempt.
        since: When that turn was first tried.
    """

    model_config = ConfigDict(frozen=True)

    apart: bool = False
    attempts: int = 0
    invited: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    turn: frozenset[str] = frozenset()
    since: datetime | None = None

    def uninvited(self, progress: Progress) -> frozenset[str]:
        """Find those whose turn it is, and of whom nothing says that they were reached."""
        if not self.apart or progress.ended is not None:
            return frozenset()
        reached = {
            each.recipient_id for each in progress.recipients if each.mailed or each.viewed_at is not None
        }
        return whose_turn(progress) - self.invited - reached

    def in_doubt(self, progress: Progress) -> frozenset[str]:
        """Find those of them whose invitation may have gone out."""
        return self.uninvited(progress) & self.doubtful

    def is_new_turn(self, progress: Progress) -> bool:
        """Tell whether somebody is to be invited whose turn has only just come."""
        return bool(self.uninvited(progress)) and whose_turn(progress) != self.turn

    def attempt(self, progress: Progress, now: datetime) -> "Invitations":
        """Note that those whose turn it is are being invited."""
        turn = whose_turn(progress)
        since = self.since if turn == self.turn else now
        return self.model_copy(update={"attempts": self.attempts + 1, "turn": turn, "since": since})

    def settle(self, recipient_ids: frozenset[str]) -> "Invitations":
        """Note that these were invited."""
        return self.model_copy(
            update={"invited": self.invited | recipient_ids, "doubtful": self.doubtful - recipient_ids}
        )

    def doubt(self, recipient_ids: frozenset[str]) -> "Invitations":
        """Note that these may have been invited."""
        return self.model_copy(update={"doubtful": self.doubtful | recipient_ids})

    def retry(self) -> "Invitations":
        """Note that nobody in doubt was reached, as a person says: they are to be invited anew."""
        return self.model_copy(update={"doubtful": frozenset(), "turn": frozenset()})


def whose_turn(progress: Progress) -> frozenset[str]:
    """Find whose turn it is to sign: those of the lowest order that have not; all while no order is known."""
    unsigned = [each for each in progress.recipients if each.signed_at is None]
    first = min((_order(each) for each in unsigned), default=0)
    return frozenset(each.recipient_id for each in unsigned if _order(each) == first)


def _order(recipient: RecipientProgress) -> int:
    return recipient.order or 0
