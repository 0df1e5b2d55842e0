"""`init`: write the first settings, check the key, set up webhook and search attributes, run the doctor."""

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final

import typer
from dotenv import dotenv_values
from pydantic.fields import FieldInfo

from countersign.client.errors import BadInputError, ExitCode, UnusableKeyError
from countersign.client.provider import explained_by_provider, find_account, key_variables, open_provider
from countersign.client.settings import load_settings
from countersign.configuration import IS_MISSING, Settings, SettingsError, is_secret, load, read
from countersign.providers.port import SignatureProvider
from countersign.providers.registry import Account
from countersign.secrets.keeping import NowhereToKeepError, Place, env_file_place, folder_place
from countersign.settings import GROUPS, PRODUCTION, CountersignSettings, ProviderSettings

from . import subscription
from .command import out, verb
from .doctor import examine, print_report
from .prompts import ask, can_ask

_ENVIRONMENT: Final = CountersignSettings.variable("environment")
_ACCOUNTS: Final = CountersignSettings.variable("accounts")
_SECRETS_DIR: Final = "COUNTERSIGN_SECRETS_DIR"
_SETTINGS: Final = "settings.env"
_SECRETS: Final = "secrets"
_OTHERS: Final = ("TEMPORAL_", "OTEL_")
"""Prefixes of settings that are not ours."""
_SECRETS_OF_TEMPORAL: Final = ("TEMPORAL_API_KEY",)


@verb
async def init(
    *,
    account: Annotated[
        str | None,
        typer.Option(help="The provider to begin with, if COUNTERSIGN_ACCOUNTS names none.", metavar="KIND"),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting that is no secret; repeat it for several.", metavar="NAME=VALUE"
        ),
    ] = None,
    webhook_url: Annotated[
        str | None,
        typer.Option(help="The receiver's address, https://host/webhooks/<account>.", metavar="URL"),
    ] = None,
    production: Annotated[
        bool, typer.Option("--production", metavar="", help="Refuse what is for tests; needs --folder.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="Write settings.env and secrets/ there, instead of .env here.", metavar="FOLDER"),
    ] = None,
) -> int:
    """Set up Countersign: ask for what is missing, check it, write it.

    Writes .env, which only you can read, once the provider has accepted the key. Then sets up the webhook,
    registers Temporal's search attributes and runs the doctor. Run it again whenever you like: it asks for
    what is missing.

    Secrets are asked for at the terminal or come from the environment. They are no options, because other
    users of the machine could read them.
    """
    if production and folder is None:
        raise BadInputError("--production: add --folder, since production reads no .env")
    answers = dict(map(_parsed, given or []))
    answers |= {_ENVIRONMENT: PRODUCTION} if production else {}
    answers |= {_ACCOUNTS: account} if account else {}
    places = _places(folder)
    os.environ.update(answers)
    chosen = find_account(None)
    _require_known(answers, chosen)
    _refuse_invalid(chosen)
    secrets = _answers(chosen, secret=True)
    answers |= _answers(chosen, secret=False)
    _require_valid(chosen)
    async with open_provider(chosen) as provider:
        await _probe(provider, chosen, secrets)
        out.print(f"the key is good at {load_settings(chosen.settings).base_url}")
        _write(places, answers, secrets)
        for name in secrets:  # from here on they are read from where they are
            del os.environ[name]
        if webhook_url:
            await _subscribe(chosen, provider, webhook_url)
    findings = [found async for found in examine(register=lambda _: True, test_event=webhook_url is not None)]
    return ExitCode.DONE if print_report(findings).healthy else ExitCode.UNHEALTHY


def _parsed(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BadInputError("--set: write NAME=VALUE")
    return name.strip(), value.strip()


def _fields(kinds: Iterable[type[Settings]]) -> Iterator[tuple[str, FieldInfo]]:
    for kind in kinds:
        for name, about in kind.model_fields.items():
            yield kind.variable(name), about


def _require_known(answers: Iterable[str], account: Account) -> None:
    known = dict(_fields([*GROUPS, account.settings, account.webhook_settings]))
    for name in answers:
        if name.startswith(_OTHERS):
            secret = name in _SECRETS_OF_TEMPORAL
        elif name in known:
            secret = is_secret(known[name])
        else:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else "; see docs/reference/settings.md"
            raise BadInputError(f"--set {name}: that is no setting{hint}")
        if secret:
            raise BadInputError(
                f"--set {name}: a secret is no option; answer the question, or set it in the environment"
            )


def _places(folder: Path | None) -> tuple[Place, Place]:
    """Find where settings and secrets go, before anything is asked.

    Raises:
        BadInputError: It cannot be written.
    """
    try:
        if folder is None:
            places = (env_file_place(), env_file_place())
        else:
            (folder / _SECRETS).mkdir(parents=True, mode=0o700, exist_ok=True)
            os.environ[_SECRETS_DIR] = str(folder / _SECRETS)
            for name, value in dotenv_values(folder / _SETTINGS, interpolate=False).items():
                os.environ.setdefault(name, value or "")
            places = (env_file_place(folder / _SETTINGS), folder_place(folder / _SECRETS))
        for place in places:
            place.check()
    except OSError as error:
        raise BadInputError(f"--folder: {folder} cannot be written ({error.strerror})") from None
    except NowhereToKeepError as error:
        raise BadInputError(str(error)) from None
    return places


def _answers(account: Account, *, secret: bool) -> dict[str, str]:
    """Ask for required settings that no place has, and put each answer into the environment.

    Raises:
        BadInputError: Nobody can be asked, or an answer is invalid; then nothing more is asked.
    """
    lookup = read(account.settings)
    missing = [
        (variable, about)
        for variable, about in _fields([account.settings])
        if about.is_required() and is_secret(about) is secret and lookup.where(variable) is None
    ]
    if missing and not can_ask():
        how = "set them in the environment" if secret else "add --set NAME=VALUE for each"
        raise BadInputError(
            f"not set: {', '.join(name for name, _ in missing)}; {how}, or run this at a terminal"
        )
    answers = {}
    for name, about in missing:
        question = f"{(about.description or name).rstrip('.')} ({name})"
        answers[name] = os.environ[name] = ask(question, hidden=secret)
        _refuse_invalid(account)
    return answers


def _require_valid(account: Account) -> None:
    """Check all settings, before the first of them is written."""
    if problems := _problems(account):
        raise BadInputError(f"{SettingsError.listing(problems)}\nNothing was written.")


def _refuse_invalid(account: Account) -> None:
    """Check the settings that are known so far; what is missing is asked for later."""
    if problems := [problem for problem in _problems(account) if not problem.endswith(IS_MISSING)]:
        raise BadInputError(f"{SettingsError.listing(problems)}\nNothing was written.")


async def _probe(provider: SignatureProvider, account: Account, answered: Mapping[str, str]) -> None:
    """Let the provider judge the key, before anything is written."""
    try:
        async with explained_by_provider(provider):
            await provider.probe()
    except UnusableKeyError as error:
        lookup = read(account.settings)
        saved = "".join(
            f"\n{name} was read from {lookup.where(name)}: replace it there, or remove it to be asked for it."
            for name in key_variables(account)
            if name not in answered and lookup.where(name)
        )
        raise BadInputError(f"{error}.{saved}\nNothing was written.") from None


def _problems(account: Account) -> tuple[str, ...]:
    try:
        load(CountersignSettings, ProviderSettings, account.settings)
    except SettingsError as error:
        return error.problems or (str(error),)
    return ()


def _write(places: tuple[Place, Place], answers: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    for place, values in zip(places, (answers, secrets), strict=True):
        if values:
            place.keep(values)
            out.print(f"wrote {', '.join(values)} to {place.label}")


async def _subscribe(account: Account, provider: SignatureProvider, url: str) -> None:
    sandbox = load_settings(account.settings).is_sandbox()
    checked = subscription.check_url(url, account.webhook_path, sandbox=sandbox)
    made = await subscription.set_up(account, provider, checked, new_secret=False)
    out.print(f"subscribed to {made.events} events at {', '.join(made.urls)}")
