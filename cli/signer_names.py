"""Show signers' full names on a terminal only; print initials when stdout is redirected."""

import sys
from typing import Final

from countersign.client.view import AgreementView

SHORTENED: Final = "names and reasons are shortened in a file or a pipe: --names prints them"
_LEFT_OUT: Final = "(shown on a terminal)"


def discreet(status: AgreementView, *, names: bool) -> AgreementView:
    """Return a status fit for where standard output goes.

    Args:
        status: With full names.
        names: Whether the caller asked for full names wherever they go.
    """
    return status if shows_people(names=names) else without_people(status)


def shows_people(*, names: bool) -> bool:
    """Return whether full names are printed: on a terminal, or because the caller asked for them."""
    return names or sys.stdout.isatty()


def without_people(status: AgreementView) -> AgreementView:
    """Shorten signers' names to initials; leave out a person's reason and the provider's own words."""
    signers = tuple(signer.model_copy(update={"name": initials(signer.name)}) for signer in status.signers)
    result = status.result
    if result is not None and result.reason is not None:
        result = result.model_copy(update={"reason": _LEFT_OUT})
    words = status.provider_message and _LEFT_OUT
    return status.model_copy(update={"signers": signers, "result": result, "provider_message": words})


def initials(name: str) -> str:
    """Shorten a name: `Ada Lovelace` to `A. L.`."""
    return " ".join(f"{word[0]}." for word in name.split())
