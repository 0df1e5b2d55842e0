"""Test that a transaction commits all changes or none."""

from pathlib import Path

import pytest

from sandbox.core.store import Store


def fail_half_way(store: Store) -> None:
    with store.transaction():
        store.set("kept", 2)
        with store.transaction():
            store.keep_file("file", b"content")
        raise RuntimeError


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.set("kept", 1)
    with pytest.raises(RuntimeError):
        fail_half_way(store)
    assert (store.setting("kept"), store.file("file")) == (1, None)
    with store.transaction():
        store.set("kept", 3)
    store.close()
    again = Store(tmp_path)
    assert again.setting("kept") == 3
    again.close()
