"""The activity that waits for an agreement: for workflows whose agreement is not their child.

`countersign.agreements.child` uses it when a parent meets an agreement that an earlier run of it has started.
"""

from typing import Any, Final

from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.exceptions import CancelledError as CanceledFailure
from temporalio.service import RPCError, RPCStatusCode

from countersign.agreements.failures import CANCELED, REFERENCE_USED, STILL_RUNNING, STOPPED
from countersign.agreements.messages import AgreementInput, AgreementResult
from countersign.agreements.names import AWAIT_AGREEMENT
from countersign.agreements.reference import workflow_id
from countersign.client.errors import ReferenceTakenError
from countersign.client.references import failed_before_sending, find_existing

BENIGN: Final = ApplicationErrorCategory.BENIGN


@activity.defn(name=AWAIT_AGREEMENT)
async def await_agreement(agreement: AgreementInput) -> AgreementResult:
    """Return the result of an agreement that has ended.

    Args:
        agreement: Its reference names the agreement; its content must be the same, but for the
            deadline.

    Raises:
        ApplicationError: `StillRunning`, to be retried. Not to be retried: `ReferenceUsed`, if the reference
            belongs to other content; `Canceled`; `Stopped`; the type that the agreement failed with.
    """
    client, reference = activity.client(), agreement.reference
    try:
        if not await failed_before_sending(client, reference):
            found = await find_existing(client, agreement, compare_deadline=False)
            if found.already_running:
                raise ApplicationError("the agreement still runs", type=STILL_RUNNING, category=BENIGN)
        return await _result(client.get_workflow_handle(workflow_id(reference), result_type=AgreementResult))
    except ReferenceTakenError as error:
        raise _final(str(error), type_=REFERENCE_USED) from None
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise _final("Temporal has no such agreement any more", type_=STOPPED) from None


async def _result(handle: WorkflowHandle[Any, AgreementResult]) -> AgreementResult:
    try:
        return await handle.result()
    except WorkflowFailureError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError):
            raise _final(cause.message, *cause.details, type_=cause.type or STOPPED) from None
        if isinstance(cause, CanceledFailure):
            raise _final("the agreement was canceled in Temporal and voided", type_=CANCELED) from None
        raise _final("the agreement was terminated in Temporal", type_=STOPPED) from None


def _final(sentence: str, *details: Any, type_: str) -> ApplicationError:
    return ApplicationError(sentence, *details, type=type_, non_retryable=True, category=BENIGN)
