"""Run a request and capture its response before it is sent."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope


async def read_body(receive: Receive) -> bytes:
    """Read a request's body to its end."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)


async def captured_messages(app: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    """Run a request and return the messages of its response, `http.response.start` first."""
    messages: list[Message] = []

    async def catch(message: Message) -> None:
        messages.append(message)

    await app(scope, replay(body), catch)
    return messages


def replay(body: bytes) -> Receive:
    """Return a `receive` that yields a body that was already read."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
