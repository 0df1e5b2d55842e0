"""`webhook setup`, `webhook remove` and `webhook test`: the provider's deliveries to our receiver."""

from collections.abc import Sequence
from typing import Annotated

import typer

from countersign.client.errors import UnreachableError
from countersign.client.provider import find_account, open_provider
from countersign.client.settings import load_settings
from countersign.providers.port import DeliveredTest
from countersign.providers.registry import Account

from . import subscription, webhook_route
from .command import err, out, verb

app = typer.Typer(
    help="Set up and test webhooks. All but `route` need a key with the administrator role.",
    no_args_is_help=True,
)
app.add_typer(webhook_route.app, name="route")
_Account = Annotated[
    str | None,
    typer.Option("--account", help="The account; the first of COUNTERSIGN_ACCOUNTS.", metavar="NAME"),
]


@app.command()
@verb
async def setup(
    *,
    url: Annotated[
        str, typer.Option(help="The receiver's address, https://host/webhooks/<account>.", show_default=False)
    ],
    account: _Account = None,
    new_secret: Annotated[
        bool,
        typer.Option(
            "--new-secret", metavar="", help="Make a new secret; the old one is accepted for an hour more."
        ),
    ] = False,
) -> None:
    """Subscribe the receiver's address at the provider, and keep the secret."""
    found = find_account(account)
    settings = load_settings(found.settings)
    checked = subscription.check_url(url, found.webhook_path, sandbox=settings.is_sandbox())
    async with open_provider(found) as provider:
        made = await subscription.set_up(found, provider, checked, new_secret=new_secret)
    out.print(f"subscribed to {made.events} events at {', '.join(made.urls)}")
    if made.kept_in:
        out.print(f"the new secret {made.secret} is in {made.kept_in}")
        out.print(
            "a receiver that reads this place finds it by itself; one that got its secrets at its start, as "
            "from systemd, needs a restart; one elsewhere, as in Kubernetes, needs the secret there"
        )


@app.command()
@verb
async def remove(
    *,
    url: Annotated[
        str, typer.Option(help="The address, as `doctor` and `webhook test` show it.", show_default=False)
    ],
    account: _Account = None,
) -> None:
    """Unsubscribe an address, such as one with a typing error; the secret and the others stay."""
    found = find_account(account)
    async with open_provider(found) as provider:
        left = await subscription.remove(found, provider, url)
    out.print(f"removed {url}; subscribed: {', '.join(left)}")


@app.command("test")
@verb
async def try_out(*, account: _Account = None) -> None:
    """Ask the provider for a test event, and print whether the receiver verified it."""
    found = find_account(account)
    async with open_provider(found) as provider:
        deliveries = await subscription.try_out(found, provider)
    report(found, deliveries)


def report(account: Account, deliveries: Sequence[DeliveredTest]) -> None:
    """Print the result of a test event at every address.

    Raises:
        UnreachableError: Some did not take it.
    """
    failed = subscription.failures(deliveries)
    for delivery in deliveries:
        status = f"{delivery.http_status}: " if delivery.http_status else ""
        line = f"{delivery.url}: {status}{subscription.explain(delivery.http_status, account)}"
        (out if delivery not in failed else err).print(line)
    if failed or not deliveries:
        raise UnreachableError(f"{len(failed)} of {len(deliveries)} addresses did not take the test event")
