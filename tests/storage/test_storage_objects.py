"""Buckets keep the promises of a folder: put once, whole, with a hash.

Over HTTP, against moto's S3, Microsoft's Azurite, and a stand-in of ours for Google Cloud Storage.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from temporalio.exceptions import ApplicationError

from countersign.agreements.failures import NOT_SENT
from countersign.storage import Fence, StorageError, Store, open_store, put
from tests.aws import aws
from tests.storage import azure_storage as azure
from tests.storage.azure_storage import azure_storage
from tests.storage.google_storage import google_storage


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks S3; returns its address."""
    with aws() as address:
        yield address


@pytest.fixture
def s3_store(s3: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="archive")
    return open_store("s3://archive/signed/")


@pytest.fixture(scope="module")
def gs() -> Iterator[str]:
    """A server that speaks Google Cloud Storage; returns its address."""
    with google_storage() as url:
        yield url


@pytest.fixture
def gs_store(gs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    account = {"gcs_base_url": gs, "disable_oauth": True, "client_email": "", "private_key": ""}
    (tmp_path / "account.json").write_text(json.dumps(account | {"private_key_id": ""}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
    return open_store("gs://archive/signed/")


@pytest.fixture(scope="module")
def az(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks Azure Blob Storage; returns its address."""
    with azure_storage(tmp_path_factory.mktemp("azurite")) as url:
        yield url


@pytest.fixture
def az_store(az: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", azure.ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azure.KEY)
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", az)
    return open_store("az://archive/signed/")


@pytest.fixture(params=["s3", "gs", pytest.param("az", marks=[pytest.mark.heavy, pytest.mark.timeout(300)])])
def store(request: pytest.FixtureRequest) -> Store:
    """A bucket at each of the clouds."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


async def test_a_file_lies_where_its_address_says(s3_store: Store) -> None:
    stored = await put(s3_store, "order-1/signed.pdf", b"content")
    assert stored.url == "s3://archive/signed/order-1/signed.pdf"
    kept = boto3.client("s3").get_object(Bucket="archive", Key="signed/order-1/signed.pdf")
    assert kept["Body"].read() == b"content"


async def test_stores_with_size_hash_and_address(store: Store) -> None:
    stored = await put(store, "order-2/signed.pdf", b"content")
    assert (stored.size, stored.sha256) == (7, hashlib.sha256(b"content").hexdigest())
    assert stored.url.endswith("://archive/signed/order-2/signed.pdf")
    assert await store.find("order-2/signed.pdf") == stored
    assert await store.read("order-2/signed.pdf") == b"content"


async def test_never_overwrites(store: Store) -> None:
    first = await put(store, "once", b"first")
    assert await put(store, "once", b"second") == first
    assert await store.read("once") == b"first"


async def test_one_of_many_at_once_wins_and_all_are_reported_which(store: Store) -> None:
    stored = await asyncio.gather(*(put(store, "claim", f"{number}".encode()) for number in range(16)))
    assert len({file.sha256 for file in stored}) == 1
    assert hashlib.sha256(await store.read("claim")).hexdigest() == stored[0].sha256


async def test_of_a_send_and_its_revocation_one_wins(store: Store) -> None:
    fence = Fence(store)

    async def began(key: str) -> bool:
        try:
            await fence.begin(key)
        except ApplicationError as error:
            return error.type != NOT_SENT
        return True

    for number in range(1, 6):
        has_begun, is_revoked = await asyncio.gather(
            began(f"sending-{number}"), fence.revoke(f"sending-{number}")
        )
        assert has_begun != is_revoked


async def test_a_large_file_arrives_whole(store: Store) -> None:
    content = bytes(range(256)) * 80_000
    stored = await put(store, "large", content)
    assert (stored.size, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert await store.find("large") == stored


async def test_lists_a_folder_and_those_in_it_and_deletes(store: Store) -> None:
    for key in ("a/b/claim.json", "a/b/signed.pdf", "a/c/claim.json", "ab/claim.json"):
        await put(store, key, b"x")
    assert await store.keys("a") == ["a/b/claim.json", "a/b/signed.pdf", "a/c/claim.json"]
    for _ in range(2):
        await store.delete("a/c/claim.json")
    assert await store.keys("a") == ["a/b/claim.json", "a/b/signed.pdf"]


async def test_what_is_not_there(store: Store) -> None:
    assert await store.find("nothing") is None
    with pytest.raises(StorageError, match="store: nothing"):
        await store.read("nothing")


async def test_a_key_stays_under_its_prefix(store: Store) -> None:
    with pytest.raises(StorageError, match="store: a key must be a relative path"):
        await put(store, "../elsewhere", b"")


async def test_a_bucket_that_is_not_there(store: Store) -> None:
    scheme = (await put(store, "here", b"")).url.split(":")[0]
    with pytest.raises(StorageError, match="store: the bucket does not exist"):
        await put(open_store(f"{scheme}://nowhere"), "a", b"")


@pytest.mark.usefixtures("s3_store")
async def test_a_bucket_out_of_reach_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError, match=r"store: the bucket did not take the call \(GenericError\)"):
        await put(open_store("s3://archive"), "a", b"")


def test_a_scheme_of_no_store() -> None:
    with pytest.raises(StorageError, match="COUNTERSIGN_STORE: use a folder, or one of s3://, gs://, az://"):
        open_store("ftp://somewhere")


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "countersign.storage.objects", raising=False)
    with pytest.raises(StorageError, match=r"s3:// needs the extra `objects`; install "):
        open_store("s3://archive")
