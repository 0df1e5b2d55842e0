"""Descriptions of fields in the OpenAPI document, from the docstrings of the models."""

import re
from typing import Any, Final

_ENTRY: Final = re.compile(r"^ {4,8}(\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def with_field_descriptions(document: dict[str, Any]) -> dict[str, Any]:
    """Move what a model's docstring says about its arguments to the model's fields."""
    for schema in document["components"]["schemas"].values():
        text = schema.get("description", "")
        head, separator, arguments = text.partition("\nArgs:\n")
        if not separator:
            continue
        schema["description"] = " ".join(head.split())
        for name, meaning in _ENTRY.findall(arguments):
            if field := schema.get("properties", {}).get(name):
                field.setdefault("description", " ".join(meaning.split()))
    return document
