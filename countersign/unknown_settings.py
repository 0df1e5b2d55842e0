"""Warnings about variables with a prefix of the settings that are not settings, such as mistyped names.

They are not errors, because other tools use the same prefixes, and because variables of a newer release may
still be set after a rollback.
"""

import logging
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

logger = logging.getLogger(__name__)

_reported: set[str] = set()


def warn_of_unknown_settings(
    variables: Iterable[str], settings: Sequence[str], prefixes: tuple[str, ...]
) -> None:
    """Log a warning for every unknown variable with a prefix of the settings, once per process.

    Args:
        variables: Names of variables that are set.
        settings: The names of all settings, the nearest to the process first; `NAME_FILE` is valid for every
            `NAME`.
        prefixes: How the names of settings begin.
    """
    for name in sorted({variable for variable in variables if variable.startswith(prefixes)} - _reported):
        if name not in settings and name.removesuffix("_FILE") not in settings:
            _reported.add(name)
            logger.warning("%s is not a setting%s", name, _suggestion(name, settings))


def _suggestion(name: str, settings: Iterable[str]) -> str:
    """Find the nearest setting: one with the same prefix, else one with a similar end, as prefixes differ."""
    known = tuple(settings)
    start = f"{name.partition('_')[0]}_"
    near = get_close_matches(_end(name), [_end(setting) for setting in known if setting.startswith(start)], 1)
    if near:
        return f"; did you mean {start}{near[0]}?"
    ends: dict[str, str] = {}
    for setting in known:
        ends.setdefault(_end(setting), setting)
    near = get_close_matches(_end(name), ends, 1)
    return f"; did you mean {ends[near[0]]}?" if near else ""


def _end(name: str) -> str:
    return name.partition("_")[2]
