"""The keys of an agreement's files: one folder per agreement, named by the reference alone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """Names files; environments and namespaces that share a store stay apart.

    Args:
        environment: The deployment's environment.
        namespace: Temporal's namespace.
    """

    environment: str
    namespace: str

    def claim(self, reference: str, number: int = 1) -> str:
        """Return the key of a reference's claim; `number` counts the claims that were released before."""
        return self._of(reference, "claim.json" if number == 1 else f"claim.{number}.json")

    def released(self, reference: str, number: int) -> str:
        """Return the key of the file that marks a claim as released."""
        return self._of(reference, "released.json" if number == 1 else f"released.{number}.json")

    def sending(self, reference: str, claim: int, number: int) -> str:
        """Name the fence of an attempt to send, under a claim of the reference."""
        return self._of(
            reference, f"sending-{number}.json" if claim == 1 else f"sending-{number}.{claim}.json"
        )

    def signed_document(self, reference: str) -> str:
        """Name the signed PDF."""
        return self._of(reference, "signed.pdf")

    def audit_trail(self, reference: str) -> str:
        """Name the provider's audit trail."""
        return self._of(reference, "audit-trail.json")

    def timeline(self, reference: str) -> str:
        """Name our own timeline."""
        return self._of(reference, "timeline.json")

    def _of(self, reference: str, name: str) -> str:
        return f"{self.environment}/{self.namespace}/{reference.lower()}/{name}"
