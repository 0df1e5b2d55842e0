"""The OpenAPI description of the emulated API, put together from its routes and their bodies' models."""

import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel
from starlette.routing import Route

from countersign.sandbox.openapi_calls import CALLS, JSON_ONLY, Call
from countersign.sandbox.openapi_shapes import FILE, ID, TEXT, Schema

_JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"
_STATUSES: Final = (400, 401, 402, 403, 404, 409, 410, 413, 422, 423, 429, 499)


def describe(routes: Sequence[Any]) -> dict[str, Any]:
    """Describe the routes of the emulated API; pages and control are not part of it."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route) and route.path != "/" and not route.path.startswith("/_sandbox"):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                operation = _operation(route, CALLS[f"{method} {route.path}"])
                paths.setdefault(route.path, {})[method.lower()] = operation
    security = {"key": {"type": "http", "scheme": "bearer"}}
    title = "TurboDocx, as the sandbox emulates it"
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1.0"},
        "paths": paths,
        "components": {"securitySchemes": security},
        "security": [{"key": []}],
    }


def _operation(route: Route, call: Call) -> dict[str, Any]:
    summary = (route.endpoint.__doc__ or "").partition("\n")[0]
    described: dict[str, Any] = {
        "summary": summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(call.query), _ORG],
        "responses": {"200": _answer(call.answer), **{str(status): _REFUSED for status in _STATUSES}},
    }
    content = _content(call)
    return described | ({"requestBody": {"content": content}} if content else {})


_ORG: Final = {"name": "x-rapiddocx-org-id", "in": "header", "schema": TEXT, "description": "Organisation."}
_REFUSED: Final = {"description": "Refused; the body has one of several shapes, or there is none."}


def _answer(answer: Schema | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {
            "description": "A file.",
            "content": {answer: {"schema": FILE}, "application/*": {"schema": FILE}},
        }
    return {"description": "Done.", "content": {_JSON: {"schema": answer}}}


def _content(call: Call) -> dict[str, Any]:
    example = {} if call.example is None else {"example": call.example}
    if call.body is not None:
        return {_JSON: {"schema": _inlined(call.body.model_json_schema())} | example}
    if call.form is None:
        return {}
    content: dict[str, Any] = {_FORM: {"schema": call.form}}
    if call.form_as_json:
        properties = {name: each for name, each in call.form["properties"].items() if name != "file"}
        content[_JSON] = {"schema": call.form | {"properties": properties | JSON_ONLY}} | example
    return content


def _path_parameters(path: str) -> list[Schema]:
    names = re.findall(r"\{(\w+)\}", path)
    return [
        {"name": name, "in": "path", "required": True, "schema": TEXT if name == "name" else ID}
        for name in names
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[Schema]:
    if model is None:
        return []
    properties = _inlined(model.model_json_schema())["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _inlined(schema: Schema) -> Schema:
    """Put definitions where they are referred to: none refers to itself."""
    definitions = schema.pop("$defs", {})

    def put(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return put(definitions[part["$ref"].rpartition("/")[2]])
            return {key: put(value) for key, value in part.items()}
        return [put(each) for each in part] if isinstance(part, list) else part

    inlined: Schema = put(schema)
    return inlined
