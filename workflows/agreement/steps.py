"""Every activity that an agreement runs, with its input, its queue and its policy.

Activities that call the provider run on the account's task queue, under its circuit breaker and its rate
limit. Activities that use the store alone run on the workflow's queue.

marker: what identifies a document as this agreement's, at the provider and in its webhooks
claim: the file in the store that holds the reference; numbered, because a released one is followed by another
attempt: one try to send, numbered by the workflow; each has a file in the store, which the send or
  `revoke_send` creates first
evidence: a sign of a document at the provider, after a send whose outcome is unknown
carried: what survives continue-as-new
"""

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as StepTimeoutError
from temporalio.workflow import (
    ActivityCancellationType,
    ActivityConfig,
    ActivityHandle,
    LocalActivityConfig,
)

from activities.requests import (
    ArchiveOutcome,
    ArchiveRequest,
    Checked,
    CheckRequest,
    Claimed,
    ClaimRequest,
    EndRequest,
    GenerateRequest,
    IdentifyRequest,
    Identity,
    Reminded,
    RemindRequest,
    SearchRequest,
    SearchResult,
    SendableSource,
    SendAttempt,
    SendRequest,
    Sent,
    VoidDocumentRequest,
)
from countersign.agreements.messages import DeliverableSource, Outcome, TemplateSource
from countersign.agreements.names import account_task_queue
from countersign.agreements.plural import number_of
from countersign.agreements.validation import needs_of
from countersign.workflow.failures import cause_of
from workflows.agreement import policies
from workflows.agreement.policies import Policy
from workflows.agreement.state import AgreementState

with workflow.unsafe.imports_passed_through():
    from activities.archive import ArchiveActivities
    from activities.claims import ClaimActivities
    from activities.documents import DocumentActivities
    from activities.signatures import SignatureActivities

ResultT = TypeVar("ResultT")

_AT_ONCE: Final = LocalActivityConfig(
    schedule_to_close_timeout=policies.CLAIM_AT_ONCE, retry_policy=RetryPolicy(maximum_attempts=1)
)
_LOCAL_FAILURES: Final = (ActivityError, ApplicationError, StepTimeoutError)


# On the workflow's queue


async def claim(state: AgreementState, problems: tuple[str, ...]) -> Claimed:
    """Claim the reference in the store.

    The activity refuses an agreement that has problems, or whose provider lacks what it needs. It runs within
    the workflow task, which saves a task and its wait. If the store fails or is slow, it runs once more as a
    step of its own, which Temporal retries and shows; a repeated claim changes nothing.

    Raises:
        ActivityError: It was refused, or the store failed for a day.
        ApplicationError: It was refused; the SDK does not wrap the failure of a local activity.
    """
    request = _claim_request(state).model_copy(
        update={
            "problems": problems,
            "account": state.agreement.account,
            "needs": needs_of(state.agreement),
            "agreement": state.agreement,
        }
    )
    if not state.replays_old_history:
        try:
            return await workflow.execute_local_activity_method(ClaimActivities.claim, request, **_AT_ONCE)
        except _LOCAL_FAILURES as error:
            cause = cause_of(error) if isinstance(error, ActivityError | ApplicationError) else None
            if isinstance(cause, ApplicationError) and cause.non_retryable:
                raise
    return await workflow.execute_activity_method(
        ClaimActivities.claim,
        request,
        **_config(policies.CLAIM, f"claim {state.agreement.reference}"),
    )


async def release(state: AgreementState) -> None:
    """Release the reference, because nothing was sent."""
    await workflow.execute_activity_method(
        ClaimActivities.release,
        _claim_request(state),
        **_config(policies.CLAIM, f"release {state.agreement.reference}: nothing was sent"),
    )


async def record_end(state: AgreementState, outcome: Outcome) -> None:
    """Record an end without an archive in the store; if the store fails, the agreement ends all the same."""
    request = EndRequest(
        reference=state.agreement.reference, outcome=outcome, document_id=state.progress.document_id
    )
    try:
        await workflow.execute_local_activity_method(ClaimActivities.record_end, request, **_AT_ONCE)
    except _LOCAL_FAILURES:
        with contextlib.suppress(ActivityError):
            await workflow.execute_activity_method(
                ClaimActivities.record_end, request, **_config(policies.RECORD_END, "record the end")
            )


async def revoke_send(state: AgreementState, *, attempt: int) -> bool:
    """Forbid an attempt to send to begin; False if it had begun."""
    return await workflow.execute_activity_method(
        ClaimActivities.revoke_send,
        _attempt(state, attempt),
        **_config(policies.REVOKE, "forbid the send, unless it began"),
    )


# On the account's queue


def start_generate(state: AgreementState, source: TemplateSource) -> ActivityHandle[DeliverableSource]:
    """Generate the document from its template, for agreements that began before the send did it."""
    return workflow.start_activity_method(
        DocumentActivities.generate,
        GenerateRequest(marker=state.marker, title=state.agreement.title, source=source),
        **_at_provider(state, policies.GENERATE, "generate the document"),
    )


def start_send(state: AgreementState, source: SendableSource, *, attempt: int) -> ActivityHandle[Sent]:
    """Send the document, generated from its template first if it has one.

    Its policy retries generating. Once the fence of the attempt is written, the activity reports each failure
    as final, so Temporal never retries a send that has begun; `send_once` decides on another attempt.
    """
    agreement = state.agreement
    generates = isinstance(source, TemplateSource)
    people = number_of(len(agreement.signers), "signer")
    summary = f"{'generate, ' if generates else ''}send to {people}"
    return workflow.start_activity_method(
        SignatureActivities.send,
        SendRequest(
            marker=state.marker,
            title=agreement.title,
            description=agreement.description,
            sender=agreement.sender,
            source=source,
            signers=agreement.signers,
            cc=agreement.cc,
            fields=agreement.fields,
            review=state.in_review(),
            send_emails=agreement.send_emails,
            claim=state.carried.claim,
            attempt=attempt,
            deadline=agreement.deadline,
        ),
        **_at_provider(
            state,
            policies.GENERATE_AND_SEND if generates else policies.SEND,
            summary if attempt == 1 else f"{summary}, attempt {attempt}",
        ),
    )


async def search(state: AgreementState, since: datetime, policy: Policy = policies.SEARCH) -> SearchResult:
    """Search the provider for evidence of a send."""
    return await workflow.execute_activity_method(
        SignatureActivities.search,
        SearchRequest(marker=state.marker, since=since),
        **_at_provider(state, policy, "look for evidence of the send"),
    )


async def identify(state: AgreementState, document_id: str) -> Identity:
    """Compare a document with this agreement; `sent` is None if it differs."""
    claimed_at = state.carried.claimed_at
    since = claimed_at - policies.CLOCK_SKEW if claimed_at else None
    return await workflow.execute_activity_method(
        SignatureActivities.identify,
        IdentifyRequest(
            marker=state.marker,
            document_id=document_id,
            title=state.agreement.title,
            sender=state.agreement.sender,
            signers=state.agreement.signers,
            since=since,
        ),
        **_at_provider(state, policies.IDENTIFY, "check whether a document is ours"),
    )


async def fetch_state(state: AgreementState) -> Checked:
    """Get the document's state from the provider."""
    return await workflow.execute_activity_method(
        SignatureActivities.check,
        CheckRequest(document_id=state.document_id),
        **_at_provider(state, policies.CHECK, "check with the provider"),
    )


async def void(state: AgreementState, reason: str) -> None:
    """Void the document; a repetition changes nothing."""
    await workflow.execute_activity_method(
        SignatureActivities.void,
        VoidDocumentRequest(marker=state.marker, document_id=state.document_id, reason=reason),
        **_at_provider(state, policies.VOID, "void"),
    )


async def remind(state: AgreementState, *, number: int) -> Reminded | None:
    """Remind the signers who can sign now. Temporal never retries it.

    Args:
        state: The agreement.
        number: The reminder's number, from 1; the requested ones count, too.

    Returns:
        When; None in a history of an older version.
    """
    return await workflow.execute_activity_method(
        SignatureActivities.remind,
        RemindRequest(marker=state.marker, document_id=state.document_id, number=number),
        **_at_provider(state, policies.REMIND, "remind the signers"),
    )


async def archive(state: AgreementState, policy: Policy) -> ArchiveOutcome:
    """Confirm the completion, download, check and store."""
    return await workflow.execute_activity_method(
        ArchiveActivities.archive,
        ArchiveRequest.of(state.agreement.reference, state.document_id, state.progress.timeline),
        **_at_provider(state, policy),
    )


# Helpers


async def await_or_cancel(activity: ActivityHandle[ResultT], *, cancel_when: Callable[[], bool]) -> ResultT:
    """Wait for a scheduled activity; cancel it when a condition becomes true.

    An activity that has begun runs to its end, so a result may come although the condition is true: callers
    must check it again.

    Raises:
        ActivityError: It failed; see `countersign.workflow.failures.effect`.
    """
    await workflow.wait_condition(lambda: activity.done() or cancel_when())
    if not activity.done():
        activity.cancel()
    return await activity


def _claim_request(state: AgreementState) -> ClaimRequest:
    run_id = workflow.info().first_execution_run_id  # a later run of the agreement keeps its claim
    return ClaimRequest(reference=state.agreement.reference, run_id=run_id)


def _attempt(state: AgreementState, number: int) -> SendAttempt:
    return SendAttempt(reference=state.agreement.reference, claim=state.carried.claim, number=number)


def _at_provider(state: AgreementState, policy: Policy, summary: str | None = None) -> ActivityConfig:
    """Configure an activity of the provider; tests shorten its times, but not the short ones of the store."""
    queue = account_task_queue(workflow.info().task_queue, state.carried.account)
    return {**_config(policy.at(state.carried.time_scale), summary), "task_queue": queue}


def _config(policy: Policy, summary: str | None) -> ActivityConfig:
    """Configure an activity; a summary says what its name in the Temporal UI does not."""
    return {
        "start_to_close_timeout": policy.attempt,
        "schedule_to_close_timeout": policy.total,
        "heartbeat_timeout": policy.heartbeat,
        "retry_policy": policy.retry,
        "priority": _priority(policy),
        "summary": summary,
        # Wait for a cancelled activity that runs: its effect must be known.
        "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    }


def _priority(policy: Policy) -> Priority:
    """Let the steps of a batch wait for all others, but for those that a person asked for."""
    own = workflow.info().priority
    if policy.priority <= policies.ASKED_FOR or own.priority_key is None:
        return Priority(priority_key=policy.priority)
    return Priority(priority_key=max(policy.priority, own.priority_key), fairness_key=own.fairness_key)
