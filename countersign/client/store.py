"""The store of the settings, for functions that read or mend it."""

from temporalio.client import Client

from countersign.agreements.reference import InvalidReferenceError, check_reference
from countersign.client.errors import BadInputError, UnreachableError
from countersign.client.settings import load_settings
from countersign.settings import CountersignSettings
from countersign.storage import StorageError, Store, open_store
from countersign.storage.references import StoredReference, stored_reference
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


async def find_stored(reference: str, client: Client) -> tuple[StoredReference, Store]:
    """Return what the store holds of a reference, and the store.

    Raises:
        BadInputError: The reference or a setting is invalid.
        UnreachableError: The store does not respond.
    """
    try:
        check_reference(reference)
    except InvalidReferenceError as error:
        raise BadInputError(str(error)) from None
    store, keys = open_own_store(client)
    try:
        return await stored_reference(store, keys, reference), store
    except StorageError as error:
        raise UnreachableError(f"{reference}: {error}; retrying is safe") from None
