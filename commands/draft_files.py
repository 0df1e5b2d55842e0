"""Read the file in which somebody wrote an agreement."""

from pathlib import Path
from typing import Any

import yaml

from commands.errors import BadInputError


def read_draft(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON file.

    Raises:
        BadInputError: It is missing, or holds something else.
    """
    try:
        draft = yaml.load(path.read_text(), _Loader)  # noqa: S506  # a safe loader, that looks closer
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        why = (error.problem or "").replace("'<stream end>'", "its end")
        kind = "" if isinstance(error, _TwiceError) else "that is neither YAML nor JSON: "
        raise BadInputError(f"{path}{line}: {kind}{why}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadInputError(f"{path}: that is neither YAML nor JSON, but no text at all") from None
    if draft is None:
        raise BadInputError(f"{path}: it is empty; see docs/using.md for an example")
    if not isinstance(draft, dict):
        raise BadInputError(f"{path}: an agreement is a mapping of names to values")
    return draft


class _TwiceError(yaml.MarkedYAMLError):
    """A name stands in a mapping twice."""


class _Loader(yaml.SafeLoader):
    """Refuses a name that stands in a mapping twice, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # YAML's
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise _TwiceError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value) if isinstance(key, yaml.ScalarNode) else None
        return super().construct_mapping(node, deep)
