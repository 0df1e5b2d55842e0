import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from countersign.storage import FolderStore, StorageError, UnusableStoreError, open_store, put
from tests.storage.disks import closed, files_in, files_limited_to, fill, open_folder, small_disk


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


async def test_stores_with_size_and_hash(store: FolderStore, tmp_path: Path) -> None:
    stored = await put(store, "a/b/signed.pdf", b"content")
    assert (stored.size, stored.sha256) == (7, hashlib.sha256(b"content").hexdigest())
    assert (tmp_path / "store/a/b/signed.pdf").read_bytes() == b"content"
    assert await store.find("a/b/signed.pdf") == stored
    assert await store.read("a/b/signed.pdf") == b"content"


async def test_never_overwrites(store: FolderStore) -> None:
    first = await put(store, "once", b"first")
    assert await put(store, "once", b"second") == first
    assert await store.read("once") == b"first"


async def test_one_of_many_at_once_wins_and_all_are_reported_which(store: FolderStore) -> None:
    stored = await asyncio.gather(*(put(store, "claim", f"{number}".encode()) for number in range(16)))
    assert len({file.sha256 for file in stored}) == 1
    assert hashlib.sha256(await store.read("claim")).hexdigest() == stored[0].sha256


async def test_leaves_nothing_of_a_draft_that_failed(store: FolderStore, tmp_path: Path) -> None:
    def interrupted() -> None:
        with store.draft() as draft:
            draft.write(b"half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        interrupted()
    assert files_in(tmp_path / "store") == set()
    assert await store.find("half") is None


async def test_a_full_disk_is_a_storage_error_and_leaves_nothing(store: FolderStore, tmp_path: Path) -> None:
    with files_limited_to(1000), pytest.raises(StorageError, match=r"^store: File too large$"):
        await put(store, "big", b"x" * 100_000)
    assert files_in(tmp_path / "store") == set()
    assert (await put(store, "big", b"x" * 100_000)).size == 100_000


@pytest.mark.heavy
async def test_a_disk_that_fills_up_while_a_file_is_written_keeps_nothing_of_it(tmp_path: Path) -> None:
    with small_disk(tmp_path, 256 * 1024):
        store = FolderStore(tmp_path)
        with pytest.raises(StorageError, match=r"^store: No space left on device$"):
            await put(store, "big", b"x" * 300_000)
        assert files_in(tmp_path) == set()
        filler = fill(tmp_path)
        with pytest.raises(StorageError, match=r"^store: No space left on device$"):
            await put(store, "small", b"x" * 5000)
        assert files_in(tmp_path) == {filler.name}
        filler.unlink()
        assert (await put(store, "small", b"x" * 5000)).size == 5000


async def test_a_folder_that_may_not_be_written_is_a_storage_error_and_leaves_nothing() -> None:
    with open_folder() as folder:
        store = FolderStore(folder)
        with closed(folder), pytest.raises(StorageError, match=r"^store: Permission denied$"):
            await put(store, "order-1042/signed.pdf", b"content")
        assert files_in(folder) == set()
        assert (await put(store, "order-1042/signed.pdf", b"content")).size == 7


async def test_lists_a_folder_and_those_in_it_and_deletes(store: FolderStore, tmp_path: Path) -> None:
    for key in ("a/b/claim.json", "a/b/signed.pdf", "a/c/claim.json", "ab/claim.json"):
        await put(store, key, b"")
    assert await store.keys("a") == ["a/b/claim.json", "a/b/signed.pdf", "a/c/claim.json"]
    for _ in range(2):
        await store.delete("a/c/claim.json")
    await store.delete("a/b/claim.json")
    assert await store.keys("a") == ["a/b/signed.pdf"]
    assert [path.name for path in (tmp_path / "store" / "a").iterdir()] == ["b"]
    assert await store.keys("nothing") == []


async def test_sweeps_what_a_killed_process_left_a_day_ago(store: FolderStore, tmp_path: Path) -> None:
    with store.draft() as old, store.draft() as young:
        os.utime(old.path, (0, time.time() - 100_000))
        FolderStore(tmp_path / "store")
        assert (old.path.exists(), young.path.exists()) == (False, True)


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a//b", "a/../b", "a b", "a/", ".drafts/x", "ü"])
async def test_refuses_keys_that_could_leave_the_store(store: FolderStore, key: str) -> None:
    with pytest.raises(StorageError, match="relative path"):
        await store.find(key)


async def test_a_missing_file_is_one_sentence(store: FolderStore) -> None:
    with pytest.raises(StorageError, match=r"^store: nothing.pdf does not exist$"):
        await store.read("nothing.pdf")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for named in (file, file / "store"):
        with pytest.raises(UnusableStoreError) as caught:
            open_store(str(named))
        assert str(caught.value) == f"COUNTERSIGN_STORE: {named} cannot be used as a folder: Not a directory"


def test_opens_while_another_worker_publishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FolderStore(tmp_path)
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "published-just-now"]))
    FolderStore(tmp_path)
