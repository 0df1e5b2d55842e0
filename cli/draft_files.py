"""Read an agreement file: YAML or JSON, every value as the text that is written."""

import json
import stat
from pathlib import Path
from typing import Any, Final

import yaml

from countersign.client.drafts import Unquoted
from countersign.client.errors import BadInputError
from countersign.client.files import why_unreadable

SIZE_LIMIT: Final = 2 * 1024**2
"""Bytes. Temporal rejects a larger agreement."""
DEPTH_LIMIT: Final = 20
"""An agreement has six levels, and the data of a variable some more."""

_NO_MAPPING: Final = "write a mapping of names to values: docs/examples/agreement.json is an example"


def read_draft(path: Path) -> dict[str, Any]:
    """Read an agreement file.

    Numbers, dates and times stay the text that was written: YAML 1.1 would turn the postal code `0123` into
    83 and the time `12:30` into 750. JSON is read by a JSON reader, its numbers as text too. A relative
    `path` in the source counts from the file's folder.

    Args:
        path: A `.json` file, or YAML under any other name. UTF-8, with or without a byte order mark.

    Raises:
        BadInputError: The file cannot be read, is no mapping, names a field twice, or is over 2 MiB.
    """
    text = _text(path)
    try:
        draft = _json(text) if path.suffix.lower() == ".json" else _yaml(text)
    except _MistakeError as mistake:
        raise BadInputError(f"{path}{mistake}") from None
    except RecursionError:
        raise BadInputError(f"{path}: it is nested more than {DEPTH_LIMIT} levels deep") from None
    if draft is None or draft == "":
        raise BadInputError(f"{path}: it is empty; {_NO_MAPPING}")
    if not isinstance(draft, dict):
        raise BadInputError(f"{path}: {_NO_MAPPING}")
    return _beside(path, draft)


class _MistakeError(Exception):
    """What is wrong with the text, beginning with its line."""


def _text(path: Path) -> str:
    try:
        found = path.stat()
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
            raise BadInputError(f"{path}: is not a regular file")
        if found.st_size > SIZE_LIMIT:
            raise BadInputError(f"{path}: over {SIZE_LIMIT // 1024**2} MiB; send documents with source.path")
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise BadInputError(f"{path}: {why_unreadable(error)}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInputError(f"{path}: it is not UTF-8; save it as UTF-8") from None


def _beside(path: Path, draft: dict[str, Any]) -> dict[str, Any]:
    """Resolve the paths of the source and of its variables' images from the agreement file's folder."""
    return draft | {"source": _resolved(path.parent, draft["source"])} if "source" in draft else draft


def _resolved(folder: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_resolved(folder, item) for item in value]
    if not isinstance(value, dict) or value.get("kind") == "json":
        return value
    found = {name: _resolved(folder, item) for name, item in value.items()}
    if value.get("kind") in {"file", "image"} and isinstance(written := value.get("path"), str):
        document, here = folder / Path(written).expanduser(), Path.cwd()
        if document.is_relative_to(here):  # a sentence about it is shorter
            document = document.relative_to(here)
        found["path"] = str(document)
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(
            text, parse_int=Unquoted, parse_float=Unquoted, parse_constant=str, object_pairs_hook=_distinct
        )
    except json.JSONDecodeError as error:
        raise _MistakeError(f", line {error.lineno}: not valid JSON: {error.msg}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise _MistakeError(f": {repeated} is there twice")
    return dict(pairs)


def _yaml(text: str) -> Any:
    try:
        return yaml.load(text, _TextLoader)  # noqa: S506  # it builds text, lists and mappings only
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        why = (error.problem or "").replace("'<stream end>'", "its end")
        kind = "" if isinstance(error, _RefusedError) else "not valid YAML: "
        raise _MistakeError(f"{line}: {kind}{why}") from None
    except yaml.YAMLError:
        raise _MistakeError(": it holds control characters, which YAML does not allow") from None


class _RefusedError(yaml.MarkedYAMLError):
    """Valid YAML that an agreement cannot be read from."""


class _TextLoader(yaml.BaseLoader):
    """Builds mappings, lists, text and null: YAML 1.2's failsafe schema, and null."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML's
            raise _RefusedError(problem="write the value instead of an alias (*)", problem_mark=mark)
        self.depth += 1
        try:
            if self.depth > DEPTH_LIMIT:
                raise RecursionError
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # YAML's
        names = set()
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise _RefusedError(problem="a name is a text", problem_mark=name.start_mark)
            if name.value in names:
                raise _RefusedError(problem=f"{name.value} is there twice", problem_mark=name.start_mark)
            names.add(name.value)
        return super().construct_mapping(node, deep)


def _scalar(loader: yaml.BaseLoader, node: yaml.ScalarNode) -> str | None:
    if node.style is None and node.value in {"", "~", "null", "Null", "NULL"}:
        return None
    text = str(loader.construct_scalar(node))
    return Unquoted(text) if node.style is None else text


_TextLoader.add_constructor("tag:yaml.org,2002:str", _scalar)
for _tag in ("seq", "map"):
    _TextLoader.add_constructor(
        f"tag:yaml.org,2002:{_tag}", yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{_tag}"]
    )
