"""Search attributes of agreements. Temporal stores them in plain text, so they hold no personal data."""

from datetime import datetime
from typing import Any, Final

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from countersign.agreements.messages import Outcome, Stage, WaitingFor

STAGE: Final = SearchAttributeKey.for_keyword("AgreementStage")
WAITING_FOR: Final = SearchAttributeKey.for_keyword("WaitingFor")
ACCOUNT: Final = SearchAttributeKey.for_keyword("ProviderAccount")
DOCUMENT_ID: Final = SearchAttributeKey.for_keyword("DocumentId")
NEEDS_ATTENTION: Final[SearchAttributeKey[bool]] = SearchAttributeKey.for_bool("NeedsAttention")
DEADLINE: Final[SearchAttributeKey[datetime]] = SearchAttributeKey.for_datetime("AgreementDeadline")
BATCH: Final = SearchAttributeKey.for_keyword("AgreementBatch")
REPORTED_PROBLEMS: Final = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
"""Set by Temporal Server 1.30 or later while the workflow task keeps failing, cleared once it completes."""

TYPES: Final = {
    "AgreementStage": "Keyword",
    "WaitingFor": "Keyword",
    "ProviderAccount": "Keyword",
    "DocumentId": "Keyword",
    "NeedsAttention": "Bool",
    "AgreementDeadline": "Datetime",
    "AgreementBatch": "Keyword",
}
"""Names and types in the spelling of `temporal operator search-attribute create`."""


def shown_stage(stage: str | None, *, has_completed: bool) -> str | None:
    """Return an agreement's stage by its search attribute.

    An agreement that ends as most do leaves the attribute as it was during the wait, which saves a billable
    action.

    Args:
        stage: The value of `STAGE`.
        has_completed: Whether the workflow completed: it neither runs nor failed.
    """
    return Stage.COMPLETED if has_completed and stage not in frozenset(Outcome) else stage


def at_start(
    account: str | None, deadline: datetime | None, batch: str | None = None
) -> TypedSearchAttributes:
    """Build the search attributes of a start. They are free there; an upsert is a billable action.

    Args:
        account: The account at the provider; None if the worker decides.
        deadline: The agreement's deadline, if it has one.
        batch: The batch that started it.
    """
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(STAGE, Stage.GENERATING),
        SearchAttributePair(WAITING_FOR, WaitingFor.PROVIDER),
    ]
    if account is not None:
        pairs.append(SearchAttributePair(ACCOUNT, account))
    if deadline is not None:
        pairs.append(SearchAttributePair(DEADLINE, deadline))
    if batch is not None:
        pairs.append(SearchAttributePair(BATCH, batch))
    return TypedSearchAttributes(pairs)
