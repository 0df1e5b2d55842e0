"""What the store holds of each reference, by the names of its files."""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from countersign.storage.store import Store, StoreKeys

_CLAIM: Final = re.compile(r"claim(?:\.(?P<number>\d+))?\.json")
_OF_ANOTHER_KIND: Final = re.compile(r".+-(?:claim|released|recovered)(?:\.\d+)?\.json")
"""Claims that other workflows than agreements have on the reference."""
_IMPERSONAL: Final = re.compile(
    r"(?:claim|released|recovered|sending-\d+|sent-\d+)(?:\.\d+)?\.json|(?:end|hold)\.json"
)
"""Files that name no one, and keep the reference from being used, and sent, a second time."""


@dataclass(frozen=True)
class StoredReference:
    """The files of one reference.

    Args:
        reference: The reference, in lower case.
        keys: The keys of the agreement's files; claims of another kind are not among them.
        names: How its files are named.
    """

    reference: str
    keys: frozenset[str]
    names: StoreKeys

    @property
    def claim(self) -> int:
        """The number of the last claim; 0 if there is none."""
        found = (_CLAIM.fullmatch(key.rpartition("/")[2]) for key in self.keys)
        return max((int(name["number"] or 1) for name in found if name), default=0)

    @property
    def claim_key(self) -> str:
        """The key of the last claim."""
        return self.names.claim(self.reference, self.claim)

    @property
    def input_key(self) -> str | None:
        """The key of the input of the last claim, or of one that it continues; None if the store has none."""
        for number in range(self.claim, 0, -1):
            if (key := self.names.input(self.reference, number)) in self.keys:
                return key
            if self.names.recovered(self.reference, number - 1) not in self.keys:
                break
        return None

    @property
    def end_key(self) -> str | None:
        """The key of what says when it ended, or when it gave its reference back; None if that is unknown."""
        if self.has_ended:
            return self.names.end(self.reference)
        return self.names.released(self.reference, self.claim) if self.is_released else None

    @property
    def hold_key(self) -> str:
        """The key of the file that keeps all others."""
        return self.names.hold(self.reference)

    @property
    def is_on_hold(self) -> bool:
        """Whether it must not be deleted."""
        return self.hold_key in self.keys

    @property
    def personal_keys(self) -> list[str]:
        """The keys of files that may name people: the input, the document and its evidence. Sorted."""
        return sorted(key for key in self.keys if not _IMPERSONAL.fullmatch(key.rpartition("/")[2]))

    @property
    def is_released(self) -> bool:
        """Whether the last claim was given back: nothing was sent under it."""
        return self.names.released(self.reference, self.claim) in self.keys

    @property
    def is_handed_on(self) -> bool:
        """Whether the last claim waits for an agreement that continues it."""
        return self.names.recovered(self.reference, self.claim) in self.keys

    @property
    def has_ended(self) -> bool:
        """Whether an end is recorded."""
        return self.names.end(self.reference) in self.keys


async def stored_references(store: Store, names: StoreKeys) -> list[StoredReference]:
    """List the claimed references of an environment and namespace.

    Raises:
        StorageError: The store failed.
    """
    by_reference: dict[str, set[str]] = defaultdict(set)
    for key in await store.keys(names.folder):
        reference, separator, name = key.removeprefix(f"{names.folder}/").partition("/")
        if separator and _is_own(name):
            by_reference[reference].add(key)
    found = (StoredReference(name, frozenset(keys), names) for name, keys in sorted(by_reference.items()))
    return [reference for reference in found if reference.claim]


async def stored_reference(store: Store, names: StoreKeys, reference: str) -> StoredReference:
    """Return what the store holds of one reference.

    Raises:
        StorageError: The store failed.
    """
    folder = names.of_reference(reference)
    own = frozenset(key for key in await store.keys(folder) if _is_own(key.removeprefix(f"{folder}/")))
    return StoredReference(reference.lower(), own, names)


def _is_own(name: str) -> bool:
    """Whether a file is an agreement's; the folder of a reference `batches` also holds the batches."""
    return "/" not in name and _OF_ANOTHER_KIND.fullmatch(name) is None
