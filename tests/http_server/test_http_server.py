"""The HTTP server that the receiver, the codec server and the metrics share."""

import asyncio
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from countersign.http_server import server
from countersign.http_server.limits import Rejection
from countersign.http_server.listening import CannotListenError
from countersign.http_server.server import Server


def create_app() -> Starlette:
    async def respond(_request: Request) -> Response:
        return PlainTextResponse("hello\n")

    return Starlette(routes=[Route("/", respond)])


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(url)


async def read_to_end(url: str) -> bytes:
    """Open a connection, send nothing, and return what arrives until it is closed."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_it_serves_in_the_background_and_stops() -> None:
    async with Server(create_app(), host="127.0.0.1", port=0, connection_limit=10).running() as url:
        assert (await get(url)).text == "hello\n"

    with pytest.raises(httpx.ConnectError):
        await get(url)


async def test_a_used_port_is_an_error_with_its_purpose() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        second = Server(
            create_app(), host="127.0.0.1", port=port, connection_limit=10, purpose=" for metrics"
        )
        with pytest.raises(CannotListenError, match=f"cannot listen on 127.0.0.1:{port} for metrics: "):
            async with second.running():
                pass


@pytest.mark.parametrize(
    ("connection_limit", "rejection", "response"),
    [(10, Rejection.SLOW, b""), (0, Rejection.CROWDED, b"HTTP/1.1 503 Service Unavailable\r\n")],
)
async def test_a_rejected_connection_is_reported(
    monkeypatch: pytest.MonkeyPatch, connection_limit: int, rejection: Rejection, response: bytes
) -> None:
    monkeypatch.setattr(server, "RECEIVE_SECONDS", 0.1)
    rejections: list[Rejection] = []
    limited = Server(
        create_app(), host="127.0.0.1", port=0, connection_limit=connection_limit, on_reject=rejections.append
    )
    async with limited.running() as url:
        assert (await read_to_end(url)).startswith(response)

    assert rejections == [rejection]
