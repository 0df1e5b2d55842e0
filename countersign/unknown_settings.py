"""Variables that look like settings and are none: most are unknown, and nothing else would tell.

A warning and no refusal: other tools have variables of the same beginnings, and after a roll-back those of
the newer release may still be set.
"""

import logging
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

logger = logging.getLogger(__name__)

_PREFIXES: Final = ("COUNTERSIGN_", "TURBODOCX_")
_reported: set[str] = set()


def warn_of_unknown_settings(variables: Iterable[str], settings: Collection[str]) -> None:
    """Log a warning for each variable that begins as a setting does and is none, once per process.

    Args:
        variables: Names that are set somewhere.
        settings: The names of all settings; each may end in `_FILE`.
    """
    for name in sorted({variable for variable in variables if variable.startswith(_PREFIXES)} - _reported):
        if name not in settings and name.removesuffix("_FILE") not in settings:
            _reported.add(name)
            logger.warning("%s is not a setting%s", name, _suggestion(name, settings))


def _suggestion(name: str, settings: Iterable[str]) -> str:
    """Compare without the beginnings, which most names share and which may be the mistake."""
    ends = {_end(setting): setting for setting in settings if setting.startswith(_PREFIXES)}
    near = get_close_matches(_end(name), ends, 1)
    return f"; did you mean {ends[near[0]]}?" if near else ""


def _end(name: str) -> str:
    return name.partition("_")[2]
