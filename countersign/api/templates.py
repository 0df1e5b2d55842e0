"""Routes of templates, so that a form can be built for one."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from countersign.api import documentation, problems
from countersign.api.encoding import encoded
from countersign.api.problems import ProblemError, explained, invalid
from countersign.api.service import Reads
from countersign.api.tokens import TokenRecord
from countersign.client.errors import CommandError
from countersign.client.templates import (
    NoTemplatesError,
    TemplateForm,
    TemplateItem,
    UnknownTemplateError,
    list_templates,
    template_form,
)

router = APIRouter(tags=["templates"])

Account = Annotated[
    str | None,
    Query(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="The account at a provider; by default the first."),
]


class TemplateList(BaseModel):
    """The templates of an account."""

    templates: tuple[TemplateItem, ...]


@router.get(
    "/v1/templates",
    summary="List templates",
    operation_id="list_templates",
    responses={
        200: {"model": TemplateList, "description": "The templates."},
        **documentation.errors(problems.NO_TEMPLATES),
    },
)
async def templates(request: Request, token: Reads, *, account: Account = None) -> Response:
    """List the templates of an account. The API needs the account's key. Needs the scope `read`."""
    del request
    try:
        found = await list_templates(_account(token, account))
    except CommandError as error:
        raise _explained(error) from None
    return _json(TemplateList(templates=found))


@router.get(
    "/v1/templates/{template_id}",
    summary="Show a template's variables and roles",
    operation_id="get_template",
    responses={
        200: {"model": TemplateForm, "description": "What a start with the template must give."},
        **documentation.errors(problems.NO_TEMPLATES, problems.UNKNOWN_TEMPLATE),
    },
)
async def template(
    request: Request,
    template_id: Annotated[
        str,
        Path(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
            description="The provider's id of the template.",
            examples=["7e3a1c00-0000-4000-8000-000000000002"],
        ),
    ],
    token: Reads,
    *,
    account: Account = None,
) -> Response:
    """Show the variables and the signer roles of a template. Needs the scope `read`."""
    del request
    try:
        found = await template_form(template_id, _account(token, account))
    except CommandError as error:
        raise _explained(error) from None
    return _json(found)


def _account(token: TokenRecord, account: str | None) -> str | None:
    if token.account and account not in {None, token.account}:
        raise invalid(f"account: the token is bound to {token.account}")
    return token.account or account


def _explained(error: CommandError) -> ProblemError:
    if isinstance(error, NoTemplatesError):
        return ProblemError(problems.NO_TEMPLATES, str(error))
    if isinstance(error, UnknownTemplateError):
        return ProblemError(problems.UNKNOWN_TEMPLATE, str(error))
    return explained(error)


def _json(value: BaseModel) -> Response:
    return Response(encoded(value.model_dump(mode="json")), media_type="application/json")
