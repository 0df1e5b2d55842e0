"""`notices test`: notify operators of nothing, to see that notices arrive."""

import uuid
from datetime import UTC, datetime

import typer

from countersign.agreements.notices import trial_notice
from countersign.callbacks.sender import CallbackSender
from countersign.client.errors import BadInputError, UnreachableError
from countersign.client.settings import load_settings
from countersign.notices.delivery import NoticeSender
from countersign.notices.errors import NotDeliveredError
from countersign.settings import CallbackSettings, CountersignSettings, NoticeSettings

from .command import err, out, verb

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Test the notices of problems that operators are sent."""


@app.command()
@verb
async def test() -> None:
    """Send a test notice now, by every channel of the settings, from this machine."""
    own = load_settings(CountersignSettings)
    settings, callbacks = load_settings(NoticeSettings), load_settings(CallbackSettings)
    if not settings.channels():
        raise BadInputError(
            "notices are off; set COUNTERSIGN_NOTICES_URL or COUNTERSIGN_NOTICES_SMTP_HOST "
            "(docs/how-to/get-notices.md)"
        )
    sender = NoticeSender(settings, callbacks, CallbackSender(private_networks=callbacks.private_networks))
    notice, failed = trial_notice(own.environment, datetime.now(UTC)), 0
    for channel in settings.channels():
        try:
            await sender.deliver(channel, notice, f"ntc_{uuid.uuid4().hex}")
        except NotDeliveredError as error:
            failed += 1
            err.print(f"{channel}: {error}")
        else:
            out.print(f"{channel}: the test notice was accepted")
    if failed:
        raise UnreachableError(
            f"{failed} of {len(settings.channels())} channels did not take the test notice"
        )
