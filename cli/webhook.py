"""`webhook setup` and `webhook test`: the provider's deliveries to our receiver."""

from collections.abc import Sequence
from typing import Annotated

import typer

from countersign.client.errors import UnreachableError
from countersign.client.provider import explained_by_provider, open_client
from countersign.client.settings import load_settings
from countersign.providers.turbodocx.models import WebhookDelivery
from countersign.settings import LIVE_HOST, TurboDocxSettings

from . import subscription
from .command import err, out, verb

app = typer.Typer(
    help="Set up and test the provider's webhooks. Both need a key with the administrator role.",
    no_args_is_help=True,
)


@app.command()
@verb
async def setup(
    *,
    url: Annotated[
        str, typer.Option(help="The receiver's address, https://host/webhooks/turbodocx.", show_default=False)
    ],
    new_secret: Annotated[
        bool,
        typer.Option(
            "--new-secret", metavar="", help="Make a new secret; the old one is accepted for an hour more."
        ),
    ] = False,
) -> None:
    """Subscribe the receiver's address at the provider, and keep the secret."""
    settings = load_settings(TurboDocxSettings)
    checked = subscription.check_url(url, sandbox=LIVE_HOST not in settings.base_url)
    async with open_client() as client, explained_by_provider():
        made = await subscription.set_up(client, checked, new_secret=new_secret)
    out.print(f"subscribed to {made.events} events at {', '.join(made.urls)}")
    if made.kept_in:
        out.print(f"the new secret {made.secret} is in {made.kept_in}; running receivers find it there")


@app.command()
@verb
async def test() -> None:
    """Ask the provider for a test event, and print whether the receiver verified it."""
    async with open_client() as client, explained_by_provider():
        deliveries = await subscription.try_out(client)
    report(deliveries)


def report(deliveries: Sequence[WebhookDelivery]) -> None:
    """Print the result of a test event at every address.

    Raises:
        UnreachableError: Some did not take it.
    """
    failed = 0
    for delivery in deliveries:
        fine = delivery.http_status is not None and 200 <= delivery.http_status < 300  # noqa: PLR2004 (HTTP's classes)
        failed += not fine
        status = f"{delivery.http_status}: " if delivery.http_status else ""
        line = f"{delivery.url}: {status}{subscription.explain(delivery.http_status)}"
        (out if fine else err).print(line)
    if failed or not deliveries:
        raise UnreachableError(f"{failed} of {len(deliveries)} addresses did not take the test event")
