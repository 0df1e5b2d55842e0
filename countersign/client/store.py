"""The store of the settings, for functions that read or mend it."""

from temporalio.client import Client

from countersign.client.errors import BadInputError
from countersign.client.settings import load_settings
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, Store, open_store
from countersign.storage.store import StoreKeys


def open_own_store(client: Client) -> tuple[Store, StoreKeys]:
    """Open the store, and name the keys of the client's namespace.

    Raises:
        BadInputError: A setting is invalid, or the store cannot be opened.
    """
    own = load_settings(CountersignSettings)
    try:
        return open_store(own.store), StoreKeys(own.environment, client.namespace)
    except StorageError as error:
        raise BadInputError(str(error)) from None
