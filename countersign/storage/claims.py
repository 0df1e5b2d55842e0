"""Claims of references in the store, which remembers them longer than Temporal remembers workflows.

The run that holds a claim releases it only if it has done nothing; then the next claim can be made. If
Temporal has lost the run, `countersign recover` hands its claim on: the next one has what that one held. All
of these are files that are created once, so that one of two runs gets the claim.
"""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from countersign.storage.store import AGREEMENT, Store, StoreKeys, put_entry


class Claim(NamedTuple):
    """A claim that a run holds: its number, its content, and whether it continues another's."""

    number: int
    content: Mapping[str, str]
    recovers: bool


class Claims:
    """The claims of one kind.

    Args:
        store: Where they are kept.
        keys: Where in the store.
        kind: What is claimed, such as `quote`: a quote and an agreement may share a reference.
    """

    def __init__(self, store: Store, keys: StoreKeys, kind: str = AGREEMENT) -> None:
        self._store = store
        self._keys = keys
        self._kind = kind

    async def claim(self, reference: str, run_id: str, **content: str) -> Claim | None:
        """Claim a reference; a repetition changes nothing.

        Args:
            reference: The reference.
            run_id: Who claims it: the workflow's first run, `workflow.info().first_execution_run_id`.
            content: What to keep with the claim, without personal data.

        Returns:
            None if another run holds it.

        Raises:
            StorageError: The store failed.
        """
        inherited: Mapping[str, str] = {}
        for number in itertools.count(1):
            key = self._keys.claim(reference, number, self._kind)
            claim = await put_entry(self._store, key, {"run_id": run_id, **content, **inherited})
            if claim["run_id"] == run_id:
                return Claim(number, claim, recovers=bool(inherited))
            if await self._store.find(self._keys.released(reference, number, self._kind)) is not None:
                inherited = {}
            elif await self._store.find(self._keys.recovered(reference, number, self._kind)) is not None:
                inherited = {name: value for name, value in claim.items() if name != "run_id"}
            else:
                break
        return None

    async def release(self, reference: str, run_id: str) -> None:
        """Release a reference: the run has done nothing. It is free afterwards, unless another run holds it.

        Raises:
            StorageError: The store failed.
        """
        if (held := await self.claim(reference, run_id)) is not None:
            entry = {"run_id": run_id, "at": datetime.now(UTC).isoformat()}
            await put_entry(self._store, self._keys.released(reference, held.number, self._kind), entry)
