"""Making a document from a template and variables."""

from collections.abc import Sequence
from typing import Any

from countersign.sandbox.pdf import Paragraph


def fill(paragraphs: Sequence[Sequence[str]], variables: Sequence[dict[str, Any]]) -> list[Paragraph]:
    """Put variables in their places.

    Variables without a place follow at the end, so that the document holds every one of them.
    """
    values = {each["placeholder"]: value_of(each) for each in variables if not each.get("isDisabled")}
    placed: set[str] = set()
    filled: list[Paragraph] = []
    for style, text in paragraphs:
        new = text
        for placeholder, value in values.items():
            if placeholder and placeholder in new:
                new = new.replace(placeholder, value)
                placed.add(placeholder)
        filled.append((style, new))
    rest = [(name, value) for name, value in values.items() if name not in placed]
    if rest:
        filled.append(("heading", "Particulars"))
        filled += [("text", f"{name.strip('{}')}: {value}") for name, value in rest]
    return filled


def value_of(variable: dict[str, Any]) -> str:
    """Read a variable's text, the texts of a stack, or of its sub-variables."""
    for key in ("text", "value"):
        if isinstance(variable.get(key), str) and variable[key]:
            return str(variable[key])
    stack = variable.get("variableStack") or variable.get("subvariables") or []
    parts = stack.values() if isinstance(stack, dict) else stack
    return ", ".join(value_of(part) for part in parts if isinstance(part, dict))
