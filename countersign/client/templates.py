"""The templates of an account, and what an agreement with one must give."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel, ConfigDict

from countersign.client.errors import BadInputError, CommandError, ExitCode, UnreachableError
from countersign.client.provider import find_account, has_key, key_variables, open_provider
from countersign.providers.errors import ProviderError, RejectedError, UnauthorizedError
from countersign.providers.port import TemplateCatalog


class NoTemplatesError(BadInputError):
    """The account has no templates, or this process has no key to ask for them."""


class UnknownTemplateError(CommandError):
    """The provider has no such template."""

    exit_code = ExitCode.UNKNOWN


class TemplateItem(BaseModel):
    """A template in a list.

    Args:
        id: The provider's id.
        name: Its name.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str


class TemplateRole(BaseModel):
    """A signer role of a template.

    Args:
        role: The value of a signer's `role`.
        label: Its name for people.
        needs_signer: Whether an agreement must name a signer for it; the provider has one otherwise.
    """

    model_config = ConfigDict(frozen=True)

    role: str
    label: str
    needs_signer: bool


class TemplateForm(TemplateItem):
    """What an agreement with a template must give.

    Args:
        variables: The names of the variables.
        roles: The signer roles, if the template is set up with roles.
    """

    variables: tuple[str, ...] = ()
    roles: tuple[TemplateRole, ...] = ()


async def list_templates(account: str | None = None) -> tuple[TemplateItem, ...]:
    """List the templates of an account, by default the first one.

    Raises:
        BadInputError: No account has this name, or the provider rejects the API key.
        NoTemplatesError: The account's provider has no templates, or its API key is not set here.
        UnreachableError: The provider does not respond.
    """
    async with _catalog(account) as catalog:
        found = await catalog.templates()
    return tuple(TemplateItem(id=item.id, name=item.name) for item in found)


async def template_form(template_id: str, account: str | None = None) -> TemplateForm:
    """Read the variables and roles of a template.

    Raises:
        UnknownTemplateError: The provider has no such template.
        CommandError: See `list_templates`.
    """
    async with _catalog(account) as catalog:
        try:
            found = await catalog.template(template_id)
        except UnauthorizedError:
            raise
        except RejectedError:
            raise UnknownTemplateError(f"the provider has no template {template_id}") from None
    return TemplateForm(
        id=found.id,
        name=found.name,
        variables=found.variables,
        roles=tuple(
            TemplateRole(role=role.key, label=role.label, needs_signer=role.needs_signer)
            for role in found.roles
        ),
    )


@asynccontextmanager
async def _catalog(name: str | None) -> AsyncIterator[TemplateCatalog]:
    account = find_account(name)
    if not has_key(account):
        raise NoTemplatesError(f"{' and '.join(key_variables(account))} is not set in this process")
    async with open_provider(account) as provider:
        if not isinstance(provider, TemplateCatalog):
            raise NoTemplatesError(f"account {account.name}: {account.plugin.name} has no templates here")
        try:
            yield provider
        except UnauthorizedError:
            raise
        except ProviderError as error:
            raise UnreachableError(f"the provider did not respond: {error}; retrying is safe") from None
