"""The route of signing links. A link is a credential: it is in the response alone, which no cache keeps."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from countersign.api import documentation, examples, problems
from countersign.api.agreements import Reference
from countersign.api.bodies import read_object
from countersign.api.encoding import encoded
from countersign.api.models import BASE
from countersign.api.problems import as_problems, invalid
from countersign.api.service import Acts, check_tenant, service_of
from countersign.client.draft_errors import mistakes
from countersign.client.signing import SigningLink, Verification, signing_link

router = APIRouter(tags=["agreements"])


class IdentityCheck(BaseModel):
    """A check of a signer by your own identity provider.

    Args:
        id: The identity provider's id of the check.
        at: When it was made, with an offset.
    """

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=200, examples=["check-77"])
    at: AwareDatetime


class NewSigningLink(BaseModel):
    """How a signer arrives and leaves.

    Args:
        return_url: Where the signer goes after signing: https, or http on the API's machine for development.
        verification: The check of a signer whose `identity` is `external`; the link then works once, for five
            minutes.
    """

    model_config = ConfigDict(extra="forbid")

    return_url: str | None = Field(default=None, max_length=2048)
    verification: IdentityCheck | None = None


@router.post(
    BASE + "/{reference}/signers/{signer}/signing-link",
    summary="Make a signing link",
    operation_id="make_signing_link",
    responses={
        200: {
            "model": SigningLink,
            "description": "The link.",
            "headers": {"Cache-Control": {"description": "`no-store`.", "schema": {"type": "string"}}},
        },
        **documentation.errors(
            problems.NOT_IN_TURN,
            problems.NOT_YET,
            problems.ALREADY_SIGNED,
            problems.UNKNOWN_SIGNER,
            problems.NO_KEY,
            *examples.VERB_PROBLEMS,
        ),
    },
    openapi_extra={"requestBody": examples.body_of(NewSigningLink, examples.SIGNING_LINK, required=False)},
)
async def make_signing_link(
    request: Request,
    reference: Reference,
    signer: Annotated[int, Path(ge=1, le=100, description="The number of the signer, from 1.", examples=[1])],
    token: Acts,
) -> Response:
    """Make a link at which one signer signs, if it is the signer's turn.

    Whoever has the link can sign: pass it to that signer alone, and store it nowhere. A `not-in-turn` names
    the `signers` who sign first. The API needs the key of the agreement's account. Needs the scope `act`.
    """
    service = service_of(request)
    await check_tenant(service, token, reference)
    try:
        wanted = NewSigningLink.model_validate(await read_object(request))
    except ValidationError as error:
        raise invalid(*mistakes(error)) from None
    check = wanted.verification
    async with as_problems():
        link = await signing_link(
            reference,
            signer,
            return_url=wanted.return_url,
            verification=Verification(check.id, check.at) if check else None,
            client=service.client,
        )
    content = encoded(link.model_dump(mode="json"))
    return Response(content, headers={"Cache-Control": "no-store"}, media_type="application/json")
