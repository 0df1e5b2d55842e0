"""Fill a template with variables."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import StringConstraints, model_validator

from sandbox.core.pdf import Paragraph
from sandbox.core.validation import Body


class Variable(Body):
    """A value for one placeholder."""

    placeholder: Annotated[str, StringConstraints(min_length=1)]
    mime_type: str
    text: str | None = None
    value: Any = None
    variable_stack: list[Any] | dict[str, Any] | None = None
    subvariables: list[Any] | None = None
    is_disabled: bool | None = None
    ai_prompt: Annotated[str, StringConstraints(max_length=16000)] | None = None
    uses_advanced_templating_engine: bool | None = None

    @model_validator(mode="after")
    def _sound(self) -> "Variable":
        kinds = {"text", "html", "image", "markdown"} | (
            {"json"} if self.uses_advanced_templating_engine else set()
        )
        if self.mime_type not in kinds:
            raise ValueError(f"mimeType must be one of [{', '.join(sorted(kinds))}]")
        if self.text is None and self.variable_stack is None and not self.is_disabled:
            raise ValueError("text is required")
        return self


def fill(paragraphs: Sequence[Sequence[str]], variables: Sequence[dict[str, Any]]) -> list[Paragraph]:
    """Replace placeholders by the values of variables.

    Variables without a placeholder follow at the end, so that the document holds all of them.
    """
    values = {
        variable["placeholder"]: value_of(variable)
        for variable in variables
        if not variable.get("isDisabled")
    }
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
    """Return a variable's text, or the texts of its stack or its sub-variables."""
    for key in ("text", "value"):
        if isinstance(variable.get(key), str) and variable[key]:
            return str(variable[key])
    stack = variable.get("variableStack") or variable.get("subvariables") or []
    parts = stack.values() if isinstance(stack, dict) else stack
    return ", ".join(value_of(part) for part in parts if isinstance(part, dict))
