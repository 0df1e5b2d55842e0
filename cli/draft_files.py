"""Read the file in which somebody wrote an agreement."""

from pathlib import Path
from typing import Any

import yaml

from countersign.client.errors import BadInputError


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
        kind = "" if isinstance(error, _FaultError) else "that is neither YAML nor JSON: "
        raise BadInputError(f"{path}{line}: {kind}{why}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadInputError(f"{path}: that is neither YAML nor JSON, but no text at all") from None
    if draft is None:
        raise BadInputError(f"{path}: it is empty; see docs/using.md for an example")
    if not isinstance(draft, dict):
        raise BadInputError(f"{path}: an agreement is a mapping of names to values")
    return draft


class _FaultError(yaml.MarkedYAMLError):
    """It is YAML, and nothing that an agreement could be read from."""


class _Loader(yaml.SafeLoader):
    """Refuses a name that stands in a mapping twice, of which YAML would take the last, and says where."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # YAML's
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise _FaultError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # YAML's
        try:
            return super().construct_object(node, deep)
        except (ValueError, AttributeError):  # 2027-02-30
            raise _FaultError(
                problem="there is no such date, time or number", problem_mark=node.start_mark
            ) from None
