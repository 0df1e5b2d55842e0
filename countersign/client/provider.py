"""Checks of an agreement with the provider before the start: the API key, the template, its variables.

They need the provider's settings. A process without an API key skips them, and the worker finds the same
errors.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from http import HTTPStatus
from typing import Final

from countersign.agreements.messages import AgreementInput, RolesSource, Signer, TemplateSource
from countersign.client.errors import BadInputError, UnreachableError
from countersign.client.settings import load_settings
from countersign.configuration import read
from countersign.providers.errors import ProviderError, RejectedError, UnauthorizedError
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.connection import connect
from countersign.providers.turbodocx.templates import misfits, placeholders
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings, TurboDocxSettings
from countersign.suggestions import did_you_mean

KEY: Final = TurboDocxSettings.variable("api_key")

_NEAREST: Final = 3
_FEW: Final = 5


def has_key() -> bool:
    """Return whether the provider's API key is set, also if it cannot be read."""
    lookup = read(TurboDocxSettings)
    return lookup.where(KEY) is not None or KEY in lookup.problems


def open_client() -> TurboDocxClient:
    """Open a client with the worker's settings: API key, proxy, certificates and time limits.

    Raises:
        BadInputError: A setting is missing or invalid.
    """
    return connect(Rotating(load_settings(TurboDocxSettings)), load_settings(ProviderSettings))


async def check_at_provider(agreement: AgreementInput) -> None:
    """Check an agreement's source with the configured provider, with read requests only.

    Raises:
        BadInputError: The settings are invalid, the provider rejects the API key, or the template, its
            variables or its roles do not fit.
        UnreachableError: The provider does not respond.
    """
    async with open_client() as client, explained_by_provider():
        match agreement.source:
            case TemplateSource() as source:
                await _check_template(client, source)
            case RolesSource() as source:
                await _check_roles(client, source, agreement.signers)
            case _:
                await client.list_templates(limit=1)


@asynccontextmanager
async def explained_by_provider() -> AsyncIterator[None]:
    """Translate errors of the provider's client into a `CommandError`."""
    try:
        yield
    except UnauthorizedError as error:
        raise BadInputError(_unauthorized(error)) from None
    except ProviderError as error:
        raise UnreachableError(f"the check with the provider failed: {error}; retrying is safe") from None


def _unauthorized(error: UnauthorizedError) -> str:
    if error.status == HTTPStatus.UNAUTHORIZED:
        return "the provider rejects the API key: check TURBODOCX_API_KEY and TURBODOCX_ORG_ID"
    if error.status == HTTPStatus.PAYMENT_REQUIRED:
        return "the provider's plan is exhausted: upgrade it, or wait for its renewal"
    return (
        "the provider rejects the API key for this organization: check that TURBODOCX_ORG_ID is the key's "
        "organization, and that the key's role is `contributor` or `administrator`"
    )


async def _check_template(client: TurboDocxClient, source: TemplateSource) -> None:
    try:
        template = await client.get_template(source.template_id)
    except RejectedError as error:
        raise await _unknown_template(client, source.template_id, error) from None
    if wrong := misfits(source.variables, placeholders(template)):
        raise BadInputError(f"template {source.template_id}: {'; '.join(wrong)}")


async def _check_roles(client: TurboDocxClient, source: RolesSource, signers: Iterable[Signer]) -> None:
    try:
        setup = await client.signature_setup(source.template_id)
    except RejectedError as error:
        raise await _unknown_template(client, source.template_id, error) from None
    roles = {role.key for role in setup.roles}
    filled = {signer.role for signer in signers if signer.role}
    saved = {role.key for role in setup.roles if role.has_saved_signer}
    wrong = [f"it has no role {name}{did_you_mean(name, roles)}" for name in sorted(filled - roles)]
    wrong += [f"no signer has the role {name}" for name in sorted(roles - filled - saved)]
    if wrong:
        raise BadInputError(f"template {source.template_id}: {'; '.join(wrong)}")


async def _unknown_template(
    client: TurboDocxClient, template_id: str, error: RejectedError
) -> ProviderError | BadInputError:
    """Return an error that suggests templates with a similar name or id."""
    if isinstance(error, UnauthorizedError):
        return error
    known = {listed.id: listed.name for listed in await client.list_templates() if listed.type == "template"}
    names = {name.lower(): name for name in known.values()}
    near = [names[match] for match in get_close_matches(template_id.lower(), names, _NEAREST)]
    near += [known[match] for match in get_close_matches(template_id, known, _NEAREST, 0.8)]
    ids = {name: template for template, name in known.items()}
    return BadInputError(f"template {template_id}: no template has this id; {_suggestion(near, ids)}")


def _suggestion(near: Sequence[str], ids: Mapping[str, str]) -> str:
    """List the nearest templates, or all templates if there are few."""
    if not ids:
        return "the organization has no templates"
    if not near and len(ids) > _FEW:
        return f"none of the {len(ids)} templates has a similar name: see the provider's web app"
    shown = ", ".join(f"{name} ({ids[name]})" for name in dict.fromkeys(near or ids))
    return f"{'nearest' if near else 'existing'}: {shown}"
