"""Routes of agreements: start, list, follow, and the verbs."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from countersign.agreements.batches import BATCH_NAME
from countersign.agreements.messages import Resolution, Stage, VoidRequest
from countersign.agreements.reference import new_reference
from countersign.api import documentation, examples, models, problems
from countersign.api.access import within_bounds
from countersign.api.bodies import read_draft, read_object
from countersign.api.encoding import encoded, etag, json_response, matches
from countersign.api.models import BASE, REFERENCE
from countersign.api.problems import ProblemError, as_problems, explained, invalid
from countersign.api.service import (
    LONGEST_WAIT,
    POLL_SECONDS,
    Acts,
    Reads,
    Service,
    Starts,
    check_tenant,
    first_change,
    service_of,
)
from countersign.api.tokens import Scope, TokenRecord
from countersign.client.agreements import (
    agreement_status,
    remind_agreement,
    resolve_agreement,
    void_agreement,
)
from countersign.client.batches import of_batch
from countersign.client.draft_errors import mistakes
from countersign.client.errors import CommandError, FailedAgreementError, UnreachableError
from countersign.client.follow import follow_agreement
from countersign.client.listing import agreement_page, agreement_query, count_by_stage
from countersign.client.start import begin_agreement, check_agreement
from countersign.client.supersede import replace_signer
from countersign.client.view import AgreementView

router = APIRouter(tags=["agreements"])

VOID_SECONDS: Final = 25
"""How long a replacement waits until the old agreement is void."""

Reference = Annotated[
    str, Path(pattern=REFERENCE, description="The agreement's reference.", examples=["order-4711"])
]
_RUNS: Final = "The body is the view of the agreement."
_ACCEPTED: Final[documentation.Responses] = {
    202: {"model": models.Accepted, "description": "A worker does it.", "headers": documentation.LOCATION}
}


def _sees_people(token: TokenRecord) -> bool:
    return Scope.READ_PEOPLE in token.scopes


@router.post(
    BASE,
    status_code=202,
    summary="Start an agreement",
    operation_id="start_agreement",
    responses={
        200: {
            "description": "`dry_run`: it could be started. Otherwise: it was started before, and has ended.",
            "content": {
                "application/json": {
                    "schema": {
                        "anyOf": [
                            {"$ref": "#/components/schemas/Agreement"},
                            {"$ref": "#/components/schemas/Checked"},
                        ]
                    }
                }
            },
        },
        202: {
            "model": models.Agreement,
            "description": f"It was started, now or before. {_RUNS}",
            "headers": documentation.LOCATION | documentation.RETRY_AFTER,
        },
        **documentation.errors(problems.TAKEN, *documentation.BODY),
    },
    openapi_extra={"requestBody": examples.start_body(), "callbacks": examples.callbacks()},
)
async def start_agreement(
    request: Request,
    token: Starts,
    *,
    dry_run: Annotated[bool, Query(description="Check all that can be checked, and start nothing.")] = False,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=REFERENCE,
            description="The same as `reference` in the body. The same request again is the same agreement.",
        ),
    ] = None,
) -> Response:
    """Generate a document, send it, collect signatures, archive it.

    Give every start a `reference` of your own, or an `Idempotency-Key`, which is the same: repeating the
    request then never makes a second agreement. Other content under a reference that is in use is a 409.

    A file is in the JSON in base64, in the part `file` of a form whose part `agreement` is the JSON, or
    behind a link that the provider downloads. `callback_url` receives the agreement's events. The token's
    name becomes `initiated_by`. Needs the scope `start`.
    """
    service = service_of(request)
    draft = _own(await read_draft(request), token, idempotency_key)
    request.state.reference = draft["reference"]
    if dry_run:
        notes: list[str] = []
        async with as_problems():
            checked = await check_agreement(draft, client=service.client, on_omission=notes.append)
        found = models.Checked(reference=checked.reference, notes=tuple(notes))
        return json_response(found.model_dump(mode="json"))
    try:
        agreement, started = await begin_agreement(
            draft, ask_provider=False, task_queue=service.task_queue, client=service.client
        )
    except UnreachableError as error:
        problem = explained(error)
        problem.more = {"reference": draft["reference"]}
        raise problem from None
    except CommandError as error:
        raise explained(error) from None
    view = AgreementView.at_start(agreement)
    if started.already_running or started.already_ended:
        with suppress(UnreachableError):
            view = await agreement_status(agreement.reference, client=service.client)
    headers = {"Location": f"{BASE}/{agreement.reference}"}
    if not started.already_ended:
        headers["Retry-After"] = str(POLL_SECONDS)
    content = models.agreement(view, people=_sees_people(token))
    return json_response(content, 200 if started.already_ended else 202, headers)


def _own(draft: dict[str, Any], token: TokenRecord, key: str | None) -> dict[str, Any]:
    """Complete a draft with what the token and the header say.

    Raises:
        ProblemError: The draft contradicts them.
    """
    wrong: list[str] = []
    given = draft.get("reference")
    if key is not None and given is not None and given != key:
        wrong.append("reference: differs from the header Idempotency-Key")
    reference = given if given is not None else key
    if reference is None:
        reference = f"{token.prefix or ''}{new_reference()}"
    own, contradictions = within_bounds({**draft, "reference": reference}, token)
    if wrong or contradictions:
        raise invalid(*wrong, *contradictions)
    return own


@router.get(
    BASE,
    summary="List agreements",
    operation_id="list_agreements",
    responses={
        200: {"model": models.AgreementList, "description": "A page of agreements."},
        **documentation.errors(),
    },
)
async def list_agreements(
    request: Request,
    token: Reads,
    *,
    account: Annotated[str | None, Query(description="Only those of this account.")] = None,
    stage: Annotated[Stage | None, Query(description="Only those at this stage.")] = None,
    needs_attention: Annotated[bool, Query(description="Only those that a person must decide on.")] = False,
    stuck: Annotated[bool, Query(description="Only those with a workflow task that keeps failing.")] = False,
    failed: Annotated[bool, Query(description="Only those that ended without an outcome.")] = False,
    ended: Annotated[bool, Query(description="Those that have ended too.")] = False,
    batch: Annotated[str | None, Query(pattern=BATCH_NAME, description="Only those of this batch.")] = None,
    counts: Annotated[bool, Query(description="Count the agreements at every stage.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000, description="Agreements on a page.")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=4096, description="Where the page begins: use `next`.")
    ] = None,
) -> Response:
    """List agreements, the newest first; by default those that run.

    The list comes from Temporal's index and lags behind by a second. Needs the scope `read`.
    """
    service = service_of(request)
    if token.account and account not in {None, token.account}:
        raise invalid(f"account: the token is bound to {token.account}")
    given = {
        "account": token.account or account,
        "stage": stage,
        "needs_attention": needs_attention,
        "stuck": stuck,
        "failed": failed,
        "ended": ended,
        "where": batch and of_batch(batch),
    }
    async with as_problems():
        query = agreement_query(**given, prefix=token.prefix)  # type: ignore[arg-type]  # each as its parameter
        page = await agreement_page(query, cursor=cursor, limit=limit, client=service.client)
        counted = await count_by_stage(query, client=service.client) if counts else None
    items = tuple(
        models.AgreementItem(
            **item.model_dump(exclude={"failed"}),
            links=models.Links.of(
                item.reference, runs=item.ended_at is None, archived=item.stage == Stage.COMPLETED
            ),
        )
        for item in page.agreements
    )
    following = None
    if page.cursor:
        parameters = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        following = f"{BASE}?{urlencode([*parameters, ('cursor', page.cursor)])}"
    found = models.AgreementList(agreements=items, next=following, counts=counted)
    return json_response(found.model_dump(mode="json"))


@router.get(
    BASE + "/{reference}",
    summary="Follow an agreement",
    operation_id="get_agreement",
    responses={
        200: {"model": models.Agreement, "description": _RUNS, "headers": documentation.ETAG},
        304: {"description": "It has not changed.", "headers": documentation.ETAG},
        **documentation.errors(problems.UNKNOWN, problems.NO_WORKER, problems.STUCK),
    },
)
async def get_agreement(
    request: Request,
    reference: Reference,
    token: Reads,
    *,
    wait: Annotated[
        int,
        Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait until something changes (long poll)."),
    ] = 0,
    if_none_match: Annotated[str | None, Header(description="The `ETag` that you have.")] = None,
) -> Response:
    """Show where an agreement is, who has signed, and what it waits for.

    With `wait` and `If-None-Match`, the response comes as soon as the view differs from yours, or is a 304
    when the time is over. Needs the scope `read`; names and reasons need `read:people` as well.
    """
    service = service_of(request)
    await check_tenant(service, token, reference)
    people = _sees_people(token)
    async with as_problems():
        view = await agreement_status(reference, client=service.client)
        content = encoded(models.agreement(view, people=people))
        knows = if_none_match is None or matches(if_none_match, etag(content))
        if wait and knows and view.result is None and view.failure is None:
            change = _next_change(service, reference, content, people=people)
            content = await first_change(service, change, content, wait)
    tag = etag(content)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return json_response(content, headers=headers)


async def _next_change(service: Service, reference: str, content: bytes, *, people: bool) -> bytes:
    try:
        async for view in follow_agreement(reference, client=service.client):
            if (found := encoded(models.agreement(view, people=people))) != content:
                return found
    except FailedAgreementError:
        view = await agreement_status(reference, client=service.client)
        return encoded(models.agreement(view, people=people))
    return content


def _accepted(reference: str, location: str | None = None) -> Response:
    base = location or reference
    body = models.Accepted(reference=base, links=models.Links.of(base, runs=True, archived=False))
    return json_response(body.model_dump(mode="json"), 202, {"Location": f"{BASE}/{base}"})


@router.post(
    BASE + "/{reference}/void",
    status_code=202,
    summary="Void an agreement",
    operation_id="void_agreement",
    responses={**_ACCEPTED, **documentation.errors(*examples.VERB_PROBLEMS)},
    openapi_extra={"requestBody": examples.body_of(VoidRequest, {"reason": "The order was canceled."})},
)
async def void(request: Request, reference: Reference, token: Acts) -> Response:
    """Call an agreement off: the worker voids the document, and signing stops.

    Signers read the reason, 1 to 500 characters. Needs the scope `act`.
    """
    service = service_of(request)
    await check_tenant(service, token, reference)
    body = await read_object(request)
    reason = body.get("reason")
    if not isinstance(reason, str) or set(body) != {"reason"}:
        raise invalid("reason: write 1 to 500 characters, and nothing else")
    async with as_problems():
        await void_agreement(reference, reason, client=service.client)
    return _accepted(reference)


@router.post(
    BASE + "/{reference}/remind",
    status_code=202,
    summary="Remind signers",
    operation_id="remind_agreement",
    responses={**_ACCEPTED, **documentation.errors(*examples.VERB_PROBLEMS)},
)
async def remind(request: Request, reference: Reference, token: Acts) -> Response:
    """Remind the signers who have not signed, now. Needs the scope `act`."""
    service = service_of(request)
    await check_tenant(service, token, reference)
    if await read_object(request):
        raise invalid("send no body")
    async with as_problems():
        await remind_agreement(reference, client=service.client)
    return _accepted(reference)


@router.post(
    BASE + "/{reference}/resolve",
    status_code=202,
    summary="Decide for an agreement",
    operation_id="resolve_agreement",
    responses={**_ACCEPTED, **documentation.errors(*examples.VERB_PROBLEMS)},
    openapi_extra={"requestBody": examples.body_of(Resolution, {"action": "send_again"})},
)
async def resolve(request: Request, reference: Reference, token: Acts) -> Response:
    """Decide for an agreement that needs attention or is in review. Needs the scope `act`."""
    service = service_of(request)
    await check_tenant(service, token, reference)
    try:
        resolution = Resolution.model_validate(await read_object(request), extra="forbid")
    except ValidationError as error:
        raise invalid(*mistakes(error)) from None
    async with as_problems():
        await resolve_agreement(reference, resolution, client=service.client)
    return _accepted(reference)


@router.post(
    BASE + "/{reference}/replace-signer",
    status_code=202,
    summary="Replace a signer",
    operation_id="replace_signer",
    responses={
        **_ACCEPTED,
        **documentation.errors(problems.TAKEN, problems.VOIDING, *examples.VERB_PROBLEMS),
    },
    openapi_extra={"requestBody": examples.body_of(models.NewSigner, examples.NEW_SIGNER)},
)
async def replace(request: Request, reference: Reference, token: Acts) -> Response:
    """Void the agreement and start one that supersedes it, with another signer or address.

    The new agreement starts after the old one is void. If that takes longer than 25 s, the response is a 503:
    repeat the request, which continues where it was. Needs the scope `act`.
    """
    service = service_of(request)
    await check_tenant(service, token, reference)
    try:
        wanted = models.NewSigner.model_validate(await read_object(request))
    except ValidationError as error:
        raise invalid(*mistakes(error)) from None
    if wanted.new_reference is not None and not token.may_use(wanted.new_reference):
        raise invalid(f"new_reference: the token is bound to references that begin with {token.prefix}")
    try:
        async with as_problems(), asyncio.timeout(VOID_SECONDS):
            started = await replace_signer(
                reference, wanted.signer, wanted.by, new_reference=wanted.new_reference, client=service.client
            )
    except TimeoutError:
        raise ProblemError(problems.VOIDING, "repeat the same request: it continues") from None
    return _accepted(reference, started.reference)
