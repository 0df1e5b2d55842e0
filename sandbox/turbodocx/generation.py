"""Fill a template with variables."""

import base64
import binascii
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Annotated, Any, Final

from pydantic import StringConstraints, model_validator

from sandbox.core.pdf import Paragraph
from sandbox.core.validation import Body

_LOOP: Final = re.compile(r"\{#([A-Za-z_][\w.]*)\}")
_PATH: Final = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_IMAGE: Final = re.compile(r"data:image/(?:png|jpeg|gif);base64,")
_BLOCKS: Final = frozenset({"br", "div", "h1", "h2", "h3", "h4", "li", "ol", "p", "table", "tr", "ul"})
_MARKS: Final = re.compile(r"\*\*|__|`|^#{1,6} +", re.MULTILINE)


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
        advanced = self.uses_advanced_templating_engine
        kinds = {"text", "html", "image", "markdown"} | ({"json"} if advanced else set())
        if self.mime_type not in kinds:
            raise ValueError(f"mimeType must be one of [{', '.join(sorted(kinds))}]")
        has_value = advanced and self.value is not None
        if self.text is None and self.variable_stack is None and not self.is_disabled and not has_value:
            raise ValueError("text is required")
        if self.mime_type == "image" and self.text is not None and _IMAGE.match(self.text):
            image(self.text)
        return self


def fill(paragraphs: Sequence[Sequence[str]], variables: Sequence[dict[str, Any]]) -> list[Paragraph]:
    """Replace placeholders by the values of variables.

    A paragraph whose variable has a stack is repeated per value, a loop's paragraphs per item. Variables
    without a placeholder follow at the end, so that the document holds all of them.
    """
    active = [variable for variable in variables if not variable.get("isDisabled")]
    data = {_name(variable): variable["value"] for variable in active if _is_data(variable)}
    placed = {f"{{{name}}}" for name in data if any(_mentions(name, text) for _, text in paragraphs)}
    filled = list(_looped([(style, text) for style, text in paragraphs], data))
    for variable in active:
        placeholder = variable["placeholder"]
        if placeholder and any(placeholder in text for _, text in filled):
            filled = [part for paragraph in filled for part in _replaced(paragraph, variable)]
            placed.add(placeholder)
    rest = [variable for variable in active if variable["placeholder"] not in placed]
    if rest:
        filled.append(("heading", "Particulars"))
        for variable in rest:
            placeholder = variable["placeholder"]
            filled += _replaced(("text", f"{placeholder.strip('{}')}: {placeholder}"), variable)
    return filled


def value_of(variable: dict[str, Any]) -> str:
    """Return a variable's text as a reader sees it, or the texts of its stack or its data."""
    if isinstance(variable.get("text"), str) and variable["text"]:
        return _shown(variable["text"], variable.get("mimeType", "text"))
    if parts := _stack(variable):
        return ", ".join(value_of({"mimeType": variable.get("mimeType")} | part) for part in parts)
    value = variable.get("value")
    if value is not None:
        return ", ".join(_scalars(value))
    parts = variable.get("subvariables") or []
    return ", ".join(value_of(part) for part in parts if isinstance(part, dict))


def image(text: str) -> io.BytesIO:
    """Read an image from a data URL.

    Raises:
        ValueError: It is no image.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - only documents with images need it

    try:
        content = io.BytesIO(base64.b64decode(text.partition(",")[2], validate=True))
        with Image.open(content) as opened:
            opened.verify()
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError):
        raise ValueError("the image could not be read") from None
    content.seek(0)
    return content


def _replaced(paragraph: Paragraph, variable: dict[str, Any]) -> Iterator[Paragraph]:
    style, text = paragraph
    placeholder = variable["placeholder"]
    if placeholder not in text:
        yield paragraph
        return
    for value in _stack(variable) or [variable]:
        entry = {"mimeType": variable.get("mimeType")} | value
        new = text.replace(placeholder, value_of(entry | {"subvariables": None}))
        for inner in entry.get("subvariables") or []:
            if isinstance(inner, dict) and inner.get("placeholder"):
                new = new.replace(inner["placeholder"], value_of(inner))
        if new.strip():
            yield style, new
        if entry["mimeType"] == "image" and _IMAGE.match(str(entry.get("text"))):
            yield "image", str(entry["text"])


def _stack(variable: dict[str, Any]) -> list[dict[str, Any]]:
    stack = variable.get("variableStack") or []
    parts = stack.values() if isinstance(stack, dict) else stack
    return [part for part in parts if isinstance(part, dict)]


def _shown(text: str, mime_type: str | None) -> str:
    if mime_type == "html":
        reader = _HtmlText()
        reader.feed(text)
        reader.close()
        lines = "".join(reader.parts).splitlines()
        return "\n".join(line.strip().removeprefix("| ") for line in lines if line.strip())
    if mime_type == "markdown":
        return _MARKS.sub("", text)
    return "" if mime_type == "image" and _IMAGE.match(text) else text


class _HtmlText(HTMLParser):
    """The text of HTML: a line per block and per row of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in {"td", "th"}:
            self.parts.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


# The advanced engine: loops, and paths into data. It evaluates no other expressions and no conditions.


def _looped(paragraphs: list[Paragraph], scope: Mapping[str, Any]) -> Iterator[Paragraph]:
    """Repeat what stands between `{#Items}` and `{/Items}` or `{/}`, once per item of a list."""
    at = 0
    while at < len(paragraphs):
        style, text = paragraphs[at]
        loop = _LOOP.search(text)
        items = _at(loop[1], scope) if loop else None
        end = _end(paragraphs, at, loop[1]) if loop else None
        if loop is None or end is None or not isinstance(items, list):
            yield style, _PATH.sub(lambda found: _text_at(found, scope), text)
            at += 1
            continue
        body = paragraphs[at : end + 1]
        body[0] = (style, text[: loop.start()] + text[loop.end() :])
        body[-1] = (body[-1][0], _without_end(body[-1][1], loop[1]))
        for item in items:
            within = {**scope, **item} if isinstance(item, dict) else {**scope, ".": item}
            yield from _looped([part for part in body if part[1].strip()], within)
        at = end + 1


def _end(paragraphs: list[Paragraph], start: int, name: str) -> int | None:
    ends = (f"{{/{name}}}", "{/}")
    places = range(start, len(paragraphs))
    return next((at for at in places if any(end in paragraphs[at][1] for end in ends)), None)


def _without_end(text: str, name: str) -> str:
    end = f"{{/{name}}}"
    return text.replace(end, "", 1) if end in text else text.replace("{/}", "", 1)


def _text_at(found: re.Match[str], scope: Mapping[str, Any]) -> str:
    value = _at(found[1], scope)
    return found[0] if value is None or isinstance(value, dict | list) else ", ".join(_scalars(value))


def _at(path: str, scope: Mapping[str, Any]) -> Any:
    value: Any = scope
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _scalars(item)
    elif value is not None:
        yield str(value).lower() if isinstance(value, bool) else str(value)


def _mentions(name: str, text: str) -> bool:
    return re.search(rf"\{{#?{re.escape(name)}\b", text) is not None


def _name(variable: dict[str, Any]) -> str:
    return str(variable["placeholder"]).strip("{}")


def _is_data(variable: dict[str, Any]) -> bool:
    return bool(variable.get("usesAdvancedTemplatingEngine")) and variable.get("value") is not None
