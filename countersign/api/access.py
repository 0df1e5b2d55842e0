"""Who may do what: the bearer token of a request, its scopes, its tenant, and its rate limit."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from countersign.agreements.batches import BatchInput, BatchOwner
from countersign.agreements.messages import AgreementInput
from countersign.api import problems
from countersign.api.models import CALLER, SECRET_FIELD, STORED_FIELD
from countersign.api.problems import ProblemError
from countersign.api.tokens import RefusedTokenError, Scope, TokenRecord, Verifier
from countersign.observability.metrics import API_REFUSED
from countersign.storage import StorageError

_CHALLENGE: Final = 'Bearer realm="countersign"'
_BURST_SECONDS: Final = 10
_COUNTED_TOKENS: Final = 10_000
REASONS: Final = ("missing", "unknown", "expired", "revoked", "scope", "rate")
"""Why a request was refused, as the metrics count it."""


class RateLimit:
    """A token bucket per bearer token: so many requests per second, averaged over ten seconds.

    Args:
        per_second: Requests.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second * _BURST_SECONDS)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, token_id: str) -> float:
        """Count a request; return the seconds to wait if it is too many, else 0."""
        now = self._clock()
        left, at = self._buckets.get(token_id, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._buckets[token_id] = (left if wait else left - 1), now
        self._buckets.move_to_end(token_id)
        if len(self._buckets) > _COUNTED_TOKENS:
            self._buckets.popitem(last=False)
        return wait


@dataclass(frozen=True, slots=True)
class Gate:
    """Admits requests.

    Args:
        verifier: Verifies tokens.
        limit: Counts requests.
    """

    verifier: Verifier
    limit: RateLimit

    async def admit(self, header: str | None, scope: Scope) -> TokenRecord:
        """Return the token of a request.

        Args:
            header: The header `Authorization`.
            scope: What the request needs.

        Raises:
            ProblemError: The token is missing, invalid, too weak or too busy.
        """
        record = await self._verified(header)
        if wait := self.limit.take(record.id):
            _count("rate")
            raise ProblemError(problems.THROTTLED, headers={"Retry-After": str(math.ceil(wait))})
        if scope not in record.scopes:
            _count("scope")
            challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'
            raise ProblemError(
                problems.FORBIDDEN, f"it needs the scope {scope}", headers={"WWW-Authenticate": challenge}
            )
        return record

    async def _verified(self, header: str | None) -> TokenRecord:
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            _count("missing")
            raise ProblemError(problems.UNAUTHORIZED, headers={"WWW-Authenticate": _CHALLENGE})
        try:
            return await self.verifier.verify(token.strip())
        except RefusedTokenError as refused:
            _count(refused.reason)
            challenge = f'{_CHALLENGE}, error="invalid_token"'
            raise ProblemError(problems.UNAUTHORIZED, headers={"WWW-Authenticate": challenge}) from None
        except StorageError:
            raise ProblemError(problems.UNAVAILABLE, "the tokens cannot be read") from None


def expect() -> None:
    """Start the counters at zero. Prometheus sees no increase in a series that starts at one."""
    for reason in REASONS:
        API_REFUSED.labels(reason=reason)


def _count(reason: str) -> None:
    API_REFUSED.labels(reason=reason).inc()


def check_reference(token: TokenRecord, reference: str) -> None:
    """Check that a token may use a reference; to others it does not exist.

    Raises:
        ProblemError: It may not.
    """
    if not token.may_use(reference):
        raise ProblemError(problems.UNKNOWN)


def check_account(token: TokenRecord, agreement: AgreementInput, default: str) -> None:
    """Check that a token may use an agreement's account.

    Raises:
        ProblemError: It may not.
    """
    if token.account and (agreement.account or default) != token.account:
        raise ProblemError(problems.UNKNOWN)


def within_bounds(draft: Mapping[str, Any], token: TokenRecord) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Complete a draft of an agreement with what its token says.

    Returns:
        The draft, and what in it contradicts the token, one clause each.
    """
    wrong: list[str] = []
    if CALLER in draft:
        wrong.append(f"{CALLER}: no such field; the token's name is used")
    if STORED_FIELD in draft:
        wrong.append(f"{STORED_FIELD}: no such field; send {SECRET_FIELD}")
    if token.account and draft.get("account", token.account) != token.account:
        wrong.append(f"account: the token is bound to {token.account}")
    for name in ("reference", "supersedes"):
        value = draft.get(name)
        # A number becomes a text when the draft is checked.
        if value is not None and value != "" and not token.may_use(str(value)):
            wrong.append(f"{name}: the token is bound to references that begin with {token.prefix}")
    own = {CALLER: token.name} | ({"account": token.account} if token.account else {})
    return {**draft, **own}, tuple(wrong)


def owner_of(token: TokenRecord) -> BatchOwner | None:
    """Return whose batches a token starts: they have its bounds."""
    if token.account is None and token.prefix is None:
        return None
    return BatchOwner(account=token.account, prefix=token.prefix and token.prefix.lower())


def check_batch_owner(token: TokenRecord, batch: BatchInput) -> None:
    """Check that a token may use a batch: that all rows are within its bounds, because its starter's are.

    Raises:
        ProblemError: It may not; to it, the batch does not exist.
    """
    owner = batch.owner or BatchOwner()
    if (token.account and owner.account != token.account) or not token.may_use(owner.prefix or ""):
        raise ProblemError(problems.UNKNOWN_BATCH)


def batch_prefix(token: TokenRecord) -> str:
    """Return how the names of a token's batches begin: as its references, in a batch's characters."""
    return (token.prefix or "").lower().replace(".", "-").replace("_", "-")
