"""Bearer tokens: what they may do, and where their hashes are kept.

A token is `cst_<id>_<secret>`. The secret has 200 random bits, so its SHA-256 is as safe as a slow hash. It
is shown once and stored nowhere.
"""

import asyncio
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from countersign.configuration import SettingsError
from countersign.settings.api import STORE
from countersign.storage import StorageError, Store, put

_PREFIX: Final = "cst_"
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH: Final = 10
_SECRET_LENGTH: Final = 40
_LENGTH: Final = len(_PREFIX) + _ID_LENGTH + 1 + _SECRET_LENGTH
NAME: Final = r"^[A-Za-z0-9._:-]{1,64}$"
"""A token's name is the `initiated_by` of what it starts, so logs contain it."""
PREFIX: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,29}$"
"""How a tenant's references begin; ten more characters are left for a reference that the API makes."""
CACHE_SECONDS: Final = 5.0
"""How long a process remembers a token, and so the longest time until it notices a revocation."""
_CACHED: Final = 1000


class Scope(StrEnum):
    """What a token may do."""

    START = "start"
    READ = "read"
    ACT = "act"
    READ_PEOPLE = "read:people"


class TokenRecord(BaseModel):
    """A token without its secret.

    Args:
        id: Its id, the middle part of the token.
        name: The caller's name, an opaque id; `initiated_by` of what it starts.
        sha256: The hash of the secret in hexadecimal.
        scopes: What it may do.
        account: The only account at a provider that it may use; None for all.
        prefix: How every reference begins that it may use; None for all.
        created_at: When it was made.
        expires_at: When it ends.
        revoked_at: When it was revoked.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=rf"^[{_ALPHABET}]{{{_ID_LENGTH}}}$")
    name: str = Field(pattern=NAME)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    scopes: tuple[Scope, ...]
    account: str | None = None
    prefix: str | None = Field(default=None, pattern=PREFIX)
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def may_use(self, reference: str) -> bool:
        """Return whether the token may use a reference, which is compared without case."""
        return reference.lower().startswith((self.prefix or "").lower())

    def refused_because(self, now: datetime) -> str | None:
        """Return why the token is invalid at a time: `revoked` or `expired`; None if it is valid."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if now >= self.expires_at else None


class Tokens(Protocol):
    """Where records of tokens are kept. Every method may raise `StorageError`."""

    async def add(self, record: TokenRecord) -> None:
        """Keep a new record."""

    async def find(self, token_id: str) -> TokenRecord | None:
        """Look a record up."""

    async def revoke(self, record: TokenRecord, now: datetime) -> None:
        """Revoke a token, for ever."""

    async def all(self) -> list[TokenRecord]:
        """Return all records, the oldest first."""


def new_token(
    name: str,
    scopes: tuple[Scope, ...],
    *,
    expires_at: datetime,
    account: str | None = None,
    prefix: str | None = None,
) -> tuple[SecretStr, TokenRecord]:
    """Make a token and its record; see `TokenRecord` for the arguments.

    Raises:
        pydantic.ValidationError: The name is invalid.
    """
    token_id, secret = _random(_ID_LENGTH), _random(_SECRET_LENGTH)
    record = TokenRecord(
        id=token_id,
        name=name,
        sha256=_hashed(secret),
        scopes=scopes,
        account=account,
        prefix=prefix,
        created_at=datetime.now(UTC),
        expires_at=expires_at,
    )
    return SecretStr(f"{_PREFIX}{token_id}_{secret}"), record


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_NO_HASH: Final = _hashed("")


class RefusedTokenError(Exception):
    """A token is refused.

    Args:
        reason: `unknown`, `expired` or `revoked`, for metrics and logs; the caller does not learn it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Verifier:
    """Verifies tokens; a wrong secret and an unknown id take the same path.

    Args:
        tokens: The records.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(self, tokens: Tokens, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._known: dict[str, tuple[float, TokenRecord | None]] = {}

    async def verify(self, token: str) -> TokenRecord:
        """Return the record of a valid token.

        Raises:
            RefusedTokenError: The token is not valid.
            StorageError: The records cannot be read.
        """
        token_id, secret = _split(token)
        record = await self._find(token_id) if token_id else None
        expected = record.sha256 if record else _NO_HASH
        if not hmac.compare_digest(_hashed(secret).encode(), expected.encode()) or record is None:
            raise RefusedTokenError("unknown")
        if reason := record.refused_because(datetime.now(UTC)):
            raise RefusedTokenError(reason)
        return record

    async def _find(self, token_id: str) -> TokenRecord | None:
        read_at, record = self._known.get(token_id, (float("-inf"), None))
        if self._clock() - read_at < CACHE_SECONDS:
            return record
        record = await self._tokens.find(token_id)
        if len(self._known) >= _CACHED:  # callers can invent ids
            self._known.pop(next(iter(self._known)))
        self._known[token_id] = self._clock(), record
        return record


def _split(token: str) -> tuple[str, str]:
    """Return id and secret; two empty texts if the token cannot be ours."""
    prefix, token_id, secret = token[:4], token[4 : 4 + _ID_LENGTH], token[5 + _ID_LENGTH :]
    is_ours = len(token) == _LENGTH and prefix == _PREFIX and set(token_id) <= set(_ALPHABET)
    return (token_id, secret) if is_ours and secret.isascii() else ("", "")


class FileTokens:
    """Records in one JSON file, which its owner alone can read. The file is read again when it changes.

    Args:
        path: The file; made by the first token.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser()
        self._read_as: tuple[int, int] | None = None
        self._records: dict[str, TokenRecord] = {}

    async def add(self, record: TokenRecord) -> None:
        """Add a record to the file."""
        await asyncio.to_thread(self._change, record)

    async def find(self, token_id: str) -> TokenRecord | None:
        """Look a record up."""
        return (await asyncio.to_thread(self.load)).get(token_id)

    async def revoke(self, record: TokenRecord, now: datetime) -> None:
        """Write the time of the revocation into the record."""
        await asyncio.to_thread(self._change, record.model_copy(update={"revoked_at": now}))

    async def all(self) -> list[TokenRecord]:
        """Return all records."""
        return sorted((await asyncio.to_thread(self.load)).values(), key=lambda record: record.created_at)

    def load(self) -> dict[str, TokenRecord]:
        """Read the file if it has changed; records by id."""
        try:
            found = self._path.stat()
            version = found.st_mtime_ns, found.st_ino
            if version != self._read_as:
                listed = json.loads(self._path.read_bytes())["tokens"]
                self._records = {item["id"]: TokenRecord.model_validate(item) for item in listed}
                self._read_as = version
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"the file of tokens cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise StorageError(f"the file of tokens {self._path} is damaged") from None
        return self._records

    def _change(self, record: TokenRecord) -> None:
        try:
            with self._locked():
                records = self.load() | {record.id: record}
                listed = [kept.model_dump(mode="json") for kept in records.values()]
                descriptor, name = tempfile.mkstemp(dir=self._path.parent)
                with os.fdopen(descriptor, "w") as file:
                    json.dump({"tokens": listed}, file, indent=2)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
        except OSError as error:
            raise StorageError(f"the file of tokens cannot be written: {error.strerror}") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(f"{self._path}.lock", "w", opener=_open_private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class StoreTokens:
    """Records in the store, which every process of an environment shares. A revocation is a file of its own.

    Args:
        store: The store.
        environment: The environment; others may share the store.
    """

    def __init__(self, store: Store, environment: str) -> None:
        self._store = store
        self._folder = f"api-tokens/{environment}"

    async def add(self, record: TokenRecord) -> None:
        """Write a record."""
        await put(self._store, self._key(record.id), record.model_dump_json().encode())

    async def find(self, token_id: str) -> TokenRecord | None:
        """Read a record and its revocation."""
        if await self._store.size(self._key(token_id)) is None:
            return None
        try:
            record = TokenRecord.model_validate_json(await self._store.read(self._key(token_id)))
            if await self._store.size(self._revocation(token_id)) is None:
                return record
            revoked_at = json.loads(await self._store.read(self._revocation(token_id)))["revoked_at"]
            return record.model_copy(update={"revoked_at": datetime.fromisoformat(revoked_at)})
        except (ValidationError, ValueError, KeyError):
            raise StorageError(f"the record of token {token_id} is damaged") from None

    async def revoke(self, record: TokenRecord, now: datetime) -> None:
        """Write the revocation."""
        content = json.dumps({"revoked_at": now.isoformat()}).encode()
        await put(self._store, self._revocation(record.id), content)

    async def all(self) -> list[TokenRecord]:
        """Read all records."""
        names = [key.rpartition("/")[2] for key in await self._store.keys(self._folder)]
        ids = [name.removesuffix(".json") for name in names if name.count(".") == 1]
        found = [record for token_id in ids if (record := await self.find(token_id))]
        return sorted(found, key=lambda record: record.created_at)

    def _key(self, token_id: str) -> str:
        return f"{self._folder}/{token_id}.json"

    def _revocation(self, token_id: str) -> str:
        return f"{self._folder}/{token_id}.revoked.json"


def open_tokens(setting: str, store: Store, environment: str) -> Tokens:
    """Open what `COUNTERSIGN_API_TOKENS` names.

    Args:
        setting: The setting.
        store: The store, for `store`.
        environment: The environment.

    Raises:
        SettingsError: The file cannot be read.
    """
    if setting == STORE:
        return StoreTokens(store, environment)
    tokens = FileTokens(Path(setting))
    try:
        tokens.load()  # a wrong path is reported at the start
    except StorageError as error:
        raise SettingsError.listing([f"COUNTERSIGN_API_TOKENS: {error}"]) from None
    return tokens
