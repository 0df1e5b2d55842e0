"""References, and the workflow ids, markers, tags and idempotency keys that derive from them.

An agreement's reference names its workflow, marks its document's title, routes the provider's webhooks to the
workflow, and derives the idempotency key of every write. Pure: no clock, no network.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

WORKFLOW_ID_PREFIX: Final = "agreement-"
_TEST_DOCUMENT: Final = "countersign-test-"
_TEST_REFERENCE: Final = "webhook-test"
TITLE_LIMIT: Final = 255
"""The provider's limit on a document's name (turbosign `documentName`)."""

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_ENVIRONMENT_LENGTH = 3
_RANDOM_LENGTH = 5
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,39}", re.ASCII)
_MARKER = re.compile(
    r"\[(?P<reference>[A-Za-z0-9][A-Za-z0-9._-]{2,39})~(?P<tag>[0-9a-z]{8})\]\s*\Z", re.ASCII
)


class InvalidReferenceError(ValueError):
    """The reference has invalid characters or an invalid length."""


@dataclass(frozen=True, slots=True)
class Marker:
    """The end of a document's title that links it to an agreement: `[<reference>~<tag>]`."""

    reference: str
    tag: str

    def __str__(self) -> str:
        return f"[{self.reference}~{self.tag}]"


def new_reference() -> str:
    """Make a reference: 10 random characters of Crockford base32 (50 bits), in lower case."""
    return "".join(secrets.choice(_CROCKFORD) for _ in range(10))


def check_reference(text: str) -> str:
    """Return `text` if it is a valid reference.

    Raises:
        InvalidReferenceError: `text` is not 3 to 40 characters of `A-Z a-z 0-9 . _ -`, starting with a letter
            or digit.
    """
    if _REFERENCE.fullmatch(text) is None:
        raise InvalidReferenceError(
            "reference: use 3 to 40 letters, digits, dots, dashes or underscores, "
            "starting with a letter or digit"
        )
    return text


def workflow_id(reference: str) -> str:
    """Return the workflow id of a reference. Case does not matter.

    Raises:
        InvalidReferenceError: The reference is invalid.
    """
    return WORKFLOW_ID_PREFIX + check_reference(reference).lower()


def environment_part(*, environment: str, namespace: str, reference: str) -> str:
    """Derive the first three characters of a tag, which the webhook receiver can check without a lookup.

    They differ between environments and namespaces, so that staging can share a provider's organization with
    production. Anyone can compute them.
    """
    digest = hashlib.sha256(f"{environment}\n{namespace}\n{workflow_id(reference)}".encode()).digest()
    return "".join(_CROCKFORD[byte % 32] for byte in digest[:_ENVIRONMENT_LENGTH])


def new_tag(*, environment: str, namespace: str, reference: str) -> str:
    """Make the tag of a new claim: the environment's part and five random characters (25 bits).

    The random part keeps others from making a document that carries the marker of a send under way. Only the
    claim in the store and the workflow know it until the provider has the document.
    """
    part = environment_part(environment=environment, namespace=namespace, reference=reference)
    return part + "".join(secrets.choice(_CROCKFORD) for _ in range(_RANDOM_LENGTH))


def marker(*, environment: str, namespace: str, reference: str) -> Marker:
    """Make a marker with a new tag for a reference in this environment and namespace."""
    return Marker(reference, new_tag(environment=environment, namespace=namespace, reference=reference))


def mark_title(title: str, mark: Marker) -> str:
    """Append the marker to a title, which is cut so that both fit the provider's limit."""
    suffix = f" {mark}"
    return title[: TITLE_LIMIT - len(suffix)].rstrip() + suffix


def split_title(title: str) -> tuple[str, Marker | None]:
    """Split a document's title into the agreement's title and the marker; None if there is no marker."""
    found = _MARKER.search(title)
    if found is None:
        return title, None
    return title[: found.start()].rstrip(), Marker(found["reference"], found["tag"])


def find_marker(title: str) -> Marker | None:
    """Parse the marker at a title's end; None if there is none. Does not check its tag."""
    return split_title(title)[1]


def matches_environment(mark: Marker, *, environment: str, namespace: str) -> bool:
    """Return whether a marker is of this environment and namespace. Only the workflow knows the whole tag."""
    return mark.tag.startswith(
        environment_part(environment=environment, namespace=namespace, reference=mark.reference)
    )


def test_document_id(*, environment: str, namespace: str) -> str:
    """Return the document id of a webhook test event, from which a receiver sees who sent it.

    It names no document, and no provider makes such ids.
    """
    part = environment_part(environment=environment, namespace=namespace, reference=_TEST_REFERENCE)
    return f"{_TEST_DOCUMENT}{part}"


def is_test_document(document_id: str | None) -> bool:
    """Return whether a document id is that of a test event, of any environment and namespace."""
    return document_id is not None and document_id.startswith(_TEST_DOCUMENT)


def idempotency_key(mark: Marker, step: str) -> str:
    """Derive the idempotency key of a write, at most 64 characters. Stable across retries and restarts."""
    return f"{mark.reference.lower()}-{mark.tag}-{step}"[:64]
