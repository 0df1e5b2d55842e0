"""Where files live: the claim of a reference, the files to send, the archive."""

from pathlib import Path

from countersign.extras import needs_extra
from countersign.storage.draft import Draft, StorageError, UnusableStoreError
from countersign.storage.folder import FolderStore
from countersign.storage.store import Store, StoredFile, put

BUCKETS = ("s3", "gs", "az")
"""What a bucket's URL begins with: Amazon S3, Google Cloud Storage, Azure Blob Storage."""

__all__ = [
    "BUCKETS",
    "Draft",
    "FolderStore",
    "StorageError",
    "Store",
    "StoredFile",
    "UnusableStoreError",
    "open_store",
    "put",
]


def open_store(url: str) -> Store:
    """Open the store that a setting names: a folder, or a bucket by its URL.

    Raises:
        UnusableStoreError: It cannot be opened.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return FolderStore(Path(url))
    if scheme not in BUCKETS:
        raise UnusableStoreError(f"use a folder, or one of {', '.join(f'{bucket}://' for bucket in BUCKETS)}")
    try:
        from countersign.storage.objects import ObjectStore  # noqa: PLC0415 (an extra that few need)
    except ImportError:
        raise UnusableStoreError(f"{scheme}:// {needs_extra('objects')}") from None
    return ObjectStore(url)
