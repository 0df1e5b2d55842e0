"""The tokens of the HTTP API: can they be read, and which end soon?"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from countersign.agreements.times import format_time
from countersign.api.tokens import open_tokens
from countersign.configuration import SettingsError, load
from countersign.settings import ApiSettings, CountersignSettings
from countersign.storage import StorageError, UnusableStoreError, open_store

from .configured import loaded
from .finding import Finding, failed, warning

_TOKENS: Final = "API token"
_SOON: Final = timedelta(days=14)


async def check_tokens() -> AsyncIterator[Finding]:
    """Report what is wrong with tokens; nothing if all is well, or if there are none."""
    if not (loaded(CountersignSettings) and loaded(ApiSettings)):
        return
    general, settings = load(CountersignSettings, ApiSettings)
    try:
        found = await open_tokens(settings.tokens, open_store(general.store), general.environment).all()
    except UnusableStoreError:  # `store` reports it
        return
    except (SettingsError, StorageError) as error:
        yield failed(_TOKENS, str(error).splitlines()[-1].strip(), "check COUNTERSIGN_API_TOKENS")
        return
    now = datetime.now(UTC)
    for record in found:
        if record.refused_because(now) is None and record.expires_at < now + _SOON:
            yield warning(
                _TOKENS,
                f"{record.id} of {record.name} ends {format_time(record.expires_at)}",
                "make another one with `countersign token create`, and give it to the caller",
            )
