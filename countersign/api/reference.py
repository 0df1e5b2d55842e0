"""Generator of `docs/reference/api.md` and `docs/schemas/openapi.json` from the API itself.

Run `make reference` after a change of the API; a test compares, and sends every request of the page.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from countersign.api import problems
from countersign.api.app import document
from countersign.api.examples import CALLBACK, EXAMPLES, Example

PAGE: Final = Path("docs/reference/api.md")
OPENAPI: Final = Path("docs/schemas/openapi.json")
CURL: Final = 'curl -sS -H "Authorization: Bearer $TOKEN"'

_HEAD: Final = """\
# HTTP API

`make reference` generates this page from the API. The same in OpenAPI 3.1, with all schemas, is at
`/openapi.json` of a running API and in [openapi.json](../schemas/openapi.json). [Call it over
HTTP](../how-to/call-it-over-http.md) shows how to run it, and recipes.

The requests on this page use two variables. In the stack of `make up`:

```sh
API=http://127.0.0.1:8090
TOKEN=$(cat .countersign/local/api-token)
```

- Every request needs a bearer token with the scope that the operation names. Without the scope `read:people`,
  no response holds a name, a person's reason or the provider's own words.
- A token may be bound to an account and to references that begin with a prefix. Other agreements do not exist
  for it.
- Bodies are JSON in UTF-8; files and tables come in a form. Times are ISO 8601 with an offset. Unknown fields
  are an error.
- Paths in responses (`Location`, `links`, `next`) are relative to the API's address.
- `X-Request-Id` may name the request: 1 to 64 letters, digits, dots, dashes and underscores. The response
  repeats it, or has one of the API's own. Logs contain it.
"""

_VIEW: Final = """
## The view of an agreement

| field | meaning |
| --- | --- |
{rows}"""

_CALLBACKS: Final = """
## Callbacks

An agreement with a `callback_url` calls it with a POST for each event, signed by Standard Webhooks. The
URL's host must be in `COUNTERSIGN_CALLBACKS_HOSTS`. [Be called back](../how-to/be-called-back.md) lists the
events, and shows how to verify and receive them. `links` are there if `COUNTERSIGN_CALLBACKS_API_URL` is set.

```json
{example}
```
"""

_ERRORS: Final = """
## Errors

An error is a problem (RFC 9457) of the media type `application/problem+json`:

```json
{example}
```

`type` is stable. `errors` lists what is wrong with the input, with JSON pointers, or with the lines and
columns of a table. `fields` of a `reference-taken` names the fields that differ, `signers` of a `not-in-turn`
those who sign first. A problem never repeats a value.

| status | type | meaning |
| --- | --- | --- |
{rows}
A 503 or a 429 has a `Retry-After` in seconds: repeat the same request then. If a start without a reference of
its own ends in a 503, the problem's `reference` is the one to repeat it with: the start may have happened.
"""


def page() -> str:
    """Return the page's text."""
    described = document().openapi()
    operations = [
        (method.upper(), path, operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
    ]
    parts = [_HEAD]
    for tag in dict.fromkeys(operation["tags"][0] for _, _, operation in operations):
        parts.append(f"\n## {tag.capitalize()}\n")
        parts += [
            _section(method, path, operation, described["components"]["schemas"])
            for method, path, operation in operations
            if operation["tags"][0] == tag
        ]
    view = _VIEW.format(rows="".join(_fields(described["components"]["schemas"]["Agreement"], needs=False)))
    event = json.dumps(CALLBACK.model_dump(mode="json", exclude_none=True), indent=2)
    return "".join(parts) + view + _CALLBACKS.format(example=event) + _errors()


def _section(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    name = operation["operationId"]
    parts = [f"\n### {operation['summary']}\n\n    {method} {path}\n\n{operation['description'].strip()}\n"]
    parts.append(_request(EXAMPLES[name]))
    if rows := list(_parameters(operation)):
        parts.append(f"\n| parameter | in | meaning |\n| --- | --- | --- |\n{''.join(rows)}")
    if body := operation.get("requestBody"):
        content = body["content"]
        media = content.get("application/json") or content["multipart/form-data"]
        model = media["schema"]["$ref"].rpartition("/")[2]
        parts.append(f"\n| field | meaning |\n| --- | --- |\n{''.join(_fields(schemas[model]))}")
    responses = "".join(
        f"| {status} | {_flat(response['description'])} |\n"
        for status, response in sorted(operation["responses"].items())
    )
    return "".join(parts) + f"\n| status | meaning |\n| --- | --- |\n{responses}"


def _request(example: Example) -> str:
    text = f"\n```sh\n{CURL} \\\n    {example.command}\n```\n"
    if example.result is None:
        return text
    result = json.dumps(example.result, indent=2)
    return f"{text}\nThe response is a {example.status}:\n\n```json\n{result}\n```\n"


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        default = schema.get("default")
        note = f" Default: `{json.dumps(default)}`." if default is not None else ""
        yield f"| `{parameter['name']}` | {parameter['in']} | {_flat(parameter['description'])}{note} |\n"


def _fields(schema: dict[str, Any], *, needs: bool = True) -> Iterator[str]:
    required = schema.get("required", ()) if needs else ()
    for name, about in schema["properties"].items():
        needed = " Required." if name in required else ""
        yield f"| `{name}` | {_flat(about.get('description', ''))}{needed} |\n"


def _flat(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _errors() -> str:
    example = {
        "type": problems.INVALID.urn,
        "title": problems.INVALID.title,
        "status": int(problems.INVALID.status),
        "detail": "signer 1: email: is not an e-mail address",
        "request_id": "0b7c1f6a",
        "errors": [
            {"pointer": "/signers/0/email", "detail": "signer 1: email: is not an e-mail address"},
        ],
    }
    rows = "".join(
        f"| {int(kind.status)} | `{kind.urn}` | {kind.title} |\n"
        for kind in sorted(problems.KINDS, key=lambda kind: kind.status)
    )
    return _ERRORS.format(example=json.dumps(example, indent=2), rows=rows)


def openapi() -> str:
    """Return the OpenAPI document as the file has it."""
    return json.dumps(document().openapi(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    OPENAPI.write_text(openapi(), encoding="utf-8")
