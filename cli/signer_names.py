"""Whom a signature is from is shown to eyes, on a terminal; what may end up in a file gets initials."""

import sys

from countersign.client.view import AgreementView


def discreet(status: AgreementView) -> AgreementView:
    """Return a status fit for where standard output goes."""
    return status if is_for_eyes() else without_people(status)


def is_for_eyes() -> bool:
    """Tell whether standard output is a terminal."""
    return sys.stdout.isatty()


def without_people(status: AgreementView) -> AgreementView:
    """Shorten signers' names to initials and leave out the reason, which somebody wrote for them to read."""
    signers = tuple(signer.model_copy(update={"name": initials(signer.name)}) for signer in status.signers)
    result = status.result
    if result is not None and result.reason is not None:
        result = result.model_copy(update={"reason": "(shown on a terminal)"})
    return status.model_copy(update={"signers": signers, "result": result})


def initials(name: str) -> str:
    """Shorten a name: `Ada Lovelace` to `A. L.`."""
    return " ".join(f"{word[0]}." for word in name.split())
