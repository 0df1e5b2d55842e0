"""A store in a bucket: Amazon S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

Credentials and endpoints come from the variables of the cloud's own tools (`AWS_...`, `GOOGLE_...`,
`AZURE_...`). Its transport repeats nothing: Temporal does that.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import obstore
import obstore.store
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError

from countersign.storage.draft import Draft, StorageError, UnusableStoreError
from countersign.storage.store import StoredFile, check_key


class ObjectStore:
    """A store in a bucket. Publishing is one create-only write: whole or not at all, and only once.

    Args:
        url: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.

    Raises:
        UnusableStoreError: It cannot be set up.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        try:
            self._bucket = obstore.store.from_url(self._url, retry_config={"max_retries": 0})
        except (BaseError, ValueError) as error:
            raise UnusableStoreError(f"{self._url} cannot be set up ({type(error).__name__})") from None

    def draft(self) -> Draft:
        """Begin a file, in this machine's folder for temporary files until it is published."""
        return Draft(Path(tempfile.gettempdir()))

    async def publish(self, key: str, draft: Draft) -> StoredFile:
        """Write the draft under its key; what was there before stays and is returned."""
        check_key(key)
        draft.flush()
        try:
            await obstore.put_async(self._bucket, key, draft.path, mode="create", use_multipart=False)
        except AlreadyExistsError:
            pass
        except FileNotFoundError:
            raise StorageError("store: the bucket does not exist") from None
        except BaseError as error:
            raise _trouble(error) from None
        else:
            return StoredFile(key, draft.size, draft.sha256, f"{self._url}/{key}")
        found = await self.find(key)
        if found is None:
            raise StorageError(f"store: {key} vanished while it was read")
        return found

    async def find(self, key: str) -> StoredFile | None:
        """Look a key up and hash what is there."""
        digest, size = hashlib.sha256(), 0
        try:
            found = await obstore.get_async(self._bucket, check_key(key))
            async for chunk in found.stream():
                await asyncio.to_thread(digest.update, chunk)
                size += len(chunk)
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise _trouble(error) from None
        return StoredFile(key, size, digest.hexdigest(), f"{self._url}/{key}")

    async def read(self, key: str) -> bytes:
        """Read a whole object."""
        try:
            found = await obstore.get_async(self._bucket, check_key(key))
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            raise StorageError(f"store: {key} does not exist") from None
        except BaseError as error:
            raise _trouble(error) from None

    async def size(self, key: str) -> int | None:
        """Return an object's size."""
        try:
            return (await obstore.head_async(self._bucket, check_key(key)))["size"]
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise _trouble(error) from None

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Read a part of an object."""
        if start >= end:
            return
        try:
            options: obstore.GetOptions = {"range": (start, end)}
            found = await obstore.get_async(self._bucket, check_key(key), options=options)
            async for chunk in found.stream():
                yield bytes(chunk)
        except FileNotFoundError:
            raise StorageError(f"store: {key} does not exist") from None
        except BaseError as error:
            raise _trouble(error) from None

    async def keys(self, folder: str) -> list[str]:
        """List a folder and those in it."""
        try:
            found = await obstore.list(self._bucket, f"{check_key(folder)}/").collect_async()
        except BaseError as error:
            raise _trouble(error) from None
        return sorted(item["path"] for item in found)

    async def delete(self, key: str) -> None:
        """Delete an object."""
        try:
            await obstore.delete_async(self._bucket, check_key(key))
        except FileNotFoundError:
            pass
        except BaseError as error:
            raise _trouble(error) from None


def _trouble(error: Exception) -> StorageError:
    """Return what failed, without the cloud's response, which may quote keys and signatures."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return StorageError("store: the bucket rejects the credentials")
    return StorageError(f"store: the bucket did not take the call ({type(error).__name__})")
