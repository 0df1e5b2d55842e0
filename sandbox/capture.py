"""Doing a request's work and catching its answer, so that it can be kept or spoiled before it is sent."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope


async def whole(receive: Receive) -> bytes:
    """Read a request's body to its end."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)


async def answers_of(app: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    """Let an application answer a request, and return the answer's messages, its start first."""
    messages: list[Message] = []

    async def catch(message: Message) -> None:
        messages.append(message)

    await app(scope, replay(body), catch)
    return messages


def replay(body: bytes) -> Receive:
    """Give a body that was read once more."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
