"""Keys of files in a store."""

import re
from typing import Final

from countersign.storage.draft import StorageError

_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)


def check_key(key: str) -> str:
    """Check a key and return it.

    Raises:
        StorageError: The key is not a relative path of letters, digits, dots and dashes.
    """
    if _KEY.fullmatch(key) is None:
        raise StorageError("store: a key must be a relative path of letters, digits, dots and dashes")
    return key
