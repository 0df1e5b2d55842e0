"""Lists of agreements from Temporal's visibility store, without queries to workers."""

import asyncio
import base64
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, computed_field
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from countersign.agreements import search_attributes
from countersign.agreements.messages import Outcome, Stage, WaitingFor
from countersign.agreements.names import DEFAULT_ACCOUNT, WORKFLOW_NAME
from countersign.agreements.reference import WORKFLOW_ID_PREFIX
from countersign.client.connections import explained, shared_client
from countersign.client.errors import BadInputError

_AGREEMENTS: Final = f'WorkflowType = "{WORKFLOW_NAME}" and ExecutionStatus != "ContinuedAsNew"'
"""Of an agreement that continued as new, only the newest run counts."""

_RUNNING: Final = 'ExecutionStatus = "Running"'
STUCK: Final = f"{_AGREEMENTS} and {_RUNNING} and {search_attributes.REPORTED_PROBLEMS.name} IS NOT NULL"
"""The list filter of stuck agreements. Only running ones: a terminated one may keep the search attribute."""

_PAGE: Final = 1000
_CHECKSUM_LENGTH: Final = 8
_COMPLETED: Final = 'ExecutionStatus = "Completed"'
_OTHER_ENDS: Final = " and ".join(
    f'{search_attributes.STAGE.name} != "{end}"' for end in Outcome if end is not Outcome.COMPLETED
)
"""A completed agreement keeps the search attributes of its wait: see `AgreementState.conclude`."""
_FAILED: Final = f'ExecutionStatus != "Running" and ExecutionStatus != "Completed" and {_OTHER_ENDS}'
_ENDS: Final = frozenset(Stage(outcome) for outcome in Outcome)


class ListedAgreement(BaseModel):
    """An agreement in a list. Its reference is in lower case.

    Args:
        reference: The agreement's reference.
        account: The account at the provider.
        stage: The stage; None just after the start.
        waiting_for: Who or what the agreement waits for.
        needs_attention: Whether a person must decide something; `status` shows what.
        stuck: Whether its workflow task keeps failing, which blocks it; `status` shows why.
        document_id: The provider's id of the document, once known.
        deadline: When the agreement expires.
        started_at: When the agreement started.
        ended_at: When the agreement ended; None while it runs.
        failed: Whether it ended without an outcome: it failed or was terminated; `status` shows why.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    account: str | None
    stage: str | None
    waiting_for: str | None
    needs_attention: bool
    stuck: bool
    document_id: str | None
    deadline: datetime | None
    started_at: datetime
    ended_at: datetime | None

    @computed_field  # type: ignore[prop-decorator]  # mypy supports only plain properties
    @property
    def failed(self) -> bool:
        """Whether the agreement ended without an outcome."""
        return self.ended_at is not None and self.stage not in frozenset(Outcome)


async def list_agreements(
    *,
    account: str | None = None,
    stage: Stage | None = None,
    needs_attention: bool = False,
    stuck: bool = False,
    failed: bool = False,
    where: str | None = None,
    ended: bool = False,
    limit: int = 1000,
    client: Client | None = None,
) -> list[ListedAgreement]:
    """Return agreements, the oldest first.

    Reads all matching agreements in pages of 1000, because Temporal sorts the newest first.

    Args:
        account: Only agreements of this account.
        stage: Only agreements at this stage.
        needs_attention: Only agreements that need attention.
        stuck: Only agreements with a workflow task that keeps failing.
        failed: Only agreements that ended without an outcome.
        where: Only agreements that match this condition in Temporal's list filter language
            (https://docs.temporal.io/list-filter), for example `DocumentId = "..."`.
        ended: Include agreements that have ended. A final `stage` implies it.
        limit: The maximum number of agreements; the oldest are kept.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: `where` is invalid, or no agreement can match.
        UnreachableError: Temporal does not respond.
    """
    query = agreement_query(
        account=account,
        stage=stage,
        needs_attention=needs_attention,
        stuck=stuck,
        failed=failed,
        where=where,
        ended=ended,
    )
    oldest = deque[ListedAgreement](maxlen=limit)
    async for agreement in matching_agreements(query, client=client):
        oldest.append(agreement)
    return sorted(oldest, key=lambda agreement: agreement.started_at)


async def matching_agreements(query: str, *, client: Client | None = None) -> AsyncIterator[ListedAgreement]:
    """Yield the agreements that match a query of `agreement_query`, the newest first, page by page.

    Raises:
        BadInputError: The query is invalid.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    async with explained("list"):
        async for workflow in client.list_workflows(query, page_size=_PAGE):
            yield _listed(workflow)


class AgreementPage(BaseModel):
    """A page of a list.

    Args:
        agreements: The agreements, the newest first.
        cursor: Where the next page begins; None if this is the last one.
    """

    model_config = ConfigDict(frozen=True)

    agreements: tuple[ListedAgreement, ...]
    cursor: str | None = None


async def agreement_page(
    query: str, *, cursor: str | None = None, limit: int = 100, client: Client | None = None
) -> AgreementPage:
    """Return one page of the agreements that match a query, the newest first.

    Args:
        query: The value of `agreement_query`.
        cursor: The previous page's `cursor`, with the same query.
        limit: The maximum number of agreements on the page, 1 to 1000.
        client: A connection to use; by default a shared one.

    Raises:
        BadInputError: The cursor is invalid.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    pages = client.list_workflows(query, page_size=limit, next_page_token=_page_token(cursor, query))
    async with explained("list"):
        await pages.fetch_next_page()
    token = pages.next_page_token
    return AgreementPage(
        agreements=tuple(_listed(workflow) for workflow in pages.current_page or ()),
        cursor=_cursor(token, query) if token else None,
    )


def _cursor(token: bytes, query: str) -> str:
    return base64.urlsafe_b64encode(_checksum(token, query) + token).decode()


def _page_token(cursor: str | None, query: str) -> bytes | None:
    """Return Temporal's token of a page, which Temporal does not check well enough itself."""
    if not cursor:
        return None
    try:
        decoded = base64.b64decode(cursor, b"-_", validate=True)
    except ValueError:
        decoded = b""
    checksum, token = decoded[:_CHECKSUM_LENGTH], decoded[_CHECKSUM_LENGTH:]
    if checksum != _checksum(token, query):
        raise BadInputError("cursor: use the `cursor` of the previous page with the same filters, unchanged")
    return token


def _checksum(token: bytes, query: str) -> bytes:
    return hashlib.sha256(query.encode() + token).digest()[:_CHECKSUM_LENGTH]


async def count_by_stage(query: str, *, client: Client | None = None) -> dict[Stage, int]:
    """Count the agreements at every stage: one request for each. Failed agreements are at none.

    Args:
        query: The value of `agreement_query`.
        client: A connection to use; by default a shared one.

    Raises:
        UnreachableError: Temporal does not respond.
    """
    counts = await asyncio.gather(
        *(count_agreements(f"{query} and {_now_at(stage)}", client=client) for stage in Stage)
    )
    return dict(zip(Stage, counts, strict=True))


async def count_agreements(query: str, *, client: Client | None = None) -> int:
    """Count the agreements that match a query of `agreement_query`.

    Raises:
        BadInputError: The query is invalid.
        UnreachableError: Temporal does not respond.
    """
    client = client or await shared_client()
    async with explained("list"):
        return (await client.count_workflows(query)).count


def agreement_query(
    *,
    account: str | None = None,
    stage: Stage | None = None,
    needs_attention: bool = False,
    stuck: bool = False,
    failed: bool = False,
    where: str | None = None,
    ended: bool = False,
    prefix: str | None = None,
) -> str:
    """Build the list filter for the arguments of `list_agreements`.

    `prefix` selects the references that begin with it.

    Raises:
        BadInputError: No agreement can match, because an ended agreement is not stuck and needs no attention.
    """
    if (failed or stage in _ENDS) and (stuck or needs_attention):
        raise BadInputError("no agreement can match: an ended agreement is not stuck and needs no attention")
    if failed and stage in _ENDS:
        raise BadInputError(f"no agreement can match: a failed agreement has no outcome such as {stage}")
    conditions = [STUCK if stuck else _AGREEMENTS]
    if failed:
        conditions.append(_FAILED)
    elif not ended and stage not in _ENDS:
        conditions.append(_RUNNING)
    if account:
        conditions.append(f'{search_attributes.ACCOUNT.name} = "{_checked_account(account)}"')
    if stage:
        conditions.append(_at_stage(stage))
    if needs_attention:
        conditions.append(f"{search_attributes.NEEDS_ATTENTION.name} = true")
    if prefix:
        conditions.append(f'WorkflowId STARTS_WITH "{WORKFLOW_ID_PREFIX}{_checked_prefix(prefix)}"')
    if where:
        conditions.append(f"({where})")
    return " and ".join(conditions)


def _now_at(stage: Stage) -> str:
    """Select the agreements at a stage; a failed one keeps the stage that it failed at."""
    return _at_stage(stage) if stage in _ENDS else f"{_at_stage(stage)} and {_RUNNING}"


def _at_stage(stage: Stage) -> str:
    if stage is Stage.COMPLETED:
        return f"{_COMPLETED} and {_OTHER_ENDS}"
    here = f'{search_attributes.STAGE.name} = "{stage}"'
    return here if stage in _ENDS else f'{here} and ExecutionStatus != "Completed"'


def _checked_account(name: str) -> str:
    if re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name) is None:
        raise BadInputError(f"account: use the name of an account, for example {DEFAULT_ACCOUNT}")
    return name


def _checked_prefix(prefix: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", prefix) is None:
        raise BadInputError("prefix: use letters, digits, dots, dashes or underscores")
    return prefix.lower()


def _listed(execution: WorkflowExecution) -> ListedAgreement:
    known = execution.typed_search_attributes
    has_completed = execution.status is WorkflowExecutionStatus.COMPLETED
    waiting_for = WaitingFor.NO_ONE if has_completed else known.get(search_attributes.WAITING_FOR)
    return ListedAgreement(
        reference=execution.id.removeprefix(WORKFLOW_ID_PREFIX),
        account=known.get(search_attributes.ACCOUNT),
        stage=search_attributes.shown_stage(known.get(search_attributes.STAGE), has_completed=has_completed),
        waiting_for=waiting_for,
        needs_attention=known.get(search_attributes.NEEDS_ATTENTION) or False,
        stuck=bool(known.get(search_attributes.REPORTED_PROBLEMS)) and execution.close_time is None,
        document_id=known.get(search_attributes.DOCUMENT_ID),
        deadline=known.get(search_attributes.DEADLINE),
        started_at=execution.start_time,
        ended_at=execution.close_time,
    )
