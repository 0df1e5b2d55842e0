"""Check an agreement's variables against its template: the provider would leave gaps."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from countersign.agreements.messages import JsonData, Repeated, RichText, TemplateSource, Variable
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.models import Template
from countersign.suggestions import did_you_mean

_FRESH: Final = 60.0
"""Seconds for which what a template needs is remembered, so that a batch of agreements asks once."""
_ROOT: Final = re.compile(r"[#^/(!\s]*(\w+)")
"""The first name of an expression of the advanced engine."""


def placeholders(template: Template) -> frozenset[str]:
    """Return the names of the variables that a template needs."""
    return frozenset(variable.placeholder.strip("{}") for variable in template.variables)


def misfits(given: Mapping[str, Variable], needed: frozenset[str]) -> list[str]:
    """Return what is wrong with the names of variables, one clause each; empty if they fit.

    The provider does not document how it lists the loops and expressions of its advanced engine. So JSON may
    have any name, and names within JSON and within a value may be the template's.
    """
    data = {name: value.value for name, value in given.items() if isinstance(value, JsonData)}
    wrong = [
        f"it has no variable {name}{did_you_mean(name, needed)}"
        for name in sorted(given.keys() - data.keys() - needed)
    ]
    found = given.keys() | {name for value in given.values() for name in _inner(value)}
    missing = sorted(name for name in needed - found if not (data and _is_evaluated(name, found)))
    return wrong + [f"it needs the variable {name}" for name in missing]


def _inner(value: Variable) -> Iterator[str]:
    match value:
        case RichText(variables=variables):
            yield from variables
        case Repeated(items=items):
            for item in items:
                yield from _inner(item)
        case JsonData(value=data):
            yield from _keys(data)


def _keys(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from data
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _keys(item)


def _is_evaluated(name: str, found: AbstractSet[str]) -> bool:
    """Return whether a placeholder is a path into a variable, or an expression that starts with one."""
    root = _ROOT.match(name)
    return root is not None and root[1] != name and root[1] in found


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
