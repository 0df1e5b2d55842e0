"""The store: can it be written, and does it keep what is there?"""

from collections.abc import AsyncIterator
from importlib.metadata import version
from platform import python_version
from typing import Final

import countersign
from countersign.configuration import load
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, open_store, put

from .configured import loaded
from .finding import Finding, failed, ok, skipped

_STORE = "store"
_KEY: Final = "doctor/create-only.txt"
_FIRST: Final = b"Written by `starter.py doctor` to see whether files here can be replaced. They must not.\n"


async def check_store() -> AsyncIterator[Finding]:
    """Put a file, then another under its key: the first must stay. It is the same one every time."""
    if not loaded(CountersignSettings):
        yield skipped(_STORE, "the settings cannot work")
        return
    (settings,) = load(CountersignSettings)
    try:
        store = open_store(settings.store)
        first = await put(store, _KEY, _FIRST)
        second = await put(store, _KEY, _FIRST + b"Replaced.\n")
        kept = first == second and await store.read(_KEY) == _FIRST
    except StorageError as error:
        yield failed(_STORE, str(error), "check COUNTERSIGN_STORE and its permissions: create and read")
        return
    if kept:
        yield ok(_STORE, f"{settings.store} is writable, and what is there stays")
    else:
        yield failed(_STORE, "a file could be replaced", "use a store with conditional writes")


def check_versions() -> Finding:
    """Name what is installed."""
    general, sdk = countersign.__version__, version("temporalio")
    return ok("versions", f"countersign {general}, Python {python_version()}, temporalio {sdk}")
