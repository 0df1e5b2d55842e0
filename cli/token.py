"""`token create`, `token list` and `token revoke`: the bearer tokens of the HTTP API."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from pydantic import BaseModel, ValidationError
from rich.table import Table

from countersign.agreements.times import format_time
from countersign.api.tokens import Scope, TokenRecord, Tokens, new_token, open_tokens
from countersign.client.errors import BadInputError, UnreachableError
from countersign.client.provider import find_account
from countersign.client.settings import load_settings
from countersign.configuration import SettingsError
from countersign.settings import ApiSettings, CountersignSettings
from countersign.storage import StorageError, UnusableStoreError, open_store

from .command import Json, out, print_json, verb
from .options import listed, one_of
from .terminal import json_text

app = typer.Typer(help="Make, list and revoke the bearer tokens of the HTTP API.", no_args_is_help=True)

_LONGEST: Final = timedelta(days=3 * 366)
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}


class ShownToken(BaseModel):
    """A token without its secret and its hash."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    account: str | None
    prefix: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    token: str | None = None


@app.command()
@verb
async def create(
    name: Annotated[
        str,
        typer.Argument(
            help="The caller, an opaque id: what it starts has it as initiated_by.",
            metavar="NAME",
            show_default=False,
        ),
    ],
    *,
    scope: Annotated[
        list[Scope],
        typer.Option(
            parser=one_of(Scope),
            metavar="SCOPE",
            help=f"What it may do: {listed(Scope)}. Repeatable.",
            show_default=False,
        ),
    ],
    expires: Annotated[str, typer.Option(metavar="WHEN", help="When it ends: 90d or 12h from now.")] = "90d",
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="The only account at a provider that it may use.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How every reference begins that it may use.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a token and print it, once. Only its hash is kept, where COUNTERSIGN_API_TOKENS says."""
    if account is not None:
        find_account(account)
    try:
        token, record = new_token(
            name,
            tuple(dict.fromkeys(scope)),
            expires_at=datetime.now(UTC) + _span(expires),
            account=account,
            prefix=prefix,
        )
    except ValidationError as error:
        raise BadInputError(_MISTAKES[str(error.errors()[0]["loc"][0])]) from None
    try:
        await _tokens().add(record)
    except StorageError as error:
        raise UnreachableError(str(error)) from None
    if json:
        print_json(_shown(record).model_copy(update={"token": token.get_secret_value()}))
        return
    typer.echo(token.get_secret_value())


_MISTAKES: Final = {
    "name": "NAME: use 1 to 64 letters, digits and ._:-, never a person's name or address",
    "prefix": "--prefix: use 1 to 30 letters, digits, dots, dashes or underscores, as references have them",
}


def _span(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _UNITS or not (span := int(number[:6]) * _UNITS[unit]):
        raise BadInputError("--expires: write a time from now, such as 90d or 12h")
    if span > _LONGEST:
        raise BadInputError("--expires: a token lasts 3 years at most")
    return span


@app.command("list")
@verb
async def list_(*, json: Json = False) -> None:
    """List the tokens, the oldest first; their secrets are not known any more."""
    try:
        found = await _tokens().all()
    except StorageError as error:
        raise UnreachableError(str(error)) from None
    if json:
        typer.echo(
            json_text(
                [_shown(record).model_dump(mode="json", exclude={"token"}) for record in found], indent=None
            )
        )
        return
    if not found:
        out.print("no tokens (`token create` makes one)")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("id", "name", "scopes", "account", "prefix", "state"):
        table.add_column(heading)
    for record in found:
        table.add_row(
            record.id,
            record.name,
            ", ".join(record.scopes),
            record.account or "-",
            record.prefix or "-",
            _state(record),
        )
    out.print(table)


@app.command()
@verb
async def revoke(
    token_id: Annotated[
        str,
        typer.Argument(help="The token's id, as `token list` shows it.", metavar="ID", show_default=False),
    ],
) -> None:
    """Revoke a token, for ever; running API processes notice it within 5 s."""
    tokens = _tokens()
    try:
        found = next((record for record in await tokens.all() if record.id == token_id), None)
        if found is None:
            raise BadInputError(f"no token has the id {token_id!r}: see `countersign token list`")
        if found.revoked_at is None:
            await tokens.revoke(found, datetime.now(UTC))
    except StorageError as error:
        raise UnreachableError(str(error)) from None
    out.print(f"{token_id}: revoked")


def _tokens() -> Tokens:
    general, settings = load_settings(CountersignSettings), load_settings(ApiSettings)
    try:
        return open_tokens(settings.tokens, open_store(general.store), general.environment)
    except (SettingsError, UnusableStoreError) as error:
        raise BadInputError(str(error)) from None


def _shown(record: TokenRecord) -> ShownToken:
    return ShownToken.model_validate(record.model_dump(exclude={"sha256"}))


def _state(record: TokenRecord) -> str:
    if reason := record.refused_because(datetime.now(UTC)):
        return reason
    return f"until {format_time(record.expires_at)}"
