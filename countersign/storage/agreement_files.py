"""Where an agreement's files are in the store: one folder each, named by its reference alone."""

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
        """Name the claim of a reference: the first, or the one after so many that were released."""
        return self._of(reference, "claim.json" if number == 1 else f"claim.{number}.json")

    def released(self, reference: str, number: int) -> str:
        """Name what says that a claim was released."""
        return self._of(reference, "released.json" if number == 1 else f"released.{number}.json")

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
