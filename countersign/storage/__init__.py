"""Where files live: the claim of a reference, the files to send, the archive."""

from pathlib import Path

from countersign.storage.draft import Draft, StorageError
from countersign.storage.folder import FolderStore
from countersign.storage.store import Store, StoredFile, put

__all__ = ["Draft", "FolderStore", "StorageError", "Store", "StoredFile", "open_store", "put"]


def open_store(url: str) -> Store:
    """Open the store that a setting names: a folder.

    Raises:
        StorageError: It cannot be opened.
    """
    return FolderStore(Path(url))
