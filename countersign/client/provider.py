"""Checks of an agreement with its provider before the start: the API key, the template, its variables.

They need the account's settings. A process without an API key skips them, and the worker finds the same
errors.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from countersign.agreements.messages import AgreementInput, RolesSource, TemplateSource
from countersign.agreements.validation import needs_of
from countersign.client.errors import BadInputError, UnreachableError, UnusableKeyError
from countersign.client.settings import load_settings
from countersign.configuration import SettingsError, is_secret, read
from countersign.providers.errors import ProviderError, UnauthorizedError
from countersign.providers.lacks import lacks
from countersign.providers.port import SignatureProvider
from countersign.providers.registry import Account, accounts
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings


def find_account(name: str | None) -> Account:
    """Return an account by its name; by default the first one.

    Raises:
        BadInputError: No account has this name, or the settings are invalid.
    """
    try:
        configured = accounts()
    except SettingsError as error:
        raise BadInputError(str(error)) from None
    if name is None:
        return next(iter(configured.values()))
    if name not in configured:
        raise BadInputError(
            f"account: there is no account {name}; COUNTERSIGN_ACCOUNTS names {', '.join(configured)}"
        )
    return configured[name]


def key_variables(account: Account) -> tuple[str, ...]:
    """Return the names of the settings that hold an account's keys."""
    fields = account.settings.model_fields.items()
    return tuple(account.settings.variable(name) for name, about in fields if is_secret(about))


def has_key(account: Account) -> bool:
    """Return whether an account's API key is set, also if it cannot be read."""
    lookup = read(account.settings)
    return all(
        lookup.where(variable) is not None or variable in lookup.problems
        for variable in key_variables(account)
    )


@asynccontextmanager
async def open_provider(account: Account) -> AsyncIterator[SignatureProvider]:
    """Open an account with the worker's settings, and translate its errors into a `CommandError`.

    Raises:
        UnusableKeyError: A setting is missing or invalid, or the provider rejects the API key.
        UnreachableError: The provider does not respond.
    """
    try:
        settings = Rotating(load_settings(account.settings))
        rules = load_settings(ProviderSettings)
    except BadInputError as error:
        raise UnusableKeyError(str(error)) from None
    provider = account.plugin.connect(account.name, settings, rules)
    try:
        async with explained_by_provider(provider):
            yield provider
    finally:
        await provider.close()


async def check_at_provider(agreement: AgreementInput, account: Account) -> None:
    """Check an agreement's source with its account, with read requests only.

    Raises:
        BadInputError: The settings are invalid, the provider rejects the API key or lacks what the agreement
            needs, or the template, its variables or its roles do not fit.
        UnreachableError: The provider does not respond.
    """
    if missing := lacks(needs_of(agreement), account, accounts()):
        raise BadInputError("; ".join(missing))
    source = agreement.source
    async with open_provider(account) as provider:
        if not isinstance(source, TemplateSource | RolesSource):
            await provider.probe()
        elif wrong := await provider.source_problems(source, agreement.signers):
            raise BadInputError(f"template {source.template_id}: {'; '.join(wrong)}")


@asynccontextmanager
async def explained_by_provider(provider: SignatureProvider) -> AsyncIterator[None]:
    """Translate errors of a provider into a `CommandError`."""
    try:
        yield
    except UnauthorizedError as error:
        raise UnusableKeyError(provider.advice(error.status)) from None
    except ProviderError as error:
        raise UnreachableError(f"the check with the provider failed: {error}; retrying is safe") from None
