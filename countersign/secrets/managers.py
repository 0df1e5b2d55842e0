"""Secret managers: one address names the manager and its place; one deadline covers them all.

`COUNTERSIGN_SECRETS` is `aws:<secret id>`, `azure:<vault URL>`, `gcp:<project>` or `vault:<mount>/<path>`.
Credentials come from the vendor's own variables. A manager is asked for variables that no other place
has; a secret that it lacks is a setting that is not set.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Final, NamedTuple

from countersign.extras import needs_extra
from countersign.secrets.local import Origin, Problems

DEADLINE_SECONDS: Final = 10.0
"""Seconds that a manager may take, sign-in included."""

ATTEMPT_SECONDS: Final = 4.0
"""How long one request to a manager may take."""

Fetch = Callable[[str, Sequence[str]], Mapping[str, str]]


class SecretManagerError(Exception):
    """A secret manager did not give us what we need; the message is one sentence, without any value."""


class Manager(NamedTuple):
    """A kind of secret manager: its name, the module with its `fetch`, and the extra that it needs."""

    label: str
    module: str
    extra: str


MANAGERS: Final = {
    "aws": Manager("AWS Secrets Manager", "countersign.secrets.aws", "aws"),
    "azure": Manager("Azure Key Vault", "countersign.secrets.azure", "azure"),
    "gcp": Manager("Google Secret Manager", "countersign.secrets.gcp", "gcp"),
    "vault": Manager("HashiCorp Vault", "countersign.secrets.vault", "vault"),
}


def manager_origin(local: Iterable[Origin], missing: Sequence[str], problems: Problems) -> Origin | None:
    """Ask the configured secret manager, if any, for variables without a local value.

    Args:
        local: Local origins; one of them may name the manager.
        missing: Names of variables to ask for.
        problems: Receives a sentence if the address is wrong or the manager does not deliver in time.
    """
    named = (
        source.values["COUNTERSIGN_SECRETS"] for source in local if "COUNTERSIGN_SECRETS" in source.values
    )
    address = next(named, None)
    if address is None or not missing:
        return None
    kind, _, place = address.partition(":")
    if kind not in MANAGERS or not place:
        problems["COUNTERSIGN_SECRETS"] = (
            "COUNTERSIGN_SECRETS must be aws:<secret id>, azure:<vault URL>, gcp:<project> "
            "or vault:<mount>/<path>"
        )
        return None
    manager = MANAGERS[kind]
    try:
        return Origin(manager.label, within_deadline(manager, place, missing, DEADLINE_SECONDS))
    except SecretManagerError as error:
        problems["COUNTERSIGN_SECRETS"] = f"{manager.label} {error}"
        return None


def within_deadline(manager: Manager, place: str, names: Sequence[str], seconds: float) -> Mapping[str, str]:
    """Fetch in a thread that is abandoned after a time limit, because a vendor's sign-in may wait longer.

    Raises:
        SecretManagerError: The manager rejected the request, failed, or did not respond in time.
    """
    answers: queue.SimpleQueue[Mapping[str, str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(_fetch(manager)(place, names))
        except Exception as error:  # noqa: BLE001 - a vendor's client may raise anything
            answers.put(error)

    threading.Thread(target=ask, name="secret-manager", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise SecretManagerError(
            f"did not respond within {seconds:g} s; check its address and the network"
        ) from None
    if isinstance(answer, SecretManagerError):
        raise answer
    if isinstance(answer, Exception):
        raise SecretManagerError(f"could not be read ({type(answer).__name__})") from None
    return answer


def _fetch(manager: Manager) -> Fetch:
    try:
        fetch: Fetch = import_module(manager.module).fetch
    except ImportError:
        raise SecretManagerError(needs_extra(manager.extra)) from None
    return fetch
