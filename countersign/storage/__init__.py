"""Where files live: the claim of a reference, the files to send, the archive."""

import re
from pathlib import Path
from typing import Final

from countersign.extras import needs_extra
from countersign.storage.claims import Claims
from countersign.storage.draft import Draft, StorageError, UnusableStoreError
from countersign.storage.fence import Fence
from countersign.storage.folder import FolderStore
from countersign.storage.store import Store, StoredFile, put

BUCKETS = ("s3", "gs", "az")
"""What a bucket's URL begins with: Amazon S3, Google Cloud Storage, Azure Blob Storage."""

_USE: Final = f"use a folder, or one of {', '.join(f'{bucket}://' for bucket in BUCKETS)}"
_DRIVE_OR_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""`s3:bucket` and `C:\\store` would become folders of that name."""

__all__ = [
    "BUCKETS",
    "Claims",
    "Draft",
    "Fence",
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
        if _DRIVE_OR_SCHEME.match(url):
            raise UnusableStoreError(
                f"{url.partition(':')[0]}: is neither a folder nor a bucket's URL; {_USE}"
            )
        return FolderStore(Path(url).expanduser())
    if scheme not in BUCKETS:
        raise UnusableStoreError(_USE)
    try:
        from countersign.storage.objects import ObjectStore  # noqa: PLC0415 (an extra that few need)
    except ImportError:
        raise UnusableStoreError(f"{scheme}:// {needs_extra('objects')}") from None
    return ObjectStore(url)
