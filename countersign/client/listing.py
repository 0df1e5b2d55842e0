"""Find agreements by what Temporal's visibility store knows of them, without asking any worker."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, computed_field
from temporalio.client import Client, WorkflowExecution

from countersign.agreements import search_attributes
from countersign.agreements.messages import Outcome, Stage
from countersign.agreements.names import WORKFLOW_NAME
from countersign.agreements.reference import WORKFLOW_ID_PREFIX
from countersign.client.connections import explained, shared_client

_AGREEMENTS: Final = f'WorkflowType = "{WORKFLOW_NAME}"'

_RUNNING: Final = 'ExecutionStatus = "Running"'
STUCK: Final = f"{_AGREEMENTS} and {_RUNNING} and {search_attributes.REPORTED_PROBLEMS.name} IS NOT NULL"
"""Finds stuck agreements. One that was terminated while it was stuck keeps the search attribute."""

_ENDS: Final = frozenset(Stage(outcome) for outcome in Outcome)


class ListedAgreement(BaseModel):
    """What a list shows of an agreement. Its reference is in lower case: references have no case.

    Args:
        reference: Its reference.
        stage: Where it is; None if it has only just been started.
        waiting_for: Who or what moves it on.
        needs_attention: A person must decide something; `status` tells what.
        stuck: Its workflow task keeps failing, so nothing moves it on; `status` tells why.
        document_id: The provider's id of the document, once known.
        deadline: When it expires.
        started_at: When it was started.
        ended_at: When it ended, if it has.
        failed: It ended without an outcome: it failed, or somebody terminated it; `status` tells why.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    stage: str | None
    waiting_for: str | None
    needs_attention: bool
    stuck: bool
    document_id: str | None
    deadline: datetime | None
    started_at: datetime
    ended_at: datetime | None

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no property but the plain one
    @property
    def failed(self) -> bool:
        """Tell whether it ended without an outcome."""
        return self.ended_at is not None and self.stage not in frozenset(Outcome)


async def list_agreements(
    *,
    stage: Stage | None = None,
    needs_attention: bool = False,
    stuck: bool = False,
    where: str | None = None,
    ended: bool = False,
    limit: int = 1000,
    client: Client | None = None,
) -> list[ListedAgreement]:
    """List agreements, the oldest first.

    Args:
        stage: Only those at this stage.
        needs_attention: Only those that need attention.
        stuck: Only those whose workflow task keeps failing.
        where: Only those that this condition holds for, in Temporal's list filter language
            (https://docs.temporal.io/list-filter), for example `DocumentId = "..."`.
        ended: Those that have ended too, as those at a stage that is an end always have.
        limit: At most so many; of more, those that were started last.
        client: A connection to use.

    Raises:
        BadInputError: `where` cannot be read.
        UnreachableError: Temporal does not answer.
    """
    query = _query(stage, where, needs_attention=needs_attention, stuck=stuck, ended=ended)
    client = client or await shared_client()
    async with explained("list"):
        found = [_listed(workflow) async for workflow in client.list_workflows(query, limit=limit)]
    return sorted(found, key=lambda agreement: agreement.started_at)


def _query(stage: Stage | None, where: str | None, *, needs_attention: bool, stuck: bool, ended: bool) -> str:
    conditions = [STUCK if stuck else _AGREEMENTS]
    if not ended and stage not in _ENDS:
        conditions.append(_RUNNING)
    if stage:
        conditions.append(f'{search_attributes.STAGE.name} = "{stage}"')
    if needs_attention:
        conditions.append(f"{search_attributes.NEEDS_ATTENTION.name} = true")
    if where:
        conditions.append(f"({where})")
    return " and ".join(conditions)


def _listed(execution: WorkflowExecution) -> ListedAgreement:
    known = execution.typed_search_attributes
    return ListedAgreement(
        reference=execution.id.removeprefix(WORKFLOW_ID_PREFIX),
        stage=known.get(search_attributes.STAGE),
        waiting_for=known.get(search_attributes.WAITING_FOR),
        needs_attention=known.get(search_attributes.NEEDS_ATTENTION) or False,
        stuck=bool(known.get(search_attributes.REPORTED_PROBLEMS)) and execution.close_time is None,
        document_id=known.get(search_attributes.DOCUMENT_ID),
        deadline=known.get(search_attributes.DEADLINE),
        started_at=execution.start_time,
        ended_at=execution.close_time,
    )
