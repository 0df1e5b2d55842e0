"""Ask the provider what can be known before anything is started: the key, the template, its variables.

Only where this process has the provider's settings; a service that starts agreements needs no key, and the
worker's own steps refuse the same mistakes.
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
    """Tell whether this process has the provider's key, or is meant to and cannot read it."""
    lookup = read(TurboDocxSettings)
    return lookup.where(KEY) is not None or KEY in lookup.problems


def open_client() -> TurboDocxClient:
    """Open a client with the worker's settings: key, proxy, certificates and time limits.

    Raises:
        BadInputError: A setting is missing or cannot work.
    """
    return connect(Rotating(load_settings(TurboDocxSettings)), load_settings(ProviderSettings))


async def check_at_provider(agreement: AgreementInput) -> None:
    """Check an agreement's source with the provider that the settings name; nothing is changed there.

    Raises:
        BadInputError: The settings cannot work, the key is refused, or the template, its variables or its
            roles do not fit.
        UnreachableError: The provider does not answer.
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
    """Turn what the provider's client raises into a `CommandError`."""
    try:
        yield
    except UnauthorizedError as error:
        raise BadInputError(_refusal(error)) from None
    except ProviderError as error:
        raise UnreachableError(f"the provider cannot be asked: {error}; trying again is safe") from None


def _refusal(error: UnauthorizedError) -> str:
    if error.status == HTTPStatus.UNAUTHORIZED:
        return "the provider refuses the key: check TURBODOCX_API_KEY and TURBODOCX_ORG_ID"
    if error.status == HTTPStatus.PAYMENT_REQUIRED:
        return "the provider's plan is exhausted: raise its limits, or wait until they are renewed"
    return (
        "the provider refuses the key here: check that TURBODOCX_ORG_ID is its organisation, and "
        "that its role is `contributor` or `administrator`"
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
    wrong += [f"nobody signs as {name}" for name in sorted(roles - filled - saved)]
    if wrong:
        raise BadInputError(f"template {source.template_id}: {'; '.join(wrong)}")


async def _unknown_template(
    client: TurboDocxClient, template_id: str, error: RejectedError
) -> ProviderError | BadInputError:
    """Name the templates that are nearest to one that does not exist, by name or by id."""
    if isinstance(error, UnauthorizedError):
        return error
    known = {listed.id: listed.name for listed in await client.list_templates() if listed.type == "template"}
    names = {name.lower(): name for name in known.values()}
    near = [names[match] for match in get_close_matches(template_id.lower(), names, _NEAREST)]
    near += [known[match] for match in get_close_matches(template_id, known, _NEAREST, 0.8)]
    ids = {name: template for template, name in known.items()}
    return BadInputError(f"template {template_id}: there is none with this id; {_instead(near, ids)}")


def _instead(near: Sequence[str], ids: Mapping[str, str]) -> str:
    """Name templates to take instead: those that are near, else all if they are few."""
    if not ids:
        return "the organisation has no templates"
    if not near and len(ids) > _FEW:
        return f"none of the {len(ids)} there are has a name near it: see the provider's web app"
    shown = ", ".join(f"{name} ({ids[name]})" for name in dict.fromkeys(near or ids))
    return f"nearest: {shown}" if near else f"there are: {shown}"
