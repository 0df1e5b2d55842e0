"""Check an agreement's variables against its template: the provider would leave gaps."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from countersign.agreements.messages import TemplateSource
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.models import Template
from countersign.suggestions import did_you_mean

_FRESH: Final = 60.0
"""Seconds for which what a template needs is remembered, so that a batch of agreements asks once."""


def placeholders(template: Template) -> frozenset[str]:
    """Return the names of the variables that a template needs."""
    return frozenset(variable.placeholder.strip("{}") for variable in template.variables)


def misfits(given: Iterable[str], needed: frozenset[str]) -> list[str]:
    """Return what is wrong with the names of variables, one clause each; empty if they fit."""
    names = set(given)
    wrong = [f"it has no variable {name}{did_you_mean(name, needed)}" for name in sorted(names - needed)]
    return wrong + [f"it needs the variable {name}" for name in sorted(needed - names)]


class TemplateVariables:
    """The variables of templates, remembered for a minute.

    Args:
        client: The provider.
        clock: Seconds that only grow.
    """

    def __init__(self, client: TurboDocxClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    async def misfits(self, source: TemplateSource) -> list[str]:
        """Return what is wrong with a source's variables: one call, or none within a minute of the last.

        Raises:
            ProviderError: The provider did not respond, or does not know the template.
        """
        asked_at, needed = self._known.get(source.template_id, (-_FRESH, frozenset()))
        if self._clock() - asked_at < _FRESH and not misfits(source.variables, needed):
            return []
        needed = placeholders(await self._client.get_template(source.template_id))
        self._known[source.template_id] = (self._clock(), needed)
        return misfits(source.variables, needed)
